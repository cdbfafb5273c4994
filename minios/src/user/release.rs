//! The end of a process's page tables. It takes no memory: a process must be able to end when there is none.

use xen_sys::xen::{MMUEXT_TLB_FLUSH_LOCAL, MmuUpdate, MmuextOp};

use super::update;
use crate::hypercall::{Errno, Multicall};
use crate::memory::address::{Entry, Pfn, Protection};
use crate::memory::paging;

/// Tables given back by one hypercall.
const LEN: usize = 64;

/// Tables on their way back to the page allocator.
pub(super) struct Release {
    /// What Xen has to do before it lets go of them.
    first: [MmuextOp; 2],
    first_len: usize,
    tables: [(Pfn, MmuUpdate); LEN],
    len: usize,
}

impl Release {
    pub fn new() -> Self {
        let tables = [(Pfn(0), MmuUpdate::default()); LEN];
        Self { first: [MmuextOp::default(); 2], first_len: 0, tables, len: 0 }
    }

    /// Adds an operation that comes before all.
    pub fn first(&mut self, cmd: u32, arg1: u64) {
        self.first[self.first_len] = MmuextOp { cmd, pad: 0, arg1, arg2: 0 };
        self.first_len += 1;
    }

    /// Adds a table; those below it came before, and nobody reads what is in it any more.
    pub fn add(&mut self, table: Pfn) -> Result<(), Errno> {
        if self.len == LEN {
            self.flush()?;
        }
        if let Some((ptr, old)) = paging::direct_entry(table) {
            let val = Entry::page(old.mfn(), Protection::ReadWrite).0;
            self.tables[self.len] = (table, MmuUpdate { ptr, val });
            self.len += 1;
        }
        Ok(())
    }

    /// Gives back what was added.
    pub fn flush(&mut self) -> Result<(), Errno> {
        let tables = &self.tables[..core::mem::take(&mut self.len)];
        let mut updates = [MmuUpdate::default(); LEN];
        updates.iter_mut().zip(tables).for_each(|(update, (_, wanted))| *update = *wanted);
        let flush = [MmuextOp { cmd: MMUEXT_TLB_FLUSH_LOCAL, ..Default::default() }];
        let mut calls = Multicall::<3>::new();
        if self.first_len > 0 {
            calls.mmuext(&self.first[..core::mem::take(&mut self.first_len)]);
        }
        calls.mmu_update(&updates[..tables.len()]);
        calls.mmuext(&flush);
        // SAFETY: user mode does not run on the tables any more; their pages get their writable mapping back.
        unsafe { calls.issue()? };
        for (table, _) in tables {
            // SAFETY: no table any more, and writable.
            unsafe { update::release_table(*table) };
        }
        Ok(())
    }
}
