//! `NETLINK_ROUTE`: the interfaces, addresses and routes, to be read and not changed.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use linux_base::{Errno, Result};
use net::{Cidr, IfStatus};

use super::wire::{Answers, NLM_F_DUMP, Request, attribute, u32_at};
use crate::ioctl::{broadcast, flags, hardware_type};
use crate::network::Net;
use crate::numbers::{AF_INET, AF_INET6};

const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_GETLINK: u16 = 18;
const RTM_NEWADDR: u16 = 20;
const RTM_GETADDR: u16 = 22;
const RTM_NEWROUTE: u16 = 24;
const RTM_GETROUTE: u16 = 26;
const RTM_GETNEIGH: u16 = 30;

const IFLA_ADDRESS: u16 = 1;
const IFLA_BROADCAST: u16 = 2;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_QDISC: u16 = 6;
const IFLA_TXQLEN: u16 = 13;
const IFLA_OPERSTATE: u16 = 16;
const IFLA_LINKMODE: u16 = 17;
const IFLA_STATS64: u16 = 23;
const IFLA_GROUP: u16 = 27;
const IFLA_PROMISCUITY: u16 = 30;
const IFLA_NUM_TX_QUEUES: u16 = 31;
const IFLA_NUM_RX_QUEUES: u16 = 32;
const IFLA_CARRIER: u16 = 33;

const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_LABEL: u16 = 3;
const IFA_BROADCAST: u16 = 4;
const IFA_CACHEINFO: u16 = 6;
const IFA_FLAGS: u16 = 8;
const IFA_F_PERMANENT: u8 = 0x80;

const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PREFSRC: u16 = 7;
const RTA_TABLE: u16 = 15;
const TABLE_MAIN: u8 = 254;
const BY_KERNEL: u8 = 2;
const AT_BOOT: u8 = 3;

const SCOPE_UNIVERSE: u8 = 0;
const SCOPE_LINK: u8 = 253;
const SCOPE_HOST: u8 = 254;

/// An interface's number as programs see it: they count from 1.
fn index(interface: &IfStatus) -> u32 {
    interface.index.get() as u32 + 1
}

/// Answers a request, or says with what it fails.
pub(super) fn answer(net: &mut dyn Net, request: &Request<'_>, answers: &mut Answers) -> Result<()> {
    let all = net.interfaces();
    let family = request.body.first().copied().unwrap_or(0);
    let is_dump = request.flags & NLM_F_DUMP == NLM_F_DUMP;
    match request.kind {
        RTM_GETLINK if is_dump => all.iter().for_each(|interface| link(interface, answers)),
        RTM_GETLINK => link(one_link(&all, request.body)?, answers),
        RTM_GETADDR if is_dump => {
            let wanted = u32_at(request.body, 4).unwrap_or(0);
            for interface in all.iter().filter(|interface| wanted == 0 || index(interface) == wanted) {
                for cidr in interface.addresses.iter().filter(|cidr| is_of(family, cidr.addr())) {
                    address(interface, *cidr, answers);
                }
            }
        }
        RTM_GETROUTE if is_dump => routes(&all, family, answers),
        RTM_GETROUTE => route_to(net, &all, request.body, answers)?,
        RTM_GETNEIGH if is_dump => {}
        _ => return Err(Errno::EOPNOTSUPP),
    }
    if is_dump {
        answers.done();
    }
    Ok(())
}

fn is_of(family: u8, addr: IpAddr) -> bool {
    family == 0 || family == family_of(addr)
}

fn family_of(addr: IpAddr) -> u8 {
    if addr.is_ipv4() { AF_INET as u8 } else { AF_INET6 as u8 }
}

fn one_link<'a>(all: &'a [IfStatus], body: &[u8]) -> Result<&'a IfStatus> {
    let wanted = u32_at(body, 4).ok_or(Errno::EINVAL)?;
    let name = body.get(16..).and_then(|rest| attribute(rest, IFLA_IFNAME));
    let name = name.map(|name| name.split(|byte| *byte == 0).next().unwrap_or(&[]));
    let found = match (wanted, name) {
        (0, Some(name)) => all.iter().find(|interface| interface.name.as_bytes() == name),
        (0, None) => return Err(Errno::EINVAL),
        (wanted, _) => all.iter().find(|interface| index(interface) == wanted),
    };
    found.ok_or(Errno::ENODEV)
}

/// Tells that an interface has come, or has gone.
pub(super) fn link_news(interface: &IfStatus, is_there: bool, answers: &mut Answers) {
    let number = interface.index.get().saturating_sub(1);
    let named = IfStatus { name: alloc::format!("eth{number}"), ..interface.clone() };
    message(if is_there { RTM_NEWLINK } else { RTM_DELLINK }, &named, answers);
}

fn link(interface: &IfStatus, answers: &mut Answers) {
    message(RTM_NEWLINK, interface, answers);
}

fn message(kind: u16, interface: &IfStatus, answers: &mut Answers) {
    let mut fixed = [0; 16];
    fixed[2..4].copy_from_slice(&hardware_type(interface).to_le_bytes());
    fixed[4..8].copy_from_slice(&index(interface).to_le_bytes());
    fixed[8..12].copy_from_slice(&flags(interface).to_le_bytes());
    let is_loopback = interface.mac.is_none();
    answers.add(kind, &fixed, |attributes| {
        attributes.put_text(IFLA_IFNAME, &interface.name);
        attributes.put_u32(IFLA_TXQLEN, 1000);
        // Unknown, as Linux says of loopback; up; down.
        let state = if is_loopback {
            0
        } else if interface.up {
            6
        } else {
            2
        };
        attributes.put(IFLA_OPERSTATE, &[state]);
        attributes.put(IFLA_LINKMODE, &[0]);
        attributes.put_u32(IFLA_MTU, interface.mtu as u32);
        attributes.put_u32(IFLA_GROUP, 0);
        attributes.put_u32(IFLA_PROMISCUITY, 0);
        attributes.put_u32(IFLA_NUM_TX_QUEUES, 1);
        attributes.put_u32(IFLA_NUM_RX_QUEUES, 1);
        attributes.put(IFLA_CARRIER, &[u8::from(interface.up)]);
        attributes.put_text(IFLA_QDISC, "noqueue");
        attributes.put(IFLA_ADDRESS, &interface.mac.unwrap_or([0; 6]));
        attributes.put(IFLA_BROADCAST, &if is_loopback { [0; 6] } else { [0xff; 6] });
        attributes.put(IFLA_STATS64, &[0; 192]);
    });
}

fn address(interface: &IfStatus, cidr: Cidr, answers: &mut Answers) {
    let scope = match cidr.addr() {
        addr if addr.is_loopback() => SCOPE_HOST,
        IpAddr::V6(addr) if addr.is_unicast_link_local() => SCOPE_LINK,
        _ => SCOPE_UNIVERSE,
    };
    let mut fixed = [family_of(cidr.addr()), cidr.prefix_len(), IFA_F_PERMANENT, scope, 0, 0, 0, 0];
    fixed[4..].copy_from_slice(&index(interface).to_le_bytes());
    answers.add(RTM_NEWADDR, &fixed, |attributes| {
        match cidr.addr() {
            IpAddr::V4(addr) => {
                attributes.put(IFA_ADDRESS, &addr.octets());
                attributes.put(IFA_LOCAL, &addr.octets());
                if interface.mac.is_some() && cidr.prefix_len() < 31 {
                    attributes.put(IFA_BROADCAST, &broadcast(addr, cidr.prefix_len()).octets());
                }
                attributes.put_text(IFA_LABEL, &interface.name);
            }
            IpAddr::V6(addr) => attributes.put(IFA_ADDRESS, &addr.octets()),
        }
        attributes.put_u32(IFA_FLAGS, u32::from(IFA_F_PERMANENT));
        // Preferred and valid for ever; made and changed at the start.
        let mut times = [0xff; 16];
        times[8..].fill(0);
        attributes.put(IFA_CACHEINFO, &times);
    });
}

fn octets(addr: IpAddr) -> ([u8; 16], usize) {
    match addr {
        IpAddr::V4(addr) => {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&addr.octets());
            (bytes, 4)
        }
        IpAddr::V6(addr) => (addr.octets(), 16),
    }
}

fn masked(cidr: Cidr) -> IpAddr {
    match cidr.addr() {
        IpAddr::V4(addr) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(cidr.prefix_len())).unwrap_or(0);
            Ipv4Addr::from(u32::from(addr) & mask).into()
        }
        IpAddr::V6(addr) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(cidr.prefix_len())).unwrap_or(0);
            Ipv6Addr::from(u128::from(addr) & mask).into()
        }
    }
}

/// A route as a message tells it.
struct Route {
    /// Where to, and how many bits of it count.
    to: (IpAddr, u8),
    by: u8,
    scope: u8,
    flags: u32,
    gateway: Option<IpAddr>,
    from: Option<IpAddr>,
    interface: u32,
}

fn route(route: &Route, answers: &mut Answers) {
    let (to, len) = route.to;
    let mut fixed = [family_of(to), len, 0, 0, TABLE_MAIN, route.by, route.scope, 1, 0, 0, 0, 0];
    fixed[8..].copy_from_slice(&route.flags.to_le_bytes());
    answers.add(RTM_NEWROUTE, &fixed, |attributes| {
        attributes.put_u32(RTA_TABLE, u32::from(TABLE_MAIN));
        if len > 0 {
            let (bytes, size) = octets(to);
            attributes.put(RTA_DST, &bytes[..size]);
        }
        for (kind, addr) in [(RTA_GATEWAY, route.gateway), (RTA_PREFSRC, route.from)] {
            if let Some((bytes, size)) = addr.map(octets) {
                attributes.put(kind, &bytes[..size]);
            }
        }
        attributes.put_u32(RTA_OIF, route.interface);
    });
}

/// The default routes, and those to what is on link.
fn routes(all: &[IfStatus], family: u8, answers: &mut Answers) {
    for interface in all.iter().filter(|interface| interface.mac.is_some()) {
        let interface_index = index(interface);
        for gateway in interface.gateways.iter().copied().filter(|gateway| is_of(family, *gateway)) {
            let any: IpAddr =
                if gateway.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
            let (by, scope) = (AT_BOOT, SCOPE_UNIVERSE);
            let gateway = Some(gateway);
            let found =
                Route { to: (any, 0), by, scope, flags: 0, gateway, from: None, interface: interface_index };
            route(&found, answers);
        }
        for cidr in interface.addresses.iter().filter(|cidr| is_of(family, cidr.addr())) {
            let is_v4 = cidr.addr().is_ipv4();
            let found = Route {
                to: (masked(*cidr), cidr.prefix_len()),
                by: BY_KERNEL,
                scope: if is_v4 { SCOPE_LINK } else { SCOPE_UNIVERSE },
                flags: 0,
                gateway: None,
                from: is_v4.then(|| cidr.addr()),
                interface: interface_index,
            };
            route(&found, answers);
        }
    }
}

/// The route to one address.
fn route_to(net: &mut dyn Net, all: &[IfStatus], body: &[u8], answers: &mut Answers) -> Result<()> {
    const CLONED: u32 = 0x200;
    let to = body.get(12..).and_then(|rest| attribute(rest, RTA_DST)).ok_or(Errno::EINVAL)?;
    let to: IpAddr = match (<[u8; 4]>::try_from(to), <[u8; 16]>::try_from(to)) {
        (Ok(v4), _) => v4.into(),
        (_, Ok(v6)) => v6.into(),
        _ => return Err(Errno::EINVAL),
    };
    let from = net.local_addr_for(to).map_err(|_| Errno::ENETUNREACH)?;
    let has = |interface: &&IfStatus| interface.addresses.iter().any(|cidr| cidr.addr() == from);
    let interface = all.iter().find(has).ok_or(Errno::ENETUNREACH)?;
    let on_link = interface
        .addresses
        .iter()
        .any(|cidr| Cidr::new(to, cidr.prefix_len()).is_ok_and(|other| masked(other) == masked(*cidr)));
    let gateway = interface.gateways.iter().copied().find(|gateway| gateway.is_ipv4() == to.is_ipv4());
    let len = if to.is_ipv4() { 32 } else { 128 };
    let found = Route {
        to: (to, len),
        by: 0,
        scope: SCOPE_UNIVERSE,
        flags: CLONED,
        gateway: gateway.filter(|_| !on_link),
        from: Some(from),
        interface: if net.is_local(to) { 1 } else { index(interface) },
    };
    route(&found, answers);
    Ok(())
}
