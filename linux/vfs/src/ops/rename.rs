//! `renameat2(2)`.

use linux_base::{Errno, Result};

use super::retry;
use crate::context::Context;
use crate::inode::{Inode, Rename, is_same};
use crate::inotify::{self, event};
use crate::path::{LastName, Location, walk_may as may};

bitflags::bitflags! {
    /// Flags of `renameat2(2)`.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct RenameFlags: u32 {
        /// The new name must not be there.
        const NOREPLACE = 1;
        /// The two change places.
        const EXCHANGE = 2;
    }
}

impl Context<'_> {
    /// `renameat2(2)`.
    pub fn rename(
        &self,
        old_base: Option<&Location>,
        old_path: &[u8],
        base: Option<&Location>,
        path: &[u8],
        flags: RenameFlags,
    ) -> Result<()> {
        if flags.contains(RenameFlags::all()) || !RenameFlags::all().contains(flags) {
            return Err(Errno::EINVAL);
        }
        retry(|| self.rename_once(old_base, old_path, base, path, flags))
    }

    fn rename_once(
        &self,
        old_base: Option<&Location>,
        old_path: &[u8],
        base: Option<&Location>,
        path: &[u8],
        flags: RenameFlags,
    ) -> Result<()> {
        let (old, new) = (self.last(old_base, old_path)?, self.last(base, path)?);
        if old.directory.mount().id() != new.directory.mount().id() {
            return Err(Errno::EXDEV);
        }
        let is_exchange = flags.contains(RenameFlags::EXCHANGE);
        let no_replace = flags.contains(RenameFlags::NOREPLACE);
        let LastName::Normal(old_name) = old.name else { return Err(Errno::EBUSY) };
        let LastName::Normal(new_name) = new.name else {
            return Err(if no_replace { Errno::EEXIST } else { Errno::EBUSY });
        };
        old.directory.mount().check_writable()?;
        let names = &self.vfs.names;
        let (from, to) = (old.directory.dentry(), new.directory.dentry());
        let dentry = names.lookup(from, &old_name)?;
        let inode = dentry.inode()?.clone();
        let target = names.lookup(to, &new_name)?;
        let target_inode = target.inode().ok().cloned();
        match &target_inode {
            Some(_) if no_replace => return Err(Errno::EEXIST),
            None if is_exchange => return Err(Errno::ENOENT),
            _ => {}
        }
        let is_directory = inode.is_directory();
        if !is_directory && (old.must_be_directory || (new.must_be_directory && !is_exchange)) {
            return Err(Errno::ENOTDIR);
        }
        if is_exchange
            && new.must_be_directory
            && target_inode.as_ref().is_some_and(|target| !target.is_directory())
        {
            return Err(Errno::ENOTDIR);
        }
        if to.is_below(&dentry) {
            return Err(Errno::EINVAL);
        }
        if target_inode.is_some() && from.is_below(&target) {
            return Err(if is_exchange { Errno::EINVAL } else { Errno::ENOTEMPTY });
        }
        if target_inode.as_ref().is_some_and(|target| is_same(target, &inode)) {
            return Ok(());
        }
        self.may_remove(&old.directory, &*inode)?;
        match &target_inode {
            None => self.may_change(&new.directory)?,
            Some(target) => {
                self.may_remove(&new.directory, &**target)?;
                match (is_directory, target.is_directory()) {
                    _ if is_exchange => {}
                    (true, false) => return Err(Errno::ENOTDIR),
                    (false, true) => return Err(Errno::EISDIR),
                    _ => {}
                }
            }
        }
        if !is_same(old.directory.inode()?, new.directory.inode()?) {
            // A directory that moves has its `..` written.
            if is_directory {
                may(self.credentials, inode.access(), 2)?;
            }
            if let Some(target) = target_inode.as_ref().filter(|target| is_exchange && target.is_directory())
            {
                may(self.credentials, target.access(), 2)?;
            }
        }
        if dentry.mounts() > 0 || target.mounts() > 0 {
            return Err(Errno::EBUSY);
        }
        if let (false, true, Some(target)) = (is_exchange, is_directory, &target_inode) {
            target.check_empty()?;
        }
        let rename = Rename {
            name: &old_name,
            inode: &inode,
            to: new.directory.inode()?,
            to_name: &new_name,
            to_inode: target_inode.as_ref(),
            is_exchange,
        };
        old.directory.inode()?.rename(&rename)?;
        if is_exchange {
            names.exchange(&dentry, &target);
        } else {
            names.rename(&dentry, to, &new_name);
        }
        let kind = |inode: &dyn Inode| if inode.is_directory() { event::IS_DIRECTORY } else { 0 };
        let cookie = inotify::new_cookie();
        inotify::tell_directory(from, &old_name, event::MOVED_FROM | kind(&*inode), cookie);
        inotify::tell_directory(to, &new_name, event::MOVED_TO | kind(&*inode), cookie);
        inotify::tell_self(&inode, event::MOVE_SELF);
        match &target_inode {
            Some(target) if is_exchange => {
                let cookie = inotify::new_cookie();
                inotify::tell_directory(to, &new_name, event::MOVED_FROM | kind(&**target), cookie);
                inotify::tell_directory(from, &old_name, event::MOVED_TO | kind(&**target), cookie);
                inotify::tell_self(target, event::MOVE_SELF);
            }
            Some(target) => {
                inotify::tell_self(target, event::ATTRIB);
                inotify::tell_if_gone(target);
            }
            None => {}
        }
        Ok(())
    }
}
