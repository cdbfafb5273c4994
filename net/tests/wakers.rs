//! A task that waits is woken when, and not long before, what it waits for is there.
mod common;

use common::*;
use net::{Error, IfConfig, Stack, TcpOptions, UdpOptions};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A task that has asked once and sleeps.
struct Task(Arc<Flag>);

fn asleep<T>(ask: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Task {
    let flag = Arc::new(Flag(AtomicBool::new(false)));
    let waker = Waker::from(flag.clone());
    assert!(ask(&mut Context::from_waker(&waker)).is_pending(), "there was nothing to wait for");
    Task(flag)
}

impl Task {
    fn is_awake(&self) -> bool {
        self.0.0.load(Ordering::Relaxed)
    }

    /// Runs the simulation until the task is woken.
    fn sleep(&self, sim: &mut Sim, ns: u64) {
        sim.until(ns, |_, _| self.is_awake().then_some(()));
    }
}

fn ask<T>(poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> T {
    match poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("woken for nothing"),
    }
}

#[test]
fn tcp_tasks_are_woken() {
    let mut sim = Sim::new(2, 1);
    let options = TcpOptions { tx_buffer: 2000, rx_buffer: 2000, ..TcpOptions::default() };
    let listener = sim.stacks[0].tcp_listen(any(80), 4, options).unwrap();
    let accept = asleep(|cx| sim.stacks[0].tcp_poll_accept(listener, cx));
    sim.run_for(10 * MS);
    assert!(!accept.is_awake());
    let client = sim.stacks[1].tcp_connect(at(1, 80), options).unwrap();
    let connect = asleep(|cx| sim.stacks[1].tcp_poll_connect(client, cx));
    connect.sleep(&mut sim, S);
    ask(|cx| sim.stacks[1].tcp_poll_connect(client, cx)).unwrap();
    accept.sleep(&mut sim, S);
    let (server, _) = ask(|cx| sim.stacks[0].tcp_poll_accept(listener, cx)).unwrap();

    let mut buf = [0; 5000];
    let read = asleep(|cx| sim.stacks[0].tcp_poll_read(server, cx, &mut buf));
    sim.run_for(S);
    assert!(!read.is_awake());
    sim.stacks[1].tcp_try_write(client, b"x").unwrap();
    read.sleep(&mut sim, S);
    assert_eq!(ask(|cx| sim.stacks[0].tcp_poll_read(server, cx, &mut buf)), Ok(1));

    // Fill both buffers; then reading makes room for writing.
    let mut written = 0;
    sim.until(10 * S, |sim, _| match sim.stacks[1].tcp_try_write(client, &buf) {
        Ok(len) => {
            written += len;
            None
        }
        // The window opens in steps of a useful size.
        Err(_) => (written >= 3900).then_some(()),
    });
    let write = asleep(|cx| sim.stacks[1].tcp_poll_write(client, cx, b"more"));
    sim.run_for(S);
    assert!(!write.is_awake());
    sim.stacks[0].tcp_try_read(server, &mut buf).unwrap();
    write.sleep(&mut sim, 10 * S);
    assert_eq!(ask(|cx| sim.stacks[1].tcp_poll_write(client, cx, b"more")), Ok(4));
    let flush = asleep(|cx| sim.stacks[1].tcp_poll_flush(client, cx));
    sim.until(20 * S, |sim, _| {
        let _ = sim.stacks[0].tcp_try_read(server, &mut buf);
        (sim.stacks[1].tcp_state(client).unwrap().unsent == 0).then_some(())
    });
    assert!(flush.is_awake());

    let read = asleep(|cx| sim.stacks[1].tcp_poll_read(client, cx, &mut buf));
    let close = asleep(|cx| sim.stacks[0].tcp_poll_close(server, cx));
    read.sleep(&mut sim, S);
    assert_eq!(ask(|cx| sim.stacks[1].tcp_poll_read(client, cx, &mut buf)), Ok(0));
    close.sleep(&mut sim, S);
    ask(|cx| sim.stacks[0].tcp_poll_close(server, cx)).unwrap();
    let read = asleep(|cx| sim.stacks[0].tcp_poll_read(server, cx, &mut buf));
    sim.stacks[1].tcp_abort(client).unwrap();
    read.sleep(&mut sim, S);
    assert_eq!(ask(|cx| sim.stacks[0].tcp_poll_read(server, cx, &mut buf)), Err(Error::ConnectionReset));
}

#[test]
fn tasks_are_woken_by_failures() {
    let mut sim = Sim::new(2, 2);
    let options = TcpOptions { connect_timeout_ns: Some(2 * S), ..TcpOptions::default() };
    for (to, error) in [(at(1, 81), Error::ConnectionRefused), (at(77, 80), Error::TimedOut)] {
        let client = sim.stacks[1].tcp_connect(to, options).unwrap();
        let connect = asleep(|cx| sim.stacks[1].tcp_poll_connect(client, cx));
        connect.sleep(&mut sim, 3 * S);
        assert_eq!(ask(|cx| sim.stacks[1].tcp_poll_connect(client, cx)), Err(error));
        sim.stacks[1].tcp_close(client).unwrap();
    }
    let listener = sim.stacks[0].tcp_listen(any(80), 1, options).unwrap();
    let accept = asleep(|cx| sim.stacks[0].tcp_poll_accept(listener, cx));
    sim.stacks[0].tcp_close_listener(listener).unwrap();
    assert!(accept.is_awake());
    let ping = sim.stacks[0].ping(v4(77), b"", S).unwrap();
    let pinged = asleep(|cx| sim.stacks[0].ping_poll(ping, cx));
    pinged.sleep(&mut sim, 2 * S);
    assert_eq!(ask(|cx| sim.stacks[0].ping_poll(ping, cx)), Err(Error::TimedOut));
}

#[test]
fn datagram_name_and_address_tasks_are_woken() {
    let mut sim = Sim::new(1, 3);
    sim.add(IfConfig { dns: vec![v4(1)], ..fixed(2) });
    let socket = sim.stacks[0].udp_bind(any(5), UdpOptions::default()).unwrap();
    let small = UdpOptions { tx_datagrams: 1, ..UdpOptions::default() };
    let sender = sim.stacks[1].udp_bind(any(0), small).unwrap();
    let mut buf = [0; 50];
    let recv = asleep(|cx| sim.stacks[0].udp_poll_recv(socket, cx, &mut buf));
    sim.stacks[1].udp_try_send(sender, b"one", Some(at(1, 5))).unwrap();
    let send = asleep(|cx| sim.stacks[1].udp_poll_send(sender, cx, b"two", Some(at(1, 5))));
    send.sleep(&mut sim, S);
    ask(|cx| sim.stacks[1].udp_poll_send(sender, cx, b"two", Some(at(1, 5)))).unwrap();
    recv.sleep(&mut sim, S);
    assert_eq!(ask(|cx| sim.stacks[0].udp_poll_recv(socket, cx, &mut buf)).unwrap().0, 3);

    // Nobody serves names: the question ends with a time-out.
    let query = sim.stacks[1].dns_query("x.test").unwrap();
    let name = asleep(|cx| sim.stacks[1].dns_poll(query, cx));
    name.sleep(&mut sim, 20 * S);
    assert_eq!(ask(|cx| sim.stacks[1].dns_poll(query, cx)), Err(Error::TimedOut));
}

#[test]
fn the_stack_can_move_to_another_thread() {
    fn can_move<T: Send>() {}
    can_move::<Stack<net::fuzz::Sink>>();
}
