//! Frames of other domains in a process's page tables: mapped by number as its device model may, or by grant.
//!
//! Their entries bear a bit for software, and none of the functions for pages of our own sees them: a foreign frame number is
//! never taken for one of ours. Xen counts the references to foreign frames itself, so taking the entry out ends a mapping. A
//! grant is ended by name, before its table may go.

use alloc::vec::Vec;
use core::ops::Range;

use xen_sys::grant_table::{
    GNTMAP_APPLICATION_MAP, GNTMAP_CONTAINS_PTE, GNTMAP_GUEST_AVAIL0, GNTMAP_HOST_MAP, GNTMAP_READONLY,
    MapGrantRef, UnmapGrantRef,
};
use xen_sys::xen::{DOMID_FIRST_RESERVED, MMU_NORMAL_PT_UPDATE, MMU_PT_UPDATE_NO_TRANSLATE, MmuUpdate};

use super::tables::{Mapped, USER_END, UserTables};
use super::walk;
use crate::hypercall::{self, Errno};
use crate::memory::address::{Entry, Mfn, Pfn};
use crate::memory::paging::{MapError, machine_frame};

/// Updates that one hypercall gets at most.
const PORTION: usize = 512;
/// Grants that one hypercall maps or unmaps at most.
const FEW: usize = 32;
/// Frame numbers are smaller.
const FRAMES: u64 = 1 << 40;

/// `GNTST_general_error`
const GENERAL_ERROR: i16 = -1;

const ESRCH: Errno = Errno(3);
const EPERM: Errno = Errno(1);
const EBUSY: Errno = Errno(16);
const EINVAL: Errno = Errno(22);

/// What a frame number counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Counting {
    /// The frames of the other domain, as it sees them: Xen translates.
    Guest,
    /// The machine's frames.
    Machine,
}

/// A frame of another domain that is mapped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ForeignLeaf {
    /// The machine's frame.
    pub frame: Mfn,
    /// User mode may write.
    pub write: bool,
    /// The grant that it came by, if any.
    pub grant: Option<Grant>,
}

/// A grant to map.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Grant {
    /// Who grants.
    pub domain: u16,
    /// Its reference.
    pub gref: u32,
}

/// A grant that is mapped.
pub(super) struct MappedGrant {
    handle: u32,
    grant: Grant,
    /// Xen refused to end it, which was said.
    is_stuck: bool,
}

impl UserTables {
    /// The foreign frame that is mapped at an address.
    pub fn foreign(&self, address: u64) -> Option<ForeignLeaf> {
        match self.look(address)? {
            Mapped::Own(_) => None,
            Mapped::Foreign(leaf) => Some(leaf),
        }
    }

    pub(super) fn foreign_leaf(&self, address: u64, entry: Entry) -> ForeignLeaf {
        let grant = self.grants.get(&(address & !0xfff)).map(|mapped| mapped.grant);
        ForeignLeaf { frame: entry.mfn(), write: entry.is_writable(), grant }
    }

    /// The foreign frame that is mapped at a page, and how many that came by number with the same rights follow each other from
    /// there: their frames, as many as there is room for. A grant stands alone. The tables are walked once.
    pub fn foreign_run(&self, page: u64, frames: &mut [Mfn]) -> Option<(ForeignLeaf, usize)> {
        let mut first: Option<ForeignLeaf> = None;
        let mut next = page;
        let mut frames = frames.iter_mut();
        let end = page.saturating_add(frames.len() as u64 * 0x1000).min(USER_END);
        // An error is the end of the run.
        let _ = self.root().leaves(&(page..end), &mut |address, _, entry| {
            let leaf = self.foreign_leaf(address, entry);
            let goes_on = first.is_none_or(|first| {
                first.write == leaf.write && first.grant.is_none() && leaf.grant.is_none()
            });
            if address != next || !entry.is_foreign() || !goes_on {
                return Err(());
            }
            *frames.next().ok_or(())? = leaf.frame;
            first.get_or_insert(leaf);
            next += 0x1000;
            Ok(())
        });
        first.map(|first| (first, ((next - page) / 0x1000) as usize))
    }

    /// Maps frames of another domain, one page after another, where nothing is mapped; it takes effect at once. `errors` gets what
    /// Xen answered to each, as a positive errno, and 0 for those that are mapped: `ESRCH` without such a domain, `EPERM` if it is
    /// none that we look after, `EINVAL` for a frame that is not there or may not be mapped, `ENOENT` for one that is paged out;
    /// `EBUSY` where something is mapped.
    pub fn map_foreign(
        &mut self,
        address: u64,
        domain: u16,
        frames: &[u64],
        counting: Counting,
        write: bool,
        errors: &mut [i32],
    ) -> Result<(), MapError> {
        self.make_tables(address, frames.len())?;
        let mut updates: Vec<MmuUpdate> = Vec::new();
        let mut pages: Vec<u32> = Vec::new();
        let room = frames.len().min(PORTION);
        updates.try_reserve_exact(room).map_err(|_| MapError::OutOfMemory)?;
        pages.try_reserve_exact(room).map_err(|_| MapError::OutOfMemory)?;
        let command = match counting {
            Counting::Guest => MMU_NORMAL_PT_UPDATE,
            Counting::Machine => MMU_PT_UPDATE_NO_TRANSLATE,
        };
        for (portion, (frames, errors)) in frames.chunks(PORTION).zip(errors.chunks_mut(PORTION)).enumerate()
        {
            let first = address + (portion * PORTION) as u64 * 0x1000;
            updates.clear();
            pages.clear();
            for (page, (frame, error)) in frames.iter().zip(errors.iter_mut()).enumerate() {
                *error = match self.free_entry(first + page as u64 * 0x1000) {
                    Err(errno) => errno.0,
                    Ok(_) if *frame >= FRAMES => EINVAL.0,
                    Ok(_) if domain >= DOMID_FIRST_RESERVED => ESRCH.0,
                    Ok(ptr) => {
                        updates.push(MmuUpdate {
                            ptr: ptr | command,
                            val: Entry::foreign(Mfn(*frame), write).0,
                        });
                        pages.push(page as u32);
                        0
                    }
                };
            }
            update_each(&updates, domain, &mut |update, errno| {
                let page = pages.get(update).map_or(usize::MAX, |page| *page as usize);
                if let Some(error) = errors.get_mut(page) {
                    *error = errno.0;
                }
            });
        }
        Ok(())
    }

    /// Maps grants of other domains, one page after another, where nothing is mapped; it takes effect at once. `status` gets what
    /// Xen answered to each (`GNTST_*`, negative), and 0 for those that are mapped; `GNTST_general_error` where
    /// something is mapped.
    pub fn map_grants(
        &mut self,
        address: u64,
        grants: &[Grant],
        write: bool,
        status: &mut [i16],
    ) -> Result<(), MapError> {
        self.make_tables(address, grants.len())?;
        let flags = GNTMAP_HOST_MAP | GNTMAP_APPLICATION_MAP | GNTMAP_CONTAINS_PTE | GNTMAP_GUEST_AVAIL0;
        let flags = flags | if write { 0 } else { GNTMAP_READONLY };
        for (portion, (grants, status)) in grants.chunks(FEW).zip(status.chunks_mut(FEW)).enumerate() {
            let first = address + (portion * FEW) as u64 * 0x1000;
            let mut operations = [MapGrantRef::default(); FEW];
            let mut pages = [0; FEW];
            let mut count = 0;
            for (page, (grant, status)) in grants.iter().zip(status.iter_mut()).enumerate() {
                *status = GENERAL_ERROR;
                if let Ok(host_addr) = self.free_entry(first + page as u64 * 0x1000) {
                    let (gref, dom) = (grant.gref, grant.domain);
                    operations[count] = MapGrantRef {
                        host_addr,
                        flags,
                        gref,
                        dom,
                        status: GENERAL_ERROR,
                        ..Default::default()
                    };
                    pages[count] = page;
                    count += 1;
                }
            }
            let operations = operations.get_mut(..count).unwrap_or_default();
            // SAFETY: entries of tables of user mode, which are in use and map nothing there.
            if let Err(errno) = unsafe { hypercall::grant_map(operations) } {
                log::error!(target: "grants", "GNTTABOP_map_grant_ref for a process: {errno}");
            }
            for (operation, page) in operations.iter().zip(pages) {
                if let Some(status) = status.get_mut(page) {
                    *status = operation.status;
                }
                if operation.status == 0 {
                    let grant = Grant { domain: operation.dom, gref: operation.gref };
                    let mapped = MappedGrant { handle: operation.handle, grant, is_stuck: false };
                    self.grants.insert(first + page as u64 * 0x1000, mapped);
                }
            }
        }
        Ok(())
    }

    /// Ends the grants in a range. Xen flushes the TLB. One that it refuses to end stays in the list, to be tried again, and is an
    /// error: its entry and its table must stay as they are, since Xen may count on them.
    pub(super) fn unmap_grants(&mut self, range: &Range<u64>) -> Result<(), MapError> {
        let mut left = range.clone();
        let mut refused = None;
        loop {
            let mut operations = [UnmapGrantRef::default(); FEW];
            let mut addresses = [0; FEW];
            let mut count = 0;
            for (&address, mapped) in self.grants.range(left.clone()).take(FEW) {
                let host_addr = self.find(address).map_or(0, |(slot, _)| machine_address(slot));
                let (handle, status) = (mapped.handle, GENERAL_ERROR);
                operations[count] = UnmapGrantRef { host_addr, handle, status, ..UnmapGrantRef::default() };
                addresses[count] = address;
                left.start = address + 0x1000;
                count += 1;
            }
            let operations = operations.get_mut(..count).unwrap_or_default();
            if operations.is_empty() {
                return refused.map_or(Ok(()), |errno| Err(MapError::Refused(errno)));
            }
            // SAFETY: user mode does not run, and the kernel does not use mappings of user mode.
            if let Err(errno) = unsafe { hypercall::grant_unmap(operations) } {
                refused = Some(errno);
            }
            for (operation, address) in operations.iter().zip(addresses) {
                if operation.status == 0 {
                    self.grants.remove(&address);
                    continue;
                }
                refused.get_or_insert(EINVAL);
                if let Some(mapped) = self.grants.get_mut(&address)
                    && !core::mem::replace(&mut mapped.is_stuck, true)
                {
                    let (Grant { domain, gref }, status) = (mapped.grant, operation.status);
                    log::error!(
                        target: "grants",
                        "grant {gref} of domain {domain} does not end in a process: status {status}"
                    );
                }
            }
        }
    }

    /// Makes the tables for so many pages, and has Xen know them: it does not check what is put into memory that is no table yet.
    fn make_tables(&mut self, address: u64, pages: usize) -> Result<(), MapError> {
        let bytes = (pages as u64).checked_mul(0x1000).ok_or(EINVAL)?;
        let end = address.checked_add(bytes).filter(|end| *end <= USER_END).ok_or(EINVAL)?;
        let mut at = address;
        while at < end {
            self.find_or_make(at)?;
            at = (at | (walk::span(2) - 1)) + 1;
        }
        self.commit()
    }

    /// The machine address of the entry for a page at which nothing is mapped.
    fn free_entry(&self, address: u64) -> Result<u64, Errno> {
        match self.find(address) {
            // SAFETY: an entry of one of these tables.
            Some((slot, false)) if unsafe { walk::read(slot) } == Entry::NONE => Ok(machine_address(slot)),
            Some((_, false)) => Err(EBUSY),
            _ => Err(EINVAL),
        }
    }
}

/// The machine address of an entry.
fn machine_address(slot: *const u64) -> u64 {
    let address = slot as u64;
    machine_frame(Pfn::of_address(address)).address() + (address & 0xfff)
}

/// Has Xen make updates, and tells which it refuses: each for itself, unless it is the domain that is refused.
fn update_each(updates: &[MmuUpdate], domain: u16, failed: &mut dyn FnMut(usize, Errno)) {
    let mut at = 0;
    while let Some(rest) = updates.get(at..).filter(|rest| !rest.is_empty()) {
        // SAFETY: entries of tables of user mode that map nothing get frames that are not ours.
        let Err((done, errno)) = (unsafe { hypercall::mmu_update_foreign(rest, domain) }) else { return };
        at += done;
        if errno == ESRCH || errno == EPERM {
            (at..updates.len()).for_each(|update| failed(update, errno));
            return;
        }
        failed(at, errno);
        at += 1;
    }
}
