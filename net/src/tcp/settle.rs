//! What follows from a change in a connection's state: whom to wake, what failed, when to forget it.

use smoltcp::time::Duration;

use super::Phase;
use super::engine::{Connection, Failure, State};
use crate::core_::{Core, Flow, Kind};
use crate::error::Error;
use crate::observe::Change;

/// How long a connection that nobody holds may take to end.
const LINGER: Duration = Duration::from_secs(60);
/// How long its reset may wait for a device.
const RESET_LINGER: Duration = Duration::from_secs(1);

/// Whether there is enough room to tell a writer that found none: not for every acknowledgement.
pub(super) fn has_room(connection: &Connection) -> bool {
    connection.send_room().saturating_mul(3) >= connection.send_capacity()
}

impl Core {
    pub(crate) fn settle_tcp(&mut self, index: u32) {
        let now = self.now;
        let Some(flow) = self.flows.get_mut(index) else { return };
        let dirty = flow.dirty;
        let Flow { kind: Kind::Tcp(tcp), .. } = flow else { return };
        let pool = &mut self.tcp.pool;
        let connection = &mut tcp.connection;
        let state = connection.state();
        let before = core::mem::replace(&mut tcp.seen, state);
        let ended_before = tcp.ended;
        tcp.ended |= matches!(state, State::CloseWait | State::LastAck | State::Closing | State::TimeWait);
        if state == State::Closed && before != State::Closed && tcp.error.is_none() {
            tcp.error = connection.failure().map(|failure| match failure {
                Failure::Refused => Error::ConnectionRefused,
                Failure::Reset => Error::ConnectionReset,
                Failure::TimedOut => tcp.soft_error.clone().unwrap_or(Error::TimedOut),
                Failure::Gone => Error::ConnectionAborted,
            });
        }
        match tcp.phase {
            Phase::Opening if !matches!(state, State::SynSent | State::SynReceived | State::Closed) => {
                tcp.phase = Phase::Open;
            }
            Phase::HalfOpen(listener) => match state {
                State::SynReceived => {}
                // The caller took its call back.
                State::Closed => return self.free_tcp(index),
                _ => {
                    tcp.phase = Phase::Queued(listener);
                    tcp.limit = None;
                    return self.make_ready(index, listener);
                }
            },
            Phase::Queued(_) if state == State::Closed => return self.free_tcp(index),
            Phase::Lingering => {
                while let len @ 1.. = connection.recv(now, pool, <[u8]>::len) {
                    tcp.discarded += len;
                }
                if tcp.discarded > connection.options().discard_most && state != State::Closed {
                    connection.abort(pool);
                    tcp.seen = State::Closed;
                    tcp.limit = Some(now + RESET_LINGER);
                    return self.touch(index);
                }
                if state == State::Closed && !connection.has_reset() {
                    return self.free_tcp(index);
                }
                // Only the clock holds it: nothing is left to acknowledge.
                if state == State::TimeWait && !dirty && !connection.owes_ack() {
                    let key = tcp.key;
                    self.free_tcp(index);
                    return self.tcp.time_wait.insert(key, now);
                }
            }
            _ => {}
        }
        if connection.can_recv() || (state != State::SynSent && !connection.may_recv()) {
            tcp.wake_rx();
        }
        // Room, or the last acknowledgement, or another state: the end of one that somebody waits for.
        let unsent = tcp.connection.send_queue();
        let flushed = core::mem::replace(&mut tcp.unsent, unsent) > unsent && unsent == 0;
        if tcp.connection.can_send() || flushed || state != before {
            tcp.wake_tx();
        }
        let queued = tcp.connection.recv_queue();
        let queued_before = core::mem::replace(&mut tcp.queued, queued);
        let more = queued_before < queued;
        if more && tcp.refuses && matches!(state, State::FinWait1 | State::FinWait2) {
            tcp.connection.abort(pool);
            (tcp.seen, tcp.error) = (State::Closed, Some(Error::ConnectionReset));
            tcp.observer.tell(Change::State);
            return self.touch(index);
        }
        // That our end was acknowledged changes nothing for anybody.
        let quiet = [State::FinWait1, State::FinWait2, State::TimeWait, State::LastAck, State::Closing];
        let is_quiet = tcp.ended == ended_before && quiet.contains(&before) && quiet.contains(&state);
        if state != before && !is_quiet {
            tcp.wants_room = false;
            tcp.observer.tell(Change::State);
            return;
        }
        if more {
            tcp.observer.tell(Change::Readable);
        }
        if tcp.wants_room && has_room(&tcp.connection) {
            tcp.wants_room = false;
            tcp.observer.tell(Change::Writable);
        }
    }

    /// A limit of ours has come; `true` when the connection is gone.
    pub(crate) fn expire_tcp(&mut self, index: u32) -> bool {
        let now = self.now;
        let Some(Flow { kind: Kind::Tcp(tcp), .. }) = self.flows.get_mut(index) else { return true };
        if tcp.limit.is_none_or(|limit| limit > now) {
            return false;
        }
        self.free_tcp(index);
        true
    }

    /// The application lets go of a connection: it ends in the background, in good order or with a reset.
    pub(super) fn let_go(&mut self, index: u32, abort: bool) {
        let now = self.now;
        let Some(Flow { kind: Kind::Tcp(tcp), .. }) = self.flows.get_mut(index) else { return };
        if abort {
            tcp.connection.abort(&mut self.tcp.pool);
        } else {
            tcp.connection.close();
        }
        let phase = core::mem::replace(&mut tcp.phase, Phase::Lingering);
        tcp.seen = tcp.connection.state();
        let linger = if abort { RESET_LINGER } else { LINGER };
        tcp.limit = Some(now + linger);
        tcp.wake_all();
        self.leave_listener(index, phase);
        self.touch(index);
    }

    /// The interface that a connection goes over is about to be removed. Who holds the connection is told; the peer cannot be.
    pub(crate) fn end_tcp(&mut self, index: u32) {
        let Some(Flow { kind: Kind::Tcp(tcp), .. }) = self.flows.get_mut(index) else { return };
        if !matches!(tcp.phase, Phase::Opening | Phase::Open) {
            return self.free_tcp(index);
        }
        tcp.connection.lose_address();
        tcp.limit = None;
        let key = tcp.key;
        if self.tcp.index.get(&key) == Some(&index) {
            self.tcp.index.remove(&key);
        }
        self.strand(index);
        self.settle_tcp(index);
    }

    /// An ICMP error came for this connection. It decides only over an attempt to connect; an established connection
    /// goes on, since anybody can send such a thing.
    pub(crate) fn tcp_unreachable(&mut self, index: u32, port_closed: bool) {
        let Some(Flow { kind: Kind::Tcp(tcp), .. }) = self.flows.get_mut(index) else { return };
        if tcp.phase == Phase::Opening {
            tcp.soft_error =
                Some(if port_closed { Error::ConnectionRefused } else { Error::HostUnreachable });
        }
    }

    /// A router reports that a packet of this connection was too long.
    pub(crate) fn tcp_too_big(&mut self, index: u32, seq: u32, mtu: usize) {
        if let Some(Flow { kind: Kind::Tcp(tcp), .. }) = self.flows.get_mut(index) {
            tcp.connection.too_big(super::engine::Seq(seq), mtu);
            self.touch(index);
        }
    }
}
