//! Checksums and long segments, with `virtio_net_hdr` and without.

use super::*;

const OFFLOADS: u32 = F_CSUM | F_TSO4 | F_TSO6;

fn with_header(header: [u8; 10], frame: &[u8]) -> Vec<u8> {
    [&header[..], frame].concat()
}

#[test]
fn a_blank_checksum_is_filled_in_for_a_program_that_does_not_ask_for_blank_ones() {
    for flags in [0, IFF_VNET_HDR] {
        let rig = Rig::with_tap(flags);
        for is_ipv6 in [false, true] {
            let blank = tcp(is_ipv6, 333);
            assert!(!is_right(&blank));
            rig.deliver(&blank, true, None);
            let read = rig.read(2000).unwrap();
            let frame = if flags == 0 { &read[..] } else { &read[10..] };
            assert!(is_right(frame));
            assert_eq!(
                frame[54..],
                {
                    let mut same = blank.clone();
                    let at = if is_ipv6 { 70 } else { 50 };
                    same[at..at + 2].copy_from_slice(&frame[at..at + 2]);
                    same
                }[54..]
            );
        }
        assert_eq!(rig.stats().completed, 2);
    }
}

#[test]
fn a_blank_checksum_behind_a_vlan_tag_is_filled_in_whatever_the_program_takes() {
    for takes in [0, OFFLOADS] {
        let rig = Rig::with_tap(IFF_VNET_HDR);
        assert_eq!(rig.file.ioctl(TUNSETOFFLOAD, takes.into(), &memory(&[])), Ok(0));
        let mut tagged = tcp(false, 333);
        tagged.splice(12..12, [0x81, 0, 0, 5]);
        rig.deliver(&tagged, true, None);
        let mut read = rig.read(2000).unwrap().split_off(10);
        assert_eq!(read.drain(12..16).collect::<Vec<_>>(), [0x81, 0, 0, 5]);
        assert!(is_right(&read));
    }
}

#[test]
fn what_is_not_blank_is_left_alone() {
    let rig = Rig::with_tap(0);
    let wrong = tcp(false, 10);
    rig.deliver(&wrong, false, None);
    assert_eq!(rig.read(2000), Ok(wrong));
}

#[test]
fn a_program_that_takes_blank_checksums_is_told_where_they_belong() {
    let rig = Rig::with_tap(IFF_VNET_HDR);
    assert_eq!(rig.file.ioctl(TUNSETOFFLOAD, OFFLOADS.into(), &memory(&[])), Ok(0));
    assert_eq!(rig.file.ioctl(TUNSETVNETHDRSZ, 0, &memory(&12u32.to_le_bytes())), Ok(0));
    rig.deliver(&tcp(false, 100), true, None);
    let read = rig.read(2000).unwrap();
    assert_eq!(read[..12], [1, 0, 0, 0, 0, 0, 34, 0, 16, 0, 0, 0]);
    let mut frame = read[12..].to_vec();
    let sum = !plain_sum(&frame[34..]);
    frame[50..52].copy_from_slice(&sum.to_be_bytes());
    assert!(is_right(&frame), "what stands in the field is the sum of the pseudo-header");
    assert_eq!(rig.stats().completed, 0);
}

#[test]
fn long_segments_go_whole_to_a_program_that_takes_them() {
    let rig = Rig::with_tap(IFF_VNET_HDR);
    assert_eq!(rig.file.ioctl(TUNSETOFFLOAD, OFFLOADS.into(), &memory(&[])), Ok(0));
    for (is_ipv6, kind, headers) in [(false, 1, 54), (true, 4, 74)] {
        rig.deliver(&tcp(is_ipv6, 5000), true, Some(1400));
        let read = rig.read(9000).unwrap();
        assert_eq!(read[..10], [1, kind, headers, 0, 0x78, 5, headers - 20, 0, 16, 0]);
        assert_eq!(read.len(), 10 + usize::from(headers) + 5000);
    }
    assert_eq!(rig.stats().divided, 0);
}

/// Pieces put together again are the whole.
fn check_pieces(is_ipv6: bool, pieces: &[Vec<u8>], piece: usize, data: usize) {
    let whole = tcp(is_ipv6, data);
    let tcp_at = if is_ipv6 { 54 } else { 34 };
    let mut put_together: Vec<u8> = Vec::new();
    for (number, frame) in pieces.iter().enumerate() {
        assert!(is_right(frame), "piece {number}");
        let sequence = u32::from_be_bytes(frame[tcp_at + 4..tcp_at + 8].try_into().unwrap());
        assert_eq!(sequence, 0xffff_ff00_u32.wrapping_add((number * piece) as u32));
        let is_last = number + 1 == pieces.len();
        let mut flags = 0x10;
        flags |= if is_last { 0x09 } else { 0 };
        flags |= if number == 0 { 0x80 } else { 0 };
        assert_eq!(frame[tcp_at + 13], flags, "piece {number}");
        if !is_ipv6 {
            let id = u16::from_be_bytes([frame[18], frame[19]]);
            assert_eq!(id, 0xfffe_u16.wrapping_add(number as u16));
        }
        put_together.extend(&frame[tcp_at + 20..]);
    }
    assert_eq!(put_together, whole[tcp_at + 20..]);
}

#[test]
fn long_segments_are_divided_for_a_program_that_does_not_take_them() {
    let rig = Rig::with_tap(0);
    for is_ipv6 in [false, true] {
        rig.deliver(&tcp(is_ipv6, 5001), true, Some(1400));
        let pieces: Vec<_> = (0..4).map(|_| rig.read(9000).unwrap()).collect();
        assert_eq!(rig.read(9000), Err(Errno::EAGAIN));
        check_pieces(is_ipv6, &pieces, 1400, 5001);
    }
    assert_eq!((rig.stats().divided, rig.stats().received_lost), (2, 0));
}

#[test]
fn long_segments_of_a_program_go_whole_to_a_device_that_divides_them() {
    let rig = Rig::with_tap(IFF_VNET_HDR);
    rig.port.divides.store(true, Ordering::Relaxed);
    let long = tcp(false, 5000);
    let header = [1, 1, 54, 0, 0x78, 5, 34, 0, 16, 0];
    assert_eq!(rig.write(&with_header(header, &long)), Ok(5064));
    assert_eq!(*rig.port.sent.lock(), [(long, Some(1400))]);
}

#[test]
fn long_segments_of_a_program_are_divided_for_a_device_that_does_not() {
    for is_ipv6 in [false, true] {
        let rig = Rig::with_tap(IFF_VNET_HDR);
        let kind = if is_ipv6 { 4 } else { 1 };
        let header = [1, kind, 54, 0, 0x78, 5, if is_ipv6 { 54 } else { 34 }, 0, 16, 0];
        let long = tcp(is_ipv6, 5001);
        assert_eq!(rig.write(&with_header(header, &long)), Ok(10 + long.len()));
        let sent: Vec<_> = rig.port.sent.lock().iter().map(|(frame, _)| frame.clone()).collect();
        check_pieces(is_ipv6, &sent, 1400, 5001);
        assert_eq!(rig.port.flushes.load(Ordering::Relaxed), 1, "all pieces are shown at once");
    }
}

#[test]
fn a_checksum_that_is_no_devices_business_is_computed_here() {
    let rig = Rig::with_tap(IFF_VNET_HDR);
    // ICMPv6 is neither TCP nor UDP.
    let mut frame = tcp(true, 0);
    frame[20] = 58;
    let header = [1, 0, 0, 0, 0, 0, 54, 0, 2, 0];
    frame[56..58].copy_from_slice(&[0x12, 0x34]);
    assert_eq!(rig.write(&with_header(header, &frame)), Ok(10 + frame.len()));
    let sent = rig.port.sent.lock()[0].0.clone();
    let sum = u16::from_be_bytes([sent[56], sent[57]]);
    assert_eq!(sum, !plain_sum(&frame[54..]));
    assert_eq!(rig.stats().completed, 1);
    let beyond = [1, 0, 0, 0, 0, 0, 54, 0, 200, 0];
    assert_eq!(rig.write(&with_header(beyond, &frame)), Err(Errno::EINVAL));
}

#[test]
fn nonsense_is_refused_and_never_a_panic() {
    let rig = Rig::with_tap(IFF_VNET_HDR);
    let long = tcp(false, 3000);
    for header in [
        [1, 3, 54, 0, 0x78, 5, 34, 0, 16, 0],
        [1, 1, 54, 0, 0, 0, 34, 0, 16, 0],
        [1, 4, 54, 0, 0x78, 5, 34, 0, 16, 0],
        [1, 1, 54, 0, 1, 0, 34, 0, 16, 0],
        [1, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff],
    ] {
        assert_eq!(rig.write(&with_header(header, &long)), Err(Errno::EINVAL), "{header:?}");
    }
    // Headers that say more than there is.
    let mut seed = 1u64;
    for _ in 0..20_000 {
        let mut bytes =
            with_header([1, 1, 54, 0, 0x78, 5, 34, 0, 16, 0], &tcp(seed & 64 != 0, (seed % 300) as usize));
        for _ in 0..4 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = (seed >> 33) as usize % 80.min(bytes.len());
            bytes[at] = (seed >> 24) as u8;
        }
        let _ = rig.write(&bytes);
        let frame = &bytes[10..];
        rig.deliver(frame, true, Some((seed >> 50) as u16));
        while rig.read(9000).is_ok() {}
    }
}
