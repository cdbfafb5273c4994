//! Netlink: questions about the network, answered at once; and news of interfaces that come and go. Other groups of news there are,
//! but none ever comes.

mod route;
mod wire;

use alloc::collections::{BTreeSet, VecDeque};
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;

use linux_base::io::pull_exact;
use linux_base::{Errno, Mutex, PollEvents, Result, Sink, Source, WaitQueue};
use net::IfStatus;

use crate::address::{Address, family};
use crate::caller::Caller;
use crate::control::{SCM_CREDENTIALS, Writer};
use crate::network::Net;
use crate::numbers::*;
use crate::options::table::{NETLINK, SOCKET};
use crate::options::{Attached, BUFFER_MOST};
use crate::socket::{ANYTHING, Received, Socket};
use wire::{Answers, NLM_F_ACK, NLM_F_REQUEST, u32_at};

pub(crate) const NETLINK_ROUTE: u32 = 0;
pub(crate) const NETLINK_KOBJECT_UEVENT: u32 = 15;
/// Below are messages about messages.
const FIRST_KIND: u16 = 16;
/// The longest request.
const LONGEST: usize = 64 << 10;

/// The ports that sockets have, by protocol.
pub(crate) type NetlinkPorts = Mutex<BTreeSet<(u32, u32)>>;

/// A socket of netlink.
pub(crate) struct Netlink {
    protocol: u32,
    state: Arc<Mutex<State>>,
    queue: WaitQueue,
}

/// A socket that wants news.
pub(crate) struct Listener {
    state: Weak<Mutex<State>>,
    queue: WaitQueue,
}

/// The sockets of `NETLINK_ROUTE` that want news.
pub(crate) type Listeners = Mutex<Vec<Listener>>;

/// `RTNLGRP_LINK`: interfaces.
const GROUP_LINK: u32 = 1;

/// Tells of an interface.
pub(crate) fn link_changed(listeners: &Listeners, interface: &IfStatus, is_there: bool) {
    let mut news = Answers::unasked();
    route::link_news(interface, is_there, &mut news);
    let datagrams = news.into_datagrams();
    listeners.lock().retain(|listener| {
        let Some(state) = listener.state.upgrade() else { return false };
        let mut state = state.lock();
        if state.groups & 1 << (GROUP_LINK - 1) != 0 {
            state.put(datagrams.iter().cloned());
            drop(state);
            listener.queue.wake(PollEvents::READABLE);
        }
        true
    });
}

#[derive(Default)]
struct State {
    port: Option<u32>,
    groups: u32,
    inbox: VecDeque<Vec<u8>>,
    len: usize,
    /// Answers did not fit.
    is_overrun: bool,
}

impl State {
    fn put(&mut self, datagrams: impl Iterator<Item = Vec<u8>>) {
        for datagram in datagrams {
            if self.len + datagram.len() > BUFFER_MOST as usize || self.inbox.try_reserve(1).is_err() {
                self.is_overrun = true;
                return;
            }
            self.len += datagram.len();
            self.inbox.push_back(datagram);
        }
    }
}

impl Netlink {
    pub(crate) fn new(protocol: u32, queue: WaitQueue) -> Result<Self> {
        match protocol {
            NETLINK_ROUTE | NETLINK_KOBJECT_UEVENT => Ok(Self { protocol, state: Arc::default(), queue }),
            _ => Err(Errno::EPROTONOSUPPORT),
        }
    }

    /// Joins or leaves a group, by its number from 1.
    pub(crate) fn join(&self, socket: &Socket, group: u32, joins: bool) -> Result<()> {
        // There are more groups than `bind` can name; of those there is never news.
        let Some(bit) = group.checked_sub(1).and_then(|place| 1u32.checked_shl(place)) else { return Ok(()) };
        let groups = self.state.lock().groups;
        self.listen(socket, if joins { groups | bit } else { groups & !bit })
    }

    /// Sets the groups whose news are wanted.
    fn listen(&self, socket: &Socket, groups: u32) -> Result<()> {
        if groups != 0 && self.protocol == NETLINK_ROUTE {
            let mut listeners = socket.sockets().listeners.lock();
            listeners.retain(|listener| listener.state.strong_count() > 0);
            let own = Arc::downgrade(&self.state);
            if !listeners.iter().any(|listener| Weak::ptr_eq(&listener.state, &own)) {
                listeners.try_reserve(1)?;
                listeners.push(Listener { state: own, queue: self.queue.clone() });
            }
        }
        self.state.lock().groups = groups;
        Ok(())
    }

    pub(crate) fn bind(&self, socket: &Socket, caller: &dyn Caller, address: &[u8]) -> Result<()> {
        let (port, groups) = parse(address)?;
        let known = self.state.lock().port;
        match known {
            Some(known) if port != known && port != 0 => return Err(Errno::EINVAL),
            Some(_) => {}
            None => self.take_port(socket, caller, port)?,
        }
        self.listen(socket, groups)
    }

    /// Takes a port: that of the process for 0, or any if that is taken.
    fn take_port(&self, socket: &Socket, caller: &dyn Caller, wanted: u32) -> Result<()> {
        let mut ports = socket.sockets().netlink.lock();
        let port = match wanted {
            0 if !ports.contains(&(self.protocol, caller.pid())) => caller.pid(),
            0 => {
                let mut random = [0; 4];
                linux_base::host::host().random(&mut random);
                let first = u32::from_le_bytes(random);
                let mut others = (0..=u32::MAX >> 16).map(|step| first.wrapping_add(step) | 1 << 31);
                others.find(|port| !ports.contains(&(self.protocol, *port))).ok_or(Errno::EADDRINUSE)?
            }
            wanted if ports.contains(&(self.protocol, wanted)) => return Err(Errno::EADDRINUSE),
            wanted => wanted,
        };
        ports.insert((self.protocol, port));
        self.state.lock().port = Some(port);
        Ok(())
    }

    pub(crate) fn connect(&self, socket: &Socket, caller: &dyn Caller, address: &[u8]) -> Result<()> {
        if family(address)? == AF_UNSPEC {
            return Ok(());
        }
        let (port, _) = parse(address)?;
        if port != 0 {
            return Err(Errno::ECONNREFUSED);
        }
        if self.state.lock().port.is_none() {
            self.take_port(socket, caller, 0)?;
        }
        Ok(())
    }

    pub(crate) fn name(&self) -> Address {
        let state = self.state.lock();
        Address::netlink(state.port.unwrap_or(0), state.groups)
    }

    pub(crate) fn peer_name(&self) -> Address {
        Address::netlink(0, 0)
    }

    pub(crate) fn send(
        &self,
        socket: &Socket,
        caller: &dyn Caller,
        from: &mut dyn Source,
        to: Option<&[u8]>,
    ) -> Result<usize> {
        if let Some(to) = to
            && parse(to)?.0 != 0
        {
            return Err(Errno::ECONNREFUSED);
        }
        if self.state.lock().port.is_none() {
            self.take_port(socket, caller, 0)?;
        }
        self.answer(socket, from)
    }

    /// Takes requests and puts the answers into the inbox.
    pub(crate) fn answer(&self, socket: &Socket, from: &mut dyn Source) -> Result<usize> {
        let len = from.left();
        if len > LONGEST {
            return Err(Errno::EMSGSIZE);
        }
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(len)?;
        bytes.resize(len, 0);
        pull_exact(from, &mut bytes)?;
        let port = self.state.lock().port.unwrap_or(0);
        let quotes_all = !socket.options().is_set(NETLINK, linux_base::abi::netlink::NETLINK_CAP_ACK);
        for request in wire::requests(&bytes) {
            if request.flags & NLM_F_REQUEST == 0 {
                continue;
            }
            let mut answers = Answers::new(port, &request);
            let answered = if request.kind < FIRST_KIND {
                Ok(())
            } else if self.protocol == NETLINK_ROUTE {
                socket.sockets().host().call(|net: &mut dyn Net| route::answer(net, &request, &mut answers))
            } else {
                Err(Errno::EOPNOTSUPP)
            };
            match answered {
                Err(errno) => answers.status(errno.number(), &request, quotes_all),
                Ok(())
                    if request.flags & NLM_F_ACK != 0
                        && request.flags & wire::NLM_F_DUMP != wire::NLM_F_DUMP =>
                {
                    answers.status(0, &request, quotes_all);
                }
                Ok(()) => {}
            }
            self.state.lock().put(answers.into_datagrams().into_iter());
        }
        socket.wait_queue().wake(PollEvents::READABLE);
        Ok(len)
    }

    pub(crate) fn receive(
        &self,
        socket: &Socket,
        into: &mut dyn Sink,
        control_room: usize,
        flags: u32,
    ) -> Result<Received> {
        let mut state = self.state.lock();
        if core::mem::take(&mut state.is_overrun) {
            return Err(Errno::ENOBUFS);
        }
        let datagram = state.inbox.front().ok_or(Errno::EAGAIN)?;
        let (room, whole) = (into.room(), datagram.len());
        let len = into.push(datagram)?;
        if flags & MSG_PEEK == 0 {
            state.inbox.pop_front();
            state.len = state.len.saturating_sub(whole);
        }
        let mut received = Received::bytes(if flags & MSG_TRUNC != 0 { whole } else { len });
        received.address = Some(self.peer_name());
        if whole > room {
            received.flags |= MSG_TRUNC;
        }
        let attached = socket.options().attached();
        if !attached.is_empty() {
            let mut control = Writer::new(control_room);
            if attached.contains(Attached::GROUPS) {
                control.put(NETLINK, linux_base::abi::netlink::NETLINK_PKTINFO, &[0; 4]);
            }
            if attached.contains(Attached::CREDENTIALS) {
                control.put(SOCKET, SCM_CREDENTIALS, &[0; 12]);
            }
            received.flags |= if control.is_cut { MSG_CTRUNC } else { 0 };
            received.control = control.bytes;
        }
        Ok(received)
    }

    pub(crate) fn poll(&self) -> PollEvents {
        let state = self.state.lock();
        let mut events = PollEvents::WRITABLE;
        events.set(PollEvents::READABLE, !state.inbox.is_empty());
        events.set(PollEvents::ERR, state.is_overrun);
        events
    }

    pub(crate) fn readable(&self) -> usize {
        self.state.lock().inbox.front().map_or(0, Vec::len)
    }

    pub(crate) fn close(&self, socket: &Socket) {
        if let Some(port) = self.state.lock().port {
            socket.sockets().netlink.lock().remove(&(self.protocol, port));
        }
        socket.wait_queue().wake_all(ANYTHING);
    }
}

/// Port and groups of an address.
fn parse(bytes: &[u8]) -> Result<(u32, u32)> {
    if family(bytes)? != AF_NETLINK {
        return Err(Errno::EINVAL);
    }
    Ok((u32_at(bytes, 4).ok_or(Errno::EINVAL)?, u32_at(bytes, 8).ok_or(Errno::EINVAL)?))
}
