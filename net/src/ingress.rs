//! From a received frame to the one socket that it is for.

use smoltcp::phy::{PacketMeta, TxToken};
use smoltcp::wire::IpAddress;

use crate::core_::{Cause, Core, Kind};
use crate::device::OneFrame;
use crate::frame::{self, IpSeen, Seen};
use crate::route::is_loopback;
use crate::router;
use crate::tcp::{FlowKey, time_wait};

/// Where a frame goes.
enum Target {
    Drop,
    /// To the socket of this flow.
    Flow(u32),
    /// To no socket: smoltcp refuses it politely.
    Nobody,
    /// To a connection that is over; what the peer sends again is acknowledged again.
    TimeWait,
}

impl Core {
    /// Takes in one frame; `tx` is the room to answer it.
    pub(crate) fn receive<T: TxToken>(&mut self, link: usize, frame: &[u8], mut meta: PacketMeta, tx: T) {
        let (target, neighbour) = self.classify(link, frame);
        let misc = self.links[link].misc;
        let link_ref = &mut self.links[link];
        let set = match target {
            Target::Drop => return,
            Target::TimeWait => return time_wait::acknowledge(frame, &link_ref.caps, tx),
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

    /// Where the frame goes, and whether it may tell a neighbour's hardware address.
    fn classify(&mut self, link: usize, frame: &[u8]) -> (Target, bool) {
        let l = &self.links[link];
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
            Seen::Arp => return (misc, true),
            Seen::Ip(ip) => ip,
            Seen::Other => return (Target::Drop, false),
        };
        if !l.is_loopback() && (is_loopback(ip.src) || is_loopback(ip.dst)) {
            return (Target::Drop, false);
        }
        let icmp_type = ip.payload.first().copied();
        match (ip.protocol, icmp_type) {
            (frame::TCP, _) if to_group => (Target::Drop, false),
            (frame::TCP, _) => (self.classify_tcp(link, &ip), false),
            (frame::UDP, _) => (self.classify_udp(link, &ip), false),
            (frame::ICMPV4, Some(0)) | (frame::ICMPV6, Some(129)) => {
                let ident = frame::be16(ip.payload, 4);
                let ping = ident.and_then(|ident| self.pings.get(&ident)).copied();
                (ping.filter(|index| self.is_on(*index, link)).map_or(misc, Target::Flow), false)
            }
            (frame::ICMPV4, Some(3)) | (frame::ICMPV6, Some(1)) => {
                self.unreachable(&ip);
                (Target::Drop, false)
            }
            (frame::ICMPV6, Some(134)) if !router::is_sane(ip.payload) => (Target::Drop, false),
            (frame::ICMPV6, Some(134)) => {
                self.note_name_servers(link, &ip);
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

    fn classify_tcp(&mut self, link: usize, ip: &IpSeen<'_>) -> Target {
        let l = &mut self.links[link];
        let own = |addr| if l.is_loopback() { true } else { l.has_addr(addr) };
        // Only a host speaks TCP, and only to a host; nobody else sends from our address.
        if !ip.src.is_unicast() || !own(ip.dst) || (!l.is_loopback() && l.has_addr(ip.src)) {
            return Target::Drop;
        }
        let misc = Target::Flow(l.misc);
        let Some((src_port, dst_port)) = l.fragments.ports_of(ip) else { return misc };
        if src_port == 0 || dst_port == 0 {
            return Target::Drop;
        }
        let key = FlowKey { local: (dst_port, ip.dst), remote: (src_port, ip.src) };
        let segment = match ip.fragment {
            Some(fragment) if fragment.offset != 0 => None,
            _ => frame::look_tcp(ip.payload),
        };
        if let Some(index) = self.tcp.index.get(&key).copied() {
            // Two that call each other at once do not meet here: smoltcp panics when the other's call comes before its
            // own is sent.
            let crosses = segment.is_some_and(|segment| segment.opens()) && self.is_opening(index);
            return if self.is_on(index, link) && !crosses { Target::Flow(index) } else { Target::Drop };
        }
        let Some(segment) = segment else { return Target::Drop };
        let listener = if segment.opens() { self.listener_for(&key) } else { None };
        if self.tcp.time_wait.contains(&key, self.now) {
            match listener {
                Some(_) => self.tcp.time_wait.remove(&key),
                None if segment.rst() || segment.len == 0 => return Target::Drop,
                None => return Target::TimeWait,
            }
        }
        match listener {
            Some(listener) => self.admit(link, key, listener).map_or(Target::Drop, Target::Flow),
            None => Target::Nobody,
        }
    }

    fn classify_udp(&mut self, link: usize, ip: &IpSeen<'_>) -> Target {
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
        let code = ip.payload.get(1).copied().unwrap_or(0);
        let port_closed = code == if ip.protocol == frame::ICMPV4 { 3 } else { 4 };
        match quoted.protocol {
            frame::TCP => {
                let key = FlowKey { local: (src_port, quoted.src), remote: (dst_port, quoted.dst) };
                let seq = quoted.payload.get(4..8).is_some();
                if seq && let Some(index) = self.tcp.index.get(&key).copied() {
                    self.tcp_unreachable(index, port_closed);
                }
            }
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
