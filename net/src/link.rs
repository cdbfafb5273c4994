//! An interface: its smoltcp half, its configuration and its addresses.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use smoltcp::iface::{Config, Interface};
use smoltcp::phy::DeviceCapabilities;
use smoltcp::time::Instant;
use smoltcp::wire::{
    EthernetAddress, HardwareAddress, IpAddress, IpCidr, Ipv4Address, Ipv6Address, Ipv6Cidr,
};

use crate::config::{Cidr, IfConfig, Ipv4Config, Ipv6Config};
use crate::device::OneFrame;
use crate::frame::FragmentPorts;
use crate::neighbour::Neighbours;

/// The number of an interface; 0 is the loopback interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct IfIndex(pub(crate) usize);

impl IfIndex {
    /// The loopback interface.
    pub const LOOPBACK: Self = Self(0);

    /// As a number.
    pub fn get(self) -> usize {
        self.0
    }
}

/// What an interface looks like now.
#[derive(Debug, Clone)]
pub struct IfStatus {
    /// Its number.
    pub index: IfIndex,
    /// Its name.
    pub name: String,
    /// Its hardware address; `None` for loopback.
    pub mac: Option<[u8; 6]>,
    /// Whether its device is there.
    pub up: bool,
    /// Its addresses.
    pub addresses: Vec<Cidr>,
    /// Its default routers.
    pub gateways: Vec<IpAddr>,
    /// The name servers that it knows.
    pub dns: Vec<IpAddr>,
    /// The longest IP packet.
    pub mtu: usize,
}

pub(crate) struct Link {
    pub(crate) name: String,
    pub(crate) iface: Box<Interface>,
    pub(crate) caps: DeviceCapabilities,
    pub(crate) mac: Option<[u8; 6]>,
    pub(crate) config: IfConfig,
    pub(crate) up: bool,
    /// The flow of what belongs to no socket: DHCP, router solicitation, answers to pings.
    pub(crate) misc: u32,
    /// Flows with something to send, in turn.
    pub(crate) dirty: VecDeque<u32>,
    /// Flows that wait for a neighbour's hardware address.
    pub(crate) waiting: Vec<u32>,
    /// The device had no room when last tried.
    pub(crate) blocked: bool,
    pub(crate) fragments: FragmentPorts,
    pub(crate) neighbours: Neighbours,
    pub(crate) lease: Option<Lease>,
    /// Addresses that the neighbours have been told of.
    pub(crate) announced: Vec<IpCidr>,
    /// Name servers that routers advertise, and until when.
    pub(crate) advertised_dns: Vec<(IpAddr, Instant)>,
    /// Multicast groups that were joined and not left.
    pub(crate) joined: Vec<IpAddress>,
}

/// What a DHCP server gave.
#[derive(Clone, PartialEq)]
pub(crate) struct Lease {
    pub(crate) cidr: IpCidr,
    pub(crate) router: Option<Ipv4Address>,
    pub(crate) dns: Vec<IpAddr>,
}

/// A smoltcp interface with the addresses that do not depend on the network's answers.
pub(crate) fn make_interface(
    caps: &DeviceCapabilities,
    mac: Option<[u8; 6]>,
    config: &IfConfig,
    seed: u64,
    now: Instant,
) -> Box<Interface> {
    let hardware = mac.map_or(HardwareAddress::Ip, |mac| HardwareAddress::Ethernet(EthernetAddress(mac)));
    let mut settings = Config::new(hardware);
    settings.random_seed = seed;
    settings.slaac = mac.is_some() && config.ipv6 == Ipv6Config::Slaac;
    let mut device = OneFrame::<'_, NoTx> { frame: None, meta: Default::default(), caps };
    let mut iface = Box::new(Interface::new(settings, &mut device, now));
    if mac.is_none() {
        // Whatever is sent to one of our own addresses comes this way.
        iface.set_any_ip(true);
    }
    iface.update_ip_addrs(|addrs| {
        if let (Some(mac), true) = (mac, config.ipv6 != Ipv6Config::None) {
            let _ = addrs.push(IpCidr::Ipv6(link_local(mac)));
        }
        if let Ipv4Config::Static { cidr, .. } = config.ipv4 {
            let _ = addrs.push(cidr.to_smoltcp());
        }
        if let Ipv6Config::Static { cidr, .. } = config.ipv6 {
            let _ = addrs.push(cidr.to_smoltcp());
        }
        if mac.is_none() {
            let _ = addrs.push(IpCidr::new(Ipv4Addr::LOCALHOST.into(), 8));
            let _ = addrs.push(IpCidr::new(Ipv6Addr::LOCALHOST.into(), 128));
        }
    });
    if let Ipv4Config::Static { gateway: Some(gateway), .. } = config.ipv4
        && IpAddress::Ipv4(gateway).is_unicast()
    {
        let _ = iface.routes_mut().add_default_ipv4_route(gateway);
    }
    if let Ipv6Config::Static { gateway: Some(gateway), .. } = config.ipv6
        && IpAddress::Ipv6(gateway).is_unicast()
    {
        let _ = iface.routes_mut().add_default_ipv6_route(gateway);
    }
    iface
}

/// A device that never sends, to make an interface with.
struct NoTx;

impl smoltcp::phy::TxToken for NoTx {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        f(&mut alloc::vec![0; len])
    }
}

fn link_local(mac: [u8; 6]) -> Ipv6Cidr {
    let prefix = Ipv6Cidr::new(Ipv6Address::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 64);
    Ipv6Cidr::from_link_prefix(&prefix, HardwareAddress::Ethernet(EthernetAddress(mac)))
        .expect("an Ethernet address has an EUI-64 and the prefix is 64 bits long")
}

/// The hardware address of a multicast group (RFC 1112, RFC 2464).
fn multicast_mac(group: IpAddress) -> [u8; 6] {
    match group {
        IpAddress::Ipv4(group) => {
            let [_, b, c, d] = group.octets();
            [0x01, 0x00, 0x5e, b & 0x7f, c, d]
        }
        IpAddress::Ipv6(group) => {
            let [.., a, b, c, d] = group.octets();
            [0x33, 0x33, a, b, c, d]
        }
    }
}

impl Link {
    pub(crate) fn new(
        name: String,
        caps: DeviceCapabilities,
        mac: Option<[u8; 6]>,
        config: IfConfig,
        seed: u64,
        misc: u32,
        now: Instant,
    ) -> Self {
        let iface = make_interface(&caps, mac, &config, seed, now);
        Self {
            name,
            iface,
            caps,
            mac,
            config,
            up: true,
            misc,
            dirty: VecDeque::new(),
            waiting: Vec::new(),
            blocked: false,
            fragments: FragmentPorts::default(),
            neighbours: Neighbours::default(),
            lease: None,
            announced: Vec::new(),
            advertised_dns: Vec::new(),
            joined: Vec::new(),
        }
    }

    pub(crate) fn is_loopback(&self) -> bool {
        self.mac.is_none()
    }

    pub(crate) fn has_addr(&self, addr: IpAddress) -> bool {
        self.iface.ip_addrs().iter().any(|cidr| cidr.address() == addr)
    }

    /// Takes over what the DHCP server gave, or took back.
    pub(crate) fn set_lease(&mut self, lease: Option<Lease>) {
        if self.lease == lease {
            return;
        }
        let old = core::mem::replace(&mut self.lease, lease);
        let (old_cidr, new_cidr) = (old.map(|l| l.cidr), self.lease.as_ref().map(|l| l.cidr));
        if old_cidr != new_cidr {
            self.iface.update_ip_addrs(|addrs| {
                addrs.retain(|cidr| Some(*cidr) != old_cidr);
                if let Some(cidr) = new_cidr {
                    let _ = addrs.push(cidr);
                }
            });
        }
        self.iface.routes_mut().remove_default_ipv4_route();
        if let Some(router) = self.lease.as_ref().and_then(|l| l.router) {
            let _ = self.iface.routes_mut().add_default_ipv4_route(router);
        }
    }

    /// Whether the addresses that the configuration asks for are there.
    pub(crate) fn is_configured(&self) -> bool {
        let addrs = self.iface.ip_addrs();
        let has_v4 = addrs.iter().any(|cidr| matches!(cidr, IpCidr::Ipv4(_)));
        let has_v6 =
            addrs.iter().any(|cidr| matches!(cidr, IpCidr::Ipv6(c) if !c.address().is_unicast_link_local()));
        match (&self.config.ipv4, &self.config.ipv6) {
            (Ipv4Config::None, Ipv6Config::None) => true,
            // A network without routers is common: do not wait for one when there is IPv4.
            (Ipv4Config::None, _) => has_v6,
            _ => has_v4,
        }
    }

    pub(crate) fn dns(&self) -> impl Iterator<Item = IpAddr> {
        let leased = self.lease.iter().flat_map(|lease| lease.dns.iter().copied());
        let advertised = self.advertised_dns.iter().map(|(server, _)| *server);
        self.config.dns.iter().copied().chain(leased).chain(advertised)
    }

    /// The interface's own address for talking to `dst`.
    pub(crate) fn source_for(&self, dst: IpAddress) -> Option<IpAddress> {
        match dst {
            IpAddress::Ipv4(dst) => self.iface.get_source_address_ipv4(&dst).map(IpAddress::Ipv4),
            IpAddress::Ipv6(dst) => {
                let src = self.iface.get_source_address_ipv6(&dst);
                // smoltcp says `::1` for want of an address.
                (self.is_loopback() || !src.is_loopback()).then_some(IpAddress::Ipv6(src))
            }
        }
    }

    /// The multicast groups whose frames are for this interface, by hardware address; one may come twice.
    pub(crate) fn multicast_macs(&self) -> impl Iterator<Item = [u8; 6]> {
        let all = [Ipv4Addr::new(224, 0, 0, 1).into(), Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1).into()];
        // The solicited-node group of each address, to which its neighbours' questions go.
        let own = self.iface.ip_addrs().iter().filter_map(|cidr| match cidr {
            IpCidr::Ipv6(cidr) => {
                let [.., a, b, c] = cidr.address().octets();
                Some([0x33, 0x33, 0xff, a, b, c])
            }
            IpCidr::Ipv4(_) => None,
        });
        all.into_iter().chain(self.joined.iter().copied()).map(multicast_mac).chain(own)
    }

    /// How well this interface leads to `dst`: the prefix length of the best way, on link or through a router.
    pub(crate) fn way_to(&mut self, dst: IpAddress) -> Option<u8> {
        let on_link =
            self.iface.ip_addrs().iter().filter(|c| c.contains_addr(&dst)).map(|c| c.prefix_len()).max();
        let mut routed = None;
        self.iface.routes_mut().update(|routes| {
            routed = routes.iter().filter(|r| r.cidr.contains_addr(&dst)).map(|r| r.cidr.prefix_len()).max();
        });
        on_link.max(routed)
    }

    pub(crate) fn status(&mut self, index: usize) -> IfStatus {
        let mut gateways = Vec::new();
        self.iface.routes_mut().update(|routes| {
            gateways =
                routes.iter().filter(|r| r.cidr.prefix_len() == 0).map(|r| r.via_router.into()).collect();
        });
        IfStatus {
            index: IfIndex(index),
            name: self.name.clone(),
            mac: self.mac,
            up: self.up,
            addresses: self.iface.ip_addrs().iter().map(|cidr| Cidr::from_smoltcp(*cidr)).collect(),
            gateways,
            dns: self.dns().collect(),
            mtu: self.caps.ip_mtu(),
        }
    }
}
