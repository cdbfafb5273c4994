//! The sending half: what goes into the next segment.

use smoltcp::time::Instant;
use smoltcp::wire::{TcpControl, TcpRepr, TcpSeqNumber, TcpTimestampRepr};

use super::options::{Route, headers};
use super::{Connection, Recovery, Seq, State};

/// A segment to send. Its bytes are still in the queue: [`Connection::payload`] copies them, and [`Connection::sent`]
/// tells that it went.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SegmentOut {
    kind: Kind,
    control: TcpControl,
    seq: Seq,
    ack: Option<Seq>,
    window: u16,
    /// Bytes of data.
    pub(crate) len: usize,
    /// What each segment carries if the device is to divide this one.
    pub(crate) divide: Option<u16>,
    mss: Option<u16>,
    scale: Option<u8>,
    sack: bool,
    blocks: [Option<(u32, u32)>; 3],
    stamps: Option<TcpTimestampRepr>,
    edge: Seq,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Syn,
    New,
    Again,
    Tail,
    Probe,
    Ack,
    Reset,
}

impl SegmentOut {
    /// The header, between these ports.
    pub(crate) fn repr(&self, src_port: u16, dst_port: u16) -> TcpRepr<'static> {
        TcpRepr {
            src_port,
            dst_port,
            control: self.control,
            seq_number: TcpSeqNumber(self.seq.0 as i32),
            ack_number: self.ack.map(|ack| TcpSeqNumber(ack.0 as i32)),
            window_len: self.window,
            window_scale: self.scale,
            max_seg_size: self.mss,
            sack_permitted: self.sack,
            sack_ranges: self.blocks,
            timestamp: self.stamps,
            payload: &[],
        }
    }

    fn end(&self) -> Seq {
        self.seq + self.len as u32 + u32::from(self.control == TcpControl::Fin)
    }
}

impl Connection {
    /// What to send now, if anything. Ask again after it was sent.
    pub(crate) fn next_segment(&mut self, now: Instant, route: &Route) -> Option<SegmentOut> {
        self.path_mtu = self.path_mtu.min(route.mtu);
        if self.state != State::Closed {
            self.on_clock(now);
        }
        if let Some((seq, ack)) = self.reset {
            let mut segment = self.segment(Kind::Reset, seq, 0, route, now);
            (segment.control, segment.ack, segment.window) = (TcpControl::Rst, ack, 0);
            return Some(segment);
        }
        if self.state == State::Closed {
            return None;
        }
        if !self.syn_acked {
            return self.next_syn(now, route);
        }
        let data = self.next_lost(now, route);
        let data = data.or_else(|| self.next_new(now, route)).or_else(|| self.next_tail(now, route));
        if data.is_some() || self.probe_due {
            // The peer's time to answer begins even where the way to it is not known.
            self.timers.unanswered.get_or_insert(now);
        }
        if data.is_some() {
            return data;
        }
        if self.probe_due {
            // A number from before the window, which the peer must answer with what it expects.
            return Some(self.segment(Kind::Probe, self.una - 1, 0, route, now));
        }
        self.ack_due.then(|| self.segment(Kind::Ack, self.nxt, 0, route, now))
    }

    fn next_syn(&mut self, now: Instant, route: &Route) -> Option<SegmentOut> {
        if !self.syn_due {
            let acks = self.ack_due && self.state != State::SynSent;
            return acks.then(|| self.segment(Kind::Ack, self.nxt, 0, route, now));
        }
        let mut segment = self.segment(Kind::Syn, self.una, 0, route, now);
        segment.control = TcpControl::Syn;
        segment.mss = Some(self.own_mss(route));
        segment.sack = self.has_sack;
        segment.blocks = [None; 3];
        let unscaled = super::options::unscaled_window(self.tuning.buffer);
        segment.window = unscaled as u16;
        if self.state == State::SynSent {
            segment.ack = None;
            segment.scale = Some(self.scale);
        } else {
            segment.edge = self.rx.next() + unscaled;
            segment.scale = (self.scale > 0 || self.peer_scale > 0).then_some(self.scale);
        }
        segment.stamps = self.stamps.as_ref().map(|stamps| stamps.option(now));
        Some(segment)
    }

    /// What is taken for lost before this.
    pub(super) fn lost_edge(&self) -> Seq {
        let told = self.board.lost_before(self.mss()).unwrap_or(self.una);
        told.max(self.lost_to).max(self.una).min(self.nxt)
    }

    /// Bytes that are on the way, as far as we know.
    pub(super) fn pipe(&self) -> u32 {
        let known = if self.has_sack {
            self.board.bytes()
        } else {
            u32::from(self.duplicates).saturating_mul(self.mss())
        };
        let lost = if self.recovery == Recovery::None {
            0
        } else {
            self.board.missing(self.resent.max(self.una), self.lost_edge())
        };
        self.flight().saturating_sub(known).saturating_sub(lost)
    }

    pub(super) fn window_of_congestion(&self) -> u32 {
        if self.options.congestion_control { self.cubic.window() } else { u32::MAX }
    }

    /// The largest segment and what it would be divided into.
    fn segment_room(&self, route: &Route, blocks: usize) -> (u32, u32) {
        let options = if blocks > 0 { 8 * blocks as u32 + 4 } else { 0 };
        let mss = self.mss().saturating_sub(options).max(1);
        let stamps = if self.stamps.is_some() { super::options::STAMPS_LEN } else { 0 };
        let room = route.offload.map_or(0, |most| most.min(65535).saturating_sub(headers(self.is_v6)) as u32);
        let room = room.saturating_sub(stamps + options);
        (mss, (room / mss * mss).max(mss))
    }

    /// The next bytes to be sent again.
    fn next_lost(&mut self, now: Instant, route: &Route) -> Option<SegmentOut> {
        if self.recovery == Recovery::None {
            return None;
        }
        let (start, end) = self.board.hole(self.resent.max(self.una), self.lost_edge())?;
        let (mss, most) = self.segment_room(route, 0);
        let most = if self.force {
            mss
        } else {
            let room = self.window_of_congestion().saturating_sub(self.pipe());
            if room < mss {
                self.held_back = true;
                return None;
            }
            (room / mss * mss).min(most)
        };
        let end = end.min(start + most);
        let data_end = self.queue_end();
        let len = data_end.min(end).beyond(start);
        let mut segment = self.segment(Kind::Again, start, len, route, now);
        segment.blocks = [None; 3];
        segment.divide = (len > mss).then_some(mss as u16);
        segment.control = match data_end.lt(end) {
            true => TcpControl::Fin,
            false if start + len == data_end => TcpControl::Psh,
            false => TcpControl::None,
        };
        Some(segment)
    }

    /// The last segment once more: its acknowledgement tells what became of those before.
    fn next_tail(&mut self, now: Instant, route: &Route) -> Option<SegmentOut> {
        if !core::mem::take(&mut self.tail_due) || self.recovery != Recovery::None || self.flight() == 0 {
            return None;
        }
        self.tail_due = true;
        let (mss, _) = self.segment_room(route, 0);
        let start = self.una.max(self.nxt - mss);
        let data_end = self.queue_end().min(self.nxt);
        let mut segment = self.segment(Kind::Tail, start, data_end.beyond(start).min(mss), route, now);
        segment.blocks = [None; 3];
        segment.control = if self.fin_sent() { TcpControl::Fin } else { TcpControl::Psh };
        Some(segment)
    }

    /// The next bytes that were never sent, and the end.
    fn next_new(&mut self, now: Instant, route: &Route) -> Option<SegmentOut> {
        if self.fin_sent() {
            return None;
        }
        let blocks = self.blocks();
        let (mss, most) = self.segment_room(route, blocks.iter().flatten().count());
        let unsent = self.queue_end() - self.nxt;
        let flight = self.flight();
        let window = (self.una + self.peer_window).beyond(self.nxt);
        if unsent > 0 && window == 0 && flight == 0 && self.timers.persist.is_none() {
            self.timers.unanswered.get_or_insert(now);
            self.arm_persist(now);
        } else if window > 0 {
            self.timers.persist = None;
            self.timers.probes = 0;
        }
        let room = self.window_of_congestion().saturating_sub(self.pipe());
        let mut len = unsent.min(window).min(room).min(most);
        if unsent > 0 {
            self.held_back = room < unsent.min(window);
        }
        if len < unsent {
            // Only whole segments, unless the peer's window is so small that there are none.
            if len >= mss {
                len -= len % mss;
            } else if flight > 0 && (room < mss.min(window) || len < self.peer_window_most.div_ceil(2)) {
                len = 0;
            }
        } else if len % mss != 0 && !self.ends {
            // The last piece of what was written is less than a segment.
            let waits = !self.options.nodelay && flight > 0 || self.corked && self.holds_corked(now);
            if waits {
                len -= len % mss;
            }
        }
        let ends = self.ends && len == unsent;
        if len == 0 && !ends {
            return None;
        }
        let mut segment = self.segment(Kind::New, self.nxt, len, route, now);
        segment.divide = (len > mss).then_some(mss as u16);
        segment.control = match ends {
            true => TcpControl::Fin,
            false if len == unsent => TcpControl::Psh,
            false => TcpControl::None,
        };
        Some(segment)
    }

    /// What the peer is told to have come: twice, and beyond a gap.
    fn blocks(&self) -> [Option<(u32, u32)>; 3] {
        if !self.has_sack {
            return [None; 3];
        }
        let blocks = self.rx.blocks();
        match self.came_twice {
            Some((start, end)) => [Some((start.0, end.0)), blocks[0], blocks[1]],
            None => blocks,
        }
    }

    /// A segment with what every one carries.
    fn segment(&self, kind: Kind, seq: Seq, len: u32, route: &Route, now: Instant) -> SegmentOut {
        let edge = self.next_edge(route);
        let window = edge.beyond(self.expected());
        let scaled = window.div_ceil(1 << self.scale).min(65535);
        let stamps = self.stamps.as_ref().filter(|_| kind != Kind::Reset || self.syn_acked);
        SegmentOut {
            kind,
            control: TcpControl::None,
            seq,
            ack: Some(self.expected()),
            window: scaled as u16,
            len: len as usize,
            divide: None,
            mss: None,
            scale: None,
            sack: false,
            blocks: self.blocks(),
            stamps: stamps.map(|stamps| stamps.option(now)),
            edge: self.expected() + (scaled << self.scale),
        }
    }

    /// The right edge of the window to offer: it never goes back, and forward in useful steps (RFC 9293 section 3.8.6.2.2).
    pub(super) fn next_edge(&self, route: &Route) -> Seq {
        let expected = self.expected();
        let edge = self.edge.max(expected);
        let mut room = self.tuning.buffer.saturating_sub(self.rx.ready());
        if route.tight {
            room = room.min(4 * usize::from(self.peer_segment));
        }
        let wanted = expected + room as u32;
        let step = u32::from(self.peer_segment).min((self.tuning.buffer / 2) as u32).max(1);
        if wanted.beyond(edge) >= step { wanted } else { edge }
    }

    /// Copies the segment's bytes into `out`.
    pub(crate) fn payload(&self, segment: &SegmentOut, out: &mut [u8]) {
        let offset = segment.seq.beyond(self.queue_start()) as usize;
        let len = segment.len.min(out.len());
        self.queue.copy(offset, &mut out[..len]);
    }

    /// The segment was sent.
    pub(crate) fn sent(&mut self, segment: &SegmentOut, now: Instant) {
        let again = matches!(segment.kind, Kind::Again | Kind::Tail);
        self.counts.sent(segment.len, self.mss(), again);
        if segment.kind == Kind::Reset {
            self.reset = None;
            return;
        }
        if segment.ack.is_some() {
            if segment.blocks[0].is_some() {
                self.came_twice = None;
            }
            self.ack_due = false;
            self.timers.ack = None;
            self.acked_to = self.expected();
            self.edge = self.edge.max(segment.edge);
        }
        match segment.kind {
            Kind::Syn => {
                self.syn_due = false;
                if self.nxt == self.una {
                    self.nxt = self.una + 1;
                    self.timed = Some((self.nxt, now));
                } else {
                    self.timed = None;
                }
                (self.recover, self.resent, self.lost_to) = (self.nxt, self.nxt, self.nxt);
                self.timers.retransmit.get_or_insert(now + self.rtt.timeout());
                self.timers.unanswered.get_or_insert(now);
            }
            Kind::New => {
                self.nxt = segment.end();
                if self.recovery == Recovery::None && self.timed.is_none() {
                    self.timed = Some((self.nxt, now));
                }
                self.timers.cork = None;
                self.timers.retransmit.get_or_insert(now + self.rtt.timeout());
                self.timers.unanswered.get_or_insert(now);
                self.timers.sent = Some(now);
                self.tail_due = false;
                self.arm_tail(now);
            }
            Kind::Tail => {
                (self.tail, self.tail_due, self.timed) = (Some(self.nxt), false, None);
                self.timers.tail = None;
                self.arm_retransmit(now);
            }
            Kind::Again => {
                self.reordering.resent(segment.len as u32);
                if self.una.lt(segment.end()) && segment.seq == self.una {
                    self.resent_at = Some(self.nxt);
                }
                self.resent = self.resent.max(segment.end());
                (self.force, self.timed) = (false, None);
                self.timers.retransmit.get_or_insert(now + self.rtt.timeout());
                self.timers.sent = Some(now);
            }
            Kind::Probe => {
                self.probe_due = false;
                self.timers.unanswered.get_or_insert(now);
            }
            Kind::Ack | Kind::Reset => {}
        }
    }
}
