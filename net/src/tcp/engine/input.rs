//! The receiving half: what a segment of the peer changes (RFC 9293 section 3.10.7, with the checks of RFC 5961).

use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{TcpControl, TcpRepr};

use super::options::headers;
use super::{Connection, Failure, Pool, Recovery, Seq, State};

/// Answers to wrong segments without data are at least so far apart: two hosts that each think the other wrong must not
/// keep each other busy.
const CHALLENGE_PAUSE: Duration = Duration::from_millis(50);
/// Acknowledgements of the same number that tell of a loss.
const DUPLICATES: u8 = 3;

impl Connection {
    /// Takes in a segment of the peer.
    pub(crate) fn receive(&mut self, segment: &TcpRepr<'_>, now: Instant, pool: &mut Pool) {
        self.counts.received(segment.payload.len(), self.peer_segment);
        match self.state {
            State::Closed => {}
            State::SynSent => self.receive_answer(segment, now, pool),
            _ => self.receive_usual(segment, now, pool),
        }
    }

    fn receive_answer(&mut self, segment: &TcpRepr<'_>, now: Instant, pool: &mut Pool) {
        let ack = segment.ack_number.map(|ack| Seq(ack.0 as u32));
        let is_reset = segment.control == TcpControl::Rst;
        if let Some(ack) = ack
            && !(self.una.lt(ack) && ack.le(self.nxt))
        {
            if !is_reset {
                self.reset = Some((ack, None));
            }
            return;
        }
        match (segment.control, ack) {
            (TcpControl::Rst, Some(_)) => self.fail(Failure::Refused),
            (TcpControl::Syn, Some(ack)) => {
                self.take_syn(segment, now);
                self.open();
                self.acknowledged(ack, segment, now, pool);
                self.heard(now);
                self.ack_due = true;
            }
            (TcpControl::Syn, None) => {
                // Both call each other at once.
                self.take_syn(segment, now);
                self.state = State::SynReceived;
                self.syn_due = true;
            }
            _ => {}
        }
    }

    fn open(&mut self) {
        if matches!(self.state, State::SynSent | State::SynReceived) {
            self.state = State::Established;
        }
        let mss = self.mss();
        self.cubic.start(mss);
    }

    fn receive_usual(&mut self, segment: &TcpRepr<'_>, now: Instant, pool: &mut Pool) {
        let seq = Seq(segment.seq_number.0 as u32);
        let is_reset = segment.control == TcpControl::Rst;
        if let (Some(stamps), Some(stamp)) = (&self.stamps, segment.timestamp)
            && !is_reset
            && stamps.is_old(stamp, now)
        {
            return self.challenge(now, !segment.is_empty());
        }
        if !self.syn_acked && segment.control == TcpControl::Syn && seq == self.irs {
            match segment.ack_number.map(|ack| Seq(ack.0 as u32)) {
                // The other half of a simultaneous call.
                Some(ack) if ack == self.una + 1 && self.nxt == ack => {
                    self.open();
                    self.acknowledged(ack, segment, now, pool);
                    self.heard(now);
                    self.ack_due = true;
                }
                Some(_) => self.challenge(now, false),
                None => self.syn_due = true,
            }
            return;
        }
        if !self.is_acceptable(seq, segment.segment_len() as u32) {
            if !is_reset {
                self.note_twice(seq, segment.payload.len(), self.expected());
                self.challenge(now, segment.segment_len() > 0);
            }
            if self.state == State::TimeWait && segment.control == TcpControl::Fin {
                self.enter_time_wait(now);
            }
            return;
        }
        if is_reset {
            if seq == self.expected() {
                return self.fail(Failure::Reset);
            }
            return self.challenge(now, false);
        }
        if segment.control == TcpControl::Syn {
            return self.challenge(now, false);
        }
        let Some(ack) = segment.ack_number.map(|ack| Seq(ack.0 as u32)) else { return };
        if !self.syn_acked {
            if !(self.una.lt(ack) && ack.le(self.nxt)) {
                self.reset = Some((ack, None));
                return;
            }
            self.open();
        } else if self.nxt.lt(ack) || ack.lt(self.una - self.peer_window_most.min(1 << 30)) {
            return self.challenge(now, true);
        }
        if let (Some(stamps), Some(stamp)) = (&mut self.stamps, segment.timestamp)
            && seq.le(self.acked_to)
        {
            stamps.note(stamp, now);
        }
        self.acknowledged(ack, segment, now, pool);
        if self.state == State::Closed {
            return;
        }
        self.heard(now);
        self.take_data(seq, segment, now, pool);
    }

    /// Whether any of the segment lies in the window (RFC 9293 section 3.4). At a closed window the next number is
    /// good for its acknowledgement.
    fn is_acceptable(&self, seq: Seq, len: u32) -> bool {
        let (expected, edge) = (self.expected(), self.edge.max(self.expected()));
        if len == 0 || expected == edge {
            return expected.le(seq) && seq.le(edge);
        }
        seq.lt(edge) && expected.lt(seq + len)
    }

    /// Tells the peer what we expect, because what it sent was something else.
    fn challenge(&mut self, now: Instant, at_once: bool) {
        if at_once || now >= self.challenge_at {
            self.challenge_at = now + CHALLENGE_PAUSE;
            self.ack_due = true;
        }
    }

    /// The peer is there.
    fn heard(&mut self, now: Instant) {
        self.timers.unanswered = (self.flight() > 0).then_some(now);
        self.arm_keepalive(now);
    }

    /// Takes in the acknowledgement, the window and what else a valid segment tells of what we sent.
    fn acknowledged(&mut self, ack: Seq, segment: &TcpRepr<'_>, now: Instant, pool: &mut Pool) {
        let seq = Seq(segment.seq_number.0 as u32);
        let scale = if segment.control == TcpControl::Syn { 0 } else { self.peer_scale };
        let window = u32::from(segment.window_len) << scale;
        let (from_seq, from_ack) = self.window_from;
        let same_window = window == self.peer_window;
        if from_seq.lt(seq) || from_seq == seq && from_ack.le(ack) {
            self.peer_window = window;
            self.peer_window_most = self.peer_window_most.max(window);
            self.window_from = (seq, ack);
        }
        let mut told = false;
        if self.has_sack && self.syn_acked {
            self.hear_of_duplicates(ack, segment);
            for (start, end) in segment.sack_ranges.iter().flatten() {
                told |= self.board.add((Seq(*start), Seq(*end)), self.una.max(ack), self.nxt);
            }
        }
        if self.una.lt(ack) {
            self.advance(ack, segment, now, pool);
        } else if ack == self.una && self.flight() > 0 {
            let is_duplicate = segment.is_empty() && same_window && !self.has_sack;
            if is_duplicate || told {
                self.duplicates = self.duplicates.saturating_add(1);
            }
        }
        self.look_for_loss(told, now);
    }

    /// Something new is acknowledged.
    fn advance(&mut self, ack: Seq, segment: &TcpRepr<'_>, now: Instant, pool: &mut Pool) {
        let fin_acked = self.fin_sent() && ack == self.nxt;
        let mut bytes = ack - self.una;
        if !self.syn_acked {
            bytes -= 1;
            self.syn_acked = true;
            self.syn_due = false;
        }
        bytes -= u32::from(fin_acked);
        self.una = ack;
        self.counts.acked_bytes += u64::from(bytes);
        self.queue.consume(bytes as usize, pool);
        self.board.acknowledge(ack);
        self.measure(ack, segment, now);
        self.rtt.progress();
        let mss = self.mss();
        if self.recovery != Recovery::Fast && self.held_back {
            let rtt = self.rtt.smoothed().unwrap_or(Duration::from_millis(100));
            self.cubic.acknowledged(bytes, mss, now, rtt);
        }
        self.resent_at = None;
        self.reordering.progress();
        match self.recovery {
            Recovery::None => {
                self.duplicates = 0;
                (self.recover, self.resent, self.lost_to) = (ack, ack, ack);
            }
            _ if self.recover.le(ack) => {
                self.recovery = Recovery::None;
                self.duplicates = 0;
                self.force = false;
                (self.recover, self.resent, self.lost_to) = (ack, ack, ack);
            }
            Recovery::Fast => {
                // What is missing next was sent before what was just acknowledged, and has not come (RFC 6582).
                self.lost_to = self.lost_to.max((ack + mss).min(self.nxt));
                self.force = self.resent.le(ack);
                let gone = (bytes / mss).saturating_sub(1).min(255) as u8;
                self.duplicates = self.duplicates.saturating_sub(gone);
            }
            Recovery::Timeout => {}
        }
        self.arm_retransmit(now);
        if self.tail.is_some_and(|end| end.le(ack)) {
            self.tail = None;
        }
        self.tail_due = false;
        self.arm_tail(now);
        if fin_acked {
            match self.state {
                State::FinWait1 => self.state = State::FinWait2,
                State::Closing => self.enter_time_wait(now),
                State::LastAck => self.end(),
                _ => {}
            }
        }
    }

    /// Measures the round trip (RFC 6298; after a retransmission only by the peer's echo, by Karn's rule).
    fn measure(&mut self, ack: Seq, segment: &TcpRepr<'_>, now: Instant) {
        let echo = match (&self.stamps, segment.timestamp) {
            (Some(stamps), Some(stamp)) => stamps.round_trip(stamp, now),
            _ => None,
        };
        let mut took = None;
        if let Some((end, since)) = self.timed
            && end.le(ack)
        {
            took = Some(now - since);
            self.timed = None;
        } else if self.timed.is_none() {
            took = echo;
        }
        if let Some(took) = took {
            self.rtt.sample(took);
        }
        if let Some(took) = echo.or(took) {
            let new_round = self.round_end.le(ack);
            if new_round {
                self.round_end = self.nxt;
            }
            self.cubic.round_trip(took, new_round);
        }
    }

    /// The first range may be one that the peer has got twice: what was sent again was not lost then.
    fn hear_of_duplicates(&mut self, ack: Seq, segment: &TcpRepr<'_>) {
        let [Some((start, end)), second, _] = segment.sack_ranges else { return };
        let (start, end) = (Seq(start), Seq(end));
        let within = second.is_some_and(|(low, high)| Seq(low).le(start) && end.le(Seq(high)));
        if !(start.lt(end) && (end.le(ack) || within)) {
            return;
        }
        if let Some(before) = self.reordering.duplicate(end - start) {
            self.cubic.restore(before);
            if self.recovery == Recovery::Fast {
                self.recovery = Recovery::None;
                (self.duplicates, self.force) = (0, false);
                (self.recover, self.resent, self.lost_to) = (self.una, self.una, self.una);
            }
        }
    }

    pub(super) fn look_for_loss(&mut self, told: bool, now: Instant) {
        if self.flight() == 0 {
            self.reordering.progress();
            return;
        }
        let mss = self.mss();
        if self.recovery == Recovery::None {
            let passed = self.board.lost_before(mss).is_some_and(|edge| self.una.lt(edge));
            // The tail was sent again a round trip after all else: what is missing before it is lost.
            let before_tail = self.tail.and_then(|end| self.board.range_to(end));
            if passed && before_tail.is_none() {
                let (least, smoothed) = (self.rtt.least(), self.rtt.smoothed());
                if self.reordering.may_be_late(now, least, smoothed) {
                    return;
                }
            } else if !passed {
                self.reordering.progress();
            }
            if passed || before_tail.is_some() || self.duplicates >= DUPLICATES {
                self.reordering.lost(self.cubic.save());
                self.recovery = Recovery::Fast;
                (self.recover, self.resent) = (self.nxt, self.una);
                self.lost_to = (self.una + mss).min(self.nxt).max(before_tail.unwrap_or(self.una));
                (self.force, self.timed, self.resent_at) = (true, None, None);
                self.forget_tail();
                self.cubic.lost(mss);
            }
        } else if told
            && let Some(mark) = self.resent_at
            && self.board.highest().is_some_and(|highest| highest.beyond(mark) > 2 * mss)
        {
            // What was sent well after the retransmission has arrived: that was lost too.
            (self.resent, self.resent_at, self.force) = (self.una, None, true);
        }
    }

    fn take_data(&mut self, seq: Seq, segment: &TcpRepr<'_>, now: Instant, pool: &mut Pool) {
        let has_fin = segment.control == TcpControl::Fin;
        if !matches!(self.state, State::Established | State::FinWait1 | State::FinWait2) {
            // The peer repeats its end: our acknowledgement of it was lost.
            if segment.segment_len() > 0 {
                self.ack_due = true;
                if self.state == State::TimeWait {
                    self.enter_time_wait(now);
                }
            }
            return;
        }
        let expected = self.expected();
        let before = (expected.beyond(seq) as usize).min(segment.payload.len());
        self.note_twice(seq, before, expected);
        let (start, mut data) = (seq + before as u32, &segment.payload[before..]);
        let end = start + data.len() as u32;
        let limit = self.peer_fin.map_or(self.edge, |fin| self.edge.min(fin));
        let cut = (end.beyond(limit.max(start)) as usize).min(data.len());
        data = &data[..data.len() - cut];
        let whole = cut == 0;
        if has_fin && whole && self.peer_fin.is_none() {
            self.peer_fin = Some(end);
        }
        if !data.is_empty() {
            let own = self.path_mtu.min(65535).saturating_sub(headers(self.is_v6)).max(536);
            self.peer_segment = self.peer_segment.max(data.len().min(own) as u16);
            let had_gap = self.rx.has_islands() || expected.lt(start);
            let stored = self.rx.insert(start, data, pool);
            let next = self.rx.next();
            if expected.lt(next) {
                self.counts.received_bytes += u64::from(next.beyond(expected));
                self.timers.received = Some(now);
                self.tuning.arrived(next, now);
            }
            self.acknowledge_data(had_gap || !stored, now);
        } else if segment.segment_len() > 0 {
            self.ack_due = true;
        }
        if !whole {
            self.ack_due = true;
        }
        if self.peer_fin == Some(self.rx.next()) && !self.fin_received {
            self.fin_received = true;
            self.ack_due = true;
            match self.state {
                State::Established => self.state = State::CloseWait,
                State::FinWait1 => self.state = State::Closing,
                State::FinWait2 => self.enter_time_wait(now),
                _ => {}
            }
        }
    }

    /// Bytes from `seq` on, before `expected`, have come once more.
    fn note_twice(&mut self, seq: Seq, len: usize, expected: Seq) {
        let end = (seq + len as u32).min(expected);
        if self.has_sack && seq.lt(end) {
            self.came_twice = Some((seq, end));
        }
    }

    /// Every second whole segment is acknowledged at once, and whatever tells of a gap (RFC 5681 section 4.2).
    fn acknowledge_data(&mut self, at_once: bool, now: Instant) {
        let waiting = self.expected() - self.acked_to;
        let delay = self.options.ack_delay_ns.map(crate::core_::duration);
        match delay {
            Some(delay) if !at_once && waiting < 2 * u32::from(self.peer_segment) => {
                self.timers.ack.get_or_insert(now + delay);
            }
            _ => self.ack_due = true,
        }
    }
}
