//! Reading, writing, cutting and filling the content of a file.

use alloc::vec::Vec;

use linux_base::{Errno, Result, Sink, Source};
use linux_mm::{Frame, PAGE_SIZE};

use super::Node;
use super::content::{AHEAD_MAX, Below, Content, From, Page};
use crate::memory::seal;
use crate::reclaim;

const SIZE: u64 = PAGE_SIZE as u64;
/// The longest file.
const LEN_MAX: u64 = i64::MAX as u64;
/// Pages found under one hold of the lock.
const BATCH: usize = 16;

/// What `fallocate(2)` is to do with a range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fallocate {
    /// Have pages for it; the file grows.
    Allocate,
    /// Have pages for it; the file stays as long as it is.
    AllocateKeepSize,
    /// Free its pages; it reads as zeroes.
    PunchHole,
    /// It reads as zeroes; the file grows.
    Zero,
    /// It reads as zeroes; the file stays as long as it is.
    ZeroKeepSize,
}

/// What is read ahead.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ahead {
    /// More and more, as long as reads follow one another.
    Sequential,
    /// What lies around: a mapping is used here and there.
    Around,
}

impl Node {
    /// Its length in bytes.
    pub fn len(&self) -> u64 {
        self.content().map_or(0, |content| content.lock().len)
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads; may wait for the disk.
    pub fn read(&self, offset: u64, into: &mut dyn Sink) -> Result<usize> {
        let content = self.content()?;
        let mut done = 0;
        while into.room() > 0 {
            let at = offset.checked_add(done as u64).ok_or(Errno::EINVAL)?;
            let mut pages: [Option<Option<Frame>>; BATCH] = Default::default();
            let mut below = None;
            let len;
            {
                let mut content = content.lock();
                len = content.len.saturating_sub(at).min(into.room() as u64) as usize;
                let count = ((at % SIZE) as usize + len).div_ceil(PAGE_SIZE).min(BATCH);
                for (index, page) in (at / SIZE..).zip(pages.iter_mut().take(count)) {
                    match content.page(index) {
                        From::Frame(frame) => *page = Some(Some(frame)),
                        From::Zero => *page = Some(None),
                        From::Below(wanted) => {
                            below = Some((index, wanted));
                            break;
                        }
                    }
                }
            }
            if len == 0 {
                break;
            }
            if let (None, Some((index, wanted))) = (&pages[0], below) {
                let count = ((at % SIZE) as usize + len).div_ceil(PAGE_SIZE) as u64;
                match self.fill(index, count, wanted, Ahead::Sequential) {
                    Err(errno) if done == 0 => return Err(errno),
                    Err(_) => break,
                    Ok(None) => continue,
                    Ok(frame) => pages[0] = Some(frame),
                }
            }
            let end = done + len;
            for page in pages.into_iter().map_while(|page| page) {
                let within = ((offset + done as u64) % SIZE) as usize;
                let wanted = (PAGE_SIZE - within).min(end - done);
                let pushed = match page {
                    Some(frame) => frame.read_to(within, wanted, into),
                    None => into.push_zeroes(wanted),
                };
                match pushed {
                    Err(errno) if done == 0 => return Err(errno),
                    Err(_) => return Ok(done),
                    Ok(pushed) => done += pushed,
                }
                if pushed != Ok(wanted) {
                    return Ok(done);
                }
            }
        }
        Ok(done)
    }

    /// Writes; the file grows. May wait for the disk, where a page is written in part.
    pub fn write(&self, offset: u64, from: &mut dyn Source) -> Result<usize> {
        let content = self.content()?;
        self.check_seals(seal::WRITE | seal::FUTURE_WRITE)?;
        if offset.saturating_add(from.left() as u64) > self.len() {
            self.check_seals(seal::GROW)?;
        }
        let mut done = 0;
        while from.left() > 0 {
            let at = offset.checked_add(done as u64).filter(|at| *at < LEN_MAX);
            let step = at.ok_or(Errno::EFBIG).and_then(|at| {
                let within = (at % SIZE) as usize;
                let room = (PAGE_SIZE - within).min(from.left()).min((LEN_MAX - at) as usize);
                let frame = self.page_to_write(at / SIZE)?;
                let pulled = frame.write_from(within, room, from)?;
                if pulled > 0 {
                    content.lock().extend_over(at, at + pulled as u64);
                }
                Ok((pulled, pulled == room))
            });
            match step {
                Err(errno) if done == 0 => return Err(errno),
                Err(_) => break,
                Ok((pulled, is_whole)) => {
                    done += pulled;
                    if !is_whole {
                        break;
                    }
                }
            }
        }
        if done > 0 {
            self.modified();
        }
        Ok(done)
    }

    /// The page of an index, to be written: it is kept from now on.
    pub(super) fn page_to_write(&self, index: u64) -> Result<Frame> {
        let content = self.content()?;
        let mut kept = None;
        loop {
            let below = {
                let mut content = content.lock();
                match content.page(index) {
                    From::Below(below) => below,
                    From::Zero => {
                        self.shared.charge(1)?;
                        let frame = self.charged(Frame::zeroed())?;
                        content.set_dirty(index, frame.clone());
                        return Ok(frame);
                    }
                    From::Frame(frame) => {
                        let (is_dirty, is_static) = match content.pages.get(&index) {
                            Some(Page::Clean { is_static, .. }) => (false, *is_static),
                            _ => (true, false),
                        };
                        if is_dirty {
                            return Ok(frame);
                        }
                        self.shared.charge(1)?;
                        let frame = if is_static { self.charged(frame.copy())? } else { frame };
                        content.set_dirty(index, frame.clone());
                        return Ok(frame);
                    }
                }
            };
            drop(kept);
            // Held until it is found in the next round, so that memory pressure does not take it in between.
            kept = self.fill(index, 1, below, Ahead::Around)?;
        }
    }

    fn charged(&self, frame: Result<Frame>) -> Result<Frame> {
        frame.inspect_err(|_| self.shared.uncharge(1))
    }

    /// Gets pages from below, and gives the one at `index`, which memory pressure can not take as long as the caller has it; `None`
    /// if it has been cut off meanwhile.
    pub(super) fn fill(&self, index: u64, wanted: u64, below: Below, ahead: Ahead) -> Result<Option<Frame>> {
        let (content, lower) = (self.content()?, self.shared.lower.as_ref().ok_or(Errno::EIO)?);
        // A page that is cut short has more of the file in memory than counts.
        if (index + 1).saturating_mul(SIZE) <= below.len
            && let Some(frame) = lower.frame(below.inode, index)
        {
            return Ok(content.lock().set_clean(index, frame, true, below).0);
        }
        let (first, count) = match ahead {
            _ if lower.is_in_memory(below.inode) => (index, 1),
            Ahead::Sequential => (index, content.lock().window(index, wanted, below)),
            Ahead::Around => content.lock().around(index, below),
        };
        let start = first.checked_mul(SIZE).ok_or(Errno::EIO)?;
        let len = below.len.saturating_sub(start).min(count * SIZE) as usize;
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(len)?;
        bytes.resize(len, 0);
        let mut read = 0;
        while read < len {
            match lower.read(below.inode, start + read as u64, &mut bytes[read..])? {
                0 => break,
                more => read += more,
            }
        }
        let keep = |at: u64| -> Result<Option<Frame>> {
            let frame = Frame::zeroed()?;
            let bytes = usize::try_from((at - first) * SIZE).ok().and_then(|start| bytes.get(start..));
            frame.write(0, bytes.unwrap_or_default());
            let (frame, is_new) = content.lock().set_clean(at, frame, false, below);
            if is_new {
                reclaim::register(&self.this, at);
            }
            Ok(frame)
        };
        let frame = keep(index)?;
        for at in (first..first + count).filter(|at| *at != index) {
            // The rest is only ahead.
            if keep(at).is_err() {
                break;
            }
        }
        Ok(frame)
    }

    /// Cuts the file off, or extends it with zeroes.
    pub fn resize(&self, len: u64) -> Result<()> {
        if len > LEN_MAX {
            return Err(Errno::EFBIG);
        }
        self.content()?;
        match len.cmp(&self.len()) {
            core::cmp::Ordering::Less => self.check_seals(seal::SHRINK)?,
            core::cmp::Ordering::Greater => self.check_seals(seal::GROW)?,
            core::cmp::Ordering::Equal => {}
        }
        let freed = {
            let mut content = self.content()?.lock();
            if len < content.len {
                content.cut(len)
            } else {
                content.extend(len);
                0
            }
        };
        self.shared.uncharge(freed);
        self.modified();
        Ok(())
    }

    /// `fallocate(2)`.
    pub fn fallocate(&self, what: Fallocate, offset: u64, len: u64) -> Result<()> {
        let content = self.content()?;
        if len == 0 {
            return Err(Errno::EINVAL);
        }
        let end = offset.checked_add(len).filter(|end| *end <= LEN_MAX).ok_or(Errno::EFBIG)?;
        if matches!(what, Fallocate::Allocate | Fallocate::Zero) && end > self.len() {
            self.check_seals(seal::GROW)?;
        }
        match what {
            Fallocate::Allocate | Fallocate::AllocateKeepSize => {
                self.allocate(offset / SIZE, end.div_ceil(SIZE))?
            }
            Fallocate::PunchHole | Fallocate::Zero | Fallocate::ZeroKeepSize => {
                self.check_seals(seal::WRITE | seal::FUTURE_WRITE)?;
                self.zero_range(offset, end)?;
            }
        }
        if matches!(what, Fallocate::Allocate | Fallocate::Zero) {
            content.lock().extend(end);
        }
        self.modified();
        Ok(())
    }

    fn allocate(&self, first: u64, end: u64) -> Result<()> {
        let content = self.content()?;
        let mut made = Vec::new();
        let mut result = Ok(());
        let mut index = first;
        while let Some(hole) = { content.lock().find(index, end, false) } {
            index = hole + 1;
            result = self.shared.charge(1).and_then(|()| {
                made.try_reserve(1)?;
                let frame = self.charged(Frame::zeroed())?;
                content.lock().set_dirty(hole, frame);
                made.push(hole);
                Ok(())
            });
            if result.is_err() {
                let mut content = content.lock();
                for index in &made {
                    content.make_hole(*index);
                }
                drop(content);
                self.shared.uncharge(made.len() as u64);
                break;
            }
        }
        result
    }

    fn zero_range(&self, offset: u64, end: u64) -> Result<()> {
        let content = self.content()?;
        // Pages that are zeroed in part at both ends, then whole ones between.
        let (first, last) = (offset.div_ceil(SIZE), end / SIZE);
        let mut edges = [(offset, end.min(first * SIZE)), (offset.max(last * SIZE), end)];
        if first > last {
            edges[1] = (end, end);
        }
        for (from, to) in edges {
            if from < to && content.lock().has_data(from / SIZE) {
                self.page_to_write(from / SIZE)?.zero((from % SIZE) as usize, (to - from) as usize);
            }
        }
        let mut index = first;
        let mut freed = 0;
        {
            let mut content = content.lock();
            while let Some(data) = content.find(index, last, true) {
                freed += u64::from(content.make_hole(data));
                index = data + 1;
            }
        }
        self.shared.uncharge(freed);
        Ok(())
    }

    /// Where the next data (`SEEK_DATA`) or the next hole (`SEEK_HOLE`) begins, at an offset or behind it.
    pub fn seek(&self, offset: u64, for_data: bool) -> Result<u64> {
        let content = self.content()?.lock();
        if offset >= content.len {
            return Err(Errno::ENXIO);
        }
        let found = content.find(offset / SIZE, content.len.div_ceil(SIZE), for_data);
        match found {
            Some(index) => Ok((index * SIZE).max(offset).min(content.len)),
            None if for_data => Err(Errno::ENXIO),
            None => Ok(content.len),
        }
    }

    /// Gives a clean page back that nobody maps, unless it was used since the last time. Returns whether it went, or `None` if it
    /// is no clean page any more.
    pub(crate) fn give_back(&self, index: u64) -> Option<bool> {
        let Some(mut content) = self.content().ok()?.try_lock() else { return Some(false) };
        let Some(Page::Clean { frame, was_used, is_static: false }) = content.pages.get_mut(&index) else {
            return None;
        };
        if core::mem::take(was_used) || !frame.is_unique() {
            return Some(false);
        }
        let page = content.pages.remove(&index);
        drop(content);
        drop(page);
        Some(true)
    }
}

impl Content {
    fn set_dirty(&mut self, index: u64, frame: Frame) {
        if !matches!(self.pages.insert(index, Page::Dirty(frame)), Some(Page::Dirty(_))) {
            self.dirty += 1;
        }
    }

    /// Keeps a page from below unless it is known by now; what is known then, and whether that is new. What has been cut off
    /// meanwhile counts no more.
    fn set_clean(&mut self, index: u64, frame: Frame, is_static: bool, read: Below) -> (Option<Frame>, bool) {
        let len = self.below.map_or(0, |below| below.len.min(read.len));
        let start = index * SIZE;
        match self.pages.get(&index) {
            Some(Page::Clean { frame, .. } | Page::Dirty(frame)) => return (Some(frame.clone()), false),
            Some(Page::Hole) => return (None, false),
            None if start >= len || (is_static && start + SIZE > len) => return (None, false),
            None => {}
        }
        if len - start < SIZE {
            frame.zero((len - start) as usize, PAGE_SIZE);
        }
        self.pages.insert(index, Page::Clean { frame: frame.clone(), was_used: true, is_static });
        (Some(frame), true)
    }

    /// A page becomes zeroes; whether it was a written one.
    fn make_hole(&mut self, index: u64) -> bool {
        let is_below = self.below.is_some_and(|below| index < below.len.div_ceil(SIZE));
        let old = if is_below { self.pages.insert(index, Page::Hole) } else { self.pages.remove(&index) };
        let was_dirty = matches!(old, Some(Page::Dirty(_)));
        self.dirty -= u64::from(was_dirty);
        was_dirty
    }

    /// The pages around one that are not known.
    fn around(&mut self, index: u64, below: Below) -> (u64, u64) {
        let mut first = index - index % AHEAD_MAX;
        let mut end = (first + AHEAD_MAX).min(below.len.div_ceil(SIZE)).max(index + 1);
        if let Some((known, _)) = self.pages.range(first..index).next_back() {
            first = known + 1;
        }
        if let Some((known, _)) = self.pages.range(index + 1..end).next() {
            end = *known;
        }
        (first, end - first)
    }

    /// Bytes have been written from `at` to `end`.
    fn extend_over(&mut self, at: u64, end: u64) {
        // What lies between the old end and the new bytes in the same page must be zeroes, though a mapping wrote there.
        if at > self.len {
            self.zero_between(self.len, at);
        }
        self.len = self.len.max(end);
    }

    fn zero_between(&mut self, from: u64, to: u64) {
        if from / SIZE == to / SIZE {
            if let Some(Page::Clean { frame, .. } | Page::Dirty(frame)) = self.pages.get(&(from / SIZE)) {
                frame.zero((from % SIZE) as usize, (to - from) as usize);
            }
        } else {
            self.zero_tail(from);
        }
    }
}
