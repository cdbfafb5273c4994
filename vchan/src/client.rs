//! The client: finds a server in XenStore, maps its pages.

use alloc::format;
use alloc::vec::Vec;
use core::cell::RefCell;

use xen::{
    Access, Clock, DomId, EventPort, EventSeq, Events, GrantRef, Mappings, Platform, Port, SharedMemory, Wake,
};
use xenstore::{Errno, XenStore};

use crate::channel::Channel;
use crate::wire::{self, Orders, Side};
use crate::{EVENT_CHANNEL, Error, RING_REF};

/// Where a server waits for a client: what its nodes say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Offer {
    /// The shared page.
    pub ring_ref: GrantRef,
    /// The server's end of the event channel.
    pub event_channel: Port,
}

impl Offer {
    /// Reads the nodes below `path`; `None` while there is no offer.
    pub fn read<P: Platform, M: SharedMemory>(
        store: &XenStore<P, M>,
        path: &str,
    ) -> Result<Option<Self>, Error> {
        let number = |key: &str| -> Result<u32, Error> {
            let key = format!("{path}/{key}");
            let value = match store.find(&key) {
                // What is not there below a node of somebody else's is said to be forbidden.
                Ok(None) | Err(xenstore::Error::Refused(Errno::Acces)) => return Ok(0),
                found => found?.unwrap_or_default(),
            };
            value.parse().map_err(|_| Error::NoNumber { key, value: crate::error::cut(&value) })
        };
        let (gref, port) = (number(RING_REF)?, number(EVENT_CHANNEL)?);
        let offer = Self { ring_ref: GrantRef::new(gref), event_channel: Port::new(port) };
        Ok((gref != 0 && port != 0).then_some(offer))
    }
}

/// A client. Dropped, it goes; threads share it by reference.
pub struct Client<E: Clock + Events + Mappings + Clone> {
    events: E,
    /// `None` only while it is dropped.
    channel: RefCell<Option<Channel<E, E::Page>>>,
}

impl<E: Clock + Events + Mappings + Clone> Client<E> {
    /// Connects to the server in the domain `server`.
    pub fn connect(events: &E, server: DomId, offer: Offer) -> Result<Self, Error> {
        let port = events.bind_interdomain(server, offer.event_channel)?;
        let port = EventPort::from_existing(events, port);
        let page = events.map(server, offer.ring_ref, Access::ReadWrite)?;
        let orders = Orders::read(&page)?;
        let mut listed = 0;
        let mut pages = |order, access| -> Result<Vec<_>, Error> {
            let mut pages = Vec::new();
            pages.try_reserve_exact(wire::pages(order)).map_err(|_| xen::MapError::OutOfMemory)?;
            for _ in 0..wire::pages(order) {
                let gref = GrantRef::new(page.load_u32(wire::grant(listed)));
                pages.push(events.map(server, gref, access)?);
                listed += 1;
            }
            Ok(pages)
        };
        let left = pages(orders.left, Access::ReadWrite)?;
        let right = pages(orders.right, Access::ReadOnly)?;
        let channel = Channel::new(Side::Client, port, page, orders, left, right);
        channel.arrive();
        Ok(Self { events: events.clone(), channel: RefCell::new(Some(channel)) })
    }

    /// Whether the server has not gone.
    pub fn is_connected(&self) -> bool {
        self.channel.borrow().as_ref().is_some_and(Channel::is_open)
    }

    /// Reads what is there, as much as fits; 0 means nothing yet, or no room in `into`. [`Error::Closed`] comes when the
    /// server has gone and all was read.
    pub fn read(&self, into: &mut [u8]) -> Result<usize, Error> {
        self.channel.borrow_mut().as_mut().map_or(Err(Error::Closed), |channel| channel.read(into))
    }

    /// Writes as much as there is room for; returns how much.
    pub fn write(&self, bytes: &[u8]) -> Result<usize, Error> {
        self.channel.borrow_mut().as_mut().map_or(Err(Error::Closed), |channel| channel.write(bytes))
    }

    /// What to wait past, for an event: ask before reading or writing, and wait if these could do nothing.
    pub fn wait_point(&self) -> Option<(Port, EventSeq)> {
        self.channel.borrow().as_ref().map(Channel::point)
    }

    /// Waits until the server has read all that was written, or has gone. libvchan's proxy throws away what it has not
    /// read when its client goes.
    pub fn drain(&self, deadline_ns: Option<u64>) -> Wake {
        loop {
            let Some(point) = self.wait_point() else { return Wake::Event };
            if self.channel.borrow_mut().as_mut().is_none_or(Channel::is_drained) {
                return Wake::Event;
            }
            // A peer that only rings does not hold us beyond the deadline.
            let is_over = deadline_ns.is_some_and(|deadline| deadline <= self.events.now_ns());
            if is_over || self.events.wait(&[point], deadline_ns) == Wake::TimedOut {
                return Wake::TimedOut;
            }
        }
    }
}

impl<P: Platform + Mappings> Client<P> {
    /// Connects to the server in the domain `server` whose nodes are below `path`; waits for it until the deadline. `None`
    /// is its end. An offer that can not be taken may be one that is just being withdrawn: the next one is waited for.
    pub fn open<M: SharedMemory>(
        platform: &P,
        store: &XenStore<P, M>,
        server: DomId,
        path: &str,
        deadline_ns: Option<u64>,
    ) -> Result<Option<Self>, Error> {
        let watch = store.watch(path)?;
        let mut refused = None;
        while watch.next(deadline_ns)?.is_some() {
            let Some(offer) = Offer::read(store, path)? else { continue };
            match Self::connect(platform, server, offer) {
                Err(error @ (Error::Event(_) | Error::Map(_))) => refused = Some(error),
                connected => return connected.map(Some),
            }
        }
        refused.map_or(Ok(None), Err)
    }
}

impl<E: Clock + Events + Mappings + Clone> Drop for Client<E> {
    fn drop(&mut self) {
        if let Some(channel) = self.channel.borrow_mut().take() {
            channel.close();
        }
    }
}
