//! The errors of this crate.

use crate::BlockError;
use alloc::string::String;
use core::fmt;

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = core::result::Result<T, E>;

/// Why an operation on a file system failed. Paths are shown lossily where they are not UTF-8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// No such file or directory.
    NotFound {
        /// What was looked for.
        path: String,
    },
    /// A component of the path, or the thing to list, is no directory.
    NotADirectory {
        /// The thing that is no directory.
        path: String,
    },
    /// A directory where a file was wanted.
    IsADirectory {
        /// The directory.
        path: String,
    },
    /// Not a regular file: a device node, a socket, a pipe or a symbolic link.
    NotAFile {
        /// The special file.
        path: String,
    },
    /// `read_link` on something that is no symbolic link.
    NotASymlink {
        /// The thing that is no link.
        path: String,
    },
    /// More symbolic links on the way than the limit allows: most likely a loop.
    TooManySymlinks {
        /// The path that was asked for.
        path: String,
    },
    /// A name or path longer than the limit.
    NameTooLong {
        /// Its length in bytes.
        len: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// A path that cannot be one: relative, or with a NUL in it.
    InvalidPath {
        /// The path.
        path: String,
    },
    /// A mount point that is taken.
    AlreadyMounted {
        /// The mount point.
        path: String,
    },
    /// The file system contradicts itself.
    Corrupt {
        /// What is wrong.
        what: &'static str,
        /// The wrong value, or where it stands.
        value: u64,
    },
    /// The device failed.
    Io(BlockError),
    /// Valid, but not supported here.
    Unsupported {
        /// What is not supported.
        feature: &'static str,
        /// Its number or flag.
        value: u64,
    },
    /// The device or image holds none of the supported file systems.
    UnknownFileSystem {
        /// What was found instead.
        found: &'static str,
    },
    /// More memory would be needed than allowed.
    TooLarge {
        /// Bytes needed.
        len: u64,
        /// Bytes allowed.
        limit: u64,
    },
}

impl Error {
    pub(crate) fn not_found(name: &[u8]) -> Self {
        Self::NotFound { path: text(name) }
    }

    pub(crate) fn not_a_directory(path: &[u8]) -> Self {
        Self::NotADirectory { path: text(path) }
    }

    pub(crate) fn corrupt(what: &'static str, value: impl TryInto<u64>) -> Self {
        Self::Corrupt { what, value: value.try_into().unwrap_or(u64::MAX) }
    }

    /// The same error, told about the whole path instead of one name.
    pub(crate) fn at(self, whole: &[u8]) -> Self {
        let path = text(whole);
        match self {
            Self::NotFound { .. } => Self::NotFound { path },
            Self::NotADirectory { .. } => Self::NotADirectory { path },
            Self::IsADirectory { .. } => Self::IsADirectory { path },
            Self::NotAFile { .. } => Self::NotAFile { path },
            Self::NotASymlink { .. } => Self::NotASymlink { path },
            other => other,
        }
    }
}

/// A path as text for a message.
pub(crate) fn text(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}

impl From<BlockError> for Error {
    fn from(error: BlockError) -> Self {
        Self::Io(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound { path } => write!(f, "`{path}` does not exist"),
            Self::NotADirectory { path } => write!(f, "`{path}` is not a directory"),
            Self::IsADirectory { path } => write!(f, "`{path}` is a directory"),
            Self::NotAFile { path } => write!(f, "`{path}` is not a regular file"),
            Self::NotASymlink { path } => write!(f, "`{path}` is not a symbolic link"),
            Self::TooManySymlinks { path } => write!(f, "`{path}` passes too many symbolic links"),
            Self::NameTooLong { len, limit } => write!(f, "name of {len} bytes; the limit is {limit}"),
            Self::InvalidPath { path } => write!(f, "`{path}` is not an absolute path without NUL"),
            Self::AlreadyMounted { path } => write!(f, "something is mounted on `{path}` already"),
            Self::Corrupt { what, value } => write!(f, "corrupt file system: {what} ({value:#x})"),
            Self::Io(error) => write!(f, "{error}"),
            Self::Unsupported { feature, value } => write!(f, "unsupported: {feature} ({value:#x})"),
            Self::UnknownFileSystem { found } => {
                write!(f, "no supported file system (ext2/3/4, cpio, tar): found {found}")
            }
            Self::TooLarge { len, limit } => write!(f, "{len} bytes needed; the limit is {limit}"),
        }
    }
}

impl core::error::Error for Error {}
