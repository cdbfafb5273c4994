//! Files as memory.

use core::sync::atomic::Ordering;

use linux_base::{Errno, Result};
use linux_mm::{Frame, PAGE_SIZE, Pager};

use super::Node;
use super::content::From;
use super::file::Ahead;
use super::space::Fallocate;
use crate::inode::Inode;

impl Pager for Node {
    fn page(&self, index: u64, for_write: bool) -> Result<Option<Frame>> {
        let content = self.content()?;
        loop {
            let below = {
                let mut content = content.lock();
                if index >= content.len.div_ceil(PAGE_SIZE as u64) {
                    return Ok(None);
                }
                match content.page(index) {
                    From::Frame(frame) if !for_write => return Ok(Some(frame)),
                    From::Frame(_) | From::Zero => None,
                    From::Below(below) => Some(below),
                }
            };
            match below {
                Some(below) => {
                    let frame = self.fill(index, 1, below, Ahead::Around)?;
                    if !for_write && frame.is_some() {
                        return Ok(frame);
                    }
                }
                None => {
                    // A hole gets a page even for a reader: who writes there later must be seen.
                    let frame = self.page_to_write(index)?;
                    if for_write {
                        self.modified();
                    }
                    return Ok(Some(frame));
                }
            }
        }
    }

    fn page_now(&self, index: u64) -> Option<Frame> {
        let mut content = self.content().ok()?.lock();
        if index >= content.len.div_ceil(PAGE_SIZE as u64) {
            return None;
        }
        match content.page(index) {
            From::Frame(frame) => Some(frame),
            From::Zero | From::Below(_) => None,
        }
    }

    fn identity(&self) -> (u64, u64) {
        let stat = self.stat();
        (stat.dev, stat.ino)
    }

    fn remove(&self, first: u64, count: u64) -> Result<()> {
        let size = PAGE_SIZE as u64;
        let (offset, len) = (first.checked_mul(size), count.checked_mul(size));
        self.fallocate(Fallocate::PunchHole, offset.ok_or(Errno::EINVAL)?, len.ok_or(Errno::EINVAL)?)
    }

    fn mapped_for_write(&self, is_mapped: bool) {
        if is_mapped {
            self.writable_mappings.fetch_add(1, Ordering::AcqRel);
        } else {
            self.writable_mappings.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

impl Node {
    /// Says `EBUSY` while a shared mapping can write.
    pub(crate) fn check_unmapped(&self) -> Result<()> {
        if self.writable_mappings.load(Ordering::Acquire) > 0 { Err(Errno::EBUSY) } else { Ok(()) }
    }
}
