use xen::fake::Progress;
use xen::{Clock, Wake};
use xenstore::{Permission, Rights};

use super::*;

#[test]
fn an_offer_can_be_read_by_its_client_and_by_nobody_else() {
    let stage = Stage::new();
    stage.xenstored.conflict(2);
    let server = stage.serve(Sizes::default());
    for key in ["ring-ref", "event-channel"] {
        let permissions = stage.store.permissions(&format!("{PATH}/{key}")).expect("there");
        let own = Permission { domain: xenstore::fake::GUEST, rights: Rights::None };
        let theirs = Permission { domain: DomId::DOM0, rights: Rights::Read };
        assert_eq!(permissions, [own, theirs]);
    }
    assert_eq!(Offer::read(&stage.store, PATH), Ok(stage.offer()));
    assert_eq!(Offer::read(&stage.store, "/local/domain/0/nothing"), Ok(None), "it may not even look");
    drop(server);
    assert_eq!((stage.node("ring-ref"), Offer::read(&stage.store, PATH)), (None, Ok(None)));
}

#[test]
fn nobody_comes_before_the_deadline() {
    let stage = Stage::new();
    let server = stage.serve(Sizes::default());
    assert_eq!(server.accept(Some(5_000_000_000)), Ok(false));
    assert!(!server.is_connected());
    assert_eq!(server.read(&mut [0]), Err(Error::Closed));
    assert_eq!(server.write(&[0]), Err(Error::Closed));
}

#[test]
fn clients_come_one_after_the_other_and_each_finds_a_clean_channel() {
    let stage = Stage::new();
    let server = stage.serve(Sizes { to_server: 5000, to_client: 0 });
    let mut offers = Vec::new();
    for round in 0..if cfg!(miri) { 4 } else { 20 } {
        let offer = stage.offer().expect("offered");
        assert!(!offers.contains(&offer), "an offer is not made twice");
        offers.push(offer);
        let client = stage.pair(&server);
        assert_eq!(stage.offer(), None, "there is no place for another one");
        assert_eq!(client.write(format!("request {round}").as_bytes()), Ok(format!("request {round}").len()));
        // Some leave bytes behind, in either ring.
        server.write(b"left behind").expect("room");
        drop(client);
        assert!(!server.is_connected());
        assert_eq!(server.write(b"x"), Err(Error::Closed));
        let (seen, end) = read_all(|into| server.read(into));
        assert_eq!((seen, end), (format!("request {round}").into_bytes(), Err(Error::Closed)));
        assert_eq!(server.accept(Some(0)), Ok(false));
    }
    // All but the present and the previous pages have been given back: 1 and 2 each, and XenStore's.
    assert_eq!(stage.world.pages_in_use(), 2 * 3 + 1);
}

#[test]
fn a_client_that_came_and_went_unseen_leaves_nothing_to_the_next() {
    let stage = Stage::new();
    let server = stage.serve(Sizes::default());
    let client = stage.connect().expect("offered");
    client.write(b"nobody hears").expect("room");
    drop(client);
    assert_eq!(server.accept(Some(0)), Ok(false));
    let client = stage.pair(&server);
    client.write(b"hello").expect("room");
    assert_eq!(read_all(|into| server.read(into)), (b"hello".to_vec(), Ok(())));
}

#[test]
fn clients_that_only_come_and_go_do_not_hold_a_server_beyond_its_deadline() {
    const SECOND: u64 = 1_000_000_000;
    let stage = Stage::new();
    let server = stage.serve(Sizes::default());
    let (mut taken, mut visits) = (None, 0);
    let xenstored = stage.xenstored.clone();
    stage.world.add_peer(move |xen| {
        let offer = offer_of(&xenstored).filter(|offer| taken.as_ref() != Some(offer));
        let Some(offer) = offer else { return Progress::None };
        taken = Some(offer);
        visits += 1;
        assert!(visits < 20, "the server waits for ever");
        xen.advance_ns(SECOND);
        drop(Client::connect(&xen.peer(DomId::DOM0), xenstore::fake::GUEST, offer));
        Progress::Made
    });
    assert_eq!(server.accept(Some(stage.world.now_ns() + 5 * SECOND)), Ok(false));
    // There is a place for the next one, who stays.
    assert!(stage.offer().is_some());
}

#[test]
fn a_second_client_finds_no_place() {
    let stage = Stage::new();
    let server = stage.serve(Sizes::default());
    let offer = stage.offer().expect("offered");
    let client = stage.pair(&server);
    let second = Client::connect(&stage.world.peer(DomId::DOM0), xenstore::fake::GUEST, offer);
    assert!(matches!(second, Err(Error::Event(_))));
    client.write(b"still here").expect("room");
    assert_eq!(read_all(|into| server.read(into)).0, b"still here");
}

#[test]
fn when_the_server_hangs_up_the_client_reads_the_rest() {
    let stage = Stage::new();
    let server = stage.serve(Sizes::default());
    let client = stage.pair(&server);
    let seen = client.wait_point().expect("open").1;
    server.write(b"last words").expect("room");
    assert_eq!(server.drain(Some(10)), Wake::TimedOut);
    server.hang_up();
    assert_ne!(client.wait_point().expect("open").1, seen);
    assert!(!client.is_connected());
    assert_eq!(read_all(|into| client.read(into)), (b"last words".to_vec(), Err(Error::Closed)));
    assert_eq!(client.write(b"x"), Err(Error::Closed));
    // The next one comes even if this one stays for a while.
    let offered = server.accept(Some(0));
    assert_eq!(offered, Ok(false));
    let next = stage.pair(&server);
    drop(client);
    next.write(b"me").expect("room");
    assert_eq!(read_all(|into| server.read(into)).0, b"me");
}

#[test]
fn a_server_that_ends_is_seen_to_end() {
    let stage = Stage::new();
    let server = stage.serve(Sizes::default());
    let client = stage.pair(&server);
    drop(server);
    assert_eq!(client.read(&mut [0; 9]), Err(Error::Closed));
    drop(client);
    // What the client still mapped is lost, as it must be.
    assert_eq!(stage.world.pages_in_use(), 2);
}

#[test]
fn drained_is_what_the_other_end_has_read() {
    let stage = Stage::new();
    let server = stage.serve(Sizes::default());
    let client = stage.pair(&server);
    assert_eq!(server.drain(Some(0)), Wake::Event);
    server.write(b"abc").expect("room");
    client.read(&mut [0; 2]).expect("there");
    assert_eq!(server.drain(Some(0)), Wake::TimedOut);
    client.read(&mut [0; 2]).expect("there");
    assert_eq!(server.drain(Some(0)), Wake::Event);
    drop(client);
    assert_eq!(server.drain(None), Wake::Event);
}

#[test]
fn a_server_without_memory_says_so_and_loses_nothing() {
    let stage = Stage::new();
    for limit in 1..5 {
        stage.world.limit_pages(Some(limit));
        let refused = FakeServer::new(
            &*stage.world,
            &stage.store,
            DomId::DOM0,
            PATH,
            Sizes { to_server: 8192, to_client: 8192 },
        );
        assert!(matches!(refused.err(), Some(Error::Grant(_))), "{limit}");
        assert_eq!(stage.world.pages_in_use(), 1);
    }
}

#[test]
fn a_store_that_refuses_is_an_error_and_not_the_end() {
    let stage = Stage::new();
    let refused =
        FakeServer::new(&*stage.world, &stage.store, DomId::DOM0, "/local/domain/0/x", Sizes::default());
    assert!(matches!(refused.err(), Some(Error::Store(_))));
    stage.xenstored.set("/local/domain/5/domid", "five");
    let refused = FakeServer::new(&*stage.world, &stage.store, DomId::DOM0, PATH, Sizes::default());
    assert_eq!(
        refused.err().map(|e| format!("{e}")),
        Some("domid holds \"five\", which is no number".into())
    );
}
