//! What a connection knows of itself and of the path: [`TcpInfo`].

use smoltcp::time::{Duration, Instant};

use super::{Connection, Recovery};

/// Facts about a connection, for whoever looks for what holds it up. Windows and amounts are in bytes, times in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TcpInfo {
    /// The smoothed round trip and its variation (RFC 6298); 0 before the first was measured.
    pub round_trip: u32,
    /// See [`TcpInfo::round_trip`].
    pub variation: u32,
    /// The shortest round trip; 0 before the first.
    pub least_round_trip: u32,
    /// The retransmission time-out.
    pub timeout: u32,
    /// Time-outs in a row.
    pub backoff: u8,
    /// Bytes of a whole segment of ours, and of the peer's largest so far.
    pub segment: u32,
    /// See [`TcpInfo::segment`].
    pub peer_segment: u32,
    /// The longest IP packet that gets through, as far as the device and routers have said.
    pub path_mtu: u32,
    /// The congestion window, and where slow start ends.
    pub window: u32,
    /// See [`TcpInfo::window`].
    pub threshold: u32,
    /// What the peer has room for.
    pub peer_window: u32,
    /// The largest window that we offer.
    pub receive_buffer: u32,
    /// Sent and not acknowledged; of that, what the peer has told to have, and what is taken for lost.
    pub flight: u32,
    /// See [`TcpInfo::flight`].
    pub told: u32,
    /// See [`TcpInfo::flight`].
    pub lost: u32,
    /// Written and not sent yet.
    pub unsent: u32,
    /// Something lost is being sent again: after later segments had passed it, or after a time-out.
    pub recovers: bool,
    /// See [`TcpInfo::recovers`].
    pub timed_out: bool,
    /// What both sides agreed on: selective acknowledgements, timestamps.
    pub selective: bool,
    /// See [`TcpInfo::selective`].
    pub timestamps: bool,
    /// Shifts of the peer's windows and of ours.
    pub scales: (u8, u8),
    /// What was counted.
    pub counts: TcpCounts,
    /// Since a segment with data was sent, and one received.
    pub since_sent: u32,
    /// See [`TcpInfo::since_sent`].
    pub since_received: u32,
}

/// What a connection has sent and received so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TcpCounts {
    /// Segments sent (a long one that the device divides counts as what it is divided into) and received.
    pub segments_out: u32,
    /// See [`TcpCounts::segments_out`].
    pub segments_in: u32,
    /// Of those, the ones with data.
    pub data_out: u32,
    /// See [`TcpCounts::data_out`].
    pub data_in: u32,
    /// Segments and bytes sent again.
    pub resent: u32,
    /// See [`TcpCounts::resent`].
    pub resent_bytes: u64,
    /// Bytes sent, acknowledged by the peer, and received in order.
    pub sent_bytes: u64,
    /// See [`TcpCounts::sent_bytes`].
    pub acked_bytes: u64,
    /// See [`TcpCounts::sent_bytes`].
    pub received_bytes: u64,
}

impl TcpCounts {
    pub(super) fn sent(&mut self, len: usize, mss: u32, again: bool) {
        let segments = (len as u32).div_ceil(mss.max(1)).max(1);
        self.segments_out = self.segments_out.wrapping_add(segments);
        if len > 0 {
            self.data_out = self.data_out.wrapping_add(segments);
            self.sent_bytes += len as u64;
        }
        if again {
            self.resent = self.resent.wrapping_add(segments);
            self.resent_bytes += len as u64;
        }
    }

    pub(super) fn received(&mut self, len: usize, mss: u16) {
        let segments = (len as u32).div_ceil(u32::from(mss).max(1)).max(1);
        self.segments_in = self.segments_in.wrapping_add(segments);
        if len > 0 {
            self.data_in = self.data_in.wrapping_add(segments);
        }
    }
}

fn micros(time: Duration) -> u32 {
    u32::try_from(time.total_micros()).unwrap_or(u32::MAX)
}

impl Connection {
    pub(crate) fn info(&self, now: Instant, mtu: usize) -> TcpInfo {
        let lost = match self.recovery {
            Recovery::None => 0,
            _ => self.board.missing(self.una, self.lost_edge()),
        };
        let since =
            |then: Option<Instant>| then.filter(|then| *then <= now).map_or(0, |then| micros(now - then));
        TcpInfo {
            round_trip: self.rtt.smoothed().map_or(0, micros),
            variation: self.rtt.variation(),
            least_round_trip: self.rtt.least().map_or(0, micros),
            timeout: micros(self.rtt.timeout()),
            backoff: self.rtt.backoff(),
            segment: self.mss(),
            peer_segment: self.peer_segment.into(),
            path_mtu: self.path_mtu.min(mtu).min(65535) as u32,
            window: self.cubic.window(),
            threshold: self.cubic.threshold(),
            peer_window: self.peer_window,
            receive_buffer: self.tuning.buffer as u32,
            flight: self.flight(),
            told: self.board.bytes(),
            lost,
            unsent: self.queue_end().beyond(self.nxt),
            recovers: self.recovery == Recovery::Fast,
            timed_out: self.recovery == Recovery::Timeout,
            selective: self.has_sack,
            timestamps: self.stamps.as_ref().is_some_and(|stamps| stamps.agreed),
            scales: (self.peer_scale, self.scale),
            counts: self.counts,
            since_sent: since(self.timers.sent),
            since_received: since(self.timers.received),
        }
    }
}
