//! Changes of page tables on their way to Xen: one trap for all that a commit has collected.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};

use xen_sys::PAGE_SIZE;
use xen_sys::xen::{MMU_NORMAL_PT_UPDATE, MMUEXT_INVLPG_LOCAL, MMUEXT_TLB_FLUSH_LOCAL, MmuUpdate, MmuextOp};

use super::walk::Table;
use crate::hypercall::Multicall;
use crate::memory::address::{Entry, Pfn, Protection};
use crate::memory::pages;
use crate::memory::paging::{self, MapError, machine_frame};

/// Pages that are page tables of user mode now.
static TABLES: AtomicUsize = AtomicUsize::new(0);

/// Pages that are page tables of user mode now.
pub fn table_pages() -> usize {
    TABLES.load(Ordering::Relaxed)
}

/// Updates before a commit is made without being asked for.
pub(super) const FULL: usize = 512;
/// Pages that are flushed one by one; more are flushed with the whole TLB.
const FEW: usize = 8;

/// What was collected.
#[derive(Default)]
pub(super) struct Batch {
    updates: Vec<MmuUpdate>,
    operations: Vec<MmuextOp>,
    /// Addresses whose old mapping the TLB may hold; more than `FEW` mean all.
    stale: Vec<u64>,
    /// The same of the kernel's own mappings of what was a table.
    kernel_stale: bool,
}

impl Batch {
    pub fn len(&self) -> usize {
        self.updates.len()
    }

    /// An entry of a table in use gets a value.
    pub fn set(&mut self, slot: *const u64, value: Entry) -> Result<(), MapError> {
        let address = slot as u64;
        let ptr = machine_frame(Pfn::of_address(address)).address() + (address & 0xfff);
        self.push(ptr, value)
    }

    fn push(&mut self, ptr: u64, value: Entry) -> Result<(), MapError> {
        self.updates.try_reserve(1).map_err(|_| MapError::OutOfMemory)?;
        self.updates.push(MmuUpdate { ptr: ptr | MMU_NORMAL_PT_UPDATE, val: value.0 });
        Ok(())
    }

    /// A page of the direct map becomes readable only (it is to be a table) or writable again.
    pub fn protect(&mut self, page: Pfn, protection: Protection) -> Result<(), MapError> {
        let (ptr, old) = paging::direct_entry(page).ok_or(MapError::OutOfMemory)?;
        self.push(ptr, Entry::page(old.mfn(), protection))
    }

    /// An operation of `HYPERVISOR_mmuext_op`, after the updates.
    pub fn operation(&mut self, cmd: u32, arg1: u64) -> Result<(), MapError> {
        self.operations.try_reserve(1).map_err(|_| MapError::OutOfMemory)?;
        self.operations.push(MmuextOp { cmd, pad: 0, arg1, arg2: 0 });
        Ok(())
    }

    /// The TLB may hold an old mapping of this address.
    pub fn stale(&mut self, address: u64) {
        if self.stale.len() <= FEW && self.stale.try_reserve(1).is_ok() {
            self.stale.push(address);
        }
    }

    /// The TLB may hold old mappings of any address.
    pub fn all_stale(&mut self) {
        for _ in 0..=FEW {
            self.stale(0);
        }
    }

    /// The TLB may hold the kernel's read-only mappings of what were tables.
    pub fn kernel_stale(&mut self) {
        self.kernel_stale = true;
    }

    /// Forgets what was collected.
    pub fn discard(&mut self) {
        *self = Self::default();
    }

    /// Makes room for so many updates and an operation.
    pub fn reserve(&mut self, updates: usize) -> Result<(), MapError> {
        self.operations.try_reserve(2).map_err(|_| MapError::OutOfMemory)?;
        self.updates.try_reserve(updates).map_err(|_| MapError::OutOfMemory)
    }

    /// Takes over what another has collected.
    pub fn append(&mut self, other: &mut Self) -> Result<(), MapError> {
        self.reserve(other.updates.len())?;
        self.updates.append(&mut other.updates);
        self.operations.append(&mut other.operations);
        Ok(())
    }

    /// Makes Xen do it all. `flush`: the TLB matters, since user mode runs on these tables.
    ///
    /// # Safety
    /// No memory of the kernel loses its mapping or permission that anybody uses; no frame in use by the kernel alone
    /// becomes user mode's.
    pub unsafe fn commit(&mut self, flush: bool) -> Result<(), MapError> {
        if core::mem::take(&mut self.kernel_stale) || flush && self.stale.len() > FEW {
            self.operation(MMUEXT_TLB_FLUSH_LOCAL, 0)?;
        } else if flush {
            for at in 0..self.stale.len() {
                self.operation(MMUEXT_INVLPG_LOCAL, self.stale[at])?;
            }
        }
        self.stale.clear();
        let mut calls = Multicall::<2>::new();
        if !self.updates.is_empty() {
            calls.mmu_update(&self.updates);
        }
        if !self.operations.is_empty() {
            calls.mmuext(&self.operations);
        }
        // SAFETY: promised by the caller; the lists live until the end of this function.
        let done = unsafe { calls.issue() };
        self.updates.clear();
        self.operations.clear();
        // A process keeps no memory for the largest change it ever made.
        self.updates.shrink_to(16);
        done.map_err(MapError::Refused)
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

/// Lists a table and those below it.
pub(super) fn list(table: Table, into: &mut Vec<Pfn>) -> Result<(), MapError> {
    table.tables(&mut |pfn| {
        into.try_reserve(1).map_err(|_| MapError::OutOfMemory)?;
        into.push(pfn);
        Ok(())
    })
}
