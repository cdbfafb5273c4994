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
