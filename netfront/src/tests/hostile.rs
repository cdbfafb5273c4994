//! Back ends that lie. The device ends, the guest goes on, nothing leaks.

use xen::SharedMemory;
use xen::xenbus::State;
use xen_sys::io::netif::{RSP_NULL, RXF_EXTRA_INFO, RXF_MORE_DATA, RxResponse, TxResponse};
use xen_sys::io::ring::{REQ_PROD, RSP_PROD};

use super::*;
use crate::Link;
use crate::fake::BackRings;

/// Lets the back end lie to a connected device that has sent two frames, and says what the device found.
fn caught(lie: impl FnOnce(&mut BackRings)) -> Option<(&'static str, u64)> {
    let world = World::new();
    let (mut front, back) = connected(&world, config());
    world.run_peers();
    back.adjust(|knobs| knobs.takes_tx = false);
    world.run_peers();
    assert!(send(&mut front, &opaque(60, 0)) && send(&mut front, &opaque(60, 1)));
    front.flush();
    world.run_peers();
    back.with_rings(|rings, _| {
        while rings.tx.pop().expect("honest").is_some() {}
        while rings.rx.pop().expect("honest").is_some() {}
        lie(rings);
        let _ = (rings.tx.publish(), rings.rx.publish());
    });
    while receive(&mut front).is_some() {}
    // Responses of the sending side are looked at when there is no more room.
    while front.error().is_none() && send(&mut front, &opaque(60, 3)) {}
    let error = front.error();
    if error.is_some() {
        assert!(!send(&mut front, &opaque(60, 3)));
        assert_eq!((receive(&mut front), front.arm()), (None, false));
        assert_eq!((front.device().front_state(), front.link()), (State::Closed, Ok(Link::Failed)));
        front.flush();
        world.run_peers();
        assert_eq!(front.device().front_state(), State::Closed);
        // The back end has let go: nothing is leaked, and a new one is welcome.
        assert_eq!(front.link(), Ok(Link::Failed));
        assert_eq!(world.grants_in_use(), 0);
        back.adjust(|knobs| knobs.takes_tx = true);
        front.reconnect().expect("a new back end comes");
        assert_eq!((front.error(), front.link()), (None, Ok(Link::Up)));
        assert!(send(&mut front, &opaque(60, 3)));
    }
    error.map(|error| (error.what, error.value))
}

/// The lies to try: under Miri, where each takes seconds, every other one.
fn some<T>(lies: impl IntoIterator<Item = T>) -> impl Iterator<Item = T> {
    lies.into_iter().step_by(if cfg!(miri) { 2 } else { 1 })
}

fn rx(id: u16, offset: u16, flags: u16, status: i16) -> RxResponse {
    RxResponse { id, offset, flags, status }
}

#[test]
fn an_honest_back_end_is_not_accused() {
    let error = caught(|rings| {
        for id in [1, 0] {
            rings.tx.push(TxResponse { id, status: 0 }).expect("room");
        }
        for id in 0..8 {
            rings.rx.push(rx(id, 4095 - 60, 0, 60)).expect("room");
        }
    });
    assert_eq!(error, None);
}

#[test]
fn wrong_and_repeated_tx_ids_are_caught() {
    for ids in some([[8, 0], [0, 0], [1, 1], [1, 8], [0xffff, 0]]) {
        let error = caught(|rings| {
            for id in ids {
                rings.tx.push(TxResponse { id, status: 0 }).expect("room");
            }
        });
        let lie = if ids[0] < 2 { ids[1] } else { ids[0] };
        assert_eq!(error, Some(("tx response for buffer", lie.into())));
    }
}

#[test]
fn a_null_response_to_nothing_is_caught() {
    let error = caught(|rings| rings.tx.push(TxResponse { id: 99, status: RSP_NULL }).expect("room"));
    assert_eq!(error, Some(("tx response for buffer", 99)));
}

#[test]
fn wrong_repeated_and_swapped_rx_ids_are_caught() {
    for (ids, lie) in some([([1, 0], 1), ([0, 0], 0), ([0, 2], 2), ([8, 0], 8), ([0xffff, 0], 0xffff)]) {
        let error = caught(|rings| {
            for id in ids {
                rings.rx.push(rx(id, 0, 0, 60)).expect("room");
            }
        });
        assert_eq!(error, Some(("rx response for buffer", lie)));
    }
}

#[test]
fn data_beyond_its_buffer_is_caught() {
    for (offset, len, end) in some([
        (0, 4097, 4097),
        (4096, 1, 4097),
        (4095, 2, 4097),
        (0xffff, 0, 65_535),
        (0xffff, i16::MAX, 98_302),
    ]) {
        let error = caught(|rings| rings.rx.push(rx(0, offset, 0, len)).expect("room"));
        assert_eq!(error, Some(("rx response reaches in its buffer to", end)));
    }
}

#[test]
fn indices_that_overrun_are_caught() {
    for lie in some([3, 0x8000_0000, u32::MAX]) {
        let error = caught(|rings| rings.tx.memory().store_u32(RSP_PROD, lie));
        // Six more were sent to fill the ring, but they were never published: they can not be answered.
        assert_eq!(
            error.map(|error| error.0).filter(|_| lie != 3),
            Some("response producer index").filter(|_| lie != 3)
        );
    }
    for lie in some([9, 257, u32::MAX]) {
        let error = caught(|rings| rings.rx.memory().store_u32(RSP_PROD, lie));
        assert_eq!(error, Some(("response producer index", lie.into())));
    }
}

/// A back end that answers every buffer with the same flags, for as long as the front end posts them.
fn endless(flags: u16, extra_flags: u16) -> (Option<&'static str>, u64) {
    let world = World::new();
    let (mut front, back) = connected(&world, config());
    let mut rounds = 0;
    while front.error().is_none() && rounds < 2_000 {
        back.with_rings(|rings, _| {
            while let Some(request) = rings.rx.pop().expect("honest") {
                let id = if rounds == 0 && request.id == 0 { 0 } else { request.id | extra_flags };
                rings.rx.push(rx(id, 0, flags, 1000)).expect("room");
            }
            let _ = rings.rx.publish();
        });
        assert_eq!(receive(&mut front), None);
        front.flush();
        rounds += 1;
    }
    (front.error().map(|error| error.what), front.stats().rx.oversized)
}

#[test]
fn a_packet_without_end_is_cut_off() {
    assert_eq!(endless(RXF_MORE_DATA, 0), (Some("slots of one packet"), 1));
}

#[test]
fn extra_infos_without_end_are_cut_off() {
    // Extra infos lie over the id: their flags are its upper byte.
    assert_eq!(endless(RXF_EXTRA_INFO, 0x100), (Some("slots of one packet"), 0));
}

#[test]
fn a_back_end_that_floods_does_not_hold_the_stack() {
    let world = World::new();
    let (mut front, back) = connected(&world, Config { rx_buffers: 256, ..config() });
    back.with_rings(|rings, _| {
        while let Some(request) = rings.rx.pop().expect("honest") {
            rings.rx.push(rx(request.id, 0, 0, -1)).expect("room");
        }
        let _ = rings.rx.publish();
    });
    assert_eq!(receive(&mut front), None);
    assert_eq!(front.stats().rx.errors, 256);
}

#[test]
fn random_words_in_the_rings_end_the_device_at_worst() {
    let mut seed = 0x5eed;
    let (mut ended, rounds) = (0, if cfg!(miri) { 2 } else { 1_500 });
    for _ in 0..rounds {
        let world = World::new();
        let (mut front, back) = connected(&world, config());
        for _ in 0..20 {
            let _ = send(&mut front, &opaque(60, 0));
            front.flush();
            back.with_rings(|rings, _| {
                for memory in [rings.tx.memory(), rings.rx.memory()] {
                    let asked = memory.load_u32(REQ_PROD);
                    memory.store_u32(RSP_PROD, asked.wrapping_sub(random(&mut seed) as u32 % 9));
                    let word = (random(&mut seed) % 80) as usize * 4;
                    memory.store_u32(word, random(&mut seed) as u32 & 0x000f_0007);
                }
            });
            while receive(&mut front).is_some() {}
            let _ = front.arm();
        }
        ended += usize::from(front.error().is_some());
        back.leave(State::Closed);
    }
    assert!(ended > rounds / 2, "{ended} of {rounds} were caught");
}
