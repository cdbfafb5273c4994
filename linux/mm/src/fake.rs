//! Page tables for tests: a map, which panics when it is used against the rules, and counts commits as hypercalls.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Range;

use linux_base::Result;

use crate::{Entry, Frame, PageTables, Rights};

type Change = Option<(usize, Rights)>;

/// Page tables that no processor looks at.
pub struct FakeTables {
    entries: BTreeMap<u64, (usize, Rights)>,
    collected: Vec<(u64, Change)>,
    commits: usize,
}

impl FakeTables {
    /// How often something was changed: each would be a hypercall.
    pub fn commits(&self) -> usize {
        self.commits
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
        Ok(Self { entries: BTreeMap::new(), collected: Vec::new(), commits: 0 })
    }

    fn entry(&self, address: u64) -> Option<Entry> {
        assert!(self.collected.iter().all(|(other, _)| *other != address), "{address:#x} is not committed");
        self.entries.get(&address).map(|&(number, rights)| entry(number, rights))
    }

    fn set(&mut self, address: u64, frame: Frame, rights: Rights) -> Result<()> {
        assert!(!self.entries.contains_key(&address), "{address:#x} is mapped");
        self.collect(address, Some((frame.into_number(), rights)));
        Ok(())
    }

    fn replace(&mut self, address: u64, frame: Frame, rights: Rights) -> Option<Frame> {
        let old = self.entry(address)?.number;
        self.collect(address, Some((frame.into_number(), rights)));
        // SAFETY: the entry held this reference and is overwritten.
        Some(unsafe { Frame::from_number(old) })
    }

    fn take(&mut self, address: u64) -> Option<Frame> {
        let old = self.entry(address)?.number;
        self.collect(address, None);
        // SAFETY: as in `replace`.
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

    fn protect(&mut self, start: u64, end: u64, each: &mut dyn FnMut(u64, Entry) -> Rights) {
        for (address, old) in self.range(start, end) {
            let rights = each(address, old);
            if rights != old.rights {
                self.collect(address, Some((old.number, rights)));
            }
        }
    }

    fn clear(&mut self, start: u64, end: u64, gone: &mut dyn FnMut(u64, Frame)) {
        self.commit();
        let old = self.range(start, end);
        for (address, _) in &old {
            self.collect(*address, None);
        }
        self.commit();
        for (address, entry) in old {
            // SAFETY: the entry held this reference and is gone.
            gone(address, unsafe { Frame::from_number(entry.number) });
        }
    }

    fn fork(&mut self, ranges: &[Range<u64>], each: &mut dyn FnMut(u64, Entry)) -> Result<Self> {
        let mut child = Self::new()?;
        for range in ranges {
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
        child.commit();
        self.commit();
        Ok(child)
    }

    fn commit(&mut self) {
        if self.collected.is_empty() {
            return;
        }
        self.commits += 1;
        for (address, change) in core::mem::take(&mut self.collected) {
            match change {
                Some(mapped) => self.entries.insert(address, mapped),
                None => self.entries.remove(&address),
            };
        }
    }

    fn table_pages(&self) -> usize {
        1
    }
}

impl Drop for FakeTables {
    fn drop(&mut self) {
        self.clear(0, crate::USER_END, &mut |_, frame| drop(frame));
    }
}
