//! When something is to be done without a segment from the peer.

use smoltcp::time::{Duration, Instant};

use super::{Connection, Failure, Recovery, State};

/// How long a connection that is over on both sides answers the peer.
const TIME_WAIT: Duration = Duration::from_secs(10);
/// How long a corked connection holds what is less than a segment.
const CORK: Duration = Duration::from_millis(200);
/// The least time after which the tail is sent once more, and how long a lone segment's acknowledgement may be held back.
const TAIL: Duration = Duration::from_millis(10);
const HELD_BACK: Duration = Duration::from_millis(50);
/// Time-outs in a row after which large packets are suspected of vanishing on the path.
const SUSPICIOUS: u8 = 3;
/// What every path carries, for practical purposes; and what every path must.
const SAFE_MTU: usize = 1280;
const LEAST_MTU: usize = 576;

/// The deadlines.
#[derive(Default)]
pub(super) struct Timers {
    /// What was sent is not acknowledged.
    pub(super) retransmit: Option<Instant>,
    /// Nothing tells what became of the last segments.
    pub(super) tail: Option<Instant>,
    /// The peer's window is closed; ask whether it still is.
    pub(super) persist: Option<Instant>,
    /// An acknowledgement has waited long enough.
    pub(super) ack: Option<Instant>,
    /// Nothing was heard for long.
    pub(super) keepalive: Option<Instant>,
    pub(super) time_wait: Option<Instant>,
    /// Data held back may go.
    pub(super) cork: Option<Instant>,
    /// Since when the peer owes an answer.
    pub(super) unanswered: Option<Instant>,
    /// When something was sent last.
    pub(super) sent: Option<Instant>,
    /// When data was received last.
    pub(super) received: Option<Instant>,
    /// Probes of a closed window in a row.
    pub(super) probes: u8,
}

impl Connection {
    /// When to ask for a segment again, whatever happens until then.
    pub(crate) fn poll_at(&self) -> Option<Instant> {
        let t = &self.timers;
        let patience = match (t.unanswered, self.timeout()) {
            (Some(since), Some(timeout)) => Some(since + timeout),
            _ => None,
        };
        let all = [
            self.reordering.until(),
            t.retransmit,
            t.tail,
            t.persist,
            t.ack,
            t.keepalive,
            t.time_wait,
            t.cork,
            patience,
        ];
        all.into_iter().flatten().min()
    }

    /// Does what is due.
    pub(super) fn on_clock(&mut self, now: Instant) {
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if let (Some(since), Some(timeout)) = (self.timers.unanswered, self.timeout())
            && now >= since + timeout
        {
            return self.fail(Failure::TimedOut);
        }
        if is_due(self.timers.time_wait) {
            return self.end();
        }
        if is_due(self.timers.retransmit) {
            self.on_retransmit(now);
        } else if is_due(self.timers.tail) {
            self.timers.tail = None;
            self.tail_due = true;
        }
        if is_due(self.reordering.until()) {
            self.look_for_loss(false, now);
        }
        if is_due(self.timers.persist) {
            self.timers.probes = self.timers.probes.saturating_add(1);
            self.probe_due = true;
            self.arm_persist(now);
        }
        if is_due(self.timers.keepalive) {
            self.probe_due = true;
            self.arm_keepalive(now);
        }
        if is_due(self.timers.ack) {
            self.timers.ack = None;
            self.ack_due = true;
        }
    }

    /// Nothing was acknowledged for a long time: all on the way is taken for lost.
    fn on_retransmit(&mut self, now: Instant) {
        self.rtt.back_off();
        self.timers.retransmit = Some(now + self.rtt.timeout());
        self.timed = None;
        if !self.syn_acked {
            self.syn_due = true;
            return;
        }
        let mss = self.mss();
        if self.recovery == Recovery::Timeout {
            // The peer may have thrown away what it had beyond the gap (RFC 2018 section 8).
            self.board.clear();
        } else {
            self.cubic.timed_out(mss);
        }
        self.recovery = Recovery::Timeout;
        self.reordering.timed_out();
        (self.recover, self.lost_to, self.resent) = (self.nxt, self.nxt, self.una);
        (self.force, self.duplicates, self.resent_at) = (true, 0, None);
        self.forget_tail();
        let least = if self.is_v6 || self.rtt.backoff() < 2 * SUSPICIOUS { SAFE_MTU } else { LEAST_MTU };
        if self.rtt.backoff() >= SUSPICIOUS && self.path_mtu > least {
            self.path_mtu = least;
        }
    }

    pub(super) fn arm_retransmit(&mut self, now: Instant) {
        self.timers.retransmit = (self.flight() > 0).then(|| now + self.rtt.timeout());
    }

    /// Arms the probe of the tail, if it would come well before the time-out.
    pub(super) fn arm_tail(&mut self, now: Instant) {
        self.timers.tail = None;
        let can =
            self.has_sack && self.recovery == Recovery::None && self.tail.is_none() && self.flight() > 0;
        let (true, Some(round)) = (can, self.rtt.smoothed()) else { return };
        let held_back = if self.flight() <= self.mss() { HELD_BACK } else { Duration::ZERO };
        let at = now + (round * 2).max(TAIL) + held_back;
        self.timers.tail = Some(at).filter(|at| self.timers.retransmit.is_none_or(|timeout| *at < timeout));
    }

    pub(super) fn forget_tail(&mut self) {
        (self.tail, self.tail_due, self.timers.tail) = (None, false, None);
    }

    pub(super) fn arm_persist(&mut self, now: Instant) {
        let base = self.rtt.timeout().total_micros();
        let wait = base.checked_shl(self.timers.probes.min(10).into()).unwrap_or(base).min(60_000_000);
        self.timers.persist = Some(now + Duration::from_micros(wait));
    }

    pub(super) fn arm_keepalive(&mut self, now: Instant) {
        let listens =
            !matches!(self.state, State::SynSent | State::SynReceived | State::Closed | State::TimeWait);
        let interval = self.options.keepalive_ns.filter(|_| listens);
        self.timers.keepalive =
            interval.map(|ns| now + crate::core_::duration(ns).max(Duration::from_millis(1)));
    }

    /// Holds data back for the first time; `true` while it is to be held.
    pub(super) fn holds_corked(&mut self, now: Instant) -> bool {
        now < *self.timers.cork.get_or_insert(now + CORK)
    }

    pub(super) fn enter_time_wait(&mut self, now: Instant) {
        self.state = State::TimeWait;
        let ack = self.timers.ack;
        self.timers = Timers { ack, time_wait: Some(now + TIME_WAIT), ..Default::default() };
    }

    /// A router reports that a packet of ours with this sequence number was too long for what is behind it (RFC 1191,
    /// RFC 8201). What is not on the way cannot have been: anybody can send such a report.
    pub(crate) fn too_big(&mut self, seq: super::Seq, mtu: usize) {
        if !self.syn_acked || seq.lt(self.una) || !seq.lt(self.nxt) {
            return;
        }
        let header = super::options::headers(self.is_v6);
        let now = (self.mss() as usize + header + 12).min(self.path_mtu);
        let mtu = match mtu {
            // Routers of before 1990 do not say.
            0 => [1492, 1280, 1006, 576].into_iter().find(|plateau| *plateau < now).unwrap_or(LEAST_MTU),
            mtu => mtu,
        };
        let mtu = mtu.max(if self.is_v6 { SAFE_MTU } else { LEAST_MTU });
        if mtu >= self.path_mtu.min(65535) {
            return;
        }
        self.path_mtu = mtu;
        // It is no sign of congestion: sent again at once, in smaller pieces.
        if self.recovery == Recovery::None {
            self.recovery = Recovery::Fast;
        }
        (self.recover, self.lost_to, self.resent) = (self.nxt, self.nxt, self.una);
        (self.force, self.timed) = (true, None);
    }
}
