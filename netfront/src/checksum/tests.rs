//! Against an oracle that adds one bit pattern at a time, and against smoltcp.

use smoltcp::wire::{EthernetFrame, IpAddress, Ipv4Packet, Ipv6Packet, TcpPacket, UdpPacket};

use super::*;

/// RFC 1071 at its slowest: big-endian words, the carry put back after each addition.
fn slow_sum(words: impl Iterator<Item = u8>) -> u16 {
    let bytes: Vec<u8> = words.collect();
    let mut total = 0u32;
    for pair in bytes.chunks(2) {
        total += u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0));
        if total > 0xffff {
            total -= 0xffff;
        }
    }
    total as u16
}

/// An Ethernet frame with TCP or UDP in it, and where the transport header starts.
fn frame(version: Version, protocol: u8, extensions: &[&[u8]], payload: &[u8]) -> (Vec<u8>, usize) {
    let mut transport = vec![0x12, 0x34, 0xab, 0xcd];
    if protocol == TCP {
        transport.extend([1, 2, 3, 4, 5, 6, 7, 8, 0x50, 0x18, 9, 9, 0, 0, 0, 0]);
    } else {
        transport.extend(((8 + payload.len()) as u16).to_be_bytes());
        transport.extend([0, 0]);
    }
    transport.extend(payload);
    let extension_len: usize = extensions.iter().map(|extension| extension.len()).sum();
    let mut frame = vec![0x55; 12];
    if version == Version::V4 {
        let len = (20 + extension_len + transport.len()) as u16;
        frame.extend([8, 0, 0x45 + (extension_len / 4) as u8, 0]);
        frame.extend(len.to_be_bytes());
        frame.extend([0, 1, 0x40, 0, 64, protocol, 0, 0, 10, 200, 0, 1, 10, 0, 250, 2]);
        extensions.iter().for_each(|extension| frame.extend(*extension));
    } else {
        let len = (extension_len + transport.len()) as u16;
        frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
        frame.extend(len.to_be_bytes());
        let first = if extensions.is_empty() { protocol } else { DESTINATION_OPTIONS };
        frame.extend([first, 64]);
        frame.extend((0..32u8).map(|at| at.wrapping_mul(11)));
        extensions.iter().for_each(|extension| frame.extend(*extension));
    }
    let at = frame.len();
    frame.extend(transport);
    (frame, at)
}

fn find(frame: &[u8]) -> Transport {
    match locate(frame) {
        Payload::Transport(transport) => transport,
        other => panic!("{other:?}"),
    }
}

fn pseudo_header(frame: &[u8], version: Version, at: usize, protocol: u8) -> Vec<u8> {
    let addresses = if version == Version::V4 { 26..34 } else { 22..54 };
    let mut bytes = frame[addresses].to_vec();
    bytes.extend(((frame.len() - at) as u32).to_be_bytes());
    bytes.extend([0, 0, 0, protocol]);
    bytes
}

fn every_frame(mut check: impl FnMut(Vec<u8>, usize, Version, u8)) {
    let lens = (0..1460).step_by(if cfg!(miri) { 487 } else { 1 });
    for len in lens {
        let payload: Vec<u8> = (0..len).map(|at| (at * 13 + len) as u8).collect();
        for version in [Version::V4, Version::V6] {
            for protocol in [TCP, UDP] {
                let next = [protocol, 0, 0, 0, 0, 0, 0, 0];
                let extensions: &[&[u8]] = if len % 2 == 0 { &[] } else { &[&next] };
                let (frame, at) = frame(version, protocol, extensions, &payload);
                check(frame, at, version, protocol);
            }
        }
    }
}

#[test]
fn whole_checksums_are_those_of_the_oracle_and_verify() {
    every_frame(|mut frame, at, version, protocol| {
        let transport = find(&frame);
        transport.fill(&mut frame);
        let sum = slow_sum(
            pseudo_header(&frame, version, at, protocol).into_iter().chain(frame[at..].iter().copied()),
        );
        assert_eq!(sum, 0xffff);
        assert_eq!(verify(&frame), Verdict::Good);
        for bit in [at * 8, at * 8 + 31, frame.len() * 8 - 1] {
            frame[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(verify(&frame), Verdict::Bad, "bit {bit} of {frame:?}");
            frame[bit / 8] ^= 1 << (bit % 8);
        }
    });
}

#[test]
fn partial_checksums_are_the_pseudo_headers_and_complete_to_good_ones() {
    every_frame(|mut frame, at, version, protocol| {
        let transport = find(&frame);
        transport.fill_partial(&mut frame);
        let field = at + if protocol == TCP { 16 } else { 6 };
        let partial = u16::from_be_bytes([frame[field], frame[field + 1]]);
        assert_eq!(partial, slow_sum(pseudo_header(&frame, version, at, protocol).into_iter()));
        // What a network card does: the sum from the transport header to the end, inverted, in the field.
        let complete = !slow_sum(frame[at..].iter().copied());
        frame[field..field + 2].copy_from_slice(&complete.to_be_bytes());
        assert_eq!(verify(&frame), Verdict::Good);
    });
}

#[test]
fn smoltcp_accepts_what_was_filled_in() {
    every_frame(|mut frame, at, version, protocol| {
        find(&frame).fill(&mut frame);
        let ethernet = EthernetFrame::new_checked(&frame[..]).expect("a frame");
        let (source, target): (IpAddress, IpAddress) = if version == Version::V4 {
            let ip = Ipv4Packet::new_checked(ethernet.payload()).expect("a packet");
            (ip.src_addr().into(), ip.dst_addr().into())
        } else {
            let ip = Ipv6Packet::new_checked(ethernet.payload()).expect("a packet");
            (ip.src_addr().into(), ip.dst_addr().into())
        };
        assert!(if protocol == TCP {
            TcpPacket::new_checked(&frame[at..]).expect("a segment").verify_checksum(&source, &target)
        } else {
            UdpPacket::new_checked(&frame[at..]).expect("a datagram").verify_checksum(&source, &target)
        });
    });
}

#[test]
fn a_udp_checksum_of_zero_is_written_as_its_other_form() {
    let (mut frame, at) = frame(Version::V4, UDP, &[], &[0, 0]);
    find(&frame).fill(&mut frame);
    // The payload becomes the checksum: then the checksum of the whole comes out as zero.
    let checksum = [frame[at + 6], frame[at + 7]];
    frame[at + 8..at + 10].copy_from_slice(&checksum);
    find(&frame).fill(&mut frame);
    assert_eq!(frame[at + 6..at + 8], [0xff, 0xff]);
    assert_eq!(verify(&frame), Verdict::Good);
}

#[test]
fn udp_without_a_checksum_is_good_over_ipv4_only() {
    assert_eq!(verify(&frame(Version::V4, UDP, &[], b"x").0), Verdict::Good);
    assert_eq!(verify(&frame(Version::V6, UDP, &[], b"x").0), Verdict::Bad);
    assert_eq!(verify(&frame(Version::V4, TCP, &[], b"x").0), Verdict::Bad);
}

#[test]
fn padding_behind_a_packet_does_not_count() {
    for protocol in [TCP, UDP] {
        let (mut frame, _) = frame(Version::V4, protocol, &[], b"abc");
        find(&frame).fill(&mut frame);
        frame.extend([0xff; 17]);
        assert_eq!(verify(&frame), Verdict::Good);
    }
}

#[test]
fn fragments_and_other_protocols_are_left_alone() {
    for (flags, expected) in
        [([0x20, 0], true), ([0, 1], true), ([0x3f, 0xff], true), ([0x40, 0], false), ([0x80, 0], false)]
    {
        let (mut frame, _) = frame(Version::V4, UDP, &[], b"abc");
        frame[20..22].copy_from_slice(&flags);
        assert_eq!(locate(&frame) == Payload::Fragment, expected, "{flags:?}");
    }
    let fragment = [UDP, 0, 0, 1, 0, 0, 0, 0];
    let (mut six, _) = frame(Version::V6, UDP, &[&fragment], b"abc");
    six[20] = FRAGMENT;
    assert_eq!(locate(&six), Payload::Fragment);
    let (mut icmp, _) = frame(Version::V4, UDP, &[], b"abc");
    icmp[23] = 1;
    assert_eq!(locate(&icmp), Payload::Other);
}

#[test]
fn no_bytes_whatever_lead_outside_the_frame() {
    let mut seed = 99u64;
    let rounds = if cfg!(miri) { 100 } else { 200_000 };
    for round in 0..rounds {
        let version = if round % 2 == 0 { Version::V4 } else { Version::V6 };
        let protocol = if round % 3 == 0 { TCP } else { UDP };
        let next = [protocol, 0, 0, 0, 0, 0, 0, 0];
        let (mut bytes, at) = frame(version, protocol, &[&next, &next], &[7; 40]);
        for _ in 0..3 {
            let random = crate::tests::random(&mut seed);
            let place = 12 + random as usize % (at - 4);
            bytes[place] = (random >> 32) as u8;
        }
        bytes.truncate(crate::tests::random(&mut seed) as usize % (bytes.len() + 30));
        let _ = verify(&bytes);
        if let Payload::Transport(transport) = locate(&bytes) {
            transport.fill_partial(&mut bytes);
            transport.fill(&mut bytes);
            assert_eq!(verify(&bytes), Verdict::Good);
        }
    }
}
