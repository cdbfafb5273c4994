//! Asking for a neighbour's hardware address (ARP, NDISC); `known` keeps the answers.
//!
//! smoltcp does it too, but once a second for all neighbours together, and it forgets what it knows whenever an address
//! changes. The answers are its business in any case.

use smoltcp::phy::{Device, TxToken};
use smoltcp::time::Instant;
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol, EthernetRepr,
    Icmpv6Packet, Icmpv6Repr, IpAddress, IpCidr, IpProtocol, Ipv4Address, Ipv6Address, Ipv6Packet, Ipv6Repr,
    NdiscNeighborFlags, NdiscRepr,
};

mod known;

use alloc::vec::Vec;

use crate::device::Port;
use crate::link::Link;
pub(crate) use known::{Neighbours, Way};

const ETHERNET: usize = 14;

impl Link {
    /// Asks for the hardware address of the next hop to `to`.
    pub(crate) fn ask_for_neighbour<D: Device>(
        &mut self,
        now: Instant,
        to: Option<IpAddress>,
        port: &mut Port<D>,
    ) {
        let (Some(to), Some(mac)) = (to, self.mac) else { return };
        let Some(hop) = self.next_hop(to, now) else { return };
        let source = self.source_for(hop);
        match (hop, source) {
            (IpAddress::Ipv4(hop), Some(IpAddress::Ipv4(source))) => {
                ask_ipv4(EthernetAddress(mac), source, hop, now, port);
            }
            (IpAddress::Ipv6(hop), Some(IpAddress::Ipv6(source))) => {
                self.ask_ipv6(EthernetAddress(mac), source, hop, now, port);
            }
            _ => {}
        }
    }

    /// Tells the neighbours of addresses that are new (RFC 5227 section 2.3, RFC 4861 section 7.2.6). Who asked for one before
    /// it was there would else ask again only after a second.
    pub(crate) fn announce<D: Device>(&mut self, now: Instant, port: &mut Port<D>) {
        let Some(mac) = self.mac.filter(|_| self.up) else { return };
        let mac = EthernetAddress(mac);
        let addresses = self.iface.ip_addrs();
        self.announced.retain(|known| addresses.contains(known));
        let new: Vec<IpCidr> =
            addresses.iter().filter(|cidr| !self.announced.contains(cidr)).copied().collect();
        for cidr in new {
            match cidr.address() {
                IpAddress::Ipv4(address) => ask_ipv4(mac, address, address, now, port),
                IpAddress::Ipv6(address) => self.advertise_ipv6(mac, address, now, port),
            }
            self.announced.push(cidr);
        }
    }

    /// The neighbour that packets to `to` are handed to.
    fn next_hop(&mut self, to: IpAddress, now: Instant) -> Option<IpAddress> {
        if !to.is_unicast() {
            return None;
        }
        if self.iface.ip_addrs().iter().any(|cidr| cidr.contains_addr(&to)) {
            return Some(to);
        }
        let mut hop = None;
        self.iface.routes_mut().update(|routes| {
            let ways = routes
                .iter()
                .filter(|r| r.cidr.contains_addr(&to) && r.expires_at.is_none_or(|at| at >= now));
            hop = ways.max_by_key(|r| r.cidr.prefix_len()).map(|r| r.via_router);
        });
        hop
    }

    fn ask_ipv6<D: Device>(
        &self,
        mac: EthernetAddress,
        source: Ipv6Address,
        hop: Ipv6Address,
        now: Instant,
        port: &mut Port<D>,
    ) {
        // The solicited-node group of RFC 4291.
        let [.., x, y, z] = hop.octets();
        let dst = Ipv6Address::from([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, x, y, z]);
        let solicit = NdiscRepr::NeighborSolicit { target_addr: hop, lladdr: Some(mac.into()) };
        let to = EthernetAddress([0x33, 0x33, 0xff, x, y, z]);
        self.send_ndisc((mac, to), (source, dst), solicit, now, port);
    }

    fn advertise_ipv6<D: Device>(
        &self,
        mac: EthernetAddress,
        address: Ipv6Address,
        now: Instant,
        port: &mut Port<D>,
    ) {
        let all_nodes = Ipv6Address::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
        let advertise = NdiscRepr::NeighborAdvert {
            flags: NdiscNeighborFlags::OVERRIDE,
            target_addr: address,
            lladdr: Some(mac.into()),
        };
        let to = EthernetAddress([0x33, 0x33, 0, 0, 0, 1]);
        self.send_ndisc((mac, to), (address, all_nodes), advertise, now, port);
    }

    fn send_ndisc<D: Device>(
        &self,
        (mac, to): (EthernetAddress, EthernetAddress),
        (source, dst): (Ipv6Address, Ipv6Address),
        message: NdiscRepr<'_>,
        now: Instant,
        port: &mut Port<D>,
    ) {
        let Some(token) = port.transmit(now, None) else { return };
        let icmp = Icmpv6Repr::Ndisc(message);
        let ip = Ipv6Repr {
            src_addr: source,
            dst_addr: dst,
            next_header: IpProtocol::Icmpv6,
            payload_len: icmp.buffer_len(),
            hop_limit: 255,
        };
        let ethernet = EthernetRepr { src_addr: mac, dst_addr: to, ethertype: EthernetProtocol::Ipv6 };
        token.consume(ETHERNET + ip.buffer_len() + icmp.buffer_len(), |frame| {
            ethernet.emit(&mut EthernetFrame::new_unchecked(&mut *frame));
            let mut packet = Ipv6Packet::new_unchecked(&mut frame[ETHERNET..]);
            ip.emit(&mut packet);
            let mut packet = Icmpv6Packet::new_unchecked(packet.payload_mut());
            icmp.emit(&source, &dst, &mut packet, &self.caps.checksum);
        });
    }
}

fn ask_ipv4<D: Device>(
    mac: EthernetAddress,
    source: Ipv4Address,
    hop: Ipv4Address,
    now: Instant,
    port: &mut Port<D>,
) {
    let Some(token) = port.transmit(now, None) else { return };
    let arp = ArpRepr::EthernetIpv4 {
        operation: ArpOperation::Request,
        source_hardware_addr: mac,
        source_protocol_addr: source,
        target_hardware_addr: EthernetAddress::BROADCAST,
        target_protocol_addr: hop,
    };
    let to = EthernetAddress::BROADCAST;
    let ethernet = EthernetRepr { src_addr: mac, dst_addr: to, ethertype: EthernetProtocol::Arp };
    token.consume(ETHERNET + arp.buffer_len(), |frame| {
        ethernet.emit(&mut EthernetFrame::new_unchecked(&mut *frame));
        arp.emit(&mut ArpPacket::new_unchecked(&mut frame[ETHERNET..]));
    });
}
