//! Where the pages of a mapped file come from.

use linux_base::{Errno, Result};

use crate::Frame;

/// A mapped object: a regular file, a memfd, shared anonymous memory, a device.
pub trait Pager: Send + Sync {
    /// The page `index` pages from the start, as all who map it shared see it. May wait for a disk. `None` behind the end: SIGBUS.
    /// `for_write` says that the page is about to be written through a shared mapping.
    fn page(&self, index: u64, for_write: bool) -> Result<Option<Frame>>;

    /// The page if it is at hand without waiting. Called with the lock of an address space held, so it calls none itself.
    fn page_now(&self, index: u64) -> Option<Frame>;

    /// Device and inode number, for `/proc/PID/maps`.
    fn identity(&self) -> (u64, u64);

    /// Writes back the pages of a range, for `msync`; what has no disk behind it does nothing.
    fn sync(&self, first: u64, count: u64) -> Result<()> {
        let _ = (first, count);
        Ok(())
    }

    /// Makes a hole (`MADV_REMOVE`): the range reads as zeroes afterwards. `EOPNOTSUPP` where that cannot be.
    fn remove(&self, first: u64, count: u64) -> Result<()> {
        let _ = (first, count);
        Err(Errno::EOPNOTSUPP)
    }

    /// Whether there are no pages: what is mapped in areas of this object are frames of other domains, by
    /// [`crate::AddressSpace::map_foreign`] and [`crate::AddressSpace::map_grants`]. Such areas are shared, not inherited, and a fault
    /// in them is `SIGBUS`.
    fn is_foreign(&self) -> bool {
        false
    }

    /// A writable shared mapping has come (`true`) or gone: seals and `ETXTBSY` need to know.
    fn mapped_for_write(&self, is_mapped: bool) {
        let _ = is_mapped;
    }
}
