//! A whole disk that somebody has open.

use alloc::sync::Arc;

use crate::{BlockError, BlockRead, BlockWrite, Cache, Watermark};

/// The cache of a disk, of whatever kind: all who use the disk share it.
pub type DiskCache = Cache<Arc<dyn BlockWrite>>;

/// A disk that somebody has open: reads, writes and syncs, and hears of each error of writing back once.
pub struct BlockFile {
    cache: Arc<DiskCache>,
    heard: Watermark,
}

impl BlockFile {
    /// Opens the disk of a cache.
    pub fn open(cache: Arc<DiskCache>) -> Self {
        let heard = cache.watermark();
        Self { cache, heard }
    }

    /// The cache.
    pub fn cache(&self) -> &Arc<DiskCache> {
        &self.cache
    }

    /// Bytes of the disk.
    pub fn len(&self) -> u64 {
        self.cache.size_bytes()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How much of `len` bytes at `offset` lies on the disk, which may have grown.
    fn within(&self, offset: u64, len: usize) -> usize {
        let part = |size: u64| usize::try_from(size.saturating_sub(offset)).unwrap_or(usize::MAX).min(len);
        match part(self.len()) {
            all if all == len => all,
            known => self.cache.refresh_size().map_or(known, part),
        }
    }

    /// Reads at an offset. Short only at the end of the disk.
    pub fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize, BlockError> {
        let len = self.within(offset, buf.len());
        if len == 0 {
            return Ok(0);
        }
        self.cache.read(offset, buf.get_mut(..len).unwrap_or_default())?;
        Ok(len)
    }

    /// As [`BlockFile::read_at`], around the cache.
    pub fn read_direct_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize, BlockError> {
        let len = self.within(offset, buf.len());
        if len == 0 {
            return Ok(0);
        }
        self.cache.read_direct(offset, buf.get_mut(..len).unwrap_or_default())?;
        Ok(len)
    }

    /// Writes at an offset, into the cache. Short only at the end of the disk.
    pub fn write_at(&self, offset: u64, data: &[u8]) -> Result<usize, BlockError> {
        let len = self.within(offset, data.len());
        if len == 0 {
            return Ok(0);
        }
        self.cache.write(offset, data.get(..len).unwrap_or_default())?;
        Ok(len)
    }

    /// Writes whole sectors around the cache.
    pub fn write_direct_at(&self, offset: u64, data: &[u8]) -> Result<usize, BlockError> {
        let len = self.within(offset, data.len());
        if len == 0 {
            return Ok(0);
        }
        self.cache.write_direct(offset, data.get(..len).unwrap_or_default(), false)?;
        Ok(len)
    }

    /// Returns when all that was written to the disk before, by whomever, is on stable storage; or with an error of writing back
    /// that is news to this one, whenever it happened.
    pub fn sync(&self) -> Result<(), BlockError> {
        let synced = self.cache.sync();
        // What failed just now is news as well.
        self.cache.error_since(&self.heard).and(synced)
    }

    /// As [`BlockFile::sync`], for one range.
    pub fn sync_range(&self, offset: u64, len: u64) -> Result<(), BlockError> {
        let synced = self.cache.sync_range(offset, len);
        self.cache.error_since(&self.heard).and(synced)
    }

    /// An error of writing back that is news, without writing anything.
    pub fn error(&self) -> Result<(), BlockError> {
        self.cache.error_since(&self.heard)
    }
}
