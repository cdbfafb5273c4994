//! Frames that nobody should send.

use super::super::fuzz;
use super::frames::{ask, tcp, udp};
use super::*;

fn random(seed: &mut u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed
}

fn good_frames() -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    for (src, dst) in [("10.1.0.2", "10.2.0.2"), ("fd00:1::2", "fd00:2::2"), ("10.1.0.2", "10.1.0.1")] {
        for datagram in [
            udp(src, dst, (1, 53)),
            tcp(src, dst, (1, 80), 2),
            ask(src, dst, 1),
            udp(src, dst, (1, 2)).with_ttl(1),
        ] {
            frames.push(datagram.frame(HOST[0], ROUTER[0]));
        }
    }
    frames
}

#[test]
fn every_beginning_of_a_frame_is_survived() {
    let mut net = Net::new(PLAIN);
    for frame in good_frames() {
        for len in 0..frame.len() {
            net.give(0, &frame[..len]);
        }
    }
}

#[test]
fn frames_with_changed_bytes_are_survived() {
    let mut net = Net::new(PLAIN);
    let (frames, mut seed) = (good_frames(), 0x1234_5678);
    for _ in 0..if cfg!(miri) { 200 } else { 200_000 } {
        let mut frame = frames[random(&mut seed) as usize % frames.len()].clone();
        for _ in 0..random(&mut seed) % 4 {
            let at = 12 + random(&mut seed) as usize % (frame.len() - 12);
            frame[at] = random(&mut seed) as u8;
        }
        if frame[12..14] == [8, 0] {
            // Else most would end at the header's checksum.
            frame[24..26].fill(0);
            let header = usize::from(frame[14] & 15) * 4;
            let sum = bytes::Sum::default().with(frame.get(14..14 + header).unwrap_or_default()).checksum();
            bytes::put16(&mut frame, 24, sum);
        }
        net.now += random(&mut seed) % 1_000_000;
        net.give(random(&mut seed) as usize % 2, &frame);
        net.poll();
    }
}

#[test]
fn random_bytes_are_survived() {
    let mut seed = 99;
    for _ in 0..if cfg!(miri) { 5 } else { 3_000 } {
        let data: Vec<u8> = (0..random(&mut seed) % 600).map(|_| random(&mut seed) as u8).collect();
        fuzz::frames(&data);
        fuzz::rules(&data);
    }
}
