//! Facts of files and their changes: `stat`, `access`, `chmod`, `chown`, `utimensat`, `truncate`, `readlink`, `statfs`.

use alloc::vec::Vec;

use linux_base::{Credentials, Errno, Result, Stat, Timespec};

use super::may;
use crate::context::Context;
use crate::inode::{Changes, Usage, now};
use crate::inotify::{self, event};
use crate::path::{Follow, Location, MountFlags};
use crate::regular::is_owner;

/// A moment to set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Moment {
    /// This one.
    At(Timespec),
    /// Now (`UTIME_NOW`).
    Now,
    /// As it is (`UTIME_OMIT`).
    Keep,
}

/// What `utimensat(2)` sets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Times {
    /// The last read.
    pub accessed: Moment,
    /// The last change of the content.
    pub modified: Moment,
}

impl Context<'_> {
    /// `newfstatat(2)`.
    pub fn stat(&self, base: Option<&Location>, path: &[u8], follow: Follow) -> Result<Stat> {
        Ok(self.walk(base, path, follow)?.inode()?.stat())
    }

    /// `readlinkat(2)`.
    pub fn read_link(&self, base: Option<&Location>, path: &[u8]) -> Result<Vec<u8>> {
        self.walk(base, path, Follow::No)?.inode()?.read_link()
    }

    /// `faccessat2(2)` on a place: `wanted` are the bits 4 (read), 2 (write), 1 (execute), or 0 for being there. The credentials of
    /// this context count; for those of `access(2)`, put the real IDs where the file-system IDs are.
    pub fn access(&self, place: &Location, wanted: u32) -> Result<()> {
        if wanted & !7 != 0 {
            return Err(Errno::EINVAL);
        }
        let (mode, uid, gid) = place.inode()?.access();
        if wanted & 1 != 0 && mode.is_regular() && place.mount().flags().contains(MountFlags::NO_EXEC) {
            return Err(Errno::EACCES);
        }
        if wanted & 2 != 0 && (mode.is_regular() || mode.is_directory() || mode.is_symlink()) {
            place.mount().check_writable()?;
        }
        may(self.credentials, (mode, uid, gid), wanted)
    }

    /// `fchmodat(2)` on a place.
    pub fn chmod(&self, place: &Location, permissions: u32) -> Result<()> {
        place.mount().check_writable()?;
        let inode = place.inode()?;
        let (mode, uid, gid) = inode.access();
        if mode.is_symlink() {
            return Err(Errno::EOPNOTSUPP);
        }
        if !is_owner(self.credentials, uid) {
            return Err(Errno::EPERM);
        }
        let mut permissions = permissions & 0o7777;
        if !super::keeps_group(self.credentials, gid) {
            permissions &= !0o2000;
        }
        inode.change(&Changes { permissions: Some(permissions), ..Changes::default() })?;
        inotify::tell(place.dentry(), event::ATTRIB);
        Ok(())
    }

    /// `fchownat(2)` on a place.
    pub fn chown(&self, place: &Location, uid: Option<u32>, gid: Option<u32>) -> Result<()> {
        place.mount().check_writable()?;
        let inode = place.inode()?;
        let (mode, old_uid, old_gid) = inode.access();
        let me = self.credentials;
        if !me.can(Credentials::CAP_CHOWN) {
            let is_mine = me.uid.fs == old_uid;
            if uid.is_some_and(|uid| !is_mine || uid != old_uid)
                || gid.is_some_and(|gid| !is_mine || (gid != old_gid && !me.in_group(gid)))
            {
                return Err(Errno::EPERM);
            }
        }
        let bits = mode.permissions();
        let kept = if mode.is_directory() { bits } else { super::without_privileges(bits) };
        let permissions = (kept != bits).then_some(kept);
        inode.change(&Changes { permissions, uid, gid, ..Changes::default() })?;
        inotify::tell(place.dentry(), event::ATTRIB);
        Ok(())
    }

    /// `utimensat(2)` on a place; `None` sets both to now.
    pub fn set_times(&self, place: &Location, times: Option<Times>) -> Result<()> {
        let both_now = Times { accessed: Moment::Now, modified: Moment::Now };
        let times = times.unwrap_or(both_now);
        if (times.accessed, times.modified) == (Moment::Keep, Moment::Keep) {
            return Ok(());
        }
        place.mount().check_writable()?;
        let inode = place.inode()?;
        let access = inode.access();
        if !is_owner(self.credentials, access.1) {
            if times != both_now {
                return Err(Errno::EPERM);
            }
            may(self.credentials, access, 2)?;
        }
        let now = now();
        let moment = |moment| match moment {
            Moment::At(time) => Some(time),
            Moment::Now => Some(now),
            Moment::Keep => None,
        };
        let (atime, mtime) = (moment(times.accessed), moment(times.modified));
        inode.change(&Changes { atime, mtime, ..Changes::default() })?;
        inotify::tell(place.dentry(), event::ATTRIB);
        Ok(())
    }

    /// `truncate(2)`.
    pub fn truncate(&self, base: Option<&Location>, path: &[u8], len: u64) -> Result<()> {
        let place = self.walk(base, path, Follow::Yes)?;
        let inode = place.inode()?;
        let mode = inode.mode();
        if mode.is_directory() {
            return Err(Errno::EISDIR);
        }
        if !mode.is_regular() {
            return Err(Errno::EINVAL);
        }
        place.mount().check_writable()?;
        may(self.credentials, inode.access(), 2)?;
        if len > self.file_size_limit && len > inode.stat().size {
            return Err(Errno::EFBIG);
        }
        inode.hooks().add_writer()?;
        let result = inode.resize(len);
        inode.hooks().remove_writer();
        result?;
        self.drop_privileges(&**inode)?;
        inotify::tell(place.dentry(), event::MODIFY);
        Ok(())
    }

    /// `statfs(2)` on a place: facts, and what the mount forbids.
    pub fn statfs(&self, place: &Location) -> (Usage, MountFlags) {
        let mount = place.mount();
        let mut flags = mount.flags();
        if mount.filesystem().is_read_only() {
            flags |= MountFlags::READ_ONLY;
        }
        (mount.filesystem().usage(), flags)
    }
}
