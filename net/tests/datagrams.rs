//! UDP, pings, several interfaces, and a flood of nonsense.
mod common;

use common::*;
use net::smoltcp::phy::ChecksumCapabilities;
use net::smoltcp::wire::{IpProtocol, Ipv6Address, Ipv6Packet, Ipv6Repr, UdpPacket, UdpRepr};
use net::{Cidr, Error, IfConfig, IfIndex, Ipv4Config, Ipv6Config, Stack, TcpOptions, UdpOptions};
use std::net::{IpAddr, SocketAddr};

const OPTIONS: fn() -> UdpOptions = UdpOptions::default;

#[test]
fn datagrams_arrive_with_their_sender() {
    let mut sim = Sim::new(2, 1);
    let server = sim.stacks[0].udp_bind(any(53), OPTIONS()).unwrap();
    let client = sim.stacks[1].udp_bind(any(0), OPTIONS()).unwrap();
    let port = sim.stacks[1].udp_local_addr(client).unwrap().port();
    assert_eq!(sim.stacks[1].udp_try_send(client, b"x", None), Err(Error::NotConnected));
    sim.stacks[1].udp_try_send(client, b"question", Some(at(1, 53))).unwrap();
    let mut buf = [0; 5];
    let (len, from) =
        sim.until(S, |sim, cx| ready(sim.stacks[0].udp_poll_recv(server, cx, &mut buf))).unwrap();
    assert_eq!((&buf[..len], from), (&b"quest"[..], at(2, port)));
    sim.stacks[0].udp_try_send(server, b"", Some(from)).unwrap();
    let got = sim.until(S, |sim, cx| ready(sim.stacks[1].udp_poll_recv(client, cx, &mut buf)));
    assert_eq!(got, Ok((0, at(1, 53))));
    sim.stacks[1].udp_close(client).unwrap();
    assert_eq!(sim.stacks[1].udp_try_recv(client, &mut buf), Err(Error::BadHandle));
}

#[test]
fn a_connected_socket_hears_only_its_peer_and_that_its_port_is_closed() {
    let mut sim = Sim::new(3, 2);
    let socket = sim.stacks[0].udp_bind(any(7), OPTIONS()).unwrap();
    sim.stacks[0].udp_connect(socket, Some(at(2, 9))).unwrap();
    let [peer, stranger] = [1, 2].map(|n| sim.stacks[n].udp_bind(any(9), OPTIONS()).unwrap());
    sim.stacks[2].udp_try_send(stranger, b"stranger", Some(at(1, 7))).unwrap();
    sim.stacks[1].udp_try_send(peer, b"peer", Some(at(1, 7))).unwrap();
    sim.run_for(100 * MS);
    let mut buf = [0; 50];
    assert_eq!(sim.stacks[0].udp_try_recv(socket, &mut buf), Ok((4, at(2, 9))));
    assert_eq!(sim.stacks[0].udp_try_recv(socket, &mut buf), Err(Error::WouldBlock));
    sim.stacks[1].udp_close(peer).unwrap();
    sim.stacks[0].udp_try_send(socket, b"anybody?", None).unwrap();
    let got = sim.until(S, |sim, cx| ready(sim.stacks[0].udp_poll_recv(socket, cx, &mut buf)));
    assert_eq!(got, Err(Error::ConnectionRefused));
}

#[test]
fn a_large_datagram_travels_in_fragments() {
    let mut sim = Sim::new(2, 3);
    sim.wires[0].borrow_mut().faults.delay = 500;
    let receiver = sim.stacks[0].udp_bind(any(5), OPTIONS()).unwrap();
    let sender = sim.stacks[1].udp_bind(any(0), OPTIONS()).unwrap();
    let data: Vec<u8> = (0..7000).map(|i| (i * 7 / 3) as u8).collect();
    for _ in 0..2 {
        sim.stacks[1].udp_try_send(sender, &data[..4000], Some(at(1, 5))).unwrap();
    }
    let mut buf = vec![0; 9000];
    for _ in 0..2 {
        let got = sim.until(S, |sim, cx| ready(sim.stacks[0].udp_poll_recv(receiver, cx, &mut buf)));
        assert_eq!(got.unwrap().0, 4000);
        assert!(buf[..4000] == data[..4000]);
    }
    assert_eq!(
        sim.stacks[1].udp_try_send(sender, &[0; 9000], Some(at(1, 5))),
        Err(Error::MessageTooLong(9000))
    );
}

#[test]
fn a_dead_neighbour_does_not_hold_up_datagrams_to_others() {
    let mut sim = Sim::new(2, 4);
    let receiver = sim.stacks[0].udp_bind(any(5), OPTIONS()).unwrap();
    let sender = sim.stacks[1].udp_bind(any(0), OPTIONS()).unwrap();
    sim.stacks[1].udp_try_send(sender, b"to nobody", Some(at(77, 5))).unwrap();
    sim.stacks[1].udp_try_send(sender, b"to somebody", Some(at(1, 5))).unwrap();
    let mut buf = [0; 50];
    let got = sim.until(10 * S, |sim, cx| ready(sim.stacks[0].udp_poll_recv(receiver, cx, &mut buf)));
    assert_eq!(got.unwrap().0, 11);
}

#[test]
fn ports_are_shared_only_by_different_addresses() {
    let mut sim = Sim::new(1, 5);
    let stack = &mut sim.stacks[0];
    let all = stack.udp_bind(any(5), OPTIONS()).unwrap();
    let one = stack.udp_bind("127.0.0.1:5".parse().unwrap(), OPTIONS()).unwrap();
    assert_eq!(stack.udp_bind(any(5), OPTIONS()), Err(Error::AddrInUse));
    assert_eq!(stack.udp_bind(at(9, 5), OPTIONS()), Err(Error::AddrNotAvailable));
    let sender = stack.udp_bind(any(0), OPTIONS()).unwrap();
    stack.udp_try_send(sender, b"to one", Some("127.0.0.1:5".parse().unwrap())).unwrap();
    stack.udp_try_send(sender, b"to all", Some(at(1, 5))).unwrap();
    sim.run_for(MS);
    let mut buf = [0; 9];
    assert!(sim.stacks[0].udp_try_recv(one, &mut buf).is_ok_and(|_| buf.starts_with(b"to one")));
    assert!(sim.stacks[0].udp_try_recv(all, &mut buf).is_ok_and(|_| buf.starts_with(b"to all")));
    assert_eq!(sim.stacks[0].udp_try_recv(one, &mut buf), Err(Error::WouldBlock));
}

#[test]
fn a_ping_is_answered_and_one_to_nobody_times_out() {
    let mut sim = Sim::new(2, 6);
    for to in [v4(1), v4(2), "127.0.0.1".parse().unwrap(), "::1".parse().unwrap()] {
        let ping = sim.stacks[1].ping(to, b"payload", S).unwrap();
        let reply = sim.until(2 * S, |sim, cx| ready(sim.stacks[1].ping_poll(ping, cx))).unwrap();
        assert_eq!(reply.from, to);
        assert!(reply.round_trip_ns < 10 * MS);
    }
    let ping = sim.stacks[1].ping(v4(77), b"", S).unwrap();
    assert_eq!(sim.until(2 * S, |sim, cx| ready(sim.stacks[1].ping_poll(ping, cx))), Err(Error::TimedOut));
    assert_eq!(sim.until(0, |sim, cx| ready(sim.stacks[1].ping_poll(ping, cx))), Err(Error::BadHandle));
    assert_eq!(sim.stacks[1].ping("8.8.8.8".parse().unwrap(), b"", S), Err(Error::NetworkUnreachable));
}

fn v6(last: u16) -> IpAddr {
    format!("fd00::{last:x}").parse().unwrap()
}

#[test]
fn ipv6_neighbours_find_each_other() {
    let config = |n| IfConfig {
        ipv4: Ipv4Config::None,
        ipv6: Ipv6Config::Static { cidr: Cidr::new(v6(n), 64).unwrap(), gateway: None },
        ..IfConfig::default()
    };
    let mut sim = Sim { wires: vec![wire(7)], stacks: vec![], now: 0, polls: 0 };
    sim.add(config(1));
    sim.add(config(2));
    let ping = sim.stacks[0].ping(v6(2), b"six", S).unwrap();
    assert!(sim.until(2 * S, |sim, cx| ready(sim.stacks[0].ping_poll(ping, cx))).is_ok());
    let listener = sim.stacks[0].tcp_listen("[::]:80".parse().unwrap(), 4, TcpOptions::default()).unwrap();
    let client = sim.stacks[1].tcp_connect(SocketAddr::new(v6(1), 80), TcpOptions::default()).unwrap();
    sim.until(5 * S, |sim, cx| ready(sim.stacks[1].tcp_poll_connect(client, cx))).unwrap();
    let (_, peer) = sim.until(S, |sim, cx| ready(sim.stacks[0].tcp_poll_accept(listener, cx))).unwrap();
    assert_eq!(peer.ip(), v6(2));
}

#[test]
fn each_destination_is_reached_by_its_interface() {
    // Stack 0 has a leg on either wire; 10.0.0.2 is on the first, 10.0.9.2 on the second, which has a router too.
    let mut sim = Sim::new(2, 8);
    sim.wires.push(wire(9));
    let leg = |addr: &str, gateway: Option<&str>| IfConfig {
        ipv4: Ipv4Config::Static {
            cidr: Cidr::new(addr.parse().unwrap(), 24).unwrap(),
            gateway: gateway.map(|g| g.parse().unwrap()),
        },
        ipv6: Ipv6Config::None,
        ..IfConfig::default()
    };
    let port = plug(&sim.wires[1]);
    let second =
        sim.stacks[0].add_interface("eth1", port, mac(11), leg("10.0.9.1", Some("10.0.9.2"))).unwrap();
    let mut other = Stack::new(5);
    let port = plug(&sim.wires[1]);
    other.add_interface("eth0", port, mac(12), leg("10.0.9.2", None)).unwrap();
    // It also answers for an address behind the router.
    sim.stacks.push(other);
    assert_eq!(second, sim.stacks[0].interfaces()[2].index);
    assert_eq!(second.get(), 2);
    assert_ne!(second, IfIndex::LOOPBACK);

    let local =
        |sim: &mut Sim, to: &str| sim.stacks[0].local_addr_for(to.parse().unwrap()).unwrap().to_string();
    assert_eq!(local(&mut sim, "10.0.0.2"), "10.0.0.1");
    assert_eq!(local(&mut sim, "10.0.9.2"), "10.0.9.1");
    assert_eq!(local(&mut sim, "192.0.2.1"), "10.0.9.1");
    assert_eq!(local(&mut sim, "10.0.9.1"), "10.0.9.1");

    let socket = sim.stacks[0].udp_bind(any(5), OPTIONS()).unwrap();
    let echoes = [1, 2].map(|n| sim.stacks[n].udp_bind(any(6), OPTIONS()).unwrap());
    for to in ["10.0.0.2:6", "10.0.9.2:6"] {
        sim.stacks[0].udp_try_send(socket, to.as_bytes(), Some(to.parse().unwrap())).unwrap();
    }
    sim.run_for(100 * MS);
    let mut buf = [0; 50];
    for (n, echo) in echoes.into_iter().enumerate() {
        let (len, from) = sim.stacks[n + 1].udp_try_recv(echo, &mut buf).unwrap();
        sim.stacks[n + 1].udp_try_send(echo, &buf[..len], Some(from)).unwrap();
    }
    sim.run_for(100 * MS);
    for _ in 0..2 {
        let (len, from) = sim.stacks[0].udp_try_recv(socket, &mut buf).unwrap();
        assert_eq!(from.to_string().as_bytes(), &buf[..len]);
    }
    // One listener for both wires.
    let listener = sim.stacks[0].tcp_listen(any(80), 4, TcpOptions::default()).unwrap();
    for (stack, to) in [(1, "10.0.0.1:80"), (2, "10.0.9.1:80")] {
        sim.stacks[stack].tcp_connect(to.parse().unwrap(), TcpOptions::default()).unwrap();
        let (id, _) = sim.until(5 * S, |sim, cx| ready(sim.stacks[0].tcp_poll_accept(listener, cx))).unwrap();
        assert_eq!(sim.stacks[0].tcp_local_addr(id).unwrap(), to.parse().unwrap());
    }
    assert_eq!(
        sim.stacks[1].tcp_connect("192.0.2.1:80".parse().unwrap(), TcpOptions::default()),
        Err(Error::NetworkUnreachable)
    );
}

#[test]
fn addresses_of_loopback_are_not_taken_from_the_wire() {
    let mut sim = Sim { wires: vec![wire(9)], stacks: vec![], now: 0, polls: 0 };
    sim.add(IfConfig {
        ipv6: Ipv6Config::Static { cidr: Cidr::new(v6(1), 64).unwrap(), gateway: None },
        ..fixed(1)
    });
    plug(&sim.wires[0]);
    let socket = sim.stacks[0].udp_bind(any(5), OPTIONS()).unwrap();
    let forge = |dst: Ipv6Address| {
        let src = Ipv6Address::new(0xfd00, 0, 0, 0, 0, 0, 0, 2);
        let udp = UdpRepr { src_port: 6, dst_port: 5 };
        let ip = Ipv6Repr {
            src_addr: src,
            dst_addr: dst,
            next_header: IpProtocol::Udp,
            payload_len: 8 + 6,
            hop_limit: 64,
        };
        let mut frame = vec![0; 14 + 40 + 14];
        frame[..6].copy_from_slice(&mac(1));
        frame[6..14].copy_from_slice(&[2, 0, 0, 0, 0, 2, 0x86, 0xdd]);
        let mut packet = Ipv6Packet::new_unchecked(&mut frame[14..]);
        ip.emit(&mut packet);
        udp.emit(
            &mut UdpPacket::new_unchecked(packet.payload_mut()),
            &src.into(),
            &dst.into(),
            6,
            |data| data.copy_from_slice(b"forged"),
            &ChecksumCapabilities::default(),
        );
        frame
    };
    let mut buf = [0; 9];
    sim.wires[0].borrow_mut().send(1, &forge(Ipv6Address::LOCALHOST));
    sim.run_for(10 * MS);
    assert_eq!(sim.stacks[0].udp_try_recv(socket, &mut buf), Err(Error::WouldBlock));
    // The same to an address of the interface is taken, so the frame is sound.
    sim.wires[0].borrow_mut().send(1, &forge("fd00::1".parse().unwrap()));
    sim.run_for(10 * MS);
    assert!(sim.stacks[0].udp_try_recv(socket, &mut buf).is_ok());
}

#[test]
fn interfaces_that_make_no_sense_are_refused() {
    let mut sim = Sim::new(1, 10);
    let odd = [([0; 6], None), ([0xff; 6], None), ([1, 0, 0, 0, 0, 1], None), (mac(5), Some(100))];
    for (mac, mtu) in odd {
        let port = plug(&sim.wires[0]);
        let result = sim.stacks[0].add_interface("x", port, mac, IfConfig { mtu, ..fixed(9) });
        assert!(matches!(result, Err(Error::InvalidInput(_))), "{mac:?} {mtu:?}");
    }
    assert_eq!(Cidr::new(v4(255), 33), Err(Error::InvalidInput("prefix is longer than the address")));
    assert_eq!(Cidr::new("224.0.0.1".parse().unwrap(), 24), Err(Error::AddrNotAvailable));
}

#[test]
fn several_neighbours_are_found_at_once() {
    let mut sim = Sim::new(4, 11);
    sim.add(IfConfig {
        ipv6: Ipv6Config::Static { cidr: Cidr::new(v6(5), 64).unwrap(), gateway: None },
        ..fixed(5)
    });
    sim.add(IfConfig {
        ipv6: Ipv6Config::Static { cidr: Cidr::new(v6(6), 64).unwrap(), gateway: None },
        ..fixed(6)
    });
    let pings = [v4(1), v4(2), v4(3), v4(4), v6(6)].map(|to| sim.stacks[4].ping(to, b"", S).unwrap());
    for ping in pings {
        let reply = sim.until(S, |sim, cx| ready(sim.stacks[4].ping_poll(ping, cx))).unwrap();
        assert!(reply.round_trip_ns < 10 * MS, "{} ns", reply.round_trip_ns);
    }
}
