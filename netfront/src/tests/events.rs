//! Events that bring nothing.

use xen::{Clock, Events, Wake};

use super::*;

/// A round of the owner's thread, up to where it would sleep.
fn round(front: &mut Front) -> Vec<Vec<u8>> {
    let got = core::iter::from_fn(|| receive(front)).collect();
    while front.arm() {}
    got
}

fn storm(back: &FakeNetback, events: usize) {
    back.with_rings(|rings, _| (0..events).for_each(|_| rings.event.notify()));
}

#[test]
fn an_event_storm_is_not_listened_to_for_longer_and_longer() {
    let world = World::new();
    let (mut front, back) = connected(&world, config());
    round(&mut front);
    let mut rounds = 0;
    while front.quiet_until().is_none() {
        storm(&back, 3);
        round(&mut front);
        rounds += 1;
        assert!(rounds < 20, "it never has enough");
    }
    assert!(rounds > 4, "some may be in vain");
    let mut pauses = Vec::new();
    for _ in 0..14 {
        let until = front.quiet_until().expect("it goes on");
        pauses.push(until - world.now_ns());
        let seen: Vec<_> = front.events().collect();
        storm(&back, if cfg!(miri) { 20 } else { 1_000 });
        assert_eq!(world.wait(&seen, Some(until)), Wake::TimedOut, "no event ends the pause");
        // It listens again, hears what came meanwhile, and has enough again.
        round(&mut front);
        storm(&back, 1);
        round(&mut front);
    }
    assert!(
        pauses.is_sorted() && pauses[0] == 1_000_000 && pauses.last() == Some(&1_000_000_000),
        "{pauses:?}"
    );
    assert_eq!(front.stats().storms, 15);
}

#[test]
fn frames_are_still_found_in_a_storm_and_end_it() {
    let world = World::new();
    let (mut front, back) = connected(&world, config());
    while front.quiet_until().is_none() {
        storm(&back, 1);
        round(&mut front);
    }
    back.send(&opaque(99, 1));
    world.run_peers();
    assert_eq!(round(&mut front), [opaque(99, 1)], "whoever looks finds it");
    assert_eq!(front.quiet_until(), None);
    let seen: Vec<_> = front.events().collect();
    back.send(&opaque(99, 2));
    assert_eq!(world.wait(&seen, None), Wake::Event);
}

#[test]
fn events_that_bring_something_are_never_too_many() {
    let world = World::new();
    let (mut front, back) = connected(&world, config());
    for seed in 0..200 {
        back.send(&opaque(99, seed));
        world.run_peers();
        assert_eq!(round(&mut front), [opaque(99, seed)]);
        assert_eq!(front.quiet_until(), None);
        front.flush();
    }
    assert!(front.stats().events >= 200 && front.stats().storms == 0, "{:?}", front.stats());
}

#[test]
fn a_device_that_failed_in_a_storm_asks_for_nothing_more() {
    let world = World::new();
    let (mut front, back) = connected(&world, config());
    while front.quiet_until().is_none() {
        storm(&back, 1);
        round(&mut front);
    }
    back.with_rings(|rings, _| {
        xen::SharedMemory::store_u32(rings.rx.memory(), xen_sys::io::ring::RSP_PROD, 77);
    });
    assert_eq!((receive(&mut front), front.quiet_until(), front.arm()), (None, None, false));
}

#[test]
fn a_look_at_the_rings_finds_frames_without_asking_for_events() {
    let world = World::new();
    let (mut front, back) = connected(&world, config());
    round(&mut front);
    back.adjust(|knobs| knobs.takes_tx = false);
    back.send(&opaque(99, 1));
    world.run_peers();
    assert!(front.has_received());
    // Taken, but not armed: the next ones come without an event.
    assert!(receive(&mut front).is_some() && !front.has_received());
    let seen: Vec<_> = front.events().collect();
    for seed in 0..3 {
        back.send(&opaque(99, seed));
        world.run_peers();
        assert!(front.has_received());
        assert!(receive(&mut front).is_some());
    }
    assert_eq!(front.events().collect::<Vec<_>>(), seen);
    // Without room to answer it a frame is of no use.
    while send(&mut front, &opaque(60, 0)) {}
    back.send(&opaque(99, 9));
    world.run_peers();
    assert_eq!((receive(&mut front), front.has_received()), (None, false));
}
