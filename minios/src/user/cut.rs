//! Which entries to take out so that a range of addresses maps nothing, and which tables become free by it.

use alloc::vec::Vec;
use core::ops::Range;

use super::tables::USER_END;
use super::update::{self, Batch};
use super::walk::{self, Table};
use crate::memory::address::{Entry, Pfn};
use crate::memory::paging::MapError;

/// What was taken out. The frames may be touched once the batch is committed.
#[derive(Default)]
pub(super) struct Cut {
    /// Single pages.
    pub pages: Vec<(u64, Pfn)>,
    /// Tables whose entries are still in them, to be read after the commit.
    pub parts: Vec<Table>,
    /// All tables that become free.
    pub tables: Vec<Pfn>,
    /// Where it stopped, if there was too much for one batch.
    pub stopped_at: Option<u64>,
}

impl Cut {
    /// Takes a range out of a table. `true`: nothing is left in it.
    pub fn cut(&mut self, batch: &mut Batch, table: Table, range: &Range<u64>) -> Result<bool, MapError> {
        let mut removed = 0;
        for (base, slot, entry) in table.entries(range) {
            if batch.len() + self.tables.len() >= update::FULL {
                self.stopped_at = self.stopped_at.or(Some(base.max(range.start)));
                return Ok(false);
            }
            if table.level == 1 {
                push(&mut self.pages, (base, walk::below(entry)))?;
                batch.set(slot, Entry::NONE)?;
                batch.stale(base);
                removed += 1;
                continue;
            }
            let child = table.child(base, entry);
            if holds_all(range, child) {
                update::list(child, &mut self.tables)?;
                push(&mut self.parts, child)?;
            } else if self.cut(batch, child, range)? {
                push(&mut self.tables, child.pfn)?;
            } else if self.stopped_at.is_some() {
                return Ok(false);
            } else {
                continue;
            }
            batch.set(slot, Entry::NONE)?;
            batch.all_stale();
            removed += 1;
        }
        Ok(removed == table.entries(&table.range()).count())
    }
}

/// Whether all that a table maps lies in the range.
fn holds_all(range: &Range<u64>, table: Table) -> bool {
    let spanned = table.range();
    let end = spanned.end.min(USER_END);
    if range.start <= spanned.start && range.end >= end {
        return true;
    }
    let outside = |part: Range<u64>| table.entries(&part).next().is_some();
    table.level == 1 && !outside(spanned.start..range.start) && !outside(range.end..end)
}

fn push<T>(to: &mut Vec<T>, value: T) -> Result<(), MapError> {
    to.try_reserve(1).map_err(|_| MapError::OutOfMemory)?;
    to.push(value);
    Ok(())
}
