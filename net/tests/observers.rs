//! Observers are told of each change, and listeners share ports and families as they say.
mod common;

use common::*;
use net::{Change, Error, Local, Observer, Scope, TcpOptions, TcpState, UdpOptions};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex};

#[derive(Default)]
struct Log(Mutex<Vec<Change>>);

impl Observer for Log {
    fn changed(&self, change: Change) {
        self.0.lock().unwrap().push(change);
    }
}

impl Log {
    fn take(&self) -> Vec<Change> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

fn local(port: u16, scope: Scope, shared: bool) -> Local {
    Local { addr: None, port, scope, shared }
}

#[test]
fn an_observer_is_told_each_time_and_of_room_only_when_some_was_missed() {
    let mut sim = Sim::new(2, 1);
    let options = TcpOptions { tx_buffer: 3000, rx_buffer: 3000, ..TcpOptions::default() };
    let (callers, server, client) =
        (Arc::new(Log::default()), Arc::new(Log::default()), Arc::new(Log::default()));
    let listener = sim.stacks[0].tcp_listen_at(local(80, Scope::V4, false), 4, options).unwrap();
    sim.stacks[0].tcp_observe_listener(listener, callers.clone()).unwrap();
    let c = sim.stacks[1].tcp_connect(at(1, 80), options).unwrap();
    sim.stacks[1].tcp_observe(c, client.clone()).unwrap();
    sim.run_for(S);
    assert_eq!((callers.take(), client.take()), (vec![Change::Readable], vec![Change::State]));
    assert_eq!(sim.stacks[0].tcp_callers(listener), Ok(1));
    let (s, _) = sim.stacks[0].tcp_try_accept(listener).unwrap();
    sim.stacks[0].tcp_observe(s, server.clone()).unwrap();

    for _ in 0..2 {
        sim.stacks[1].tcp_try_write(c, b"hello").unwrap();
        sim.run_for(S);
        assert_eq!((server.take(), client.take()), (vec![Change::Readable], vec![]));
    }
    // Until nothing fits any more; then the reader makes room.
    while sim.stacks[1].tcp_write_with(c, |room| room.len()).is_ok() {
        sim.run_for(S);
    }
    client.take();
    assert_eq!(sim.stacks[1].tcp_write_with(c, |room| room.len()), Err(Error::WouldBlock));
    while sim.stacks[0].tcp_read_with(s, |data| data.len()).is_ok() {
        sim.run_for(100 * MS);
    }
    assert_eq!(client.take(), [Change::Writable]);
    sim.stacks[0].tcp_close(s).unwrap();
    sim.run_for(S);
    assert_eq!(client.take(), [Change::State]);
    let TcpState { peer_done, may_write, .. } = sim.stacks[1].tcp_state(c).unwrap();
    assert!(peer_done && may_write);
}

#[test]
fn the_peer_s_end_is_told_to_one_who_has_ended_already() {
    let mut sim = Sim::new(2, 1);
    let listener = sim.stacks[0].tcp_listen(any(80), 4, TcpOptions::default()).unwrap();
    let c = sim.stacks[1].tcp_connect(at(1, 80), TcpOptions::default()).unwrap();
    sim.run_for(S);
    let (s, _) = sim.stacks[0].tcp_try_accept(listener).unwrap();
    sim.stacks[0].tcp_shutdown_write(s).unwrap();
    sim.run_for(S);
    let log = Arc::new(Log::default());
    sim.stacks[0].tcp_observe(s, log.clone()).unwrap();
    sim.stacks[1].tcp_shutdown_write(c).unwrap();
    sim.run_for(S);
    assert_eq!(log.take(), [Change::State]);
}

#[test]
fn a_corked_connection_holds_what_is_less_than_a_segment() {
    let mut sim = Sim::new(2, 1);
    let listener = sim.stacks[0].tcp_listen(any(80), 4, TcpOptions::default()).unwrap();
    let c = sim.stacks[1].tcp_connect(at(1, 80), TcpOptions::default()).unwrap();
    sim.run_for(S);
    let (s, _) = sim.stacks[0].tcp_try_accept(listener).unwrap();
    let queued = |sim: &mut Sim| sim.stacks[0].tcp_state(s).unwrap().readable;
    let put = |room: &mut [u8]| room.len().min(10);
    sim.stacks[1].tcp_set_corked(c, true).unwrap();
    sim.stacks[1].tcp_write_with(c, put).unwrap();
    sim.run_for(100 * MS);
    assert_eq!(queued(&mut sim), 0);
    sim.run_for(200 * MS);
    assert_eq!(queued(&mut sim), 10);
    sim.stacks[1].tcp_write_with(c, put).unwrap();
    sim.stacks[1].tcp_set_corked(c, false).unwrap();
    sim.run_for(10 * MS);
    assert_eq!(queued(&mut sim), 20);
}

#[test]
fn listeners_of_both_families_and_sharers_have_one_port() {
    let mut sim = Sim::new(2, 1);
    let options = TcpOptions::default();
    let stack = &mut sim.stacks[0];
    let v6 = stack.tcp_listen_at(local(80, Scope::V6, false), 4, options).unwrap();
    let one = stack.tcp_listen_at(local(80, Scope::V4, true), 64, options).unwrap();
    assert_eq!(stack.tcp_listen_at(local(80, Scope::V4, false), 4, options), Err(Error::AddrInUse));
    assert_eq!(stack.tcp_listen_at(local(80, Scope::Both, true), 4, options), Err(Error::AddrInUse));
    let two = stack.tcp_listen_at(local(80, Scope::V4, true), 64, options).unwrap();
    for _ in 0..40 {
        sim.stacks[1].tcp_connect(at(1, 80), options).unwrap();
    }
    sim.run_for(S);
    let counts = [one, two].map(|id| sim.stacks[0].tcp_callers(id).unwrap());
    assert_eq!(counts[0] + counts[1], 40);
    assert!(counts[0] > 8 && counts[1] > 8, "{counts:?}");
    assert_eq!(sim.stacks[0].tcp_callers(v6), Ok(0));
    let to = SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), 80);
    sim.stacks[0].tcp_connect(to, options).unwrap();
    sim.run_for(S);
    assert_eq!(sim.stacks[0].tcp_callers(v6), Ok(1));
}

#[test]
fn what_is_sent_to_oneself_is_there_once_loopback_is_polled() {
    let mut sim = Sim::new(1, 1);
    let stack = &mut sim.stacks[0];
    let here = |port| SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), port);
    assert_eq!(stack.poll_loopback(0), None);
    let receiver = stack.udp_bind(here(53), UdpOptions::default()).unwrap();
    let sender = stack.udp_bind(any(0), UdpOptions::default()).unwrap();
    stack.udp_send_from(sender, b"now", Some(here(53)), None, Some(44)).unwrap();
    assert!(stack.poll_loopback(0).is_some());
    let seen = stack.udp_recv_with(receiver, false, |datagram| (datagram.data.to_vec(), datagram.hop_limit));
    assert_eq!(seen, Ok((b"now".to_vec(), 44)));

    let listener = stack.tcp_listen(here(80), 1, TcpOptions::default()).unwrap();
    let caller = stack.tcp_connect(here(80), TcpOptions::default()).unwrap();
    assert!(stack.poll_loopback(0).is_some());
    let (callee, _) = stack.tcp_try_accept(listener).unwrap();
    stack
        .tcp_write_with(caller, |room| {
            room[..4].copy_from_slice(b"sent");
            4
        })
        .unwrap();
    assert!(stack.poll_loopback(0).is_some());
    let mut seen = [0; 9];
    assert_eq!(stack.tcp_try_read(callee, &mut seen), Ok(4));
}

#[test]
fn datagrams_are_seen_in_place_and_their_observer_is_told() {
    let mut sim = Sim::new(2, 1);
    let log = Arc::new(Log::default());
    let server = sim.stacks[0].udp_bind_at(local(53, Scope::V4, false), UdpOptions::default()).unwrap();
    sim.stacks[0].udp_observe(server, log.clone()).unwrap();
    let client = sim.stacks[1].udp_bind(any(0), UdpOptions::default()).unwrap();
    sim.stacks[1].udp_send_from(client, b"question", Some(at(1, 53)), None, Some(7)).unwrap();
    sim.run_for(S);
    assert_eq!(log.take(), [Change::Readable]);
    let state = sim.stacks[0].udp_state(server).unwrap();
    assert_eq!((state.can_read, state.next_len, state.can_write), (true, 8, true));
    for peek in [true, false] {
        let seen = sim.stacks[0].udp_recv_with(server, peek, |datagram| {
            (datagram.data.to_vec(), datagram.to, datagram.hop_limit)
        });
        assert_eq!(seen, Ok((b"question".to_vec(), at(1, 53).ip(), 7)));
    }
    assert!(!sim.stacks[0].udp_state(server).unwrap().can_read);
    // Nobody is at that port: the connected sender is told.
    let log = Arc::new(Log::default());
    sim.stacks[1].udp_observe(client, log.clone()).unwrap();
    sim.stacks[1].udp_connect(client, Some(at(1, 54))).unwrap();
    sim.stacks[1].udp_send_from(client, b"anybody", None, None, None).unwrap();
    sim.run_for(S);
    assert_eq!(log.take(), [Change::State]);
    assert_eq!(sim.stacks[1].udp_take_error(client), Ok(Some(Error::ConnectionRefused)));
}

#[test]
fn the_end_of_a_connection_that_was_let_go_is_acknowledged_at_once() {
    for early in [true, false] {
        let mut sim = Sim::new(2, 1);
        let listener = sim.stacks[0].tcp_listen(any(80), 4, TcpOptions::default()).unwrap();
        let c = sim.stacks[1].tcp_connect(at(1, 80), TcpOptions::default()).unwrap();
        sim.run_for(S);
        let (s, _) = sim.stacks[0].tcp_try_accept(listener).unwrap();
        sim.stacks[0].tcp_close(s).unwrap();
        sim.run_for(if early { 5 * MS } else { S });
        sim.stacks[1].tcp_shutdown_write(c).unwrap();
        sim.run_for(30 * MS);
        assert!(sim.stacks[1].tcp_state(c).unwrap().closed, "early: {early}");
        assert_eq!(sim.stacks[0].tcp_counts(), (0, 1));
    }
}

#[test]
fn what_comes_in_after_both_halves_were_shut_down_resets() {
    let mut sim = Sim::new(2, 1);
    let listener = sim.stacks[0].tcp_listen(any(80), 4, TcpOptions::default()).unwrap();
    let c = sim.stacks[1].tcp_connect(at(1, 80), TcpOptions::default()).unwrap();
    sim.run_for(S);
    let (s, _) = sim.stacks[0].tcp_try_accept(listener).unwrap();
    sim.stacks[0].tcp_refuse(s).unwrap();
    sim.stacks[1].tcp_try_write(c, b"still taken").unwrap();
    sim.run_for(S);
    assert_eq!(sim.stacks[0].tcp_state(s).unwrap().readable, 11);
    sim.stacks[0].tcp_try_read(s, &mut [0; 20]).unwrap();
    sim.stacks[0].tcp_shutdown_write(s).unwrap();
    sim.run_for(S);
    sim.stacks[1].tcp_try_write(c, b"refused").unwrap();
    sim.run_for(S);
    assert_eq!(sim.stacks[0].tcp_try_read(s, &mut [0; 20]), Err(Error::ConnectionReset));
    assert_eq!(sim.stacks[1].tcp_error(c), Ok(Some(Error::ConnectionReset)));
}

#[test]
fn without_congestion_control_the_whole_buffer_goes_out_at_once() {
    let mut sim = Sim::new(2, 1);
    let options = TcpOptions {
        rx_buffer: 32 << 10,
        tx_buffer: 32 << 10,
        congestion_control: false,
        ..TcpOptions::default()
    };
    let listener = sim.stacks[0].tcp_listen(any(80), 4, options).unwrap();
    let c = sim.stacks[1].tcp_connect(at(1, 80), options).unwrap();
    sim.run_for(S);
    let (s, _) = sim.stacks[0].tcp_try_accept(listener).unwrap();
    sim.stacks[1].tcp_try_write(c, &[7; 30_000]).unwrap();
    // A frame takes 100 us: less than a round trip.
    sim.run_for(180_000);
    assert_eq!(sim.stacks[0].tcp_state(s).unwrap().readable, 30_000);
}

#[test]
fn a_burst_of_callers_over_a_wire_is_connected_within_milliseconds() {
    let mut sim = Sim::new(2, 1);
    let options = TcpOptions { half_open: 512, ..TcpOptions::default() };
    let listener = sim.stacks[0].tcp_listen(any(80), 6, options).unwrap();
    sim.stacks[1].tcp_connect(at(1, 80), options).unwrap();
    sim.run_for(S);
    sim.stacks[0].tcp_try_accept(listener).unwrap();
    let callers: Vec<_> = (0..256).map(|_| sim.stacks[1].tcp_connect(at(1, 80), options).unwrap()).collect();
    let mut accepted = 0;
    for _ in 0..30 {
        sim.run_for(MS);
        while sim.stacks[0].tcp_try_accept(listener).is_ok() {
            accepted += 1;
        }
    }
    assert_eq!(accepted, 256);
    assert!(callers.iter().all(|caller| !sim.stacks[1].tcp_state(*caller).unwrap().connecting));
}
