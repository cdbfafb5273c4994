//! [`Router`]: what it holds, what its owner calls. How a packet goes on is in `forward.rs`, what is for the router in `local.rs`.

use alloc::vec::Vec;

use super::address::{Addr, Mac, Version};
use super::answers;
use super::bytes::{get, get16};
use super::counters::{Counters, InterfaceCounters, Reason};
use super::flows::Flows;
use super::fragments::Fragments;
use super::neighbours::Neighbours;
use super::packet::{ETHERNET, Packet, ethertype};
use super::rules::Rules;
use super::waiting::Waiting;

const SECOND: u64 = 1_000_000_000;
/// Between two announcements of an interface.
const ANNOUNCE_EVERY: u64 = 60 * SECOND;
/// Between two looks at some of the connections.
const SWEEP_EVERY: u64 = SECOND / 50;
const SWEEP_SLOTS: usize = 64;
/// ICMP errors in a row, and in a second.
const ERRORS_BURST: u64 = 50;
const ERRORS_PER_SECOND: u64 = 200;

/// Where frames go out.
pub trait Out {
    /// Has a frame of this length written and sent out of an interface. `segment_len` is that of a TCP segment to be divided.
    /// `false`: it could not be sent, and `write` was not called.
    fn send(
        &mut self,
        output: usize,
        len: usize,
        segment_len: Option<u16>,
        write: impl FnOnce(&mut [u8]),
    ) -> bool;
}

/// What an interface's device is like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Link {
    /// The hardware address.
    pub mac: Mac,
    /// Bytes of the longest packet; 0 if there is no device.
    pub mtu: usize,
    /// Whether it divides long TCP segments over IPv4.
    pub divides_v4: bool,
    /// Whether it divides long TCP segments over IPv6.
    pub divides_v6: bool,
}

impl Link {
    /// No device.
    pub const NONE: Self = Self { mac: [0; 6], mtu: 0, divides_v4: false, divides_v6: false };

    pub(super) fn divides(&self, version: Version) -> bool {
        match version {
            Version::V4 => self.divides_v4,
            Version::V6 => self.divides_v6,
        }
    }
}

/// A received frame.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// All of it.
    pub bytes: &'a [u8],
    /// Where it came in.
    pub input: usize,
    /// If it is a long TCP segment, the length of those it is to be divided into.
    pub segment_len: Option<u16>,
}

/// The memory that the router needs is not there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutOfMemory;

/// A router.
pub struct Router {
    pub(super) rules: Rules,
    pub(super) links: Vec<Link>,
    pub(super) flows: Flows,
    pub(super) neighbours: Neighbours,
    pub(super) fragments: Fragments,
    pub(super) waiting: Waiting,
    pub(super) counters: Counters,
    interfaces: Vec<InterfaceCounters>,
    /// When hosts are told next, for each interface.
    pub(super) announce: Vec<u64>,
    sweep: u64,
    /// ICMP errors that may be sent now, in thousand millionths.
    errors: u64,
    errors_since: u64,
    pub(super) random: u64,
}

impl Router {
    /// A router by these rules, without devices yet. `random` is what nobody can guess.
    pub fn new(rules: Rules, random: [u64; 3]) -> Result<Self, OutOfMemory> {
        let count = rules.interfaces.len();
        let flows = Flows::new(rules.connections, random[0]).ok_or(OutOfMemory)?;
        Ok(Self {
            rules,
            links: alloc::vec![Link::NONE; count],
            flows,
            neighbours: Neighbours::new(random[1]).ok_or(OutOfMemory)?,
            fragments: Fragments::new().ok_or(OutOfMemory)?,
            waiting: Waiting::new().ok_or(OutOfMemory)?,
            counters: Counters::default(),
            interfaces: alloc::vec![InterfaceCounters::default(); count],
            announce: alloc::vec![0; count],
            sweep: 0,
            errors: ERRORS_BURST * SECOND,
            errors_since: 0,
            random: random[2],
        })
    }

    /// The device of an interface is like this now.
    pub fn set_link(&mut self, interface: usize, link: Link) {
        let wanted = self.rules.interfaces.get(interface).and_then(|rules| rules.mtu);
        if let Some(place) = self.links.get_mut(interface) {
            *place = Link { mtu: wanted.map_or(link.mtu, |wanted| wanted.min(link.mtu)), ..link };
        }
        self.neighbours.forget(interface);
    }

    /// The rules, with what was counted of each.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// What was counted.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What was counted of an interface.
    pub fn interface(&self, interface: usize) -> InterfaceCounters {
        self.interfaces.get(interface).copied().unwrap_or_default()
    }

    /// The connections.
    pub fn flows(&self) -> &Flows {
        &self.flows
    }

    /// The machines on the links.
    pub fn neighbours(&self) -> &Neighbours {
        &self.neighbours
    }

    /// Does with a received frame what is to be done.
    pub fn receive<O: Out>(&mut self, frame: &Frame<'_>, now: u64, out: &mut O) {
        if let Some(interface) = self.interfaces.get_mut(frame.input) {
            interface.received.count(frame.bytes.len());
        }
        self.handle_counted(frame, now, out);
    }

    pub(super) fn handle_counted<O: Out>(&mut self, frame: &Frame<'_>, now: u64, out: &mut O) {
        if let Err(reason) = self.handle(frame, now, out) {
            self.counters.drop(reason);
        }
    }

    fn handle<O: Out>(&mut self, frame: &Frame<'_>, now: u64, out: &mut O) -> Result<(), Reason> {
        let to: Mac = get(frame.bytes, 0).ok_or(Reason::Malformed)?;
        let link = self.links.get(frame.input).ok_or(Reason::NotForUs)?;
        if to != link.mac && to[0] & 1 == 0 {
            return Err(Reason::NotForUs);
        }
        match get16(frame.bytes, 12) {
            Some(ethertype::ARP) => self.arp(frame, now, out),
            Some(ethertype::IPV4 | ethertype::IPV6) => {
                let packet = Packet::of_frame(frame.bytes).ok_or(Reason::Malformed)?;
                self.packet(frame, &packet, now, out)
            }
            _ => Err(Reason::OtherProtocol),
        }
    }

    /// Does what is due: packets that wait, connections that have ended, announcements. Returns when to call it again at the
    /// latest. To be called after each batch of frames.
    pub fn poll<O: Out>(&mut self, now: u64, out: &mut O) -> u64 {
        if now >= self.sweep {
            self.flows.sweep(now, SWEEP_SLOTS);
            self.sweep = now + SWEEP_EVERY;
        }
        let mut next = now + SECOND;
        if !self.waiting.is_empty() {
            self.serve_waiting(now, out);
            next = now + SECOND / 10;
        }
        for interface in 0..self.announce.len() {
            next = next.min(self.announce_to(interface, now, out));
        }
        next
    }

    /// Sends a frame that the router has made, or a packet that goes on.
    pub(super) fn transmit<O: Out>(
        &mut self,
        output: usize,
        len: usize,
        segment_len: Option<u16>,
        out: &mut O,
        write: impl FnOnce(&mut [u8]),
    ) -> Result<(), Reason> {
        if !out.send(output, len, segment_len, write) {
            return Err(Reason::NoRoom);
        }
        if let Some(interface) = self.interfaces.get_mut(output) {
            interface.sent.count(len);
        }
        Ok(())
    }

    /// Reports an error to a packet's sender, unless there were many already.
    pub(super) fn report<O: Out>(
        &mut self,
        frame: &Frame<'_>,
        packet: &Packet,
        trouble: answers::Trouble,
        now: u64,
        out: &mut O,
    ) {
        if !answers::may_report(frame.bytes, packet) {
            return;
        }
        let passed = now.saturating_sub(self.errors_since).min(SECOND);
        self.errors = (self.errors + passed * ERRORS_PER_SECOND).min(ERRORS_BURST * SECOND);
        self.errors_since = now;
        let Some(rest) = self.errors.checked_sub(SECOND) else {
            self.counters.errors_held_back += 1;
            return;
        };
        let Some(from) = self.end_towards(frame.input, packet.tuple.src) else { return };
        let longest = self.links.get(frame.input).map_or(0, |link| link.mtu + ETHERNET);
        let len = answers::error_len(packet).min(longest);
        let sent = self.transmit(frame.input, len, None, out, |buffer| {
            answers::error(buffer, from, trouble, frame.bytes, packet);
        });
        if sent.is_ok() {
            self.errors = rest;
            self.counters.errors_sent += 1;
        }
    }

    /// Who the router is on a link, to this address.
    pub(super) fn end_towards(&self, interface: usize, address: Addr) -> Option<answers::End> {
        let link = self.links.get(interface).filter(|link| link.mtu > 0)?;
        let own = self.rules.interfaces.get(interface)?.address_towards(address);
        // Asked for on the link alone, an IPv6 address of the link will do.
        let ip = match own {
            Some(own) => own,
            None if address.version() == Version::V6 => Addr::link_local(link.mac),
            None => return None,
        };
        Some(answers::End { mac: link.mac, ip })
    }

    fn announce_to<O: Out>(&mut self, interface: usize, now: u64, out: &mut O) -> u64 {
        let rules = self.rules.interfaces.get(interface).filter(|rules| rules.advertise);
        let link = self.links.get(interface).copied().filter(|link| link.mtu > 0);
        let (Some(rules), Some(link), Some(due)) = (rules, link, self.announce.get_mut(interface)) else {
            return u64::MAX;
        };
        if now < *due {
            return *due;
        }
        *due = now + ANNOUNCE_EVERY;
        let networks = rules.addresses.iter();
        let networks = networks
            .filter(|prefix| prefix.address().version() == Version::V6 && prefix.weight() == 64)
            .map(|prefix| prefix.first());
        let len = answers::announcement_len(networks.clone().count());
        let from = answers::End { mac: link.mac, ip: Addr::link_local(link.mac) };
        if out.send(interface, len, None, |buffer| answers::announce(buffer, from, link.mtu, networks))
            && let Some(counters) = self.interfaces.get_mut(interface)
        {
            counters.sent.count(len);
        }
        now + ANNOUNCE_EVERY
    }
}
