//! Bytes arrive as they were sent, whatever the path does to packets; and how soon.

use smoltcp::time::Duration;
use std::vec::Vec;

use super::link::{Faults, Host, Other, Ours, Path};
use crate::config::TcpOptions;

/// Bytes that repeat after a prime number, so that none is mistaken for another at a place where packets begin.
const PERIOD: usize = 65_521;
const LONGEST: usize = 30_000;

struct Pattern(Vec<u8>);

impl Pattern {
    fn new() -> Self {
        let mut rng = crate::rng::Rng::new(7);
        let mut bytes: Vec<u8> = (0..PERIOD).map(|_| rng.next_u64() as u8).collect();
        bytes.extend_from_within(..LONGEST);
        Self(bytes)
    }

    /// What stands at `at`.
    fn at(&self, at: usize, len: usize) -> &[u8] {
        &self.0[at % PERIOD..][..len]
    }
}

fn options() -> TcpOptions {
    TcpOptions { user_timeout_ns: None, congestion_control: true, ..TcpOptions::default() }
}

/// Sends that many bytes each way, checks every one and ends the connection; the time it took.
fn exchange(path: &mut Path, hosts: &mut [&mut dyn Host; 2], totals: [usize; 2], limit_s: i64) -> Duration {
    let start = path.now;
    let deadline = start + Duration::from_secs(limit_s as u64);
    let (mut sent, mut received, mut closed) = ([0; 2], [0; 2], [false; 2]);
    let mut buf = std::vec![0; LONGEST];
    let pattern = Pattern::new();
    let mut done_at = None;
    loop {
        for end in 0..2 {
            while sent[end] < totals[end] {
                let len = (totals[end] - sent[end]).min(7_000);
                let written = hosts[end].write(pattern.at(sent[end], len), path.now);
                sent[end] += written;
                if written == 0 {
                    break;
                }
            }
            loop {
                let len = hosts[end].read(&mut buf, path.now);
                if len == 0 {
                    break;
                }
                assert!(buf[..len] == *pattern.at(received[end], len), "byte {} at end {end}", received[end]);
                received[end] += len;
            }
            let whole = sent[end] == totals[end] && received[end] == totals[1 - end];
            if whole && !closed[end] {
                hosts[end].close();
                closed[end] = true;
            }
        }
        if closed == [true; 2] {
            done_at.get_or_insert(path.now);
            if hosts.iter_mut().all(|host| host.is_over()) {
                break;
            }
        }
        assert!(path.now < deadline, "sent {sent:?}, received {received:?} of {totals:?}");
        path.step(hosts, deadline);
    }
    done_at.map_or(Duration::ZERO, |at| at - start)
}

fn worst() -> Faults {
    Faults { lose: 30, double: 20, delay: 50, corrupt: 10 }
}

#[test]
fn our_connections_understand_each_other_through_every_fault() {
    for seed in 0..if cfg!(miri) { 1 } else { 20 } {
        let mut path = Path::new(seed, 1 + seed % 40);
        path.faults = worst();
        let sizes = [600, 3_000, 20_000, 262_144];
        let with = |n: u64| TcpOptions {
            rx_buffer: sizes[(n % 4) as usize],
            tx_buffer: sizes[(n / 4 % 4) as usize],
            congestion_control: !n.is_multiple_of(3),
            nodelay: n.is_multiple_of(2),
            ack_delay_ns: (!n.is_multiple_of(5)).then_some(40_000_000),
            ..options()
        };
        let mtu = [576, 1500, 1500, 9000][(seed % 4) as usize];
        let mut ends = [Ours::new(0, with(seed), mtu), Ours::new(1, with(seed / 2 + 3), 1500)];
        if seed % 3 == 0 {
            ends.iter_mut().for_each(|end| end.route.offload = Some(65535));
        }
        ends[0].call(u32::MAX - 5_000, path.now);
        let [a, b] = &mut ends;
        exchange(&mut path, &mut [a, b], [50_000, 30_000], 20_000);
        for end in &ends {
            assert_eq!(end.pool.used(), 0, "memory is left over with seed {seed}");
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "slow")]
fn smoltcp_and_ours_understand_each_other_through_every_fault() {
    for seed in 0..12 {
        for ours in 0..2 {
            let mut path = Path::new(seed, 1 + seed % 9);
            path.faults = if seed % 4 == 0 { Faults::default() } else { worst() };
            let mtu = [576, 1500][(seed % 2) as usize];
            let mut other = Other::new(1 - ours, [500, 4_000, 100_000][(seed % 3) as usize], mtu);
            let mut own = Ours::new(ours, TcpOptions { rx_buffer: 5_000, ..options() }, 1500);
            if ours == 0 {
                own.call(99, path.now);
                exchange(&mut path, &mut [&mut own, &mut other], [30_000, 50_000], 50_000);
            } else {
                exchange(&mut path, &mut [&mut other, &mut own], [50_000, 30_000], 50_000);
            }
        }
    }
}

fn bulk(path: &mut Path, total: usize, limit: usize) -> (Duration, usize) {
    let with = TcpOptions { rx_buffer: limit, tx_buffer: limit, ..options() };
    let mut ends = [Ours::new(0, with, 1500), Ours::new(1, with, 1500)];
    ends[0].route.offload = Some(65535);
    ends[0].call(1, path.now);
    let [a, b] = &mut ends;
    let took = exchange(path, &mut [a, b], [total, 0], 3_000);
    (took, ends[0].sent.1)
}

#[test]
#[cfg_attr(miri, ignore = "slow")]
fn a_long_path_is_filled_by_windows_that_grow() {
    // 100 Mbit/s and 40 ms there and back: 500 kB on the way.
    let mut path = Path::new(1, 20);
    path.byte_ns = 80;
    let (took, sent) = bulk(&mut path, 8_000_000, 2 << 20);
    assert_eq!(sent, 8_000_000, "nothing was sent twice");
    // 0.64 s for the bytes alone.
    assert!(took < Duration::from_millis(1_200), "{took}");
}

#[test]
#[cfg_attr(miri, ignore = "slow")]
fn a_megabyte_over_a_long_fast_path_takes_few_round_trips() {
    let mut path = Path::new(1, 50);
    let (took, _) = bulk(&mut path, 1 << 20, 1 << 20);
    // 14 kB, 28, ... : seven round trips and the call.
    assert!(took < Duration::from_millis(1_000), "{took}");
}

#[test]
#[cfg_attr(miri, ignore = "slow")]
fn one_loss_in_a_hundred_costs_no_time_outs() {
    // A gigabit and 2 ms.
    let mut path = Path::new(3, 1);
    path.faults.lose = 10;
    let (took, sent) = bulk(&mut path, 5_000_000, 1 << 20);
    assert!(took < Duration::from_secs(2), "{took}");
    assert!(sent < 5_300_000, "{sent} bytes sent");
}

#[test]
#[cfg_attr(miri, ignore = "slow")]
fn a_full_queue_is_shared_without_collapse() {
    // 20 Mbit/s, 20 ms, a queue of 40 packets: 50 kB on the way and 60 kB in the queue.
    let mut path = Path::new(4, 10);
    (path.byte_ns, path.queue) = (400, 40);
    let (took, sent) = bulk(&mut path, 5_000_000, 1 << 20);
    // 2 s for the bytes alone.
    assert!(took < Duration::from_millis(2_800), "{took}");
    assert!(sent < 5_400_000, "{sent} bytes sent");
}

#[test]
fn an_idle_connection_is_small() {
    let size = size_of::<super::super::Connection>();
    assert!(size <= 896, "{size} bytes");
}
