//! Frames in both directions.

use xen::{Events, Wake};

use super::*;
use crate::fake::ToGuest;
use xen_sys::io::netif::{EXTRA_TYPE_HASH, ExtraInfo, RSP_DROPPED, RSP_ERROR, RXF_DATA_VALIDATED};

fn sizes() -> impl Iterator<Item = usize> {
    (14..=1514).step_by(if cfg!(miri) { 375 } else { 1 })
}

#[test]
fn frames_of_every_size_arrive_in_both_directions_over_both_wraps() {
    for first_index in [0, u32::MAX - 700] {
        let world = World::new();
        let (mut front, back) = connected(&world, Config { first_index, ..config() });
        for len in sizes() {
            let (out, into) = (opaque(len, 1), opaque(len, 2));
            assert!(send(&mut front, &out));
            back.send(&into);
            front.flush();
            world.run_peers();
            assert_eq!(back.take_sent().pop().expect("one was sent").frame, out);
            assert_eq!(receive(&mut front), Some(into));
            assert_eq!(receive(&mut front), None);
        }
        let (stats, count) = (*front.stats(), sizes().count() as u64);
        assert_eq!((stats.tx.packets, stats.rx.packets), (count, count));
        assert_eq!(
            (stats.tx.bytes, stats.rx.bytes),
            (sizes().sum::<usize>() as u64, sizes().sum::<usize>() as u64)
        );
        front.close().expect("the back end answers");
    }
}

#[test]
fn a_burst_is_published_by_one_notification() {
    let world = World::new();
    let (mut front, back) = connected(&world, config());
    world.run_peers();
    let before = front.stats().notifications;
    for seed in 0..5 {
        assert!(send(&mut front, &opaque(60, seed)));
    }
    world.run_peers();
    assert!(back.take_sent().is_empty(), "nothing is seen before the flush");
    front.flush();
    front.flush();
    world.run_peers();
    assert_eq!(back.take_sent().len(), 5);
    assert_eq!(front.stats().notifications, before + 1);
}

#[test]
fn a_full_ring_refuses_and_an_event_comes_when_there_is_room() {
    let world = World::new();
    let (mut front, back) = connected(&world, config());
    back.adjust(|knobs| knobs.takes_tx = false);
    for seed in 0..8 {
        assert!(send(&mut front, &opaque(60, seed)));
    }
    assert!(!send(&mut front, &opaque(60, 8)));
    back.send(&opaque(99, 1));
    world.run_peers();
    assert_eq!(receive(&mut front), None, "without room for an answer nothing is taken");
    let waiting = event(&front);
    assert!(!front.arm(), "the frame must wait for room");
    back.adjust(|knobs| knobs.takes_tx = true);
    assert_eq!(world.wait(&[waiting], None), Wake::Event);
    assert!(send(&mut front, &opaque(60, 8)));
    assert_eq!(receive(&mut front), Some(opaque(99, 1)));
    assert_eq!(front.stats().tx.ring_full, 2);
}

#[test]
fn a_full_ring_is_published_without_being_asked() {
    let world = World::new();
    let (mut front, back) = connected(&world, config());
    world.run_peers();
    while send(&mut front, &opaque(60, 0)) {}
    world.run_peers();
    assert_eq!(back.take_sent().len(), 8);
    assert!(send(&mut front, &opaque(60, 0)));
}

#[test]
fn sent_frames_bring_no_event_while_there_is_room() {
    let world = World::new();
    let (mut front, back) = connected(&world, config());
    assert!(send(&mut front, &opaque(60, 0)));
    front.flush();
    world.run_peers();
    for seed in 0..4 {
        let seq = event(&front).1;
        assert!(!front.arm());
        assert!(send(&mut front, &opaque(60, seed)));
        front.flush();
        world.run_peers();
        assert_eq!(event(&front).1, seq);
    }
    assert_eq!(back.take_sent().len(), 5);
}

#[test]
fn a_slow_back_end_loses_nothing() {
    let world = World::new();
    let (mut front, back) = connected(&world, config());
    back.adjust(|knobs| (knobs.delay, knobs.reversed) = (3, true));
    let (mut sent, mut got) = (0, Vec::new());
    for seed in 0..50 {
        back.send(&opaque(200 + seed, seed));
    }
    let count = if cfg!(miri) { 20 } else { 300 };
    while sent < count || got.len() < 50 {
        let waiting = event(&front);
        while sent < count && send(&mut front, &opaque(64, sent)) {
            sent += 1;
        }
        got.extend(core::iter::from_fn(|| receive(&mut front)));
        if !front.arm() && (sent < count || got.len() < 50) {
            assert_eq!(world.wait(&[waiting], None), Wake::Event);
        }
    }
    world.run_peers();
    let frames: Vec<_> = back.take_sent().into_iter().map(|sent| sent.frame).collect();
    assert_eq!(frames, (0..count).map(|seed| opaque(64, seed)).collect::<Vec<_>>());
    assert_eq!(got, (0..50).map(|seed| opaque(200 + seed, seed)).collect::<Vec<_>>());
}

#[test]
fn a_frame_in_pieces_is_put_together() {
    let world = World::new();
    let rx_buffers = if cfg!(miri) { 32 } else { 256 };
    let (mut front, back) = connected(&world, Config { rx_buffers, ..config() });
    for (len, slot_len, offset, extras) in [
        (1514, 100, 0, 0),
        (1514, 1, 4095, 0),
        (9000, 4096, 0, 2),
        (65_549, 4096, 0, 1),
        (60, 60, 4036, 3),
        (14, 13, 77, 0),
    ] {
        if cfg!(miri) && slot_len == 1 {
            continue;
        }
        let slot_len = slot_len.max(len / if cfg!(miri) { 20 } else { 200 });
        let frame = opaque(len, extras);
        back.send_as(ToGuest {
            slot_len,
            offset: offset.min(4096 - slot_len),
            extras: vec![
                ExtraInfo { kind: EXTRA_TYPE_HASH, gso_size: 0xffff, ..ExtraInfo::default() };
                extras
            ],
            ..ToGuest::new(&frame)
        });
        world.run_peers();
        assert_eq!(receive(&mut front), Some(frame), "{len} in pieces of {slot_len}");
        front.flush();
        world.run_peers();
    }
    assert_eq!(front.stats().rx.packets, 6 - u64::from(cfg!(miri)));
}

#[test]
fn frames_too_long_too_short_or_failed_are_counted_and_skipped() {
    let world = World::new();
    let (mut front, back) = connected(&world, Config { rx_buffers: 64, ..config() });
    back.send(&opaque(65_550, 0));
    back.send(&opaque(14, 0)[..13]);
    back.send(&[]);
    back.send_as(ToGuest { error: Some(-1), slot_len: 300, ..ToGuest::new(&opaque(600, 0)) });
    back.send_as(ToGuest { flags: RXF_DATA_VALIDATED, ..ToGuest::new(&opaque(600, 5)) });
    world.run_peers();
    assert_eq!(receive(&mut front), Some(opaque(600, 5)));
    let rx = front.stats().rx;
    assert_eq!((rx.oversized, rx.runts, rx.errors, rx.packets), (1, 2, 1, 1));
    assert_eq!(front.error(), None);
}

#[test]
fn a_jumbo_frame_goes_out_in_pieces() {
    let world = World::new();
    let (device, back) = FakeNetback::with_device(&world);
    device.set_front("mtu", "9000");
    let mut front = Front::connect(&world, device, config()).expect("the back end is willing");
    assert_eq!(front.capabilities().max_transmission_unit, 9014);
    for len in [14, 4096, 4097, 8192, 8193, 9014] {
        assert!(send(&mut front, &opaque(len, len)));
        front.flush();
        world.run_peers();
        let sent = back.take_sent();
        assert_eq!((sent[0].slots, &sent[0].frame), (len.div_ceil(4096), &opaque(len, len)));
    }
}

#[test]
fn a_frame_of_a_wrong_length_is_not_sent() {
    let world = World::new();
    let (mut front, back) = connected(&world, config());
    for len in [0, 13, 1515, 70_000] {
        let token = front.transmit(NOW).expect("there is room");
        assert_eq!(token.consume(len, |into| into.len()), len);
    }
    front.flush();
    world.run_peers();
    assert!(back.take_sent().is_empty());
    assert_eq!(front.stats().tx.bad_lengths, 4);
}

#[test]
fn a_frame_with_a_vlan_tag_is_sent_if_such_were_asked_for() {
    let world = World::new();
    let (mut front, back) = connected(&world, Config { vlan_tags: true, ..config() });
    for len in [1518, 1519] {
        let token = front.transmit(NOW).expect("there is room");
        token.consume(len, |into| into.fill(0));
    }
    front.flush();
    world.run_peers();
    assert_eq!((back.take_sent().len(), front.stats().tx.bad_lengths), (1, 1));
}

#[test]
fn failed_transmissions_are_counted() {
    let world = World::new();
    let (mut front, back) = connected(&world, config());
    for (count, status) in [(3, RSP_DROPPED), (4, RSP_ERROR), (1, -9)] {
        back.adjust(|knobs| knobs.tx_status = status);
        for _ in 0..count {
            assert!(send(&mut front, &opaque(60, 0)));
        }
        front.flush();
        world.run_peers();
    }
    assert!(send(&mut front, &opaque(60, 0)), "all buffers were in use, and all came back");
    assert_eq!((front.stats().tx.dropped, front.stats().tx.errors), (3, 5));
}

#[test]
fn frames_of_every_number_of_pages_arrive_whatever_the_order_of_the_answers() {
    let world = World::new();
    let (device, back) = FakeNetback::with_device(&world);
    device.set_front("mtu", "65521");
    let mut front = Front::connect(&world, device, Config { tx_buffers: 64, ..config() })
        .expect("the back end is willing");
    back.adjust(|knobs| (knobs.takes_tx, knobs.reversed) = (false, true));
    let mut seed = 0xace;
    let mut sent = Vec::new();
    for round in 0..if cfg!(miri) { 3 } else { 400 } {
        // As many as fit, then all are taken and answered back to front.
        for _ in 0..random(&mut seed) % if cfg!(miri) { 20 } else { 40 } {
            let pages = random(&mut seed) as usize % 16;
            let len = 14 + (pages * 4096 + random(&mut seed) as usize % 4096).min(65_521);
            if let Some(token) = front.transmit(NOW) {
                token.consume(len, |into| into.copy_from_slice(&opaque(len, round)));
                sent.push(opaque(len, round));
            }
        }
        front.flush();
        back.adjust(|knobs| knobs.takes_tx = round % 3 > 0);
        world.run_peers();
    }
    back.adjust(|knobs| knobs.takes_tx = true);
    world.run_peers();
    let got: Vec<_> = back.take_sent().into_iter().map(|sent| sent.frame).collect();
    assert!(got == sent, "{} of {} arrived as they were", got.len(), sent.len());
    assert!(front.stats().tx.ring_full > 0 && (front.stats().tx.bad_lengths, front.error()) == (0, None));
}

#[test]
fn a_long_segment_is_no_longer_than_a_quarter_of_the_buffers() {
    for (tx_buffers, longest) in
        [(256, Some(65_535)), (64, Some(65_535)), (32, Some(32_768)), (4, Some(4_096)), (3, None)]
    {
        let world = World::new();
        let (device, _back) = FakeNetback::with_device(&world);
        device.set_back("feature-gso-tcpv4", "1");
        let front = Front::connect(&world, device, Config { tx_buffers, ..config() })
            .expect("the back end is willing");
        assert_eq!(
            front.capabilities().segmentation.tcpv4.map(|len| len.get()),
            longest,
            "{tx_buffers} pages"
        );
    }
}

#[test]
fn a_sender_without_room_is_woken_once_for_a_good_part_of_the_answers() {
    let world = World::new();
    let (mut front, back) = connected(&world, Config { tx_buffers: 64, ..config() });
    back.adjust(|knobs| knobs.takes_tx = false);
    while send(&mut front, &opaque(60, 0)) {}
    let seq = event(&front).1;
    assert!(!front.arm());
    let mut answered = 0;
    while event(&front).1 == seq {
        back.with_rings(|rings, _| {
            let request = rings.tx.pop().expect("honest").expect("64 were sent");
            rings.tx.push(xen_sys::io::netif::TxResponse { id: request.id, status: 0 }).expect("room");
            if rings.tx.publish() == xen::Doorbell::Ring {
                rings.event.notify();
            }
        });
        answered += 1;
    }
    assert_eq!(answered, 16);
}
