//! A disk as a cache uses it.

use fs::{BlockError, BlockRead, BlockWrite, Extent, Work};
use spin::Once;

use super::Disk;

/// What only those need who write. An application that reads links none of it: it is named when a disk is first opened to be written.
pub(super) trait Writing: Send + Sync {
    fn write(&self, disk: &Disk, offset: u64, data: &[u8]) -> Result<(), BlockError>;
    fn write_durable(&self, disk: &Disk, offset: u64, data: &[u8]) -> Result<(), BlockError>;
    fn write_batch(&self, disk: &Disk, batch: &mut [Extent]);
    fn flush(&self, disk: &Disk) -> Result<(), BlockError>;
    fn discard(&self, disk: &Disk, offset: u64, len: u64) -> Result<(), BlockError>;
    /// There is work in the background.
    fn work(&self, work: Work);
}

pub(super) static WRITING: Once<&'static dyn Writing> = Once::new();

fn writing() -> Result<&'static dyn Writing, BlockError> {
    WRITING.get().copied().ok_or(BlockError::ReadOnly)
}

/// A connected disk.
pub(super) struct Device {
    disk: Disk,
    is_read_only: bool,
    can_discard: bool,
    sector_bytes: u32,
}

impl Device {
    pub(super) fn new(disk: Disk) -> Self {
        let about = disk.disk();
        let (is_read_only, can_discard) = (about.read_only, about.discard.is_some());
        Self { disk, is_read_only, can_discard, sector_bytes: about.sector_size }
    }
}

pub(super) const REASON: &str = "the disk failed";

impl BlockRead for Device {
    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), BlockError> {
        let len = buffer.len() as u64;
        self.disk.read_at(offset, buffer).map_err(|error| {
            log::error!("{error}");
            BlockError::Failed { offset, len, reason: REASON }
        })
    }

    fn size_bytes(&self) -> u64 {
        // It may have grown.
        self.disk.refresh().unwrap_or_else(|_| self.disk.disk()).size_bytes
    }

    fn read_ahead(&self, offset: u64, len: usize) {
        self.disk.read_ahead(offset, len);
    }
}

impl BlockWrite for Device {
    fn write(&self, offset: u64, data: &[u8]) -> Result<(), BlockError> {
        writing()?.write(&self.disk, offset, data)
    }

    fn flush(&self) -> Result<(), BlockError> {
        // Where nobody can write, nothing was.
        WRITING.get().map_or(Ok(()), |writing| writing.flush(&self.disk))
    }

    fn write_batch(&self, batch: &mut [Extent]) {
        match writing() {
            Ok(writing) => writing.write_batch(&self.disk, batch),
            Err(error) => batch.iter_mut().for_each(|extent| extent.result = Err(error)),
        }
    }

    fn write_durable(&self, offset: u64, data: &[u8]) -> Result<(), BlockError> {
        writing()?.write_durable(&self.disk, offset, data)
    }

    fn discard(&self, offset: u64, len: u64) -> Result<(), BlockError> {
        writing()?.discard(&self.disk, offset, len)
    }

    fn can_discard(&self) -> bool {
        self.can_discard
    }

    fn is_read_only(&self) -> bool {
        self.is_read_only
    }

    fn sector_bytes(&self) -> u32 {
        self.sector_bytes
    }

    fn generation(&self) -> u64 {
        self.disk.stats().connections
    }
}
