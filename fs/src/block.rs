//! The seam to a disk: bytes at an offset, to be read and to be written.
//!
//! [`crate::Cache`] asks only for whole 4096-byte units at 4096-byte offsets (the last one cut at the end of
//! the device), so an adapter over 512- or 4096-byte sectors needs no bounce buffer. What goes around the cache
//! ([`crate::Cache::write_direct`]) is of whole sectors.

use alloc::{sync::Arc, vec::Vec};
use core::fmt;

/// A disk, or anything else with bytes at offsets.
pub trait BlockRead: Send + Sync {
    /// Fills `buf` with the bytes at `offset_bytes`, all of it or an error. May block the calling thread.
    fn read(&self, offset_bytes: u64, buf: &mut [u8]) -> Result<(), BlockError>;

    /// The size of the device in bytes.
    fn size_bytes(&self) -> u64;

    /// These bytes will probably be read next: a device that can fetches them meanwhile. Does not block.
    fn read_ahead(&self, _offset_bytes: u64, _len: usize) {}
}

/// Bytes on their way to a disk, and what came of it.
#[derive(Debug)]
pub struct Extent {
    /// Where they go.
    pub offset: u64,
    /// The bytes: whole sectors.
    pub data: Vec<u8>,
    /// Set by [`BlockWrite::write_batch`].
    pub result: Result<(), BlockError>,
}

/// A disk that can be written. What was written is safe only after the next [`BlockWrite::flush`] that succeeds.
pub trait BlockWrite: BlockRead {
    /// Writes whole sectors. May block the calling thread.
    fn write(&self, offset_bytes: u64, data: &[u8]) -> Result<(), BlockError>;

    /// Puts on stable storage what was written before, and returns after that.
    fn flush(&self) -> Result<(), BlockError>;

    /// Writes several extents that do not overlap, in any order: a device that can has them in flight together. Each
    /// has its own result. They are the device's to use up: the bytes need not be there afterwards.
    fn write_batch(&self, batch: &mut [Extent]) {
        for extent in batch {
            extent.result = self.write(extent.offset, &extent.data);
        }
    }

    /// Writes whole sectors, which are on stable storage afterwards, where the disk can do so with them alone.
    fn write_durable(&self, offset_bytes: u64, data: &[u8]) -> Result<(), BlockError> {
        self.write(offset_bytes, data)?;
        self.flush()
    }

    /// The content of whole sectors is not needed any more, and may read as anything.
    fn discard(&self, _offset_bytes: u64, _len: u64) -> Result<(), BlockError> {
        Err(BlockError::Unsupported { operation: "discard" })
    }

    /// Whether it discards at all.
    fn can_discard(&self) -> bool {
        false
    }

    /// Whether writes are refused.
    fn is_read_only(&self) -> bool {
        false
    }

    /// The unit of writes around the cache: a power of two, 4096 at most.
    fn sector_bytes(&self) -> u32 {
        512
    }

    /// Another number says that what was written and not flushed may be lost, as when a back end came back.
    fn generation(&self) -> u64 {
        0
    }
}

/// Why a device did not do what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockError {
    /// The range does not lie within the device.
    OutOfRange {
        /// First byte asked for.
        offset: u64,
        /// Bytes asked for.
        len: u64,
        /// Bytes that the device has.
        size: u64,
    },
    /// The device failed the request.
    Failed {
        /// First byte asked for.
        offset: u64,
        /// Bytes asked for.
        len: u64,
        /// What the device said.
        reason: &'static str,
    },
    /// The device failed a write.
    WriteFailed {
        /// First byte of it.
        offset: u64,
        /// Bytes of it.
        len: u64,
        /// What the device said.
        reason: &'static str,
    },
    /// The device could not put on stable storage what was written before.
    FlushFailed {
        /// What the device said.
        reason: &'static str,
    },
    /// What had been written and was not on the device yet lies behind its new end.
    Shrunk {
        /// First byte that is lost.
        offset: u64,
        /// Bytes that the device has now.
        size: u64,
    },
    /// The device is not to be written.
    ReadOnly,
    /// Not of whole sectors.
    Unaligned {
        /// First byte asked for.
        offset: u64,
        /// Bytes asked for.
        len: u64,
        /// Bytes in a sector.
        unit: u32,
    },
    /// The device can not do this.
    Unsupported {
        /// What.
        operation: &'static str,
    },
    /// No memory for so many bytes.
    OutOfMemory {
        /// Bytes.
        len: usize,
    },
}

impl fmt::Display for BlockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfRange { offset, len, size } => {
                write!(f, "{len} bytes at {offset} lie outside the device of {size} bytes")
            }
            Self::Failed { offset, len, reason } => {
                write!(f, "reading {len} bytes at {offset} failed: {reason}")
            }
            Self::WriteFailed { offset, len, reason } => {
                write!(f, "writing {len} bytes at {offset} failed: {reason}")
            }
            Self::FlushFailed { reason } => write!(f, "flushing failed: {reason}"),
            Self::Shrunk { offset, size } => {
                write!(f, "what was written at {offset} is lost: the device has {size} bytes now")
            }
            Self::ReadOnly => f.write_str("the device is read-only"),
            Self::Unaligned { offset, len, unit } => {
                write!(f, "{len} bytes at {offset} are not whole sectors of {unit}")
            }
            Self::Unsupported { operation } => write!(f, "the device does not support {operation}"),
            Self::OutOfMemory { len } => write!(f, "no memory for {len} bytes"),
        }
    }
}

impl core::error::Error for BlockError {}

/// Fails unless `len` bytes at `offset` lie within `size`.
pub(crate) fn check_range(offset: u64, len: usize, size: u64) -> Result<(), BlockError> {
    let len = len as u64;
    match offset.checked_add(len) {
        Some(end) if end <= size => Ok(()),
        _ => Err(BlockError::OutOfRange { offset, len, size }),
    }
}

impl BlockRead for [u8] {
    fn read(&self, offset_bytes: u64, buf: &mut [u8]) -> Result<(), BlockError> {
        check_range(offset_bytes, buf.len(), self.len() as u64)?;
        let start = offset_bytes as usize;
        buf.copy_from_slice(&self[start..start + buf.len()]);
        Ok(())
    }

    fn size_bytes(&self) -> u64 {
        self.len() as u64
    }
}

impl BlockRead for Vec<u8> {
    fn read(&self, offset_bytes: u64, buf: &mut [u8]) -> Result<(), BlockError> {
        self.as_slice().read(offset_bytes, buf)
    }

    fn size_bytes(&self) -> u64 {
        self.len() as u64
    }
}

impl<T: BlockRead + ?Sized> BlockRead for Arc<T> {
    fn read(&self, offset_bytes: u64, buf: &mut [u8]) -> Result<(), BlockError> {
        (**self).read(offset_bytes, buf)
    }

    fn size_bytes(&self) -> u64 {
        (**self).size_bytes()
    }

    fn read_ahead(&self, offset_bytes: u64, len: usize) {
        (**self).read_ahead(offset_bytes, len)
    }
}

impl<T: BlockWrite + ?Sized> BlockWrite for Arc<T> {
    fn write(&self, offset_bytes: u64, data: &[u8]) -> Result<(), BlockError> {
        (**self).write(offset_bytes, data)
    }

    fn flush(&self) -> Result<(), BlockError> {
        (**self).flush()
    }

    fn write_batch(&self, batch: &mut [Extent]) {
        (**self).write_batch(batch)
    }

    fn write_durable(&self, offset_bytes: u64, data: &[u8]) -> Result<(), BlockError> {
        (**self).write_durable(offset_bytes, data)
    }

    fn discard(&self, offset_bytes: u64, len: u64) -> Result<(), BlockError> {
        (**self).discard(offset_bytes, len)
    }

    fn can_discard(&self) -> bool {
        (**self).can_discard()
    }

    fn is_read_only(&self) -> bool {
        (**self).is_read_only()
    }

    fn sector_bytes(&self) -> u32 {
        (**self).sector_bytes()
    }

    fn generation(&self) -> u64 {
        (**self).generation()
    }
}
