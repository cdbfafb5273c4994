//! One connection and a peer that the test plays by hand.

use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{TcpControl, TcpRepr, TcpSeqNumber, TcpTimestampRepr};
use std::vec::Vec;

use super::super::{Connection, Pool, Route, Seq, State};
use crate::config::TcpOptions;

/// First numbers of the connection and of its peer, near the wrap.
pub(super) const OURS: u32 = u32::MAX - 100;
pub(super) const THEIRS: u32 = u32::MAX - 200;

/// A segment that the connection sent.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) control: TcpControl,
    /// Counted from the first byte of data.
    pub(super) seq: u32,
    pub(super) ack: Option<u32>,
    pub(super) window: u16,
    pub(super) data: Vec<u8>,
    pub(super) blocks: Vec<(u32, u32)>,
    pub(super) divide: Option<u16>,
    pub(super) repr: TcpRepr<'static>,
}

pub(super) struct Desk {
    pub(super) connection: Connection,
    pub(super) pool: Pool,
    pub(super) now: Instant,
    pub(super) route: Route,
}

pub(super) fn options() -> TcpOptions {
    TcpOptions { ack_delay_ns: Some(40_000_000), ..TcpOptions::default() }
}

/// A segment of the peer with data from `seq` on, both counted from the first byte.
pub(super) fn segment(seq: u32, ack: u32, data: &[u8]) -> TcpRepr<'_> {
    TcpRepr {
        src_port: 80,
        dst_port: 1000,
        control: TcpControl::None,
        seq_number: TcpSeqNumber(THEIRS.wrapping_add(1).wrapping_add(seq) as i32),
        ack_number: Some(TcpSeqNumber(OURS.wrapping_add(1).wrapping_add(ack) as i32)),
        window_len: 60_000,
        window_scale: None,
        max_seg_size: None,
        sack_permitted: false,
        sack_ranges: [None; 3],
        timestamp: None,
        payload: data,
    }
}

pub(super) fn with_blocks(mut segment: TcpRepr<'_>, blocks: [(u32, u32); 1]) -> TcpRepr<'_> {
    let number = |at: u32| OURS.wrapping_add(1).wrapping_add(at);
    segment.sack_ranges[0] = Some((number(blocks[0].0), number(blocks[0].1)));
    segment
}

impl Desk {
    /// Has called the peer, and not been answered yet.
    pub(super) fn calling(options: TcpOptions) -> Self {
        let now = Instant::from_secs(500);
        let connection = Connection::call(Seq(OURS), 0, false, &options, now);
        let route = Route { mtu: 1040, offload: None, tight: false };
        Self { connection, pool: Pool::new(usize::MAX), now, route }
    }

    /// The peer's answer to the call: segments of 1000 bytes.
    pub(super) fn answer() -> TcpRepr<'static> {
        TcpRepr {
            control: TcpControl::Syn,
            seq_number: TcpSeqNumber(THEIRS as i32),
            max_seg_size: Some(1000),
            sack_permitted: true,
            ..segment(0, 0, &[])
        }
    }

    /// Is connected, with SACK or without, and without timestamps and scaled windows.
    pub(super) fn new(options: TcpOptions, sack: bool) -> Self {
        let mut desk = Self::calling(options);
        assert_eq!(desk.out().len(), 1);
        desk.take(&TcpRepr { sack_permitted: sack, ..Self::answer() });
        assert_eq!(desk.connection.state(), State::Established);
        assert_eq!(desk.out().len(), 1, "the third of the three segments");
        desk
    }

    pub(super) fn take(&mut self, segment: &TcpRepr<'_>) {
        self.connection.receive(segment, self.now, &mut self.pool);
    }

    /// What the connection sends now.
    pub(super) fn out(&mut self) -> Vec<Sent> {
        let mut all = Vec::new();
        while let Some(segment) = self.connection.next_segment(self.now, &self.route) {
            let mut data = std::vec![0; segment.len];
            self.connection.payload(&segment, &mut data);
            self.connection.sent(&segment, self.now);
            let repr = segment.repr(1000, 80);
            all.push(Sent {
                control: repr.control,
                seq: (repr.seq_number.0 as u32).wrapping_sub(OURS.wrapping_add(1)),
                ack: repr.ack_number.map(|ack| (ack.0 as u32).wrapping_sub(THEIRS.wrapping_add(1))),
                window: repr.window_len,
                data,
                blocks: (repr.sack_ranges.iter().flatten())
                    .map(|(a, b)| (a.wrapping_sub(THEIRS + 1), b.wrapping_sub(THEIRS + 1)))
                    .collect(),
                divide: segment.divide,
                repr,
            });
            assert!(all.len() < 1000, "it never stops");
        }
        all
    }

    /// Goes on in time to the next deadline; how many milliseconds that took.
    pub(super) fn wait(&mut self) -> u64 {
        let at = self.connection.poll_at().expect("a deadline");
        let waited = at - self.now;
        self.now = at.max(self.now);
        waited.total_millis()
    }

    pub(super) fn pass(&mut self, ms: u64) {
        self.now += Duration::from_millis(ms);
    }

    pub(super) fn write(&mut self, len: usize) {
        let data: Vec<u8> = (0..len).map(|at| at as u8).collect();
        assert_eq!(self.connection.send_slice(&data, self.now, &mut self.pool), len);
    }

    /// A segment of the peer that acknowledges so many bytes.
    pub(super) fn ack(&mut self, ack: u32) {
        self.take(&segment(0, ack, &[]));
    }
}

/// A stamped segment.
pub(super) fn stamped(segment: TcpRepr<'_>, tsval: u32, tsecr: u32) -> TcpRepr<'_> {
    TcpRepr { timestamp: Some(TcpTimestampRepr { tsval, tsecr }), ..segment }
}
