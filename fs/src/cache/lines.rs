//! The lines: which are there, which are dirty, and which goes when another must come.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::LINE;
use super::host::{Host, Page};

/// So many are kept when memory is short: with fewer, a file system reads its tables again and again.
const LEAST: usize = 8;
/// The number of a line that is none yet.
const NOWHERE: u64 = u64::MAX;

/// A line and its bytes.
pub(super) struct Line {
    pub number: u64,
    /// It was used since the hand of the clock came by.
    used: bool,
    /// Its bytes are newer than the device's.
    pub dirty: bool,
    /// A copy of it is on its way to the device.
    pub writing: bool,
    /// Of what is dirty: the epoch in which it became so, and its place between the barriers.
    pub epoch: u64,
    pub order: u64,
    /// How often writing it has failed in a row.
    pub failures: u8,
    /// Bytes of it that the device has: fewer than [`LINE`] at its end.
    pub len: usize,
    page: Box<dyn Page>,
}

impl Line {
    pub fn bytes(&self) -> &[u8] {
        self.page.bytes().get(..self.len).unwrap_or_default()
    }

    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.page.bytes_mut().get_mut(..self.len).unwrap_or_default()
    }

    /// Whether it can go: the device has its bytes.
    pub fn is_clean(&self) -> bool {
        !self.dirty && !self.writing
    }
}

/// All lines. There are never more than `capacity`.
pub(super) struct Lines {
    all: Vec<Line>,
    index: BTreeMap<u64, usize>,
    /// Dirty ones, by order and number.
    dirty: BTreeSet<(u64, u64)>,
    /// Those whose bytes the device has, but perhaps not on stable storage; with their order.
    unflushed: BTreeMap<u64, u64>,
    writing: usize,
    hand: usize,
    capacity: usize,
}

impl Lines {
    pub fn new(capacity: usize) -> Self {
        Self {
            all: Vec::new(),
            index: BTreeMap::new(),
            dirty: BTreeSet::new(),
            unflushed: BTreeMap::new(),
            writing: 0,
            hand: 0,
            capacity,
        }
    }

    pub fn capacity(&self) -> usize {
        self.capacity
    }

    pub fn len(&self) -> usize {
        self.all.len()
    }

    pub fn dirty_len(&self) -> usize {
        self.dirty.len() + self.writing
    }

    pub fn contains(&self, number: u64) -> bool {
        self.index.contains_key(&number)
    }

    pub fn get(&self, number: u64) -> Option<&Line> {
        self.all.get(*self.index.get(&number)?)
    }

    /// A line that is used now.
    pub fn get_mut(&mut self, number: u64) -> Option<&mut Line> {
        let line = self.all.get_mut(*self.index.get(&number)?)?;
        line.used = true;
        Some(line)
    }

    /// The first line of `first..end` that is there.
    pub fn first_in(&self, first: u64, end: u64) -> Option<u64> {
        self.numbers_in(first, end).next()
    }

    pub fn numbers_in(&self, first: u64, end: u64) -> impl Iterator<Item = u64> {
        self.index.range(first..end.max(first)).map(|(number, _)| *number)
    }

    /// The first line of `first..end` whose bytes the device does not have.
    pub fn first_unwritten_in(&self, first: u64, end: u64) -> Option<u64> {
        if self.dirty_len() == 0 {
            return None;
        }
        self.numbers_in(first, end).find(|number| self.get(*number).is_some_and(|line| !line.is_clean()))
    }

    /// Makes room for a line and puts it in, clean and with whatever bytes. `None` when there is no room: all is dirty, or
    /// there is no memory.
    pub fn insert(&mut self, number: u64, len: usize, host: &dyn Host) -> Option<&mut Line> {
        let can_grow = self.len() < self.capacity;
        let fresh = if can_grow && (self.len() < LEAST || host.may_grow()) { host.page() } else { None };
        let slot = match fresh {
            Some(page) => self.add(page)?,
            None => match self.victim() {
                Some(slot) => slot,
                None if can_grow => self.add(host.page()?)?,
                None => return None,
            },
        };
        let line = self.all.get_mut(slot)?;
        let old = core::mem::replace(&mut line.number, number);
        // A line read ahead must live until the reader gets there.
        (line.used, line.failures, line.len) = (true, 0, len.min(LINE));
        if old != NOWHERE {
            self.index.remove(&old);
            self.unflushed.remove(&old);
        }
        self.index.insert(number, slot);
        self.all.get_mut(slot)
    }

    /// A new slot, for a line to be.
    fn add(&mut self, page: Box<dyn Page>) -> Option<usize> {
        self.all.try_reserve(1).ok()?;
        self.all.push(Line {
            number: NOWHERE,
            used: false,
            dirty: false,
            writing: false,
            epoch: 0,
            order: 0,
            failures: 0,
            len: 0,
            page,
        });
        Some(self.all.len() - 1)
    }

    /// The slot of a clean line that was not used lately.
    fn victim(&mut self) -> Option<usize> {
        if self.all.len() <= self.dirty.len() {
            return None;
        }
        // Twice round finds one, if there is one.
        for _ in 0..2 * self.all.len() {
            let slot = if self.hand < self.all.len() { self.hand } else { 0 };
            self.hand = slot + 1;
            let line = self.all.get_mut(slot)?;
            if line.is_clean() && !core::mem::replace(&mut line.used, false) {
                return Some(slot);
            }
        }
        None
    }

    /// Gives up to `wanted` clean lines back, and returns how many.
    pub fn shrink(&mut self, wanted: usize) -> usize {
        let mut freed = 0;
        while freed < wanted && self.len() > LEAST {
            let number = self.victim().and_then(|slot| self.all.get(slot)).map(|line| line.number);
            let Some(page) = number.and_then(|number| self.remove(number)) else { break };
            drop(page);
            freed += 1;
        }
        if freed > 0 && self.all.len() < self.all.capacity() / 4 {
            self.all.shrink_to(self.all.len() * 2);
        }
        freed
    }

    /// Drops all clean lines.
    pub fn forget(&mut self) {
        for slot in (0..self.all.len()).rev() {
            let clean = self.all.get(slot).filter(|line| line.is_clean()).map(|line| line.number);
            if let Some(number) = clean {
                drop(self.remove(number));
            }
        }
    }

    /// Takes a line out, whatever it is, and gives its page.
    pub fn remove(&mut self, number: u64) -> Option<Box<dyn Page>> {
        let slot = self.index.remove(&number)?;
        let line = self.all.swap_remove(slot);
        if let Some(moved) = self.all.get(slot) {
            self.index.insert(moved.number, slot);
        }
        self.dirty.remove(&(line.order, number));
        self.unflushed.remove(&number);
        self.writing -= usize::from(line.writing);
        Some(line.page)
    }

    /// A line has bytes that the device does not have.
    pub fn soil(&mut self, number: u64, epoch: u64, order: u64) {
        let Some(line) = self.index.get(&number).and_then(|slot| self.all.get_mut(*slot)) else { return };
        if !line.dirty {
            (line.dirty, line.epoch, line.order, line.failures) = (true, epoch, order, 0);
            self.dirty.insert((order, number));
        }
    }

    /// The lowest place between barriers at which something is dirty.
    pub fn lowest_order(&self) -> Option<u64> {
        self.dirty.first().map(|(order, _)| *order)
    }

    /// The dirty lines of one order, from a number on.
    pub fn dirty_from(&self, order: u64, first: u64) -> impl Iterator<Item = &Line> {
        let range = (order, first)..=(order, u64::MAX);
        self.dirty.range(range).filter_map(|(_, number)| self.get(*number))
    }

    /// A copy of a dirty line is about to go out.
    pub fn begin_writing(&mut self, number: u64) {
        let Some(line) = self.index.get(&number).and_then(|slot| self.all.get_mut(*slot)) else { return };
        if line.dirty && !line.writing {
            (line.dirty, line.writing) = (false, true);
            self.dirty.remove(&(line.order, number));
            self.writing += 1;
        }
    }

    /// The copy is on the device, of such an order.
    pub fn has_written(&mut self, number: u64, order: u64) {
        let Some(line) = self.index.get(&number).and_then(|slot| self.all.get_mut(*slot)) else { return };
        if line.writing {
            line.writing = false;
            self.writing -= 1;
            if !line.dirty {
                line.failures = 0;
            }
            self.unflushed.insert(number, order);
        }
    }

    /// The copy is not on the device. It stays dirty for another try, unless there were `most` of them: then the line is
    /// dropped, and `true` returned.
    pub fn has_failed(&mut self, number: u64, order: u64, most: u8) -> bool {
        let Some(line) = self.index.get(&number).and_then(|slot| self.all.get_mut(*slot)) else {
            return false;
        };
        if line.writing {
            line.writing = false;
            self.writing -= 1;
        }
        if line.dirty {
            // Newer bytes are there anyway.
            return false;
        }
        line.failures = line.failures.saturating_add(1);
        if line.failures >= most {
            self.remove(number);
            return true;
        }
        (line.dirty, line.order) = (true, order);
        self.dirty.insert((order, number));
        false
    }

    pub fn is_all_flushed(&self) -> bool {
        self.unflushed.is_empty()
    }

    /// What was written is on stable storage.
    pub fn has_flushed(&mut self) {
        self.unflushed.clear();
    }

    /// What was written is perhaps not on stable storage, nor on the device any more: it goes out again, as far as it is
    /// still here.
    pub fn write_again(&mut self) {
        for (number, order) in core::mem::take(&mut self.unflushed) {
            let Some(line) = self.index.get(&number).and_then(|slot| self.all.get_mut(*slot)) else {
                continue;
            };
            if line.is_clean() {
                (line.dirty, line.order) = (true, order);
                self.dirty.insert((order, number));
            }
        }
    }
}
