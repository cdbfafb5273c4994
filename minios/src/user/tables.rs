//! A process's page tables: read by walking them, changed in batches by Xen.
//!
//! A new table is plain memory until the commit that hooks it in: its entries cost no update, and Xen validates it once. Then
//! its page is read-only, in the direct map as well, until the table goes.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Range;

use xen_sys::xen::{MMUEXT_NEW_USER_BASEPTR, MMUEXT_PIN_L4_TABLE, MMUEXT_UNPIN_TABLE};

use super::cut::Cut;
use super::foreign::{ForeignLeaf, MappedGrant};
use super::loaded;
use super::release::Release;
pub use super::update::table_pages;
use super::update::{self, Batch};
use super::walk::{self, Table};
use crate::memory::address::{Entry, Mfn, Pfn, Protection};
use crate::memory::paging::{MapError, machine_frame};

/// End of the addresses that user mode may have: the lower half but for its last page, as on Linux.
pub const USER_END: u64 = 0x0000_7fff_ffff_f000;

/// Updates of the parent in a fork that travel together at most.
const FORK_PORTION: usize = 4096;

/// What a mapping lets user mode do; reading it always may.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Prot {
    /// Write.
    pub write: bool,
    /// Execute.
    pub execute: bool,
}

/// A page that is mapped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Leaf {
    /// The page.
    pub pfn: Pfn,
    /// What user mode may do.
    pub prot: Prot,
    /// The processor has used the mapping.
    pub accessed: bool,
    /// The processor has written through it.
    pub dirty: bool,
}

impl Leaf {
    fn of(entry: Entry) -> Self {
        Self {
            pfn: walk::below(entry),
            prot: Prot { write: entry.is_writable(), execute: entry.is_executable() },
            accessed: entry.is_accessed(),
            dirty: entry.is_dirty(),
        }
    }
}

/// What is mapped at an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mapped {
    /// A page of our own.
    Own(Leaf),
    /// A frame of another domain.
    Foreign(ForeignLeaf),
}

/// What becomes of a mapping when a process forks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fork {
    /// The child does not get it.
    Skip,
    /// Both have it as it is.
    Share,
    /// Both have it, and neither may write.
    Protect,
}

/// A new table that no table in use leads to yet.
struct Hook {
    slot: *mut u64,
    table: Pfn,
}

/// The page tables of a process. They hold no reference to the frames that they map: before the tables are dropped, the layer
/// above takes its frames back by [`UserTables::clear_range`]. Frames of other domains are none of these: Xen counts them, and
/// what concerns pages of our own passes them over.
pub struct UserTables {
    top: Pfn,
    /// Its machine frame.
    frame: Mfn,
    /// Whether Xen knows them: from the first commit on.
    in_use: bool,
    /// Tables that are plain memory still.
    fresh: Vec<Pfn>,
    hooks: Vec<Hook>,
    batch: Batch,
    /// The grants that are mapped, by address.
    pub(super) grants: BTreeMap<u64, MappedGrant>,
}

// SAFETY: the pointers lead to page tables that this value owns.
unsafe impl Send for UserTables {}
// SAFETY: shared references only read them.
unsafe impl Sync for UserTables {}

impl UserTables {
    /// Tables that map nothing.
    pub fn new() -> Result<Self, MapError> {
        let mut fresh = Vec::new();
        fresh.try_reserve(1).map_err(|_| MapError::OutOfMemory)?;
        let batch = Batch::new()?;
        let top = update::new_table()?;
        fresh.push(top);
        Ok(Self {
            top,
            frame: machine_frame(top),
            in_use: false,
            fresh,
            hooks: Vec::new(),
            batch,
            grants: BTreeMap::new(),
        })
    }

    /// The frame of the top table, once it was committed.
    pub(super) fn top_frame(&self) -> Option<Mfn> {
        self.in_use.then_some(self.frame)
    }

    pub(super) fn root(&self) -> Table {
        Table { pfn: self.top, level: 4, base: 0 }
    }

    fn is_loaded(&self) -> bool {
        self.in_use && loaded::is_loaded(self.frame)
    }

    /// The page of our own that is mapped at an address; of changes that were not committed only those in new tables are seen.
    pub fn entry(&self, address: u64) -> Option<Leaf> {
        match self.look(address)? {
            Mapped::Own(leaf) => Some(leaf),
            Mapped::Foreign(_) => None,
        }
    }

    /// The same, or the frame of another domain.
    pub fn look(&self, address: u64) -> Option<Mapped> {
        let (slot, _) = self.find(address)?;
        // SAFETY: an entry of one of these tables.
        let entry = Some(unsafe { walk::read(slot) }).filter(|entry| entry.is_present())?;
        Some(if entry.is_foreign() {
            Mapped::Foreign(self.foreign_leaf(address, entry))
        } else {
            Mapped::Own(Leaf::of(entry))
        })
    }

    /// The last-level entry for an address, and whether its table is plain memory; `None` if there is no table.
    pub(super) fn find(&self, address: u64) -> Option<(*mut u64, bool)> {
        if address >= USER_END {
            return None;
        }
        let (mut table, mut plain) = (self.top, !self.in_use);
        for level in [4, 3, 2] {
            let slot = walk::slot(table, level, address);
            // SAFETY: an entry of one of these tables.
            let entry = unsafe { walk::read(slot) };
            if entry.is_present() {
                table = walk::below(entry);
            } else {
                table = self.hooks.iter().find(|hook| core::ptr::eq(hook.slot, slot))?.table;
                plain = true;
            }
        }
        Some((walk::slot(table, 1, address), plain))
    }

    /// The same, with the tables that are missing made.
    pub(super) fn find_or_make(&mut self, address: u64) -> Result<(*mut u64, bool), MapError> {
        if address >= USER_END {
            return Err(MapError::Refused(crate::hypercall::Errno(22)));
        }
        let (mut table, mut plain) = (self.top, !self.in_use);
        for level in [4, 3, 2] {
            let slot = walk::slot(table, level, address);
            // SAFETY: an entry of one of these tables.
            let entry = unsafe { walk::read(slot) };
            if entry.is_present() {
                table = walk::below(entry);
                continue;
            }
            if let Some(hook) = self.hooks.iter().find(|hook| core::ptr::eq(hook.slot, slot)) {
                table = hook.table;
                plain = true;
                continue;
            }
            self.fresh.try_reserve(1).map_err(|_| MapError::OutOfMemory)?;
            self.hooks.try_reserve(1).map_err(|_| MapError::OutOfMemory)?;
            // A commit must not fail for want of memory.
            self.batch.reserve(self.fresh.len() + self.hooks.len() + 2)?;
            let new = update::new_table()?;
            self.fresh.push(new);
            if plain {
                // SAFETY: the table is plain memory of ours.
                unsafe { slot.write_volatile(Entry::table(machine_frame(new)).0) };
            } else {
                self.hooks.push(Hook { slot, table: new });
            }
            table = new;
            plain = true;
        }
        Ok((walk::slot(table, 1, address), plain))
    }

    /// Maps a page, or unmaps what is there. It takes effect by [`UserTables::commit`] at the latest.
    ///
    /// # Safety
    /// User mode may have the page: nothing else is in it that the kernel relies upon, and it stays the process's until it
    /// is unmapped and that was committed.
    pub unsafe fn set(&mut self, address: u64, mapping: Option<(Pfn, Prot)>) -> Result<(), MapError> {
        let (slot, plain, new) = match mapping {
            Some((pfn, prot)) => {
                let (slot, plain) = self.find_or_make(address)?;
                (slot, plain, Entry::user(machine_frame(pfn), prot.write, prot.execute))
            }
            None => match self.find(address) {
                Some((slot, plain)) => (slot, plain, Entry::NONE),
                None => return Ok(()),
            },
        };
        self.put(address, slot, plain, new)
    }

    fn put(&mut self, address: u64, slot: *mut u64, plain: bool, new: Entry) -> Result<(), MapError> {
        if plain {
            // SAFETY: the table is plain memory of ours.
            unsafe { slot.write_volatile(new.0) };
            return Ok(());
        }
        if !self.batch.has_room(1 + self.fresh.len() + self.hooks.len()) {
            // That makes room in what there is.
            self.commit()?;
        }
        // SAFETY: an entry of one of these tables.
        if unsafe { walk::read(slot) }.is_present() {
            self.batch.stale(address);
        }
        self.batch.set(slot, new)
    }

    /// Makes what was set take effect: one hypercall, none if nothing was.
    pub fn commit(&mut self) -> Result<(), MapError> {
        let mut batch = core::mem::take(&mut self.batch);
        let enlisted = self.enlist_in(&mut batch);
        self.batch = batch;
        enlisted?;
        let flush = self.is_loaded();
        // SAFETY: tables of user mode alone are changed; the caller of `set` answered for the frames.
        unsafe { self.batch.commit(flush)? };
        self.in_use = true;
        Ok(())
    }

    /// Adds to a batch, which has room, what makes the new tables tables.
    fn enlist_in(&mut self, batch: &mut Batch) -> Result<(), MapError> {
        for table in self.fresh.drain(..) {
            batch.protect(table, Protection::Read)?;
        }
        for hook in self.hooks.drain(..) {
            batch.set(hook.slot, Entry::table(machine_frame(hook.table)))?;
        }
        if !self.in_use {
            batch.operation(MMUEXT_PIN_L4_TABLE, self.frame.0);
        }
        Ok(())
    }

    /// Changes what the mapped pages of a range allow, as `decide` says; it is committed.
    pub fn protect(
        &mut self,
        range: Range<u64>,
        decide: &mut dyn FnMut(u64, Leaf) -> Prot,
    ) -> Result<(), MapError> {
        self.commit()?;
        let root = self.root();
        root.own_leaves(&range, &mut |address, slot, entry| {
            let prot = decide(address, Leaf::of(entry));
            let new = entry.with_access(prot.write, prot.execute);
            let old = entry.with_access(entry.is_writable(), entry.is_executable());
            if new == old { Ok(()) } else { self.put(address, slot, false, new) }
        })?;
        self.commit()
    }

    /// Calls `f` for each page mapped in a range; of changes that were not committed it sees what [`UserTables::entry`] does.
    pub fn visit(&self, range: Range<u64>, f: &mut dyn FnMut(u64, Leaf)) {
        let range = range.start..range.end.min(USER_END);
        let all: Result<(), core::convert::Infallible> =
            self.root().own_leaves(&range, &mut |address, _, entry| {
                f(address, Leaf::of(entry));
                Ok(())
            });
        let Ok(()) = all;
    }

    /// How many pages these tables take, but for those that are not committed.
    pub fn count_tables(&self) -> usize {
        let mut count = 0;
        let all: Result<(), core::convert::Infallible> = self.root().tables(&mut |_| {
            count += 1;
            Ok(())
        });
        let Ok(()) = all;
        count
    }

    /// Unmaps a range and frees the tables that become empty. When Xen has done so, `f` gets each page of ours that was mapped. If Xen
    /// refuses to end a grant in it, that and all else in the range stays.
    pub fn clear_range(&mut self, range: Range<u64>, f: &mut dyn FnMut(u64, Pfn)) -> Result<(), MapError> {
        let range = range.start..range.end.min(USER_END);
        self.commit()?;
        self.unmap_grants(&range)?;
        let mut cut = Cut::take()?;
        let cleared = self.clear(&mut cut, &range, f);
        cut.put_back();
        cleared
    }

    fn clear(
        &mut self,
        cut: &mut Cut,
        range: &Range<u64>,
        f: &mut dyn FnMut(u64, Pfn),
    ) -> Result<(), MapError> {
        loop {
            let all = match cut.cut(self.root(), range) {
                Ok(all) => all,
                Err(error) => {
                    cut.batch.discard();
                    return Err(error);
                }
            };
            // SAFETY: tables of user mode alone are changed.
            unsafe { cut.batch.commit(self.is_loaded())? };
            // SAFETY: committed.
            unsafe { cut.finish(f) };
            if all {
                return Ok(());
            }
        }
    }

    /// A second set of tables with the mappings of the ranges, as `decide` says of each. One hypercall for both.
    ///
    /// After an error there is no child; pages that were to be protected may be.
    ///
    /// # Safety
    /// As for [`UserTables::set`]: the pages are the other process's as well from now on.
    pub unsafe fn fork_copy(
        &mut self,
        ranges: impl IntoIterator<Item = Range<u64>>,
        decide: &mut dyn FnMut(u64, Leaf) -> Fork,
    ) -> Result<Self, MapError> {
        self.commit()?;
        let mut child = Self::new()?;
        let mut near: Option<(u64, Pfn)> = None;
        for range in ranges {
            self.root().own_leaves::<MapError>(&range, &mut |address, slot, entry| {
                let fork = decide(address, Leaf::of(entry));
                let copy = match fork {
                    Fork::Skip => return Ok(()),
                    Fork::Share => entry.with_access(entry.is_writable(), entry.is_executable()),
                    Fork::Protect => entry.with_access(false, entry.is_executable()),
                };
                let region = address / walk::span(2);
                let place = match near {
                    Some((at, table)) if at == region => walk::slot(table, 1, address),
                    _ => {
                        let (place, _) = child.find_or_make(address)?;
                        near = Some((region, Pfn::of_address(place as u64)));
                        place
                    }
                };
                // SAFETY: the child's tables are plain memory still.
                unsafe { place.write_volatile(copy.0) };
                if fork == Fork::Protect && entry.is_writable() {
                    self.batch.stale(address);
                    self.batch.set(slot, copy)?;
                    if self.batch.len() >= FORK_PORTION {
                        self.commit()?;
                    }
                }
                Ok(())
            })?;
        }
        self.batch.reserve(child.fresh.len())?;
        child.enlist_in(&mut self.batch)?;
        let flush = self.is_loaded();
        // SAFETY: as in `commit`; the child's entries have the frames of this one's.
        unsafe { self.batch.commit(flush)? };
        child.in_use = true;
        Ok(child)
    }
}

impl Drop for UserTables {
    fn drop(&mut self) {
        for table in self.fresh.drain(..) {
            // SAFETY: never a table for Xen, always writable.
            unsafe { update::release_table(table) };
        }
        if !self.in_use {
            return;
        }
        if self.unmap_grants(&(0..USER_END)).is_err() {
            log::error!("a grant does not end: a process's page tables stay for good");
            return;
        }
        let mut release = Release::new();
        if self.is_loaded() {
            release.first(MMUEXT_NEW_USER_BASEPTR, 0);
            loaded::forget_tables();
        }
        release.first(MMUEXT_UNPIN_TABLE, self.frame.0);
        let released = self.root().tables(&mut |table| release.add(table)).and_then(|()| release.flush());
        if let Err(errno) = released {
            log::error!("Xen refused to let go of a process's page tables: {errno}");
        }
    }
}
