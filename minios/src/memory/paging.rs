//! The page tables: only Xen writes them, on request.
//!
//! Requests are collected in a `Batch`, many to a hypercall. New tables are pages of our own whose writable mapping in
//! the direct map is taken away before Xen is asked to use them.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use xen_sys::xen::{MMU_NORMAL_PT_UPDATE, MmuUpdate};

use super::address::{Entry, MACHINE_TO_PHYS, Mfn, Pfn, Protection, index};
use super::pages;
use crate::hypercall::{self, Errno};

/// The domain builder's list of machine frame numbers, by page frame number.
static P2M: AtomicU64 = AtomicU64::new(0);
/// Pages of the domain: the length of that list.
static PAGES: AtomicUsize = AtomicUsize::new(0);
/// First page that the domain builder did not use: tables from here on are in the direct map.
static BUILDER_END: AtomicUsize = AtomicUsize::new(0);
/// Address of the top-level table.
static TOP: AtomicU64 = AtomicU64::new(0);

/// Why a mapping could not be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MapError {
    /// No page for a table.
    OutOfMemory,
    /// Xen refused.
    Refused(Errno),
}

impl From<Errno> for MapError {
    fn from(errno: Errno) -> Self {
        Self::Refused(errno)
    }
}

impl core::fmt::Display for MapError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::OutOfMemory => f.write_str("out of memory: no page for a page table"),
            Self::Refused(errno) => write!(f, "Xen refused a page-table update: {errno}"),
        }
    }
}

/// Tells this module what the domain builder left.
///
/// # Safety
/// `mfn_list` and `pt_base` are those of `start_info`, `pages` its `nr_pages`.
pub(super) unsafe fn init(mfn_list: u64, pages: usize, builder_end: Pfn, pt_base: u64) {
    P2M.store(mfn_list, Ordering::Relaxed);
    PAGES.store(pages, Ordering::Relaxed);
    BUILDER_END.store(builder_end.0, Ordering::Relaxed);
    TOP.store(pt_base, Ordering::Relaxed);
}

/// Pages of the domain.
pub(super) fn total() -> usize {
    PAGES.load(Ordering::Relaxed)
}

/// Where Xen put a page of ours.
///
/// # Panics
/// If the domain has no such page.
pub fn machine_frame(pfn: Pfn) -> Mfn {
    assert!(pfn.0 < total(), "page {pfn} is beyond the domain's {}", total());
    // SAFETY: the list has an entry per page of the domain, and stays mapped.
    Mfn(unsafe { *(P2M.load(Ordering::Relaxed) as *const u64).add(pfn.0) })
}

/// Which page of ours a machine frame is.
pub(crate) fn page_frame(mfn: Mfn) -> Pfn {
    // SAFETY: Xen maps this table for every guest; the frame is one of ours, so it has an entry.
    Pfn(unsafe { *(MACHINE_TO_PHYS as *const u64).add(mfn.0 as usize) } as usize)
}

/// The entry that leads to a table.
pub(super) fn table_entry(table: Pfn) -> Entry {
    Entry::table(machine_frame(table))
}

/// Where a page that the builder used, or a table, can be read.
fn readable(pfn: Pfn) -> *const u64 {
    let builder = pfn.0 < BUILDER_END.load(Ordering::Relaxed);
    (if builder { pfn.image_address() } else { pfn.direct_address() }) as *const u64
}

/// Where a page of the guest can be read, and written if nothing protects it: in the image's area if the domain builder used it
/// (image, ramdisk), else in the direct map.
pub fn page_address(pfn: Pfn) -> NonNull<u8> {
    NonNull::new(readable(pfn) as *mut u8).expect("neither area begins at zero")
}

/// Machine address and value of the entry for `address` in the table of `level`; `None` if a table above is missing.
pub(super) fn entry(address: u64, level: u32) -> Option<(u64, Entry)> {
    // Xen's own tables are not ours to follow.
    if (256..272).contains(&index(address, 4)) {
        return None;
    }
    let mut table = TOP.load(Ordering::Relaxed) as *const u64;
    for above in (level + 1..=4).rev() {
        // SAFETY: `table` is a live page table with 512 entries.
        let next = Entry(unsafe { *table.add(index(address, above)) });
        if !next.is_present() {
            return None;
        }
        table = readable(page_frame(next.mfn()));
    }
    let slot = index(address, level);
    // SAFETY: as above.
    let value = Entry(unsafe { *table.add(slot) });
    let machine = machine_frame(Pfn::of_address(table as u64)).address() + slot as u64 * 8;
    Some((machine, value))
}

/// Machine address and value of the entry that maps a page of the direct map.
pub(crate) fn direct_entry(page: Pfn) -> Option<(u64, Entry)> {
    entry(page.direct_address(), 1)
}

/// The entry that maps `address`, if it has a table.
pub fn lookup(address: u64) -> Option<Entry> {
    entry(address, 1).map(|(_, value)| value)
}

/// Page-table updates that travel together.
pub(super) struct Batch {
    updates: [MmuUpdate; Self::LEN],
    len: usize,
}

impl Batch {
    const LEN: usize = 64;

    pub(super) fn new() -> Self {
        Self { updates: [MmuUpdate::default(); Self::LEN], len: 0 }
    }

    /// Adds an update of the entry at a machine address.
    ///
    /// # Safety
    /// As for [`hypercall::mmu_update`].
    pub(super) unsafe fn set(&mut self, machine: u64, value: Entry) -> Result<(), Errno> {
        self.updates[self.len] = MmuUpdate { ptr: machine | MMU_NORMAL_PT_UPDATE, val: value.0 };
        self.len += 1;
        if self.len < Self::LEN {
            return Ok(());
        }
        // SAFETY: promised by the caller.
        unsafe { self.apply() }
    }

    /// Makes Xen do what was collected.
    ///
    /// # Safety
    /// As for [`hypercall::mmu_update`].
    pub(super) unsafe fn apply(&mut self) -> Result<(), Errno> {
        let len = core::mem::take(&mut self.len);
        // SAFETY: promised by the caller.
        unsafe { hypercall::mmu_update(&self.updates[..len]) }
    }
}

/// Machine address of the last-level entry for `address`; makes the tables that are missing.
fn entry_or_table(address: u64) -> Result<u64, MapError> {
    for level in [3, 2] {
        let (machine, value) = entry(address, level).ok_or(MapError::Refused(Errno(14)))?;
        if value.is_present() {
            continue;
        }
        let table = pages::alloc(0).ok_or(MapError::OutOfMemory)?;
        let mfn = machine_frame(Pfn::of_address(table.as_ptr() as u64));
        // SAFETY: a fresh page of our own.
        unsafe { core::ptr::write_bytes(table.as_ptr(), 0, xen_sys::PAGE_SIZE) };
        // SAFETY: nobody refers to the fresh page; from here on it is only read.
        unsafe { hypercall::update_va_mapping(table.as_ptr() as u64, Entry::page(mfn, Protection::Read).0)? };
        let update = MmuUpdate { ptr: machine, val: Entry::table(mfn).0 };
        // SAFETY: an empty table takes the place of a missing one: no mapping changes.
        unsafe { hypercall::mmu_update(&[update])? };
    }
    entry(address, 1).map(|(machine, _)| machine).ok_or(MapError::Refused(Errno(14)))
}

/// Makes the tables that a mapping at `address` needs, without the mapping. Returns the machine address of its entry.
pub fn prepare(address: u64) -> Result<u64, MapError> {
    entry_or_table(address)
}

/// Maps frames, one page after another from `address`.
///
/// # Safety
/// The addresses belong to the caller (the dynamic area) and are not mapped. Aliasing is the caller's concern.
pub unsafe fn map(
    address: u64,
    frames: impl Iterator<Item = Mfn>,
    protection: Protection,
) -> Result<(), MapError> {
    let mut batch = Batch::new();
    for (page, mfn) in frames.enumerate() {
        let machine = entry_or_table(address + (page << 12) as u64)?;
        // SAFETY: promised by the caller.
        unsafe { batch.set(machine, Entry::page(mfn, protection))? };
    }
    // SAFETY: as above.
    unsafe { batch.apply()? };
    Ok(())
}

/// Changes what the mapped pages from `address` allow, or unmaps them (`None`).
///
/// # Safety
/// No live reference loses its memory or its permission by it.
pub unsafe fn change(address: u64, pages: usize, protection: Option<Protection>) -> Result<(), MapError> {
    let mut batch = Batch::new();
    for page in 0..pages {
        let Some((machine, old)) = entry(address + (page << 12) as u64, 1) else { continue };
        if !old.is_present() {
            continue;
        }
        let new = protection.map_or(Entry::NONE, |protection| Entry::page(old.mfn(), protection));
        // SAFETY: promised by the caller.
        unsafe { batch.set(machine, new)? };
    }
    // SAFETY: as above.
    unsafe { batch.apply()? };
    Ok(hypercall::flush_tlb()?)
}

/// Machine address of the top-level entry for `address`; used once, to hook in the direct map.
pub(super) fn top_entry(address: u64) -> u64 {
    let table = Pfn::of_address(TOP.load(Ordering::Relaxed));
    machine_frame(table).address() + index(address, 4) as u64 * 8
}
