//! Addresses of the kernel at which frames of another domain are mapped while it copies from or to them.

use core::ptr::NonNull;

use alloc::boxed::Box;

use xen_sys::PAGE_SIZE;
use xen_sys::xen::{
    DOMID_FIRST_RESERVED, MMU_NORMAL_PT_UPDATE, MMU_PT_UPDATE_NO_TRANSLATE, MMUEXT_TLB_FLUSH_LOCAL,
    MmuUpdate, MmuextOp,
};

use super::ESRCH;
use crate::hypercall::{Errno, Multicall};
use crate::memory::address::{Entry, Mfn, Protection};
use crate::memory::paging::{self, MapError};
use crate::thread::stack;

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
        Ok(Self { address, entries, mapped: 0 })
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
        let flush = [MmuextOp { cmd: MMUEXT_TLB_FLUSH_LOCAL, ..MmuextOp::default() }];
        let mut done = 0;
        let mut calls = Multicall::<2>::new();
        calls.mmu_update_foreign(&updates[..used], &mut done, domain);
        if self.mapped > 0 {
            calls.mmuext(&flush);
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

    /// Shows nothing any more.
    pub fn close(&mut self) -> Result<(), Errno> {
        if self.mapped == 0 {
            return Ok(());
        }
        let mut updates = [MmuUpdate::default(); Self::PAGES];
        for (update, entry) in updates.iter_mut().zip(self.entries.iter()) {
            *update = MmuUpdate { ptr: entry | MMU_NORMAL_PT_UPDATE, val: Entry::NONE.0 };
        }
        let flush = [MmuextOp { cmd: MMUEXT_TLB_FLUSH_LOCAL, ..MmuextOp::default() }];
        let mut calls = Multicall::<2>::new();
        calls.mmu_update(updates.get(..self.mapped).unwrap_or_default());
        calls.mmuext(&flush);
        // SAFETY: the window's own entries; nobody uses what was shown.
        unsafe { calls.issue()? };
        self.mapped = 0;
        Ok(())
    }

    /// Where its first page is. Of what it shows only that many pages are there as [`Window::show`] said; another domain may
    /// change them at any time.
    pub fn as_ptr(&self) -> NonNull<u8> {
        NonNull::new(self.address as *mut u8).expect("the area of run-time mappings does not begin at zero")
    }
}
