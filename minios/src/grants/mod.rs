//! Grant table version 1.
//!
//! An entry is a page frame, a domain and flags in 8 bytes; Xen sets flags of its own while the peer maps the page. The
//! table grows by a frame when it is full, up to what Xen allows. A reference whose page the peer still maps when its
//! grant should end is quarantined: never used again (XSA-396).

mod map;

use alloc::vec::Vec;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU16, AtomicU32, Ordering};

use xen::{Access, DomId, GrantError, GrantRef, StillMapped};
use xen_sys::grant_table::{
    ENTRIES_PER_PAGE, EntryV1, GNTTAB_NR_RESERVED_ENTRIES, GTF_INVALID, GTF_PERMIT_ACCESS, GTF_READING,
    GTF_READONLY, GTF_WRITING,
};

use crate::memory::address::{Mfn, Pfn, Protection};
use crate::memory::paging;
use crate::sync::SpinLock;
use crate::{hypercall, thread};

pub use map::{GrantMapError, MappedGrant};

struct Table {
    /// Address of the table's area: room for `max_frames`, of which `frames` are mapped.
    address: u64,
    frames: u32,
    max_frames: u32,
    free: Vec<u32>,
    quarantined: u32,
}

static TABLE: SpinLock<Table> =
    SpinLock::new(Table { address: 0, frames: 0, max_frames: 0, free: Vec::new(), quarantined: 0 });

pub(crate) fn init() {
    let max_frames = hypercall::grant_table_size().map_or(0, |(_, max)| max.min(1024));
    let _ = hypercall::grant_table_set_version(1);
    let address = thread::stack::reserve(max_frames as usize);
    *TABLE.lock() = Table { address, frames: 0, max_frames, free: Vec::new(), quarantined: 0 };
}

impl Table {
    /// Maps one more frame of the table.
    fn grow(&mut self) -> Result<(), GrantError> {
        let full = GrantError::TableFull(self.frames * ENTRIES_PER_PAGE as u32);
        if self.frames >= self.max_frames {
            return Err(full);
        }
        let count = self.frames as usize + 1;
        let first = (self.frames * ENTRIES_PER_PAGE as u32).max(GNTTAB_NR_RESERVED_ENTRIES);
        let end = (self.frames + 1) * ENTRIES_PER_PAGE as u32;
        self.free.try_reserve((end - first) as usize).map_err(|_| GrantError::OutOfMemory)?;
        let mut frames = Vec::new();
        frames.try_reserve_exact(count).map_err(|_| GrantError::OutOfMemory)?;
        frames.resize(count, 0u64);
        hypercall::grant_table_setup(&mut frames).map_err(|_| full)?;
        let address = self.address + (u64::from(self.frames) << 12);
        let frame = frames[count - 1];
        // SAFETY: the area is reserved for the table, and this page of it is not mapped yet.
        unsafe { paging::map(address, core::iter::once(Mfn(frame)), Protection::ReadWrite) }
            .map_err(|_| GrantError::OutOfMemory)?;
        self.frames += 1;
        self.free.extend((first..end).rev());
        Ok(())
    }

    fn entry(&self, gref: u32) -> *mut EntryV1 {
        (self.address as *mut EntryV1).wrapping_add(gref as usize)
    }
}

/// Lets `peer` map the page.
///
/// # Safety
/// As for `xen::Grants::grant`.
pub(crate) unsafe fn grant(peer: DomId, page: NonNull<u8>, access: Access) -> Result<GrantRef, GrantError> {
    let mut table = TABLE.lock();
    if table.free.is_empty() {
        table.grow()?;
    }
    let Some(gref) = table.free.pop() else { return Err(GrantError::OutOfMemory) };
    let entry = table.entry(gref);
    let frame = paging::machine_frame(Pfn::of_address(page.as_ptr() as u64)).0 as u32;
    // SAFETY: a free entry of the mapped table; Xen does not look at it before the flags are set.
    unsafe { (&raw mut (*entry).frame).write_volatile(frame) };
    let flags = GTF_PERMIT_ACCESS | if access == Access::ReadOnly { GTF_READONLY } else { 0 };
    // SAFETY: flags and domid are one aligned word.
    let head = unsafe { AtomicU32::from_ptr(entry.cast()) };
    head.store(u32::from(peer.raw()) << 16 | u32::from(flags), Ordering::Release);
    Ok(GrantRef::new(gref))
}

/// Ends a grant, unless the peer still maps it.
///
/// # Safety
/// As for `xen::Grants::revoke`.
pub(crate) unsafe fn revoke(gref: GrantRef) -> Result<(), StillMapped> {
    // SAFETY: promised by the caller.
    if unsafe { try_revoke(gref) } {
        return Ok(());
    }
    TABLE.lock().quarantined += 1;
    log::warn!(target: "grants", "{}: reference and page are quarantined", StillMapped(gref));
    Err(StillMapped(gref))
}

/// Ends a grant, unless the peer still maps it; `false` then, and it may be tried again.
///
/// # Safety
/// As for `xen::Grants::revoke`, and the page stays the grant's until this was `true`.
pub unsafe fn try_revoke(gref: GrantRef) -> bool {
    let mut table = TABLE.lock();
    // SAFETY: an entry in use of the mapped table; the flags are an aligned word that Xen changes atomically.
    let flags = unsafe { AtomicU16::from_ptr(table.entry(gref.raw()).cast()) };
    let mut old = flags.load(Ordering::Relaxed);
    loop {
        if old & (GTF_READING | GTF_WRITING) != 0 {
            return false;
        }
        match flags.compare_exchange_weak(old, GTF_INVALID, Ordering::SeqCst, Ordering::Relaxed) {
            Ok(_) => break,
            Err(now) => old = now,
        }
    }
    table.free.push(gref.raw());
    true
}

/// What the grant table holds.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Entries in use, the quarantined ones included.
    pub used: u32,
    /// Entries lost because a peer did not let go.
    pub quarantined: u32,
    /// Entries at most.
    pub limit: u32,
}

/// Counts the entries.
pub fn usage() -> Usage {
    let table = TABLE.lock();
    let entries = table.frames * ENTRIES_PER_PAGE as u32;
    let reserved = if table.frames > 0 { GNTTAB_NR_RESERVED_ENTRIES } else { 0 };
    Usage {
        used: entries - reserved - table.free.len() as u32,
        quarantined: table.quarantined,
        limit: table.max_frames * ENTRIES_PER_PAGE as u32,
    }
}
