//! What changes in a packet on its way through: hardware addresses, time to live and, where it is translated, addresses and ports.

use super::address::{Mac, Version};
use super::bytes::{Sum, adjust_at, put, put16};
use super::packet::{Kind, Packet, Part, Tuple, protocol};

/// Makes a copy of a received frame the one to be sent.
pub fn forward(frame: &mut [u8], packet: &Packet, outgoing: &Tuple, src: Mac, dst: Mac) {
    put(frame, 0, &dst);
    put(frame, 6, &src);
    let ttl = packet.ttl.saturating_sub(1);
    match packet.version {
        Version::V4 => {
            let number = packet.tuple.protocol;
            put(frame, packet.start + 8, &[ttl]);
            adjust_at(frame, packet.start + 10, &[packet.ttl, number], &[ttl, number], false);
        }
        Version::V6 => put(frame, packet.start + 7, &[ttl]),
    }
    if *outgoing != packet.tuple {
        translate(frame, packet, outgoing);
    }
}

/// Changes addresses and ports, and the checksums that cover them.
fn translate(frame: &mut [u8], packet: &Packet, outgoing: &Tuple) {
    let addresses = [(packet.tuple.src, outgoing.src), (packet.tuple.dst, outgoing.dst)];
    let is_udp = packet.tuple.protocol == protocol::UDP;
    // Where the transport's checksum is, and whether it covers addresses.
    let checksum = match (packet.kind, packet.part) {
        (_, Part::Later(_)) => None,
        (Kind::Tcp { .. }, _) => Some((packet.transport + 16, true)),
        (Kind::Udp, _) => Some((packet.transport + 6, true)),
        (Kind::Echo { .. } | Kind::Icmp(_), _) => Some((packet.transport + 2, packet.version == Version::V6)),
        _ => None,
    };
    for ((old, new), number) in addresses.into_iter().zip(0..) {
        if old == new {
            continue;
        }
        let (old, new) = (old.octets(), new.octets());
        let width = if packet.version == Version::V4 { 4 } else { 16 };
        let (old_bytes, new_bytes) = (&old[16 - width..], &new[16 - width..]);
        match packet.version {
            Version::V4 => {
                put(frame, packet.start + 12 + number * 4, new_bytes);
                adjust_at(frame, packet.start + 10, old_bytes, new_bytes, false);
            }
            Version::V6 => put(frame, packet.start + 8 + number * 16, new_bytes),
        }
        if let Some((at, true)) = checksum {
            adjust_at(frame, at, old_bytes, new_bytes, is_udp);
        }
    }
    let Some((at, _)) = checksum else { return };
    for (place, old, new) in ports(packet, outgoing).into_iter().flatten() {
        if old != new {
            put16(frame, place, new);
            adjust_at(frame, at, &old.to_be_bytes(), &new.to_be_bytes(), is_udp);
        }
    }
}

/// The fields with ports, or with an echo's identifier: place, old and new value.
fn ports(packet: &Packet, outgoing: &Tuple) -> [Option<(usize, u16, u16)>; 2] {
    let (at, tuple) = (packet.transport, &packet.tuple);
    match packet.kind {
        Kind::Tcp { .. } | Kind::Udp => {
            [Some((at, tuple.src_port, outgoing.src_port)), Some((at + 2, tuple.dst_port, outgoing.dst_port))]
        }
        Kind::Echo { request: true } => [Some((at + 4, tuple.src_port, outgoing.src_port)), None],
        Kind::Echo { request: false } => [Some((at + 4, tuple.dst_port, outgoing.dst_port)), None],
        _ => [None, None],
    }
}

/// Changes the packet that an ICMP error quotes to what its sender knows, and the error's checksum. Bytes that are not there are
/// left out.
pub fn quoted(frame: &mut [u8], packet: &Packet, inner: &Packet, outgoing: &Tuple) {
    translate(frame, inner, outgoing);
    let at = packet.transport + 2;
    put16(frame, at, 0);
    let sum = Sum::default().with(frame.get(packet.transport..packet.end).unwrap_or_default());
    let sum = match packet.version {
        Version::V4 => sum,
        Version::V6 => {
            let addresses = frame.get(packet.start + 8..packet.start + 40).unwrap_or_default();
            sum.with(addresses)
                .with_number((packet.end - packet.transport) as u32)
                .with_number(protocol::ICMPV6.into())
        }
    };
    put16(frame, at, sum.checksum());
}
