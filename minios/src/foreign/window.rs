//! Addresses of the kernel at which frames of another domain are mapped while it copies from or to them.

use core::ptr::NonNull;

use alloc::boxed::Box;

use xen_sys::PAGE_SIZE;
use xen_sys::grant_table::{GNTMAP_HOST_MAP, GNTMAP_READONLY, MapGrantRef, UnmapGrantRef};
use xen_sys::xen::{
    DOMID_FIRST_RESERVED, MMU_NORMAL_PT_UPDATE, MMU_PT_UPDATE_NO_TRANSLATE, MMUEXT_INVLPG_LOCAL,
    MMUEXT_TLB_FLUSH_LOCAL, MmuUpdate, MmuextOp,
};

use super::{EINVAL, ESRCH};
use crate::hypercall::{self, Errno, Multicall};
use crate::memory::address::{Entry, Mfn, Protection};
use crate::memory::paging::{self, MapError};
use crate::thread::stack;
use crate::user::Grant;

/// Pages that are flushed from the TLB one by one; more are flushed with all of it.
const FEW: usize = 8;

/// What is done with the frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rights {
    /// They are read.
    Read,
    /// They are read and written.
    Write,
}

/// A window on another domain's memory. What was mapped stays until something else is, or it is closed.
pub struct Window {
    address: u64,
    /// Machine addresses of the entries.
    entries: Box<[u64; Self::PAGES]>,
    /// Pages that are mapped.
    mapped: usize,
    /// The handle of the grant that is mapped at the first page instead.
    grant: Option<u32>,
}

impl Window {
    /// Pages that it shows at once.
    pub const PAGES: usize = 64;

    /// A window that shows nothing.
    pub fn new() -> Result<Self, MapError> {
        let mut entries = Box::new([0; Self::PAGES]);
        let address = stack::reserve(Self::PAGES);
        for (page, entry) in entries.iter_mut().enumerate() {
            let made = paging::prepare(address + (page * PAGE_SIZE) as u64);
            match made {
                Ok(machine) => *entry = machine,
                Err(error) => {
                    stack::give_back(address, Self::PAGES);
                    return Err(error);
                }
            }
        }
        Ok(Self { address, entries, mapped: 0, grant: None })
    }

    /// Shows frames of a domain in place of what was shown, as many as there is room for, with one trap. Returns how many; fewer
    /// when Xen refuses one.
    pub fn show(&mut self, domain: u16, frames: &[Mfn], rights: Rights) -> Result<usize, Errno> {
        if domain >= DOMID_FIRST_RESERVED {
            return Err(ESRCH);
        }
        let protection = match rights {
            Rights::Read => Protection::Read,
            Rights::Write => Protection::ReadWrite,
        };
        self.end_grant()?;
        let count = frames.len().min(Self::PAGES);
        let mut updates = [MmuUpdate::default(); Self::PAGES];
        let mut used = 0;
        for ((update, entry), frame) in updates.iter_mut().zip(self.entries.iter()).zip(frames) {
            let val = Entry::page(*frame, protection).0;
            *update = MmuUpdate { ptr: entry | MMU_PT_UPDATE_NO_TRANSLATE, val };
            used += 1;
        }
        let rest = updates.iter_mut().zip(self.entries.iter()).take(self.mapped).skip(used);
        for (update, entry) in rest {
            *update = MmuUpdate { ptr: entry | MMU_NORMAL_PT_UPDATE, val: Entry::NONE.0 };
            used += 1;
        }
        let (flushes, count_flushes) = self.flushes();
        let mut done = 0;
        let mut calls = Multicall::<2>::new();
        calls.mmu_update_foreign(updates.get(..used).unwrap_or_default(), &mut done, domain);
        if self.mapped > 0 {
            calls.mmuext(flushes.get(..count_flushes).unwrap_or_default());
        }
        // What is behind a refused one stays as it was.
        self.mapped = self.mapped.max(count);
        // SAFETY: the window's own entries; nobody uses what was shown before.
        let issued = unsafe { calls.issue() };
        if done == 0 && used > 0 {
            issued?;
        }
        Ok(count.min(done as usize))
    }

    /// Shows the page of a grant in place of what was shown.
    pub fn show_grant(&mut self, grant: Grant, rights: Rights) -> Result<(), Errno> {
        self.close()?;
        let read_only = if rights == Rights::Read { GNTMAP_READONLY } else { 0 };
        let mut operation = MapGrantRef {
            host_addr: self.address,
            flags: GNTMAP_HOST_MAP | read_only,
            gref: grant.gref,
            dom: grant.domain,
            ..MapGrantRef::default()
        };
        // SAFETY: the window's first page, at which nothing is mapped.
        unsafe { hypercall::grant_map(core::slice::from_mut(&mut operation))? };
        if operation.status != 0 {
            return Err(EINVAL);
        }
        self.grant = Some(operation.handle);
        Ok(())
    }

    fn end_grant(&mut self) -> Result<(), Errno> {
        let Some(handle) = self.grant else { return Ok(()) };
        let mut operation = UnmapGrantRef { host_addr: self.address, handle, ..UnmapGrantRef::default() };
        // SAFETY: nobody uses what was shown.
        unsafe { hypercall::grant_unmap(core::slice::from_mut(&mut operation))? };
        if operation.status != 0 {
            return Err(EINVAL);
        }
        self.grant = None;
        Ok(())
    }

    /// Shows nothing any more.
    pub fn close(&mut self) -> Result<(), Errno> {
        self.end_grant()?;
        if self.mapped == 0 {
            return Ok(());
        }
        let mut updates = [MmuUpdate::default(); Self::PAGES];
        for (update, entry) in updates.iter_mut().zip(self.entries.iter()) {
            *update = MmuUpdate { ptr: entry | MMU_NORMAL_PT_UPDATE, val: Entry::NONE.0 };
        }
        let (flushes, count_flushes) = self.flushes();
        let mut calls = Multicall::<2>::new();
        calls.mmu_update(updates.get(..self.mapped).unwrap_or_default());
        calls.mmuext(flushes.get(..count_flushes).unwrap_or_default());
        // SAFETY: the window's own entries; nobody uses what was shown.
        unsafe { calls.issue()? };
        self.mapped = 0;
        Ok(())
    }

    /// What makes the TLB forget the pages that are mapped, and how many operations it is.
    fn flushes(&self) -> ([MmuextOp; FEW], usize) {
        let mut operations = [MmuextOp { cmd: MMUEXT_TLB_FLUSH_LOCAL, ..MmuextOp::default() }; FEW];
        if self.mapped > FEW {
            return (operations, 1);
        }
        for (page, operation) in operations.iter_mut().enumerate() {
            let arg1 = self.address + (page * PAGE_SIZE) as u64;
            *operation = MmuextOp { cmd: MMUEXT_INVLPG_LOCAL, arg1, ..MmuextOp::default() };
        }
        (operations, self.mapped)
    }

    /// Where its first page is. Of what it shows only that many pages are there as [`Window::show`] said; another domain may
    /// change them at any time.
    pub fn as_ptr(&self) -> NonNull<u8> {
        NonNull::new(self.address as *mut u8).expect("the area of run-time mappings does not begin at zero")
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        match self.close() {
            Ok(()) => stack::give_back(self.address, Self::PAGES),
            // The addresses stay taken: better lost than used twice.
            Err(errno) => log::error!(target: "grants", "a window on another domain does not close: {errno}"),
        }
    }
}
