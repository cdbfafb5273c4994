//! Frames made by chance, and by chance from good ones: none may panic.
mod common;

use common::*;
use net::fuzz::{ADDR, MAC, Target};
use net::{Stack, TcpId, TcpOptions};

struct Dice(u64);

impl Dice {
    fn roll(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % n.max(1)
    }

    fn byte(&mut self) -> u8 {
        self.roll(256) as u8
    }
}

/// An IPv4 or IPv6 header to the target with a right length and header checksum, then `payload`.
fn packet(dice: &mut Dice, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = MAC.to_vec();
    frame.extend_from_slice(&[2, 0, 0, 0, 0, 2]);
    if dice.roll(4) > 0 {
        frame.extend_from_slice(&[8, 0, 0x45, 0]);
        frame.extend_from_slice(&((20 + payload.len()) as u16).to_be_bytes());
        let fragment = [0, 0, 0, 0x20, 0x20, 0x1f][dice.roll(6)];
        let offset = if fragment == 0 { 0 } else { dice.byte() };
        frame.extend_from_slice(&[0, dice.roll(3) as u8, fragment, offset, 64, protocol, 0, 0]);
        frame.extend_from_slice(&[[10, 0, 0, 2], [10, 0, 0, 53], [0; 4], [10, 0, 0, 254]][dice.roll(4)]);
        frame.extend_from_slice(
            &[ADDR.octets(), [255; 4], [10, 0, 0, 255], [224, 0, 0, 1]][dice.roll(8).min(4) % 4],
        );
        let sum: u32 = frame[14..34].chunks(2).map(|c| u32::from(c[0]) << 8 | u32::from(c[1])).sum();
        let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
        frame[24..26].copy_from_slice(&sum.to_be_bytes());
    } else {
        frame.extend_from_slice(&[0x86, 0xdd, 0x60, 0, 0, 0]);
        frame.extend_from_slice(&(payload.len() as u16).to_be_bytes());
        let hops = if dice.roll(2) == 0 { 255 } else { 1 };
        frame.extend_from_slice(&[if protocol == 1 { 58 } else { protocol }, hops]);
        frame.extend_from_slice(&[0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, dice.byte()]);
        let own = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe, 0, 0, 1];
        let all = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        frame.extend_from_slice(&[own, all][dice.roll(2)]);
    }
    frame.extend_from_slice(payload);
    frame
}

fn payload(dice: &mut Dice, protocol: u8) -> Vec<u8> {
    let len = [8, 20, 28, 60, 300, 1400][dice.roll(6)];
    let mut bytes: Vec<u8> = (0..len).map(|_| dice.byte()).collect();
    match protocol {
        6 if len >= 20 => {
            bytes[..4].copy_from_slice([&[0, 7, 0, 80], &[0, 80, 3, 232]][dice.roll(2)]);
            bytes[12] = 0x50 + 0x10 * dice.roll(3) as u8;
            bytes[13] = [2, 16, 17, 18, 4, 20, 1, 0, 24][dice.roll(9)];
            if dice.roll(2) == 0 {
                bytes[4..12].fill(0);
            }
        }
        17 => {
            bytes[..4].copy_from_slice([&[0, 67, 0, 68], &[0, 9, 0, 53], &[0, 53, 200, 1]][dice.roll(3)]);
            bytes[4..8].copy_from_slice(&[(len >> 8) as u8, len as u8, 0, 0]);
            if len > 248 {
                // A DHCP reply.
                bytes[8..12].copy_from_slice(&[2, 1, 6, 0]);
                bytes[244..252].copy_from_slice(&[
                    0x63,
                    0x82,
                    0x53,
                    0x63,
                    53,
                    1,
                    [2, 5, 6][dice.roll(3)],
                    54,
                ]);
            }
        }
        1 | 58 => {
            bytes[0] = [0, 3, 8, 11, 1, 128, 129, 130, 133, 134, 135, 136, 137, 143][dice.roll(14)];
            bytes[1] = dice.roll(6) as u8;
            if len > 48 && bytes[0] == 134 {
                bytes.truncate(48);
                bytes[16..20].copy_from_slice(&[3, 4, [64, 0, 128, 200][dice.roll(4)], 0xc0]);
                bytes[20..28].fill([0xff, 0, 1][dice.roll(3)]);
                bytes[32] = [0xfd, 0xff, 0xfe, 0][dice.roll(4)];
            } else if len > 28 && bytes[0] == 3 {
                bytes[8..12].copy_from_slice(&[0x45, 0, 0, 40]);
                bytes[17] = [6, 17][dice.roll(2)];
            }
        }
        _ => {}
    }
    bytes
}

#[test]
fn frames_made_by_chance_do_not_panic() {
    let (targets, frames) = if cfg!(miri) { (1, 60) } else { (40, 1500) };
    for seed in 0..targets {
        let mut dice = Dice(seed);
        let mut target = Target::new(seed % 2 == 0);
        for _ in 0..frames {
            let frame: Vec<u8> = match dice.roll(10) {
                0 => {
                    let len = dice.roll(80);
                    (0..len).map(|_| dice.byte()).collect()
                }
                1 => {
                    // ARP, with any addresses.
                    let mut frame =
                        [&[0xff; 6][..], &[2, 0, 0, 0, 0, 2, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1]].concat();
                    frame[21] += dice.roll(2) as u8;
                    frame.extend_from_slice(&[2, 0, 0, 0, 0, 2, 10, 0, 0, dice.byte()]);
                    frame.extend_from_slice(&[0, 0, 0, 0, 0, 0, 10, 0, 0, 1]);
                    frame
                }
                _ => {
                    let protocol = [6, 6, 17, 1, 58, 2, dice.byte()][dice.roll(7)];
                    let payload = payload(&mut dice, protocol);
                    let mut frame = packet(&mut dice, protocol, &payload);
                    if dice.roll(3) == 0 {
                        let at = dice.roll(frame.len());
                        frame[at] = dice.byte();
                    }
                    if dice.roll(8) == 0 {
                        frame.truncate(dice.roll(frame.len()));
                    }
                    frame
                }
            };
            target.frame(&frame);
        }
    }
}

#[test]
fn a_sequence_of_frames_in_one_input_is_taken_apart() {
    net::fuzz::frame(&[]);
    net::fuzz::frame(&[0]);
    net::fuzz::frame(&[0, 3, 1, 2, 3, 0, 0, 255, 255, 1]);
    net::fuzz::dns_answer(&[0; 11]);
}

#[test]
fn forged_headers_in_the_midst_of_connections_do_not_panic() {
    let (seeds, turns) = if cfg!(miri) { (1, 20) } else { (20, 400) };
    for seed in 0..seeds {
        let mut dice = Dice(seed);
        let wire = wire(seed);
        wire.borrow_mut().checksums = false;
        wire.borrow_mut().faults = Faults { lose: 20, duplicate: 20, delay: 100, corrupt: 0, forge: 150 };
        let mut sim = Sim { wires: vec![wire.clone()], stacks: Vec::new(), now: 0, polls: 0 };
        for n in 1..=2 {
            let mut stack = Stack::new(seed * 2 + u64::from(n));
            stack.add_interface("eth0", plug(&wire), mac(n), fixed(n)).unwrap();
            sim.stacks.push(stack);
        }
        let small = TcpOptions { rx_buffer: 600, tx_buffer: 900, ..TcpOptions::default() };
        let options = |n| if n == 0 { small } else { TcpOptions::default() };
        let listeners = [0, 1].map(|i| sim.stacks[i].tcp_listen(any(80), 4, options(i)).unwrap());
        let mut held: Vec<(usize, TcpId)> = Vec::new();
        for _ in 0..turns {
            let i = dice.roll(2);
            let stack = &mut sim.stacks[i];
            if let Ok((id, _)) = stack.tcp_try_accept(listeners[i]) {
                held.push((i, id));
            }
            if held.len() < 8 {
                // From a port that the other side calls too, now and then.
                let port = if dice.roll(3) == 0 { 80 } else { 0 };
                held.extend(
                    stack
                        .tcp_connect_from(any(port), at(2 - i as u8, 80), options(dice.roll(2)))
                        .map(|id| (i, id)),
                );
            }
            if !held.is_empty() {
                let n = dice.roll(held.len());
                let (i, id) = held[n];
                let stack = &mut sim.stacks[i];
                let mut buf = [0; 2000];
                match dice.roll(12) {
                    0 => drop(stack.tcp_close(held.swap_remove(n).1)),
                    1 => drop(stack.tcp_abort(held.swap_remove(n).1)),
                    2 => drop(stack.tcp_shutdown_write(id)),
                    3..7 => drop(stack.tcp_try_read(id, &mut buf[..dice.roll(2000)])),
                    _ => drop(stack.tcp_try_write(id, &buf[..dice.roll(2000)])),
                }
            }
            let pause = [0, 50_000, MS, 20 * MS, 2 * S][dice.roll(5)];
            sim.run_for(pause);
        }
        for (i, id) in held {
            let _ = sim.stacks[i].tcp_close(id);
        }
        for (stack, listener) in sim.stacks.iter_mut().zip(listeners) {
            stack.tcp_close_listener(listener).unwrap();
        }
        wire.borrow_mut().faults = Faults::default();
        sim.run_for(200 * S);
        for stack in &sim.stacks {
            assert_eq!(stack.tcp_counts().0, 0, "connections are left over with seed {seed}");
        }
    }
}

#[test]
fn a_call_that_crosses_ours_before_it_is_sent_does_not_panic() {
    let mut target = Target::new(false);
    // From 10.0.0.2, port 80, whose hardware address is not known yet, to the port that it is called from.
    let mut frame =
        [&MAC[..], &[2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0x66, 0xce]].concat();
    frame.extend_from_slice(&[
        10, 0, 0, 2, 10, 0, 0, 1, 0, 80, 3, 232, 0, 0, 0, 9, 0, 0, 0, 0, 0x50, 2, 4, 0, 0, 0, 0, 0,
    ]);
    let sum: u32 = frame[14..34].chunks(2).map(|c| u32::from(c[0]) << 8 | u32::from(c[1])).sum();
    assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff, "the header's checksum is right");
    target.frame(&frame);
    target.frame(&frame);
}
