//! From a received frame to the one socket that it is for.

use alloc::vec::Vec;
use smoltcp::iface::SocketSet;
use smoltcp::phy::{PacketMeta, TxToken};
use smoltcp::socket::raw;
use smoltcp::wire::{IpAddress, IpProtocol, IpVersion};

use crate::core_::{Cause, Core, Kind};
use crate::device::OneFrame;
use crate::egress::VoidToken;
use crate::frame::{self, IpSeen, Seen};
use crate::route::is_loopback;
use crate::router;
use crate::tcp::FlowKey;

/// The longest TCP segment that is put together of fragments. Hardly anybody sends any.
const WHOLE: usize = 4096;

/// Where a frame goes.
enum Target<'a> {
    Drop,
    /// A whole TCP segment.
    Segment(IpSeen<'a>),
    /// A part of one.
    Fragment,
    /// To the socket of this flow.
    Flow(u32),
    /// To no socket: smoltcp refuses it politely.
    Nobody,
}

impl Core {
    /// Takes in one frame; `tx` is the room to answer it.
    pub(crate) fn receive<T: TxToken>(&mut self, link: usize, frame: &[u8], mut meta: PacketMeta, tx: T) {
        let (target, neighbour) = self.classify(link, frame);
        let misc = self.links[link].misc;
        let link_ref = &mut self.links[link];
        let set = match target {
            Target::Drop => return,
            Target::Segment(ip) => return self.receive_segment(link, frame, &ip, Some(tx)),
            Target::Fragment => return self.receive_fragment(link, frame, tx),
            Target::Nobody => &mut self.nobody,
            Target::Flow(index) => match self.flows.get_mut(index) {
                Some(flow) => &mut flow.set,
                None => return,
            },
        };
        // For who receives a datagram; smoltcp tells what a packet's number is, not how many hops it had left.
        meta.id = frame::hop_limit(frame, link_ref.caps.medium).into();
        let mut device = OneFrame { frame: Some((frame, tx)), meta, caps: &link_ref.caps };
        link_ref.iface.poll_ingress_single(self.now, &mut device, set);
        if neighbour {
            self.neighbours_changed(link);
        }
        if let Target::Flow(index) = target {
            self.settle(index, Cause::Frame);
            if index != misc || neighbour {
                self.touch(index);
            }
        }
    }

    /// Has smoltcp put a segment together, and takes it in when it is whole.
    fn receive_fragment<T: TxToken>(&mut self, link: usize, frame: &[u8], tx: T) {
        let (set, handle) = self.whole.get_or_insert_with(|| {
            let room =
                raw::PacketBuffer::new(alloc::vec![raw::PacketMetadata::EMPTY; 1], alloc::vec![0; WHOLE]);
            let none = raw::PacketBuffer::new(Vec::new(), Vec::new());
            let socket = raw::Socket::new(Some(IpVersion::Ipv4), Some(IpProtocol::Tcp), room, none);
            let mut set = SocketSet::new(Vec::new());
            let handle = set.add(socket);
            (set, handle)
        });
        let l = &mut self.links[link];
        let mut device = OneFrame { frame: Some((frame, tx)), meta: PacketMeta::default(), caps: &l.caps };
        l.iface.poll_ingress_single(self.now, &mut device, set);
        let Ok(packet) = set.get_mut::<raw::Socket<'_>>(*handle).recv().map(<[u8]>::to_vec) else { return };
        if let Some(ip) = frame::look_ip(&packet).filter(|ip| ip.fragment.is_none()) {
            self.receive_segment::<VoidToken>(link, &[], &ip, None);
        }
    }

    /// Where the frame goes, and whether it may tell a neighbour's hardware address.
    fn classify<'a>(&mut self, link: usize, frame: &'a [u8]) -> (Target<'a>, bool) {
        let l = &mut self.links[link];
        let misc = Target::Flow(l.misc);
        // Frames for others arrive in promiscuous mode, and group addresses carry no connections.
        let to_group = l.mac.is_some() && frame.first().is_none_or(|first| first & 1 != 0);
        if let Some(mac) = l.mac
            && !to_group
            && !frame.starts_with(&mac)
        {
            return (Target::Drop, false);
        }
        let ip = match frame::look(frame, l.caps.medium) {
            Seen::Arp => {
                l.learn_from_arp(frame, self.now);
                return (misc, true);
            }
            Seen::Ip(ip) => ip,
            Seen::Other => return (Target::Drop, false),
        };
        if !l.is_loopback() && (is_loopback(ip.src) || is_loopback(ip.dst)) {
            return (Target::Drop, false);
        }
        let icmp_type = ip.payload.first().copied();
        match (ip.protocol, icmp_type) {
            (frame::TCP, _) if to_group => (Target::Drop, false),
            (frame::TCP, _) if ip.fragment.is_some() => (Target::Fragment, false),
            (frame::TCP, _) => (Target::Segment(ip), false),
            (frame::UDP, _) => (self.classify_udp(link, &ip), false),
            (frame::ICMPV4, Some(0)) | (frame::ICMPV6, Some(129)) => {
                let ident = frame::be16(ip.payload, 4);
                let ping = ident.and_then(|ident| self.pings.get(&ident)).copied();
                (ping.filter(|index| self.is_on(*index, link)).map_or(misc, Target::Flow), false)
            }
            (frame::ICMPV4, Some(3)) | (frame::ICMPV6, Some(1 | 2)) => {
                self.unreachable(&ip);
                (Target::Drop, false)
            }
            (frame::ICMPV6, Some(134)) if !router::is_sane(ip.payload) => (Target::Drop, false),
            (frame::ICMPV6, Some(134)) => {
                l.learn_from_ndisc(&ip, self.now);
                self.note_name_servers(link, &ip);
                (misc, true)
            }
            (frame::ICMPV6, Some(133..=137)) => {
                l.learn_from_ndisc(&ip, self.now);
                (misc, true)
            }
            (frame::ICMPV6, _) => (misc, true),
            // DHCP, fragments of pings, multicast reports: all that smoltcp deals with by itself.
            _ => (misc, false),
        }
    }

    fn is_on(&self, flow: u32, link: usize) -> bool {
        self.flows.get(flow).is_some_and(|flow| flow.link == link)
    }

    fn classify_udp(&mut self, link: usize, ip: &IpSeen<'_>) -> Target<'static> {
        let l = &mut self.links[link];
        let misc = Target::Flow(l.misc);
        let Some((src_port, dst_port)) = l.fragments.ports_of(ip) else { return misc };
        if (src_port, dst_port) == (67, 68) && matches!(ip.src, IpAddress::Ipv4(_)) && l.mac.is_some() {
            return misc;
        }
        if l.is_loopback() && !self.is_local(ip.dst) {
            return Target::Drop;
        }
        match self.udp_socket_for(ip.dst, dst_port, (ip.src, src_port)) {
            Some(owner) => self.udp_flow(owner, link).map_or(Target::Drop, Target::Flow),
            None => Target::Nobody,
        }
    }

    /// A router or a host reports that what we sent did not arrive; the report quotes it.
    fn unreachable(&mut self, ip: &IpSeen<'_>) {
        let Some(quoted) = ip.payload.get(8..).and_then(frame::look_ip) else { return };
        let Some((src_port, dst_port)) = frame::ports(quoted.payload) else { return };
        let (kind, code) = (ip.payload[0], ip.payload.get(1).copied().unwrap_or(0));
        let is_v4 = ip.protocol == frame::ICMPV4;
        let port_closed = code == if is_v4 { 3 } else { 4 };
        // The longest packet that the router would let through.
        let too_big = match (is_v4, kind, code) {
            (true, _, 4) => frame::be16(ip.payload, 6).map(usize::from),
            (false, 2, _) => frame::be32(ip.payload, 4).map(|mtu| mtu as usize),
            _ => None,
        };
        match quoted.protocol {
            frame::TCP => {
                let key = FlowKey { local: (src_port, quoted.src), remote: (dst_port, quoted.dst) };
                let Some(seq) = frame::be32(quoted.payload, 4) else { return };
                let Some(index) = self.tcp.index.get(&key).copied() else { return };
                match too_big {
                    Some(mtu) => self.tcp_too_big(index, seq, mtu),
                    None => self.tcp_unreachable(index, port_closed),
                }
            }
            frame::UDP if kind == 2 => {}
            frame::UDP => self.udp_unreachable(quoted.src, src_port, (quoted.dst, dst_port), port_closed),
            _ => {}
        }
    }

    /// Polls again the flows that wait for a hardware address.
    pub(crate) fn neighbours_changed(&mut self, link: usize) {
        for at in 0..self.links[link].waiting.len() {
            self.touch(self.links[link].waiting[at]);
        }
    }

    /// Whether the flow is an interface's own business.
    pub(crate) fn is_misc(&self, index: u32) -> bool {
        matches!(self.flows.get(index).map(|flow| &flow.kind), Some(Kind::Misc))
    }
}
