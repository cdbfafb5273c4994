//! What another domain sees of the guest under test: its grants and its event channels.

use std::ptr::NonNull;

use super::FakeXen;
use crate::{
    Access, Clock, DomId, EventError, EventSeq, Events, GrantRef, Mappings, PAGE_SIZE, Port, SharedMemory,
    Wake,
};

/// Another domain.
#[derive(Clone)]
pub struct Peer {
    xen: FakeXen,
    id: DomId,
}

/// Why Xen refused to map a grant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MapError {
    /// No such grant (`GNTST_bad_gntref`).
    NoSuchGrant(u32),
    /// Granted to another domain (`GNTST_bad_domain`).
    WrongDomain(DomId),
    /// Granted for reading only.
    ReadOnly(u32),
}

/// A grant that the peer maps; unmapped on drop.
pub struct MappedPage {
    xen: FakeXen,
    gref: u32,
    page: NonNull<u8>,
    access: Access,
}

/// The peer's end of an event channel.
#[derive(Clone)]
pub struct PeerPort {
    xen: FakeXen,
    port: Port,
}

impl Peer {
    pub(super) fn new(xen: FakeXen, id: DomId) -> Self {
        Self { xen, id }
    }

    /// Maps a grant.
    pub fn map(&self, gref: u32, access: Access) -> Result<MappedPage, MapError> {
        let mut grants = self.xen.0.grants.borrow_mut();
        let grant = grants.get_mut(&gref).ok_or(MapError::NoSuchGrant(gref))?;
        if self.xen.0.quarantined.borrow().contains(&gref) {
            return Err(MapError::NoSuchGrant(gref));
        }
        if grant.peer != self.id {
            return Err(MapError::WrongDomain(grant.peer));
        }
        if access == Access::ReadWrite && grant.access == Access::ReadOnly {
            return Err(MapError::ReadOnly(gref));
        }
        grant.mapped += 1;
        Ok(MappedPage { xen: self.xen.clone(), gref, page: grant.page, access })
    }

    /// Maps the grant of a front end's page (`gref` as its XenStore key has it).
    pub fn map_rw(&self, gref: u32) -> Result<MappedPage, MapError> {
        self.map(gref, Access::ReadWrite)
    }

    /// Binds to a channel that the guest made for this domain; `None` if there is none, or it is another's.
    pub fn bind(&self, port: u32) -> Option<PeerPort> {
        let mut channels = self.xen.0.channels.borrow_mut();
        let channel = channels.get_mut(port as usize)?;
        if !channel.open || channel.peer != self.id {
            return None;
        }
        channel.bound = true;
        Some(PeerPort { xen: self.xen.clone(), port: Port::new(port) })
    }
}

/// Another domain maps what the guest under test grants to it; the fake knows no other grants.
impl Mappings for Peer {
    type Page = MappedPage;

    fn map(&self, domain: DomId, gref: GrantRef, access: Access) -> Result<MappedPage, crate::MapError> {
        Peer::map(self, gref.raw(), access).map_err(|error| {
            let status = match error {
                MapError::NoSuchGrant(_) => -3,
                MapError::WrongDomain(_) => -2,
                MapError::ReadOnly(_) => -1,
            };
            crate::MapError::Refused { domain, gref, status }
        })
    }
}

/// Its ends of the channels of the guest under test, by the same numbers. It looks, and never waits.
impl Clock for Peer {
    fn now_ns(&self) -> u64 {
        self.xen.now_ns()
    }
}

impl Events for Peer {
    fn alloc_unbound(&self, _: DomId) -> Result<Port, EventError> {
        Err(EventError { operation: "EVTCHNOP_alloc_unbound", errno: 38 })
    }

    fn bind_interdomain(&self, _: DomId, remote: Port) -> Result<Port, EventError> {
        let is_free = self.xen.0.channels.borrow().get(remote.raw() as usize).is_some_and(|c| !c.bound);
        match self.bind(remote.raw()).filter(|_| is_free) {
            Some(end) => Ok(end.port),
            None => Err(EventError { operation: "EVTCHNOP_bind_interdomain", errno: 22 }),
        }
    }

    fn close(&self, port: Port) {
        if let Some(channel) = self.xen.0.channels.borrow_mut().get_mut(port.raw() as usize) {
            channel.bound = false;
        }
    }

    fn notify(&self, port: Port) {
        PeerPort { xen: self.xen.clone(), port }.notify();
    }

    fn mute(&self, _: Port) {}

    fn unmute(&self, _: Port) {}

    fn seq(&self, port: Port) -> EventSeq {
        EventSeq(self.xen.notifications(port) as u32)
    }

    fn wait(&self, _: &[(Port, EventSeq)], _: Option<u64>) -> Wake {
        panic!("a peer does not wait")
    }
}

impl PeerPort {
    /// Raises an event in the guest under test; nothing happens when it has closed the port.
    pub fn notify(&self) {
        if let Some(channel) = self.xen.0.channels.borrow_mut().get_mut(self.port.raw() as usize) {
            channel.held_back |= channel.open && channel.muted;
            channel.seq = channel.seq.wrapping_add(u32::from(channel.open && !channel.muted));
        }
    }

    /// Whether the guest has notified since the last call.
    pub fn take_pending(&self) -> bool {
        let mut channels = self.xen.0.channels.borrow_mut();
        channels
            .get_mut(self.port.raw() as usize)
            .is_some_and(|channel| core::mem::take(&mut channel.for_peer) > 0)
    }

    /// Whether the guest still has the port open.
    pub fn is_open(&self) -> bool {
        self.xen.0.channels.borrow().get(self.port.raw() as usize).is_some_and(|channel| channel.open)
    }
}

// SAFETY: the fake keeps the page while it is mapped (`revoke` fails, and what is not revoked is not freed).
unsafe impl SharedMemory for MappedPage {
    fn base(&self) -> NonNull<u8> {
        self.page
    }
    fn len(&self) -> usize {
        PAGE_SIZE
    }
    fn copy_in(&self, offset: usize, from: &[u8]) {
        assert_eq!(self.access, Access::ReadWrite, "page fault: writing through a read-only mapping");
        assert!(offset <= PAGE_SIZE && from.len() <= PAGE_SIZE - offset, "outside the page");
        for (index, byte) in from.iter().enumerate() {
            // SAFETY: in bounds, checked above.
            let at = unsafe { self.page.add(offset + index) };
            // SAFETY: a live page; only copies touch it.
            unsafe { at.write_volatile(*byte) }
        }
    }
}

impl Drop for MappedPage {
    fn drop(&mut self) {
        if let Some(grant) = self.xen.0.grants.borrow_mut().get_mut(&self.gref) {
            grant.mapped -= 1;
        }
    }
}
