//! What follows from a change in a connection's state: whom to wake, what failed, when to forget it.

use smoltcp::socket::tcp::State;
use smoltcp::time::Duration;

use super::{Phase, socket};
use crate::core_::{Cause, Core, Flow, Kind};
use crate::error::Error;
use crate::observe::Change;

/// How long a connection that nobody holds may take to end.
const LINGER: Duration = Duration::from_secs(60);
/// How long its reset may wait for a device.
const RESET_LINGER: Duration = Duration::from_secs(1);

/// Whether there is enough room to tell a writer that found none: not for every acknowledgement.
pub(super) fn has_room(socket: &smoltcp::socket::tcp::Socket<'static>) -> bool {
    (socket.send_capacity() - socket.send_queue()) * 3 >= socket.send_capacity()
}

impl Core {
    pub(crate) fn settle_tcp(&mut self, index: u32, cause: Cause) {
        let now = self.now;
        let Some(flow) = self.flows.get_mut(index) else { return };
        let deadline = flow.deadline;
        let dirty = flow.dirty;
        let link = &self.links[flow.link];
        let Flow { kind: Kind::Tcp(tcp), set, handle, .. } = flow else { return };
        let socket = set.get_mut::<smoltcp::socket::tcp::Socket>(*handle);
        let state = socket.state();
        let before = core::mem::replace(&mut tcp.seen, state);
        let ended_before = tcp.ended;
        tcp.ended |= matches!(state, State::CloseWait | State::LastAck | State::Closing | State::TimeWait);
        if state == State::Closed && before != State::Closed && tcp.error.is_none() {
            tcp.error = match (before, cause) {
                (State::LastAck | State::TimeWait | State::Closing, _) => None,
                // The interface has lost the address, and smoltcp has given the connection up.
                (_, Cause::Clock) if !link.is_loopback() && !link.has_addr(tcp.key.local.1) => {
                    Some(Error::ConnectionAborted)
                }
                (_, Cause::Clock) => Some(tcp.soft_error.clone().unwrap_or(Error::TimedOut)),
                (State::SynSent, Cause::Frame) => Some(Error::ConnectionRefused),
                (_, Cause::Frame) => Some(Error::ConnectionReset),
            };
        }
        match tcp.phase {
            Phase::Opening if !matches!(state, State::SynSent | State::SynReceived | State::Closed) => {
                tcp.phase = Phase::Open;
            }
            Phase::HalfOpen(listener) => match state {
                State::SynReceived => {}
                // The caller took its call back, or sent something that was no call.
                State::Listen | State::Closed => return self.free_tcp(index),
                _ => {
                    tcp.phase = Phase::Queued(listener);
                    tcp.limit = None;
                    return self.make_ready(index, listener);
                }
            },
            Phase::Queued(_) if state == State::Closed => return self.free_tcp(index),
            Phase::Lingering => {
                while let Ok(len @ 1..) = socket.recv(|data| (data.len(), data.len())) {
                    tcp.discarded += len;
                }
                if tcp.discarded > tcp.options.discard_most && state != State::Closed {
                    socket.abort();
                    tcp.seen = State::Closed;
                    tcp.limit = Some(now + RESET_LINGER);
                    return self.touch(index);
                }
                if state == State::Closed && socket.remote_endpoint().is_none() {
                    return self.free_tcp(index);
                }
                // Only the clock holds it: nothing is left to acknowledge. A frame's acknowledgement is still to be sent.
                let quiet =
                    cause == Cause::Clock && deadline.is_some_and(|at| at > now + Duration::from_secs(1));
                if state == State::TimeWait && quiet && !dirty {
                    let key = tcp.key;
                    self.free_tcp(index);
                    return self.tcp.time_wait.insert(key, now);
                }
            }
            _ => {}
        }
        tcp.watch(socket);
        if socket.can_recv() || (state != State::SynSent && !socket.may_recv()) {
            tcp.wake_rx();
        }
        // Room, or the last acknowledgement, or another state: the end of one that somebody waits for.
        let unsent = socket.send_queue();
        let flushed = core::mem::replace(&mut tcp.unsent, unsent) > unsent && unsent == 0;
        if socket.can_send() || flushed || state != before {
            tcp.wake_tx();
        }
        let queued = socket.recv_queue();
        let queued_before = core::mem::replace(&mut tcp.queued, queued);
        let more = queued_before < queued;
        if more && tcp.refuses && matches!(state, State::FinWait1 | State::FinWait2) {
            if queued_before == 0 {
                let _ = socket.recv(|data| (data.len(), ()));
            }
            socket.abort();
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
        if tcp.wants_room && has_room(socket) {
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
        let Some(flow) = self.flows.get_mut(index) else { return };
        if abort {
            socket(flow).abort();
        } else {
            socket(flow).close();
        }
        let state = socket(flow).state();
        let Flow { kind: Kind::Tcp(tcp), .. } = flow else { return };
        let phase = core::mem::replace(&mut tcp.phase, Phase::Lingering);
        tcp.seen = state;
        let linger = if abort { RESET_LINGER } else { LINGER };
        tcp.limit = Some(now + linger);
        tcp.wake_all();
        self.leave_listener(index, phase);
        self.touch(index);
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
}
