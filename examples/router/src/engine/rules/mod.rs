//! What the router is to do: [`Rules`], read from text by [`parse`](mod@parse); see the example's README for the language.

pub mod parse;

use alloc::vec::Vec;

use super::address::{Addr, Prefix, Version};
use super::packet::Tuple;

pub use parse::{RuleError, parse};

/// Interfaces at most.
pub const MAX_INTERFACES: usize = 16;

/// An interface's addresses.
#[derive(Clone, Debug, Default)]
pub struct Interface {
    /// Each with the network on the link.
    pub addresses: Vec<Prefix>,
    /// Bytes of the longest packet, if less than the device's.
    pub mtu: Option<usize>,
    /// Whether hosts are told of the IPv6 networks here.
    pub advertise: bool,
}

impl Interface {
    /// The address to be sender of what goes to this one.
    pub fn address_towards(&self, address: Addr) -> Option<Addr> {
        let near = self.addresses.iter().find(|prefix| prefix.contains(address));
        near.map(|prefix| prefix.address()).or_else(|| self.address(address.version()))
    }

    /// The first address of a version.
    pub fn address(&self, version: Version) -> Option<Addr> {
        self.addresses.iter().map(|prefix| prefix.address()).find(|address| address.version() == version)
    }
}

/// Where addresses lead.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Route {
    /// These addresses.
    pub to: Prefix,
    /// Out of this interface.
    pub output: usize,
    /// By way of this router; `None` where the addresses are on the link.
    pub via: Option<Addr>,
}

/// What becomes of a new connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// It is let through, and all that belongs to it.
    Accept,
    /// It is dropped.
    Drop,
    /// It is dropped, and the sender is told.
    Reject,
}

/// Which connections a rule is about; `None` is any.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Match {
    /// They come in here.
    pub input: Option<usize>,
    /// They go out here.
    pub output: Option<usize>,
    /// Their protocol; ICMP is that of the packet's version.
    pub protocol: Option<Protocol>,
    /// Who begins.
    pub from: Option<Prefix>,
    /// Who is to answer.
    pub to: Option<Prefix>,
    /// The ports, from first to last, of who begins.
    pub from_ports: Option<(u16, u16)>,
    /// The ports of who is to answer.
    pub ports: Option<(u16, u16)>,
}

/// A protocol as rules have it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Protocol {
    /// By its number.
    Number(u8),
    /// ICMP or ICMPv6.
    Icmp,
}

impl Match {
    /// Whether a connection from one interface to another is meant.
    pub fn is_met(&self, input: usize, output: usize, tuple: &Tuple) -> bool {
        let within = |range: (u16, u16), port: u16, other: u16| {
            (range.0..=range.1).contains(&port) && (port | other) != 0
        };
        self.input.is_none_or(|wanted| wanted == input)
            && self.output.is_none_or(|wanted| wanted == output)
            && self.protocol.is_none_or(|wanted| match wanted {
                Protocol::Number(number) => number == tuple.protocol,
                Protocol::Icmp => matches!(tuple.protocol, 1 | 58),
            })
            && self.from.is_none_or(|prefix| prefix.contains(tuple.src))
            && self.to.is_none_or(|prefix| prefix.contains(tuple.dst))
            && self.from_ports.is_none_or(|range| within(range, tuple.src_port, tuple.dst_port))
            && self.ports.is_none_or(|range| within(range, tuple.dst_port, tuple.src_port))
    }
}

/// A rule of the filter.
#[derive(Clone, Debug)]
pub struct Rule {
    /// For which connections.
    pub matches: Match,
    /// What to do.
    pub action: Action,
    /// The line that it stands in.
    pub line: usize,
    /// Connections, and while they are dropped packets, that it decided about.
    pub hits: u64,
}

/// New connections that get the output's address as their sender's.
#[derive(Clone, Copy, Debug)]
pub struct Masquerade {
    /// They go out here.
    pub output: usize,
    /// And come from here; without it all of IPv4.
    pub from: Option<Prefix>,
}

/// New connections to the router that go to a machine behind it.
#[derive(Clone, Copy, Debug)]
pub struct Forward {
    /// They come in here.
    pub input: usize,
    /// TCP's or UDP's number.
    pub protocol: u8,
    /// And are for this port of any address of the interface, of the target's version.
    pub port: u16,
    /// The machine.
    pub to: Addr,
    /// Its port.
    pub to_port: u16,
}

/// All that was written.
#[derive(Clone, Debug)]
pub struct Rules {
    /// By number; those between that were not named have no addresses.
    pub interfaces: Vec<Interface>,
    /// Those of the links too; the most special first.
    pub routes: Vec<Route>,
    /// In the order of the text; the first that fits decides.
    pub filter: Vec<Rule>,
    /// What decides where none fits.
    pub default: Action,
    /// The first that fits.
    pub masquerades: Vec<Masquerade>,
    /// The first that fits.
    pub forwards: Vec<Forward>,
    /// Connections at most.
    pub connections: usize,
    /// Seconds between prints of the counters; 0 is never.
    pub counters: u32,
}

impl Rules {
    /// Where an address leads.
    pub fn route(&self, to: Addr) -> Option<&Route> {
        self.routes.iter().find(|route| route.to.contains(to))
    }

    /// Whether an address is the router's own.
    pub fn is_own(&self, address: Addr) -> bool {
        let mut all = self.interfaces.iter().flat_map(|interface| &interface.addresses);
        all.any(|prefix| prefix.address() == address)
    }

    /// The decision about a new connection, and the rule's place.
    pub fn decide(&self, input: usize, output: usize, tuple: &Tuple) -> (Action, Option<usize>) {
        let found = self.filter.iter().position(|rule| rule.matches.is_met(input, output, tuple));
        let action = found.and_then(|place| self.filter.get(place)).map_or(self.default, |rule| rule.action);
        (action, found)
    }
}
