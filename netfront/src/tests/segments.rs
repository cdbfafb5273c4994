//! TCP segments longer than the MTU, out and in, and checksums, against the oracle.

use core::num::NonZeroU16;

use smoltcp::phy::PacketMeta;
use xen::{Events, Wake};
use xen_sys::io::netif::{
    EXTRA_TYPE_GSO, EXTRA_TYPE_MCAST_ADD, ExtraInfo, GSO_TYPE_TCPV4, GSO_TYPE_TCPV6, RXF_CSUM_BLANK,
    RXF_DATA_VALIDATED, RXF_GSO_PREFIX, TXF_CSUM_BLANK,
};

use super::oracle;
use super::*;
use crate::fake::{FromGuest, ToGuest};

/// A device whose back end has all features but those named.
fn with_features(world: &World, missing: &[&str], config: Config) -> (Front, FakeNetback) {
    let (device, back) = FakeNetback::with_device(world);
    for feature in ["feature-gso-tcpv4", "feature-gso-tcpv6", "feature-ipv6-csum-offload"] {
        device.set_back(feature, if missing.contains(&feature) { "0" } else { "1" });
    }
    if missing.contains(&"checksum") {
        device.set_back("feature-no-csum-offload", "1");
    }
    (Front::connect(world, device, config).expect("the back end is willing"), back)
}

fn large() -> Config {
    Config { rx_buffers: 64, tx_buffers: 64, ..Config::default() }
}

/// Sends a frame to be divided, and takes what the back end has got.
fn divided(
    world: &World,
    front: &mut Front,
    back: &FakeNetback,
    frame: &[u8],
    size: u16,
) -> Option<FromGuest> {
    let mut token = front.transmit(NOW).expect("there is room");
    let mut meta = PacketMeta::default();
    meta.segmentation_offload_size = NonZeroU16::new(size);
    token.set_meta(meta);
    token.consume(frame.len(), |into| into.copy_from_slice(frame));
    front.flush();
    world.run_peers();
    back.take_sent().pop()
}

fn payload(len: usize) -> Vec<u8> {
    // No page begins as another does.
    let turn: Vec<u8> = (0..len.min(251)).map(|at| (at * 31) as u8).collect();
    let mut bytes = turn.repeat(len.div_ceil(251));
    bytes.truncate(len);
    bytes
}

#[test]
fn a_divided_segment_is_on_the_wire_what_the_stack_meant() {
    let world = World::new();
    let (mut front, back) = with_features(&world, &[], large());
    let lens: &[usize] = if cfg!(miri) {
        &[1_441]
    } else {
        &[1, 2, 1_000, 1_440, 1_441, 4_042, 4_043, 20_001, 40_000, 65_441]
    };
    for six in [false, true] {
        for len in lens {
            for size in [1_440, 1_426, 537, 1_337] {
                let data = payload(*len);
                let frame = oracle::frame(six, 6, (49_152, 80), &data);
                let sent = divided(&world, &mut front, &back, &frame, size).expect("it goes out");
                let pieces = oracle::on_the_wire(&sent);
                assert_eq!(pieces.len(), len.div_ceil(size.into()));
                assert_eq!(sent.segmentation.is_some(), pieces.len() > 1, "{len} bytes in pieces of {size}");
                let got: Vec<u8> = pieces.iter().flat_map(|piece| oracle::judged(piece)).collect();
                assert!(got == data, "IPv6 {six}: {len} bytes in pieces of {size}");
            }
        }
    }
    assert_eq!(front.stats().tx.bad_segments, 0);
    assert!(front.stats().tx.segmented > 0);
}

#[test]
fn checksums_are_right_on_the_wire_whoever_completes_them() {
    let world = World::new();
    for missing in
        [&[][..], &["checksum"], &["feature-ipv6-csum-offload"], &["checksum", "feature-ipv6-csum-offload"]]
    {
        let (mut front, back) = with_features(&world, missing, config());
        for (six, protocol) in [(false, 6), (false, 17), (true, 6), (true, 17)] {
            for len in (0..1_400).step_by(if cfg!(miri) { 699 } else { 7 }) {
                let data = payload(len);
                assert!(send(&mut front, &oracle::frame(six, protocol, (len as u16, 53), &data)));
                front.flush();
                world.run_peers();
                let sent = back.take_sent().pop().expect("it goes out");
                let left = !missing.contains(&if six { "feature-ipv6-csum-offload" } else { "checksum" });
                assert_eq!(sent.flags & TXF_CSUM_BLANK != 0, left);
                assert_eq!(oracle::judged(&oracle::on_the_wire(&sent)[0]), data);
            }
        }
        front.close().expect("the back end answers");
    }
}

#[test]
fn what_can_not_be_divided_is_not_sent() {
    let world = World::new();
    let long = payload(5_000);
    for (missing, six, protocol) in [
        (&["feature-gso-tcpv6"][..], true, 6),
        (&["feature-gso-tcpv4"], false, 6),
        (&["feature-ipv6-csum-offload"], true, 6),
        (&["checksum"], false, 6),
        (&[], false, 17),
        (&[], true, 17),
    ] {
        let (mut front, back) = with_features(&world, missing, large());
        let frame = oracle::frame(six, protocol, (1, 2), &long);
        assert_eq!(divided(&world, &mut front, &back, &frame, 1_000), None, "{missing:?} {six} {protocol}");
        let mut other = frame;
        other[12..14].copy_from_slice(&[0x88, 0xb5]);
        assert_eq!(divided(&world, &mut front, &back, &other, 1_000), None);
        assert_eq!(front.stats().tx.bad_segments, 2);
        // The pages are free again.
        for _ in 0..100 {
            assert!(send(&mut front, &opaque(60, 0)));
            front.flush();
            world.run_peers();
        }
        assert_eq!((back.take_sent().len(), front.error()), (100, None));
        front.close().expect("the back end answers");
    }
}

#[test]
fn only_what_the_back_end_divides_may_be_longer_than_the_mtu() {
    let world = World::new();
    let (mut front, back) = with_features(&world, &[], large());
    assert!(send(&mut front, &opaque(1_515, 0)));
    front.flush();
    world.run_peers();
    assert_eq!((back.take_sent().len(), front.stats().tx.bad_lengths), (0, 1));
}

fn gso(kind: u8) -> ExtraInfo {
    ExtraInfo { kind: EXTRA_TYPE_GSO, gso_size: 1_448, gso_type: kind, ..ExtraInfo::default() }
}

#[test]
fn long_segments_come_in_over_both_families_in_any_number_of_slots() {
    let world = World::new();
    let (mut front, back) = with_features(&world, &[], large());
    for (six, kind) in [(false, GSO_TYPE_TCPV4), (true, GSO_TYPE_TCPV6)] {
        for slots in (1..=17).step_by(if cfg!(miri) { 8 } else { 1 }) {
            for slot_len in [4_096, 4_000] {
                let len = (slots * slot_len - 30).min(65_535) - oracle::header_len(six);
                let frame = oracle::frame(six, 6, (80, 1), &payload(len));
                let flags = RXF_CSUM_BLANK | RXF_DATA_VALIDATED;
                back.send_as(ToGuest { flags, slot_len, extras: vec![gso(kind)], ..ToGuest::new(&frame) });
                world.run_peers();
                assert!(receive(&mut front) == Some(frame), "{slots} slots of {slot_len}");
                front.flush();
                world.run_peers();
            }
        }
    }
    let rx = front.stats().rx;
    assert_eq!((rx.segmented, rx.bad_extras), (rx.packets, 0));
}

#[test]
fn extra_infos_that_no_honest_back_end_sends_lose_their_packet_and_no_other() {
    let (four, six, udp) = (
        oracle::frame(false, 6, (1, 2), &[7; 99]),
        oracle::frame(true, 6, (1, 2), &[7; 99]),
        oracle::frame(false, 17, (1, 2), &[7; 99]),
    );
    let flags = RXF_CSUM_BLANK | RXF_DATA_VALIDATED;
    let good = |frame: &[u8]| ToGuest { flags, ..ToGuest::new(frame) };
    let with = |frame: &[u8], extras: &[ExtraInfo]| ToGuest { extras: extras.to_vec(), ..good(frame) };
    let kind = |kind| ExtraInfo { kind, ..ExtraInfo::default() };
    let lies = [
        with(&four, &[gso(GSO_TYPE_TCPV6)]),
        with(&six, &[gso(GSO_TYPE_TCPV4)]),
        with(&udp, &[gso(GSO_TYPE_TCPV4)]),
        with(&opaque(900, 0), &[gso(GSO_TYPE_TCPV4)]),
        with(&four, &[gso(0)]),
        with(&four, &[gso(3)]),
        with(&four, &[ExtraInfo { gso_size: 0, ..gso(GSO_TYPE_TCPV4) }]),
        with(&four, &[gso(GSO_TYPE_TCPV4), gso(GSO_TYPE_TCPV4)]),
        with(&four, &[kind(0)]),
        with(&four, &[kind(EXTRA_TYPE_MCAST_ADD)]),
        with(&four, &[kind(0xff), gso(GSO_TYPE_TCPV4)]),
        ToGuest { flags: flags | RXF_GSO_PREFIX, ..good(&four) },
    ];
    let world = World::new();
    for rx_segments in [true, false] {
        let (mut front, back) = with_features(&world, &[], Config { rx_segments, ..large() });
        for (number, lie) in lies.iter().enumerate() {
            back.send_as(lie.clone());
            back.send_as(good(&four));
            world.run_peers();
            assert_eq!(receive(&mut front), Some(four.clone()));
            assert_eq!((receive(&mut front), front.error()), (None, None));
            assert_eq!(front.stats().rx.bad_extras, number as u64 + 1, "lie {number}");
        }
        // What is right is wrong when it was not asked for.
        back.send_as(with(&four, &[gso(GSO_TYPE_TCPV4)]));
        world.run_peers();
        assert_eq!(receive(&mut front).is_some(), rx_segments);
        front.close().expect("the back end answers");
    }
}

#[test]
fn long_segments_are_not_asked_for_without_room_for_two() {
    let world = World::new();
    for (rx_buffers, queues, asked) in [(35, 1, 0), (36, 1, 1), (71, 2, 0), (72, 2, 1)] {
        let (device, _back) = FakeNetback::with_device(&world);
        device.set_back("multi-queue-max-queues", "2");
        let front = Front::connect(&world, device.clone(), Config { rx_buffers, queues, ..config() });
        for key in ["feature-gso-tcpv4", "feature-gso-tcpv6"] {
            assert_eq!(device.front_number(key), Some(asked), "{rx_buffers} pages, {queues} queues");
        }
        front.expect("the back end is willing").close().expect("the back end answers");
    }
}

#[test]
fn long_segments_on_their_way_do_not_keep_received_frames_waiting() {
    let world = World::new();
    let (mut front, back) = with_features(&world, &[], large());
    back.adjust(|knobs| knobs.takes_tx = false);
    world.run_peers();
    let long = oracle::frame(false, 6, (1, 2), &payload(60_000));
    let mut sent = 0;
    while front.transmit(NOW).is_some() {
        divided(&world, &mut front, &back, &long, 1_448);
        sent += 1;
    }
    assert_eq!(sent, 4, "four of 64 pages are left, and the longest takes 16");
    back.send(&opaque(60, 1));
    world.run_peers();
    assert!(front.has_received());
    let (token, answer) = front.receive(NOW).expect("there is room for an answer");
    assert_eq!(token.consume(<[u8]>::len), 60);
    answer.consume(60, |into| into.copy_from_slice(&opaque(60, 2)));
    // Both a received frame and room are worth an event now.
    let waiting = front.events().collect::<Vec<_>>();
    assert!(!front.arm());
    back.send(&opaque(60, 3));
    assert_eq!(world.wait(&waiting, None), Wake::Event);
    assert_eq!(receive(&mut front), Some(opaque(60, 3)));
    let waiting = front.events().collect::<Vec<_>>();
    assert!(!front.arm());
    back.adjust(|knobs| knobs.takes_tx = true);
    assert_eq!(world.wait(&waiting, None), Wake::Event);
    assert!(front.transmit(NOW).is_some());
}
