//! A simulated Ethernet with virtual time, faults chosen by a seed, and stacks on it.
#![allow(dead_code, missing_docs, reason = "each test file uses its part of this")]

use net::smoltcp::phy::{Device, DeviceCapabilities, Medium, PacketMeta, RxToken, TxToken};
use net::smoltcp::time::Instant;
use net::{Cidr, IfConfig, Ipv4Config, Ipv6Config, NextPoll, Stack};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

pub const MS: u64 = 1_000_000;
pub const S: u64 = 1_000 * MS;

/// Per mille of frames that suffer each fate.
#[derive(Clone, Copy, Default)]
pub struct Faults {
    pub lose: u64,
    pub duplicate: u64,
    pub delay: u64,
    pub corrupt: u64,
    /// Changes bytes of the headers of frames whose checksums nobody looks at.
    pub forge: u64,
}

/// What becomes of a long frame.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Offload {
    /// It arrives as it was sent.
    Whole,
    /// It is divided into segments.
    Divided,
}

type Filter = Box<dyn FnMut(usize, &[u8]) -> bool>;

pub struct Ether {
    pub now: u64,
    pub faults: Faults,
    pub latency: u64,
    pub mtu: usize,
    pub checksums: bool,
    /// The devices take frames of up to 64 KiB.
    pub offload: Option<Offload>,
    /// Frames that a port may have on the way before its device is full.
    pub room: usize,
    pub frames: u64,
    /// Sees each frame; `false` drops it.
    pub filter: Option<Filter>,
    seed: u64,
    ports: Vec<VecDeque<(u64, Vec<u8>)>>,
}

pub type Wire = Rc<RefCell<Ether>>;

pub fn wire(seed: u64) -> Wire {
    Rc::new(RefCell::new(Ether {
        now: 0,
        faults: Faults::default(),
        latency: 100_000,
        mtu: 1514,
        checksums: true,
        offload: None,
        room: 64,
        frames: 0,
        filter: None,
        seed,
        ports: Vec::new(),
    }))
}

impl Ether {
    pub fn random(&mut self) -> u64 {
        self.seed = self.seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        self.seed >> 33
    }

    fn chance(&mut self, per_mille: u64) -> bool {
        per_mille > 0 && self.random() % 1000 < per_mille
    }

    pub fn send(&mut self, from: usize, frame: &[u8]) {
        self.frames += 1;
        if let Some(mut filter) = self.filter.take() {
            let pass = filter(from, frame);
            self.filter = Some(filter);
            if !pass {
                return;
            }
        }
        for to in (0..self.ports.len()).filter(|to| *to != from) {
            if self.chance(self.faults.lose) {
                continue;
            }
            let mut frame = frame.to_vec();
            if self.chance(self.faults.corrupt) {
                let (at, bit) = (self.random() as usize % frame.len(), self.random() % 8);
                frame[at] ^= 1 << bit;
            }
            if frame.len() > 34 && frame[12] == 8 && self.chance(self.faults.forge) {
                // The IPv4 header, whose checksum is always looked at, stays as it is.
                let (at, value) = (34 + self.random() as usize % (frame.len() - 34).min(30), self.random());
                frame[at] =
                    if value % 2 == 0 { (value >> 8) as u8 } else { frame[at] ^ (1 << (value >> 8 & 7)) };
            }
            let mut at = self.now + self.latency;
            if self.chance(self.faults.delay) {
                at += self.latency * (1 + self.random() % 8);
            }
            if self.chance(self.faults.duplicate) {
                self.enqueue(to, at, frame.clone());
            }
            self.enqueue(to, at, frame);
        }
    }

    fn enqueue(&mut self, to: usize, at: u64, frame: Vec<u8>) {
        let queue = &mut self.ports[to];
        let place = queue.iter().rposition(|(other, _)| *other <= at).map_or(0, |i| i + 1);
        queue.insert(place, (at, frame));
    }

    fn next_arrival(&self) -> Option<u64> {
        let times = self.ports.iter().flat_map(|queue| queue.iter().map(|(at, _)| *at));
        times.filter(|at| *at > self.now).min()
    }

    /// What has arrived at a port that a test serves itself.
    pub fn take(&mut self, port: usize) -> Vec<Vec<u8>> {
        let mut taken = Vec::new();
        while self.ports[port].front().is_some_and(|(at, _)| *at <= self.now) {
            taken.extend(self.ports[port].pop_front().map(|(_, frame)| frame));
        }
        taken
    }
}

pub fn plug(wire: &Wire) -> Tap {
    let mut ether = wire.borrow_mut();
    ether.ports.push(VecDeque::new());
    Tap { wire: wire.clone(), port: ether.ports.len() - 1 }
}

pub struct Tap {
    wire: Wire,
    pub port: usize,
}

pub struct Rx(Vec<u8>);
pub struct Tx<'a>(&'a Wire, usize, PacketMeta);

impl RxToken for Rx {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

impl TxToken for Tx<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = vec![0; len];
        let result = f(&mut frame);
        let mut ether = self.0.borrow_mut();
        let size = self.2.segmentation_offload_size.map(|size| usize::from(size.get()));
        match (size, ether.offload) {
            (Some(_), Some(Offload::Whole)) => ether.send(self.1, &frame),
            (Some(size), Some(Offload::Divided)) => {
                for piece in divide(&frame, size) {
                    assert!(
                        piece.len() <= ether.mtu,
                        "a piece of {} bytes is longer than the MTU",
                        piece.len()
                    );
                    ether.send(self.1, &piece);
                }
            }
            _ => {
                assert!(len <= ether.mtu, "frame of {len} bytes is longer than the MTU");
                ether.send(self.1, &frame);
            }
        }
        result
    }

    fn set_meta(&mut self, meta: PacketMeta) {
        self.2 = meta;
    }
}

/// Divides a long TCP segment as a device does.
fn divide(frame: &[u8], size: usize) -> Vec<Vec<u8>> {
    let is_v4 = frame[12..14] == [8, 0];
    let tcp = 14 + if is_v4 { 20 } else { 40 };
    let data = tcp + usize::from(frame[tcp + 12] >> 4) * 4;
    let count = frame[data..].len().div_ceil(size);
    let make = |(n, piece): (usize, &[u8])| {
        let mut out = [&frame[..data], piece].concat();
        let seq =
            u32::from_be_bytes(frame[tcp + 4..tcp + 8].try_into().unwrap()).wrapping_add((n * size) as u32);
        out[tcp + 4..tcp + 8].copy_from_slice(&seq.to_be_bytes());
        if n + 1 < count {
            out[tcp + 13] &= !9; // FIN and PSH are the last one's.
        }
        let len = (out.len() - if is_v4 { 14 } else { 54 }) as u16;
        let at = if is_v4 { 16 } else { 18 };
        out[at..at + 2].copy_from_slice(&len.to_be_bytes());
        out
    };
    frame[data..].chunks(size).enumerate().map(make).collect()
}

impl Device for Tap {
    type RxToken<'a> = Rx;
    type TxToken<'a> = Tx<'a>;

    fn receive(&mut self, _now: Instant) -> Option<(Rx, Tx<'_>)> {
        let mut ether = self.wire.borrow_mut();
        let now = ether.now;
        ether.ports[self.port].front().filter(|(at, _)| *at <= now)?;
        let (_, frame) = ether.ports[self.port].pop_front()?;
        drop(ether);
        Some((Rx(frame), Tx(&self.wire, self.port, PacketMeta::default())))
    }

    fn transmit(&mut self, _now: Instant) -> Option<Tx<'_>> {
        let ether = self.wire.borrow();
        let busiest = (0..ether.ports.len()).filter(|p| *p != self.port).map(|p| ether.ports[p].len()).max();
        let full = busiest.unwrap_or(0) >= ether.room;
        drop(ether);
        (!full).then_some(Tx(&self.wire, self.port, PacketMeta::default()))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut caps = DeviceCapabilities::default();
        caps.medium = Medium::Ethernet;
        caps.max_transmission_unit = self.wire.borrow().mtu;
        if !self.wire.borrow().checksums {
            caps.checksum = net::smoltcp::phy::ChecksumCapabilities::ignored();
            caps.checksum.ipv4 = net::smoltcp::phy::Checksum::Both;
        }
        if self.wire.borrow().offload.is_some() {
            caps.checksum = net::smoltcp::phy::ChecksumCapabilities::ignored();
            let longest = std::num::NonZeroUsize::new(65535 + 14);
            (caps.segmentation.tcpv4, caps.segmentation.tcpv6) = (longest, longest);
        }
        caps
    }
}

/// Stacks on one or more wires that share a clock.
pub struct Sim {
    pub wires: Vec<Wire>,
    pub stacks: Vec<Stack<Tap>>,
    pub now: u64,
    pub polls: u64,
}

pub fn mac(n: u8) -> [u8; 6] {
    [2, 0, 0, 0, 0, n]
}

pub fn v4(last: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, last))
}

pub fn at(last: u8, port: u16) -> SocketAddr {
    SocketAddr::new(v4(last), port)
}

pub fn any(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port)
}

pub fn fixed(last: u8) -> IfConfig {
    IfConfig {
        ipv4: Ipv4Config::Static { cidr: Cidr::new(v4(last), 24).unwrap(), gateway: None },
        ipv6: Ipv6Config::None,
        ..IfConfig::default()
    }
}

impl Sim {
    /// Stacks 10.0.0.1, 10.0.0.2, ... on one wire.
    pub fn new(stacks: u8, seed: u64) -> Self {
        let wire = wire(seed);
        let mut sim = Sim { wires: vec![wire.clone()], stacks: Vec::new(), now: 0, polls: 0 };
        for n in 1..=stacks {
            let mut stack = Stack::new(seed * 100 + u64::from(n));
            stack.add_interface("eth0", plug(&wire), mac(n), fixed(n)).unwrap();
            sim.stacks.push(stack);
        }
        sim
    }

    /// Polls everything once; when something happens next.
    fn poll(&mut self) -> u64 {
        let mut next = u64::MAX;
        for stack in &mut self.stacks {
            self.polls += 1;
            match stack.poll(self.now) {
                NextPoll::Now => next = self.now,
                NextPoll::At(at) => next = next.min(at),
                NextPoll::Idle => {}
            }
        }
        next
    }

    /// Lets the time go on to the next event, `limit` at most, but always a little, as on a real machine.
    fn advance(&mut self, mut next: u64, limit: u64) {
        if self.stacks.iter().any(|stack| stack.needs_poll()) {
            next = self.now;
        }
        for wire in &self.wires {
            next = wire.borrow().next_arrival().map_or(next, |at| next.min(at));
        }
        self.now = next.min(limit).max(self.now + 1_000);
        for wire in &self.wires {
            wire.borrow_mut().now = self.now;
        }
    }

    pub fn run_for(&mut self, ns: u64) {
        let end = self.now + ns;
        while self.now < end {
            let next = self.poll();
            self.advance(next, end);
        }
        self.poll();
    }

    /// Runs until `ready` gives something; panics after `ns` of virtual time.
    pub fn until<R>(
        &mut self,
        ns: u64,
        mut ready: impl FnMut(&mut Self, &mut Context<'_>) -> Option<R>,
    ) -> R {
        let end = self.now + ns;
        loop {
            let mut cx = Context::from_waker(Waker::noop());
            let next = self.poll();
            if let Some(result) = ready(self, &mut cx) {
                return result;
            }
            assert!(self.now < end, "nothing came of it in {} ms of virtual time", ns / MS);
            self.advance(next, end);
        }
    }
}

pub fn ready<T>(poll: Poll<T>) -> Option<T> {
    match poll {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

impl Sim {
    /// One more stack on the first wire; its number.
    pub fn add(&mut self, config: IfConfig) -> usize {
        let n = self.stacks.len();
        let mut stack = Stack::new(1000 + n as u64);
        stack.add_interface("eth0", plug(&self.wires[0]), mac(n as u8 + 1), config).unwrap();
        self.stacks.push(stack);
        n
    }

    /// The addresses of a stack's first Ethernet interface, as text.
    pub fn addresses(&mut self, stack: usize) -> Vec<String> {
        let status = &self.stacks[stack].interfaces()[1];
        status.addresses.iter().map(|cidr| format!("{}/{}", cidr.addr(), cidr.prefix_len())).collect()
    }
}
