//! Reading, writing, cutting and filling the content of a file.

use alloc::vec::Vec;

use linux_base::{Errno, Result, Sink, Source};
use linux_mm::{Frame, PAGE_SIZE, is_scarce};

use super::Node;
use super::content::{AHEAD_MAX, Below, Content, From, Page};
use super::space::LEN_MAX;
use crate::memory::seal;
use crate::reclaim;

const SIZE: u64 = PAGE_SIZE as u64;

/// Pages found under one hold of the lock.
const BATCH: usize = 16;

/// The most pages that one read of the disk gets while memory is short: not many, and few of those that there are.
const SCARCE_AHEAD: u64 = 4;
const SCARCE_SHARE: u64 = 64;

/// What holes read as.
static ZEROES: [u8; PAGE_SIZE] = [0; PAGE_SIZE];

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
                let within = (at % SIZE) as usize;
                let step = match self.read_in_place(at, len.min(PAGE_SIZE - within), wanted, into) {
                    Some(pushed) => pushed.map(Some),
                    None => {
                        let count = (within + len).div_ceil(PAGE_SIZE) as u64;
                        self.fill(index, count, wanted, Ahead::Sequential).map(|frame| {
                            pages[0] = frame.map(Some);
                            None
                        })
                    }
                };
                match step {
                    Err(errno) if done == 0 => return Err(errno),
                    Err(_) | Ok(Some(0)) => break,
                    Ok(Some(pushed)) => {
                        done += pushed;
                        continue;
                    }
                    Ok(None) => {}
                }
            }
            let end = done + len;
            for page in pages.into_iter().map_while(|page| page) {
                let within = ((offset + done as u64) % SIZE) as usize;
                let wanted = (PAGE_SIZE - within).min(end - done);
                let pushed = match page {
                    Some(frame) => frame.read_to(within, wanted, into),
                    None => into.push(ZEROES.get(..wanted).unwrap_or_default()),
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

    /// Reads what is not known here from a file below that lies in memory; `None` if it does not.
    fn read_in_place(&self, at: u64, len: usize, below: Below, into: &mut dyn Sink) -> Option<Result<usize>> {
        let bytes = self.shared.lower.as_ref()?.bytes(below.inode)?;
        let start = usize::try_from(at).ok()?;
        let end = start.checked_add(len)?.min(usize::try_from(below.len).ok()?);
        if start >= end {
            // It was cut off there, and grew again.
            return Some(into.push_zeroes(len));
        }
        Some(into.push(bytes.get(start..end)?))
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
                content.lock().expose(at);
                let frame = self.page_to_write(at / SIZE)?;
                let pulled = frame.write_from(within, room, from)?;
                if pulled > 0 {
                    let mut content = content.lock();
                    content.len = content.len.max(at + pulled as u64);
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

    pub(super) fn charged(&self, frame: Result<Frame>) -> Result<Frame> {
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
            _ if lower.bytes(below.inode).is_some() => (index, 1),
            Ahead::Sequential => (index, content.lock().window(index, wanted, below)),
            Ahead::Around => content.lock().around(index, below),
        };
        // What is read ahead is not to push out what is in use. Memory is short for good once the pages of files fill it.
        let (first, count) = if is_scarce() {
            let most = SCARCE_AHEAD.max(reclaim::clean_pages() as u64 / SCARCE_SHARE);
            let start = first.max(index.saturating_sub(most / 2));
            (start, most.min(first + count - start).max(index + 1 - start))
        } else {
            (first, count)
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
            let frame = Frame::zeroed_for_file()?;
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
    pub(super) fn set_dirty(&mut self, index: u64, frame: Frame) {
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

    /// A page becomes zeroes; whether it was a written one that is free now. One that is mapped stays, zeroed.
    pub(super) fn make_hole(&mut self, index: u64) -> bool {
        if let Some(Page::Dirty(frame)) = self.pages.get(&index)
            && !frame.is_unique()
        {
            frame.zero(0, PAGE_SIZE);
            return false;
        }
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
}
