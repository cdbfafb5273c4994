//! What a frame says: [`Packet`]. Every offset lies within the bytes that it was read from.

use super::address::{Addr, Version};
use super::bytes::{get, get16};

/// Bytes of an Ethernet header.
pub const ETHERNET: usize = 14;
/// Ethernet's numbers of what we understand.
pub mod ethertype {
    /// IPv4
    pub const IPV4: u16 = 0x0800;
    /// Address resolution
    pub const ARP: u16 = 0x0806;
    /// IPv6
    pub const IPV6: u16 = 0x86dd;
}

/// Numbers of protocols over IP.
pub mod protocol {
    /// ICMP of IPv4
    pub const ICMP: u8 = 1;
    /// TCP
    pub const TCP: u8 = 6;
    /// UDP
    pub const UDP: u8 = 17;
    /// ICMP of IPv6
    pub const ICMPV6: u8 = 58;
}

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const DESTINATION_OPTIONS: u8 = 60;
const MAX_EXTENSIONS: usize = 8;

/// Flags of a TCP header.
pub mod tcp {
    /// The end of what one side sends.
    pub const FIN: u8 = 1;
    /// The beginning.
    pub const SYN: u8 = 2;
    /// The end of it all.
    pub const RST: u8 = 4;
    /// There is an acknowledgement.
    pub const ACK: u8 = 16;
}

/// Both ends of a conversation, from the sender's side. For an ICMP echo the one who asks has the identifier as its port, and the other
/// end's is 0; protocols without ports have 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tuple {
    /// The protocol over IP.
    pub protocol: u8,
    /// Who sends.
    pub src: Addr,
    /// Who is to receive.
    pub dst: Addr,
    /// The sender's port.
    pub src_port: u16,
    /// The receiver's port.
    pub dst_port: u16,
}

impl Tuple {
    /// What the answer has.
    #[must_use]
    pub fn reversed(self) -> Self {
        Self { src: self.dst, dst: self.src, src_port: self.dst_port, dst_port: self.src_port, ..self }
    }
}

/// A part of a larger packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// It is no part.
    Whole,
    /// The first, with the transport header.
    First(u32),
    /// Another.
    Later(u32),
}

/// What an IP packet carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// TCP, with its flags and the bytes of its header.
    Tcp {
        /// See [`tcp`].
        flags: u8,
        /// Bytes of the header.
        header: usize,
    },
    /// UDP.
    Udp,
    /// An ICMP echo.
    Echo {
        /// Whether it asks.
        request: bool,
    },
    /// An ICMP error about a packet, which begins at this offset.
    Error {
        /// Where the packet that it is about begins.
        about: usize,
    },
    /// Another ICMP message, of this type.
    Icmp(u8),
    /// Of a protocol without ports, or a part without a transport header.
    Other,
}

/// An IP packet within a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Packet {
    /// Version of IP.
    pub version: Version,
    /// Where the IP header begins.
    pub start: usize,
    /// Where the transport header begins.
    pub transport: usize,
    /// Where the packet ends.
    pub end: usize,
    /// Ends, protocol and ports.
    pub tuple: Tuple,
    /// Time to live or hop limit.
    pub ttl: u8,
    /// What it carries.
    pub kind: Kind,
    /// Whether it is part of a larger packet.
    pub part: Part,
    /// Whether it is not to be divided.
    pub whole_only: bool,
}

/// How much of a packet is there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    All,
    /// The beginning, as an ICMP error quotes it.
    Quoted,
}

impl Packet {
    /// Reads the packet of a frame; `None` if it is not well formed.
    pub fn of_frame(frame: &[u8]) -> Option<Self> {
        match get16(frame, 12)? {
            ethertype::IPV4 => Self::ipv4(frame, ETHERNET, Extent::All),
            ethertype::IPV6 => Self::ipv6(frame, ETHERNET, Extent::All),
            _ => None,
        }
    }

    /// Reads the packet that an ICMP error is about, of which only the beginning need be there.
    pub fn quoted(bytes: &[u8], start: usize, version: Version) -> Option<Self> {
        match version {
            Version::V4 => Self::ipv4(bytes, start, Extent::Quoted),
            Version::V6 => Self::ipv6(bytes, start, Extent::Quoted),
        }
    }

    fn ipv4(bytes: &[u8], start: usize, extent: Extent) -> Option<Self> {
        let header: [u8; 20] = get(bytes, start)?;
        let header_len = usize::from(header[0] & 15) * 4;
        let total = usize::from(u16::from_be_bytes([header[2], header[3]]));
        if header[0] >> 4 != 4 || header_len < 20 || total < header_len {
            return None;
        }
        let end = within(bytes, start + total, extent)?;
        let whole_header = bytes.get(start..start + header_len).filter(|_| start + header_len <= end)?;
        if super::bytes::Sum::default().with(whole_header).checksum() != 0 && extent == Extent::All {
            return None;
        }
        let fragmentation = u16::from_be_bytes([header[6], header[7]]);
        let id = u32::from(u16::from_be_bytes([header[4], header[5]]));
        let part = part(fragmentation & 0x1fff, fragmentation & 0x2000 != 0, id);
        let (src, dst) = (Addr::v4(get(&header, 12)?), Addr::v4(get(&header, 16)?));
        let packet = Self {
            version: Version::V4,
            start,
            transport: start + header_len,
            end,
            tuple: Tuple { protocol: header[9], src, dst, src_port: 0, dst_port: 0 },
            ttl: header[8],
            kind: Kind::Other,
            part,
            whole_only: fragmentation & 0x4000 != 0,
        };
        packet.with_transport(bytes, extent)
    }

    fn ipv6(bytes: &[u8], start: usize, extent: Extent) -> Option<Self> {
        let header: [u8; 40] = get(bytes, start)?;
        let total = 40 + usize::from(u16::from_be_bytes([header[4], header[5]]));
        if header[0] >> 4 != 6 {
            return None;
        }
        let end = within(bytes, start + total, extent)?;
        let (src, dst) = (Addr::v6(get(&header, 8)?), Addr::v6(get(&header, 24)?));
        if src.version() == Version::V4 || dst.version() == Version::V4 {
            return None;
        }
        let (mut next, mut at, mut found) = (header[6], start + 40, Part::Whole);
        for _ in 0..MAX_EXTENSIONS {
            let [following, len] = match next {
                HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS | FRAGMENT => get(bytes, at)?,
                _ => break,
            };
            if next == FRAGMENT {
                let id = u32::from_be_bytes(get(bytes, at + 4)?);
                let place = get16(bytes, at + 2)?;
                found = part(place & 0xfff8, place & 1 != 0, id);
                at += 8;
            } else {
                at += (usize::from(len) + 1) * 8;
            }
            next = following;
            if matches!(found, Part::Later(_)) {
                break;
            }
        }
        if at > end {
            return None;
        }
        let packet = Self {
            version: Version::V6,
            start,
            transport: at,
            end,
            tuple: Tuple { protocol: next, src, dst, src_port: 0, dst_port: 0 },
            ttl: header[7],
            kind: Kind::Other,
            part: found,
            whole_only: true,
        };
        packet.with_transport(bytes, extent)
    }

    fn with_transport(mut self, bytes: &[u8], extent: Extent) -> Option<Self> {
        if matches!(self.part, Part::Later(_)) {
            return Some(self);
        }
        let at = self.transport;
        let segment = bytes.get(at..self.end)?;
        let v4 = self.version == Version::V4;
        match self.tuple.protocol {
            protocol::TCP | protocol::UDP => {
                (self.tuple.src_port, self.tuple.dst_port) = (get16(segment, 0)?, get16(segment, 2)?);
                if self.tuple.protocol == protocol::UDP {
                    self.kind = Kind::Udp;
                    return Some(self).filter(|_| segment.len() >= 8);
                }
                let header = segment.get(12).map_or(0, |offset| usize::from(offset >> 4) * 4);
                if extent == Extent::All && (header < 20 || header > segment.len()) {
                    return None;
                }
                self.kind = Kind::Tcp { flags: segment.get(13).copied().unwrap_or(0), header };
            }
            protocol::ICMP if v4 => self.icmp(segment, [8, 0], |kind| matches!(kind, 3 | 4 | 11 | 12))?,
            protocol::ICMPV6 if !v4 => self.icmp(segment, [128, 129], |kind| kind < 128)?,
            _ => {}
        }
        Some(self)
    }

    fn icmp(&mut self, segment: &[u8], [ask, answer]: [u8; 2], is_error: impl Fn(u8) -> bool) -> Option<()> {
        let header: [u8; 8] = get(segment, 0)?;
        let kind = header[0];
        let ident = u16::from_be_bytes([header[4], header[5]]);
        if kind == ask {
            self.kind = Kind::Echo { request: true };
            self.tuple.src_port = ident;
        } else if kind == answer {
            self.kind = Kind::Echo { request: false };
            self.tuple.dst_port = ident;
        } else if is_error(kind) {
            self.kind = Kind::Error { about: self.transport + 8 };
        } else {
            self.kind = Kind::Icmp(kind);
        }
        Some(())
    }
}

fn within(bytes: &[u8], end: usize, extent: Extent) -> Option<usize> {
    match extent {
        Extent::All => Some(end).filter(|end| *end <= bytes.len()),
        Extent::Quoted => Some(end.min(bytes.len())),
    }
}

fn part(offset: u16, more: bool, id: u32) -> Part {
    match (offset, more) {
        (0, false) => Part::Whole,
        (0, true) => Part::First(id),
        _ => Part::Later(id),
    }
}
