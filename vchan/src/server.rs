//! The server: offers a channel in XenStore, serves one client after the other.
//!
//! Each connection has pages and an event channel of its own. The nodes are there while a client may come, and are taken
//! away once it has: so a client that follows cannot step into what the one before it left, however soon it comes.
//! libvchan's own clients wait until there are nodes.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use xen::{
    Access, DomId, EventPort, EventSeq, GrantError, GrantRef, Platform, Port, SharedMemory, SharedPage, Wake,
};
use xenstore::{Permission, Rights, XenStore};

use crate::channel::Channel;
use crate::wire::{self, Orders, Side};
use crate::{EVENT_CHANNEL, Error, RING_REF};

/// Clients in all that may go and keep their pages mapped; each costs the server these pages.
const HOARDERS_MAX: u32 = 32;

/// Bytes that the rings have at least. With none the rings are in the shared page: 1024 to the server, 2048 from it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sizes {
    /// From the client to the server.
    pub to_server: usize,
    /// From the server to the client.
    pub to_client: usize,
}

/// What the nodes are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// They are not there.
    Idle,
    /// They say where a client can come.
    Offered,
    /// They are not there: a client has come.
    Connected,
}

/// A server. It serves a client at a time; threads share it by reference.
pub struct Server<P: Platform, M: SharedMemory> {
    platform: P,
    store: XenStore<P, M>,
    client: DomId,
    path: String,
    own: DomId,
    orders: Orders,
    state: Cell<State>,
    channel: RefCell<Option<Channel<P, SharedPage<P>>>>,
    /// Pages of the client before, which may take its time to unmap them.
    attic: RefCell<Vec<SharedPage<P>>>,
    hoarders: Cell<u32>,
    /// The page that is shared.
    gref: Cell<Option<GrantRef>>,
}

impl<P: Platform, M: SharedMemory> Server<P, M> {
    /// Offers a channel to the domain `client`, below the node `path`: absolute, or relative to our own directory.
    pub fn new(
        platform: &P,
        store: &XenStore<P, M>,
        client: DomId,
        path: &str,
        sizes: Sizes,
    ) -> Result<Self, Error> {
        let own = store.read_string("domid")?;
        let own = own
            .parse()
            .map_err(|_| Error::NoNumber { key: "domid".into(), value: crate::error::cut(&own) })?;
        let server = Self {
            platform: platform.clone(),
            store: store.clone(),
            client,
            path: path.into(),
            own: DomId::new(own),
            orders: Orders::of(sizes.to_server, sizes.to_client)?,
            state: Cell::new(State::Idle),
            channel: RefCell::new(None),
            attic: RefCell::new(Vec::new()),
            hoarders: Cell::new(0),
            gref: Cell::new(None),
        };
        server.offer()?;
        Ok(server)
    }

    /// Waits until a client has come; `false` after the deadline. A connection before is over with this call.
    pub fn accept(&self, deadline_ns: Option<u64>) -> Result<bool, Error> {
        if self.state.get() == State::Connected {
            self.end();
        }
        loop {
            let Some(point) = self.wait_point().filter(|_| self.state.get() == State::Offered) else {
                self.offer()?;
                continue;
            };
            let has_gone = match self.client_byte() {
                wire::NOT_YET => false,
                // It came and went, and may have left something behind.
                0 => {
                    self.end();
                    self.offer()?;
                    true
                }
                _ => {
                    self.withdraw()?;
                    self.state.set(State::Connected);
                    return Ok(true);
                }
            };
            // A peer that only rings, or comes and goes, does not hold us beyond the deadline.
            let is_over = deadline_ns.is_some_and(|deadline| deadline <= self.platform.now_ns());
            if is_over || !has_gone && self.platform.wait(&[point], deadline_ns) == Wake::TimedOut {
                return Ok(false);
            }
        }
    }

    /// Whether a client is there that has not gone.
    pub fn is_connected(&self) -> bool {
        self.is_up() && self.channel.borrow().as_ref().is_some_and(Channel::is_open)
    }

    /// Reads what is there, as much as fits; 0 means nothing yet, or no room in `into`. [`Error::Closed`] comes when the
    /// client has gone and all was read.
    pub fn read(&self, into: &mut [u8]) -> Result<usize, Error> {
        self.with(|channel| channel.read(into))
    }

    /// Writes as much as there is room for; returns how much.
    pub fn write(&self, bytes: &[u8]) -> Result<usize, Error> {
        self.with(|channel| channel.write(bytes))
    }

    /// What to wait past, for an event: ask before reading or writing, and wait if these could do nothing.
    pub fn wait_point(&self) -> Option<(Port, EventSeq)> {
        self.channel.borrow().as_ref().map(Channel::point)
    }

    /// Waits until the client has read all that was written, or has gone.
    pub fn drain(&self, deadline_ns: Option<u64>) -> Wake {
        loop {
            let Some(point) = self.wait_point() else { return Wake::Event };
            if self.with(|channel| Ok(channel.is_drained())).unwrap_or(true) {
                return Wake::Event;
            }
            let is_over = deadline_ns.is_some_and(|deadline| deadline <= self.platform.now_ns());
            if is_over || self.platform.wait(&[point], deadline_ns) == Wake::TimedOut {
                return Wake::TimedOut;
            }
        }
    }

    /// Tells the client that this connection is over. What it has not read it may never read: [`Server::drain`] first.
    /// The next one comes with [`Server::accept`].
    pub fn hang_up(&self) {
        if let Some(channel) = self.channel.borrow().as_ref().filter(|_| self.is_up()) {
            channel.hang_up();
        }
    }

    fn with<T>(
        &self,
        act: impl FnOnce(&mut Channel<P, SharedPage<P>>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        match self.channel.borrow_mut().as_mut().filter(|_| self.is_up()) {
            Some(channel) => act(channel),
            None => Err(Error::Closed),
        }
    }

    fn is_up(&self) -> bool {
        self.state.get() == State::Connected
    }

    fn client_byte(&self) -> u8 {
        self.channel.borrow().as_ref().map_or(0, Channel::client)
    }

    /// The connection is over; its pages go to the attic, and what was there before is let go of.
    fn end(&self) {
        self.state.set(State::Idle);
        let Some(channel) = self.channel.borrow_mut().take() else { return };
        let before = self.attic.replace(channel.retire());
        let mapped = before.into_iter().filter_map(|page| page.unshare().err()).count();
        self.hoarders.set(self.hoarders.get() + u32::from(mapped > 0));
    }

    /// Makes new pages and a new event channel, and says so in XenStore.
    fn offer(&self) -> Result<(), Error> {
        if self.hoarders.get() > HOARDERS_MAX {
            return Err(Error::Hoarded(self.hoarders.get()));
        }
        if self.channel.borrow().is_none() {
            let channel = self.make()?;
            self.channel.replace(Some(channel));
        }
        let (Some((port, _)), Some(gref)) = (self.wait_point(), self.gref.get()) else { return Ok(()) };
        let values = [format!("{gref}"), format!("{port}")];
        let permissions = [
            Permission { domain: self.own, rights: Rights::None },
            Permission { domain: self.client, rights: Rights::Read },
        ];
        self.store.transaction(|store| {
            for (key, value) in [RING_REF, EVENT_CHANNEL].into_iter().zip(&values) {
                let node = format!("{}/{key}", self.path);
                store.write(&node, value)?;
                store.set_permissions(&node, &permissions)?;
            }
            Ok::<_, Error>(())
        })?;
        self.state.set(State::Offered);
        Ok(())
    }

    fn make(&self) -> Result<Channel<P, SharedPage<P>>, Error> {
        let share = || SharedPage::new(&self.platform, self.client, Access::ReadWrite);
        let page = share()?;
        let port = EventPort::alloc(&self.platform, self.client)?;
        let mut listed = 0;
        let mut pages = |order| -> Result<Vec<_>, GrantError> {
            let mut pages = Vec::new();
            pages.try_reserve_exact(wire::pages(order)).map_err(|_| GrantError::OutOfMemory)?;
            for _ in 0..wire::pages(order) {
                let own = share()?;
                page.store_u32(wire::grant(listed), own.gref().raw());
                listed += 1;
                pages.push(own);
            }
            Ok(pages)
        };
        let (left, right) = (pages(self.orders.left)?, pages(self.orders.right)?);
        wire::prepare(&page, self.orders);
        self.gref.set(Some(page.gref()));
        Ok(Channel::new(Side::Server, port, page, self.orders, left, right))
    }

    fn withdraw(&self) -> Result<(), Error> {
        self.store.transaction(|store| {
            for key in [RING_REF, EVENT_CHANNEL] {
                store.remove(&format!("{}/{key}", self.path))?;
            }
            Ok::<_, Error>(())
        })
    }
}

impl<P: Platform, M: SharedMemory> Drop for Server<P, M> {
    fn drop(&mut self) {
        // Whether xenstored hears of it or not, there is nobody behind the nodes any more.
        let _ = self.store.remove(&self.path);
        self.end();
    }
}
