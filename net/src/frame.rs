//! A first look at a received frame: enough to find its socket, and to drop what smoltcp should never see.
//!
//! smoltcp checks lengths and checksums afterwards; what is read here is only a hint of where the frame goes.

use smoltcp::phy::Medium;
use smoltcp::wire::{IpAddress, Ipv4Address, Ipv6Address};

pub(crate) const ICMPV4: u8 = 1;
pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;
pub(crate) const ICMPV6: u8 = 58;
const HOP_BY_HOP: u8 = 0;

/// What kind of frame it is.
pub(crate) enum Seen<'a> {
    /// An ARP packet: a neighbour may have become known.
    Arp,
    Ip(IpSeen<'a>),
    /// Nothing that concerns us.
    Other,
}

/// The part of an IP packet that decides where it goes.
pub(crate) struct IpSeen<'a> {
    pub(crate) src: IpAddress,
    pub(crate) dst: IpAddress,
    pub(crate) protocol: u8,
    pub(crate) hop_limit: u8,
    /// From the IP header on.
    pub(crate) packet: &'a [u8],
    /// From the transport header on; for a later fragment, whatever it carries.
    pub(crate) payload: &'a [u8],
    pub(crate) fragment: Option<Fragment>,
}

/// An IPv4 fragment.
#[derive(Clone, Copy)]
pub(crate) struct Fragment {
    pub(crate) ident: u16,
    pub(crate) offset: usize,
}

pub(crate) fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

pub(crate) fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// Looks at a frame of the given medium.
pub(crate) fn look(frame: &[u8], medium: Medium) -> Seen<'_> {
    let ip = match medium {
        Medium::Ethernet => match be16(frame, 12) {
            Some(0x0806) => return Seen::Arp,
            Some(0x0800 | 0x86dd) => &frame[14..],
            _ => return Seen::Other,
        },
        Medium::Ip => frame,
    };
    look_ip(ip).map_or(Seen::Other, Seen::Ip)
}

/// Looks at an IP packet, or at the start of one that an ICMP error quotes.
pub(crate) fn look_ip(ip: &[u8]) -> Option<IpSeen<'_>> {
    match ip.first()? >> 4 {
        4 => look_ipv4(ip),
        6 => look_ipv6(ip),
        _ => None,
    }
}

fn look_ipv4(ip: &[u8]) -> Option<IpSeen<'_>> {
    let header_len = usize::from(ip[0] & 15) * 4;
    let total_len = usize::from(be16(ip, 2)?);
    let flags = be16(ip, 6)?;
    let offset = usize::from(flags & 0x1fff) * 8;
    let payload = ip.get(header_len.max(20)..total_len.min(ip.len()))?;
    if offset + payload.len() > 65535 - 20 {
        return None; // Would put together to more than a packet can hold.
    }
    let fragment = (flags & 0x3fff != 0).then_some(Fragment { ident: be16(ip, 4)?, offset });
    let address = |at: usize| Some(IpAddress::Ipv4(Ipv4Address::from(be32(ip, at)?)));
    Some(IpSeen {
        src: address(12)?,
        dst: address(16)?,
        protocol: *ip.get(9)?,
        hop_limit: *ip.get(8)?,
        packet: ip,
        payload,
        fragment,
    })
}

fn look_ipv6(ip: &[u8]) -> Option<IpSeen<'_>> {
    let len = usize::from(be16(ip, 4)?);
    let mut payload = ip.get(40..(40 + len).min(ip.len()))?;
    let address = |at: usize| -> Option<IpAddress> {
        let octets: [u8; 16] = ip.get(at..at + 16)?.try_into().ok()?;
        Some(IpAddress::Ipv6(Ipv6Address::from(octets)))
    };
    let mut protocol = *ip.get(6)?;
    if protocol == HOP_BY_HOP {
        protocol = *payload.first()?;
        payload = payload.get(8 + usize::from(*payload.get(1)?) * 8..)?;
    }
    Some(IpSeen {
        src: address(8)?,
        dst: address(24)?,
        protocol,
        hop_limit: *ip.get(7)?,
        packet: ip,
        payload,
        fragment: None,
    })
}

/// How many hops a packet had left; 0 for what is no IP packet.
pub(crate) fn hop_limit(frame: &[u8], medium: Medium) -> u8 {
    let packet = if medium == Medium::Ethernet { frame.get(14..) } else { Some(frame) }.unwrap_or_default();
    let at = match packet.first().map(|first| first >> 4) {
        Some(4) => 8,
        Some(6) => 7,
        _ => return 0,
    };
    packet.get(at).copied().unwrap_or(0)
}

/// Source and destination port of a TCP or UDP header.
pub(crate) fn ports(transport: &[u8]) -> Option<(u16, u16)> {
    Some((be16(transport, 0)?, be16(transport, 2)?))
}

/// The flow that each of the last fragmented packets belongs to: only the first fragment has the ports.
#[derive(Default)]
pub(crate) struct FragmentPorts {
    recent: [Option<FragmentKey>; 8],
    next: usize,
}

#[derive(Clone, Copy)]
struct FragmentKey {
    src: IpAddress,
    dst: IpAddress,
    protocol: u8,
    ident: u16,
    ports: (u16, u16),
}

impl FragmentPorts {
    /// The ports of the packet that this packet is or is part of. A fragment that comes before the first cannot complete
    /// the packet, so its ports do not matter.
    pub(crate) fn ports_of(&mut self, ip: &IpSeen<'_>) -> Option<(u16, u16)> {
        let Some(Fragment { ident, offset }) = ip.fragment else { return ports(ip.payload) };
        let same = |key: &FragmentKey| {
            key.src == ip.src && key.dst == ip.dst && key.protocol == ip.protocol && key.ident == ident
        };
        if offset != 0 {
            return self.recent.iter().flatten().find(|key| same(key)).map(|key| key.ports);
        }
        let ports = ports(ip.payload)?;
        let key = FragmentKey { src: ip.src, dst: ip.dst, protocol: ip.protocol, ident, ports };
        self.recent[self.next] = Some(key);
        self.next = (self.next + 1) % self.recent.len();
        Some(ports)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cut_of_a_frame_is_looked_at_without_a_panic() {
        let mut frame = std::vec![0u8; 120];
        frame[12..15].copy_from_slice(&[0x08, 0x00, 0x45]);
        frame[17] = 106;
        frame[23] = TCP;
        for version in [0x45, 0x4f, 0x40, 0x60] {
            frame[14] = version;
            for len in 0..frame.len() {
                if let Seen::Ip(ip) = look(&frame[..len], Medium::Ethernet) {
                    let _ = crate::router::is_sane(ip.payload);
                    let _ = crate::router::name_servers(ip.payload).count();
                    let _ = FragmentPorts::default().ports_of(&ip);
                }
            }
        }
    }
}
