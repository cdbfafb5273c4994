//! TCP, over the stack's connections and listeners: the phases of a socket, and what is told of them.
//!
//! Connecting is in `connect`, listening in `listen`, bytes are in `data`, options in `options`.

mod connect;
mod data;
mod info;
mod listen;
mod options;

use core::net::SocketAddr;

use linux_base::{Errno, Mutex, PollEvents, Result};
use net::{Error, ListenerId, TcpId};

use crate::address::Address;
use crate::inet::unspecified;
use crate::network::errno;
use crate::numbers::AF_INET;
use crate::ports::Claim;
use crate::socket::Socket;

/// The connection or listener of a socket.
pub(crate) struct Tcp(Mutex<State>);

struct State {
    phase: Phase,
    claim: Option<Claim>,
    local: Option<SocketAddr>,
    peer: Option<SocketAddr>,
    /// An error to be told once.
    error: Option<Errno>,
    /// The failure of the connection has been told.
    failure_told: bool,
    /// It was connected, or an attempt has failed: it has hung up.
    is_over: bool,
    /// That it is connected was told to who called `connect` without waiting.
    connect_told: bool,
    shut_read: bool,
    shut_write: bool,
    /// The last write said `MSG_MORE`.
    holds: bool,
}

#[derive(Clone, Copy)]
enum Phase {
    Idle,
    Opening(TcpId),
    Open(TcpId),
    Listening(ListenerId),
}

impl Tcp {
    pub(crate) fn new() -> Self {
        Self::in_phase(Phase::Idle, None, None)
    }

    fn in_phase(phase: Phase, local: Option<SocketAddr>, peer: Option<SocketAddr>) -> Self {
        Self(Mutex::new(State {
            phase,
            claim: None,
            local,
            peer,
            error: None,
            failure_told: false,
            is_over: false,
            connect_told: matches!(phase, Phase::Open(_)),
            shut_read: false,
            shut_write: false,
            holds: false,
        }))
    }

    pub(crate) fn name(&self, socket: &Socket) -> Address {
        let state = self.0.lock();
        match (state.local, &state.claim) {
            (Some(local), Some(claim)) => {
                let ip = if local.ip().is_unspecified() {
                    unspecified(socket.domain() == AF_INET)
                } else {
                    local.ip()
                };
                Address::inet(socket.domain(), SocketAddr::new(ip, claim.port()))
            }
            (Some(local), None) => Address::inet(socket.domain(), local),
            (None, _) => Address::inet_any(socket.domain(), 0),
        }
    }

    pub(crate) fn peer_name(&self, socket: &Socket) -> Result<Address> {
        let mut state = self.0.lock();
        self.look(socket, &mut state);
        match (state.phase, state.peer) {
            (Phase::Open(id), Some(peer)) if !is_over(socket, id) => Ok(Address::inet(socket.domain(), peer)),
            _ => Err(Errno::ENOTCONN),
        }
    }

    pub(crate) fn peer(&self) -> Option<SocketAddr> {
        self.0.lock().peer
    }

    pub(crate) fn take_error(&self, socket: &Socket) -> Option<Errno> {
        let mut state = self.0.lock();
        self.look(socket, &mut state);
        if let Some(error) = state.error.take() {
            return Some(error);
        }
        let Phase::Open(id) = state.phase else { return None };
        failure(socket, &mut state, id)
    }

    pub(crate) fn poll(&self, socket: &Socket) -> PollEvents {
        let mut state = self.0.lock();
        self.look(socket, &mut state);
        let over = PollEvents::READABLE | PollEvents::WRITABLE | PollEvents::RDHUP | PollEvents::HUP;
        let mut events = PollEvents::empty();
        events.set(PollEvents::ERR, state.error.is_some());
        let host = socket.sockets().host();
        match state.phase {
            Phase::Idle if state.is_over => events | over,
            Phase::Idle => events | PollEvents::WRITABLE | PollEvents::HUP,
            Phase::Opening(_) => events,
            Phase::Listening(id) => {
                let callers = host.call(|net| net.callers(id)).unwrap_or(0);
                if callers > 0 { events | PollEvents::READABLE } else { events }
            }
            Phase::Open(id) => {
                let Ok(now) = host.call(|net| net.tcp_state(id)) else { return events | over };
                if now.failed {
                    events.set(PollEvents::ERR, !state.failure_told);
                    return events | over;
                }
                let ended = now.peer_done || state.shut_read;
                events.set(PollEvents::READABLE, now.readable > 0 || ended);
                events.set(PollEvents::RDHUP, ended);
                events.set(PollEvents::HUP, (now.peer_done || state.shut_read) && state.shut_write);
                // A third of the buffer is free: the same that a writer is woken for.
                events.set(PollEvents::WRITABLE, state.shut_write || now.room * 2 >= now.unsent);
                events
            }
        }
    }

    pub(crate) fn is_listening(&self) -> bool {
        matches!(self.0.lock().phase, Phase::Listening(_))
    }

    pub(crate) fn is_bound(&self) -> bool {
        self.0.lock().local.is_some()
    }

    pub(crate) fn close(&self, socket: &Socket) {
        let state = self.0.lock();
        let resets = socket.options().more.lock().linger == Some(0);
        match state.phase {
            Phase::Idle => {}
            Phase::Listening(id) => drop(socket.sockets().host().call(|net| net.close_listener(id))),
            Phase::Opening(id) | Phase::Open(id) => {
                let _ = socket.sockets().host().call(|net| {
                    // What was sent and never read is lost: the peer is to know.
                    let unread = net.tcp_state(id).is_ok_and(|now| now.readable > 0);
                    if resets || unread { net.tcp_abort(id) } else { net.tcp_close(id) }
                });
            }
        }
    }
}

/// Why the connection has failed, told once.
fn failure(socket: &Socket, state: &mut State, id: TcpId) -> Option<Errno> {
    if state.failure_told {
        return None;
    }
    let (error, now) = socket.sockets().host().call(|net| (net.tcp_error(id), net.tcp_state(id)));
    let error = error.ok().flatten()?;
    state.failure_told = true;
    // A reset after the peer's end answers what was written to nobody.
    let is_late = error == Error::ConnectionReset && now.is_ok_and(|now| now.peer_done);
    Some(if is_late { Errno::EPIPE } else { errno(&error) })
}

/// Whether both sides have ended, or a failure has ended both.
fn is_over(socket: &Socket, id: TcpId) -> bool {
    let now = socket.sockets().host().call(|net| net.tcp_state(id));
    now.is_ok_and(|now| now.failed || now.closed)
}
