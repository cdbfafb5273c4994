//! An open directory.

use alloc::sync::Arc;
use core::any::Any;
use core::ops::ControlFlow;

use linux_base::file::IoFlags;
use linux_base::{Errno, File, OpenFile, Result, Sink, Stat};

use crate::inode::{DirEntry, Emit, FIRST_COOKIE};
use crate::inotify::{self, event};
use crate::path::Location;

/// An open directory. The offset of the open file is a cookie of [`crate::Inode::read_dir`].
pub struct DirectoryFile(Location);

/// `DT_DIR`.
const DIRECTORY: u8 = 4;

impl DirectoryFile {
    /// Opens the directory at a place.
    pub fn new(place: Location) -> Arc<Self> {
        Arc::new(Self(place))
    }

    /// Lists names from a cookie on, `.` and `..` first. The cookie of where to go on is given with each name.
    pub fn list(&self, from: u64, emit: &mut Emit<'_>) -> Result<()> {
        let inode = self.0.inode()?;
        if self.0.dentry().is_deleted() {
            return Err(Errno::ENOENT);
        }
        if from == 0 {
            let entry = DirEntry { name: b".", ino: inode.stat().ino, kind: DIRECTORY, next: 1 };
            if emit(entry).is_break() {
                return Ok(());
            }
        }
        if from <= 1 {
            let parent = self.0.dentry().parent();
            let above = parent.as_ref().map_or(Ok(inode), |parent| parent.inode())?;
            let entry = DirEntry { name: b"..", ino: above.stat().ino, kind: DIRECTORY, next: FIRST_COOKIE };
            if emit(entry).is_break() {
                return Ok(());
            }
        }
        inode.read_dir(from.max(FIRST_COOKIE), emit)
    }
}

/// Lists the names of an open directory from its offset on, which goes behind each name that is taken. `ENOTDIR` if it is none.
pub fn list(file: &OpenFile, emit: &mut Emit<'_>) -> Result<()> {
    let directory = file.downcast::<DirectoryFile>().ok_or(Errno::ENOTDIR)?;
    let result = directory.list(file.offset(), &mut |entry| {
        let flow = emit(entry);
        if let ControlFlow::Continue(()) = flow {
            file.set_offset(entry.next);
        }
        flow
    });
    inotify::tell(directory.0.dentry(), event::ACCESS);
    result
}

impl File for DirectoryFile {
    fn read(&self, _: u64, _: &mut dyn Sink, _: IoFlags) -> Result<usize> {
        Err(Errno::EISDIR)
    }

    fn stat(&self) -> Result<Stat> {
        Ok(self.0.inode()?.stat())
    }

    fn is_seekable(&self) -> bool {
        true
    }

    fn seek_end(&self) -> Result<u64> {
        Ok(i64::MAX as u64)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_arc(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

impl Drop for DirectoryFile {
    fn drop(&mut self) {
        inotify::tell(self.0.dentry(), event::CLOSE_NOWRITE);
    }
}
