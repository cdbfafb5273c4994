//! Multicast groups named to the back end.

use xen::xenbus::State;
use xen_sys::io::netif::{RSP_ERROR, RSP_NULL, TxResponse};

use super::*;

const ALL_NODES: [u8; 6] = [0x33, 0x33, 0, 0, 0, 1];
const OTHER: [u8; 6] = [0x01, 0, 0x5e, 1, 2, 3];

fn filtered(world: &World) -> (Front, FakeNetback) {
    let (device, back) = FakeNetback::with_device(world);
    device.set_back("feature-multicast-control", "1");
    let front = Front::connect(world, device, Config { multicast_control: true, ..config() });
    (front.expect("the back end is willing"), back)
}

fn to(address: [u8; 6]) -> Vec<u8> {
    let mut frame = opaque(60, 1);
    frame[..6].copy_from_slice(&address);
    frame
}

/// Whether a frame to this address gets through.
fn hears(world: &World, front: &mut Front, back: &FakeNetback, address: [u8; 6]) -> bool {
    back.send(&to(address));
    world.run_peers();
    receive(front) == Some(to(address))
}

#[test]
fn frames_for_groups_come_while_they_are_joined() {
    let world = World::new();
    let (mut front, back) = filtered(&world);
    assert!(hears(&world, &mut front, &back, [0xff; 6]), "broadcast");
    assert!(!hears(&world, &mut front, &back, ALL_NODES));
    front.join(ALL_NODES);
    front.join(ALL_NODES);
    front.join([2; 6]);
    front.join(OTHER);
    front.leave(OTHER);
    front.flush();
    world.run_peers();
    assert_eq!(
        back.groups(),
        [ALL_NODES],
        "what was left at once is never told, and what is no group neither"
    );
    assert!(hears(&world, &mut front, &back, ALL_NODES) && !hears(&world, &mut front, &back, OTHER));
    front.leave(ALL_NODES);
    front.flush();
    world.run_peers();
    assert!(hears(&world, &mut front, &back, ALL_NODES), "it was joined twice");
    front.leave(ALL_NODES);
    front.leave(ALL_NODES);
    front.flush();
    world.run_peers();
    assert!(!hears(&world, &mut front, &back, ALL_NODES));
    // Messages take no room for ever.
    let rounds = if cfg!(miri) { 20 } else { 300 };
    for round in 0..rounds {
        if round % 2 == 0 {
            front.join(OTHER)
        } else {
            front.leave(OTHER)
        }
        assert!(send(&mut front, &opaque(60, 0)));
        front.flush();
        world.run_peers();
    }
    assert_eq!((front.error(), back.take_sent().len()), (None, rounds));
}

#[test]
fn a_new_back_end_is_told_again() {
    let world = World::new();
    let (mut front, back) = filtered(&world);
    front.join(ALL_NODES);
    front.flush();
    world.run_peers();
    back.leave(State::Closing);
    front.link().expect("XenStore answers");
    front.reconnect().expect("the back end comes back");
    front.flush();
    world.run_peers();
    assert_eq!(back.groups(), [ALL_NODES]);
}

#[test]
fn a_full_ring_delays_a_group_and_does_not_lose_it() {
    let world = World::new();
    let (device, back) = FakeNetback::with_device(&world);
    device.set_back("feature-multicast-control", "1");
    let config = Config { multicast_control: true, tx_buffers: 256, ..config() };
    let mut front = Front::connect(&world, device, config).expect("the back end is willing");
    back.adjust(|knobs| knobs.takes_tx = false);
    while send(&mut front, &opaque(60, 0)) {}
    front.join(ALL_NODES);
    front.flush();
    back.adjust(|knobs| knobs.takes_tx = true);
    world.run_peers();
    assert!(back.groups().is_empty());
    assert!(send(&mut front, &opaque(60, 0)));
    front.flush();
    world.run_peers();
    assert_eq!(back.groups(), [ALL_NODES]);
}

#[test]
fn without_the_feature_nothing_is_told_and_all_is_heard() {
    let world = World::new();
    for (offered, wanted) in [("0", true), ("1", false)] {
        let (device, back) = FakeNetback::with_device(&world);
        device.set_back("feature-multicast-control", offered);
        let config = Config { multicast_control: wanted, ..config() };
        let mut front = Front::connect(&world, device, config).expect("the back end is willing");
        front.join(ALL_NODES);
        front.flush();
        world.run_peers();
        assert!(back.groups().is_empty() && hears(&world, &mut front, &back, OTHER));
        front.close().expect("the back end answers");
    }
}

#[test]
fn a_back_end_without_room_for_a_group_is_counted_and_one_that_answers_too_often_caught() {
    let world = World::new();
    let (mut front, back) = filtered(&world);
    back.adjust(|knobs| knobs.takes_tx = false);
    front.join(ALL_NODES);
    assert!(send(&mut front, &opaque(60, 0)));
    front.flush();
    let answer = |id, status| {
        back.with_rings(|rings, _| {
            while rings.tx.pop().expect("honest").is_some() {}
            rings.tx.push(TxResponse { id, status }).expect("room");
            let _ = rings.tx.publish();
        });
    };
    answer(u16::MAX, RSP_ERROR);
    answer(9, RSP_NULL);
    while send(&mut front, &opaque(60, 0)) {}
    assert_eq!((front.stats().tx.groups_refused, front.error()), (1, None));
    answer(u16::MAX, RSP_ERROR);
    let _ = send(&mut front, &opaque(60, 0));
    let error = front.error().expect("one message, two answers");
    assert_eq!((error.what, error.value), ("tx response for buffer", 0xffff));
}
