//! An open regular file.

use alloc::sync::Arc;
use core::any::Any;

use linux_base::file::IoFlags;
use linux_base::{Credentials, File, OpenFile, OpenFlags, Result, Sink, Source, Stat};
use linux_mm::{Frame, PAGE_SIZE, Pager};

use crate::inode::{Inode, OpenRequest};
use crate::inotify::{self, event};
use crate::path::{Dentry, MountFlags};
use crate::tree::Node;

/// `CAP_FSETID`: writing leaves set-user-ID and set-group-ID as they are.
const CAP_FSETID: u32 = 4;

/// An open regular file of a [`crate::tree::Tree`].
pub struct RegularFile {
    node: Arc<Node>,
    dentry: Arc<Dentry>,
    can_write: bool,
    keeps_privileges: bool,
    stamps_access: bool,
}

impl RegularFile {
    pub(crate) fn open(node: Arc<Node>, request: &OpenRequest<'_>) -> Result<Arc<Self>> {
        let can_write = request.flags.can_write();
        if can_write {
            node.hooks().add_writer()?;
        }
        let is_silent = request.flags.contains(OpenFlags::NOATIME)
            || request.location.mount().flags().contains(MountFlags::NO_ATIME);
        Ok(Arc::new(Self {
            node,
            dentry: request.location.dentry().clone(),
            can_write,
            keeps_privileges: request.credentials.can(CAP_FSETID),
            stamps_access: !is_silent,
        }))
    }

    /// The inode.
    pub fn node(&self) -> &Arc<Node> {
        &self.node
    }
}

/// The memory of an open file, to be mapped, if it is a regular one.
pub fn pager(file: &OpenFile) -> Option<Arc<dyn Pager>> {
    let node: Arc<dyn Pager> = file.downcast::<RegularFile>()?.node.clone();
    Some(node)
}

/// Reads up to `len` bytes by the pages that hold them, which `take` gets with the place of the bytes in each: as many as are at
/// hand. Returns how many bytes they are: 0 also when a read has to make them known first, and when the file is no regular one.
pub fn read_pages(
    file: &OpenFile,
    offset: u64,
    len: usize,
    mut take: impl FnMut(Frame, usize, usize) -> Result<()>,
) -> usize {
    let Some(file) = file.downcast::<RegularFile>() else { return 0 };
    let size = PAGE_SIZE as u64;
    let len = file.node.len().saturating_sub(offset).min(len as u64) as usize;
    let mut done = 0;
    while done < len {
        let at = offset.saturating_add(done as u64);
        let within = (at % size) as usize;
        let step = (PAGE_SIZE - within).min(len - done);
        let taken = file.node.page_now(at / size).is_some_and(|frame| take(frame, within, step).is_ok());
        if !taken {
            break;
        }
        done += step;
    }
    if done > 0 {
        file.is_read();
    }
    done
}

impl RegularFile {
    /// Some of it has been read.
    fn is_read(&self) {
        if self.stamps_access {
            self.node.accessed();
        }
        inotify::tell(&self.dentry, event::ACCESS);
    }
}

impl File for RegularFile {
    fn read(&self, offset: u64, into: &mut dyn Sink, _: IoFlags) -> Result<usize> {
        let len = self.node.read(offset, into)?;
        if self.stamps_access {
            self.node.accessed();
        }
        if len > 0 {
            inotify::tell(&self.dentry, event::ACCESS);
        }
        Ok(len)
    }

    fn write(&self, offset: u64, from: &mut dyn Source, _: IoFlags) -> Result<usize> {
        let len = self.node.write(offset, from)?;
        if len > 0 {
            if !self.keeps_privileges {
                self.node.drop_privileges();
            }
            inotify::tell(&self.dentry, event::MODIFY);
        }
        Ok(len)
    }

    fn stat(&self) -> Result<Stat> {
        Ok(self.node.stat())
    }

    fn is_seekable(&self) -> bool {
        true
    }

    fn seek_end(&self) -> Result<u64> {
        Ok(self.node.len())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_arc(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

impl Drop for RegularFile {
    fn drop(&mut self) {
        if self.can_write {
            self.node.hooks().remove_writer();
        }
        inotify::tell(&self.dentry, if self.can_write { event::CLOSE_WRITE } else { event::CLOSE_NOWRITE });
    }
}

/// Keeps a program from being written while it runs.
pub struct Executing(Arc<dyn Inode>);

impl Executing {
    /// `ETXTBSY` if it is open for writing.
    pub fn new(inode: Arc<dyn Inode>) -> Result<Self> {
        inode.hooks().deny_writers()?;
        Ok(Self(inode))
    }
}

impl Clone for Executing {
    fn clone(&self) -> Self {
        // It is executed already, so nobody has it open for writing.
        let _ = self.0.hooks().deny_writers();
        Self(self.0.clone())
    }
}

impl Drop for Executing {
    fn drop(&mut self) {
        self.0.hooks().allow_writers();
    }
}

/// How much of a write fits under a limit of the file's length (`RLIMIT_FSIZE`): `EFBIG`, and `SIGXFSZ` is the caller's matter,
/// if nothing does. `at` is the offset, or the file's end with `O_APPEND`.
pub fn limit_write(at: u64, len: usize, limit: u64) -> Result<usize> {
    match limit.checked_sub(at) {
        _ if len == 0 => Ok(0),
        None | Some(0) => Err(linux_base::Errno::EFBIG),
        Some(room) => Ok(len.min(usize::try_from(room).unwrap_or(usize::MAX))),
    }
}

/// Whether somebody may act as the owner of a file.
pub(crate) fn is_owner(credentials: &Credentials, uid: u32) -> bool {
    credentials.uid.fs == uid || credentials.can(Credentials::CAP_FOWNER)
}
