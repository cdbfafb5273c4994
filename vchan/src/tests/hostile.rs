use xen::fake::MappedPage;
use xen::{PeerMisbehaved, SharedMemory};
use xen_sys::io::libxenvchan as abi;

use super::*;

/// The server's page, mapped once more.
fn page(stage: &Stage) -> MappedPage {
    let offer = stage.offer().expect("offered");
    stage.world.peer(DomId::DOM0).map_rw(offer.ring_ref.raw()).expect("granted")
}

#[test]
fn a_client_that_lies_about_an_index_ends_its_connection_and_no_other() {
    for (index, value) in [
        (abi::LEFT_PROD, 1025),
        (abi::LEFT_PROD, u32::MAX),
        (abi::RIGHT_CONS, 1),
        (abi::RIGHT_CONS, u32::MAX / 2),
    ]
    .into_iter()
    .step_by(if cfg!(miri) { 2 } else { 1 })
    {
        let stage = Stage::new();
        let server = stage.serve(Sizes::default());
        let raw = page(&stage);
        let client = stage.pair(&server);
        raw.store_u32(index, value);
        let mut steps =
            [server.read(&mut [0; 2000]).err(), server.write(&[0; 3000]).err()].into_iter().flatten();
        assert!(matches!(steps.next(), Some(Error::Peer(PeerMisbehaved { .. }))), "{index} {value}");
        assert!(!client.is_connected(), "it is told");
        assert!(matches!(server.read(&mut [0; 9]), Err(Error::Peer(_))), "the lie is remembered");
        assert!(!server.is_connected());
        drop((raw, client));
        assert_eq!(server.accept(Some(0)), Ok(false));
        let client = stage.pair(&server);
        client.write(b"honest").expect("room");
        assert_eq!(read_all(|into| server.read(into)).0, b"honest");
    }
}

#[test]
fn our_own_indices_in_the_page_move_nothing() {
    let stage = Stage::new();
    let server = stage.serve(Sizes::default());
    let raw = page(&stage);
    let client = stage.pair(&server);
    client.write(b"one").expect("room");
    server.write(b"two").expect("room");
    raw.store_u32(abi::LEFT_CONS, 77);
    assert_eq!(read_all(|into| server.read(into)).0, b"one");
    raw.store_u32(abi::RIGHT_PROD, 77);
    server.write(b"three").expect("room");
    assert_eq!(raw.load_u32(abi::RIGHT_PROD), 8);
    assert_eq!(read_all(|into| client.read(into)).0, b"twothree");
}

#[test]
fn a_server_that_lies_about_its_rings_is_refused() {
    for (left, right, list) in [
        (9, 11, 0),
        (10, 21, 0),
        (10, 10, 0),
        (11, 11, 0),
        (0xffff, 0xffff, 0),
        // The list of grants would reach into the ring.
        (20, 10, 0),
        // No such grants.
        (12, 11, 0),
        (20, 20, 9999),
    ]
    .into_iter()
    .step_by(if cfg!(miri) { 3 } else { 1 })
    {
        let stage = Stage::new();
        let server = stage.serve(Sizes::default());
        let raw = page(&stage);
        raw.store_u32(abi::LEFT_ORDER, left | right << 16);
        raw.store_u32(abi::GRANTS, list);
        let refused = stage.connect();
        let is_foreign_grant = matches!((left, right), (12, 11) | (20, 20));
        match refused {
            Err(Error::Map(_)) => assert!(is_foreign_grant, "{left} {right} {list}"),
            Err(Error::Peer(_)) => assert!(!is_foreign_grant, "{left} {right} {list}"),
            _ => panic!("{left} {right} {list} is taken"),
        }
        drop((raw, server));
    }
}

#[test]
fn clients_that_never_let_go_of_their_pages_are_not_served_for_ever() {
    let stage = Stage::new();
    let server = stage.serve(Sizes::default());
    let mut kept = Vec::new();
    let refused = loop {
        kept.push(page(&stage));
        let client = stage.pair(&server);
        drop(client);
        if let Err(error) = server.accept(Some(0)) {
            break error;
        }
        assert!(kept.len() < 50, "it is served for ever");
    };
    assert!(matches!(refused, Error::Hoarded(33)), "{refused}");
    drop((server, kept));
}

#[test]
fn nonsense_in_the_nodes_is_no_offer() {
    let stage = Stage::new();
    for (value, is_error) in [("0", false), ("", true), ("-1", true), ("4294967296", true), ("x", true)] {
        stage.xenstored.set("/local/domain/5/data/vchan/ring-ref", value);
        stage.xenstored.set("/local/domain/5/data/vchan/event-channel", "3");
        let found = Offer::read(&stage.store, PATH);
        assert_eq!(found.is_err(), is_error, "{value:?}: {found:?}");
        assert_eq!(found.ok().flatten(), None);
    }
}
