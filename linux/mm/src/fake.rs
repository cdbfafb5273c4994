//! Page tables for tests: a map, which panics when it is used against the rules, and counts commits as hypercalls.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::cell::Cell;
use core::ops::Range;
use core::ptr::NonNull;

use linux_base::{Errno, Result};

use crate::{Broken, Entry, Frame, Frames, Mapped, PAGE_SIZE, PageTables, Rights};

mod foreign;

pub use foreign::FakeForeign;

type Change = Option<(usize, Rights)>;

/// Page tables that no processor looks at.
pub struct FakeTables {
    entries: BTreeMap<u64, (usize, Rights)>,
    collected: Vec<(u64, Change)>,
    commits: usize,
    looks: Cell<usize>,
    /// Changes that are made before one is refused.
    accepted: usize,
    broken: Option<Broken>,
    foreign: FakeForeign,
}

impl FakeTables {
    /// The other domains, and what is mapped of them.
    pub fn others(&mut self) -> &mut FakeForeign {
        &mut self.foreign
    }

    /// How often something was changed: each would be a hypercall.
    pub fn commits(&self) -> usize {
        self.commits
    }

    /// How often a page was looked up: each would be a walk.
    pub fn looks(&self) -> usize {
        self.looks.get()
    }

    /// Makes the tables break by the change after so many.
    pub fn refuse_after(&mut self, changes: usize) {
        self.accepted = changes;
    }

    /// A page to map something at must be free.
    fn assert_free(&self, address: u64, pages: usize) {
        let end = address + (pages * PAGE_SIZE) as u64;
        assert!(self.range(address, end).is_empty(), "{address:#x} is mapped");
        assert!(self.collected.is_empty(), "a change is not committed");
    }

    fn usable(&self) -> Result<()> {
        if self.broken.is_none() { Ok(()) } else { Err(Errno::ENOMEM) }
    }

    /// Makes the changes that were collected, in order, as far as they are accepted. The others come to nothing, and with them
    /// the references that they were to hold.
    fn make(&mut self) -> Result<()> {
        if self.collected.is_empty() {
            return self.usable();
        }
        self.commits += 1;
        for (address, change) in core::mem::take(&mut self.collected) {
            if self.broken.is_some() || self.accepted == 0 {
                self.broken = Some(Broken::Refused);
                continue;
            }
            self.accepted -= 1;
            match change {
                Some(mapped) => self.entries.insert(address, mapped),
                None => self.entries.remove(&address),
            };
        }
        self.usable()
    }

    /// Takes all entries of a range out, and hands over those that are surely gone.
    fn empty(&mut self, start: u64, end: u64, gone: &mut dyn FnMut(u64, Frame)) {
        if self.make().is_err() {
            return;
        }
        let old = self.range(start, end);
        for (address, _) in &old {
            self.collect(*address, None);
        }
        // Taken out together.
        self.commits += usize::from(old.is_empty() && self.foreign.maps_any(&(start..end)));
        if self.make().is_err() {
            return;
        }
        self.foreign.clear(start, end);
        for (address, entry) in old {
            // SAFETY: the entry held this reference and is gone.
            gone(address, unsafe { Frame::from_number(entry.number) });
        }
    }

    fn collect(&mut self, address: u64, change: Change) {
        assert!(
            address.is_multiple_of(4096) && address < crate::USER_END,
            "{address:#x} is no page of a user"
        );
        self.collected.push((address, change));
    }

    fn range(&self, start: u64, end: u64) -> Vec<(u64, Entry)> {
        assert!(start <= end);
        self.entries
            .range(start..end)
            .map(|(address, &(number, rights))| (*address, entry(number, rights)))
            .collect()
    }
}

fn entry(number: usize, rights: Rights) -> Entry {
    Entry { number, rights, dirty: rights.write }
}

impl PageTables for FakeTables {
    fn new() -> Result<Self> {
        Ok(Self {
            entries: BTreeMap::new(),
            collected: Vec::new(),
            commits: 0,
            looks: Cell::new(0),
            accepted: usize::MAX,
            broken: None,
            foreign: FakeForeign::default(),
        })
    }

    fn broken(&self) -> Option<Broken> {
        self.broken
    }

    fn look(&self, address: u64) -> Option<Mapped> {
        assert!(self.collected.iter().all(|(other, _)| *other != address), "{address:#x} is not committed");
        self.looks.set(self.looks.get() + 1);
        match self.entries.get(&address) {
            Some(&(number, rights)) => Some(Mapped::Own(entry(number, rights))),
            None => self.foreign.rights(address).map(Mapped::Foreign),
        }
    }

    fn set(&mut self, address: u64, frame: Frame, rights: Rights) -> Result<()> {
        self.usable()?;
        let is_free = !self.entries.contains_key(&address) && self.foreign.rights(address).is_none();
        assert!(is_free, "{address:#x} is mapped");
        self.collect(address, Some((frame.into_number(), rights)));
        Ok(())
    }

    fn replace(&mut self, address: u64, frame: Frame, rights: Rights) -> Result<()> {
        self.usable()?;
        let old = self.entry(address).ok_or(Errno::ENOMEM)?.number;
        self.collect(address, Some((frame.into_number(), rights)));
        self.commit()?;
        // SAFETY: the entry held this reference and is overwritten.
        drop(unsafe { Frame::from_number(old) });
        Ok(())
    }

    fn take(&mut self, address: u64) -> Option<Frame> {
        self.usable().ok()?;
        let old = self.entry(address)?.number;
        self.collect(address, None);
        // SAFETY: the entry held this reference and is to go.
        Some(unsafe { Frame::from_number(old) })
    }

    fn visit(&self, start: u64, end: u64, each: &mut dyn FnMut(u64, Entry)) {
        for (address, _) in &self.collected {
            assert!(!(start..end).contains(address), "{address:#x} is not committed");
        }
        for (address, entry) in self.range(start, end) {
            each(address, entry);
        }
    }

    fn protect(&mut self, start: u64, end: u64, each: &mut dyn FnMut(u64, Entry) -> Rights) -> Result<()> {
        self.usable()?;
        for (address, old) in self.range(start, end) {
            let rights = each(address, old);
            if rights != old.rights {
                self.collect(address, Some((old.number, rights)));
            }
        }
        self.commit()
    }

    fn clear(&mut self, start: u64, end: u64, gone: &mut dyn FnMut(u64, Frame)) {
        if self.broken.is_none() {
            self.empty(start, end, gone);
        }
    }

    fn map_foreign(
        &mut self,
        address: u64,
        domain: u16,
        frames: Frames<'_>,
        write: bool,
        errors: &mut [i32],
    ) -> Result<()> {
        self.make()?;
        self.assert_free(address, errors.len());
        self.commits += self.foreign.map(address, domain, frames, write, errors);
        Ok(())
    }

    fn map_grants(
        &mut self,
        address: u64,
        grants: &[(u16, u32)],
        write: bool,
        status: &mut [i16],
    ) -> Result<()> {
        self.make()?;
        self.assert_free(address, status.len());
        self.commits += 1;
        self.foreign.map_grants(address, grants, write, status);
        Ok(())
    }

    fn show(
        &mut self,
        address: u64,
        pages: usize,
        domain: u16,
        run: &mut dyn FnMut(NonNull<u8>, usize),
    ) -> Result<()> {
        self.usable()?;
        self.commits += 1;
        self.foreign.show(address, pages, domain, run)
    }

    fn fork(&mut self, ranges: &[Range<u64>], each: &mut dyn FnMut(u64, Entry)) -> Result<Self> {
        self.usable()?;
        let mut child = Self::new()?;
        for range in ranges {
            assert!(!self.foreign.maps_any(range), "a child gets no foreign frames");
            for (address, entry) in self.range(range.start, range.end) {
                let rights = Rights { write: false, ..entry.rights };
                // SAFETY: the entry holds a reference.
                let frame = unsafe { Frame::borrow_number(entry.number) };
                child.set(address, frame, rights)?;
                if entry.rights.write {
                    self.collect(address, Some((entry.number, rights)));
                }
                each(address, entry);
            }
        }
        child.commit()?;
        self.commit()?;
        child.foreign = self.foreign.without_mappings();
        Ok(child)
    }

    fn commit(&mut self) -> Result<()> {
        self.make()
    }

    fn table_pages(&self) -> usize {
        1
    }
}

impl Drop for FakeTables {
    fn drop(&mut self) {
        // What was refused before is not now: all that is left is taken out.
        (self.accepted, self.broken) = (usize::MAX, None);
        self.empty(0, crate::USER_END, &mut |_, frame| drop(frame));
    }
}
