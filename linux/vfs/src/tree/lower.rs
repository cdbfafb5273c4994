//! What is below a tree: a read-only file system of the `fs` crate.

use alloc::sync::Arc;

use linux_base::stat::DeviceNumber;
use linux_base::{Errno, Mode, Result, Stat, Timespec};
use linux_mm::{Frame, PAGE_SIZE};

use crate::inode::Usage;

/// Makes a frame out of a page of a file that lies in memory for good, if these bytes do: the ramdisk's. It takes whole, aligned
/// pages and nothing else.
pub type InPlace = Arc<dyn Fn(&[u8]) -> Option<Frame> + Send + Sync>;

/// A read-only file system, with what is in place.
#[derive(Clone)]
pub struct Lower {
    filesystem: Arc<dyn fs::FileSystem>,
    in_place: Option<InPlace>,
}

impl Lower {
    /// Something read-only; `in_place` for file data that need not be copied.
    pub fn new(filesystem: Arc<dyn fs::FileSystem>, in_place: Option<InPlace>) -> Self {
        Self { filesystem, in_place }
    }

    pub(super) fn root(&self) -> fs::Inode {
        self.filesystem.root()
    }

    pub(super) fn lookup(&self, directory: fs::Inode, name: &[u8]) -> Result<fs::Inode> {
        self.filesystem.lookup(directory, name).map_err(|error| errno(&error))
    }

    pub(super) fn read_dir(&self, directory: fs::Inode, visit: &mut fs::DirVisitor<'_>) -> Result<()> {
        self.filesystem.read_dir(directory, visit).map_err(|error| errno(&error))
    }

    pub(super) fn read_link(&self, inode: fs::Inode) -> Result<alloc::vec::Vec<u8>> {
        self.filesystem.read_link(inode).map_err(|error| errno(&error))
    }

    pub(super) fn read(&self, inode: fs::Inode, offset: u64, into: &mut [u8]) -> Result<usize> {
        self.filesystem.read_at(inode, offset, into).map_err(|error| errno(&error))
    }

    /// A whole page of a file that lies in memory for good.
    pub(super) fn frame(&self, inode: fs::Inode, index: u64) -> Option<Frame> {
        let make = self.in_place.as_ref()?;
        let bytes = self.filesystem.bytes(inode)?;
        let start = usize::try_from(index).ok()?.checked_mul(PAGE_SIZE)?;
        let page = bytes.get(start..start.checked_add(PAGE_SIZE)?)?;
        if !page.as_ptr().addr().is_multiple_of(PAGE_SIZE) {
            return None;
        }
        make(page)
    }

    /// All bytes of a file that lies in memory.
    pub(super) fn bytes(&self, inode: fs::Inode) -> Option<&[u8]> {
        self.filesystem.bytes(inode)
    }

    pub(super) fn stat(&self, inode: fs::Inode) -> Result<Stat> {
        let metadata = self.filesystem.metadata(inode).map_err(|error| errno(&error))?;
        let time = |(seconds, nanos): (i64, u32)| Timespec { seconds, nanos };
        let (major, minor) = metadata.device;
        Ok(Stat {
            dev: 0,
            ino: inode.0,
            mode: Mode(u32::from(metadata.format) | u32::from(metadata.mode)),
            nlink: metadata.links,
            uid: metadata.uid,
            gid: metadata.gid,
            rdev: DeviceNumber { major, minor }.encode(),
            size: metadata.len,
            blksize: PAGE_SIZE as u32,
            blocks: metadata.blocks,
            atime: time(metadata.times.accessed),
            mtime: time(metadata.times.modified),
            ctime: time(metadata.times.changed),
            btime: time(metadata.times.born),
        })
    }

    pub(super) fn usage(&self) -> Usage {
        let usage = self.filesystem.usage();
        Usage {
            magic: 0,
            block_size: u64::from(usage.block_size),
            blocks: usage.blocks,
            free: usage.free_blocks,
            inodes: usage.inodes,
            free_inodes: usage.free_inodes,
        }
    }
}

fn errno(error: &fs::Error) -> Errno {
    match error {
        fs::Error::NotFound { .. } => Errno::ENOENT,
        fs::Error::NotADirectory { .. } => Errno::ENOTDIR,
        fs::Error::IsADirectory { .. } => Errno::EISDIR,
        fs::Error::NotAFile { .. } | fs::Error::NotASymlink { .. } | fs::Error::InvalidPath { .. } => {
            Errno::EINVAL
        }
        fs::Error::TooManySymlinks { .. } => Errno::ELOOP,
        fs::Error::NameTooLong { .. } => Errno::ENAMETOOLONG,
        fs::Error::TooLarge { .. } => Errno::ENOMEM,
        fs::Error::Unsupported { .. } => Errno::EOPNOTSUPP,
        _ => Errno::EIO,
    }
}
