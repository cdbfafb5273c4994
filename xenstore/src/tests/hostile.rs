use std::vec::Vec;

use super::{Random, start};
use crate::{Error, fuzz, wire};
use xen::fake::World;
use xen_sys::io::xs_wire as abi;

const ROUNDS: u64 = if cfg!(miri) { 3 } else { 400 };

fn broken(result: Result<Vec<u8>, Error>) -> bool {
    matches!(result, Err(Error::Broken(_)))
}

#[test]
fn a_lying_index_ends_the_connection_for_all() {
    for (offset, value) in
        [(abi::RSP_PROD, 3000), (abi::RSP_PROD, u32::MAX), (abi::REQ_CONS, 3000), (abi::REQ_CONS, 1 << 31)]
    {
        let world = World::new();
        let (fake, store) = start(&world);
        let watch = store.watch("data").expect("honest so far");
        world.run_peers();
        watch.next(None).expect("honest so far");
        let other = store.submit(abi::XS_READ, &[b"data\0"]).expect("short");
        fake.silence(true);
        fake.lie(offset, value);
        world.run_peers();
        assert!(broken(store.read("data")), "{offset} {value}");
        assert!(broken(other.wait()), "a request from before");
        assert!(broken(store.read("data")), "a request from after");
        assert!(matches!(watch.next(None), Err(Error::Broken(_))));
        assert!(matches!(store.watch("data"), Err(Error::Broken(_))));
    }
}

#[test]
fn replies_to_no_request_or_of_the_wrong_type_end_the_connection() {
    let lies: [&[u8]; 5] = [
        &wire::encode(abi::XS_READ, 77, 0, &[b"x"]).expect("short"),
        &wire::encode(abi::XS_WRITE, 1, 0, &[b"OK\0"]).expect("short"),
        &wire::encode(abi::XS_ERROR, 0, 0, &[b"ENOENT\0"]).expect("short"),
        &wire::encode(abi::XS_WATCH_EVENT, 0, 0, &[b"no token"]).expect("short"),
        &[0xff; 40],
    ];
    for lie in lies {
        let world = World::new();
        let (fake, store) = start(&world);
        fake.inject(lie);
        assert!(broken(store.read("data")), "{lie:?}");
    }
}

#[test]
fn the_same_reply_twice_is_a_lie() {
    let world = World::new();
    let (fake, store) = start(&world);
    let waiting = store.submit(abi::XS_READ, &[b"data\0"]).expect("short");
    let reply = wire::encode(abi::XS_READ, 1, 0, &[b"x"]).expect("short");
    fake.inject(&reply);
    fake.inject(&reply);
    assert!(broken(store.read("data")));
    assert_eq!(waiting.wait(), Ok(b"x".to_vec()), "what came before the lie counts");
}

#[test]
fn events_for_unknown_tokens_are_no_error() {
    let world = World::new();
    let (fake, store) = start(&world);
    for token in [&b"99"[..], b"none", b""] {
        fake.inject(&wire::encode(abi::XS_WATCH_EVENT, 0, 0, &[b"data\0", token, b"\0"]).expect("short"));
    }
    store.read("data").expect("the connection lives");
}

#[test]
fn a_ring_error_that_the_server_tells_ends_the_connection() {
    let world = World::new();
    let (fake, store) = start(&world);
    fake.lie(abi::ERROR, 2);
    world.run_peers();
    store.read("data").expect("a server without the feature has no such field");
    fake.lie(abi::SERVER_FEATURES, 2);
    world.run_peers();
    let error = store.read("data").expect_err("it said so");
    assert!(error.to_string().ends_with("ring error 2"), "{error}");
}

#[test]
fn hostile_listings_and_transaction_numbers_are_errors() {
    for part in [&b""[..], b"5", b"5\0", b"5\0name"] {
        let world = World::new();
        let (fake, store) = start(&world);
        fake.silence(true);
        let feeder = fake.clone();
        let part = part.to_vec();
        let mut next = 1;
        world.add_peer(move |_| {
            let (kind, payload) = if next == 1 {
                (abi::XS_ERROR, &b"E2BIG\0"[..])
            } else {
                (abi::XS_DIRECTORY_PART, &part[..])
            };
            if next < 4 {
                feeder.inject(&wire::encode(kind, next, 0, &[payload]).expect("short"));
                feeder.silence(false);
            }
            next += 1;
            xen::fake::Progress::None
        });
        assert!(store.directory("data").is_err());
    }
    for id in [&b""[..], b"0\0", b"x\0", b"4294967296\0"] {
        let world = World::new();
        let (fake, store) = start(&world);
        fake.inject(&wire::encode(abi::XS_TRANSACTION_START, 1, 0, &[id]).expect("short"));
        let begun = store.transaction(|_| Ok::<_, Error>(()));
        assert!(matches!(begun, Err(Error::Malformed { .. } | Error::Broken(_))), "{begun:?}");
    }
}

#[test]
fn random_bytes_in_any_chunks_never_panic() {
    let mut random = Random(0x5eed);
    for _ in 0..ROUNDS * 5 {
        let len = random.below(300);
        let mut bytes: Vec<u8> = (0..len).map(|_| random.next() as u8).collect();
        // Headers that nearly fit lead further in.
        for at in (1..len.saturating_sub(16)).step_by(24) {
            let header = [random.below(24) as u32, random.below(6) as u32, 0, random.below(40) as u32];
            for (index, word) in header.iter().enumerate() {
                bytes[at + index * 4..][..4].copy_from_slice(&word.to_le_bytes());
            }
        }
        fuzz::reply(&bytes);
    }
}

#[test]
fn a_server_of_random_words_never_panics_or_hangs_the_guest() {
    let mut random = Random(0xbad);
    for _ in 0..ROUNDS {
        let world = World::new();
        let (fake, store) = start(&world);
        let watch = store.watch("data").expect("honest so far");
        for _ in 0..random.below(8) {
            match random.below(3) {
                0 => fake.lie(2048 + random.below(7) * 4, random.next() as u32 % 3000),
                1 => fake.inject(&(0..random.below(60)).map(|_| random.next() as u8).collect::<Vec<_>>()),
                _ => fake.fragment(1 + random.below(50)),
            }
            let _ = store.read("data");
            let _ = store.write("data/x", "y");
            let _ = store.transaction(|transaction| transaction.write("data/z", "y"));
            let _ = watch.try_next();
        }
    }
}
