use xen::{Access, DomId, SharedMemory, SharedPage};

use super::*;
use crate::ring::{Indices, Ring};
use crate::wire::Orders;

const INDICES: Indices = Indices { cons: 0, prod: 4 };

#[test]
fn a_ring_wraps_at_every_place_and_at_the_end_of_its_index() {
    let world = World::new();
    let share = || SharedPage::new(&*world, DomId::DOM0, Access::ReadWrite).expect("there is memory");
    for (order, start) in [(10, u32::MAX - 700), (11, 1), (12, u32::MAX), (13, 8191), (13, u32::MAX - 4097)] {
        let own = |order| (0..crate::wire::pages(order)).map(|_| share()).collect::<Vec<_>>();
        let page = share();
        page.store_u32(INDICES.cons, start);
        page.store_u32(INDICES.prod, start);
        let mut ring = Ring::new(INDICES, order, own(order), start);
        let bytes = pattern(ring.len());
        for step in [1, 100, ring.len() - 1, ring.len()] {
            ring.put(&page, &bytes[..step]);
            assert_eq!(ring.free(&page), Ok(ring.len() - step));
            // The same memory, read from where it was written.
            let mut reader = Ring::new(INDICES, order, ring.into_pages(), page.load_u32(INDICES.cons));
            assert_eq!(reader.filled(&page), Ok(step));
            let mut seen = vec![0; step];
            reader.take(&page, &mut seen);
            assert!(seen == bytes[..step], "order {order}, {step} bytes");
            assert_eq!(reader.filled(&page), Ok(0));
            ring = Ring::new(INDICES, order, reader.into_pages(), page.load_u32(INDICES.prod));
        }
    }
}

#[test]
fn rings_lie_in_the_page_where_they_fit_and_are_no_longer_than_allowed() {
    let orders = |left, right| Orders::of(left, right).map(|orders| (orders.left, orders.right));
    assert_eq!(orders(0, 0), Ok((10, 11)));
    assert_eq!(orders(1025, 1024), Ok((11, 10)));
    assert_eq!(orders(2000, 2000), Ok((11, 12)));
    assert_eq!(orders(5000, 0), Ok((13, 11)));
    assert_eq!(orders(4096, 4097), Ok((12, 13)));
    assert_eq!(orders(1 << 20, 1 << 20), Ok((20, 20)));
    assert_eq!(orders((1 << 20) + 1, 0), Err(Error::TooLong((1 << 20) + 1)));
}

#[test]
fn whatever_sizes_are_asked_for_bytes_arrive_both_ways() {
    for (to_server, to_client) in [(0, 0), (2048, 0), (2048, 2048), (70_000, 1), (1, 5000), (20_000, 9000)] {
        let stage = Stage::new();
        let server = stage.serve(Sizes { to_server, to_client });
        let client = stage.pair(&server);
        let bytes = pattern(if cfg!(miri) { 6_000 } else { 30_000 });
        let (mut sent, mut answered) = (0, 0);
        let (mut there, mut back) = (Vec::new(), Vec::new());
        while back.len() < bytes.len() {
            sent += client.write(&bytes[sent..]).expect("open");
            there.extend(read_all(|into| server.read(into)).0);
            answered += server.write(&there[answered..]).expect("open");
            back.extend(read_all(|into| client.read(into)).0);
        }
        assert!(back == bytes, "{to_server} and {to_client}");
    }
}

#[test]
fn a_write_takes_what_fits_and_no_more() {
    let stage = Stage::new();
    let server = stage.serve(Sizes::default());
    let client = stage.pair(&server);
    assert_eq!(server.write(&[7; 5000]), Ok(2048));
    assert_eq!(server.write(&[7; 5000]), Ok(0));
    assert_eq!(client.write(&[7; 5000]), Ok(1024));
    assert_eq!(client.read(&mut [0; 48]), Ok(48));
    assert_eq!(server.write(&[7; 5000]), Ok(48));
    assert_eq!(server.read(&mut []), Ok(0));
    assert_eq!(server.write(&[]), Ok(0));
}

#[test]
fn an_event_is_sent_to_who_asked_and_to_nobody_else() {
    let stage = Stage::new();
    let server = stage.serve(Sizes::default());
    let client = stage.pair(&server);
    let to_client = || client.wait_point().expect("open").1;
    let to_server = || server.wait_point().expect("open").1;
    // A client asks for the first write when it comes.
    let seen = to_client();
    server.write(b"one").expect("room");
    assert_ne!(to_client(), seen);
    let seen = to_client();
    server.write(b"two").expect("room");
    assert_eq!(to_client(), seen, "it was told already");
    // It reads less than there is: it needs no event.
    client.read(&mut [0; 2]).expect("there");
    server.write(b"three").expect("room");
    assert_eq!(to_client(), seen);
    // It reads more than there is: it needs one.
    client.read(&mut [0; 100]).expect("there");
    server.write(b"four").expect("room");
    assert_ne!(to_client(), seen);
    // The server was full, and is told when there is room; not before.
    let seen = to_server();
    client.read(&mut [0; 100]).expect("there");
    assert_eq!(to_server(), seen);
    server.write(&[0; 3000]).expect("room");
    client.read(&mut [0; 100]).expect("there");
    assert_ne!(to_server(), seen);
}
