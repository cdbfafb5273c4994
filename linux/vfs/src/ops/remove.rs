//! Taking names away: `unlink`, `rmdir`.

use linux_base::{Errno, Result};

use super::retry;
use crate::context::Context;
use crate::inotify::{self, event};
use crate::path::{LastName, Location};

impl Context<'_> {
    /// `unlinkat(2)` of what is no directory.
    pub fn unlink(&self, base: Option<&Location>, path: &[u8]) -> Result<()> {
        retry(|| {
            let last = self.last(base, path)?;
            let LastName::Normal(name) = last.name else { return Err(Errno::EISDIR) };
            last.directory.mount().check_writable()?;
            let dentry = self.vfs.names.lookup(last.directory.dentry(), &name)?;
            let inode = dentry.inode()?.clone();
            if last.must_be_directory {
                return Err(if inode.is_directory() { Errno::EISDIR } else { Errno::ENOTDIR });
            }
            self.may_remove(&last.directory, &*inode)?;
            if inode.is_directory() {
                return Err(Errno::EISDIR);
            }
            if dentry.mounts() > 0 {
                return Err(Errno::EBUSY);
            }
            last.directory.inode()?.unlink(&name, &inode)?;
            self.vfs.names.forget(&dentry);
            inotify::tell_self(&inode, event::ATTRIB);
            inotify::tell_directory(last.directory.dentry(), &name, event::DELETE, 0);
            drop(dentry);
            inotify::tell_if_gone(&inode);
            Ok(())
        })
    }

    /// `unlinkat(2)` with `AT_REMOVEDIR`.
    pub fn rmdir(&self, base: Option<&Location>, path: &[u8]) -> Result<()> {
        retry(|| {
            let last = self.last(base, path)?;
            let name = match last.name {
                LastName::Normal(name) => name,
                LastName::DotDot => return Err(Errno::ENOTEMPTY),
                LastName::Dot if path.iter().all(|byte| *byte == b'/') => return Err(Errno::EBUSY),
                LastName::Dot => return Err(Errno::EINVAL),
            };
            last.directory.mount().check_writable()?;
            let dentry = self.vfs.names.lookup(last.directory.dentry(), &name)?;
            let inode = dentry.inode()?.clone();
            self.may_remove(&last.directory, &*inode)?;
            if !inode.is_directory() {
                return Err(Errno::ENOTDIR);
            }
            if dentry.mounts() > 0 {
                return Err(Errno::EBUSY);
            }
            inode.check_empty()?;
            last.directory.inode()?.rmdir(&name, &inode)?;
            self.vfs.names.forget(&dentry);
            inotify::tell_directory(last.directory.dentry(), &name, event::DELETE | event::IS_DIRECTORY, 0);
            drop(dentry);
            inotify::tell_if_gone(&inode);
            Ok(())
        })
    }
}
