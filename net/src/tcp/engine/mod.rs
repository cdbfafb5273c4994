//! One TCP connection (RFC 9293): its state, its queues and its timers, without addresses, devices or tables.
//!
//! [`Connection::receive`] takes in a segment, [`Connection::next_segment`] says what to send now and
//! [`Connection::poll_at`] when to ask again; the owner gives the time with each call. Queues are made of the chunks of
//! one [`Pool`]. Neighbours: `input` and `output` are the two halves of the state machine; `send`, `receive`, `sack`,
//! `rtt` and `cubic` hold one matter each; `cookie` and `reply` answer for connections that do not exist.

mod api;
mod cookie;
mod cubic;
mod info;
mod input;
mod options;
mod output;
mod pool;
mod receive;
mod reorder;
mod rtt;
mod sack;
mod send;
mod seq;
#[cfg(test)]
mod tests;
mod timers;

use smoltcp::time::{Duration, Instant};
use smoltcp::wire::TcpRepr;

use crate::config::TcpOptions;
pub(crate) use cookie::Keys;
use cubic::Cubic;
pub use info::{TcpCounts, TcpInfo};
pub(crate) use options::Route;
pub(crate) use output::SegmentOut;
pub(crate) use pool::{CONNECTION, Pool};
use receive::ReceiveQueue;
use reorder::Reordering;
use rtt::Rtt;
use sack::Scoreboard;
use send::SendQueue;
pub(crate) use seq::Seq;
use timers::Timers;

/// The states of RFC 9293 section 3.3.2. There is no LISTEN: a listener is no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    SynSent,
    SynReceived,
    Established,
    FinWait1,
    FinWait2,
    CloseWait,
    Closing,
    LastAck,
    TimeWait,
    Closed,
}

/// Why a connection ended, if not in good order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The peer refused the call.
    Refused,
    /// The peer reset the connection.
    Reset,
    /// The peer did not answer in time.
    TimedOut,
    /// Our address is gone.
    Gone,
}

/// What is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Recovery {
    /// Nothing.
    None,
    /// What later segments have passed.
    Fast,
    /// All that was on the way when the time ran out.
    Timeout,
}

/// A connection.
pub(crate) struct Connection {
    state: State,
    failure: Option<Failure>,
    options: TcpOptions,
    is_v6: bool,

    // What we send.
    /// Not acknowledged yet from here on; the first number of the queue, once our SYN is acknowledged.
    una: Seq,
    /// Not sent yet from here on.
    nxt: Seq,
    queue: SendQueue,
    syn_acked: bool,
    /// Our side has ended: after the queue comes a FIN.
    ends: bool,
    /// The peer's window, the largest it ever was, and the segment that told of it.
    peer_window: u32,
    peer_window_most: u32,
    window_from: (Seq, Seq),
    peer_scale: u8,
    peer_mss: u16,
    /// The longest packet that gets through, as far as we were told.
    path_mtu: usize,
    has_sack: bool,
    corked: bool,

    // Loss and congestion.
    rtt: Rtt,
    cubic: Cubic,
    board: Scoreboard,
    recovery: Recovery,
    /// Recovery ends when this is acknowledged.
    recover: Seq,
    /// What was lost before this was sent again.
    resent: Seq,
    /// Lost before this in any case.
    lost_to: Seq,
    /// The next retransmission does not ask the congestion window.
    force: bool,
    /// What had been sent when the first missing byte was sent again.
    resent_at: Option<Seq>,
    duplicates: u8,
    reordering: Reordering,
    /// The end of what was on the way when its tail was sent once more (RFC 8985 section 7), and that it is to be.
    tail: Option<Seq>,
    tail_due: bool,
    /// Measured: when this number is acknowledged, since this time.
    timed: Option<(Seq, Instant)>,
    round_end: Seq,
    /// The congestion window held something back since the last acknowledgement.
    held_back: bool,

    // What we receive.
    rx: ReceiveQueue,
    irs: Seq,
    /// The peer may send up to here.
    edge: Seq,
    scale: u8,
    /// Where the peer's FIN is; it counts once all before it is here.
    peer_fin: Option<Seq>,
    fin_received: bool,
    /// What came once more, to be told to the peer (RFC 2883).
    came_twice: Option<(Seq, Seq)>,
    /// What the last acknowledgement said.
    acked_to: Seq,
    /// The largest segment seen.
    peer_segment: u16,
    tuning: options::Tuning,

    // Timestamps (RFC 7323).
    stamps: Option<options::Stamps>,

    // What to send beside data.
    syn_due: bool,
    ack_due: bool,
    probe_due: bool,
    /// A reset with this number, and what it acknowledges.
    reset: Option<(Seq, Option<Seq>)>,
    /// No further answer to a wrong segment before this time.
    challenge_at: Instant,
    timers: Timers,
    counts: TcpCounts,
}

impl Connection {
    fn new(state: State, iss: Seq, is_v6: bool, options: &TcpOptions, now: Instant) -> Self {
        let scale = options::scale_for(options.rx_buffer);
        let start = Seq(0);
        let mut connection = Self {
            state,
            failure: None,
            options: *options,
            is_v6,
            una: iss,
            nxt: iss,
            queue: SendQueue::default(),
            syn_acked: false,
            ends: false,
            peer_window: 0,
            peer_window_most: 0,
            window_from: (start, iss),
            peer_scale: 0,
            peer_mss: options::default_mss(is_v6),
            path_mtu: usize::MAX,
            has_sack: false,
            corked: false,
            rtt: Rtt::new(),
            cubic: Cubic::new(options::default_mss(is_v6).into()),
            board: Scoreboard::default(),
            recovery: Recovery::None,
            recover: iss,
            resent: iss,
            lost_to: iss,
            force: false,
            resent_at: None,
            duplicates: 0,
            reordering: Reordering::default(),
            tail: None,
            tail_due: false,
            timed: None,
            round_end: iss,
            held_back: false,
            rx: ReceiveQueue::new(start),
            irs: start,
            edge: start,
            scale,
            peer_fin: None,
            fin_received: false,
            came_twice: None,
            acked_to: start,
            peer_segment: 536,
            tuning: options::Tuning::new(options.rx_buffer, now),
            stamps: None,
            syn_due: true,
            ack_due: false,
            probe_due: false,
            reset: None,
            challenge_at: now,
            timers: Timers::default(),
            counts: TcpCounts::default(),
        };
        connection.timers.unanswered = Some(now);
        connection
    }

    /// Calls a peer. `iss` is the first sequence number, `stamp` the start of our timestamps.
    pub(crate) fn call(iss: Seq, stamp: u32, is_v6: bool, options: &TcpOptions, now: Instant) -> Self {
        let mut connection = Self::new(State::SynSent, iss, is_v6, options, now);
        connection.stamps = Some(options::Stamps::new(stamp));
        connection.has_sack = true;
        connection
    }

    /// Answers a call.
    pub(crate) fn answer(
        syn: &TcpRepr<'_>,
        iss: Seq,
        stamp: u32,
        is_v6: bool,
        options: &TcpOptions,
        now: Instant,
    ) -> Self {
        let mut connection = Self::new(State::SynReceived, iss, is_v6, options, now);
        connection.stamps = Some(options::Stamps::new(stamp));
        connection.has_sack = true;
        connection.take_syn(syn, now);
        connection
    }

    /// Takes up a call that was answered with a cookie and is now confirmed by `segment`.
    pub(crate) fn confirm(
        segment: &TcpRepr<'_>,
        mss: u16,
        is_v6: bool,
        options: &TcpOptions,
        now: Instant,
    ) -> Self {
        let ack = segment.ack_number.map_or(Seq(0), |ack| Seq(ack.0 as u32));
        let mut connection = Self::new(State::SynReceived, ack - 1, is_v6, options, now);
        let syn = TcpRepr {
            seq_number: segment.seq_number - 1,
            max_seg_size: Some(mss),
            window_scale: None,
            sack_permitted: false,
            timestamp: None,
            ..*segment
        };
        connection.take_syn(&syn, now);
        connection.nxt = ack;
        connection.syn_due = false;
        connection
    }

    /// The number after the last byte written.
    fn queue_end(&self) -> Seq {
        self.queue_start() + self.queue.len() as u32
    }

    /// The number of the first byte of the queue.
    fn queue_start(&self) -> Seq {
        if self.syn_acked { self.una } else { self.una + 1 }
    }

    /// Bytes, and a FIN, that were sent and not acknowledged.
    fn flight(&self) -> u32 {
        self.nxt.beyond(self.una)
    }

    fn fin_sent(&self) -> bool {
        // Once it is acknowledged, the queue begins after it.
        let is_acked = matches!(self.state, State::FinWait2 | State::TimeWait);
        self.ends && self.syn_acked && (is_acked || self.queue_end().lt(self.nxt))
    }

    /// What we expect next of the peer.
    fn expected(&self) -> Seq {
        self.rx.next() + u32::from(self.fin_received)
    }

    /// What our whole segments carry besides options.
    fn mss(&self) -> u32 {
        let stamps = if self.stamps.is_some() && self.syn_acked { options::STAMPS_LEN } else { 0 };
        let room = self.path_mtu.min(65535).saturating_sub(options::headers(self.is_v6));
        (room.min(self.peer_mss.into()) as u32).saturating_sub(stamps).max(options::LEAST_MSS)
    }

    /// Ends the connection for a reason that is not the peer's wish.
    fn fail(&mut self, failure: Failure) {
        if self.state != State::Closed {
            self.failure.get_or_insert(failure);
            self.end();
        }
    }

    fn end(&mut self) {
        self.state = State::Closed;
        self.timers = Timers::default();
        (self.syn_due, self.ack_due, self.probe_due, self.tail_due) = (false, false, false, false);
    }

    fn timeout(&self) -> Option<Duration> {
        let ns = match self.state {
            State::SynSent => self.options.connect_timeout_ns,
            _ => self.options.user_timeout_ns,
        };
        ns.map(crate::core_::duration)
    }
}
