use std::format;

use super::start;
use crate::connection::MAX_EVENTS;
use crate::fake::WATCHES_MAX;
use crate::{Errno, Error};
use xen::fake::{Progress, World};
use xen::{Clock, Events, Wake};

const MANY: u32 = if cfg!(miri) { 70 } else { 1000 };

#[test]
fn a_watch_fires_at_once_and_then_at_each_change_below() {
    let world = World::new();
    let (fake, store) = start(&world);
    let watch = store.watch("data").expect("ours");
    let later = world.now_ns() + 1000;
    assert_eq!(watch.next(Some(later)), Ok(Some("data".into())));
    assert_eq!(watch.next(Some(later)), Ok(None));
    assert_eq!(world.now_ns(), later);
    fake.set("/local/domain/5/data/x", "1");
    assert_eq!(watch.next(None), Ok(Some("data/x".into())));
    store.write("data/y", "2").expect("ours");
    assert_eq!(watch.try_next(), Ok(Some("data/y".into())));
    assert_eq!(watch.try_next(), Ok(None));
}

#[test]
fn a_dropped_watch_is_unwatched_and_its_last_events_are_thrown_away() {
    let world = World::new();
    let (fake, store) = start(&world);
    let watch = store.watch("data").expect("ours");
    let other = store.watch("data").expect("a second one");
    assert_eq!(fake.watches(), 2);
    fake.set("/local/domain/5/data/x", "1");
    drop(watch);
    assert_eq!(other.next(None), Ok(Some("data".into())));
    assert_eq!(other.next(None), Ok(Some("data/x".into())));
    world.run_peers();
    assert_eq!(fake.watches(), 1);
    store.read("data").expect("the connection lives");
}

#[test]
fn a_refused_watch_leaves_nothing() {
    let world = World::new();
    let (fake, store) = start(&world);
    assert_eq!(store.watch("data//x").err(), Some(Error::Refused(Errno::Inval)));
    let mut watches = Vec::new();
    for _ in 0..WATCHES_MAX {
        watches.push(store.watch("data").expect("within the quota"));
    }
    assert_eq!(store.watch("data").err(), Some(Error::Refused(Errno::TooBig)));
    drop(watches);
    world.run_peers();
    store.read("data").expect("the connection lives");
    world.run_peers();
    assert_eq!(fake.watches(), 0);
}

#[test]
fn an_unanswered_watch_is_unwatched_when_the_server_comes_back() {
    let world = World::new();
    let (fake, store) = start(&world);
    fake.silence(true);
    assert!(matches!(store.watch("data"), Err(Error::TimedOut { .. })));
    fake.silence(false);
    store.read("data").expect("it answers");
    world.run_peers();
    assert_eq!(fake.watches(), 0);
}

#[test]
fn a_storm_of_events_is_merged_and_bounded() {
    let world = World::new();
    let (fake, store) = start(&world);
    let watch = store.watch("data").expect("ours");
    for _ in 0..MANY {
        fake.set("/local/domain/5/data/same", "1");
    }
    assert_eq!(watch.next(None), Ok(Some("data".into())));
    store.read("data").expect("replies come through the storm");
    assert_eq!(watch.try_next(), Ok(Some("data/same".into())));
    assert_eq!(watch.try_next(), Ok(None));
    for number in 0..MANY {
        fake.set(&format!("/local/domain/5/data/{number}"), "1");
    }
    store.read("data").expect("replies come through the storm");
    let mut paths = Vec::new();
    while let Some(path) = watch.try_next().expect("honest") {
        paths.push(path);
        if !cfg!(miri) || paths.len() % 16 == 0 {
            store.read("data").expect("the connection lives");
        }
    }
    assert!(paths.contains(&"data".into()), "what was lost stands for everything below the path");
    assert!(paths.len() <= MAX_EVENTS);
}

#[test]
fn a_watch_and_other_ports_are_waited_for_at_once() {
    let world = World::new();
    let (fake, store) = start(&world);
    let watch = store.watch("data").expect("ours");
    assert!(watch.next(None).is_ok());
    let mut set = false;
    world.add_peer(move |_| {
        if core::mem::replace(&mut set, true) {
            return Progress::None;
        }
        fake.set("/local/domain/5/data/x", "1");
        Progress::Made
    });
    let event = store.event();
    assert_eq!(watch.try_next(), Ok(None));
    assert_eq!(world.wait(&[event], None), Wake::Event);
    assert_eq!(watch.try_next(), Ok(Some("data/x".into())));
}

#[test]
fn the_watches_of_an_earlier_kernel_are_reset() {
    let world = World::new();
    let (fake, store) = start(&world);
    let _watch = store.watch("data").expect("ours");
    assert_eq!(fake.watches(), 1);
    store.reset_watches().expect("known");
    assert_eq!(fake.watches(), 0);
}
