//! The length of files, and the space they take: cutting, `fallocate(2)`, holes.

use alloc::vec::Vec;

use linux_base::{Errno, Result};
use linux_mm::{Copies, Frame, PAGE_SIZE};

use super::Node;
use crate::memory::seal;

const SIZE: u64 = PAGE_SIZE as u64;
/// The longest file.
pub(super) const LEN_MAX: u64 = i64::MAX as u64;

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

impl Node {
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
        let (freed, old_len) = {
            let mut content = self.content()?.lock();
            let old_len = content.len;
            if len < old_len {
                (content.cut(len), old_len)
            } else {
                content.extend(len);
                (0, old_len)
            }
        };
        let (old_end, end) = (old_len.div_ceil(SIZE), len.div_ceil(SIZE));
        if end < old_end {
            linux_mm::unmap_pages(self, end, old_end - end, Copies::Dropped);
        }
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
        if first < last {
            linux_mm::unmap_pages(self, first, last - first, Copies::Kept);
        }
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
}
