//! Listeners: who may call, how many at once, and who waits to be accepted.
//!
//! A call takes a connection from the start. When too many have not confirmed theirs, the next ones are answered with
//! cookies and take none until they confirm.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::hash::Hasher;
use core::task::{Context, Poll, Waker};
use smoltcp::time::Duration;
use smoltcp::wire::{IpAddress, IpEndpoint, IpListenEndpoint, IpVersion, TcpControl, TcpRepr, TcpSeqNumber};

use super::engine::{Connection, Seq};
use super::{FlowKey, ListenerId, Phase, TcpId, reply};
use crate::config::{Local, TcpOptions};
use crate::core_::{Core, Flow, Kind, remember};
use crate::error::{Error, Result};
use crate::observe::{Change, Observed, Observer};

/// How long a caller may take to confirm.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long it is preferred to those who call after it.
const PRIORITY: Duration = Duration::from_millis(200);

/// What becomes of a call.
pub(super) enum Admission {
    Connection(u32),
    /// The answer that holds all there is to know of it.
    Cookie(TcpRepr<'static>),
    /// Nothing; the caller tries again.
    Later,
}

pub(crate) struct Listener {
    local: Local,
    backlog: usize,
    options: TcpOptions,
    /// Callers that have not confirmed, oldest first.
    half_open: VecDeque<u32>,
    /// Established connections that wait to be accepted.
    ready: VecDeque<u32>,
    waker: Option<Waker>,
    observer: Observed,
}

impl Core {
    pub(crate) fn listen(
        &mut self,
        mut local: Local,
        backlog: usize,
        options: TcpOptions,
    ) -> Result<ListenerId> {
        super::check(&options)?;
        if let Some(addr) = local.addr
            && !self.is_local(addr.into())
        {
            return Err(Error::AddrNotAvailable);
        }
        local.port = match local.port {
            0 => self.ephemeral_port(|core, port| !core.tcp.by_port.contains_key(&port))?,
            port => port,
        };
        let others = self.tcp.by_port.get(&local.port).map_or(&[][..], |others| others);
        let clash = |other: &Listener| other.local.meets(&local) && !(other.local.shared && local.shared);
        if others.iter().filter_map(|index| self.tcp.listeners.get(*index)).any(clash) {
            return Err(Error::AddrInUse);
        }
        let listener = Listener {
            local,
            backlog: backlog.max(1),
            options,
            half_open: VecDeque::new(),
            ready: VecDeque::new(),
            waker: None,
            observer: Observed::default(),
        };
        let index = self.tcp.listeners.insert(listener).ok_or(Error::OutOfMemory)?;
        self.tcp.by_port.entry(local.port).or_default().push(index);
        Ok(self.tcp.listeners.id(index))
    }

    /// The listener for a call: one that names the address before one that takes any; of several that share, the caller
    /// decides which.
    pub(crate) fn listener_for(&self, key: &FlowKey) -> Option<u32> {
        let (port, addr) = key.local;
        let listeners = self.tcp.by_port.get(&port)?;
        let hears = |index: &&u32| self.tcp.listeners.get(**index).is_some_and(|l| l.local.hears(addr));
        if let [only] = listeners.as_slice() {
            return Some(only).filter(hears).copied();
        }
        let names = |index: u32| self.tcp.listeners.get(index).is_some_and(|l| l.local.addr.is_some());
        let best = listeners.iter().filter(hears).any(|index| names(*index));
        let group = || listeners.iter().filter(hears).filter(|index| names(**index) == best);
        let count = group().count().max(1);
        group().nth(spread(key.remote, count)).copied()
    }

    /// Judges a call.
    pub(super) fn admit(
        &mut self,
        link: usize,
        key: FlowKey,
        listener: u32,
        call: &TcpRepr<'_>,
    ) -> Admission {
        let Some(l) = self.tcp.listeners.get(listener) else { return Admission::Later };
        if l.ready.len() >= l.backlog {
            return Admission::Later;
        }
        let options = l.options;
        if l.half_open.len() >= l.backlog.max(options.half_open)
            && let Some(oldest) = l.half_open.front().copied()
        {
            // A real caller confirms within a round trip, and a burst of them makes room soon: the newcomer tries again.
            // Where one has not confirmed for long there is a flood, and nothing is kept of the newcomer.
            let Some(Flow { kind: Kind::Tcp(tcp), .. }) = self.flows.get(oldest) else {
                return Admission::Later;
            };
            if tcp.limit.is_none_or(|limit| limit > self.now + HANDSHAKE - PRIORITY) {
                return Admission::Later;
            }
            return self
                .bake(link, &key, options.rx_buffer, call)
                .map_or(Admission::Later, Admission::Cookie);
        }
        let (iss, stamp) = self.tcp.keys.first(&key, self.now);
        let is_v6 = key.local.1.version() == IpVersion::Ipv6;
        let connection = Connection::answer(call, iss, stamp, is_v6, &options, self.now);
        match self.enter(link, key, listener, connection) {
            Some(index) => {
                if let Some(l) = self.tcp.listeners.get_mut(listener) {
                    l.half_open.push_back(index);
                }
                Admission::Connection(index)
            }
            None => Admission::Later,
        }
    }

    fn enter(&mut self, link: usize, key: FlowKey, listener: u32, connection: Connection) -> Option<u32> {
        let index = self.add_tcp(link, key, Phase::HalfOpen(listener), connection).ok()?;
        let limit = self.now + HANDSHAKE;
        if let Some(Flow { kind: Kind::Tcp(tcp), .. }) = self.flows.get_mut(index) {
            tcp.limit = Some(limit);
        }
        Some(index)
    }

    /// An answer whose number is a cookie. It offers no options but the segment size, which the cookie holds.
    fn bake(
        &self,
        link: usize,
        key: &FlowKey,
        buffer: usize,
        call: &TcpRepr<'_>,
    ) -> Option<TcpRepr<'static>> {
        let headers = if key.local.1.version() == IpVersion::Ipv6 { 60 } else { 40 };
        let own = self.links[link].caps.ip_mtu().saturating_sub(headers).min(65535) as u16;
        let mss = call.max_seg_size.unwrap_or(if headers == 60 { 1220 } else { 536 }).min(own);
        let cookie = self.tcp.keys.cookie(key, Seq(call.seq_number.0 as u32), mss, self.now)?;
        Some(TcpRepr {
            control: TcpControl::Syn,
            seq_number: TcpSeqNumber(cookie.0 as i32),
            ack_number: Some(call.seq_number + 1),
            window_len: buffer.min(65535) as u16,
            max_seg_size: Some(own),
            ..reply::blank(call)
        })
    }

    /// Makes a connection for who has confirmed a cookie; `None` when the backlog is full or there is no memory.
    pub(super) fn confirm(
        &mut self,
        link: usize,
        key: FlowKey,
        listener: u32,
        segment: &TcpRepr<'_>,
        mss: u16,
    ) -> Option<u32> {
        let l = self.tcp.listeners.get(listener).filter(|l| l.ready.len() < l.backlog)?;
        let is_v6 = key.local.1.version() == IpVersion::Ipv6;
        let connection = Connection::confirm(segment, mss, is_v6, &l.options, self.now);
        self.enter(link, key, listener, connection)
    }

    /// Moves a connection whose caller has confirmed to those that wait to be accepted.
    pub(super) fn make_ready(&mut self, index: u32, listener: u32) {
        self.leave_listener(index, Phase::HalfOpen(listener));
        if let Some(l) = self.tcp.listeners.get_mut(listener) {
            l.ready.push_back(index);
            if let Some(waker) = l.waker.take() {
                waker.wake();
            }
            l.observer.tell(Change::Readable);
        }
    }

    /// Sets who is told of each caller.
    pub(crate) fn observe_listener(&mut self, id: ListenerId, observer: Arc<dyn Observer>) -> Result<()> {
        let listener = self.tcp.listeners.resolve(id).ok_or(Error::BadHandle)?;
        let l = self.tcp.listeners.get_mut(listener).ok_or(Error::BadHandle)?;
        l.observer = Observed(Some(observer));
        Ok(())
    }

    /// Callers that wait to be accepted.
    pub(crate) fn callers(&self, id: ListenerId) -> Result<usize> {
        let listener = self.tcp.listeners.resolve(id).ok_or(Error::BadHandle)?;
        self.tcp.listeners.get(listener).map(|l| l.ready.len()).ok_or(Error::BadHandle)
    }

    /// Changes how many callers may wait to be accepted.
    pub(crate) fn set_backlog(&mut self, id: ListenerId, backlog: usize) -> Result<()> {
        let listener = self.tcp.listeners.resolve(id).ok_or(Error::BadHandle)?;
        let l = self.tcp.listeners.get_mut(listener).ok_or(Error::BadHandle)?;
        l.backlog = backlog.max(1);
        Ok(())
    }

    /// Takes a connection off its listener's lists.
    pub(super) fn leave_listener(&mut self, index: u32, phase: Phase) {
        let (Phase::HalfOpen(listener) | Phase::Queued(listener)) = phase else { return };
        let Some(l) = self.tcp.listeners.get_mut(listener) else { return };
        let list = if matches!(phase, Phase::HalfOpen(_)) { &mut l.half_open } else { &mut l.ready };
        if let Some(at) = list.iter().position(|other| *other == index) {
            list.remove(at);
        }
    }

    pub(crate) fn poll_accept(
        &mut self,
        id: ListenerId,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(TcpId, IpEndpoint)>> {
        match self.try_accept(id) {
            Err(Error::WouldBlock) => {
                if let Some(listener) = self.tcp.listeners.resolve(id)
                    && let Some(l) = self.tcp.listeners.get_mut(listener)
                {
                    remember(&mut l.waker, cx.waker());
                }
                Poll::Pending
            }
            result => Poll::Ready(result),
        }
    }

    pub(crate) fn try_accept(&mut self, id: ListenerId) -> Result<(TcpId, IpEndpoint)> {
        let listener = self.tcp.listeners.resolve(id).ok_or(Error::BadHandle)?;
        let l = self.tcp.listeners.get_mut(listener).ok_or(Error::BadHandle)?;
        let index = l.ready.pop_front().ok_or(Error::WouldBlock)?;
        let Some(Flow { kind: Kind::Tcp(tcp), .. }) = self.flows.get_mut(index) else {
            return Err(Error::WouldBlock);
        };
        tcp.phase = Phase::Open;
        let (port, addr) = tcp.key.remote;
        Ok((self.flows.id(index), IpEndpoint { addr, port }))
    }

    /// The address and port that a listener listens at; the address is unspecified when it is any.
    pub(crate) fn listener_addr(&self, id: ListenerId) -> Result<IpListenEndpoint> {
        let index = self.tcp.listeners.resolve(id).ok_or(Error::BadHandle)?;
        let l = self.tcp.listeners.get(index).ok_or(Error::BadHandle)?;
        Ok(l.local.endpoint())
    }

    /// Ends a listener. Those who wait to be accepted are turned away.
    pub(crate) fn close_listener(&mut self, id: ListenerId) -> Result<()> {
        let listener = self.tcp.listeners.resolve(id).ok_or(Error::BadHandle)?;
        let Some(mut l) = self.tcp.listeners.remove(listener) else { return Err(Error::BadHandle) };
        if let Some(others) = self.tcp.by_port.get_mut(&l.local.port) {
            others.retain(|other| *other != listener);
            if others.is_empty() {
                self.tcp.by_port.remove(&l.local.port);
            }
        }
        if let Some(waker) = l.waker.take() {
            waker.wake();
        }
        for index in l.half_open.into_iter().chain(l.ready) {
            self.let_go(index, true);
        }
        Ok(())
    }
}

/// One of `count` for a caller; the same caller gets the same.
pub(crate) fn spread(caller: (u16, IpAddress), count: usize) -> usize {
    let mut hash = Fnv(0xcbf2_9ce4_8422_2325);
    hash.write(&caller.0.to_be_bytes());
    match caller.1 {
        IpAddress::Ipv4(addr) => hash.write(&addr.octets()),
        IpAddress::Ipv6(addr) => hash.write(&addr.octets()),
    }
    let value = hash.finish();
    // The low bits of this hash follow those of the last byte.
    ((value ^ value >> 32) as u32 as usize) % count.max(1)
}

struct Fnv(u64);

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
