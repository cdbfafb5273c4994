//! Frames that the router itself makes: ARP, neighbour discovery, router advertisements, ICMP errors, echo replies.
//!
//! Each function fills a frame of the length that its neighbour tells; the caller has room of that length.

use super::address::{Addr, BROADCAST, Mac, Version};
use super::bytes::{Sum, adjust_at, get, put, put16};
use super::packet::{ETHERNET, Kind, Packet, Part, ethertype, protocol};

/// Bytes of an ARP frame.
pub const ARP_LEN: usize = ETHERNET + 28;
/// Bytes of a neighbour solicitation or advertisement.
pub const NEIGHBOUR_LEN: usize = ETHERNET + 40 + 32;
const TTL: u8 = 64;
/// Of the packet that an error is about as much as an old host wants: all in all 576 bytes.
const QUOTED_V4: usize = 576 - 28;
/// And over IPv6 as much as fits into the least MTU.
const QUOTED_V6: usize = 1280 - 48;

/// An end of the link: both addresses.
#[derive(Clone, Copy, Debug)]
pub struct End {
    /// The hardware address.
    pub mac: Mac,
    /// The IP address.
    pub ip: Addr,
}

/// What an ARP frame or a neighbour solicitation says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Claim {
    /// Whether it asks.
    pub asks: bool,
    /// Who sends it.
    pub ip: Addr,
    /// The sender's hardware address; `None` if it does not say.
    pub mac: Option<Mac>,
    /// Which address is asked for or, over IPv6, told of.
    pub target: Addr,
}

fn ethernet(frame: &mut [u8], dst: Mac, src: Mac, kind: u16) {
    put(frame, 0, &dst);
    put(frame, 6, &src);
    put16(frame, 12, kind);
}

/// An ARP frame; a question if `to` has no hardware address.
pub fn arp(frame: &mut [u8], from: End, to: Addr, to_mac: Option<Mac>) {
    ethernet(frame, to_mac.unwrap_or(BROADCAST), from.mac, ethertype::ARP);
    put(frame, 14, &[0, 1, 8, 0, 6, 4, 0, if to_mac.is_some() { 2 } else { 1 }]);
    put(frame, 22, &from.mac);
    from.ip.put(frame, 28);
    put(frame, 32, &to_mac.unwrap_or_default());
    to.put(frame, 38);
}

/// Reads an ARP frame about IPv4 over Ethernet.
pub fn read_arp(frame: &[u8]) -> Option<Claim> {
    let [h0, h1, p0, p1, 6, 4, 0, operation @ 1..=2] = get::<8>(frame, 14)? else { return None };
    let (ip, target) = (Addr::v4(get(frame, 28)?), Addr::v4(get(frame, 38)?));
    let known = [h0, h1, p0, p1] == [0, 1, 8, 0];
    known.then_some(Claim { asks: operation == 1, ip, mac: Some(get(frame, 22)?), target })
}

/// The header of an ICMPv6 packet with this many bytes behind the IP header.
fn ipv6(frame: &mut [u8], from: Addr, to: Addr, len: usize, hop_limit: u8) {
    let len = (len as u16).to_be_bytes();
    put(frame, 14, &[0x60, 0, 0, 0, len[0], len[1], protocol::ICMPV6, hop_limit]);
    from.put(frame, 22);
    to.put(frame, 38);
}

/// The checksum of the ICMPv6 message of this packet, the field being 0, or as it stands if it is right 0.
fn icmpv6_checksum(frame: &[u8], start: usize, transport: usize, end: usize) -> u16 {
    let segment = frame.get(transport..end).unwrap_or_default();
    let addresses = frame.get(start + 8..start + 40).unwrap_or_default();
    let length = (end - transport) as u32;
    Sum::default()
        .with(addresses)
        .with_number(length)
        .with_number(protocol::ICMPV6.into())
        .with(segment)
        .checksum()
}

fn seal_icmpv6(frame: &mut [u8], end: usize) {
    put16(frame, 56, 0);
    let checksum = icmpv6_checksum(frame, ETHERNET, 54, end);
    put16(frame, 56, checksum);
}

/// Asks for the owner of an IPv6 address; `known` is asked alone.
pub fn solicit(frame: &mut [u8], from: End, target: Addr, known: Option<Mac>) {
    let (to, mac) = match known {
        Some(mac) => (target, mac),
        None => (target.solicited_node(), target.solicited_node().group_mac()),
    };
    ethernet(frame, mac, from.mac, ethertype::IPV6);
    ipv6(frame, from.ip, to, 32, 255);
    put(frame, 54, &[135, 0, 0, 0, 0, 0, 0, 0]);
    target.put(frame, 62);
    put(frame, 78, &[1, 1]);
    put(frame, 80, &from.mac);
    seal_icmpv6(frame, NEIGHBOUR_LEN);
}

/// Tells that an IPv6 address is ours: to who asked, or to all if that one has no address yet.
pub fn advertise(frame: &mut [u8], from: End, asker: Addr, asker_mac: Mac) {
    let all = Addr::v6([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    let known = asker != Addr::NONE;
    ethernet(frame, if known { asker_mac } else { all.group_mac() }, from.mac, ethertype::IPV6);
    ipv6(frame, from.ip, if known { asker } else { all }, 32, 255);
    // Router, override; solicited if it goes to who asked.
    put(frame, 54, &[136, 0, 0, 0, if known { 0xe0 } else { 0xa0 }, 0, 0, 0]);
    from.ip.put(frame, 62);
    put(frame, 78, &[2, 1]);
    put(frame, 80, &from.mac);
    seal_icmpv6(frame, NEIGHBOUR_LEN);
}

/// Bytes of a router advertisement with so many networks.
pub fn announcement_len(networks: usize) -> usize {
    54 + 16 + 8 + 8 + 32 * networks
}

/// A router advertisement to all hosts of a link; `networks` have 64 bits.
pub fn announce(frame: &mut [u8], from: End, mtu: usize, networks: impl Iterator<Item = Addr>) {
    let all = Addr::v6([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    let len = frame.len();
    ethernet(frame, all.group_mac(), from.mac, ethertype::IPV6);
    ipv6(frame, from.ip, all, len - 54, 255);
    // Hop limit 64, a router for half an hour.
    put(frame, 54, &[134, 0, 0, 0, 64, 0, 0x07, 0x08, 0, 0, 0, 0, 0, 0, 0, 0]);
    put(frame, 70, &[1, 1]);
    put(frame, 72, &from.mac);
    put(frame, 78, &[5, 1, 0, 0]);
    put(frame, 82, &(mtu as u32).to_be_bytes());
    for (number, network) in networks.enumerate() {
        let at = 86 + 32 * number;
        // On the link, and for addresses that hosts make themselves: for a day, preferred for four hours.
        put(frame, at, &[3, 4, 64, 0xc0, 0, 1, 0x51, 0x80, 0, 0, 0x38, 0x40, 0, 0, 0, 0]);
        network.put(frame, at + 16);
    }
    seal_icmpv6(frame, len);
}

/// Whether an ICMPv6 message has the right checksum.
pub fn is_sound(frame: &[u8], packet: &Packet) -> bool {
    icmpv6_checksum(frame, packet.start, packet.transport, packet.end) == 0
}

/// Reads a neighbour solicitation or advertisement, of a packet with the right checksum.
pub fn read_neighbour(frame: &[u8], packet: &Packet) -> Option<Claim> {
    let segment = frame.get(packet.transport..packet.end)?;
    let asks = match *segment.first()? {
        135 => true,
        136 => false,
        _ => return None,
    };
    let target = Addr::v6(get(segment, 8)?);
    let mut at = 24;
    let mut mac = None;
    while let Some([kind, len]) = get::<2>(segment, at) {
        if len == 0 {
            return None;
        }
        if kind == if asks { 1 } else { 2 } && len == 1 {
            mac = get(segment, at + 2);
        }
        at += usize::from(len) * 8;
    }
    Some(Claim { asks, ip: packet.tuple.src, mac, target })
}

/// An error that the router reports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trouble {
    /// The packet has come too far.
    TtlExceeded,
    /// It is too long for the next link, whose MTU this is.
    TooBig(usize),
    /// There is no route.
    NoRoute,
    /// The machine does not answer.
    NoHost,
    /// There is no such service.
    NoPort,
    /// A rule rejects it.
    Rejected,
}

impl Trouble {
    fn code(self, version: Version) -> ([u8; 2], u32) {
        match (version, self) {
            (Version::V4, Self::TtlExceeded) => ([11, 0], 0),
            (Version::V4, Self::TooBig(mtu)) => ([3, 4], mtu.min(0xffff) as u32),
            (Version::V4, Self::NoRoute) => ([3, 0], 0),
            (Version::V4, Self::NoHost) => ([3, 1], 0),
            (Version::V4, Self::NoPort) => ([3, 3], 0),
            (Version::V4, Self::Rejected) => ([3, 13], 0),
            (Version::V6, Self::TtlExceeded) => ([3, 0], 0),
            (Version::V6, Self::TooBig(mtu)) => ([2, 0], mtu as u32),
            (Version::V6, Self::NoRoute) => ([1, 0], 0),
            (Version::V6, Self::NoHost) => ([1, 3], 0),
            (Version::V6, Self::NoPort) => ([1, 4], 0),
            (Version::V6, Self::Rejected) => ([1, 1], 0),
        }
    }
}

/// Whether an error may be reported about a packet: never about one, nor to groups, nor for a later part.
pub fn may_report(frame: &[u8], packet: &Packet) -> bool {
    let quiet = match packet.kind {
        Kind::Error { .. } => true,
        Kind::Icmp(kind) => packet.version == Version::V4 || kind < 133,
        _ => false,
    };
    let to_one = frame.first().is_some_and(|byte| byte & 1 == 0) && !packet.tuple.dst.is_multicast();
    !quiet && to_one && !matches!(packet.part, Part::Later(_)) && packet.tuple.src.is_routable()
}

/// Bytes of the frame that reports an error about this packet.
pub fn error_len(packet: &Packet) -> usize {
    let whole = packet.end - packet.start;
    match packet.version {
        Version::V4 => ETHERNET + 28 + whole.min(QUOTED_V4),
        Version::V6 => ETHERNET + 48 + whole.min(QUOTED_V6),
    }
}

/// Reports an error to the sender of a packet, through who brought it.
pub fn error(frame: &mut [u8], from: End, trouble: Trouble, about: &[u8], packet: &Packet) {
    let back: Mac = get(about, 6).unwrap_or_default();
    let (code, word) = trouble.code(packet.version);
    let len = frame.len();
    let (kind, at) = match packet.version {
        Version::V4 => (ethertype::IPV4, 34),
        Version::V6 => (ethertype::IPV6, 54),
    };
    ethernet(frame, back, from.mac, kind);
    put(frame, at, &[code[0], code[1], 0, 0]);
    put(frame, at + 4, &word.to_be_bytes());
    let quoted = len.saturating_sub(at + 8);
    put(frame, at + 8, about.get(packet.start..packet.start + quoted).unwrap_or_default());
    match packet.version {
        Version::V4 => {
            let total = ((len - ETHERNET) as u16).to_be_bytes();
            put(frame, 14, &[0x45, 0xc0, total[0], total[1], 0, 0, 0, 0, TTL, protocol::ICMP, 0, 0]);
            from.ip.put(frame, 26);
            packet.tuple.src.put(frame, 30);
            let checksum = Sum::default().with(frame.get(14..34).unwrap_or_default()).checksum();
            put16(frame, 24, checksum);
            let checksum = Sum::default().with(frame.get(34..).unwrap_or_default()).checksum();
            put16(frame, 36, checksum);
        }
        Version::V6 => {
            ipv6(frame, from.ip, packet.tuple.src, len - 54, TTL);
            seal_icmpv6(frame, len);
        }
    }
}

/// Turns an echo request for the router, of which `frame` is a copy, into the answer.
pub fn echo_reply(frame: &mut [u8], mac: Mac, packet: &Packet) {
    let back: Mac = get(frame, 6).unwrap_or_default();
    ethernet(frame, back, mac, if packet.version == Version::V4 { ethertype::IPV4 } else { ethertype::IPV6 });
    let (src, dst) = (packet.tuple.src, packet.tuple.dst);
    let at = packet.transport;
    let (asked, answer) = match packet.version {
        Version::V4 => {
            dst.put(frame, packet.start + 12);
            src.put(frame, packet.start + 16);
            let old = [packet.ttl, packet.tuple.protocol];
            put(frame, packet.start + 8, &[TTL]);
            adjust_at(frame, packet.start + 10, &old, &[TTL, packet.tuple.protocol], false);
            (8, 0)
        }
        Version::V6 => {
            dst.put(frame, packet.start + 8);
            src.put(frame, packet.start + 24);
            put(frame, packet.start + 7, &[TTL]);
            (128, 129)
        }
    };
    let code = frame.get(at + 1).copied().unwrap_or(0);
    put(frame, at, &[answer]);
    adjust_at(frame, at + 2, &[asked, code], &[answer, code], false);
}
