//! What the owner of a connection does with it: reading, writing, ending it, and asking what it can do.

use smoltcp::time::{Duration, Instant};

use super::options::Route;
use super::{Connection, Failure, Pool, State};
use crate::config::TcpOptions;

/// Room to write at the start; it grows with the congestion window.
const FIRST_ROOM: usize = 64 << 10;

impl Connection {
    pub(crate) fn state(&self) -> State {
        self.state
    }

    /// Why the connection ended, if not in good order.
    pub(crate) fn failure(&self) -> Option<Failure> {
        self.failure
    }

    /// Whether there is something to read.
    pub(crate) fn can_recv(&self) -> bool {
        self.rx.ready() > 0
    }

    /// Whether there is something to read, or may come.
    pub(crate) fn may_recv(&self) -> bool {
        self.can_recv() || matches!(self.state, State::Established | State::FinWait1 | State::FinWait2)
    }

    /// Whether our side is open.
    pub(crate) fn may_send(&self) -> bool {
        matches!(self.state, State::Established | State::CloseWait)
    }

    /// Whether something can be written.
    pub(crate) fn can_send(&self) -> bool {
        self.may_send() && self.send_queue() < self.send_capacity()
    }

    /// Bytes written and not acknowledged.
    pub(crate) fn send_queue(&self) -> usize {
        self.queue.len()
    }

    /// Bytes that may be written and not acknowledged: twice what the congestion window lets go.
    pub(crate) fn send_capacity(&self) -> usize {
        let limit = self.options.tx_buffer;
        if !self.options.congestion_control {
            return limit;
        }
        limit.min(FIRST_ROOM.max(2 * self.cubic.window() as usize))
    }

    /// Bytes that can be written now.
    pub(crate) fn send_room(&self) -> usize {
        self.send_capacity().saturating_sub(self.send_queue())
    }

    /// Bytes that can be read.
    pub(crate) fn recv_queue(&self) -> usize {
        self.rx.ready()
    }

    pub(crate) fn options(&self) -> &TcpOptions {
        &self.options
    }

    /// Changes all options but the buffers.
    pub(crate) fn set_options(&mut self, options: TcpOptions, now: Instant) {
        let (rx_buffer, tx_buffer) = (self.options.rx_buffer, self.options.tx_buffer);
        self.options = TcpOptions { rx_buffer, tx_buffer, ..options };
        self.arm_keepalive(now);
    }

    /// Holds small segments back, or lets them go.
    pub(crate) fn set_corked(&mut self, corked: bool) -> bool {
        self.timers.cork = None;
        core::mem::replace(&mut self.corked, corked)
    }

    /// Shows a run of received bytes to `take`, which says how many it took.
    pub(crate) fn recv(&mut self, now: Instant, pool: &mut Pool, take: impl FnOnce(&[u8]) -> usize) -> usize {
        let run = self.rx.run();
        let taken = take(run).min(run.len());
        self.rx.consume(taken, pool);
        self.tuning.read(taken, now);
        taken
    }

    /// Reads as much as there is.
    pub(crate) fn recv_slice(&mut self, now: Instant, pool: &mut Pool, out: &mut [u8]) -> usize {
        let len = self.rx.peek(out);
        self.rx.consume(len, pool);
        self.tuning.read(len, now);
        len
    }

    /// Copies what can be read and leaves it there.
    pub(crate) fn peek_slice(&self, out: &mut [u8]) -> usize {
        self.rx.peek(out)
    }

    /// Whether reading has opened a window that the peer should hear of.
    pub(crate) fn opens_window(&mut self) -> bool {
        if !matches!(self.state, State::Established | State::FinWait1 | State::FinWait2) {
            return false;
        }
        let route = Route { mtu: usize::MAX, offload: None, tight: false };
        let (expected, wanted) = (self.expected(), self.next_edge(&route));
        let (now, then) = (self.edge.beyond(expected), wanted.beyond(expected));
        let opens =
            then >= now.saturating_mul(2).max(1) || then - now.min(then) >= self.tuning.buffer as u32 / 2;
        self.ack_due |= opens;
        opens
    }

    /// Writes as much as there is room for.
    pub(crate) fn send_slice(&mut self, data: &[u8], now: Instant, pool: &mut Pool) -> usize {
        self.wake_from_idle(now);
        self.queue.push(data, self.send_room(), pool)
    }

    /// Lets `fill` write into a run of free room; `None` if there is no memory for it.
    pub(crate) fn send(
        &mut self,
        now: Instant,
        pool: &mut Pool,
        fill: impl FnOnce(&mut [u8]) -> usize,
    ) -> Option<usize> {
        self.wake_from_idle(now);
        self.queue.push_with(self.send_room(), pool, fill)
    }

    fn wake_from_idle(&mut self, now: Instant) {
        if self.queue.len() == 0
            && self.flight() == 0
            && let Some(sent) = self.timers.sent
            && now - sent > self.rtt.timeout().max(Duration::from_secs(1))
            && sent < now
        {
            let mss = self.mss();
            self.cubic.idle(mss);
        }
    }

    /// Whether what is queued is corked: less than a segment, and not for long yet.
    pub(crate) fn is_held(&mut self, now: Instant) -> bool {
        self.corked && self.queue_end().beyond(self.nxt) < self.mss() && self.holds_corked(now)
    }

    /// Ends our side after what was written.
    pub(crate) fn close(&mut self) {
        match self.state {
            State::SynSent => self.end(),
            State::SynReceived | State::Established => self.state = State::FinWait1,
            State::CloseWait => self.state = State::LastAck,
            _ => return,
        }
        self.ends = self.state != State::Closed;
    }

    /// Ends the connection with a reset.
    pub(crate) fn abort(&mut self, pool: &mut Pool) {
        if !matches!(self.state, State::SynSent | State::TimeWait | State::Closed) {
            self.reset = Some((self.nxt, Some(self.expected())));
        }
        self.end();
        self.release(pool);
    }

    /// Our address is gone; nothing can be sent any more.
    pub(crate) fn lose_address(&mut self) {
        self.fail(Failure::Gone);
    }

    /// Whether a reset waits to be sent.
    pub(crate) fn has_reset(&self) -> bool {
        self.reset.is_some()
    }

    /// Whether an acknowledgement waits to be sent.
    pub(crate) fn owes_ack(&self) -> bool {
        self.ack_due
    }

    /// Gives all memory back.
    pub(crate) fn release(&mut self, pool: &mut Pool) {
        self.queue.clear(pool);
        self.rx.clear(pool);
    }
}
