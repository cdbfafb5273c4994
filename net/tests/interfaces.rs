//! Interfaces that come and go while others carry traffic.
mod common;

use common::*;
use net::{Error, IfConfig, IfIndex, Ipv4Config, Ipv6Config, TcpOptions, UdpOptions};
use std::net::SocketAddr;
use std::task::Poll;

fn other(last: u8) -> std::net::IpAddr {
    std::net::IpAddr::from([10, 0, 9, last])
}

fn fixed_on_other(last: u8) -> IfConfig {
    IfConfig {
        ipv4: Ipv4Config::Static { cidr: net::Cidr::new(other(last), 24).unwrap(), gateway: None },
        ipv6: Ipv6Config::None,
        ..IfConfig::default()
    }
}

/// Two stacks on one wire, and a second wire between them that only stack 0 is on.
fn two_wires() -> (Sim, Wire) {
    let mut sim = Sim::new(2, 7);
    let wire = wire(8);
    sim.wires.push(wire.clone());
    sim.stacks[0].add_interface("eth1", plug(&wire), mac(11), fixed_on_other(1)).unwrap();
    (sim, wire)
}

fn attach(sim: &mut Sim, wire: &Wire) -> IfIndex {
    sim.stacks[1].add_interface("eth1", plug(wire), mac(12), fixed_on_other(2)).unwrap()
}

fn echo(sim: &mut Sim, to: SocketAddr) {
    let listener = sim.stacks[0].tcp_listen(any(to.port()), 4, TcpOptions::default()).unwrap();
    let call = sim.stacks[1].tcp_connect(to, TcpOptions::default()).unwrap();
    sim.until(5 * S, |sim, cx| ready(sim.stacks[1].tcp_poll_connect(call, cx))).unwrap();
    let (answer, _) = sim.until(S, |sim, cx| ready(sim.stacks[0].tcp_poll_accept(listener, cx))).unwrap();
    sim.stacks[1].tcp_try_write(call, b"hello").unwrap();
    let mut buf = [0; 5];
    let len = sim.until(S, |sim, cx| ready(sim.stacks[0].tcp_poll_read(answer, cx, &mut buf))).unwrap();
    assert_eq!(&buf[..len], b"hello");
    sim.stacks[1].tcp_abort(call).unwrap();
    sim.stacks[0].tcp_abort(answer).unwrap();
    sim.stacks[0].tcp_close_listener(listener).unwrap();
    sim.run_for(2 * S);
}

#[test]
#[cfg_attr(miri, ignore = "slow")]
fn an_interface_that_is_added_later_carries_traffic_and_leaves_its_number_when_it_goes() {
    let (mut sim, wire) = two_wires();
    let mut device = plug(&wire);
    for _ in 0..20 {
        let interface = sim.stacks[1].add_interface("eth1", device, mac(12), fixed_on_other(2)).unwrap();
        assert_eq!(interface.get(), 2, "the lowest number that is free");
        echo(&mut sim, SocketAddr::new(other(1), 80));
        echo(&mut sim, at(1, 80));
        device = sim.stacks[1].remove_interface(interface).unwrap().expect("its device comes back");
        assert_eq!(sim.stacks[1].interfaces().len(), 2);
        assert!(!sim.stacks[1].is_local(other(2)), "the address is gone");
        let call = sim.stacks[1].tcp_connect(SocketAddr::new(other(1), 80), TcpOptions::default());
        assert_eq!(call.err(), Some(Error::NetworkUnreachable), "the route is gone");
        assert!(matches!(sim.stacks[1].remove_interface(interface), Err(Error::NoSuchInterface(2))));
        assert_eq!(sim.stacks[1].tcp_counts().0, 0);
        echo(&mut sim, at(1, 80));
    }
    assert!(matches!(sim.stacks[1].remove_interface(IfIndex::LOOPBACK), Err(Error::NoSuchInterface(0))));
}

#[test]
#[cfg_attr(miri, ignore = "slow")]
fn what_uses_an_interface_that_goes_is_told_and_the_rest_goes_on() {
    let (mut sim, wire) = two_wires();
    let interface = attach(&mut sim, &wire);
    let memory = sim.stacks[1].tcp_memory();
    let options = TcpOptions::default();
    let listener = sim.stacks[0].tcp_listen(any(80), 8, options).unwrap();
    let own = sim.stacks[1].tcp_listen(any(81), 8, options).unwrap();
    let doomed = sim.stacks[1].tcp_connect(SocketAddr::new(other(1), 80), options).unwrap();
    let kept = sim.stacks[1].tcp_connect(at(1, 80), options).unwrap();
    for call in [doomed, kept] {
        sim.until(5 * S, |sim, cx| ready(sim.stacks[1].tcp_poll_connect(call, cx))).unwrap();
    }
    // One that nobody accepted, one that is on its way, one that was let go with data on the way.
    let caller = sim.stacks[0].tcp_connect(SocketAddr::new(other(2), 81), options).unwrap();
    sim.until(5 * S, |sim, cx| ready(sim.stacks[0].tcp_poll_connect(caller, cx))).unwrap();
    let opening = sim.stacks[1].tcp_connect(SocketAddr::new(other(99), 80), options).unwrap();
    let left = sim.stacks[1].tcp_connect(SocketAddr::new(other(1), 80), options).unwrap();
    sim.until(5 * S, |sim, cx| ready(sim.stacks[1].tcp_poll_connect(left, cx))).unwrap();
    sim.stacks[1].tcp_try_write(left, &[1; 5000]).unwrap();
    sim.stacks[1].tcp_close(left).unwrap();
    let udp = sim.stacks[1].udp_bind(any(53), UdpOptions::default()).unwrap();
    for to in [SocketAddr::new(other(99), 9), at(1, 9)] {
        sim.stacks[1].udp_try_send(udp, b"datagram", Some(to)).unwrap();
    }
    let ping = sim.stacks[1].ping(other(99), b"x", 30 * S).unwrap();
    let query = sim.stacks[1].dns_query("name.example");
    assert_eq!(query.err(), Some(Error::NoNameServer));
    sim.run_for(S / 2);

    sim.stacks[1].remove_interface(interface).unwrap();
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    for call in [doomed, opening] {
        let read = sim.stacks[1].tcp_poll_read(call, &mut cx, &mut [0; 8]);
        assert_eq!(read, Poll::Ready(Err(Error::ConnectionAborted)));
        sim.stacks[1].tcp_close(call).unwrap();
    }
    assert!(matches!(sim.stacks[1].ping_poll(ping, &mut cx), Poll::Ready(Err(Error::NetworkUnreachable))));
    let sent = sim.stacks[1].udp_try_send(udp, b"datagram", Some(SocketAddr::new(other(1), 9)));
    assert_eq!(sent, Err(Error::NetworkUnreachable));
    sim.run_for(2 * S);
    assert_eq!(sim.stacks[1].tcp_callers(own), Ok(0), "who called over it is not there any more");
    assert_eq!(sim.stacks[1].tcp_counts().0, 1, "the one over the other interface");

    let (answer, _) = sim.until(S, |sim, cx| {
        let (id, peer) = ready(sim.stacks[0].tcp_poll_accept(listener, cx))?.unwrap();
        (peer.ip() == v4(2)).then_some((id, peer))
    });
    sim.stacks[1].tcp_try_write(kept, b"still").unwrap();
    let mut buf = [0; 5];
    let len = sim.until(S, |sim, cx| ready(sim.stacks[0].tcp_poll_read(answer, cx, &mut buf))).unwrap();
    assert_eq!(&buf[..len], b"still");
    sim.stacks[1].udp_try_send(udp, b"datagram", Some(at(1, 9))).unwrap();
    sim.stacks[1].tcp_abort(kept).unwrap();
    sim.run_for(3 * S);
    assert_eq!(sim.stacks[1].tcp_memory(), memory, "all memory came back");

    // Who serves all addresses serves those of an interface that comes now, too.
    attach(&mut sim, &wire);
    let caller = sim.stacks[0].tcp_connect(SocketAddr::new(other(2), 81), options).unwrap();
    sim.until(5 * S, |sim, cx| ready(sim.stacks[0].tcp_poll_connect(caller, cx))).unwrap();
}

#[test]
fn who_waits_for_the_addresses_of_an_interface_that_goes_is_told() {
    let mut sim = Sim::new(1, 9);
    let wire = sim.wires[0].clone();
    let interface = sim.stacks[0].add_interface("eth1", plug(&wire), mac(9), IfConfig::default()).unwrap();
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(sim.stacks[0].poll_configured(interface, &mut cx).is_pending());
    sim.run_for(S);
    sim.stacks[0].remove_interface(interface).unwrap();
    let found = sim.stacks[0].poll_configured(interface, &mut cx);
    assert!(matches!(found, Poll::Ready(Err(Error::NoSuchInterface(2)))));
    sim.run_for(S);
}

#[test]
fn an_interface_between_others_leaves_them_as_they_are() {
    let mut sim = Sim::new(1, 9);
    let wire = sim.wires[0].clone();
    let add = |stack: &mut Sim, n: u8| {
        stack.stacks[0].add_interface("more", plug(&wire), mac(n), fixed(n)).unwrap()
    };
    let (two, three) = (add(&mut sim, 20), add(&mut sim, 30));
    sim.run_for(S);
    sim.stacks[0].remove_interface(two).unwrap();
    sim.run_for(S);
    let numbers: Vec<_> = sim.stacks[0].interfaces().iter().map(|status| status.index.get()).collect();
    assert_eq!(numbers, [0, 1, 3]);
    assert_eq!(sim.stacks[0].devices_mut().map(|(index, _)| index.get()).collect::<Vec<_>>(), [1, 3]);
    assert_eq!(add(&mut sim, 40), two);
    sim.stacks[0].remove_interface(three).unwrap();
    sim.stacks[0].remove_interface(two).unwrap();
    sim.run_for(S);
    assert_eq!(sim.stacks[0].interfaces().len(), 2);
}
