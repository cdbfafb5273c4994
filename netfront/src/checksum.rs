//! TCP and UDP checksums in Ethernet frames: finding, verifying, filling in whole or for offload.
//!
//! What Xen calls a blank checksum is what Linux calls partial: the field holds the sum of the pseudo-header, folded and
//! not inverted, and whoever puts the frame on a real wire adds the rest. TCP and UDP only; ICMP is the stack's affair.

use core::ops::Range;

const ETHERNET_HEADER: usize = 14;
const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;
const TCP: u8 = 6;
const UDP: u8 = 17;
/// IPv6 extension headers that may stand before the transport header.
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const DESTINATION_OPTIONS: u8 = 60;
const MAX_EXTENSIONS: usize = 8;

/// Version of the internet protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Version {
    V4,
    V6,
}

/// What a frame carries, as far as checksums are concerned.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Payload {
    /// A whole TCP segment or UDP datagram.
    Transport(Transport),
    /// A piece of an IP packet: its checksum covers bytes that are not here.
    Fragment,
    /// Not TCP or UDP over IP, or not well formed.
    Other,
}

/// Where a TCP segment or UDP datagram lies in its frame.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Transport {
    pub version: Version,
    pub protocol: u8,
    /// Both IP addresses, adjacent in either version.
    pub addresses: Range<usize>,
    /// The transport header and what it carries.
    pub segment: Range<usize>,
}

/// What verifying a frame showed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// The checksum is right, or there is none to check.
    Good,
    /// The checksum is wrong.
    Bad,
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Looks for the transport header of a frame. Whatever the bytes are, the ranges of the result lie within them.
pub(crate) fn locate(frame: &[u8]) -> Payload {
    let located = match be16(frame, 12) {
        Some(ETHERTYPE_IPV4) => locate_ipv4(frame),
        Some(ETHERTYPE_IPV6) => locate_ipv6(frame),
        _ => None,
    };
    located.unwrap_or(Payload::Other)
}

fn locate_ipv4(frame: &[u8]) -> Option<Payload> {
    let packet = frame.get(ETHERNET_HEADER..)?;
    let header = packet.first_chunk::<20>()?;
    let header_len = usize::from(header[0] & 0xf) * 4;
    let total_len = usize::from(u16::from_be_bytes([header[2], header[3]]));
    if header[0] >> 4 != 4 || header_len < 20 || total_len > packet.len() {
        return None;
    }
    let fragmentation = u16::from_be_bytes([header[6], header[7]]);
    if fragmentation & 0x3fff != 0 {
        return Some(Payload::Fragment);
    }
    let addresses = ETHERNET_HEADER + 12..ETHERNET_HEADER + 20;
    let segment = ETHERNET_HEADER + header_len..ETHERNET_HEADER + total_len;
    transport(frame, Version::V4, header[9], addresses, segment)
}

fn locate_ipv6(frame: &[u8]) -> Option<Payload> {
    let packet = frame.get(ETHERNET_HEADER..)?;
    let header = packet.first_chunk::<40>()?;
    let end = 40 + usize::from(u16::from_be_bytes([header[4], header[5]]));
    if header[0] >> 4 != 6 || end > packet.len() {
        return None;
    }
    let (mut next, mut at) = (header[6], 40);
    for _ in 0..MAX_EXTENSIONS {
        match next {
            HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS => {
                let [following, len] = *packet.get(at..end)?.first_chunk()?;
                next = following;
                at += (usize::from(len) + 1) * 8;
            }
            FRAGMENT => return Some(Payload::Fragment),
            _ => break,
        }
    }
    let addresses = ETHERNET_HEADER + 8..ETHERNET_HEADER + 40;
    transport(frame, Version::V6, next, addresses, ETHERNET_HEADER + at..ETHERNET_HEADER + end)
}

fn transport(
    frame: &[u8],
    version: Version,
    protocol: u8,
    addresses: Range<usize>,
    segment: Range<usize>,
) -> Option<Payload> {
    let mut found = Transport { version, protocol, addresses, segment };
    let len = frame.get(found.segment.clone())?.len();
    match protocol {
        TCP if len >= 20 => {}
        UDP if len >= 8 => {
            // Bytes behind the datagram are padding. A length of 0 is a jumbogram's or nonsense: not ours to judge.
            let datagram = usize::from(be16(frame, found.segment.start + 4)?);
            if datagram < 8 || datagram > len {
                return None;
            }
            found.segment.end = found.segment.start + datagram;
        }
        _ => return None,
    }
    Some(Payload::Transport(found))
}

impl Transport {
    /// Whether this is a TCP segment.
    pub fn is_tcp(&self) -> bool {
        self.protocol == TCP
    }

    /// Bytes that a TCP segment carries behind its header.
    pub fn tcp_payload_len(&self, frame: &[u8]) -> usize {
        let header = frame.get(self.segment.start + 12).map_or(0, |offset| usize::from(offset >> 4) * 4);
        self.segment.len().saturating_sub(header)
    }

    /// Where its checksum stands.
    pub fn field(&self) -> usize {
        self.segment.start + if self.protocol == TCP { 16 } else { 6 }
    }

    /// The sum of the pseudo-header, folded, not inverted.
    fn pseudo_header(&self, frame: &[u8]) -> u16 {
        let len = self.segment.len() as u64;
        fold(u64::from(sum(&frame[self.addresses.clone()])) + len + u64::from(self.protocol))
    }

    /// Prepares the frame for a device that adds the rest of the checksum.
    pub fn fill_partial(&self, frame: &mut [u8]) {
        let partial = self.pseudo_header(frame);
        self.store(frame, partial);
    }

    /// Fills in the whole checksum.
    pub fn fill(&self, frame: &mut [u8]) {
        self.store(frame, 0);
        let sum = fold(u64::from(self.pseudo_header(frame)) + u64::from(sum(&frame[self.segment.clone()])));
        // In UDP 0 means that there is no checksum; its equal in ones' complement stands for it.
        let checksum = if self.protocol == UDP && sum == 0xffff { 0xffff } else { !sum };
        self.store(frame, checksum);
    }

    fn store(&self, frame: &mut [u8], value: u16) {
        let at = self.field();
        frame[at..at + 2].copy_from_slice(&value.to_be_bytes());
    }

    fn verify(&self, frame: &[u8]) -> Verdict {
        if self.protocol == UDP && frame[self.field()..][..2] == [0, 0] {
            // Absent: allowed over IPv4 only.
            return if self.version == Version::V4 { Verdict::Good } else { Verdict::Bad };
        }
        let sum = fold(u64::from(self.pseudo_header(frame)) + u64::from(sum(&frame[self.segment.clone()])));
        if sum == 0xffff { Verdict::Good } else { Verdict::Bad }
    }
}

/// Verifies the TCP or UDP checksum of a frame. A fragment's can not be: it passes.
pub(crate) fn verify(frame: &[u8]) -> Verdict {
    match locate(frame) {
        Payload::Transport(transport) => transport.verify(frame),
        Payload::Fragment | Payload::Other => Verdict::Good,
    }
}

fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    sum as u16
}

/// The ones' complement sum of big-endian words, the last byte padded with zero; folded.
pub(crate) fn sum(bytes: &[u8]) -> u16 {
    // The sum is the same in either byte order but for a swap at the end (RFC 1071), so whole machine words are added,
    // each carry coming round again.
    let mut total = 0u64;
    let mut add = |word: u64| {
        let (sum, carry) = total.overflowing_add(word);
        total = sum + u64::from(carry);
    };
    let (words, tail) = bytes.as_chunks::<8>();
    for word in words {
        add(u64::from_ne_bytes(*word));
    }
    let mut last = [0; 8];
    last[..tail.len()].copy_from_slice(tail);
    add(u64::from_ne_bytes(last));
    fold(total).to_be()
}

#[cfg(test)]
mod tests;
