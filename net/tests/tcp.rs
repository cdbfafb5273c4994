//! TCP between two stacks on a simulated wire.
mod common;

use common::*;
use net::{Error, ListenerId, TcpId, TcpOptions};

const OPTIONS: fn() -> TcpOptions = TcpOptions::default;

fn listen(sim: &mut Sim, port: u16, backlog: usize) -> ListenerId {
    sim.stacks[0].tcp_listen(any(port), backlog, OPTIONS()).unwrap()
}

fn accept(sim: &mut Sim, listener: ListenerId) -> TcpId {
    sim.until(60 * S, |sim, cx| ready(sim.stacks[0].tcp_poll_accept(listener, cx))).unwrap().0
}

/// A listener on stack 0 and a connection from stack 1: (server's end, client's end).
fn pair(sim: &mut Sim, options: TcpOptions) -> (TcpId, TcpId) {
    let listener = sim.stacks[0].tcp_listen(any(80), 4, options).unwrap();
    let client = sim.stacks[1].tcp_connect(at(1, 80), options).unwrap();
    sim.until(60 * S, |sim, cx| ready(sim.stacks[1].tcp_poll_connect(client, cx))).unwrap();
    let server = accept(sim, listener);
    sim.stacks[0].tcp_close_listener(listener).unwrap();
    (server, client)
}

fn byte(at: usize) -> u8 {
    (at ^ (at >> 8) ^ (at >> 16)) as u8
}

/// Sends `total` bytes each way at once and checks every one.
fn exchange(sim: &mut Sim, ends: [TcpId; 2], total: usize, limit: u64) {
    let (mut sent, mut received) = ([0; 2], [0; 2]);
    sim.until(limit, |sim, _| {
        for (i, stack) in sim.stacks.iter_mut().enumerate().take(2) {
            while sent[i] < total {
                let chunk: Vec<u8> = (sent[i]..(sent[i] + 5000).min(total)).map(byte).collect();
                match stack.tcp_try_write(ends[i], &chunk) {
                    Ok(len) => sent[i] += len,
                    Err(Error::WouldBlock) => break,
                    Err(error) => panic!("write: {error}"),
                }
            }
            let mut buf = [0; 3000];
            loop {
                match stack.tcp_try_read(ends[i], &mut buf) {
                    Ok(len) => {
                        for b in &buf[..len] {
                            assert_eq!(*b, byte(received[i]), "byte {}", received[i]);
                            received[i] += 1;
                        }
                    }
                    Err(Error::WouldBlock) => break,
                    Err(error) => panic!("read: {error}"),
                }
            }
        }
        (received == [total; 2]).then_some(())
    });
}

#[test]
fn bytes_arrive_both_ways_in_order() {
    let mut sim = Sim::new(2, 1);
    let (server, client) = pair(&mut sim, OPTIONS());
    assert_eq!(sim.stacks[0].tcp_peer_addr(server), sim.stacks[1].tcp_local_addr(client));
    assert_eq!(sim.stacks[1].tcp_peer_addr(client), Ok(at(1, 80)));
    exchange(&mut sim, [server, client], if cfg!(miri) { 20_000 } else { 1_000_000 }, 60 * S);
}

#[test]
#[cfg_attr(miri, ignore = "slow")]
fn bytes_arrive_intact_through_loss_reordering_duplication_and_corruption() {
    for seed in if cfg!(miri) { 0..1 } else { 0..6 } {
        let mut sim = Sim::new(2, seed);
        let options = TcpOptions { congestion_control: seed % 2 == 1, user_timeout_ns: None, ..OPTIONS() };
        let (server, client) = pair(&mut sim, options);
        sim.wires[0].borrow_mut().faults =
            Faults { lose: 30, duplicate: 20, delay: 50, corrupt: 10, forge: 0 };
        exchange(&mut sim, [server, client], if cfg!(miri) { 8_000 } else { 200_000 }, 3600 * S);
    }
}

#[test]
fn the_end_of_one_direction_leaves_the_other_open() {
    let mut sim = Sim::new(2, 2);
    let (server, client) = pair(&mut sim, OPTIONS());
    sim.stacks[1].tcp_try_write(client, b"question").unwrap();
    sim.stacks[1].tcp_shutdown_write(client).unwrap();
    assert_eq!(sim.stacks[1].tcp_try_write(client, b"more"), Err(Error::BrokenPipe));
    let mut buf = [0; 100];
    let len = sim.until(S, |sim, cx| ready(sim.stacks[0].tcp_poll_read(server, cx, &mut buf))).unwrap();
    assert_eq!(&buf[..len], b"question");
    assert_eq!(sim.until(S, |sim, cx| ready(sim.stacks[0].tcp_poll_read(server, cx, &mut buf))), Ok(0));
    assert!(sim.stacks[0].tcp_state(server).unwrap().eof);
    sim.run_for(5 * S);
    sim.stacks[0].tcp_try_write(server, b"answer").unwrap();
    sim.stacks[0].tcp_close(server).unwrap();
    let len = sim.until(S, |sim, cx| ready(sim.stacks[1].tcp_poll_read(client, cx, &mut buf))).unwrap();
    assert_eq!(&buf[..len], b"answer");
    assert_eq!(sim.until(S, |sim, cx| ready(sim.stacks[1].tcp_poll_read(client, cx, &mut buf))), Ok(0));
    sim.until(S, |sim, cx| ready(sim.stacks[1].tcp_poll_close(client, cx))).unwrap();
}

#[test]
fn peeked_bytes_are_read_again_and_flush_waits_for_the_peer() {
    let mut sim = Sim::new(2, 3);
    let (server, client) = pair(&mut sim, OPTIONS());
    sim.stacks[1].tcp_try_write(client, b"hello").unwrap();
    assert!(!sim.until(0, |sim, cx| Some(sim.stacks[1].tcp_poll_flush(client, cx))).is_ready());
    sim.until(S, |sim, cx| ready(sim.stacks[1].tcp_poll_flush(client, cx))).unwrap();
    let mut buf = [0; 9];
    for _ in 0..2 {
        assert_eq!(sim.until(S, |sim, cx| ready(sim.stacks[0].tcp_poll_peek(server, cx, &mut buf))), Ok(5));
    }
    let take =
        sim.until(S, |sim, cx| ready(sim.stacks[0].tcp_poll_read_with(server, cx, |data| data.len() - 1)));
    assert_eq!(take, Ok(4));
    assert_eq!(sim.stacks[0].tcp_try_read(server, &mut buf), Ok(1));
    assert_eq!(sim.stacks[0].tcp_try_read(server, &mut buf), Err(Error::WouldBlock));
}

#[test]
fn a_reset_reaches_the_peer_after_what_it_has_still_to_read() {
    let mut sim = Sim::new(2, 4);
    let (server, client) = pair(&mut sim, OPTIONS());
    sim.stacks[1].tcp_try_write(client, b"last words").unwrap();
    sim.run_for(10 * MS);
    sim.stacks[1].tcp_abort(client).unwrap();
    sim.run_for(10 * MS);
    let mut buf = [0; 100];
    assert_eq!(sim.stacks[0].tcp_try_read(server, &mut buf), Ok(10));
    assert_eq!(sim.stacks[0].tcp_try_read(server, &mut buf), Err(Error::ConnectionReset));
    assert_eq!(sim.stacks[0].tcp_try_write(server, b"?"), Err(Error::ConnectionReset));
    assert_eq!(sim.stacks[1].tcp_counts(), (0, 0));
    sim.stacks[0].tcp_close(server).unwrap();
    sim.run_for(10 * MS);
    assert_eq!(sim.stacks[0].tcp_counts(), (0, 0));
}

#[test]
fn a_port_where_nobody_listens_refuses() {
    let mut sim = Sim::new(2, 5);
    let client = sim.stacks[1].tcp_connect(at(1, 81), OPTIONS()).unwrap();
    let result = sim.until(S, |sim, cx| ready(sim.stacks[1].tcp_poll_connect(client, cx)));
    assert_eq!(result, Err(Error::ConnectionRefused));
}

#[test]
#[cfg_attr(miri, ignore = "slow")]
fn a_call_to_a_host_that_is_not_there_times_out() {
    let mut sim = Sim::new(2, 6);
    let options = TcpOptions { connect_timeout_ns: Some(3 * S), ..OPTIONS() };
    let client = sim.stacks[1].tcp_connect(at(77, 80), options).unwrap();
    let result = sim.until(4 * S, |sim, cx| ready(sim.stacks[1].tcp_poll_connect(client, cx)));
    assert_eq!(result, Err(Error::TimedOut));
    assert!(sim.now >= 3 * S);
    sim.stacks[1].tcp_close(client).unwrap();
    sim.run_for(70 * S);
    assert_eq!(sim.stacks[1].tcp_counts(), (0, 0));
}

#[test]
#[cfg_attr(miri, ignore = "slow")]
fn a_peer_that_falls_silent_with_data_on_the_way_times_out() {
    let mut sim = Sim::new(2, 7);
    let options = TcpOptions { user_timeout_ns: Some(20 * S), ..OPTIONS() };
    let (server, _) = pair(&mut sim, options);
    sim.run_for(100 * S);
    assert!(!sim.stacks[0].tcp_state(server).unwrap().closed, "silence alone is no reason");
    sim.wires[0].borrow_mut().faults.lose = 1000;
    sim.stacks[0].tcp_try_write(server, b"anybody there?").unwrap();
    let result = sim.until(60 * S, |sim, cx| ready(sim.stacks[0].tcp_poll_flush(server, cx)));
    assert_eq!(result, Err(Error::TimedOut));
}

#[test]
#[cfg_attr(miri, ignore = "slow")]
fn keep_alive_notices_a_peer_that_is_gone() {
    let mut sim = Sim::new(2, 8);
    let options = TcpOptions { keepalive_ns: Some(5 * S), user_timeout_ns: Some(20 * S), ..OPTIONS() };
    let (server, _) = pair(&mut sim, options);
    sim.run_for(100 * S);
    assert!(!sim.stacks[0].tcp_state(server).unwrap().closed);
    sim.wires[0].borrow_mut().faults.lose = 1000;
    let mut buf = [0];
    let result = sim.until(60 * S, |sim, cx| ready(sim.stacks[0].tcp_poll_read(server, cx, &mut buf)));
    assert_eq!(result, Err(Error::TimedOut));
}

#[test]
#[cfg_attr(miri, ignore = "slow")]
fn a_full_backlog_leaves_callers_to_try_again_and_loses_none() {
    let mut sim = Sim::new(2, 9);
    let listener = listen(&mut sim, 80, 2);
    let clients: Vec<_> = (0..6).map(|_| sim.stacks[1].tcp_connect(at(1, 80), OPTIONS()).unwrap()).collect();
    sim.run_for(5 * S);
    let count =
        |sim: &mut Sim| clients.iter().filter(|c| !sim.stacks[1].tcp_state(**c).unwrap().connecting).count();
    let established = count(&mut sim);
    assert!((2..=4).contains(&established), "{established} of 6 got into a backlog of 2");
    for _ in 0..6 {
        accept(&mut sim, listener);
    }
    sim.run_for(100 * MS);
    assert_eq!(count(&mut sim), 6);
    assert_eq!(sim.stacks[0].tcp_counts().0, 6);
}

#[test]
#[cfg_attr(miri, ignore = "slow")]
fn a_flood_of_calls_without_confirmation_does_not_shut_others_out() {
    let mut sim = Sim::new(3, 10);
    let listener = listen(&mut sim, 80, 4);
    // Stack 2 calls, and never hears the answer.
    sim.wires[0].borrow_mut().filter =
        Some(Box::new(|from, frame| from != 0 || frame[..6] != mac(3) || frame[12..14] == [8, 6]));
    for _ in 0..50 {
        sim.stacks[2].tcp_connect(at(1, 80), OPTIONS()).unwrap();
    }
    sim.run_for(300 * MS);
    assert_eq!(sim.stacks[0].tcp_counts().0, 4, "half-open connections beyond the backlog are kept");
    let client = sim.stacks[1].tcp_connect(at(1, 80), OPTIONS()).unwrap();
    sim.until(4 * S, |sim, cx| ready(sim.stacks[1].tcp_poll_connect(client, cx))).unwrap();
    accept(&mut sim, listener);
    sim.stacks.pop();
    sim.run_for(30 * S);
    assert_eq!(sim.stacks[0].tcp_counts().0, 1, "calls that were never confirmed are forgotten");
}

#[test]
fn a_closed_listener_resets_those_who_wait_and_refuses_the_next() {
    let mut sim = Sim::new(2, 11);
    let listener = listen(&mut sim, 80, 2);
    let client = sim.stacks[1].tcp_connect(at(1, 80), OPTIONS()).unwrap();
    sim.run_for(10 * MS);
    sim.stacks[0].tcp_close_listener(listener).unwrap();
    assert_eq!(sim.stacks[0].tcp_try_accept(listener), Err(Error::BadHandle));
    sim.run_for(10 * MS);
    assert_eq!(sim.stacks[1].tcp_try_read(client, &mut [0]), Err(Error::ConnectionReset));
    assert_eq!(sim.stacks[0].tcp_counts(), (0, 0));
    // The port is free at once.
    listen(&mut sim, 80, 2);
    assert_eq!(sim.stacks[0].tcp_listen(any(80), 1, OPTIONS()), Err(Error::AddrInUse));
}

#[test]
#[cfg_attr(miri, ignore = "slow")]
fn several_hundred_connections_are_served_at_once() {
    let count = if cfg!(miri) { 5 } else { 400 };
    let mut sim = Sim::new(2, 12);
    let listener = listen(&mut sim, 80, 64);
    let clients: Vec<_> =
        (0..count).map(|_| sim.stacks[1].tcp_connect(at(1, 80), OPTIONS()).unwrap()).collect();
    let mut servers = Vec::new();
    sim.until(60 * S, |sim, cx| {
        while let Some(server) = ready(sim.stacks[0].tcp_poll_accept(listener, cx)) {
            servers.push(server.unwrap().0);
        }
        (servers.len() == count).then_some(())
    });
    for (n, client) in clients.iter().enumerate() {
        sim.stacks[1].tcp_try_write(*client, &(n as u32).to_be_bytes()).unwrap();
    }
    let mut answered = 0;
    let mut buf = [0; 8];
    sim.until(60 * S, |sim, _| {
        for server in &servers {
            if let Ok(len @ 1..) = sim.stacks[0].tcp_try_read(*server, &mut buf) {
                sim.stacks[0].tcp_try_write(*server, &buf[..len]).unwrap();
            }
        }
        for (n, client) in clients.iter().enumerate() {
            if let Ok(len @ 1..) = sim.stacks[1].tcp_try_read(*client, &mut buf) {
                assert_eq!(buf[..len], (n as u32).to_be_bytes());
                answered += 1;
            }
        }
        (answered == count).then_some(())
    });
    for (server, client) in servers.into_iter().zip(clients) {
        sim.stacks[0].tcp_close(server).unwrap();
        sim.stacks[1].tcp_close(client).unwrap();
    }
    sim.run_for(S);
    let (open, waiting) = sim.stacks[0].tcp_counts();
    assert_eq!(open, 0, "{waiting} in TIME-WAIT");
    assert!(waiting > 0);
    sim.run_for(20 * S);
    assert_eq!(sim.stacks[1].tcp_counts().0, 0);
}

#[test]
#[cfg_attr(miri, ignore = "slow")]
fn time_wait_acknowledges_a_repeated_end_and_gives_way_to_a_new_call() {
    let mut sim = Sim::new(2, 13);
    let listener = listen(&mut sim, 80, 2);
    let connect = |sim: &mut Sim| {
        let client = sim.stacks[1].tcp_connect_from(any(4000), at(1, 80), OPTIONS()).unwrap();
        sim.until(5 * S, |sim, cx| ready(sim.stacks[1].tcp_poll_connect(client, cx))).unwrap();
        client
    };
    let client = connect(&mut sim);
    let server = accept(&mut sim, listener);
    sim.stacks[0].tcp_close(server).unwrap();
    sim.run_for(10 * MS);
    // The server's last acknowledgement is lost; the client repeats its end after 60 ms.
    sim.stacks[1].tcp_close(client).unwrap();
    let mut lost = 0;
    sim.wires[0].borrow_mut().filter = Some(Box::new(move |from, _| {
        lost += usize::from(from == 0);
        from != 0 || lost > 1
    }));
    sim.run_for(40 * MS);
    assert_eq!(sim.stacks[0].tcp_counts(), (0, 1), "the server holds no socket for it");
    assert_eq!(sim.stacks[1].tcp_counts().0, 1, "the client waits in LAST-ACK");
    sim.run_for(3 * S);
    assert_eq!(sim.stacks[1].tcp_counts().0, 0, "the repeated end was acknowledged");
    // The same ports at once.
    connect(&mut sim);
    accept(&mut sim, listener);
    assert_eq!(sim.stacks[0].tcp_counts(), (1, 0));
}

#[test]
#[cfg_attr(miri, ignore = "slow")]
fn what_was_written_before_a_close_is_delivered_through_loss() {
    let mut sim = Sim::new(2, 14);
    let (server, client) = pair(&mut sim, OPTIONS());
    sim.wires[0].borrow_mut().faults.lose = 200;
    let data: Vec<u8> = (0..16_000).map(byte).collect();
    assert_eq!(sim.stacks[0].tcp_try_write(server, &data), Ok(data.len()));
    sim.stacks[0].tcp_close(server).unwrap();
    let mut got = Vec::new();
    let mut buf = [0; 999];
    sim.until(600 * S, |sim, cx| {
        loop {
            let len = ready(sim.stacks[1].tcp_poll_read(client, cx, &mut buf))?.unwrap();
            got.extend_from_slice(&buf[..len]);
            if len == 0 {
                return Some(());
            }
        }
    });
    assert!(got == data);
    sim.stacks[1].tcp_close(client).unwrap();
    sim.run_for(200 * S);
    assert_eq!((sim.stacks[0].tcp_counts().0, sim.stacks[1].tcp_counts().0), (0, 0));
}

#[test]
#[cfg_attr(miri, ignore = "slow")]
fn a_peer_that_never_ends_its_side_does_not_keep_the_memory() {
    let mut sim = Sim::new(2, 15);
    let (server, client) = pair(&mut sim, OPTIONS());
    sim.stacks[0].tcp_close(server).unwrap();
    sim.run_for(30 * S);
    assert_eq!(sim.stacks[0].tcp_counts().0, 1);
    sim.run_for(40 * S);
    assert_eq!(sim.stacks[0].tcp_counts(), (0, 0));
    // And one that goes on sending is told to stop.
    sim.stacks[1].tcp_try_write(client, b"hello?").unwrap();
    sim.run_for(S);
    assert_eq!(sim.stacks[1].tcp_try_write(client, b"hello?"), Err(Error::ConnectionReset));
}

#[test]
fn stale_handles_are_errors() {
    let mut sim = Sim::new(2, 16);
    let (server, client) = pair(&mut sim, OPTIONS());
    sim.stacks[0].tcp_close(server).unwrap();
    sim.stacks[1].tcp_abort(client).unwrap();
    assert_eq!(sim.stacks[0].tcp_close(server), Err(Error::BadHandle));
    assert_eq!(sim.stacks[0].tcp_try_write(server, b"x"), Err(Error::BadHandle));
    assert_eq!(sim.stacks[0].tcp_try_read(server, &mut [0]), Err(Error::BadHandle));
    sim.run_for(S);
    let (again, _) = pair(&mut sim, OPTIONS());
    assert_ne!(again, server);
    assert_eq!(sim.stacks[0].tcp_try_read(server, &mut [0]), Err(Error::BadHandle));
}

#[test]
#[cfg_attr(miri, ignore = "slow")]
fn beyond_the_memory_limit_callers_wait() {
    let mut sim = Sim::new(2, 17);
    let listener = listen(&mut sim, 80, 8);
    // A connection counts for a kibibyte.
    sim.stacks[0].set_tcp_memory_limit(3 << 10);
    for _ in 0..5 {
        sim.stacks[1].tcp_connect(at(1, 80), OPTIONS()).unwrap();
    }
    let mut held: Vec<_> = (0..3).map(|_| accept(&mut sim, listener)).collect();
    sim.run_for(2 * S);
    assert_eq!(sim.stacks[0].tcp_try_accept(listener), Err(Error::WouldBlock));
    assert_eq!(sim.stacks[0].tcp_connect(at(2, 9), OPTIONS()), Err(Error::OutOfMemory));
    sim.stacks[0].tcp_abort(held.pop().unwrap()).unwrap();
    accept(&mut sim, listener);
}

#[test]
#[cfg_attr(miri, ignore = "slow")]
fn an_idle_stack_with_open_connections_asks_for_no_poll() {
    let mut sim = Sim::new(2, 18);
    let (_server, _client) = pair(&mut sim, OPTIONS());
    sim.run_for(S);
    let (polls, start) = (sim.polls, sim.now);
    sim.run_for(1000 * S);
    assert!(sim.now - start >= 1000 * S);
    assert!(sim.polls - polls < 20, "{} polls of an idle stack", sim.polls - polls);
}

#[test]
#[cfg_attr(miri, ignore = "slow")]
fn loopback_connects_a_stack_with_itself() {
    let mut sim = Sim::new(1, 19);
    for to in ["127.0.0.1:80", "127.1.2.3:80", "[::1]:80", "10.0.0.1:80"] {
        let listener = listen(&mut sim, 80, 2);
        let client = sim.stacks[0].tcp_connect(to.parse().unwrap(), OPTIONS()).unwrap();
        sim.until(S, |sim, cx| ready(sim.stacks[0].tcp_poll_connect(client, cx))).unwrap();
        let server = accept(&mut sim, listener);
        let data = [7; 10_000];
        assert_eq!(sim.stacks[0].tcp_try_write(client, &data), Ok(data.len()));
        let (mut got, mut buf) = (0, [0; 20_000]);
        sim.until(S, |sim, cx| {
            got += ready(sim.stacks[0].tcp_poll_read(server, cx, &mut buf))?.unwrap();
            (got == data.len()).then_some(())
        });
        assert_eq!(sim.stacks[0].tcp_local_addr(server).unwrap(), to.parse().unwrap());
        sim.stacks[0].tcp_close_listener(listener).unwrap();
    }
    assert_eq!(sim.wires[0].borrow().frames, 1, "only the announcement of the address went out");
}

#[test]
#[cfg_attr(miri, ignore = "slow")]
fn a_device_that_goes_and_comes_back_costs_no_connection() {
    let mut sim = Sim::new(2, 20);
    let (server, client) = pair(&mut sim, OPTIONS());
    let eth = sim.stacks[0].interfaces()[1].index;
    let device = sim.stacks[0].remove_device(eth).unwrap();
    assert!(sim.stacks[0].remove_device(eth).is_none());
    assert!(!sim.stacks[0].interfaces()[1].up);
    sim.stacks[1].tcp_try_write(client, b"are you there?").unwrap();
    sim.stacks[0].tcp_try_write(server, b"back soon").unwrap();
    sim.run_for(2 * S);
    sim.stacks[0].replace_device(eth, device, mac(9)).unwrap();
    let mut buf = [0; 50];
    assert_eq!(sim.until(60 * S, |sim, cx| ready(sim.stacks[0].tcp_poll_read(server, cx, &mut buf))), Ok(14));
    assert_eq!(sim.until(60 * S, |sim, cx| ready(sim.stacks[1].tcp_poll_read(client, cx, &mut buf))), Ok(9));
}
