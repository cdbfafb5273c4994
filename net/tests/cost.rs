//! What idle connections cost: run with `--release -- --nocapture` to see times.
mod common;

use common::*;
use net::{Error, TcpOptions};
use std::time::Instant;

/// The fastest round trip of a small request and answer over one connection, beside `idle` others, in nanoseconds.
fn round_trip(idle: usize) -> u64 {
    let mut sim = Sim::new(2, 1);
    let options =
        TcpOptions { rx_buffer: 2048, tx_buffer: 2048, user_timeout_ns: None, ..TcpOptions::default() };
    let listener = sim.stacks[0].tcp_listen(any(80), 1000, options).unwrap();
    let mut pairs = Vec::new();
    for _ in 0..=idle {
        let client = sim.stacks[1].tcp_connect(at(1, 80), options).unwrap();
        let accepted = sim.until(60 * S, |sim, cx| ready(sim.stacks[0].tcp_poll_accept(listener, cx)));
        pairs.push((accepted.unwrap().0, client));
    }
    sim.run_for(100 * MS);
    let (server, client) = pairs[0];
    let rounds = if cfg!(debug_assertions) { 50 } else { 20_000 };
    let mut fastest = u64::MAX;
    let mut buf = [0; 200];
    for _ in 0..rounds {
        let start = Instant::now();
        sim.stacks[1].tcp_try_write(client, &[1; 100]).unwrap();
        sim.until(S, |sim, _| match sim.stacks[0].tcp_try_read(server, &mut buf) {
            Ok(len) => (len == 100).then_some(()),
            Err(error) => {
                assert_eq!(error, Error::WouldBlock);
                None
            }
        });
        sim.stacks[0].tcp_try_write(server, &[2; 150]).unwrap();
        sim.until(S, |sim, _| sim.stacks[1].tcp_try_read(client, &mut buf).ok());
        fastest = fastest.min(start.elapsed().as_nanos() as u64);
    }
    fastest
}

#[test]
#[cfg_attr(miri, ignore = "measures time")]
fn idle_connections_cost_the_busy_one_little() {
    let alone = round_trip(0);
    let among = round_trip(if cfg!(debug_assertions) { 50 } else { 500 });
    println!("a round trip through two stacks: {alone} ns alone, {among} ns beside idle connections");
    assert!(among < 3 * alone + 50_000, "{among} ns beside idle connections, {alone} ns alone");
}
