//! Page tables of user mode as memory: every table is a page of the direct map, readable there whether in use or not.

use core::ops::Range;

use crate::memory::address::{Entry, Pfn, index};
use crate::memory::paging::page_frame;

/// Bytes that an entry of a table of this level spans.
pub(super) const fn span(level: u32) -> u64 {
    1 << (12 + 9 * (level - 1))
}

/// The entry of a table for an address. It may be written while the table is not in use yet, and by Xen alone after.
pub(super) fn slot(table: Pfn, level: u32, address: u64) -> *mut u64 {
    slot_at(table, index(address, level))
}

fn slot_at(table: Pfn, index: usize) -> *mut u64 {
    (table.direct_address() + index as u64 * 8) as *mut u64
}

/// Reads an entry.
///
/// # Safety
/// `slot` is an entry of a live table.
pub(super) unsafe fn read(slot: *const u64) -> Entry {
    // SAFETY: promised by the caller; the processor and Xen write it as well.
    Entry(unsafe { slot.read_volatile() })
}

/// The table, or the page of our own, that an entry leads to.
pub(super) fn below(entry: Entry) -> Pfn {
    page_frame(entry.mfn())
}

/// The part of an address range that an entry at `at` spans.
fn clip(range: &Range<u64>, at: u64, level: u32) -> Range<u64> {
    range.start.max(at)..range.end.min(at.saturating_add(span(level)))
}

/// A table, where it is in the address space.
#[derive(Clone, Copy)]
pub(super) struct Table {
    pub pfn: Pfn,
    pub level: u32,
    /// First address that it spans.
    pub base: u64,
}

impl Table {
    /// Its present entries for the addresses in the range: address, slot and value. Those of Xen in the top table are not
    /// reached, as addresses of user mode end before.
    pub fn entries(self, range: &Range<u64>) -> impl Iterator<Item = (u64, *mut u64, Entry)> + use<> {
        let (mut next, end) = self.indices(range);
        core::iter::from_fn(move || {
            let index = self.next_present(next, end)?;
            next = index + 1;
            let slot = slot_at(self.pfn, index);
            // SAFETY: a live table has 512 entries.
            let entry = unsafe { read(slot) };
            Some((self.base + index as u64 * span(self.level), slot, entry))
        })
    }

    /// Whether any page or table is mapped in the range.
    pub fn maps_any(self, range: &Range<u64>) -> bool {
        let (first, end) = self.indices(range);
        self.next_present(first, end).is_some()
    }

    /// The entries for the addresses in a range.
    fn indices(self, range: &Range<u64>) -> (usize, usize) {
        let part = clip(range, self.base, self.level + 1);
        if part.is_empty() {
            return (0, 0);
        }
        let index = |address: u64| (address - self.base).div_ceil(span(self.level)) as usize;
        (((part.start - self.base) / span(self.level)) as usize, index(part.end).min(512))
    }

    /// The first entry from `next` on that is present. Most tables are mostly empty, so it looks at eight at a time.
    fn next_present(self, mut next: usize, end: usize) -> Option<usize> {
        let table = self.pfn.direct_address() as *const [[u64; 8]; 64];
        // SAFETY: a live table; while the kernel runs nobody changes it but Xen on request, and not during this.
        let table = unsafe { &*table };
        while next < end {
            let group = &table[next / 8];
            if next.is_multiple_of(8) && group.iter().fold(0, |all, entry| all | entry) == 0 {
                next += 8;
                continue;
            }
            if Entry(group[next % 8]).is_present() {
                return Some(next);
            }
            next += 1;
        }
        None
    }

    /// The table that one of its entries leads to.
    pub fn child(self, base: u64, entry: Entry) -> Self {
        Self { pfn: below(entry), level: self.level - 1, base }
    }

    /// All addresses that it spans, those of user mode for the top table.
    pub fn range(self) -> Range<u64> {
        if self.level == 4 { 0..super::USER_END } else { self.base..self.base + span(self.level + 1) }
    }

    /// Calls `f` with address, slot and value of each page mapped in the range.
    pub fn leaves<E>(
        self,
        range: &Range<u64>,
        f: &mut dyn FnMut(u64, *mut u64, Entry) -> Result<(), E>,
    ) -> Result<(), E> {
        for (base, slot, entry) in self.entries(range) {
            if self.level == 1 { f(base, slot, entry)? } else { self.child(base, entry).leaves(range, f)? }
        }
        Ok(())
    }

    /// The same of pages of our own alone.
    pub fn own_leaves<E>(
        self,
        range: &Range<u64>,
        f: &mut dyn FnMut(u64, *mut u64, Entry) -> Result<(), E>,
    ) -> Result<(), E> {
        self.leaves(range, &mut |address, slot, entry| {
            if entry.is_foreign() { Ok(()) } else { f(address, slot, entry) }
        })
    }

    /// Calls `f` with this table and all below.
    pub fn tables<E>(self, f: &mut dyn FnMut(Pfn) -> Result<(), E>) -> Result<(), E> {
        if self.level > 1 {
            for (base, _, entry) in self.entries(&self.range()) {
                self.child(base, entry).tables(f)?;
            }
        }
        f(self.pfn)
    }
}
