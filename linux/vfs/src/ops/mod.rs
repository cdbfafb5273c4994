//! Operations on paths, as the `*at` system calls have them.
//!
//! All are methods of [`crate::Context`]. A path is relative to `base`, the place of a directory descriptor, or without one to the
//! working directory.

mod attributes;
mod file;
mod make;
mod open;
mod remove;
mod rename;
mod xattr;

use linux_base::{Credentials, Errno, Mode, Result};

use crate::context::Context;
use crate::inode::{Changes, Inode, NewInode};
use crate::path::{LastName, Location, walk_may as may};
use crate::regular::is_owner;

pub use attributes::{Moment, Times};
pub use file::{Whence, seek};
pub use open::OpenHow;
pub use rename::RenameFlags;

/// How often an operation looks again when others change the same names under it.
const RETRIES: usize = 16;

/// The directory of a path's last name, and that name.
struct Last {
    directory: Location,
    name: LastName,
    must_be_directory: bool,
}

impl Context<'_> {
    fn last(&self, base: Option<&Location>, path: &[u8]) -> Result<Last> {
        let mut walker = self.walker(base, path)?;
        let name = walker.walk_to_last()?;
        Ok(Last { directory: walker.at().clone(), name, must_be_directory: walker.must_be_directory })
    }

    /// Whether names may be put into a directory or taken out.
    fn may_change(&self, directory: &Location) -> Result<()> {
        if directory.dentry().is_deleted() {
            return Err(Errno::ENOENT);
        }
        may(self.credentials, directory.inode()?.access(), 3)
    }

    /// Whether this name may be taken out of its directory.
    fn may_remove(&self, directory: &Location, victim: &dyn Inode) -> Result<()> {
        self.may_change(directory)?;
        let (mode, uid, _) = directory.inode()?.access();
        let (_, victim_uid, _) = victim.access();
        let is_sticky = mode.0 & 0o1000 != 0;
        if is_sticky && uid != self.credentials.uid.fs && !is_owner(self.credentials, victim_uid) {
            return Err(Errno::EPERM);
        }
        Ok(())
    }

    /// The content of a file has been changed by somebody who may not keep its set-user-ID and set-group-ID.
    fn drop_privileges(&self, inode: &dyn Inode) -> Result<()> {
        let bits = inode.access().0.permissions();
        let kept = without_privileges(bits);
        if kept == bits || self.credentials.can(CAP_FSETID) {
            return Ok(());
        }
        inode.change(&Changes { permissions: Some(kept), ..Changes::default() })
    }

    /// What a new inode in a directory looks like: the umask applies, and the directory may give its group.
    fn new_inode<'t>(&self, directory: &dyn Inode, mode: u32, rdev: u64, target: &'t [u8]) -> NewInode<'t> {
        let (above, _, above_gid) = directory.access();
        let kind = mode & Mode::TYPE;
        let mut bits = if kind == Mode::SYMLINK { 0o777 } else { mode & 0o7777 & !(self.umask & 0o777) };
        let mut gid = self.credentials.gid.fs;
        if above.0 & 0o2000 != 0 {
            gid = above_gid;
            if kind == Mode::DIRECTORY {
                bits |= 0o2000;
            } else if bits & 0o2010 == 0o2010 && !keeps_group(self.credentials, gid) {
                bits &= !0o2000;
            }
        }
        NewInode { mode: Mode(kind | bits), uid: self.credentials.uid.fs, gid, rdev, target }
    }
}

/// `CAP_FSETID`.
const CAP_FSETID: u32 = 4;

/// Permissions without set-user-ID, and without set-group-ID where that is not a mark of mandatory locks.
fn without_privileges(bits: u32) -> u32 {
    bits & !0o4000 & !if bits & 0o010 != 0 { 0o2000 } else { 0 }
}

/// Whether somebody may set set-group-ID for a group.
fn keeps_group(credentials: &Credentials, gid: u32) -> bool {
    credentials.in_group(gid) || credentials.can(CAP_FSETID)
}

/// Does something until it does not say that names have changed under it.
fn retry<T>(mut operation: impl FnMut() -> Result<T>) -> Result<T> {
    let mut result = operation();
    for _ in 0..RETRIES {
        match result {
            Err(Errno::ESTALE) => result = operation(),
            _ => return result,
        }
    }
    result
}
