//! Memory that several processes share and no file backs: `MAP_SHARED | MAP_ANONYMOUS`, and System V segments.

use alloc::collections::BTreeMap;

use linux_base::{Mutex, Result};

use crate::{Frame, Pager, ensure_room};

/// Pages that come into being when they are touched and stay until the last mapping goes.
pub struct SharedMemory {
    pages: u64,
    inode: u64,
    frames: Mutex<BTreeMap<u64, Frame>>,
}

impl SharedMemory {
    /// So many pages; `inode` is the number that `/proc/PID/maps` shows.
    pub fn new(pages: u64, inode: u64) -> Self {
        Self { pages, inode, frames: Mutex::new(BTreeMap::new()) }
    }

    /// Pages that were touched.
    pub fn resident(&self) -> usize {
        self.frames.lock().len()
    }
}

impl Pager for SharedMemory {
    fn page(&self, index: u64, _: bool) -> Result<Option<Frame>> {
        if index >= self.pages {
            return Ok(None);
        }
        if let Some(frame) = self.page_now(index) {
            return Ok(Some(frame));
        }
        ensure_room()?;
        let frame = Frame::zeroed()?;
        Ok(Some(self.frames.lock().entry(index).or_insert(frame).clone()))
    }

    fn page_now(&self, index: u64) -> Option<Frame> {
        self.frames.lock().get(&index).cloned()
    }

    fn identity(&self) -> (u64, u64) {
        (1, self.inode)
    }

    fn remove(&self, first: u64, count: u64) -> Result<()> {
        let end = first.saturating_add(count);
        self.frames.lock().retain(|index, _| !(first..end).contains(index));
        Ok(())
    }
}
