//! [`Xen`]: the seams of the `xen` crate, on real Xen.

use core::ptr::NonNull;

use xen::memory::RawPage;
use xen::{
    Access, Clock, DomId, EventError, EventSeq, Events, GrantError, GrantRef, Grants, OutOfMemory, Port,
};
use xen::{MapError, Mappings, StillMapped, Wake};

use crate::grants::{GrantMapError, MappedGrant};
use crate::{events, grants, memory, time};

/// Real Xen. A value of it is a handle without state.
#[derive(Clone, Copy, Debug)]
pub struct Xen;

// SAFETY: pages come whole from the page allocator and are zeroed here; `grants` keeps to the compare-exchange rule.
unsafe impl Grants for Xen {
    fn alloc_page(&self) -> Result<NonNull<u8>, OutOfMemory> {
        let page = memory::pages::alloc(0).ok_or(OutOfMemory)?;
        // SAFETY: a page of ours, mapped writable.
        unsafe { core::ptr::write_bytes(page.as_ptr(), 0, xen_sys::PAGE_SIZE) };
        Ok(page)
    }

    unsafe fn free_page(&self, page: NonNull<u8>) {
        // SAFETY: promised by the caller.
        unsafe { memory::pages::release(page, 0) }
    }

    fn alloc_pages(&self, count: usize) -> Result<NonNull<u8>, OutOfMemory> {
        let first = memory::pages::alloc_run(count).ok_or(OutOfMemory)?;
        // SAFETY: so many pages of ours, mapped writable.
        unsafe { core::ptr::write_bytes(first.as_ptr(), 0, count * xen_sys::PAGE_SIZE) };
        Ok(first)
    }

    unsafe fn free_pages(&self, first: NonNull<u8>, count: usize) {
        // SAFETY: promised by the caller.
        unsafe { memory::pages::release_run(first, count) }
    }

    unsafe fn grant(&self, peer: DomId, page: NonNull<u8>, access: Access) -> Result<GrantRef, GrantError> {
        // SAFETY: promised by the caller.
        unsafe { grants::grant(peer, page, access) }
    }

    unsafe fn revoke(&self, gref: GrantRef) -> Result<(), StillMapped> {
        // SAFETY: promised by the caller.
        unsafe { grants::revoke(gref) }
    }
}

impl Events for Xen {
    fn alloc_unbound(&self, peer: DomId) -> Result<Port, EventError> {
        events::alloc_unbound(peer)
    }

    fn bind_interdomain(&self, peer: DomId, remote: Port) -> Result<Port, EventError> {
        events::bind_interdomain(peer, remote)
    }

    fn close(&self, port: Port) {
        events::close(port);
    }

    fn notify(&self, port: Port) {
        events::notify(port);
    }

    fn mute(&self, port: Port) {
        events::mute(port);
    }

    fn unmute(&self, port: Port) {
        events::unmute(port);
    }

    fn seq(&self, port: Port) -> EventSeq {
        events::seq(port)
    }

    fn wait(&self, ports: &[(Port, EventSeq)], deadline_ns: Option<u64>) -> Wake {
        events::wait(ports, deadline_ns)
    }
}

impl Mappings for Xen {
    type Page = MappedGrant;

    fn map(&self, domain: DomId, gref: GrantRef, access: Access) -> Result<MappedGrant, MapError> {
        MappedGrant::new(domain, gref.raw(), access).map_err(|error| {
            let status = match error {
                GrantMapError::Table(_) => return MapError::OutOfMemory,
                GrantMapError::Refused(errno) => -errno.0,
                GrantMapError::Status { status, .. } => status.into(),
            };
            MapError::Refused { domain, gref, status }
        })
    }
}

impl Clock for Xen {
    fn now_ns(&self) -> u64 {
        time::now_ns()
    }
}

impl Xen {
    /// The event channel and the page by which XenStore is reached; `None` in the initial domain.
    pub fn xenstore(self) -> Option<(Port, RawPage)> {
        let info = crate::boot::info();
        if crate::boot::is_initial_domain() {
            return None;
        }
        let page = memory::paging::page_frame(memory::Mfn(info.store_mfn)).image_address();
        existing(info.store_evtchn, NonNull::new(page as *mut u8)?)
    }

    /// The event channel and the page of the first console; `None` in the initial domain.
    pub fn console(self) -> Option<(Port, RawPage)> {
        existing(crate::boot::info().console_evtchn, crate::console::page()?)
    }
}

fn existing(port: u32, page: NonNull<u8>) -> Option<(Port, RawPage)> {
    events::open(port).ok()?;
    // SAFETY: a page that the domain builder gave for this purpose; it stays mapped, and nobody makes a reference into it.
    Some((Port::new(port), unsafe { RawPage::new(page) }))
}
