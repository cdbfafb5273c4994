//! The seam to a disk: bytes at an offset.
//!
//! [`crate::Cache`] asks only for whole 4096-byte units at 4096-byte offsets (the last one cut at the end of
//! the device), so an adapter over 512- or 4096-byte sectors needs no bounce buffer.

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

/// Why a device did not give the bytes asked for.
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
