//! A whole disk as a file that is read and written.

use fs::BlockFile;

use super::{OpenError, cached};
use crate::io;

/// A disk through its cache, with a position. What is written is safe after [`File::sync`]; the cache writes it back by itself some
/// seconds later, and when the guest ends.
pub struct File {
    file: BlockFile,
    position: u64,
}

impl File {
    /// Opens a disk, `xvda` or `/dev/xvda`.
    pub fn open(name: &str) -> Result<Self, OpenError> {
        Ok(Self { file: BlockFile::open(cached(name)?), position: 0 })
    }

    /// Bytes of the disk.
    pub fn len(&self) -> u64 {
        self.file.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.file.is_empty()
    }

    /// Reads at an offset, without moving the position. Short only at the end of the disk.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(self.file.read_at(offset, buffer).map_err(crate::fs::Error::from)?)
    }

    /// Writes at an offset, without moving the position. Short only at the end of the disk.
    pub fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        Ok(self.file.write_at(offset, bytes).map_err(crate::fs::Error::from)?)
    }

    /// Returns when all that was written before is on stable storage, or with an error of writing back that this one has not heard
    /// of.
    pub fn sync(&self) -> io::Result<()> {
        Ok(self.file.sync().map_err(crate::fs::Error::from)?)
    }

    /// What is written from now on reaches the disk after what was written until now. Does not wait.
    pub fn barrier(&self) {
        self.file.cache().barrier();
    }

    /// The content of whole sectors is not needed any more, and may read as anything.
    pub fn discard(&self, offset: u64, len: u64) -> io::Result<()> {
        Ok(self.file.cache().discard(offset, len).map_err(crate::fs::Error::from)?)
    }

    /// Where the next read or write begins.
    pub fn seek(&mut self, position: u64) {
        self.position = position;
    }
}

impl io::Read for File {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.read_at(self.position, buffer)?;
        self.position += count as u64;
        Ok(count)
    }
}

impl io::Write for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.write_at(self.position, bytes)?;
        self.position += count as u64;
        Ok(count)
    }
}
