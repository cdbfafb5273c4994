//! The pages of a file: written ones, and those of what is below as long as memory is there.

use alloc::collections::BTreeMap;

use linux_mm::{Frame, PAGE_SIZE};

/// The most pages that one read of the disk gets.
pub(super) const AHEAD_MAX: u64 = 32;

/// A page that is known.
pub(super) enum Page {
    /// As it is below; can be got again.
    Clean { frame: Frame, was_used: bool, is_static: bool },
    /// Written; only here.
    Dirty(Frame),
    /// Zeroes, though there is something below.
    Hole,
}

/// What is below a file: `len` bytes of it count.
#[derive(Clone, Copy)]
pub(super) struct Below {
    pub(super) inode: fs::Inode,
    pub(super) len: u64,
}

/// The content of a file.
#[derive(Default)]
pub(super) struct Content {
    pub(super) len: u64,
    pub(super) pages: BTreeMap<u64, Page>,
    pub(super) below: Option<Below>,
    /// How many pages are dirty.
    pub(super) dirty: u64,
    /// Where a sequential reader goes on, and how many pages it got last.
    pub(super) next: u64,
    pub(super) ahead: u64,
}

/// Where a page's bytes come from.
pub(super) enum From {
    /// This page.
    Frame(Frame),
    /// Zeroes.
    Zero,
    /// What is below must be read first.
    Below(Below),
}

impl Content {
    /// The page of an index; it is marked as used.
    pub(super) fn page(&mut self, index: u64) -> From {
        match self.pages.get_mut(&index) {
            Some(Page::Clean { frame, was_used, .. }) => {
                *was_used = true;
                From::Frame(frame.clone())
            }
            Some(Page::Dirty(frame)) => From::Frame(frame.clone()),
            Some(Page::Hole) => From::Zero,
            None => match self.below_at(index) {
                Some(below) => From::Below(below),
                None => From::Zero,
            },
        }
    }

    /// What is below at a page that is not known.
    fn below_at(&self, index: u64) -> Option<Below> {
        self.below.filter(|below| index < below.len.div_ceil(PAGE_SIZE as u64))
    }

    /// Whether a page holds data, known or below.
    pub(super) fn has_data(&self, index: u64) -> bool {
        match self.pages.get(&index) {
            Some(Page::Hole) => false,
            Some(_) => true,
            None => self.below_at(index).is_some(),
        }
    }

    /// The first page from `index` on, before `end`, that holds data or does not.
    pub(super) fn find(&self, mut index: u64, end: u64, has_data: bool) -> Option<u64> {
        let below = self.below.map_or(0, |below| below.len.div_ceil(PAGE_SIZE as u64));
        while index < end {
            if self.has_data(index) == has_data {
                return Some(index);
            }
            // Far holes are passed in one step.
            index = if has_data && index >= below {
                *self.pages.range(index..).find(|(_, page)| !matches!(page, Page::Hole))?.0
            } else {
                index + 1
            };
        }
        None
    }

    /// How many pages are to be read from `first` on, the wanted one among them: not those that are known.
    pub(super) fn window(&mut self, first: u64, wanted: u64, below: Below) -> u64 {
        let ahead = if first == self.next { self.ahead.saturating_mul(2) } else { 1 };
        let end = below.len.div_ceil(PAGE_SIZE as u64);
        let mut count = wanted.max(ahead).clamp(1, AHEAD_MAX).min(end.saturating_sub(first).max(1));
        if let Some((known, _)) = self.pages.range(first + 1..first + count).next() {
            count = known - first;
        }
        self.ahead = count;
        self.next = first + count;
        count
    }

    /// Cuts the pages behind a length off, and zeroes what is behind it in its own page. Returns how many written pages went.
    ///
    /// Written pages that are mapped stay: should the file grow again, it and the mapping must be the same memory.
    pub(super) fn cut(&mut self, len: u64) -> u64 {
        let cut = self.pages.split_off(&len.div_ceil(PAGE_SIZE as u64));
        let mut freed = 0;
        for (index, page) in cut {
            match page {
                Page::Dirty(frame) if !frame.is_unique() => {
                    frame.zero(0, PAGE_SIZE);
                    self.pages.insert(index, Page::Dirty(frame));
                }
                Page::Dirty(_) => freed += 1,
                Page::Clean { .. } | Page::Hole => {}
            }
        }
        self.dirty -= freed;
        if let Some(below) = &mut self.below {
            below.len = below.len.min(len);
        }
        self.zero_tail(len);
        self.len = len;
        freed
    }

    /// Zeroes what is behind a length in its page.
    pub(super) fn zero_tail(&mut self, len: u64) {
        let size = PAGE_SIZE as u64;
        let (index, within) = (len / size, (len % size) as usize);
        if within == 0 {
            return;
        }
        match self.pages.get(&index) {
            Some(Page::Clean { is_static: true, .. }) => {
                self.pages.remove(&index);
            }
            Some(Page::Clean { frame, .. } | Page::Dirty(frame)) => frame.zero(within, PAGE_SIZE - within),
            Some(Page::Hole) | None => {}
        }
    }

    /// Extends to a length, if it is shorter.
    pub(super) fn extend(&mut self, len: u64) {
        if len > self.len {
            self.expose(len - 1);
            self.zero_tail(self.len);
            self.len = len;
        }
    }

    /// What is between the end and the byte at `at` comes to light, and with it that byte's page: a mapping may have written
    /// there, but it reads as zeroes.
    pub(super) fn expose(&mut self, at: u64) {
        let size = PAGE_SIZE as u64;
        if at < self.len {
            return;
        }
        let (end, index) = (self.len, at / size);
        if end / size == index {
            if let Some(Page::Clean { frame, .. } | Page::Dirty(frame)) = self.pages.get(&index) {
                frame.zero((end % size) as usize, (at - end) as usize);
            }
        } else {
            self.zero_tail(end);
        }
        let first = end.div_ceil(size);
        for page in self.pages.range(first..first.max(index + 1)).map(|(_, page)| page) {
            if let Page::Dirty(frame) = page {
                frame.zero(0, PAGE_SIZE);
            }
        }
    }
}
