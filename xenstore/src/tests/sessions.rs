//! What sessions leave unread, without a ring.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::format;
use std::rc::Rc;
use std::string::String;
use std::vec::Vec;

use super::start;
use crate::client::Pending;
use crate::connection::Connection;
use crate::sessions::{Asked, MAX_BYTES, MAX_EVENTS, MAX_SESSIONS, SHARE};
use crate::wire::HEADER_LEN;
use xen::fake::World;
use xen_sys::io::xs_wire as abi;

fn open(connection: &mut Connection) -> u32 {
    connection.sessions.open(Rc::new(|| {})).expect("there are few")
}

fn event(connection: &mut Connection, session: u32, path: &str) {
    connection.sessions.file_event(&Asked::new(session, 0), session, path.as_bytes(), "data");
}

/// A path that an event of 3 KiB tells of.
fn long(number: usize) -> String {
    format!("data/{number:04}/") + &"x".repeat(3000)
}

fn paths(connection: &mut Connection, session: u32) -> Vec<String> {
    // Between the header and two NULs, as the token is empty.
    let path =
        |bytes: Vec<u8>| String::from_utf8(bytes[HEADER_LEN..bytes.len() - 2].to_vec()).expect("it was text");
    core::iter::from_fn(|| connection.sessions.take(session)).map(path).collect()
}

#[test]
fn unread_events_are_bounded_by_bytes_and_those_left_out_are_told_as_the_watched_path() {
    let mut connection = Connection::default();
    let sessions: Vec<u32> = (0..if cfg!(miri) { 2 } else { 8 }).map(|_| open(&mut connection)).collect();
    for session in &sessions {
        for number in 0..MAX_EVENTS - 1 {
            event(&mut connection, *session, &long(number));
        }
    }
    assert!((MAX_BYTES / 2..=MAX_BYTES + MAX_SESSIONS * SHARE).contains(&connection.sessions.bytes()));
    // Whoever comes late has room of its own.
    let late = open(&mut connection);
    event(&mut connection, late, &long(1));
    assert_eq!(paths(&mut connection, late), [long(1)]);
    let mut left_out = 0;
    for session in &sessions {
        let told: BTreeSet<String> = paths(&mut connection, *session).into_iter().collect();
        let is_all = (0..MAX_EVENTS - 1).all(|number| told.contains(&long(number)));
        assert!(is_all || told.contains("data"));
        left_out += usize::from(!is_all);
    }
    assert!(left_out * 2 >= sessions.len());
    assert_eq!(connection.sessions.bytes(), 0);
}

#[test]
fn who_found_no_room_for_the_bytes_of_others_is_told_when_they_are_read() {
    let mut connection = Connection::default();
    let (waiter, readers) = (open(&mut connection), [open(&mut connection), open(&mut connection)]);
    (0..6).for_each(|number| event(&mut connection, waiter, &long(number)));
    for number in 0..MAX_EVENTS * 2 {
        if connection.session_has_room(waiter) {
            event(&mut connection, readers[number % 2], &long(number));
        }
    }
    connection.take_woken();
    assert!(!connection.session_has_room(waiter));
    assert_eq!(connection.take_woken().len(), 0);
    while connection.sessions.bytes() > MAX_BYTES - 8192 {
        connection.sessions.take(readers[0]).expect("it has many");
    }
    assert_eq!(connection.take_woken().len(), 1);
    assert!(connection.session_has_room(waiter));
}

#[test]
fn who_was_crowded_out_is_told_when_others_give_up() {
    let world = World::new();
    let (fake, store) = start(&world);
    fake.silence(true);
    let woken = Rc::new(Cell::new(0));
    let count = woken.clone();
    let session = store.session(Rc::new(move || count.set(count.get() + 1))).expect("the first");
    let mut pending = Vec::new();
    while session.has_room() {
        pending.push(Pending::new(&store.tree().shared, abi::XS_READ, 0, &[b"data\0"]).expect("alive"));
        assert!(pending.len() < 1000);
    }
    assert_eq!(woken.get(), 0);
    pending.pop();
    assert_eq!((woken.get(), session.has_room()), (1, true));
    // And once only.
    pending.pop();
    assert_eq!(woken.get(), 1);
}
