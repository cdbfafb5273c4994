//! TCP, over the stack's connections and listeners.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use linux_base::abi::net as abi;
use linux_base::{Credentials, Errno, Mutex, PollEvents, Result, Sink, Source, WaitQueue};
use net::{Error, ListenerId, Local, Scope, TcpId, TcpOptions, TcpState};

use crate::address::{Address, family, parse_inet};
use crate::caller::Caller;
use crate::network::errno;
use crate::numbers::*;
use crate::options::table::{IP, IPV6, SOCKET, TCP};
use crate::ports::{Claim, Protocol, Wish};
use crate::socket::{ANYTHING, Inner, Socket, Told};

/// The most callers that wait to be accepted (`net.core.somaxconn`).
const MOST_CALLERS: i32 = 4096;
/// How long sent data may stay unacknowledged: what 15 retries of Linux take.
const PATIENCE_NS: u64 = 924_000_000_000;
/// How long a connection may take to be made: 6 retries.
const CONNECT_NS: u64 = 127_000_000_000;
const SECOND_NS: u64 = 1_000_000_000;
/// Callers that may be about to confirm, however short the backlog.
const HALF_OPEN: usize = 512;

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

    pub(crate) fn bind(&self, socket: &Socket, caller: &dyn Caller, address: &[u8]) -> Result<()> {
        let address = parse_inet(socket.domain(), address)?;
        let mut state = self.0.lock();
        if state.claim.is_some() || !matches!(state.phase, Phase::Idle) {
            return Err(Errno::EINVAL);
        }
        let (claim, local) = claim(socket, caller, Protocol::Tcp, address)?;
        (state.claim, state.local) = (Some(claim), Some(local));
        Ok(())
    }

    pub(crate) fn listen(&self, socket: &Socket, caller: &dyn Caller, backlog: i32) -> Result<()> {
        // As many as the backlog says and one more wait with Linux.
        let callers = if (0..MOST_CALLERS).contains(&backlog) { backlog } else { MOST_CALLERS } as usize + 1;
        let host = socket.sockets().host();
        let mut state = self.0.lock();
        match state.phase {
            Phase::Listening(id) => {
                return host.call(|net| net.set_backlog(id, callers)).map_err(|error| errno(&error));
            }
            Phase::Idle => {}
            _ => return Err(Errno::EINVAL),
        }
        if state.claim.is_none() {
            let (claim, local) = claim(socket, caller, Protocol::Tcp, any(socket))?;
            (state.claim, state.local) = (Some(claim), Some(local));
        }
        let (Some(local), Some(claim)) = (state.local, &state.claim) else { return Err(Errno::EINVAL) };
        let at = Local {
            addr: Some(local.ip()).filter(|ip| !ip.is_unspecified()),
            port: claim.port(),
            scope: scope(socket),
            shared: socket.options().is_set(SOCKET, abi::SO_REUSEPORT),
        };
        let options = tcp_options(socket);
        let id = host
            .call(|net| net.listen(at, callers, options, socket.told()))
            .map_err(|error| errno(&error))?;
        claim.set_listening();
        state.phase = Phase::Listening(id);
        Ok(())
    }

    pub(crate) fn accept(&self, socket: &Socket) -> Result<(Arc<Socket>, Address)> {
        let Phase::Listening(id) = self.0.lock().phase else { return Err(Errno::EINVAL) };
        let queue = WaitQueue::new();
        let told = || -> Arc<dyn net::Observer> { Arc::new(Told(queue.clone())) };
        let accepted = socket.sockets().host().call(|net| net.accept(id, &told));
        let (id, local, peer) = accepted.map_err(|error| errno(&error))?;
        let tcp = Self::in_phase(Phase::Open(id), Some(local), Some(peer));
        let address = Address::inet(socket.domain(), peer);
        let accepted = socket.accepted(Inner::Tcp(tcp), queue);
        Ok((accepted, address))
    }

    pub(crate) fn connect(&self, socket: &Socket, _caller: &dyn Caller, address: &[u8]) -> Result<()> {
        if family(address)? == AF_UNSPEC {
            return self.disconnect(socket);
        }
        let to = destination(socket, parse_inet(socket.domain(), address)?)?;
        let mut state = self.0.lock();
        self.look(socket, &mut state);
        match state.phase {
            Phase::Idle => {}
            Phase::Opening(_) => return Err(Errno::EALREADY),
            Phase::Open(_) if state.connect_told => return Err(Errno::EISCONN),
            Phase::Open(_) => {
                state.connect_told = true;
                return Ok(());
            }
            Phase::Listening(_) => return Err(Errno::EISCONN),
        }
        if let Some(error) = state.error.take() {
            return Err(error);
        }
        if to.port() == 0 {
            return Err(Errno::ECONNREFUSED);
        }
        let from = match state.local {
            Some(local) => SocketAddr::new(local.ip(), state.claim.as_ref().map_or(0, Claim::port)),
            None => SocketAddr::new(unspecified(to.is_ipv4()), 0),
        };
        let from = if from.ip().is_unspecified() {
            SocketAddr::new(unspecified(to.is_ipv4()), from.port())
        } else {
            from
        };
        let options = tcp_options(socket);
        let begun = socket.sockets().host().call(|net| net.connect(from, to, options, socket.told()));
        let (id, local) = begun.map_err(|error| connect_errno(&error))?;
        state.phase = Phase::Opening(id);
        (state.local, state.peer) = (Some(local), Some(to));
        (state.is_over, state.failure_told, state.connect_told) = (false, false, false);
        (state.shut_read, state.shut_write) = (false, false);
        Err(Errno::EINPROGRESS)
    }

    fn disconnect(&self, socket: &Socket) -> Result<()> {
        let mut state = self.0.lock();
        if let Phase::Opening(id) | Phase::Open(id) = state.phase {
            let _ = socket.sockets().host().call(|net| net.tcp_abort(id));
            state.phase = Phase::Idle;
            (state.peer, state.is_over, state.error) = (None, false, None);
            if state.claim.is_none() {
                state.local = None;
            }
        }
        Ok(())
    }

    pub(crate) fn connected(&self, socket: &Socket) -> Option<Result<()>> {
        let mut state = self.0.lock();
        self.look(socket, &mut state);
        match state.phase {
            Phase::Opening(_) => None,
            Phase::Open(_) => {
                state.connect_told = true;
                Some(Ok(()))
            }
            _ => Some(Err(state.error.take().unwrap_or(Errno::ECONNABORTED))),
        }
    }

    /// Notices that an attempt to connect has ended.
    fn look(&self, socket: &Socket, state: &mut State) {
        let Phase::Opening(id) = state.phase else { return };
        let host = socket.sockets().host();
        let now = host.call(|net| {
            let now = net.tcp_state(id);
            if matches!(now, Ok(TcpState { connecting: true, .. })) {
                return None;
            }
            let error = net.tcp_error(id).ok().flatten();
            let has_failed = now.is_err() || error.is_some();
            if has_failed {
                let _ = net.tcp_abort(id);
            }
            Some((has_failed, error))
        });
        match now {
            None => {}
            Some((false, _)) => state.phase = Phase::Open(id),
            Some((true, error)) => {
                state.phase = Phase::Idle;
                state.error = Some(error.map_or(Errno::ETIMEDOUT, |error| connect_errno(&error)));
                (state.peer, state.is_over) = (None, true);
            }
        }
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

    pub(crate) fn send(&self, socket: &Socket, from: &mut dyn Source, flags: u32) -> Result<usize> {
        let mut state = self.0.lock();
        self.look(socket, &mut state);
        let id = match state.phase {
            Phase::Open(id) if !state.shut_write => id,
            Phase::Opening(_) => return Err(Errno::EAGAIN),
            Phase::Open(id) => return Err(failure(socket, &mut state, id).unwrap_or(Errno::EPIPE)),
            _ => return Err(state.error.take().unwrap_or(Errno::EPIPE)),
        };
        if from.left() == 0 {
            return Ok(0);
        }
        let (mut done, mut fault) = (0, None);
        // What is said to be followed by more waits for that, 200 ms at most.
        let holds = flags & MSG_MORE != 0;
        let held = core::mem::replace(&mut state.holds, holds);
        let result = socket.sockets().host().call(|net| {
            if holds {
                net.tcp_set_corked(id, true)?;
            }
            let mut fill = |room: &mut [u8]| {
                from.pull(room).unwrap_or_else(|errno| {
                    fault = Some(errno);
                    0
                })
            };
            loop {
                match net.tcp_write(id, &mut fill) {
                    Ok(0) => break,
                    Ok(len) => done += len,
                    Err(Error::WouldBlock) if done > 0 => break,
                    Err(error) => return Err(error),
                }
            }
            if held && !holds {
                net.tcp_set_corked(id, socket.options().is_set(TCP, abi::TCP_CORK))?;
            }
            Ok(())
        });
        match (done, fault, result) {
            (1.., ..) => Ok(done),
            (_, Some(errno), _) => Err(errno),
            (_, None, Ok(())) => Ok(0),
            (_, None, Err(Error::WouldBlock)) => Err(Errno::EAGAIN),
            (_, None, Err(_)) => Err(failure(socket, &mut state, id).unwrap_or(Errno::EPIPE)),
        }
    }

    pub(crate) fn receive(&self, socket: &Socket, into: &mut dyn Sink, flags: u32) -> Result<usize> {
        let mut state = self.0.lock();
        self.look(socket, &mut state);
        let id = match state.phase {
            Phase::Open(id) => id,
            Phase::Opening(_) => return Err(Errno::EAGAIN),
            Phase::Idle if state.error.is_some() || state.is_over => {
                return state.error.take().map_or(Ok(0), Err);
            }
            _ => return Err(Errno::ENOTCONN),
        };
        if into.room() == 0 {
            return Ok(0);
        }
        let host = socket.sockets().host();
        let mut fault = None;
        let result = if flags & MSG_PEEK != 0 {
            peek(into, &mut fault, |buf| host.call(|net| net.tcp_peek(id, buf)))
        } else {
            let discards = flags & MSG_TRUNC != 0;
            let mut left = into.room();
            host.call(|net| {
                let mut done = 0;
                let mut take = |data: &[u8]| -> usize {
                    if discards {
                        let len = data.len().min(left);
                        left -= len;
                        return len;
                    }
                    into.push(data).unwrap_or_else(|errno| {
                        fault = Some(errno);
                        0
                    })
                };
                loop {
                    match net.tcp_read(id, &mut take) {
                        Ok(0) => return Ok(done),
                        Ok(len) => done += len,
                        Err(_) if done > 0 => return Ok(done),
                        Err(error) => return Err(error),
                    }
                }
            })
        };
        match (result, fault) {
            (Ok(0), Some(errno)) => Err(errno),
            (Ok(len), _) => Ok(len),
            (Err(Error::WouldBlock), _) if state.shut_read => Ok(0),
            (Err(Error::WouldBlock), _) => Err(Errno::EAGAIN),
            (Err(_), _) if state.failure_told => Ok(0),
            (Err(error), _) => {
                let peer_done = host.call(|net| net.tcp_state(id)).is_ok_and(|now| now.peer_done);
                if peer_done {
                    return Ok(0);
                }
                state.failure_told = true;
                Err(errno(&error))
            }
        }
    }

    pub(crate) fn shutdown(&self, socket: &Socket, how: u32) -> Result<()> {
        let mut state = self.0.lock();
        self.look(socket, &mut state);
        let host = socket.sockets().host();
        match state.phase {
            Phase::Idle => return Err(Errno::ENOTCONN),
            Phase::Listening(id) if how != SHUT_WR => {
                let _ = host.call(|net| net.close_listener(id));
                state.phase = Phase::Idle;
            }
            Phase::Listening(_) => {}
            Phase::Opening(id) => {
                let _ = host.call(|net| net.tcp_abort(id));
                (state.phase, state.is_over) = (Phase::Idle, true);
                (state.error, state.peer) = (Some(Errno::ECONNRESET), None);
            }
            Phase::Open(id) if is_over(socket, id) => return Err(Errno::ENOTCONN),
            Phase::Open(id) => {
                if how != SHUT_RD && !state.shut_write {
                    state.shut_write = true;
                    let _ = host.call(|net| net.tcp_shutdown_write(id));
                }
                if how != SHUT_WR && !state.shut_read {
                    state.shut_read = true;
                    let _ = host.call(|net| net.tcp_refuse(id));
                }
            }
        }
        drop(state);
        socket.wait_queue().wake_all(ANYTHING);
        Ok(())
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

    pub(crate) fn readable(&self, socket: &Socket) -> Result<usize> {
        match self.0.lock().phase {
            Phase::Listening(_) => Err(Errno::EINVAL),
            Phase::Open(id) => {
                Ok(socket.sockets().host().call(|net| net.tcp_state(id)).map_or(0, |now| now.readable))
            }
            _ => Ok(0),
        }
    }

    pub(crate) fn unsent(&self, socket: &Socket) -> usize {
        match self.0.lock().phase {
            Phase::Open(id) => {
                socket.sockets().host().call(|net| net.tcp_state(id)).map_or(0, |now| now.unsent)
            }
            _ => 0,
        }
    }

    /// An option of a connection that exists was changed.
    pub(crate) fn option_changed(&self, socket: &Socket, level: u32, name: u32, value: i32) {
        let (Phase::Opening(id) | Phase::Open(id)) = self.0.lock().phase else { return };
        let host = socket.sockets().host();
        match (level, name) {
            (TCP, abi::TCP_CORK) => {
                let _ = host.call(|net| net.tcp_set_corked(id, value != 0));
            }
            (
                TCP,
                abi::TCP_NODELAY
                | abi::TCP_KEEPIDLE
                | abi::TCP_KEEPINTVL
                | abi::TCP_KEEPCNT
                | abi::TCP_USER_TIMEOUT,
            )
            | (SOCKET, abi::SO_KEEPALIVE)
            | (IP, abi::IP_TTL)
            | (IPV6, abi::IPV6_UNICAST_HOPS) => {
                let wanted = tcp_options(socket);
                let _ = host.call(|net| net.tcp_set_options(id, &mut |options| *options = wanted));
            }
            _ => {}
        }
    }

    /// `TCP_INFO`: the state and what else is known.
    pub(crate) fn info(&self, socket: &Socket) -> [u8; 104] {
        let state = self.0.lock();
        let now = match state.phase {
            Phase::Opening(id) | Phase::Open(id) => {
                socket.sockets().host().call(|net| net.tcp_state(id)).ok()
            }
            _ => None,
        };
        // The numbers of Linux's states.
        let number = match (state.phase, now) {
            (Phase::Opening(_), _) => 2,
            (Phase::Listening(_), _) => 10,
            (Phase::Idle, _) | (_, None) => 7,
            (_, Some(now)) if now.failed || now.closed => 7,
            (_, Some(now)) if now.peer_done && state.shut_write => 9,
            (_, Some(now)) if now.peer_done => 8,
            _ if state.shut_write => 5,
            _ => 1,
        };
        let mut bytes = [0; 104];
        bytes[0] = number;
        let unacked = now.map_or(0, |now| now.unsent.div_ceil(1460) as u32);
        // Retransmission time-out, segment sizes, path MTU, round trip and windows, at their places in `struct tcp_info`.
        for (at, value) in [
            (8, 204_000),
            (12, 40_000),
            (16, 1460),
            (20, 536),
            (24, unacked),
            (60, 1500),
            (64, 64_076),
            (68, 1000),
            (72, 500),
            (76, 0x7fff_ffff),
            (80, 10),
            (84, 1460),
            (88, 3),
            (96, 14_600),
        ] {
            bytes[at..at + 4].copy_from_slice(&u32::to_le_bytes(value));
        }
        bytes
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

/// Copies what `look` shows, without taking it.
fn peek(
    into: &mut dyn Sink,
    fault: &mut Option<Errno>,
    look: impl FnOnce(&mut [u8]) -> net::Result<usize>,
) -> net::Result<usize> {
    let (mut few, mut many) = ([0; 128], Vec::new());
    let wanted = into.room().min(1 << 20);
    let buf = if wanted <= few.len() {
        &mut few[..wanted]
    } else {
        many.try_reserve_exact(wanted).map_err(|_| Error::OutOfMemory)?;
        many.resize(wanted, 0);
        &mut many[..]
    };
    let len = look(buf)?;
    Ok(into.push(&buf[..len]).unwrap_or_else(|errno| {
        *fault = Some(errno);
        0
    }))
}

/// Buffers and timers by the socket's options.
fn tcp_options(socket: &Socket) -> TcpOptions {
    let options = socket.options();
    let get = |level, name| options.get(level, name).unwrap_or(0).max(0) as u64;
    let mut wanted = socket.sockets().host().tcp_options();
    let more = options.more.lock();
    // The number asked for; what is read back is doubled.
    let size = |asked: Option<u32>, usual: usize| {
        asked.map_or(usual, |size| (size as usize / 2).clamp(4096, 1 << 20))
    };
    wanted.rx_buffer = size(more.receive_buffer, wanted.rx_buffer);
    wanted.tx_buffer = size(more.send_buffer, wanted.tx_buffer);
    drop(more);
    wanted.nodelay = get(TCP, abi::TCP_NODELAY) != 0;
    wanted.connect_timeout_ns = Some(CONNECT_NS);
    let keeps = get(SOCKET, abi::SO_KEEPALIVE) != 0;
    let (idle, interval) = (get(TCP, abi::TCP_KEEPIDLE), get(TCP, abi::TCP_KEEPINTVL));
    wanted.keepalive_ns = keeps.then_some(idle * SECOND_NS);
    wanted.user_timeout_ns = Some(match get(TCP, abi::TCP_USER_TIMEOUT) {
        0 if keeps => (idle + interval * get(TCP, abi::TCP_KEEPCNT)) * SECOND_NS,
        0 => PATIENCE_NS,
        milliseconds => milliseconds * 1_000_000,
    });
    let hops = if socket.domain() == AF_INET6 {
        options.get(IPV6, abi::IPV6_UNICAST_HOPS)
    } else {
        options.get(IP, abi::IP_TTL)
    };
    wanted.hop_limit = hops.filter(|hops| *hops > 0).unwrap_or(64).min(255) as u8;
    wanted.discard_most = 0;
    wanted.half_open = HALF_OPEN;
    wanted
}

fn connect_errno(error: &Error) -> Errno {
    match error {
        // A group or the like.
        Error::AddrNotAvailable => Errno::EADDRNOTAVAIL,
        error => errno(error),
    }
}

/// The address that no address stands for.
pub(crate) fn unspecified(is_v4: bool) -> IpAddr {
    if is_v4 { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() }
}

fn any(socket: &Socket) -> SocketAddr {
    SocketAddr::new(unspecified(socket.domain() == AF_INET), 0)
}

/// Which addresses a socket without an address has.
pub(crate) fn scope(socket: &Socket) -> Scope {
    match socket.domain() {
        AF_INET => Scope::V4,
        _ if socket.options().is_set(IPV6, abi::IPV6_V6ONLY) => Scope::V6,
        _ => Scope::Both,
    }
}

/// Where a program means to send to: nowhere is here.
pub(crate) fn destination(socket: &Socket, to: SocketAddr) -> Result<SocketAddr> {
    if to.is_ipv4() && socket.domain() == AF_INET6 && scope(socket) == Scope::V6 {
        return Err(Errno::ENETUNREACH);
    }
    let ip = match to.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    Ok(SocketAddr::new(ip, to.port()))
}

/// Checks an address to be bound and claims its port.
pub(crate) fn claim(
    socket: &Socket,
    caller: &dyn Caller,
    protocol: Protocol,
    address: SocketAddr,
) -> Result<(Claim, SocketAddr)> {
    let ip = address.ip();
    if address.is_ipv4() && socket.domain() == AF_INET6 && scope(socket) == Scope::V6 {
        return Err(Errno::EINVAL);
    }
    let options = socket.options();
    let is_free = options.is_set(IP, abi::IP_FREEBIND) || options.is_set(IPV6, abi::IPV6_FREEBIND);
    let is_group = protocol == Protocol::Udp && (ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST));
    if !ip.is_unspecified() && !is_group && !is_free && !socket.sockets().host().call(|net| net.is_local(ip))
    {
        return Err(Errno::EADDRNOTAVAIL);
    }
    let credentials = caller.credentials();
    if (1..1024).contains(&address.port()) && !credentials.can(Credentials::CAP_NET_BIND_SERVICE) {
        return Err(Errno::EACCES);
    }
    // Mapped, the unspecified address of IPv4 is all of IPv4.
    let scope = if address.is_ipv4() { Scope::V4 } else { scope(socket) };
    let wish = Wish {
        protocol,
        addr: Some(ip).filter(|ip| !ip.is_unspecified()),
        scope,
        reuse_addr: options.is_set(SOCKET, abi::SO_REUSEADDR),
        reuse_port: options.is_set(SOCKET, abi::SO_REUSEPORT),
        uid: credentials.uid.effective,
    };
    let claim = socket.sockets().ports.claim(address.port(), wish)?;
    Ok((claim, address))
}
