//! Files. The options `mount=DEVICE:PATH[:TYPE]` say what is where, `initrd` being the device of the ramdisk; without any, the
//! first disk is at `/`, or else the ramdisk. Mounting happens at the first use. File systems are only read; a whole disk is written as
//! [`crate::block::File`].

mod mount;

use alloc::string::String;
use alloc::vec::Vec;

use core::fmt;

pub use fs::{DirEntry, Kind, Metadata};

pub use mount::{open_disk, open_ramdisk};

use crate::io;

/// Why an operation on files failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Error {
    /// The file system says no.
    System(fs::Error),
    /// A `mount=` option could not be obeyed, so that there are no files at all.
    Mount {
        /// The option's value.
        spec: String,
        /// Why not.
        reason: String,
    },
}

/// What the functions here return.
pub type Result<T> = core::result::Result<T, Error>;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System(error) => error.fmt(f),
            Self::Mount { spec, reason } => write!(f, "mount={spec}: {reason}"),
        }
    }
}

impl core::error::Error for Error {}

impl From<fs::BlockError> for Error {
    fn from(error: fs::BlockError) -> Self {
        Self::System(error.into())
    }
}

impl From<fs::Error> for Error {
    fn from(error: fs::Error) -> Self {
        Self::System(error)
    }
}

/// An open file, read-only, with a position.
pub struct File {
    file: fs::File,
    position: u64,
}

impl File {
    /// Opens a file.
    pub fn open(path: impl AsRef<[u8]>) -> Result<Self> {
        Ok(Self { file: mount::vfs()?.open(path)?, position: 0 })
    }

    /// Bytes in the file.
    pub fn len(&self) -> u64 {
        self.file.len()
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Facts about it.
    pub fn metadata(&self) -> &Metadata {
        self.file.metadata()
    }

    /// Reads at an offset, without moving the position. Short only at the end of the file.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        Ok(self.file.read_at(offset, buffer)?)
    }

    /// The whole file in place, if it lies in memory.
    pub fn bytes(&self) -> Option<&[u8]> {
        self.file.bytes()
    }

    /// Where the next read begins.
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

/// The tree of all that is mounted.
pub fn tree() -> Result<&'static fs::Vfs> {
    mount::vfs()
}

/// Reads a whole file, if it is no longer than `limit` bytes.
pub fn read(path: impl AsRef<[u8]>, limit: usize) -> Result<Vec<u8>> {
    Ok(mount::vfs()?.open(path)?.read_all(limit)?)
}

/// Reads a whole text file; what is not UTF-8 is replaced.
pub fn read_to_string(path: impl AsRef<[u8]>, limit: usize) -> Result<String> {
    Ok(String::from_utf8_lossy(&read(path, limit)?).into_owned())
}

/// Facts about what a path leads to.
pub fn metadata(path: impl AsRef<[u8]>) -> Result<Metadata> {
    Ok(mount::vfs()?.metadata(path)?)
}

/// The entries of a directory.
pub fn read_dir(path: impl AsRef<[u8]>) -> Result<Vec<DirEntry>> {
    Ok(mount::vfs()?.read_dir(path)?)
}
