//! Changes of page tables on their way to Xen: one trap for all that a commit has collected.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};

use xen_sys::PAGE_SIZE;
use xen_sys::xen::{MMU_NORMAL_PT_UPDATE, MMUEXT_INVLPG_LOCAL, MMUEXT_TLB_FLUSH_LOCAL, MmuUpdate, MmuextOp};

use crate::hypercall::{Errno, Multicall};
use crate::memory::address::{Entry, Pfn, Protection};
use crate::memory::pages;
use crate::memory::paging::{self, MapError, machine_frame};

/// Pages that are page tables of user mode now.
static TABLES: AtomicUsize = AtomicUsize::new(0);

/// Pages that are page tables of user mode now.
pub fn table_pages() -> usize {
    TABLES.load(Ordering::Relaxed)
}

/// Updates before a commit is made without being asked for; lists up to this length are kept after it.
pub(super) const FULL: usize = 640;
/// Pages that are flushed one by one; more are flushed with the whole TLB.
const FEW: usize = 8;
/// Updates that there is always room for, so that what must not fail for want of memory does not.
pub(super) const ROOM: usize = 16;

/// What was collected.
#[derive(Default)]
pub(super) struct Batch {
    updates: Vec<MmuUpdate>,
    operations: [MmuextOp; FEW + 4],
    operations_len: usize,
    /// Addresses whose old mapping the TLB may hold; more than `FEW` mean all.
    stale: [u64; FEW],
    stale_len: usize,
    /// The same of the kernel's own mappings of what was a table.
    kernel_stale: bool,
}

impl Batch {
    /// An empty one.
    pub fn new() -> Result<Self, MapError> {
        let mut updates = Vec::new();
        updates.try_reserve_exact(ROOM).map_err(|_| MapError::OutOfMemory)?;
        Ok(Self { updates, ..Self::default() })
    }

    /// Updates collected.
    pub fn len(&self) -> usize {
        self.updates.len()
    }

    /// Makes room for so many more updates.
    pub fn reserve(&mut self, updates: usize) -> Result<(), MapError> {
        self.updates.try_reserve(updates).map_err(|_| MapError::OutOfMemory)
    }

    /// Whether so many more updates find room without growing beyond a full batch.
    pub fn has_room(&mut self, updates: usize) -> bool {
        let wanted = self.updates.len() + updates;
        wanted <= self.updates.capacity() || wanted <= FULL && self.reserve(updates).is_ok()
    }

    /// An entry of a table in use gets a value.
    pub fn set(&mut self, slot: *const u64, value: Entry) -> Result<(), MapError> {
        let address = slot as u64;
        let ptr = machine_frame(Pfn::of_address(address)).address() + (address & 0xfff);
        self.push(ptr, value)
    }

    fn push(&mut self, ptr: u64, value: Entry) -> Result<(), MapError> {
        self.reserve(1)?;
        self.updates.push(MmuUpdate { ptr: ptr | MMU_NORMAL_PT_UPDATE, val: value.0 });
        Ok(())
    }

    /// A page of the direct map becomes readable only (it is to be a table) or writable again.
    pub fn protect(&mut self, page: Pfn, protection: Protection) -> Result<(), MapError> {
        let (ptr, old) = paging::direct_entry(page).ok_or(MapError::OutOfMemory)?;
        self.push(ptr, Entry::page(old.mfn(), protection))
    }

    /// An operation of `HYPERVISOR_mmuext_op`, after the updates; there are few to a batch.
    pub fn operation(&mut self, cmd: u32, arg1: u64) {
        self.operations[self.operations_len] = MmuextOp { cmd, pad: 0, arg1, arg2: 0 };
        self.operations_len += 1;
    }

    /// The TLB may hold an old mapping of this address.
    pub fn stale(&mut self, address: u64) {
        if let Some(place) = self.stale.get_mut(self.stale_len) {
            *place = address;
        }
        self.stale_len += 1;
    }

    /// The TLB may hold old mappings of any address.
    pub fn all_stale(&mut self) {
        self.stale_len += FEW + 1;
    }

    /// The TLB may hold the kernel's read-only mappings of what were tables.
    pub fn kernel_stale(&mut self) {
        self.kernel_stale = true;
    }

    /// Forgets what was collected.
    pub fn discard(&mut self) {
        self.updates.clear();
        self.operations_len = 0;
        self.stale_len = 0;
        self.kernel_stale = false;
    }

    /// Makes Xen do it all. `flush`: the TLB matters, since user mode runs on these tables.
    ///
    /// # Safety
    /// No memory of the kernel loses its mapping or permission that anybody uses; no frame in use by the kernel alone
    /// becomes user mode's.
    pub unsafe fn commit(&mut self, flush: bool) -> Result<(), Errno> {
        if self.kernel_stale || flush && self.stale_len > FEW {
            self.operation(MMUEXT_TLB_FLUSH_LOCAL, 0);
        } else if flush {
            for at in 0..self.stale_len {
                self.operation(MMUEXT_INVLPG_LOCAL, self.stale[at]);
            }
        }
        let mut calls = Multicall::<2>::new();
        if !self.updates.is_empty() {
            calls.mmu_update(&self.updates);
        }
        if self.operations_len > 0 {
            calls.mmuext(&self.operations[..self.operations_len]);
        }
        // SAFETY: promised by the caller; the lists live until the end of this function.
        let done = unsafe { calls.issue() };
        self.discard();
        // A process keeps no memory for the largest change it ever made, unless there is none for a smaller list.
        let mut small = Vec::new();
        if self.updates.capacity() > FULL && small.try_reserve_exact(ROOM).is_ok() {
            self.updates = small;
        }
        done
    }
}

/// A page for a table, empty and still writable.
pub(super) fn new_table() -> Result<Pfn, MapError> {
    let page = pages::alloc(0).ok_or(MapError::OutOfMemory)?;
    // SAFETY: a page of ours.
    unsafe { core::ptr::write_bytes(page.as_ptr(), 0, PAGE_SIZE) };
    TABLES.fetch_add(1, Ordering::Relaxed);
    Ok(Pfn::of_address(page.as_ptr() as u64))
}

/// Gives a table's page back.
///
/// # Safety
/// It is no table any more and writable again.
pub(super) unsafe fn release_table(table: Pfn) {
    if let Some(page) = core::ptr::NonNull::new(table.direct_address() as *mut u8) {
        TABLES.fetch_sub(1, Ordering::Relaxed);
        // SAFETY: from `new_table`; the rest is promised by the caller.
        unsafe { pages::release(page, 0) };
    }
}
