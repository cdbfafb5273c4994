//! Making names: `mkdir`, `mknod`, `symlink`, `link`.

use alloc::sync::Arc;

use linux_base::{Credentials, Errno, Mode, Result};

use super::{may, retry};
use crate::context::Context;
use crate::inode::{Inode, SYMLINK_MAX};
use crate::inotify::{self, event};
use crate::path::{Follow, LastName, Location};
use crate::regular::is_owner;

/// `CAP_MKNOD`.
const CAP_MKNOD: u32 = 27;

impl Context<'_> {
    /// `mkdirat(2)`.
    pub fn mkdir(&self, base: Option<&Location>, path: &[u8], mode: u32) -> Result<()> {
        self.make(base, path, Mode::DIRECTORY | mode & 0o1777, 0, b"").map(drop)
    }

    /// `mknodat(2)`: `mode` has the type, none is a regular file. Also how `bind(2)` makes the name of a socket.
    pub fn mknod(&self, base: Option<&Location>, path: &[u8], mode: u32, rdev: u64) -> Result<Location> {
        let kind = match mode & Mode::TYPE {
            0 => Mode::REGULAR,
            Mode::DIRECTORY => return Err(Errno::EPERM),
            kind @ (Mode::REGULAR | Mode::FIFO | Mode::SOCKET) => kind,
            kind @ (Mode::CHARACTER | Mode::BLOCK) => {
                if !self.credentials.can(CAP_MKNOD) {
                    return Err(Errno::EPERM);
                }
                kind
            }
            _ => return Err(Errno::EINVAL),
        };
        self.make(base, path, kind | mode & 0o7777, rdev, b"")
    }

    /// `symlinkat(2)`.
    pub fn symlink(&self, target: &[u8], base: Option<&Location>, path: &[u8]) -> Result<()> {
        if target.is_empty() {
            return Err(Errno::ENOENT);
        }
        if target.len() > SYMLINK_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        self.make(base, path, Mode::SYMLINK | 0o777, 0, target).map(drop)
    }

    fn make(
        &self,
        base: Option<&Location>,
        path: &[u8],
        mode: u32,
        rdev: u64,
        target: &[u8],
    ) -> Result<Location> {
        retry(|| {
            let (directory, name) = self.vacant(base, path, mode & Mode::TYPE == Mode::DIRECTORY)?;
            self.may_change(&directory)?;
            let above = directory.inode()?;
            let new = self.new_inode(&**above, mode, rdev, target);
            let inode = above.create(&name, &new).map_err(changed_meanwhile)?;
            let dentry = self.vfs.names.instantiate(directory.dentry(), &name, inode);
            tell_created(&directory, &name, new.mode.is_directory());
            Ok(directory.with(dentry))
        })
    }

    /// The directory and name for something new; `EEXIST` if it is there, `EROFS` if it can not be.
    fn vacant(
        &self,
        base: Option<&Location>,
        path: &[u8],
        is_directory: bool,
    ) -> Result<(Location, alloc::vec::Vec<u8>)> {
        let last = self.last(base, path)?;
        let LastName::Normal(name) = last.name else { return Err(Errno::EEXIST) };
        if self.vfs.child(&last.directory, &name)?.is_some() {
            return Err(Errno::EEXIST);
        }
        if last.must_be_directory && !is_directory {
            return Err(Errno::ENOENT);
        }
        last.directory.mount().check_writable()?;
        Ok((last.directory, name))
    }

    /// `linkat(2)`. With `Follow::Yes` (`AT_SYMLINK_FOLLOW`) the old path may end at a link.
    pub fn link(
        &self,
        old_base: Option<&Location>,
        old_path: &[u8],
        follow: Follow,
        base: Option<&Location>,
        path: &[u8],
    ) -> Result<()> {
        let old = self.walk(old_base, old_path, follow)?;
        self.link_place(&old, base, path)
    }

    /// `linkat(2)` of an open file (`AT_EMPTY_PATH`).
    pub fn link_place(&self, old: &Location, base: Option<&Location>, path: &[u8]) -> Result<()> {
        linux_mm::ensure_room()?;
        retry(|| {
            let (directory, name) = self.vacant(base, path, false)?;
            if old.mount().id() != directory.mount().id() {
                return Err(Errno::EXDEV);
            }
            let inode = old.inode()?;
            self.may_link(inode)?;
            self.may_change(&directory)?;
            if inode.is_directory() {
                return Err(Errno::EPERM);
            }
            directory.inode()?.link(&name, inode).map_err(changed_meanwhile)?;
            self.vfs.names.instantiate(directory.dentry(), &name, inode.clone());
            inotify::tell_self(inode, event::ATTRIB);
            tell_created(&directory, &name, false);
            Ok(())
        })
    }

    /// Names of other people's files are not pinned by those who could not write them (`/proc/sys/fs/protected_hardlinks`).
    fn may_link(&self, inode: &Arc<dyn Inode>) -> Result<()> {
        let (mode, uid, gid) = inode.access();
        if is_owner(self.credentials, uid) || inode.is_directory() {
            return Ok(());
        }
        let bits = mode.permissions();
        let is_special = !mode.is_regular() || bits & 0o4000 != 0 || bits & 0o2010 == 0o2010;
        if is_special || may(self.credentials, (mode, uid, gid), 6).is_err() {
            return Err(Errno::EPERM);
        }
        Ok(())
    }

    /// Whether somebody has a capability; for operations that need one.
    pub(super) fn check_capability(&self, capability: u32) -> Result<()> {
        if Credentials::can(self.credentials, capability) { Ok(()) } else { Err(Errno::EPERM) }
    }
}

/// A name that was not there when looked for: look again.
pub(super) fn changed_meanwhile(errno: Errno) -> Errno {
    if errno == Errno::EEXIST { Errno::ESTALE } else { errno }
}

pub(super) fn tell_created(directory: &Location, name: &[u8], is_directory: bool) {
    let kind = if is_directory { event::IS_DIRECTORY } else { 0 };
    inotify::tell_directory(directory.dentry(), name, event::CREATE | kind, 0);
}
