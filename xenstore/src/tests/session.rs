use std::cell::Cell;
use std::format;
use std::rc::Rc;
use std::vec::Vec;

use super::{Random, start};
use crate::fake::FakeStore;
use crate::sessions::{MAX_CALLS, MAX_EVENTS, MAX_SESSIONS, MAX_TRANSACTIONS, MAX_WATCHES};
use crate::wire::{Decoder, Message};
use crate::{Session, Submitted};
use xen::SharedPage;
use xen::fake::{FakeXen, World};
use xen_sys::io::xs_wire as abi;

type FakeSession = Session<FakeXen, SharedPage<FakeXen>>;

fn open(store: &FakeStore) -> FakeSession {
    store.session(Rc::new(|| {})).expect("there are few")
}

fn message(kind: u32, req_id: u32, tx_id: u32, payload: &[u8]) -> Message {
    Message { kind, req_id, tx_id, payload: payload.to_vec() }
}

fn send(session: &FakeSession, kind: u32, req_id: u32, tx_id: u32, payload: &[u8]) {
    assert_eq!(session.submit(&message(kind, req_id, tx_id, payload)), Ok(Submitted::Yes));
}

/// All that has come for a session.
fn taken(world: &World, store: &FakeStore, session: &FakeSession) -> Vec<Message> {
    const ROUNDS: usize = if cfg!(miri) { 6 } else { 50 };
    for _ in 0..ROUNDS {
        world.run_peers();
        store.pump();
    }
    let mut messages = Vec::new();
    while let Some(bytes) = session.take().expect("the connection lives") {
        let mut bytes = &bytes[..];
        messages.push(Decoder::default().feed(&mut bytes).expect("well-formed").expect("whole"));
        assert!(bytes.is_empty());
    }
    messages
}

fn answer(world: &World, store: &FakeStore, session: &FakeSession, request: Message) -> Message {
    assert_eq!(session.submit(&request), Ok(Submitted::Yes));
    let mut all = taken(world, store, session);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

#[test]
fn sessions_with_the_same_numbers_get_their_own_replies() {
    let world = World::new();
    let (fake, store) = start(&world);
    let sessions = [open(&store), open(&store)];
    for (session, value) in sessions.iter().zip(["one", "two"]) {
        send(session, abi::XS_WRITE, 7, 0, format!("data/{value}\0{value}").as_bytes());
        send(session, abi::XS_READ, 7, 0, format!("data/{value}\0").as_bytes());
    }
    assert_eq!(store.read_string("data/one"), Ok("one".into()));
    for (session, value) in sessions.iter().zip(["one", "two"]) {
        let expected = [message(abi::XS_WRITE, 7, 0, b"OK\0"), message(abi::XS_READ, 7, 0, value.as_bytes())];
        assert_eq!(taken(&world, &store, session), expected);
    }
    assert_eq!(fake.requests(), 5);
}

#[test]
fn an_error_keeps_its_name() {
    let world = World::new();
    let (_fake, store) = start(&world);
    let session = open(&store);
    let reply = answer(&world, &store, &session, message(abi::XS_READ, 3, 0, b"data/none\0"));
    assert_eq!(reply, message(abi::XS_ERROR, 3, 0, b"ENOENT\0"));
}

#[test]
fn events_come_under_the_token_that_the_session_gave() {
    let world = World::new();
    let (fake, store) = start(&world);
    let (one, two) = (open(&store), open(&store));
    let own = store.watch("data").expect("ours");
    send(&one, abi::XS_WATCH, 1, 0, b"data\0token\0");
    send(&two, abi::XS_WATCH, 1, 0, b"data\0token\0");
    send(&two, abi::XS_WATCH, 2, 0, b"data\0\0");
    for session in [&one, &two] {
        let first = taken(&world, &store, session);
        assert_eq!(first[0], message(abi::XS_WATCH, 1, 0, b"OK\0"));
        assert_eq!(first[1], message(abi::XS_WATCH_EVENT, 0, 0, b"data\0token\0"));
    }
    fake.set("/local/domain/5/data/x", "1");
    assert_eq!(taken(&world, &store, &one), [message(abi::XS_WATCH_EVENT, 0, 0, b"data/x\0token\0")]);
    let events = taken(&world, &store, &two);
    assert_eq!(events.len(), 2);
    assert_eq!(events[1], message(abi::XS_WATCH_EVENT, 0, 0, b"data/x\0\0"));
    assert_eq!(own.try_next(), Ok(Some("data".into())));
    // Gone by the same words, and no other's.
    let unwatch = |session| answer(&world, &store, session, message(abi::XS_UNWATCH, 9, 0, b"data\0token\0"));
    assert_eq!(unwatch(&one), message(abi::XS_UNWATCH, 9, 0, b"OK\0"));
    assert_eq!(unwatch(&one), message(abi::XS_ERROR, 9, 0, b"ENOENT\0"));
    fake.set("/local/domain/5/data/x", "2");
    assert!(taken(&world, &store, &one).is_empty());
    assert_eq!(taken(&world, &store, &two).len(), 2);
    drop(two);
    world.run_peers();
    assert_eq!(fake.watches(), 1);
}

#[test]
fn a_watch_twice_or_without_a_token_is_refused_here() {
    let world = World::new();
    let (fake, store) = start(&world);
    let session = open(&store);
    send(&session, abi::XS_WATCH, 1, 0, b"data\0t\0");
    assert_eq!(taken(&world, &store, &session).len(), 2);
    for (payload, error) in [
        (&b"data\0t\0"[..], &b"EEXIST\0"[..]),
        (b"data\0t", b"EINVAL\0"),
        (b"", b"EINVAL\0"),
        (b"\xff\0t\0", b"EINVAL\0"),
    ] {
        let reply = answer(&world, &store, &session, message(abi::XS_WATCH, 2, 0, payload));
        assert_eq!(reply, message(abi::XS_ERROR, 2, 0, error));
    }
    // What xenstored refuses is not kept either.
    let reply = answer(&world, &store, &session, message(abi::XS_WATCH, 2, 0, b"data//x\0t\0"));
    assert_eq!(reply, message(abi::XS_ERROR, 2, 0, b"EINVAL\0"));
    let reply = answer(&world, &store, &session, message(abi::XS_UNWATCH, 2, 0, b"data//x\0t\0"));
    assert_eq!(reply, message(abi::XS_ERROR, 2, 0, b"ENOENT\0"));
    assert_eq!(fake.watches(), 1);
}

#[test]
fn a_transaction_is_its_sessions_and_ends_with_it() {
    let world = World::new();
    let (fake, store) = start(&world);
    let (one, two) = (open(&store), open(&store));
    let start = |session| {
        let reply = answer(&world, &store, session, message(abi::XS_TRANSACTION_START, 1, 0, b"\0"));
        assert_eq!(reply.kind, abi::XS_TRANSACTION_START);
        crate::connection::parse_number(&reply.payload).expect("a number")
    };
    let (first, second) = (start(&one), start(&two));
    // Another's, and what is none.
    for (kind, payload) in [(abi::XS_READ, &b"data\0"[..]), (abi::XS_TRANSACTION_END, b"F\0")] {
        for id in [first, 4000] {
            let reply = answer(&world, &store, &two, message(kind, 2, id, payload));
            assert_eq!(reply, message(abi::XS_ERROR, 2, id, b"ENOENT\0"));
        }
    }
    let reply = answer(&world, &store, &one, message(abi::XS_TRANSACTION_END, 2, first, b"T"));
    assert_eq!(reply, message(abi::XS_ERROR, 2, first, b"EINVAL\0"));
    let reply = answer(&world, &store, &one, message(abi::XS_WRITE, 2, first, b"data/x\0in"));
    assert_eq!(reply, message(abi::XS_WRITE, 2, first, b"OK\0"));
    assert!(store.find("data/x").expect("readable").is_none());
    let reply = answer(&world, &store, &one, message(abi::XS_TRANSACTION_END, 3, first, b"T\0"));
    assert_eq!(reply, message(abi::XS_TRANSACTION_END, 3, first, b"OK\0"));
    assert_eq!(store.read_string("data/x"), Ok("in".into()));
    assert_eq!(fake.transactions(), 1);
    let reply = answer(&world, &store, &two, message(abi::XS_WRITE, 2, second, b"data/y\0out"));
    assert_eq!(reply.kind, abi::XS_WRITE);
    drop(two);
    world.run_peers();
    assert_eq!(fake.transactions(), 0);
    assert!(store.find("data/y").expect("readable").is_none());
}

#[test]
fn a_transaction_that_begins_when_its_session_is_gone_ends_too() {
    let world = World::new();
    let (fake, store) = start(&world);
    let session = open(&store);
    send(&session, abi::XS_TRANSACTION_START, 1, 0, b"\0");
    drop(session);
    for _ in 0..10 {
        world.run_peers();
        store.pump();
    }
    assert_eq!((fake.requests(), fake.transactions()), (2, 0));
}

#[test]
#[cfg_attr(miri, ignore = "takes minutes there")]
fn a_request_that_was_made_is_done_though_its_session_is_closed() {
    let world = World::new();
    let (_fake, store) = start(&world);
    let session = open(&store);
    for number in 0..MAX_CALLS as u32 {
        send(&session, abi::XS_WRITE, number, 0, format!("data/x{number}\0{number}").as_bytes());
    }
    drop(session);
    for number in 0..MAX_CALLS {
        assert_eq!(store.read_string(&format!("data/x{number}")), Ok(format!("{number}")));
    }
}

#[test]
fn what_is_for_the_toolstack_never_reaches_xenstored() {
    let world = World::new();
    let (fake, store) = start(&world);
    let session = open(&store);
    for kind in [
        abi::XS_CONTROL,
        abi::XS_INTRODUCE,
        abi::XS_RELEASE,
        abi::XS_WATCH_EVENT,
        abi::XS_ERROR,
        abi::XS_RESUME,
        abi::XS_SET_TARGET,
        20,
        abi::XS_RESET_WATCHES,
    ] {
        let reply = answer(&world, &store, &session, message(kind, 5, 0, b"1\0"));
        assert_eq!(reply, message(abi::XS_ERROR, 5, 0, b"EACCES\0"), "{kind}");
    }
    for kind in [23, 128, u32::MAX] {
        let reply = answer(&world, &store, &session, message(kind, 5, 0, b""));
        assert_eq!(reply, message(abi::XS_ERROR, 5, 0, b"ENOSYS\0"), "{kind}");
    }
    assert_eq!(fake.requests(), 0);
}

#[test]
fn a_session_that_takes_no_replies_is_stopped_and_told_when_there_is_room() {
    let world = World::new();
    let (_fake, store) = start(&world);
    let woken = Rc::new(Cell::new(0));
    let count = woken.clone();
    let session = store.session(Rc::new(move || count.set(count.get() + 1))).expect("the first");
    let read = message(abi::XS_READ, 1, 0, b"data\0");
    let mut sent = 0;
    while session.submit(&read) == Ok(Submitted::Yes) {
        sent += 1;
        assert!(sent <= MAX_CALLS);
    }
    assert_eq!((sent, session.has_room()), (MAX_CALLS, false));
    // Their replies have come, and still take the room.
    for _ in 0..if cfg!(miri) { 8 } else { 100 } {
        world.run_peers();
        store.pump();
    }
    assert!(woken.get() > 0 && session.is_ready() && !session.has_room());
    assert!(session.take().expect("alive").is_some());
    assert!(session.has_room());
    assert_eq!(taken(&world, &store, &session).len(), MAX_CALLS - 1);
    assert!(!session.is_ready());
}

#[test]
#[cfg_attr(miri, ignore = "takes minutes there")]
fn no_session_takes_what_all_share() {
    let world = World::new();
    let (fake, store) = start(&world);
    let session = open(&store);
    for number in 0..=MAX_WATCHES {
        send(&session, abi::XS_WATCH, 1, 0, format!("data\0{number}\0").as_bytes());
        let replies = taken(&world, &store, &session);
        let expected = if number < MAX_WATCHES { abi::XS_WATCH } else { abi::XS_ERROR };
        assert_eq!(replies[0].kind, expected, "{number}");
    }
    for number in 0..=MAX_TRANSACTIONS {
        let reply = answer(&world, &store, &session, message(abi::XS_TRANSACTION_START, 1, 0, b"\0"));
        let expected = if number < MAX_TRANSACTIONS { abi::XS_TRANSACTION_START } else { abi::XS_ERROR };
        assert_eq!(reply.kind, expected, "{number}");
    }
    store.transaction(|_| Ok::<_, crate::Error>(())).expect("some are left");
    let more: Vec<_> = (1..MAX_SESSIONS).map(|_| open(&store)).collect();
    assert!(store.session(Rc::new(|| {})).is_none());
    drop(more);
    drop(session);
    for _ in 0..50 {
        world.run_peers();
        store.pump();
    }
    assert_eq!((fake.watches(), fake.transactions()), (0, 0));
}

#[test]
#[cfg_attr(miri, ignore = "takes minutes there")]
fn a_flood_of_events_is_bounded_and_the_last_one_tells_of_the_watched_path() {
    let world = World::new();
    let (fake, store) = start(&world);
    let session = open(&store);
    send(&session, abi::XS_WATCH, 1, 0, b"data\0t\0");
    taken(&world, &store, &session);
    for number in 0..MAX_EVENTS * 3 {
        fake.set(&format!("/local/domain/5/data/x{number}"), "1");
        world.run_peers();
        store.pump();
    }
    let events = taken(&world, &store, &session);
    assert!(!events.is_empty() && events.len() <= MAX_EVENTS + 1, "{}", events.len());
    assert!(events.contains(&message(abi::XS_WATCH_EVENT, 0, 0, b"data\0t\0")));
    // After it, events are told one by one again.
    fake.set("/local/domain/5/data/last", "1");
    assert_eq!(taken(&world, &store, &session), [message(abi::XS_WATCH_EVENT, 0, 0, b"data/last\0t\0")]);
}

#[test]
fn a_broken_connection_is_told_to_every_session() {
    let world = World::new();
    let (fake, store) = start(&world);
    let woken = Rc::new(Cell::new(false));
    let flag = woken.clone();
    let session = store.session(Rc::new(move || flag.set(true))).expect("the first");
    fake.lie(abi::RSP_PROD, 5000);
    world.run_peers();
    store.pump();
    assert!(woken.get() && session.is_ready() && session.has_room());
    assert!(session.take().is_err());
    assert!(session.submit(&message(abi::XS_READ, 1, 0, b"data\0")).is_err());
}

#[test]
#[cfg_attr(miri, ignore = "takes minutes there")]
fn many_sessions_at_random_each_see_their_own() {
    const STEPS: usize = 1500;
    let world = World::new();
    let (fake, store) = start(&world);
    let mut random = Random(0x5eed);
    let mut sessions: Vec<(FakeSession, u32, u32)> = (0..4).map(|_| (open(&store), 0, 0)).collect();
    for _ in 0..STEPS {
        let index = random.below(sessions.len());
        let (session, asked, answered) = &mut sessions[index];
        match random.below(12) {
            0..=5 => {
                let path = format!("data/{index}/{asked}\0{asked}");
                if session.submit(&message(abi::XS_WRITE, *asked, 0, path.as_bytes())) == Ok(Submitted::Yes) {
                    *asked += 1;
                }
            }
            6..=9 => {
                while let Some(bytes) = session.take().expect("alive") {
                    let reply = Decoder::default().feed(&mut &bytes[..]).expect("fine").expect("whole");
                    assert_eq!((reply.kind, reply.req_id), (abi::XS_WRITE, *answered));
                    *answered += 1;
                }
            }
            10 => drop(store.read("data")),
            _ => sessions[index] = (open(&store), 0, 0),
        }
        if random.below(3) == 0 {
            world.run_peers();
            store.pump();
        }
    }
    assert!(fake.requests() > 20);
}
