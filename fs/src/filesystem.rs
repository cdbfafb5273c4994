//! What every file system offers.

use crate::{Error, Result};
use alloc::vec::Vec;
use core::ops::ControlFlow;

/// The number of a file within its file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Inode(pub u64);

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A device node, pipe or socket.
    Special,
}

impl Kind {
    /// The kind in the top four bits of a Unix mode; `None` for a value that means nothing.
    pub(crate) fn from_mode(mode: u32) -> Option<Self> {
        match (mode >> 12) & 0xf {
            0x8 => Some(Self::File),
            0x4 => Some(Self::Directory),
            0xa => Some(Self::Symlink),
            0x1 | 0x2 | 0x6 | 0xc => Some(Self::Special),
            _ => None,
        }
    }
}

/// Facts about a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// Its number.
    pub inode: Inode,
    /// What it is.
    pub kind: Kind,
    /// Length in bytes.
    pub len: u64,
    /// Permission bits, with set-uid, set-gid and sticky (`0o7777`).
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Last change of its content, in seconds since 1970.
    pub mtime: i64,
    /// The type as Unix has it in the top four bits of a mode (`0o170_000`): tells the special files apart.
    pub format: u16,
    /// Names it has.
    pub links: u32,
    /// Major and minor number of a device node.
    pub device: (u32, u32),
    /// Space taken, in units of 512 bytes.
    pub blocks: u64,
    /// Its moments, to the nanosecond where the file system has that.
    pub times: Times,
}

/// Moments of a file: seconds since 1970, and nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// Last read.
    pub accessed: (i64, u32),
    /// Last change of the content.
    pub modified: (i64, u32),
    /// Last change of the content or of the facts.
    pub changed: (i64, u32),
    /// When it was made.
    pub born: (i64, u32),
}

impl Times {
    /// All the same second.
    pub(crate) fn all(seconds: i64) -> Self {
        let moment = (seconds, 0);
        Self { accessed: moment, modified: moment, changed: moment, born: moment }
    }
}

/// How large a file system is, and how full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of a block.
    pub block_size: u32,
    /// Blocks in all.
    pub blocks: u64,
    /// Blocks that nothing uses.
    pub free_blocks: u64,
    /// Inodes in all: no inode number is larger.
    pub inodes: u64,
    /// Inodes that nothing uses.
    pub free_inodes: u64,
}

/// One name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirEntry {
    /// The name, without a slash; never `.` or `..`.
    pub name: Vec<u8>,
    /// The file it names.
    pub inode: Inode,
    /// What that is; `None` where the directory does not say and [`FileSystem::metadata`] must be asked.
    pub kind: Option<Kind>,
}

/// Called for each name in a directory; `Break` ends the listing.
pub type DirVisitor<'a> = dyn FnMut(&[u8], Inode, Option<Kind>) -> ControlFlow<()> + 'a;

/// A read-only file system. Paths, mounts and symbolic links are [`crate::Vfs`]'s matter.
pub trait FileSystem: Send + Sync {
    /// The root directory.
    fn root(&self) -> Inode;

    /// The file called `name` in `dir`. `.` and `..` are never asked for.
    fn lookup(&self, dir: Inode, name: &[u8]) -> Result<Inode>;

    /// Facts about a file.
    fn metadata(&self, inode: Inode) -> Result<Metadata>;

    /// Reads from a regular file and returns how many bytes: all of `buf` unless the file ends.
    fn read_at(&self, inode: Inode, offset: u64, buf: &mut [u8]) -> Result<usize>;

    /// Visits the names in a directory, in the order they are stored.
    fn read_dir(&self, dir: Inode, visit: &mut DirVisitor<'_>) -> Result<()>;

    /// Where a symbolic link points to.
    fn read_link(&self, inode: Inode) -> Result<Vec<u8>>;

    /// How large it is, and how full.
    fn usage(&self) -> Usage {
        Usage::default()
    }

    /// The bytes of a file that lies in memory whole, to be used without a copy.
    fn bytes(&self, _inode: Inode) -> Option<&[u8]> {
        None
    }
}

/// Fails unless `metadata` is of a regular file.
pub(crate) fn expect_file(metadata: &Metadata, path: &[u8]) -> Result<()> {
    match metadata.kind {
        Kind::File => Ok(()),
        Kind::Directory => Err(Error::IsADirectory { path: crate::error::text(path) }),
        Kind::Symlink | Kind::Special => Err(Error::NotAFile { path: crate::error::text(path) }),
    }
}
