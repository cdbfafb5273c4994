//! Addresses from DHCP servers and routers, and names from name servers.
mod common;

use common::*;
use net::smoltcp::phy::ChecksumCapabilities;
use net::smoltcp::time::Duration;
use net::smoltcp::wire::*;
use net::{Error, IfConfig, Ipv4Config, Ipv6Config, UdpId, UdpOptions};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A DHCP server on stack 0 that gives 10.0.0.50.
struct DhcpServer {
    socket: UdpId,
    lease_seconds: u32,
    router: Ipv4Addr,
    hostname: Option<Vec<u8>>,
    acks: usize,
}

impl DhcpServer {
    fn new(sim: &mut Sim) -> Self {
        let socket = sim.stacks[0].udp_bind(any(67), UdpOptions::default()).unwrap();
        let router = Ipv4Addr::new(10, 0, 0, 1);
        Self { socket, lease_seconds: 600, router, hostname: None, acks: 0 }
    }

    fn serve(&mut self, sim: &mut Sim) {
        let mut buf = [0; 1500];
        while let Ok((len, from)) = sim.stacks[0].udp_try_recv(self.socket, &mut buf) {
            let packet = DhcpPacket::new_checked(&buf[..len]).unwrap();
            let request = DhcpRepr::parse(&packet).unwrap();
            self.hostname = packet.options().find(|o| o.kind == 12).map(|o| o.data.to_vec());
            let message_type = match request.message_type {
                DhcpMessageType::Discover => DhcpMessageType::Offer,
                DhcpMessageType::Request => DhcpMessageType::Ack,
                _ => continue,
            };
            self.acks += usize::from(message_type == DhcpMessageType::Ack);
            let answer = DhcpRepr {
                message_type,
                your_ip: Ipv4Addr::new(10, 0, 0, 50),
                server_ip: Ipv4Addr::new(10, 0, 0, 1),
                router: Some(self.router),
                subnet_mask: Some(Ipv4Addr::new(255, 255, 255, 0)),
                requested_ip: None,
                client_identifier: None,
                server_identifier: Some(Ipv4Addr::new(10, 0, 0, 1)),
                parameter_request_list: None,
                max_size: None,
                lease_duration: Some(self.lease_seconds),
                dns_servers: Some([Ipv4Addr::new(10, 0, 0, 1)].into_iter().collect()),
                additional_options: &[],
                ..request
            };
            let mut out = vec![0; answer.buffer_len()];
            answer.emit(&mut DhcpPacket::new_unchecked(&mut out[..])).unwrap();
            let to = if from.ip().is_unspecified() { (Ipv4Addr::BROADCAST, 68).into() } else { from };
            sim.stacks[0].udp_try_send(self.socket, &out, Some(to)).unwrap();
        }
    }
}

fn dhcp_only() -> IfConfig {
    IfConfig {
        ipv4: Ipv4Config::Dhcp,
        ipv6: Ipv6Config::None,
        hostname: Some("guest7".into()),
        ..IfConfig::default()
    }
}

#[test]
#[cfg_attr(miri, ignore = "slow")]
fn a_dhcp_server_gives_an_address_renews_it_and_its_silence_takes_it_back() {
    let mut sim = Sim::new(1, 1);
    let mut server = DhcpServer::new(&mut sim);
    let client = sim.add(dhcp_only());
    let eth = sim.stacks[client].interfaces()[1].index;
    let status = sim.until(10 * S, |sim, cx| {
        server.serve(sim);
        ready(sim.stacks[client].poll_configured(eth, cx))
    });
    let status = status.unwrap();
    assert_eq!(sim.addresses(client), ["10.0.0.50/24"]);
    assert_eq!((status.gateways, status.dns), (vec![v4(1)], vec![v4(1)]));
    assert_eq!(server.hostname.as_deref(), Some(&b"guest7"[..]));
    assert_eq!(sim.stacks[client].local_addr_for("8.8.8.8".parse().unwrap()), Ok(v4(50)));

    let acks = server.acks;
    sim.until(600 * S, |sim, _| {
        server.serve(sim);
        (server.acks > acks).then_some(())
    });
    sim.run_for(500 * S);
    assert_eq!(sim.addresses(client), ["10.0.0.50/24"]);
    // Nobody serves any more.
    sim.run_for(700 * S);
    assert_eq!(sim.addresses(client), [""; 0]);
    assert_eq!(sim.stacks[client].local_addr_for("8.8.8.8".parse().unwrap()), Err(Error::NetworkUnreachable));
}

#[test]
#[cfg_attr(miri, ignore = "slow")]
fn dhcp_gets_through_loss_and_survives_a_router_that_is_no_host() {
    let mut sim = Sim::new(1, 2);
    sim.wires[0].borrow_mut().faults = Faults { lose: 400, ..Faults::default() };
    let mut server = DhcpServer::new(&mut sim);
    server.router = Ipv4Addr::BROADCAST;
    let client = sim.add(dhcp_only());
    sim.until(300 * S, |sim, _| {
        server.serve(sim);
        (sim.addresses(client) == ["10.0.0.50/24"]).then_some(())
    });
    assert!(sim.stacks[client].interfaces()[1].gateways.is_empty());
}

const ROUTER: Ipv6Address = Ipv6Address::new(0xfe80, 0, 0, 0, 0, 0, 0, 0xff);

/// With `dns`, a name server fd00::35 is advertised too.
fn advertisement(prefix: Ipv6Address, lifetime: u64, dns: bool) -> Vec<u8> {
    let mut flags = NdiscPrefixInfoFlags::ADDRCONF;
    flags |= NdiscPrefixInfoFlags::ON_LINK;
    let repr = Icmpv6Repr::Ndisc(NdiscRepr::RouterAdvert {
        hop_limit: 64,
        flags: NdiscRouterFlags::empty(),
        router_lifetime: Duration::from_secs(lifetime),
        reachable_time: Duration::ZERO,
        retrans_time: Duration::ZERO,
        lladdr: Some(EthernetAddress([2, 0, 0, 0, 0, 0xff]).into()),
        mtu: None,
        prefix_info: Some(NdiscPrefixInformation {
            prefix_len: 64,
            flags,
            valid_lifetime: Duration::from_secs(lifetime),
            preferred_lifetime: Duration::from_secs(lifetime),
            prefix,
        }),
    });
    let extra = if dns { 24 } else { 0 };
    let all_nodes = Ipv6Address::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
    let ip = Ipv6Repr {
        src_addr: ROUTER,
        dst_addr: all_nodes,
        next_header: IpProtocol::Icmpv6,
        payload_len: repr.buffer_len() + extra,
        hop_limit: 255,
    };
    let mut frame = vec![0; 14 + 40 + repr.buffer_len() + extra];
    frame[..14].copy_from_slice(&[0x33, 0x33, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0xff, 0x86, 0xdd]);
    let mut packet = Ipv6Packet::new_unchecked(&mut frame[14..]);
    ip.emit(&mut packet);
    let caps = ChecksumCapabilities::default();
    let end = packet.payload_mut().len() - extra;
    repr.emit(&ROUTER, &all_nodes, &mut Icmpv6Packet::new_unchecked(&mut packet.payload_mut()[..end]), &caps);
    if dns {
        packet.payload_mut()[end..end + 8].copy_from_slice(&[25, 3, 0, 0, 0, 0, 0, 50]);
        packet.payload_mut()[end + 8..].copy_from_slice(&"fd00::35".parse::<Ipv6Addr>().unwrap().octets());
        Icmpv6Packet::new_unchecked(packet.payload_mut()).fill_checksum(&ROUTER, &all_nodes);
    }
    frame
}

fn slaac_only() -> IfConfig {
    IfConfig { ipv4: Ipv4Config::None, ipv6: Ipv6Config::Slaac, ..IfConfig::default() }
}

#[test]
#[cfg_attr(miri, ignore = "slow")]
fn a_router_gives_a_prefix_and_its_lifetime_ends() {
    let mut sim = Sim { wires: vec![wire(3)], stacks: vec![], now: 0, polls: 0 };
    let client = sim.add(slaac_only());
    let router = plug(&sim.wires[0]).port;
    let eth = sim.stacks[client].interfaces()[1].index;
    // It asks first.
    sim.until(S, |sim, _| {
        let frames = sim.wires[0].borrow_mut().take(router);
        frames.iter().any(|f| f.len() > 54 && f[20] == 58 && f[54] == 133).then_some(())
    });
    let prefix = Ipv6Address::new(0xfd00, 1, 2, 3, 0, 0, 0, 0);
    sim.wires[0].borrow_mut().send(router, &advertisement(prefix, 100, true));
    let status = sim.until(S, |sim, cx| ready(sim.stacks[client].poll_configured(eth, cx))).unwrap();
    assert_eq!(sim.addresses(client), ["fe80::ff:fe00:1/64", "fd00:1:2:3:0:ff:fe00:1/64"]);
    assert_eq!(status.gateways, [IpAddr::V6(ROUTER)]);
    assert_eq!(status.dns, ["fd00::35".parse::<IpAddr>().unwrap()]);
    sim.run_for(60 * S);
    assert!(sim.stacks[client].interfaces()[1].dns.is_empty(), "the name server was named for 50 s");
    sim.run_for(50 * S);
    assert_eq!(sim.addresses(client), ["fe80::ff:fe00:1/64"]);
    assert!(sim.stacks[client].interfaces()[1].gateways.is_empty());
}

#[test]
fn an_advertisement_of_a_multicast_prefix_does_no_harm() {
    let mut sim = Sim { wires: vec![wire(4)], stacks: vec![], now: 0, polls: 0 };
    let client = sim.add(slaac_only());
    let router = plug(&sim.wires[0]).port;
    sim.run_for(S);
    let prefix = Ipv6Address::new(0xff05, 0, 0, 0, 0, 0, 0, 0);
    sim.wires[0].borrow_mut().send(router, &advertisement(prefix, 100, false));
    sim.run_for(S);
    assert_eq!(sim.addresses(client), ["fe80::ff:fe00:1/64"]);
}

#[test]
#[cfg_attr(miri, ignore = "slow")]
fn without_a_router_the_stack_falls_quiet() {
    let mut sim = Sim { wires: vec![wire(5)], stacks: vec![], now: 0, polls: 0 };
    sim.add(slaac_only());
    sim.run_for(60 * S);
    let polls = sim.polls;
    sim.run_for(100 * S);
    assert!(sim.polls - polls <= 21, "{} polls in 100 s", sim.polls - polls);
}

/// Answers the questions that arrive on stack 0's port 53.
fn serve_names(sim: &mut Sim, socket: UdpId, answer: &mut dyn FnMut(&str, u16) -> Option<Vec<u8>>) {
    let mut buf = [0; 1500];
    while let Ok((len, from)) = sim.stacks[0].udp_try_recv(socket, &mut buf) {
        let (mut name, mut i) = (String::new(), 12);
        while buf[i] != 0 {
            name += std::str::from_utf8(&buf[i + 1..i + 1 + usize::from(buf[i])]).unwrap();
            name.push('.');
            i += 1 + usize::from(buf[i]);
        }
        let kind = u16::from_be_bytes([buf[i + 1], buf[i + 2]]);
        let Some(tail) = answer(&name, kind) else { continue };
        // The tail is flags, answer count and answers.
        let mut message = buf[..len].to_vec();
        message[2..4].copy_from_slice(&tail[..2]);
        message[7] = tail[2];
        message.extend_from_slice(&tail[3..]);
        sim.stacks[0].udp_try_send(socket, &message, Some(from)).unwrap();
    }
}

fn a(addr: [u8; 4]) -> Vec<u8> {
    let mut tail = vec![0x81, 0x80, 1, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4];
    tail.extend_from_slice(&addr);
    tail
}

fn with_names() -> (Sim, UdpId) {
    let mut sim = Sim::new(1, 6);
    sim.add(IfConfig { dns: vec![v4(99), v4(1)], ..fixed(2) });
    let socket = sim.stacks[0].udp_bind(any(53), UdpOptions::default()).unwrap();
    (sim, socket)
}

#[test]
#[cfg_attr(miri, ignore = "slow")]
fn names_are_resolved_though_the_first_server_is_dead() {
    let (mut sim, socket) = with_names();
    let queries = ["one.test", "two.test.", "none.test", "broken.test", "six.test"]
        .map(|name| sim.stacks[1].dns_query(name).unwrap());
    let mut outcomes = queries.map(|_| None);
    sim.until(60 * S, |sim, cx| {
        serve_names(sim, socket, &mut |name, kind| match (name, kind) {
            ("one.test.", 1) => Some(a([10, 0, 0, 1])),
            ("two.test.", 1) => Some(a([10, 0, 0, 2])),
            ("one.test." | "two.test.", _) => Some(vec![0x81, 0x80, 0]),
            ("none.test.", _) => Some(vec![0x81, 0x83, 0]),
            ("six.test.", 28) => {
                let mut tail = vec![0x81, 0x80, 1, 0xc0, 12, 0, 28, 0, 1, 0, 0, 0, 9, 0, 16];
                tail.extend_from_slice(&Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 6).octets());
                Some(tail)
            }
            ("six.test.", _) => Some(vec![0x81, 0x80, 0]),
            // A count that promises more than is there.
            _ => Some(vec![0x81, 0x80, 9, 0xc0]),
        });
        for (query, outcome) in queries.iter().zip(&mut outcomes) {
            if outcome.is_none() {
                *outcome = ready(sim.stacks[1].dns_poll(*query, cx));
            }
        }
        outcomes.iter().all(Option::is_some).then_some(())
    });
    let outcomes = outcomes.map(Option::unwrap);
    assert_eq!(outcomes[0], Ok(vec![v4(1)]));
    assert_eq!(outcomes[1], Ok(vec![v4(2)]));
    assert_eq!(outcomes[2], Err(Error::NoSuchName("none.test".into())));
    assert_eq!(outcomes[3], Err(Error::TimedOut));
    assert_eq!(outcomes[4], Ok(vec!["fd00::6".parse().unwrap()]));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert_eq!(ready(sim.stacks[1].dns_poll(queries[0], &mut cx)), Some(Err(Error::BadHandle)));
}

#[test]
fn a_name_server_that_fails_is_reported_as_such() {
    let (mut sim, socket) = with_names();
    let query = sim.stacks[1].dns_query("x.test").unwrap();
    let outcome = sim.until(60 * S, |sim, cx| {
        serve_names(sim, socket, &mut |_, _| Some(vec![0x81, 0x82, 0]));
        ready(sim.stacks[1].dns_poll(query, cx))
    });
    assert_eq!(outcome, Err(Error::NameServerFailed("x.test".into())));
}

#[test]
fn addresses_and_localhost_need_no_server() {
    let mut sim = Sim::new(1, 7);
    let query = sim.stacks[0].dns_query("10.1.2.3").unwrap();
    let outcome = sim.until(0, |sim, cx| ready(sim.stacks[0].dns_poll(query, cx)));
    assert_eq!(outcome, Ok(vec!["10.1.2.3".parse().unwrap()]));
    let query = sim.stacks[0].dns_query("LocalHost").unwrap();
    let outcome = sim.until(0, |sim, cx| ready(sim.stacks[0].dns_poll(query, cx)));
    assert!(outcome.unwrap()[0].is_loopback());
    assert_eq!(sim.stacks[0].dns_query("example.com"), Err(Error::NoNameServer));
    assert_eq!(sim.stacks[0].dns_query("no host"), Err(Error::InvalidInput("not a host name")));
}

#[test]
fn new_addresses_are_announced_once_and_again_on_a_new_device() {
    let mut sim = Sim::new(1, 3);
    let seen: std::rc::Rc<std::cell::RefCell<Vec<ArpRepr>>> = Default::default();
    let theirs = seen.clone();
    let record = move |_: usize, frame: &[u8]| {
        if let Ok(packet) = ArpPacket::new_checked(&frame[14..])
            && frame[12..14] == [8, 6]
        {
            theirs.borrow_mut().push(ArpRepr::parse(&packet).unwrap());
        }
        true
    };
    sim.wires[0].borrow_mut().filter = Some(Box::new(record));
    sim.run_for(5_000_000_000);
    assert_eq!(seen.borrow().len(), 1);
    let ArpRepr::EthernetIpv4 { source_protocol_addr, target_protocol_addr, .. } = seen.borrow()[0] else {
        panic!("not an ARP packet for IPv4")
    };
    assert_eq!(source_protocol_addr, Ipv4Addr::new(10, 0, 0, 1));
    assert_eq!(target_protocol_addr, source_protocol_addr);
    let interface = sim.stacks[0].interfaces()[1].index;
    let device = sim.stacks[0].remove_device(interface).unwrap();
    sim.stacks[0].replace_device(interface, device, mac(1)).unwrap();
    sim.run_for(5_000_000_000);
    assert_eq!(seen.borrow().len(), 2);
}

#[test]
fn the_groups_of_an_interface_are_those_of_its_addresses_and_those_joined() {
    let mut sim = Sim::new(1, 7);
    let interface = sim.stacks[0].interfaces()[1].index;
    let macs = |sim: &Sim| sim.stacks[0].multicast_macs(interface).collect::<Vec<_>>();
    let before = macs(&sim);
    for mac in [[0x01, 0, 0x5e, 0, 0, 1], [0x33, 0x33, 0, 0, 0, 1]] {
        assert!(before.contains(&mac), "{mac:x?} is always heard");
    }
    for cidr in sim.stacks[0].interfaces()[interface.get()].addresses.clone() {
        if let IpAddr::V6(address) = cidr.addr() {
            let [.., a, b, c] = address.octets();
            assert!(before.contains(&[0x33, 0x33, 0xff, a, b, c]), "{address}");
        }
    }
    for (group, mac) in [
        (IpAddr::V4(Ipv4Addr::new(239, 129, 2, 3)), [0x01, 0, 0x5e, 1, 2, 3]),
        (
            IpAddr::V6(Ipv6Addr::new(0xff15, 0, 0, 0, 0, 0, 0x1234, 0x5678)),
            [0x33, 0x33, 0x12, 0x34, 0x56, 0x78],
        ),
    ] {
        assert!(!macs(&sim).contains(&mac));
        sim.stacks[0].join_multicast(interface, group).unwrap();
        assert!(macs(&sim).contains(&mac), "{group} was joined");
        // The device comes back: the group is still joined.
        let device = sim.stacks[0].remove_device(interface).unwrap();
        let hardware = sim.stacks[0].interfaces()[interface.get()].mac.unwrap();
        sim.stacks[0].replace_device(interface, device, hardware).unwrap();
        assert!(macs(&sim).contains(&mac));
        sim.stacks[0].leave_multicast(interface, group).unwrap();
        assert!(!macs(&sim).contains(&mac), "{group} was left");
    }
    assert_eq!(macs(&sim), before);
}
