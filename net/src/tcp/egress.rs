//! A connection's segments as frames: headers, and the bytes copied once, from the queue into the frame.

use core::num::NonZeroU16;
use smoltcp::phy::{ChecksumCapabilities, Device, DeviceCapabilities, PacketMeta, TxToken};
use smoltcp::wire::{
    EthernetAddress, EthernetFrame, EthernetProtocol, EthernetRepr, IpAddress, IpProtocol, IpRepr, TcpPacket,
};

use super::engine::{Connection, Route, SegmentOut};
use super::{FlowKey, Tcp};
use crate::core_::{Core, Flow, Kind};
use crate::device::Port;
use crate::egress::{BURST, Outcome};
use crate::neighbour::Way;

const ETHERNET: usize = 14;

impl Core {
    /// Lets a connection send some segments.
    pub(crate) fn send_tcp<D: Device>(&mut self, link: usize, index: u32, port: &mut Port<D>) -> Outcome {
        let now = self.now;
        let Some(Flow { kind: Kind::Tcp(tcp), .. }) = self.flows.get_mut(index) else {
            return Outcome::Nothing;
        };
        let l = &mut self.links[link];
        let Tcp { key, connection, .. } = tcp;
        if !l.is_loopback() && !l.has_addr(key.local.1) {
            connection.lose_address();
        }
        let offload = match key.local.1 {
            IpAddress::Ipv4(_) => l.caps.segmentation.tcpv4,
            IpAddress::Ipv6(_) => l.caps.segmentation.tcpv6,
        };
        let route = Route {
            mtu: l.caps.ip_mtu(),
            offload: offload.map(|most| most.get().saturating_sub(ETHERNET)),
            tight: self.tcp.pool.is_tight(),
        };
        let mut way = None;
        for turn in 0..BURST {
            let Some(segment) = connection.next_segment(now, &route) else {
                return if turn == 0 { Outcome::Nothing } else { Outcome::Sent };
            };
            let hop = match way {
                Some(hop) => hop,
                None => match l.way(now, key.remote.1, port) {
                    Way::Loopback => None,
                    Way::Neighbour(ends) => Some(ends),
                    Way::Unknown => return Outcome::Waits,
                },
            };
            way = Some(hop);
            let Some(mut token) = port.transmit(now, None) else { return Outcome::Full };
            if let Some(size) = segment.divide.and_then(NonZeroU16::new) {
                let mut meta = PacketMeta::default();
                meta.segmentation_offload_size = Some(size);
                token.set_meta(meta);
            }
            emit(connection, &segment, key, hop, &l.caps, token);
            connection.sent(&segment, now);
        }
        Outcome::More
    }
}

fn emit<T: TxToken>(
    connection: &Connection,
    segment: &SegmentOut,
    key: &FlowKey,
    hop: Option<(EthernetAddress, EthernetAddress)>,
    caps: &DeviceCapabilities,
    token: T,
) {
    let ((src_port, src), (dst_port, dst)) = (key.local, key.remote);
    let tcp = segment.repr(src_port, dst_port);
    let header = tcp.header_len();
    let hop_limit = connection.options().hop_limit.max(1);
    let ip = IpRepr::new(src, dst, IpProtocol::Tcp, header + segment.len, hop_limit);
    let link_len = if hop.is_some() { ETHERNET } else { 0 };
    token.consume(link_len + ip.buffer_len(), |frame| {
        let (link, packet) = frame.split_at_mut(link_len);
        if let Some((src_addr, dst_addr)) = hop {
            let ethertype = match dst {
                IpAddress::Ipv4(_) => EthernetProtocol::Ipv4,
                IpAddress::Ipv6(_) => EthernetProtocol::Ipv6,
            };
            EthernetRepr { src_addr, dst_addr, ethertype }.emit(&mut EthernetFrame::new_unchecked(link));
        }
        ip.emit(&mut *packet, &caps.checksum);
        let transport = &mut packet[ip.header_len()..];
        let mut out = TcpPacket::new_unchecked(&mut *transport);
        // The checksum covers what is not there yet.
        tcp.emit(&mut out, &src, &dst, &ChecksumCapabilities::ignored());
        connection.payload(segment, &mut transport[header..]);
        if caps.checksum.tcp.tx() {
            TcpPacket::new_unchecked(transport).fill_checksum(&src, &dst);
        }
    });
}
