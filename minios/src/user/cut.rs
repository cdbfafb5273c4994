//! Which entries to take out so that a range of addresses maps nothing, and which tables become free by it.
//!
//! The lists have a fixed size, and what does not fit is left for a next cut: giving memory back takes none.

use alloc::vec::Vec;
use core::ops::Range;

use super::tables::USER_END;
use super::update::{self, Batch};
use super::walk::{self, Table};
use crate::memory::address::{Entry, Pfn, Protection};
use crate::memory::paging::MapError;
use crate::sync::SpinLock;

/// Entries of each list. A cut is one hypercall; the 256 pages that a device model has mapped at once are to fit.
const LEN: usize = 320;
// The spare one keeps its memory.
const _: () = assert!(2 * LEN <= update::FULL);

/// What was taken out. The frames may be touched once the batch is committed.
pub(super) struct Cut {
    pub batch: Batch,
    /// Single pages.
    pages: Vec<(u64, Pfn)>,
    /// Single frames of other domains, counted: nobody takes them back but Xen.
    foreign: usize,
    /// Tables whose entries are still in them, to be read after the commit.
    parts: Vec<Table>,
    /// All tables that become free.
    tables: Vec<Pfn>,
}

/// One is always there, for memory to be given back when there is none.
static SPARE: SpinLock<Option<Cut>> = SpinLock::new(None);

/// Makes the spare one.
pub(super) fn init() -> Result<(), MapError> {
    let cut = Cut::new()?;
    *SPARE.lock() = Some(cut);
    Ok(())
}

/// How a cut of a table ended.
#[derive(PartialEq, Eq)]
enum Done {
    /// Nothing is left in the table.
    Empty,
    /// Something is left, but nothing in the range.
    Rest,
    /// The lists are full: there may be more.
    Full,
}

impl Cut {
    fn new() -> Result<Self, MapError> {
        let mut batch = Batch::new()?;
        batch.reserve(2 * LEN)?;
        Ok(Self { batch, pages: list()?, foreign: 0, parts: list()?, tables: list()? })
    }

    /// The spare one, or a new one while that is in use.
    pub fn take() -> Result<Self, MapError> {
        let spare = SPARE.lock().take();
        spare.map_or_else(Self::new, Ok)
    }

    /// Gives it back.
    pub fn put_back(self) {
        *SPARE.lock() = Some(self);
    }

    /// Takes a range out of the tables below `root`, or as much as one commit can hold, and enlists the commit's updates.
    /// `true`: that was all.
    pub fn cut(&mut self, root: Table, range: &Range<u64>) -> Result<bool, MapError> {
        self.pages.clear();
        self.foreign = 0;
        self.parts.clear();
        self.tables.clear();
        let done = self.cut_table(root, range)?;
        for table in 0..self.tables.len() {
            self.batch.protect(self.tables[table], Protection::ReadWrite)?;
        }
        if !self.tables.is_empty() {
            self.batch.kernel_stale();
        }
        Ok(done != Done::Full)
    }

    /// Entries that the lists still hold, each with its update.
    fn room(&self) -> usize {
        LEN - self.pages.len() - self.foreign - self.parts.len() - self.tables.len()
    }

    fn cut_table(&mut self, table: Table, range: &Range<u64>) -> Result<Done, MapError> {
        let mut removed = 0;
        for (base, slot, entry) in table.entries(range) {
            if self.room() < 4 {
                return Ok(Done::Full);
            }
            if table.level == 1 {
                match entry.is_foreign() {
                    true => self.foreign += 1,
                    false => self.pages.push((base, walk::below(entry))),
                }
                self.batch.set(slot, Entry::NONE)?;
                self.batch.stale(base);
                removed += 1;
                continue;
            }
            let child = table.child(base, entry);
            if holds_all(range, child) && self.take_whole(child) {
                // All below goes with it.
            } else {
                match self.cut_table(child, range)? {
                    Done::Empty if self.room() > 0 => self.tables.push(child.pfn),
                    Done::Rest => continue,
                    _ => return Ok(Done::Full),
                }
            }
            self.batch.set(slot, Entry::NONE)?;
            self.batch.all_stale();
            removed += 1;
        }
        // A last-level table that becomes empty was taken whole. One that was empty before is found so by its parent's range.
        let empty = match (removed, table.level) {
            (_, 1) => false,
            (0, _) => !table.maps_any(&table.range()),
            _ => removed == table.entries(&table.range()).count(),
        };
        Ok(if empty { Done::Empty } else { Done::Rest })
    }

    /// Lists a table and all below it as free, if there is room for them.
    fn take_whole(&mut self, table: Table) -> bool {
        let before = self.tables.len();
        let room = self.room() - 2;
        let tables = &mut self.tables;
        let listed = table.tables(&mut |pfn| {
            if tables.len() - before >= room {
                return Err(());
            }
            tables.push(pfn);
            Ok(())
        });
        if listed.is_err() {
            self.tables.truncate(before);
            return false;
        }
        self.parts.push(table);
        true
    }

    /// After the commit: hands out the pages that were mapped, and gives the tables back.
    ///
    /// # Safety
    /// The batch was committed.
    pub unsafe fn finish(&mut self, f: &mut dyn FnMut(u64, Pfn)) {
        self.pages.drain(..).for_each(|(address, pfn)| f(address, pfn));
        for part in self.parts.drain(..) {
            let all: Result<(), core::convert::Infallible> =
                part.own_leaves(&part.range(), &mut |address, _, entry| {
                    f(address, walk::below(entry));
                    Ok(())
                });
            let Ok(()) = all;
        }
        // SAFETY: Xen has let go of them, and they are writable again.
        self.tables.drain(..).for_each(|table| unsafe { update::release_table(table) });
    }
}

/// Whether all that a table maps lies in the range.
fn holds_all(range: &Range<u64>, table: Table) -> bool {
    let spanned = table.range();
    let end = spanned.end.min(USER_END);
    if range.start <= spanned.start && range.end >= end {
        return true;
    }
    table.level == 1 && !table.maps_any(&(spanned.start..range.start)) && !table.maps_any(&(range.end..end))
}

fn list<T>() -> Result<Vec<T>, MapError> {
    let mut list = Vec::new();
    list.try_reserve_exact(LEN).map_err(|_| MapError::OutOfMemory)?;
    Ok(list)
}
