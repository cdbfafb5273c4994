//! What is for the router itself: questions for its addresses, echo requests, and services that it does not have.

use super::address::{Addr, Mac, Version};
use super::answers::{self, Claim, End, Trouble};
use super::bytes::get;
use super::counters::Reason;
use super::packet::{ETHERNET, Kind, Packet, Part, tcp};
use super::router::{Frame, Out, Router};

impl Router {
    /// Whether an address is the router's on this link.
    fn is_own_on(&self, interface: usize, address: Addr) -> bool {
        let rules = self.rules.interfaces.get(interface);
        let link = self.links.get(interface);
        rules.is_some_and(|rules| rules.addresses.iter().any(|prefix| prefix.address() == address))
            || link.is_some_and(|link| Addr::link_local(link.mac) == address)
    }

    pub(super) fn arp<O: Out>(&mut self, frame: &Frame<'_>, now: u64, out: &mut O) -> Result<(), Reason> {
        let claim = answers::read_arp(frame.bytes).ok_or(Reason::Malformed)?;
        let Claim { asks, ip, mac: Some(mac), target } = claim else { return Err(Reason::Malformed) };
        let for_us = self.is_own_on(frame.input, target);
        if self.is_own_on(frame.input, ip) {
            return Err(Reason::Martian);
        }
        if ip.is_routable() {
            self.neighbours.learn(frame.input, ip, mac, asks && for_us, now);
        }
        if !for_us {
            return Ok(());
        }
        self.counters.answered += 1;
        let Some(link) = self.links.get(frame.input).filter(|_| asks) else { return Ok(()) };
        let from = End { mac: link.mac, ip: target };
        self.transmit(frame.input, answers::ARP_LEN, None, out, |buffer| {
            answers::arp(buffer, from, ip, Some(mac));
        })
    }

    /// Neighbour discovery over IPv6.
    pub(super) fn discovery<O: Out>(
        &mut self,
        frame: &Frame<'_>,
        packet: &Packet,
        now: u64,
        out: &mut O,
    ) -> Result<(), Reason> {
        // A router on the way would have lowered the hop limit.
        if packet.ttl != 255 || packet.part != Part::Whole || !answers::is_sound(frame.bytes, packet) {
            return Err(Reason::Malformed);
        }
        if packet.kind == Kind::Icmp(133) {
            if let Some(due) = self.announce.get_mut(frame.input) {
                *due = now.min(*due);
            }
            return Ok(());
        }
        let Some(claim) = answers::read_neighbour(frame.bytes, packet) else { return Err(Reason::Local) };
        if !claim.asks {
            if let Some(mac) = claim.mac.filter(|_| !self.is_own_on(frame.input, claim.target)) {
                self.neighbours.learn(frame.input, claim.target, mac, false, now);
            }
            return Ok(());
        }
        if !self.is_own_on(frame.input, claim.target) {
            return Ok(());
        }
        let sender: Mac = get(frame.bytes, 6).ok_or(Reason::Malformed)?;
        if claim.ip != Addr::NONE && !self.is_own_on(frame.input, claim.ip) {
            self.neighbours.learn(frame.input, claim.ip, claim.mac.unwrap_or(sender), true, now);
        }
        let Some(link) = self.links.get(frame.input) else { return Ok(()) };
        let from = End { mac: link.mac, ip: claim.target };
        self.counters.answered += 1;
        self.transmit(frame.input, answers::NEIGHBOUR_LEN, None, out, |buffer| {
            answers::advertise(buffer, from, claim.ip, claim.mac.unwrap_or(sender));
        })
    }

    /// A packet for one of the router's addresses.
    pub(super) fn local<O: Out>(
        &mut self,
        frame: &Frame<'_>,
        packet: &Packet,
        now: u64,
        out: &mut O,
    ) -> Result<(), Reason> {
        match packet.kind {
            Kind::Echo { request: true } if packet.part == Part::Whole => {
                let link = self.links.get(frame.input).ok_or(Reason::Local)?;
                let mac = link.mac;
                if packet.end > link.mtu + ETHERNET {
                    return Err(Reason::TooBig);
                }
                let bytes = frame.bytes.get(..packet.end).ok_or(Reason::Malformed)?;
                self.counters.answered += 1;
                self.transmit(frame.input, packet.end, None, out, |buffer| {
                    if let Some(place) = buffer.get_mut(..bytes.len()) {
                        place.copy_from_slice(bytes);
                    }
                    answers::echo_reply(buffer, mac, packet);
                })
            }
            Kind::Udp => {
                self.report(frame, packet, Trouble::NoPort, now, out);
                Err(Reason::Local)
            }
            Kind::Tcp { flags, .. } if flags & (tcp::SYN | tcp::RST) == tcp::SYN => {
                self.report(frame, packet, Trouble::NoPort, now, out);
                Err(Reason::Local)
            }
            _ => Err(Reason::Local),
        }
    }

    /// Asks who has an address; `known` is asked alone whether it still does.
    pub(super) fn ask<O: Out>(&mut self, interface: usize, address: Addr, known: Option<Mac>, out: &mut O) {
        let Some(from) = self.end_towards(interface, address) else { return };
        // That there is no room is as if the question were lost.
        let _ = match address.version() {
            Version::V4 => self.transmit(interface, answers::ARP_LEN, None, out, |buffer| {
                answers::arp(buffer, from, address, None);
                if let Some(mac) = known {
                    super::bytes::put(buffer, 0, &mac);
                }
            }),
            Version::V6 => self.transmit(interface, answers::NEIGHBOUR_LEN, None, out, |buffer| {
                answers::solicit(buffer, from, address, known);
            }),
        };
    }
}
