//! The hardware addresses of neighbours, for connections: smoltcp keeps its own for what it sends.

use alloc::collections::BTreeMap;
use smoltcp::phy::{Device, Medium};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, EthernetAddress, EthernetFrame, HardwareAddress, Icmpv6Packet,
    Icmpv6Repr, IpAddress, NdiscRepr, RawHardwareAddress,
};

use crate::device::Port;
use crate::frame::IpSeen;
use crate::link::Link;

/// How long an answer is good.
const GOOD: Duration = Duration::from_secs(60);
/// After this time it is asked for again, while it is still used.
const FRESH: Duration = Duration::from_secs(30);
/// Between two questions for the same address.
const PAUSE: Duration = Duration::from_secs(1);
/// Addresses remembered.
const MOST: usize = 256;

/// How a packet leaves an interface.
pub(crate) enum Way {
    /// Without hardware addresses.
    Loopback,
    /// From the first to the second address.
    Neighbour((EthernetAddress, EthernetAddress)),
    /// The neighbour was asked, or there is none.
    Unknown,
}

#[derive(Clone, Copy)]
struct Known {
    address: Option<EthernetAddress>,
    since: Instant,
    asked: Option<Instant>,
}

/// The neighbours of an interface.
#[derive(Default)]
pub(crate) struct Neighbours(BTreeMap<IpAddress, Known>);

impl Neighbours {
    fn learn(&mut self, ip: IpAddress, address: EthernetAddress, now: Instant) {
        if ip.is_unicast() && address.is_unicast() {
            self.make_room(ip);
            self.0.insert(ip, Known { address: Some(address), since: now, asked: None });
        }
    }

    /// The address if it is known, and whether to ask for it.
    fn look(&mut self, ip: IpAddress, now: Instant) -> (Option<EthernetAddress>, bool) {
        self.make_room(ip);
        let known = self.0.entry(ip).or_insert(Known { address: None, since: now, asked: None });
        let age = now - known.since;
        let address = known.address.filter(|_| age < GOOD);
        let asks =
            (address.is_none() || age >= FRESH) && known.asked.is_none_or(|asked| now - asked >= PAUSE);
        if asks {
            known.asked = Some(now);
        }
        (address, asks)
    }

    fn make_room(&mut self, ip: IpAddress) {
        if self.0.len() < MOST || self.0.contains_key(&ip) {
            return;
        }
        let oldest = self.0.iter().min_by_key(|(_, known)| known.since).map(|(ip, _)| *ip);
        oldest.map(|oldest| self.0.remove(&oldest));
    }
}

impl Link {
    /// How to send to `to`; asks for the neighbour's address if it is not known, or not for long any more.
    pub(crate) fn way<D: Device>(&mut self, now: Instant, to: IpAddress, port: &mut Port<D>) -> Way {
        let Some(mac) = self.mac else { return Way::Loopback };
        let Some(hop) = self.next_hop(to, now) else { return Way::Unknown };
        let (address, asks) = self.neighbours.look(hop, now);
        if asks {
            self.ask_for_neighbour(now, Some(to), port);
        }
        match address {
            Some(address) => Way::Neighbour((EthernetAddress(mac), address)),
            None => Way::Unknown,
        }
    }

    /// Takes over what an ARP packet for us tells of its sender.
    pub(crate) fn learn_from_arp(&mut self, frame: &[u8], now: Instant) {
        let Ok(ethernet) = EthernetFrame::new_checked(frame) else { return };
        let Ok(packet) = ArpPacket::new_checked(ethernet.payload()) else { return };
        let Ok(ArpRepr::EthernetIpv4 {
            operation,
            source_hardware_addr,
            source_protocol_addr,
            target_protocol_addr,
            ..
        }) = ArpRepr::parse(&packet)
        else {
            return;
        };
        let source = IpAddress::Ipv4(source_protocol_addr);
        let is_near = self.iface.ip_addrs().iter().any(|cidr| cidr.contains_addr(&source));
        let is_known_kind = matches!(operation, ArpOperation::Request | ArpOperation::Reply);
        if is_known_kind
            && is_near
            && self.has_addr(IpAddress::Ipv4(target_protocol_addr))
            && !self.has_addr(source)
        {
            self.neighbours.learn(source, source_hardware_addr, now);
        } else if is_known_kind && source_protocol_addr == target_protocol_addr {
            self.follow(source, source_hardware_addr, now);
        }
    }

    /// A neighbour announces an address: one that we know may have moved.
    fn follow(&mut self, ip: IpAddress, address: EthernetAddress, now: Instant) {
        if self.neighbours.0.contains_key(&ip) {
            self.neighbours.learn(ip, address, now);
        }
    }

    /// Takes over what a message of neighbour discovery tells of its sender.
    pub(crate) fn learn_from_ndisc(&mut self, ip: &IpSeen<'_>, now: Instant) {
        let (IpAddress::Ipv6(src), IpAddress::Ipv6(dst)) = (ip.src, ip.dst) else { return };
        if ip.hop_limit != 255 || self.is_loopback() {
            return;
        }
        let Ok(packet) = Icmpv6Packet::new_checked(ip.payload) else { return };
        let Ok(Icmpv6Repr::Ndisc(message)) = Icmpv6Repr::parse(&src, &dst, &packet, &self.caps.checksum)
        else {
            return;
        };
        let ethernet = |raw: RawHardwareAddress| match raw.parse(Medium::Ethernet) {
            Ok(HardwareAddress::Ethernet(address)) => Some(address),
            _ => None,
        };
        match message {
            NdiscRepr::NeighborAdvert { target_addr, lladdr: Some(raw), .. } => {
                if let Some(address) = ethernet(raw) {
                    self.follow(IpAddress::Ipv6(target_addr), address, now);
                }
            }
            NdiscRepr::NeighborSolicit { lladdr: Some(raw), target_addr } => {
                if let Some(address) = ethernet(raw)
                    && self.has_addr(IpAddress::Ipv6(target_addr))
                {
                    self.neighbours.learn(IpAddress::Ipv6(src), address, now);
                }
            }
            NdiscRepr::RouterAdvert { lladdr: Some(raw), .. } => {
                if let Some(address) = ethernet(raw) {
                    self.neighbours.learn(IpAddress::Ipv6(src), address, now);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smoltcp::wire::Ipv4Address;

    #[test]
    fn an_answer_is_used_while_it_is_asked_for_again_and_then_forgotten() {
        let (ip, mac) = (IpAddress::Ipv4(Ipv4Address::new(10, 0, 0, 2)), EthernetAddress([2, 0, 0, 0, 0, 9]));
        let at = Instant::from_secs;
        let mut neighbours = Neighbours::default();
        assert_eq!(neighbours.look(ip, at(0)), (None, true));
        assert_eq!(neighbours.look(ip, Instant::from_millis(900)), (None, false));
        neighbours.learn(ip, mac, at(1));
        assert_eq!(neighbours.look(ip, at(30)), (Some(mac), false));
        assert_eq!(neighbours.look(ip, at(31)), (Some(mac), true));
        assert_eq!(neighbours.look(ip, at(31)), (Some(mac), false));
        assert_eq!(neighbours.look(ip, at(61)), (None, true));
        neighbours.learn(ip, EthernetAddress::BROADCAST, at(62));
        assert_eq!(neighbours.look(ip, at(62)).0, None);
        for n in 0..=u16::MAX {
            neighbours.look(IpAddress::Ipv4(Ipv4Address::from(0x0b00_0000 + u32::from(n))), at(63));
        }
        assert_eq!(neighbours.0.len(), MOST);
    }
}
