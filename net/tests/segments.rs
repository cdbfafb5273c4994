//! Segments as they look on the wire, and what comes to the stack in odd forms.
mod common;

use common::*;
use net::{Cidr, Error, IfConfig, Ipv6Config, TcpOptions};
use std::cell::RefCell;
use std::rc::Rc;

/// A frame's TCP segment: source port, flags, sequence number, acknowledgement and data.
fn tcp(frame: &[u8]) -> Option<(u16, u8, u32, u32, &[u8])> {
    if frame.get(12..14)? != [8, 0] || *frame.get(23)? != 6 {
        return None;
    }
    let len = usize::from(u16::from_be_bytes([frame[16], frame[17]]));
    let segment = frame.get(34..14 + len)?;
    let be32 = |at: usize| u32::from_be_bytes(segment[at..at + 4].try_into().unwrap());
    let data = usize::from(segment[12] >> 4) * 4;
    Some((u16::from_be_bytes([segment[0], segment[1]]), segment[13], be32(4), be32(8), &segment[data..]))
}

fn sum(bytes: &[u8]) -> u16 {
    let sum: u32 = bytes.chunks(2).map(|c| u32::from(c[0]) << 8 | u32::from(*c.get(1).unwrap_or(&0))).sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    !((sum & 0xffff) + (sum >> 16)) as u16
}

/// Cuts an IPv4 frame in fragments of `size` bytes, a multiple of 8.
fn cut(frame: &[u8], size: usize) -> Vec<Vec<u8>> {
    let payload = &frame[34..];
    let pieces: Vec<_> = payload.chunks(size).collect();
    let make = |(n, piece): (usize, &&[u8])| {
        let mut out = [&frame[..34], piece].concat();
        out[16..18].copy_from_slice(&((20 + piece.len()) as u16).to_be_bytes());
        let more = if n + 1 < pieces.len() { 0x2000 } else { 0 };
        out[20..22].copy_from_slice(&(more | (n * size / 8) as u16).to_be_bytes());
        out[24..26].fill(0);
        let checksum = sum(&out[14..34]);
        out[24..26].copy_from_slice(&checksum.to_be_bytes());
        out
    };
    pieces.iter().enumerate().map(make).collect()
}

#[test]
fn a_segment_in_fragments_is_put_together() {
    let mut sim = Sim::new(2, 1);
    let listener = sim.stacks[0].tcp_listen(any(80), 4, TcpOptions::default()).unwrap();
    let client = sim.stacks[1].tcp_connect(at(1, 80), TcpOptions::default()).unwrap();
    sim.run_for(S);
    let (server, _) = sim.stacks[0].tcp_try_accept(listener).unwrap();
    let held = Rc::new(RefCell::new(Vec::new()));
    let keep = held.clone();
    sim.wires[0].borrow_mut().filter = Some(Box::new(move |from, frame| {
        let is_data = from == 1 && tcp(frame).is_some_and(|(.., data)| data.len() > 500);
        if is_data {
            keep.borrow_mut().push(frame.to_vec());
        }
        !is_data
    }));
    let data: Vec<u8> = (0..1000).map(|n| n as u8).collect();
    sim.stacks[1].tcp_try_write(client, &data).unwrap();
    sim.run_for(50 * MS);
    sim.wires[0].borrow_mut().filter = None;
    let frame = held.borrow()[0].clone();
    for piece in cut(&frame, 400).into_iter().rev() {
        assert_eq!(sim.stacks[0].tcp_state(server).unwrap().readable, 0);
        sim.wires[0].borrow_mut().send(1, &piece);
        sim.run_for(MS);
    }
    let mut buf = [0; 2000];
    assert_eq!(sim.stacks[0].tcp_try_read(server, &mut buf), Ok(1000));
    assert!(buf[..1000] == data);
}

#[test]
fn a_flood_is_answered_with_cookies_that_a_caller_may_confirm_late_and_with_data() {
    let mut sim = Sim::new(3, 2);
    let listener = sim.stacks[0].tcp_listen(any(80), 2, TcpOptions::default()).unwrap();
    // Nobody confirms what stack 2 has begun.
    sim.wires[0].borrow_mut().filter =
        Some(Box::new(|from, frame| from != 0 || frame[..6] != mac(3) || frame[12..14] == [8, 6]));
    for _ in 0..2 {
        sim.stacks[2].tcp_connect(at(1, 80), TcpOptions::default()).unwrap();
    }
    sim.run_for(500 * MS);
    let memory = sim.stacks[0].tcp_memory();
    let clients: Vec<_> =
        (0..2).map(|_| sim.stacks[1].tcp_connect(at(1, 80), TcpOptions::default()).unwrap()).collect();
    // Their confirmations are lost, and with them all knowledge of the calls.
    sim.wires[0].borrow_mut().filter =
        Some(Box::new(|from, frame| from != 1 || tcp(frame).is_none_or(|t| t.1 & 2 != 0)));
    sim.run_for(10 * MS);
    assert_eq!((sim.stacks[0].tcp_memory(), sim.stacks[0].tcp_counts().0), (memory, 2));
    for client in &clients {
        assert!(!sim.stacks[1].tcp_state(*client).unwrap().connecting);
        sim.stacks[1].tcp_try_write(*client, b"hello").unwrap();
    }
    sim.wires[0].borrow_mut().filter = None;
    sim.run_for(S);
    let mut buf = [0; 10];
    for _ in 0..2 {
        let (server, _) = sim.stacks[0].tcp_try_accept(listener).unwrap();
        assert_eq!(sim.stacks[0].tcp_try_read(server, &mut buf), Ok(5));
        sim.stacks[0].tcp_try_write(server, &[1; 100_000]).unwrap();
    }
    // A number that was never given out is refused.
    let stray = Rc::new(RefCell::new(None));
    let seen = stray.clone();
    sim.wires[0].borrow_mut().filter = Some(Box::new(move |from, frame| {
        if from == 1 && tcp(frame).is_some() {
            seen.borrow_mut().get_or_insert(frame.to_vec());
        }
        true
    }));
    sim.run_for(S);
    let mut frame = stray.borrow().clone().unwrap();
    frame[34..36].copy_from_slice(&[1, 1]);
    frame[50..52].fill(0);
    let len = frame.len() - 34;
    let pseudo = [&frame[26..34], &[0, 6], &(len as u16).to_be_bytes(), &frame[34..]].concat();
    let checksum = sum(&pseudo);
    frame[50..52].copy_from_slice(&checksum.to_be_bytes());
    let resets = Rc::new(RefCell::new(0));
    let count = resets.clone();
    sim.wires[0].borrow_mut().filter = Some(Box::new(move |from, frame| {
        *count.borrow_mut() += usize::from(from == 0 && tcp(frame).is_some_and(|t| t.1 & 4 != 0));
        true
    }));
    sim.wires[0].borrow_mut().send(1, &frame);
    sim.run_for(10 * MS);
    assert_eq!(*resets.borrow(), 1);
}

#[test]
fn a_router_that_reports_a_narrow_path_is_followed_from_the_quoted_packet() {
    let mut sim = Sim::new(2, 3);
    let listener = sim.stacks[0].tcp_listen(any(80), 4, TcpOptions::default()).unwrap();
    let client = sim.stacks[1].tcp_connect(at(1, 80), TcpOptions::default()).unwrap();
    sim.run_for(S);
    let (server, _) = sim.stacks[0].tcp_try_accept(listener).unwrap();
    // Frames longer than 1000 bytes come back as a report to who sent them.
    let reports = Rc::new(RefCell::new(Vec::new()));
    let report = reports.clone();
    sim.wires[0].borrow_mut().filter = Some(Box::new(move |from, frame| {
        if from == 1 && frame.len() > 1014 {
            let quoted = &frame[14..42];
            let mut icmp = [&[3, 4, 0, 0, 0, 0][..], &1000u16.to_be_bytes(), quoted].concat();
            let checksum = sum(&icmp);
            icmp[2..4].copy_from_slice(&checksum.to_be_bytes());
            let mut out = [&mac(2)[..], &mac(1), &[8, 0, 0x45, 0, 0, 56, 0, 0, 0, 0, 64, 1, 0, 0]].concat();
            out.extend_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2]);
            let checksum = sum(&out[14..34]);
            out[24..26].copy_from_slice(&checksum.to_be_bytes());
            report.borrow_mut().push([out, icmp].concat());
            return false;
        }
        true
    }));
    sim.stacks[1].tcp_try_write(client, &[9; 20_000]).unwrap();
    for _ in 0..10 {
        sim.run_for(MS);
        let made: Vec<Vec<u8>> = reports.borrow_mut().drain(..).collect();
        for frame in made {
            sim.wires[0].borrow_mut().send(0, &frame);
        }
    }
    assert_eq!(sim.stacks[0].tcp_state(server).unwrap().readable, 20_000, "in ten milliseconds");
}

#[test]
fn a_large_transfer_leaves_no_memory_behind() {
    let mut sim = Sim::new(2, 4);
    let listener = sim.stacks[0].tcp_listen(any(80), 4, TcpOptions::default()).unwrap();
    let client = sim.stacks[1].tcp_connect(at(1, 80), TcpOptions::default()).unwrap();
    sim.run_for(S);
    let (server, _) = sim.stacks[0].tcp_try_accept(listener).unwrap();
    let idle = sim.stacks[0].tcp_memory();
    assert!(idle <= 1024, "{idle} bytes for an idle connection");
    let (mut written, mut read, mut buf) = (0, 0, vec![3; 100_000]);
    let total = if cfg!(miri) { 200_000 } else { 3_000_000 };
    sim.until(60 * S, |sim, _| {
        while written < total {
            match sim.stacks[1].tcp_try_write(client, &buf) {
                Ok(len) => written += len,
                Err(error) => {
                    assert_eq!(error, Error::WouldBlock);
                    break;
                }
            }
        }
        while let Ok(len @ 1..) = sim.stacks[0].tcp_try_read(server, &mut buf) {
            read += len;
        }
        (written >= total && read == written).then_some(())
    });
    sim.run_for(S);
    assert_eq!((sim.stacks[0].tcp_memory(), sim.stacks[1].tcp_memory()), (idle, idle));
    sim.stacks[0].tcp_abort(server).unwrap();
    sim.run_for(S);
    assert_eq!(sim.stacks[0].tcp_memory(), 0);
}

#[test]
fn long_segments_cross_whole_and_divided_over_both_versions_of_ip() {
    for offload in [Offload::Whole, Offload::Divided] {
        let mut sim = Sim::new(0, 5);
        sim.wires[0].borrow_mut().offload = Some(offload);
        for n in 1..=2u8 {
            let cidr = Cidr::new(format!("fd00::{n}").parse().unwrap(), 64).unwrap();
            let config = IfConfig { ipv6: Ipv6Config::Static { cidr, gateway: None }, ..fixed(n) };
            sim.add(config);
        }
        let longest = Rc::new(RefCell::new(0));
        let seen = longest.clone();
        sim.wires[0].borrow_mut().filter = Some(Box::new(move |_, frame| {
            let mut longest = seen.borrow_mut();
            *longest = frame.len().max(*longest);
            true
        }));
        for to in ["10.0.0.1:80", "[fd00::1]:80"] {
            let options = TcpOptions { congestion_control: false, ..TcpOptions::default() };
            let listener = sim.stacks[0].tcp_listen(to.parse().unwrap(), 4, options).unwrap();
            let client = sim.stacks[1].tcp_connect(to.parse().unwrap(), options).unwrap();
            sim.until(5 * S, |sim, cx| ready(sim.stacks[1].tcp_poll_connect(client, cx))).unwrap();
            let server =
                sim.until(S, |sim, cx| ready(sim.stacks[0].tcp_poll_accept(listener, cx))).unwrap().0;
            let byte = |at: usize| (at ^ (at >> 8) ^ (at >> 16)) as u8;
            let (mut written, mut read, mut buf) = (0, 0, vec![0; 70_000]);
            let total = 600_000;
            sim.until(60 * S, |sim, _| {
                while written < total {
                    let chunk: Vec<u8> = (written..total.min(written + 50_000)).map(byte).collect();
                    let Ok(len) = sim.stacks[1].tcp_try_write(client, &chunk) else { break };
                    written += len;
                }
                while let Ok(len @ 1..) = sim.stacks[0].tcp_try_read(server, &mut buf) {
                    assert!(buf[..len].iter().enumerate().all(|(n, b)| *b == byte(read + n)));
                    read += len;
                }
                (read == total).then_some(())
            });
            let most = core::mem::take(&mut *longest.borrow_mut());
            assert_eq!(most > 60_000, offload == Offload::Whole, "{most} bytes over {to}");
            sim.stacks[0].tcp_close_listener(listener).unwrap();
        }
    }
}
