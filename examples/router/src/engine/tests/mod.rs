//! A router between two networks, and what its neighbours see; smoltcp reads what it sends.

mod filter;
mod flows;
mod frames;
mod hostile;
mod lan;
mod nat;
mod routing;
mod rules;

use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;

use super::address::{Addr, Mac};
use super::router::{Frame, Link, Out, Router};
use super::*;
use frames::{Datagram, Seen};

const SECOND: u64 = 1_000_000_000;
/// The router's own hardware addresses, and of one machine on each side.
const ROUTER: [Mac; 2] = [[2, 0, 0, 0, 0, 0xa0], [2, 0, 0, 0, 0, 0xa1]];
const HOST: [Mac; 2] = [[2, 0, 0, 0, 0, 0xb0], [2, 0, 0, 0, 0, 0xb1]];

const PLAIN: &str =
    "interface 0 10.1.0.1/24 fd00:1::1/64\ninterface 1 10.2.0.1/24 fd00:2::1/64\ndefault accept\n";

/// A router, what it has sent, and the time.
struct Net {
    router: Router,
    now: u64,
    sent: Sent,
}

#[derive(Default)]
struct Sent {
    frames: Vec<(usize, Vec<u8>, Option<u16>)>,
    /// Interfaces without room.
    full: [bool; 2],
}

impl Out for Sent {
    fn send(
        &mut self,
        output: usize,
        len: usize,
        segment_len: Option<u16>,
        write: impl FnOnce(&mut [u8]),
    ) -> bool {
        if self.full[output] {
            return false;
        }
        // What was in the buffer before must not matter.
        let mut frame = vec![0xa5; len];
        write(&mut frame);
        self.frames.push((output, frame, segment_len));
        true
    }
}

fn addr(text: &str) -> Addr {
    text.parse::<core::net::IpAddr>().expect("an address").into()
}

impl Net {
    /// A router by these rules whose neighbours `.2` and `::2` on each side are known.
    fn new(text: &str) -> Self {
        let mut net = Self::with_strangers(text);
        for (interface, v4, v6) in [(0, "10.1.0.2", "fd00:1::2"), (1, "10.2.0.2", "fd00:2::2")] {
            for address in [v4, v6] {
                net.router.neighbours.learn(interface, addr(address), HOST[interface], true, net.now);
            }
        }
        net
    }

    fn with_strangers(text: &str) -> Self {
        let rules = super::rules::parse("test", text).unwrap_or_else(|error| panic!("{}", error.to_string()));
        let mut router = Router::new(rules, [7, 8, 9]).expect("there is memory");
        for (interface, mac) in ROUTER.into_iter().enumerate() {
            router.set_link(interface, Link { mac, mtu: 1500, divides_v4: true, divides_v6: true });
        }
        Self { router, now: SECOND, sent: Sent::default() }
    }

    /// Gives the router a frame, and returns what it sends.
    fn give(&mut self, input: usize, bytes: &[u8]) -> Vec<(usize, Vec<u8>)> {
        self.give_segment(input, bytes, None).into_iter().map(|(output, frame, _)| (output, frame)).collect()
    }

    fn give_segment(
        &mut self,
        input: usize,
        bytes: &[u8],
        segment_len: Option<u16>,
    ) -> Vec<(usize, Vec<u8>, Option<u16>)> {
        self.router.receive(&Frame { bytes, input, segment_len }, self.now, &mut self.sent);
        core::mem::take(&mut self.sent.frames)
    }

    fn poll(&mut self) -> Vec<(usize, Vec<u8>)> {
        self.router.poll(self.now, &mut self.sent);
        core::mem::take(&mut self.sent.frames).into_iter().map(|(output, frame, _)| (output, frame)).collect()
    }

    /// Sends a datagram in, and returns what comes out as the one who gets it reads it.
    fn pass(&mut self, input: usize, datagram: &Datagram) -> Option<(usize, Seen)> {
        let mut sent = self.give(input, &datagram.frame(HOST[input], ROUTER[input]));
        assert!(sent.len() <= 1, "{} frames for one", sent.len());
        sent.pop().map(|(output, frame)| (output, Seen::read(&frame)))
    }

    fn drops(&self, reason: counters::Reason) -> u64 {
        self.router.counters().drops(reason)
    }
}
