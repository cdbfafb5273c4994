//! AF_UNIX: streams, packets and datagrams between sockets of the guest.
//!
//! An [`End`] is what a [`Socket`] of this family has. Its inbox holds what others have sent to it; what a sender has under
//! way counts against the sender's buffer until it is read, as with Linux. No two ends are locked at a time.

mod garbage;
mod inbox;
mod names;
mod receive;
mod rights;
mod send;

use alloc::collections::VecDeque;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;

use linux_base::{Errno, Mutex, PollEvents, Result, WaitQueue};

use crate::address::{Address, family, parse_unix};
use crate::caller::Caller;
use crate::numbers::*;
use crate::options::special::Peer;
use crate::socket::ANYTHING;
use crate::sockets::Sockets;
use inbox::{Account, Message};
pub(crate) use names::UnixTable;
use names::{Key, Name};

/// Datagrams and packets that may wait at a socket (`net.unix.max_dgram_qlen`), less one.
const MOST_PACKETS: usize = 10;
/// The most that a backlog may be (`net.core.somaxconn`).
const MOST_CALLERS: i32 = 4096;

/// One end.
pub(crate) struct End {
    sockets: Arc<Sockets>,
    /// Stream, datagram or packets.
    kind: u32,
    queue: WaitQueue,
    /// What it has under way.
    account: Arc<Account>,
    state: Mutex<State>,
}

struct State {
    name: Option<Arc<Name>>,
    peer: Option<Weak<End>>,
    /// The name of a peer that is gone.
    last_peer_name: Option<Arc<Name>>,
    is_connected: bool,
    listening: Option<Listening>,
    inbox: VecDeque<Message>,
    /// Bytes in the inbox.
    len: usize,
    /// Nothing more comes in; nothing more goes out.
    shut_read: bool,
    shut_write: bool,
    is_closed: bool,
    error: Option<Errno>,
    /// Who made it, or listened with it.
    owner: Peer,
    /// Who is at the other end.
    peer_owner: Option<Peer>,
    /// Those who found the inbox or the backlog full.
    waiting: Vec<Weak<Account>>,
}

struct Listening {
    backlog: usize,
    callers: VecDeque<Arc<End>>,
}

impl End {
    pub(crate) fn new(sockets: &Arc<Sockets>, kind: u32, caller: &dyn Caller) -> Arc<Self> {
        Self::owned(sockets, kind, Peer::of(caller))
    }

    fn owned(sockets: &Arc<Sockets>, kind: u32, owner: Peer) -> Arc<Self> {
        let queue = WaitQueue::new();
        Arc::new(Self {
            sockets: sockets.clone(),
            kind,
            account: Arc::new(Account::new(queue.clone())),
            queue,
            state: Mutex::new(State {
                name: None,
                peer: None,
                last_peer_name: None,
                is_connected: false,
                listening: None,
                inbox: VecDeque::new(),
                len: 0,
                shut_read: false,
                shut_write: false,
                is_closed: false,
                error: None,
                owner,
                peer_owner: None,
                waiting: Vec::new(),
            }),
        })
    }

    /// Makes two ends each other's peers.
    pub(crate) fn join(one: &Arc<Self>, two: &Arc<Self>) {
        for (this, other) in [(one, two), (two, one)] {
            let owner = other.state.lock().owner.clone();
            let mut state = this.state.lock();
            state.peer = Some(Arc::downgrade(other));
            state.is_connected = true;
            state.peer_owner.get_or_insert(owner);
        }
    }

    pub(crate) fn queue(&self) -> &WaitQueue {
        &self.queue
    }

    fn has_packets(&self) -> bool {
        self.kind != SOCK_STREAM
    }

    fn is_datagram(&self) -> bool {
        self.kind == SOCK_DGRAM
    }

    /// The other end, if it still lives.
    fn peer(&self) -> Option<Arc<End>> {
        self.state.lock().peer.as_ref()?.upgrade()
    }

    pub(crate) fn bind(self: &Arc<Self>, caller: &dyn Caller, address: &[u8]) -> Result<()> {
        let name = parse_unix(address)?;
        if name.is_empty() {
            return self.bind_anywhere();
        }
        if self.state.lock().name.is_some() {
            return Err(Errno::EINVAL);
        }
        let name = match name {
            [0, ..] => Name { key: Key::Abstract(Arc::from(name)), bytes: Arc::from(name), inode: None },
            path => {
                let made = caller.make_name(path)?;
                Name { key: Key::Path(made.id.0, made.id.1), bytes: Arc::from(path), inode: Some(made.inode) }
            }
        };
        self.take_name(name)
    }

    /// Gives the socket an abstract name of five digits, if it has none.
    fn bind_anywhere(self: &Arc<Self>) -> Result<()> {
        if self.state.lock().name.is_some() {
            return Ok(());
        }
        let mut random = [0; 4];
        linux_base::host::host().random(&mut random);
        let first = u32::from_le_bytes(random);
        for step in 0..=0xfffff {
            let bytes: Arc<[u8]> =
                Arc::from(alloc::format!("\0{:05x}", first.wrapping_add(step) & 0xfffff).as_bytes());
            let name = Name { key: Key::Abstract(bytes.clone()), bytes, inode: None };
            match self.take_name(name) {
                Err(Errno::EADDRINUSE) => {}
                result => return result,
            }
        }
        Err(Errno::ENOSPC)
    }

    fn take_name(self: &Arc<Self>, name: Name) -> Result<()> {
        let name = Arc::new(name);
        self.sockets.unix.insert(&name, self)?;
        self.state.lock().name = Some(name);
        Ok(())
    }

    pub(crate) fn listen(&self, caller: &dyn Caller, backlog: i32) -> Result<()> {
        if self.is_datagram() {
            return Err(Errno::EOPNOTSUPP);
        }
        let backlog = if (0..MOST_CALLERS).contains(&backlog) { backlog } else { MOST_CALLERS } as usize;
        let owner = Peer::of(caller);
        let waiting = {
            let mut state = self.state.lock();
            if state.name.is_none() || state.is_connected {
                return Err(Errno::EINVAL);
            }
            state.owner = owner;
            match &mut state.listening {
                Some(listening) => listening.backlog = backlog,
                None => state.listening = Some(Listening { backlog, callers: VecDeque::new() }),
            }
            core::mem::take(&mut state.waiting)
        };
        wake_waiting(waiting);
        Ok(())
    }

    pub(crate) fn accept(&self) -> Result<(Arc<End>, Address)> {
        let (end, waiting) = {
            let mut state = self.state.lock();
            let listening = state.listening.as_mut().ok_or(if self.is_datagram() {
                Errno::EOPNOTSUPP
            } else {
                Errno::EINVAL
            })?;
            let end = listening.callers.pop_front();
            if end.is_none() && state.shut_read {
                return Err(Errno::EINVAL);
            }
            (end.ok_or(Errno::EAGAIN)?, core::mem::take(&mut state.waiting))
        };
        wake_waiting(waiting);
        let address = end.peer_name().unwrap_or_else(|_| Address::unix(&[]));
        Ok((end, address))
    }

    /// The end that an address names.
    fn find(&self, caller: &dyn Caller, address: &[u8]) -> Result<Arc<End>> {
        let key = match parse_unix(address)? {
            [] => return Err(Errno::EINVAL),
            name @ [0, ..] => Key::Abstract(Arc::from(name)),
            path => {
                let found = caller.find_name(path)?;
                Key::Path(found.id.0, found.id.1)
            }
        };
        let end = self.sockets.unix.find(&key).ok_or(Errno::ECONNREFUSED)?;
        if end.kind != self.kind { Err(Errno::EPROTOTYPE) } else { Ok(end) }
    }

    pub(crate) fn connect(self: &Arc<Self>, caller: &dyn Caller, address: &[u8]) -> Result<()> {
        if self.is_datagram() {
            return self.connect_datagrams(caller, address);
        }
        {
            let state = self.state.lock();
            if state.is_connected {
                return Err(Errno::EISCONN);
            }
            if state.listening.is_some() {
                return Err(Errno::EINVAL);
            }
        }
        let listener = self.find(caller, address)?;
        let owner = Peer::of(caller);
        let server = Self::owned(&self.sockets, self.kind, Peer::nobody());
        // What the caller's end becomes is settled before anybody can accept the other.
        let (listener_name, listener_owner) = {
            let mut state = listener.state.lock();
            if state.is_closed || state.shut_read {
                return Err(Errno::ECONNREFUSED);
            }
            let listening = state.listening.as_mut().ok_or(Errno::ECONNREFUSED)?;
            listening.callers.try_reserve(1)?;
            if listening.callers.len() > listening.backlog {
                drop(state);
                listener.wait_for_room(&self.account);
                return Err(Errno::EAGAIN);
            }
            (state.name.clone(), state.owner.clone())
        };
        {
            let mut state = server.state.lock();
            (state.name, state.owner) = (listener_name, listener_owner.clone());
            state.peer_owner = Some(owner.clone());
        }
        {
            let mut state = self.state.lock();
            // Finding the listener may have taken a while.
            if state.is_connected {
                return Err(Errno::EISCONN);
            }
            (state.peer_owner, state.owner) = (Some(listener_owner), owner);
        }
        Self::join(self, &server);
        {
            let mut state = listener.state.lock();
            let listening = state.listening.as_mut().ok_or(Errno::ECONNREFUSED)?;
            listening.callers.push_back(server);
        }
        listener.queue.wake(PollEvents::READABLE);
        Ok(())
    }

    fn connect_datagrams(self: &Arc<Self>, caller: &dyn Caller, address: &[u8]) -> Result<()> {
        let other = match family(address)? {
            AF_UNSPEC => None,
            _ => Some(self.find(caller, address)?),
        };
        if other.as_ref().is_some_and(|other| !other.takes_from(self)) {
            return Err(Errno::EPERM);
        }
        let before = self.peer();
        if let Some(before) =
            before.filter(|before| other.as_ref().is_none_or(|other| !Arc::ptr_eq(before, other)))
        {
            // The other half of a pair learns that nobody hears it any more.
            if self.forget_messages() && before.peer().is_some_and(|peer| Arc::ptr_eq(&peer, self)) {
                before.state.lock().error = Some(Errno::ECONNRESET);
                before.queue.wake_all(ANYTHING);
            }
        }
        let Some(other) = other else {
            let mut state = self.state.lock();
            (state.peer, state.is_connected) = (None, false);
            return Ok(());
        };
        let owner = other.state.lock().owner.clone();
        let mut state = self.state.lock();
        state.peer = Some(Arc::downgrade(&other));
        (state.is_connected, state.peer_owner) = (true, Some(owner));
        drop(state);
        self.queue.wake(PollEvents::WRITABLE);
        Ok(())
    }

    /// Throws away what waits here, once the peer that sent it is left; whether there was something.
    fn forget_messages(&self) -> bool {
        let inbox = {
            let mut state = self.state.lock();
            state.len = 0;
            core::mem::take(&mut state.inbox)
        };
        !inbox.is_empty()
    }

    /// Whether datagrams of `other` may come here: a connected socket hears its peer alone.
    fn takes_from(self: &Arc<Self>, other: &Arc<Self>) -> bool {
        self.state.lock().peer.as_ref().is_none_or(|peer| peer.as_ptr() == Arc::as_ptr(other))
    }

    /// Has the owner of an account woken when there is room here.
    fn wait_for_room(&self, account: &Arc<Account>) {
        let mut state = self.state.lock();
        state.waiting.retain(|other| other.strong_count() > 0);
        let known = state.waiting.iter().any(|other| other.as_ptr() == Arc::as_ptr(account));
        if !known && state.waiting.try_reserve(1).is_ok() {
            state.waiting.push(Arc::downgrade(account));
        }
    }

    pub(crate) fn name(&self) -> Address {
        Address::unix(self.state.lock().name.as_ref().map_or(&[], |name| &name.bytes))
    }

    pub(crate) fn peer_name(&self) -> Result<Address> {
        let last = {
            let state = self.state.lock();
            if !state.is_connected {
                return Err(Errno::ENOTCONN);
            }
            state.last_peer_name.clone()
        };
        Ok(match self.peer() {
            Some(peer) => peer.name(),
            None => Address::unix(last.as_ref().map_or(&[], |name| &name.bytes)),
        })
    }

    pub(crate) fn peer_credentials(&self) -> Peer {
        self.state.lock().peer_owner.clone().unwrap_or_else(Peer::nobody)
    }

    pub(crate) fn shutdown(&self, how: u32) -> Result<()> {
        let (read, write) = (how != SHUT_WR, how != SHUT_RD);
        let waiting = {
            let mut state = self.state.lock();
            state.shut_read |= read;
            state.shut_write |= write;
            core::mem::take(&mut state.waiting)
        };
        wake_waiting(waiting);
        if !self.is_datagram()
            && let Some(peer) = self.peer()
        {
            {
                let mut state = peer.state.lock();
                state.shut_read |= write;
                state.shut_write |= read;
            }
            peer.queue.wake_all(ANYTHING);
        }
        self.queue.wake_all(ANYTHING);
        Ok(())
    }

    pub(crate) fn take_error(&self) -> Option<Errno> {
        self.state.lock().error.take()
    }

    pub(crate) fn is_listening(&self) -> bool {
        self.state.lock().listening.is_some()
    }

    pub(crate) fn poll(self: &Arc<Self>) -> PollEvents {
        let mut events = PollEvents::empty();
        let (peer, is_connected) = {
            let state = self.state.lock();
            if let Some(listening) = &state.listening {
                events.set(PollEvents::READABLE, !listening.callers.is_empty() || state.shut_read);
                return events;
            }
            events.set(PollEvents::ERR, state.error.is_some());
            let hangs_up = state.shut_read && state.shut_write || !self.is_datagram() && !state.is_connected;
            events.set(PollEvents::HUP, hangs_up);
            events.set(PollEvents::RDHUP, state.shut_read);
            events.set(PollEvents::READABLE, state.shut_read || !state.inbox.is_empty());
            (state.peer.as_ref().and_then(Weak::upgrade), state.is_connected)
        };
        let mut can_write = self.account.is_writable();
        if can_write
            && self.has_packets()
            && is_connected
            && let Some(peer) = peer
            && peer.is_full_for(self)
        {
            can_write = false;
            peer.wait_for_room(&self.account);
        }
        events.set(PollEvents::WRITABLE | PollEvents::WRBAND, can_write);
        events
    }

    /// Whether so much waits here that another one must wait. Two that are each other's peers have their buffers alone as
    /// the limit.
    fn is_full_for(self: &Arc<Self>, sender: &Arc<Self>) -> bool {
        let state = self.state.lock();
        let is_peer = state.peer.as_ref().is_some_and(|peer| peer.as_ptr() == Arc::as_ptr(sender));
        let waits = !is_peer && !Arc::ptr_eq(self, sender);
        waits && state.inbox.len() > MOST_PACKETS && !state.is_closed && !state.shut_read
    }

    pub(crate) fn readable(&self) -> Result<usize> {
        let state = self.state.lock();
        if state.listening.is_some() {
            return Err(Errno::EINVAL);
        }
        Ok(if self.has_packets() { state.inbox.front().map_or(0, Message::len) } else { state.len })
    }

    pub(crate) fn unsent(&self) -> usize {
        self.account.used()
    }

    pub(crate) fn close(&self) {
        let (name, peer, inbox, callers, waiting) = {
            let mut state = self.state.lock();
            if core::mem::replace(&mut state.is_closed, true) {
                return;
            }
            (state.shut_read, state.shut_write) = (true, true);
            let callers = state.listening.take().map(|listening| listening.callers);
            let peer = state.peer.take().and_then(|peer| peer.upgrade());
            let inbox = core::mem::take(&mut state.inbox);
            (state.name.take(), peer, inbox, callers, core::mem::take(&mut state.waiting))
        };
        if let Some(name) = &name {
            self.sockets.unix.remove(name, self);
        }
        if let Some(peer) = peer.filter(|_| !self.is_datagram()) {
            {
                let mut state = peer.state.lock();
                (state.shut_read, state.shut_write) = (true, true);
                state.last_peer_name = name;
                if !inbox.is_empty() {
                    state.error = Some(Errno::ECONNRESET);
                }
            }
            peer.queue.wake_all(ANYTHING);
        }
        for caller in callers.into_iter().flatten() {
            // Its peer learns that nobody will accept it.
            if let Some(peer) = caller.peer() {
                peer.state.lock().error = Some(Errno::ECONNRESET);
            }
            caller.close();
        }
        drop(inbox);
        wake_waiting(waiting);
        garbage::collect_if_any(&self.sockets.unix);
    }
}

fn wake_waiting(waiting: Vec<Weak<Account>>) {
    for account in waiting {
        if let Some(account) = account.upgrade() {
            account.queue().wake(PollEvents::WRITABLE);
        }
    }
}
