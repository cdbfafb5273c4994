//! What the two sides agree on in their first segments: segment size, window scale, timestamps (RFC 7323); and how the
//! receive buffer grows.

use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{TcpRepr, TcpTimestampRepr};

use super::Connection;
use super::seq::Seq;

/// Bytes of the timestamps option in each segment.
pub(super) const STAMPS_LEN: u32 = 12;
/// No path is so narrow that less would help; a peer that asks for less would only make us work.
pub(super) const LEAST_MSS: u32 = 64;
/// Windows begin like this, and grow for who reads fast.
const FIRST_WINDOW: usize = 64 << 10;

/// What lies between a connection and its peer, as far as this end sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Route {
    /// The longest IP packet.
    pub(crate) mtu: usize,
    /// The longest IP packet that the device takes to divide it into segments.
    pub(crate) offload: Option<usize>,
    /// Memory is short: windows do not open.
    pub(crate) tight: bool,
}

/// IP and TCP header without options.
pub(super) fn headers(is_v6: bool) -> usize {
    if is_v6 { 60 } else { 40 }
}

/// What a peer takes that does not say (RFC 9293 section 3.7.1).
pub(super) fn default_mss(is_v6: bool) -> u16 {
    if is_v6 { 1220 } else { 536 }
}

/// The shift with which a window of that many bytes fits 16 bits.
pub(super) fn scale_for(buffer: usize) -> u8 {
    (0..14).find(|scale| buffer >> scale <= 65535).unwrap_or(14)
}

/// The window that a first segment offers.
pub(super) fn unscaled_window(buffer: usize) -> u32 {
    buffer.min(65535) as u32
}

/// Timestamps: ours count milliseconds from somewhere.
pub(super) struct Stamps {
    offset: u32,
    /// The peer's last, to be echoed, and when it came.
    recent: u32,
    recent_at: Instant,
    /// The peer agreed.
    pub(super) agreed: bool,
}

impl Stamps {
    pub(super) fn new(offset: u32) -> Self {
        Self { offset, recent: 0, recent_at: Instant::ZERO, agreed: false }
    }

    fn value(&self, now: Instant) -> u32 {
        self.offset.wrapping_add(now.total_millis() as u32)
    }

    /// What goes into a segment.
    pub(super) fn option(&self, now: Instant) -> TcpTimestampRepr {
        TcpTimestampRepr { tsval: self.value(now), tsecr: self.recent }
    }

    /// Whether a segment is so old that its number may have come round (PAWS).
    pub(super) fn is_old(&self, stamp: TcpTimestampRepr, now: Instant) -> bool {
        // After so long a silence the clock itself may have come round.
        let is_known = self.agreed && now - self.recent_at < Duration::from_secs(24 * 86400);
        is_known && Seq(stamp.tsval).lt(Seq(self.recent))
    }

    pub(super) fn note(&mut self, stamp: TcpTimestampRepr, now: Instant) {
        if !self.agreed || !Seq(stamp.tsval).lt(Seq(self.recent)) || self.is_stale(now) {
            self.recent = stamp.tsval;
            self.recent_at = now;
        }
    }

    fn is_stale(&self, now: Instant) -> bool {
        now - self.recent_at >= Duration::from_secs(24 * 86400)
    }

    /// The round trip that an echo tells; to a millisecond.
    pub(super) fn round_trip(&self, stamp: TcpTimestampRepr, now: Instant) -> Option<Duration> {
        let took = self.value(now).wrapping_sub(stamp.tsecr);
        (stamp.tsecr != 0 && took < 120_000).then(|| Duration::from_millis(u64::from(took.max(1))))
    }
}

/// How large the window is, and how much was read in the last round trip: a reader that took most of it gets more.
pub(super) struct Tuning {
    /// Bytes of received data that there may be.
    pub(super) buffer: usize,
    limit: usize,
    read: usize,
    since: Instant,
    /// A window's worth of bytes takes about a round trip: up to where, since when, and how long the last took.
    mark: (Seq, Instant),
    round: Option<Duration>,
}

impl Tuning {
    pub(super) fn new(limit: usize, now: Instant) -> Self {
        let limit = limit.clamp(1, 1 << 30);
        let mark = (Seq(0), now);
        Self { buffer: limit.min(FIRST_WINDOW), limit, read: 0, since: now, mark, round: None }
    }

    pub(super) fn start(&mut self, next: Seq, now: Instant) {
        self.mark = (next + self.buffer as u32, now);
        self.since = now;
    }

    /// Data arrived up to `next`.
    pub(super) fn arrived(&mut self, next: Seq, now: Instant) {
        if next.lt(self.mark.0) {
            return;
        }
        let took = (now - self.mark.1).max(Duration::from_micros(50));
        self.round = Some(self.round.map_or(took, |round| round.min(took)));
        self.mark = (next + self.buffer as u32, now);
    }

    /// The application has read some bytes.
    pub(super) fn read(&mut self, count: usize, now: Instant) {
        self.read = self.read.saturating_add(count);
        if self.buffer >= self.limit {
            return;
        }
        // Before the first window is full the round trip is not known.
        let Some(round) = self.round else { return };
        if now - self.since < round {
            return;
        }
        if self.read >= self.buffer / 2 {
            self.buffer = self.read.saturating_mul(2).clamp(self.buffer, self.limit);
        }
        self.read = 0;
        self.since = now;
    }
}

impl Connection {
    /// Takes in the peer's first segment.
    pub(super) fn take_syn(&mut self, syn: &TcpRepr<'_>, now: Instant) {
        let seq = Seq(syn.seq_number.0 as u32);
        self.irs = seq;
        self.rx = super::receive::ReceiveQueue::new(seq + 1);
        self.acked_to = seq;
        if let Some(mss) = syn.max_seg_size {
            self.peer_mss = mss.max(LEAST_MSS as u16);
        }
        match syn.window_scale {
            Some(scale) => self.peer_scale = scale.min(14),
            None => self.scale = 0,
        }
        self.has_sack &= syn.sack_permitted;
        self.stamps = match (self.stamps.take(), syn.timestamp) {
            (Some(mut stamps), Some(stamp)) => {
                stamps.note(stamp, now);
                stamps.agreed = true;
                Some(stamps)
            }
            _ => None,
        };
        // The window of a SYN is never scaled.
        self.peer_window = syn.window_len.into();
        self.peer_window_most = self.peer_window;
        self.window_from = (seq, self.una);
        self.tuning.start(self.rx.next(), now);
        let buffer_most = 65535usize << self.scale;
        self.tuning.limit = self.tuning.limit.min(buffer_most);
        self.tuning.buffer = self.tuning.buffer.min(buffer_most);
        // What our first segment offers, or has offered: without scale.
        self.edge = self.rx.next() + unscaled_window(self.tuning.buffer);
    }

    /// The largest segment that we take, for our own SYN.
    pub(super) fn own_mss(&self, route: &Route) -> u16 {
        route.mtu.saturating_sub(headers(self.is_v6)).clamp(LEAST_MSS as usize, 65535) as u16
    }
}
