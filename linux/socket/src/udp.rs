//! UDP, over the stack's sockets.

use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use linux_base::abi::net as abi;
use linux_base::io::pull_exact;
use linux_base::{Errno, Mutex, PollEvents, Result, Sink, Source};
use net::{Datagram, IfIndex, Local, UdpId, UdpOptions};

use crate::address::{Address, family, parse_inet};
use crate::caller::Caller;
use crate::control::{self, Writer};
use crate::inet::{claim, destination, scope, unspecified};
use crate::network::errno;
use crate::numbers::*;
use crate::options::Attached;
use crate::options::table::{IP, IPV6, SOCKET};
use crate::ports::{Claim, Protocol};
use crate::socket::{ANYTHING, Received, Socket};

/// Room for the longest datagram, both ways; made for each interface at its first datagram.
const BUFFERS: UdpOptions =
    UdpOptions { rx_buffer: 128 << 10, rx_datagrams: 256, tx_buffer: 66 << 10, tx_datagrams: 64 };
/// The longest datagram.
const LONGEST: usize = 65507;

/// The stack's socket of a socket.
pub(crate) struct Udp(Mutex<State>);

#[derive(Default)]
struct State {
    bound: Option<Bound>,
    peer: Option<SocketAddr>,
    groups: Vec<(IfIndex, IpAddr)>,
    shut_read: bool,
    shut_write: bool,
    /// A datagram on its way from the program into the stack.
    scratch: Vec<u8>,
}

struct Bound {
    id: UdpId,
    claim: Claim,
    /// As the program said.
    local: SocketAddr,
}

impl Udp {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(State::default()))
    }

    pub(crate) fn bind(&self, socket: &Socket, caller: &dyn Caller, address: &[u8]) -> Result<()> {
        let address = parse_inet(socket.domain(), address)?;
        let mut state = self.0.lock();
        if state.bound.is_some() {
            return Err(Errno::EINVAL);
        }
        bind_at(socket, &mut state, caller, address)
    }

    pub(crate) fn connect(&self, socket: &Socket, caller: &dyn Caller, address: &[u8]) -> Result<()> {
        let host = socket.sockets().host();
        let mut state = self.0.lock();
        if family(address)? == AF_UNSPEC {
            if let Some(bound) = &state.bound {
                let _ = host.call(|net| net.udp_connect(bound.id, None));
            }
            state.peer = None;
            return Ok(());
        }
        let to = destination(socket, parse_inet(socket.domain(), address)?)?;
        let id = bind_anywhere(socket, &mut state, caller, to.is_ipv4())?;
        // Port 0 is no peer that the stack can have; nothing is ever sent there.
        if to.port() != 0 {
            host.call(|net| net.udp_connect(id, Some(to))).map_err(|error| errno(&error))?;
        }
        state.peer = Some(to);
        Ok(())
    }

    pub(crate) fn name(&self, socket: &Socket) -> Address {
        let state = self.0.lock();
        let Some(bound) = &state.bound else { return Address::inet_any(socket.domain(), 0) };
        let mut ip = bound.local.ip();
        if ip.is_unspecified() {
            let from =
                |peer: SocketAddr| socket.sockets().host().call(|net| net.local_addr_for(peer.ip())).ok();
            ip = state.peer.and_then(from).unwrap_or(unspecified(socket.domain() == AF_INET));
        }
        Address::inet(socket.domain(), SocketAddr::new(ip, bound.claim.port()))
    }

    pub(crate) fn peer_name(&self, socket: &Socket) -> Result<Address> {
        let peer = self.peer().ok_or(Errno::ENOTCONN)?;
        Ok(Address::inet(socket.domain(), peer))
    }

    pub(crate) fn peer(&self) -> Option<SocketAddr> {
        self.0.lock().peer
    }

    pub(crate) fn is_bound(&self) -> bool {
        self.0.lock().bound.is_some()
    }

    pub(crate) fn send(
        &self,
        socket: &Socket,
        caller: &dyn Caller,
        from: &mut dyn Source,
        to: Option<&[u8]>,
        control: &[u8],
        _flags: u32,
    ) -> Result<usize> {
        if from.left() > usize::from(u16::MAX) {
            return Err(Errno::EMSGSIZE);
        }
        let mut source = None;
        for message in control::messages(control) {
            let message = message?;
            source = source_of(&message).or(source);
        }
        let to = match to {
            Some(address) if family(address)? == AF_UNSPEC && socket.domain() == AF_INET6 => None,
            Some(address) => {
                let to = destination(socket, parse_inet(socket.domain(), address)?)?;
                if to.port() == 0 {
                    return Err(Errno::EINVAL);
                }
                Some(to)
            }
            None => None,
        };
        let mut state = self.0.lock();
        let goal = to.or(state.peer).ok_or(Errno::EDESTADDRREQ)?;
        if goal.ip() == IpAddr::V4(core::net::Ipv4Addr::BROADCAST)
            && !socket.options().is_set(SOCKET, abi::SO_BROADCAST)
        {
            return Err(Errno::EACCES);
        }
        let id = bind_anywhere(socket, &mut state, caller, goal.is_ipv4())?;
        send_now(socket, &mut state, id, from, to, source)
    }

    /// Sends to the peer that the socket is connected to.
    pub(crate) fn send_connected(&self, socket: &Socket, from: &mut dyn Source) -> Result<usize> {
        let mut state = self.0.lock();
        match (&state.bound, state.peer) {
            (Some(bound), Some(_)) => {
                let id = bound.id;
                send_now(socket, &mut state, id, from, None, None)
            }
            _ => Err(Errno::EDESTADDRREQ),
        }
    }

    pub(crate) fn receive(
        &self,
        socket: &Socket,
        into: &mut dyn Sink,
        control_room: usize,
        flags: u32,
    ) -> Result<Received> {
        let (id, shut_read) = {
            let state = self.0.lock();
            match &state.bound {
                Some(bound) => (bound.id, state.shut_read),
                None if state.shut_read => return Ok(Received::bytes(0)),
                None => return Err(Errno::EAGAIN),
            }
        };
        let attached = socket.options().attached();
        let (mut received, mut fault) = (Received::bytes(0), None);
        let got = socket.sockets().host().call(|net| {
            net.udp_recv(id, flags & MSG_PEEK != 0, &mut |datagram| {
                let room = into.room();
                let pushed = into.push(datagram.data).unwrap_or_else(|errno| {
                    fault = Some(errno);
                    0
                });
                if pushed < room.min(datagram.data.len()) {
                    fault = Some(Errno::EFAULT);
                }
                received.len = if flags & MSG_TRUNC != 0 { datagram.data.len() } else { pushed };
                if datagram.data.len() > room {
                    received.flags |= MSG_TRUNC;
                }
                received.address = Some(Address::inet(socket.domain(), datagram.from));
                if !attached.is_empty() {
                    let mut control = Writer::new(control_room);
                    attach(&mut control, attached, &datagram);
                    received.flags |= if control.is_cut { MSG_CTRUNC } else { 0 };
                    received.control = control.bytes;
                }
            })
        });
        match (got, fault) {
            (Ok(()), Some(errno)) => Err(errno),
            (Ok(()), None) => Ok(received),
            (Err(net::Error::WouldBlock), _) if shut_read => Ok(Received::bytes(0)),
            (Err(error), _) => Err(errno(&error)),
        }
    }

    pub(crate) fn shutdown(&self, socket: &Socket, how: u32) -> Result<()> {
        let mut state = self.0.lock();
        state.shut_read |= how != SHUT_WR;
        state.shut_write |= how != SHUT_RD;
        let is_connected = state.peer.is_some();
        drop(state);
        socket.wait_queue().wake_all(ANYTHING);
        if is_connected { Ok(()) } else { Err(Errno::ENOTCONN) }
    }

    pub(crate) fn take_error(&self, socket: &Socket) -> Option<Errno> {
        let id = self.0.lock().bound.as_ref()?.id;
        let error = socket.sockets().host().call(|net| net.udp_take_error(id));
        error.ok().flatten().map(|error| errno(&error))
    }

    pub(crate) fn poll(&self, socket: &Socket) -> PollEvents {
        let state = self.0.lock();
        let mut events = PollEvents::WRITABLE;
        if let Some(bound) = &state.bound
            && let Ok(now) = socket.sockets().host().call(|net| net.udp_state(bound.id))
        {
            events.set(PollEvents::WRITABLE, now.can_write);
            events.set(PollEvents::READABLE, now.can_read);
            events.set(PollEvents::ERR, now.failed);
        }
        if state.shut_read {
            events |= PollEvents::READABLE | PollEvents::RDHUP;
        }
        events.set(PollEvents::HUP, state.shut_read && state.shut_write);
        events
    }

    pub(crate) fn readable(&self, socket: &Socket) -> usize {
        let state = self.0.lock();
        let Some(bound) = &state.bound else { return 0 };
        socket.sockets().host().call(|net| net.udp_state(bound.id)).map_or(0, |now| now.next_len)
    }

    /// Joins or leaves a group. What is joined is left at the end.
    pub(crate) fn join(&self, socket: &Socket, interface: IfIndex, group: IpAddr, joins: bool) -> Result<()> {
        let mut state = self.0.lock();
        let known = state.groups.iter().position(|joined| *joined == (interface, group));
        match (joins, known) {
            (true, Some(_)) => return Err(Errno::EADDRINUSE),
            (false, None) => return Err(Errno::EADDRNOTAVAIL),
            (true, None) => {
                // As many as `net.ipv4.igmp_max_memberships`.
                if state.groups.len() >= 20 {
                    return Err(Errno::ENOBUFS);
                }
                let joined = socket.sockets().host().call(|net| net.multicast(interface, group, true));
                joined.map_err(|error| errno(&error))?;
                state.groups.push((interface, group));
            }
            (false, Some(at)) => {
                state.groups.remove(at);
                let _ = socket.sockets().host().call(|net| net.multicast(interface, group, false));
            }
        }
        Ok(())
    }

    pub(crate) fn close(&self, socket: &Socket) {
        let mut state = self.0.lock();
        let (bound, groups) = (state.bound.take(), core::mem::take(&mut state.groups));
        socket.sockets().host().call(|net| {
            for (interface, group) in groups {
                let _ = net.multicast(interface, group, false);
            }
            if let Some(bound) = bound {
                let _ = net.udp_close(bound.id);
            }
        });
    }
}

fn bind_at(socket: &Socket, state: &mut State, caller: &dyn Caller, address: SocketAddr) -> Result<()> {
    let (claim, local) = claim(socket, caller, Protocol::Udp, address)?;
    let options = socket.options();
    let at = Local {
        addr: Some(local.ip()).filter(|ip| !ip.is_unspecified()),
        port: claim.port(),
        scope: scope(socket),
        shared: options.is_set(SOCKET, abi::SO_REUSEPORT) || options.is_set(SOCKET, abi::SO_REUSEADDR),
    };
    let bound = socket.sockets().host().call(|net| net.udp_bind(at, BUFFERS, socket.told()));
    let id = bound.map_err(|error| errno(&error))?;
    state.bound = Some(Bound { id, claim, local });
    Ok(())
}

/// The stack's socket, bound to any port if it is not yet.
fn bind_anywhere(socket: &Socket, state: &mut State, caller: &dyn Caller, is_v4: bool) -> Result<UdpId> {
    if state.bound.is_none() {
        let is_v4 = is_v4 && socket.domain() == AF_INET;
        bind_at(socket, state, caller, SocketAddr::new(unspecified(is_v4), 0))?;
    }
    state.bound.as_ref().map(|bound| bound.id).ok_or(Errno::EINVAL)
}

fn send_now(
    socket: &Socket,
    state: &mut State,
    id: UdpId,
    from: &mut dyn Source,
    to: Option<SocketAddr>,
    source: Option<IpAddr>,
) -> Result<usize> {
    if state.shut_write {
        return Err(Errno::EPIPE);
    }
    if to.or(state.peer).is_some_and(|to| to.port() == 0) {
        return Err(Errno::EINVAL);
    }
    let len = from.left();
    if len > LONGEST {
        return Err(Errno::EMSGSIZE);
    }
    let scratch = &mut state.scratch;
    scratch.try_reserve(len.saturating_sub(scratch.len()))?;
    scratch.resize(len, 0);
    pull_exact(from, scratch)?;
    let hops = to.or(state.peer).and_then(|to| hops_to(socket, to.ip()));
    let sent = socket.sockets().host().call(|net| net.udp_send(id, scratch, to, source, hops));
    if scratch.capacity() > 4096 {
        *scratch = Vec::new();
    }
    match sent {
        Ok(()) => Ok(len),
        Err(error) => {
            // Who waits for room tries again with the same datagram.
            from.unpull(len);
            Err(errno(&error))
        }
    }
}

/// How far a datagram goes; `None` is as far as usual.
fn hops_to(socket: &Socket, to: IpAddr) -> Option<u8> {
    let (level, name) = match (to.to_canonical(), to.is_multicast()) {
        (IpAddr::V4(_), false) => (IP, abi::IP_TTL),
        (IpAddr::V4(_), true) => (IP, abi::IP_MULTICAST_TTL),
        (IpAddr::V6(_), false) => (IPV6, abi::IPV6_UNICAST_HOPS),
        (IpAddr::V6(_), true) => (IPV6, abi::IPV6_MULTICAST_HOPS),
    };
    match socket.options().get(level, name).and_then(|hops| u8::try_from(hops).ok()) {
        None if to.is_multicast() => Some(1),
        hops => hops,
    }
}

/// The address that a program wants to send from.
fn source_of(message: &control::Message<'_>) -> Option<IpAddr> {
    let ip = match (message.level, message.kind) {
        (IP, abi::IP_PKTINFO) => IpAddr::from(<[u8; 4]>::try_from(message.data.get(4..8)?).ok()?),
        (IPV6, abi::IPV6_PKTINFO) => IpAddr::from(<[u8; 16]>::try_from(message.data.get(..16)?).ok()?),
        _ => return None,
    };
    Some(ip.to_canonical()).filter(|ip| !ip.is_unspecified())
}

/// Attaches what the program wants to know of a datagram.
fn attach(control: &mut Writer, attached: Attached, datagram: &Datagram<'_>) {
    control.put_time(attached);
    let to = datagram.to;
    let hop_limit = u32::from(datagram.hop_limit).to_le_bytes();
    let index = (datagram.interface.get() as u32 + 1).to_le_bytes();
    if let (IpAddr::V4(to), true) = (to, attached.contains(Attached::PKTINFO)) {
        let mut bytes = [0; 12];
        bytes[..4].copy_from_slice(&index);
        bytes[4..8].copy_from_slice(&to.octets());
        bytes[8..].copy_from_slice(&to.octets());
        control.put(IP, abi::IP_PKTINFO, &bytes);
    }
    if attached.contains(Attached::TTL) {
        control.put(IP, abi::IP_TTL, &hop_limit);
    }
    if attached.contains(Attached::TOS) {
        control.put(IP, abi::IP_TOS, &[0]);
    }
    if attached.contains(Attached::PKTINFO6) {
        let octets = match to {
            IpAddr::V4(to) => to.to_ipv6_mapped().octets(),
            IpAddr::V6(to) => to.octets(),
        };
        let mut bytes = [0; 20];
        bytes[..16].copy_from_slice(&octets);
        bytes[16..].copy_from_slice(&index);
        control.put(IPV6, abi::IPV6_PKTINFO, &bytes);
    }
    if attached.contains(Attached::HOPLIMIT) {
        control.put(IPV6, abi::IPV6_HOPLIMIT, &hop_limit);
    }
    if attached.contains(Attached::TCLASS) {
        control.put(IPV6, abi::IPV6_TCLASS, &0u32.to_le_bytes());
    }
}
