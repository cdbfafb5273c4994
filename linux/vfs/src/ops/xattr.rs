//! Extended attributes of places, with who may do what.

use alloc::vec::Vec;

use linux_base::{Credentials, Errno, Result};

use super::may;
use crate::context::Context;
use crate::inode::Changes;
use crate::inotify::{self, event};
use crate::path::Location;
use crate::regular::is_owner;
use crate::xattr::{Setting, Xattrs, check_name};

impl Context<'_> {
    /// `getxattr(2)` of a place.
    pub fn get_xattr(&self, place: &Location, name: &[u8]) -> Result<Vec<u8>> {
        self.xattrs(place, name, 4)?.get(name)
    }

    /// `setxattr(2)` of a place.
    pub fn set_xattr(&self, place: &Location, name: &[u8], value: &[u8], setting: Setting) -> Result<()> {
        place.mount().check_writable()?;
        self.xattrs(place, name, 2)?.set(name, value, setting)?;
        self.xattr_changed(place)
    }

    /// `removexattr(2)` of a place.
    pub fn remove_xattr(&self, place: &Location, name: &[u8]) -> Result<()> {
        place.mount().check_writable()?;
        self.xattrs(place, name, 2)?.remove(name)?;
        self.xattr_changed(place)
    }

    /// `listxattr(2)` of a place.
    pub fn list_xattr(&self, place: &Location) -> Result<Vec<u8>> {
        Ok(place.inode()?.xattrs().map(Xattrs::list).unwrap_or_default())
    }

    fn xattr_changed(&self, place: &Location) -> Result<()> {
        place.inode()?.change(&Changes::default())?;
        inotify::tell(place.dentry(), event::ATTRIB);
        Ok(())
    }

    fn xattrs<'p>(&self, place: &'p Location, name: &[u8], wanted: u32) -> Result<&'p Xattrs> {
        check_name(name)?;
        let inode = place.inode()?;
        let (mode, uid, gid) = inode.access();
        let reads = wanted == 4;
        if name.starts_with(b"user.") {
            if !mode.is_regular() && !mode.is_directory() {
                return Err(if reads { Errno::ENODATA } else { Errno::EPERM });
            }
            if !reads && mode.is_directory() && mode.0 & 0o1000 != 0 && !is_owner(self.credentials, uid) {
                return Err(Errno::EPERM);
            }
            may(self.credentials, (mode, uid, gid), wanted)?;
        } else if name.starts_with(b"trusted.") {
            if !self.credentials.can(Credentials::CAP_SYS_ADMIN) {
                return Err(if reads { Errno::ENODATA } else { Errno::EPERM });
            }
        } else if name.starts_with(b"security.") {
            if !reads {
                self.check_capability(Credentials::CAP_SYS_ADMIN)?;
            }
        } else {
            // Access control lists, which there are none of.
            return Err(Errno::EOPNOTSUPP);
        }
        inode.xattrs().ok_or(Errno::EOPNOTSUPP)
    }
}
