//! `open(2)` and `openat2(2)`.

use alloc::sync::Arc;

use linux_base::{Errno, File, Mode, OpenFile, OpenFlags, Result};

use super::make::{changed_meanwhile, tell_created};
use super::{may, retry};
use crate::context::Context;
use crate::directory::DirectoryFile;
use crate::inode::{Inode, OpenRequest};
use crate::inotify::{self, event};
use crate::path::{Dentry, Follow, LastName, Location, MountFlags, Resolve, Walker};
use crate::regular::is_owner;
use crate::special::{AnonymousInode, PathFile};

/// How to open (`struct open_how`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct OpenHow {
    /// `O_*`.
    pub flags: OpenFlags,
    /// Permissions of a file that is made.
    pub mode: u32,
    /// Restrictions of the walk.
    pub resolve: Resolve,
}

impl Context<'_> {
    /// `openat(2)`.
    pub fn open(
        &self,
        base: Option<&Location>,
        path: &[u8],
        flags: OpenFlags,
        mode: u32,
    ) -> Result<Arc<OpenFile>> {
        self.open_how(base, path, &OpenHow { flags, mode, resolve: Resolve::empty() })
    }

    /// `openat2(2)`. Flags that mean nothing are the caller's matter: `open` ignores them, `openat2` does not.
    pub fn open_how(&self, base: Option<&Location>, path: &[u8], how: &OpenHow) -> Result<Arc<OpenFile>> {
        let flags = effective(how.flags)?;
        if flags.contains(OpenFlags::TMPFILE) {
            return self.open_unnamed(base, path, flags, how);
        }
        let follow = if flags.contains(OpenFlags::NOFOLLOW) { Follow::No } else { Follow::Yes };
        if !flags.contains(OpenFlags::CREAT) {
            let place = Walker::start(self, base, path, how.resolve)?.walk_to_end(follow)?;
            return self.open_place(&place, flags);
        }
        retry(|| self.open_or_create(base, path, flags, follow, how))
    }

    /// Opens what is at a place: the end of a walk, or what a descriptor or link of `/proc` stands for.
    pub fn open_place(&self, place: &Location, flags: OpenFlags) -> Result<Arc<OpenFile>> {
        let inode = place.inode()?;
        let mode = inode.mode();
        if flags.contains(OpenFlags::DIRECTORY) && !mode.is_directory() {
            return Err(Errno::ENOTDIR);
        }
        if flags.contains(OpenFlags::PATH) {
            return Ok(opened(PathFile::new(place.clone()), flags, place));
        }
        if let Some(anonymous) = inode.downcast::<AnonymousInode>() {
            return self.vfs.devices().reopen(anonymous.file().ok_or(Errno::ENXIO)?, flags);
        }
        self.may_open(place, inode, flags)?;
        self.open_allowed(place, flags)
    }

    fn open_or_create(
        &self,
        base: Option<&Location>,
        path: &[u8],
        flags: OpenFlags,
        follow: Follow,
        how: &OpenHow,
    ) -> Result<Arc<OpenFile>> {
        let is_exclusive = flags.contains(OpenFlags::EXCL);
        let mut walker = Walker::start(self, base, path, how.resolve)?;
        loop {
            let name = match walker.walk_to_last()? {
                LastName::Normal(name) => name,
                LastName::DotDot | LastName::Dot if is_exclusive => return Err(Errno::EEXIST),
                // A directory, or what a link of `/proc` led to.
                LastName::Dot if !walker.at().inode()?.is_directory() => {
                    return self.open_place(walker.at(), flags);
                }
                LastName::DotDot | LastName::Dot => return Err(Errno::EISDIR),
            };
            if walker.must_be_directory {
                return Err(Errno::EISDIR);
            }
            let Some(child) = self.vfs.child(walker.at(), &name)? else {
                return self.create(walker.at(), &name, flags, how.mode);
            };
            if is_exclusive {
                return Err(Errno::EEXIST);
            }
            if child.inode()?.mode().is_symlink() && follow == Follow::Yes {
                walker.follow(&child)?;
                continue;
            }
            walker.enter(child)?;
            return self.open_place(walker.at(), flags);
        }
    }

    fn create(
        &self,
        directory: &Location,
        name: &[u8],
        flags: OpenFlags,
        mode: u32,
    ) -> Result<Arc<OpenFile>> {
        directory.mount().check_writable()?;
        self.may_change(directory)?;
        let above = directory.inode()?;
        let new = self.new_inode(&**above, Mode::REGULAR | mode & 0o7777, 0, b"");
        let inode = above.create(name, &new).map_err(changed_meanwhile)?;
        let dentry = self.vfs.names.instantiate(directory.dentry(), name, inode);
        tell_created(directory, name, false);
        // Who made it may use it, whatever its permissions say; there is nothing to cut off.
        self.open_allowed(&directory.with(dentry), flags.difference(OpenFlags::TRUNC))
    }

    /// `O_TMPFILE`.
    fn open_unnamed(
        &self,
        base: Option<&Location>,
        path: &[u8],
        flags: OpenFlags,
        how: &OpenHow,
    ) -> Result<Arc<OpenFile>> {
        let directory = Walker::start(self, base, path, how.resolve)?.walk_to_end(Follow::Yes)?;
        let above = directory.inode()?;
        if !above.is_directory() {
            return Err(Errno::ENOTDIR);
        }
        directory.mount().check_writable()?;
        self.may_change(&directory)?;
        let new = self.new_inode(&**above, Mode::REGULAR | how.mode & 0o7777, 0, b"");
        let inode = above.create_unnamed(&new, !flags.contains(OpenFlags::EXCL))?;
        let name = alloc::format!("#{}", inode.stat().ino);
        let place = directory.with(Dentry::unnamed_in(directory.dentry(), name.as_bytes(), inode));
        let unneeded = OpenFlags::TMPFILE | OpenFlags::DIRECTORY | OpenFlags::TRUNC;
        self.open_allowed(&place, flags.difference(unneeded))
    }

    /// Whether a file that was there before may be opened like this.
    fn may_open(&self, place: &Location, inode: &Arc<dyn Inode>, flags: OpenFlags) -> Result<()> {
        let (mode, uid, gid) = inode.access();
        let writes = flags.can_write() || flags.contains(OpenFlags::TRUNC);
        match mode.kind() {
            Mode::SYMLINK => return Err(Errno::ELOOP),
            Mode::DIRECTORY if writes || flags.contains(OpenFlags::CREAT) => {
                return Err(Errno::EISDIR);
            }
            Mode::CHARACTER | Mode::BLOCK if place.mount().flags().contains(MountFlags::NO_DEV) => {
                return Err(Errno::EACCES);
            }
            Mode::REGULAR | Mode::DIRECTORY if writes => place.mount().check_writable()?,
            _ => {}
        }
        let both = flags.contains(OpenFlags::WRONLY | OpenFlags::RDWR);
        let wanted = if flags.can_read() || both { 4 } else { 0 } | if writes { 2 } else { 0 };
        may(self.credentials, (mode, uid, gid), wanted)?;
        if flags.contains(OpenFlags::NOATIME) && !is_owner(self.credentials, uid) {
            return Err(Errno::EPERM);
        }
        Ok(())
    }

    fn open_allowed(&self, place: &Location, flags: OpenFlags) -> Result<Arc<OpenFile>> {
        let inode = place.inode()?;
        let mode = inode.mode();
        let request = OpenRequest { location: place, flags, credentials: self.credentials };
        let file = match mode.kind() {
            Mode::DIRECTORY => DirectoryFile::new(place.clone()) as Arc<dyn File>,
            Mode::REGULAR => inode.clone().open(&request)?,
            _ => self.vfs.devices().open(mode, inode.stat().rdev, &request)?,
        };
        if flags.contains(OpenFlags::TRUNC) && mode.is_regular() {
            let is_writer = flags.can_write();
            if !is_writer {
                inode.hooks().add_writer()?;
            }
            let had = inode.stat().size;
            let result = inode.resize(0);
            if !is_writer {
                inode.hooks().remove_writer();
            }
            result?;
            self.drop_privileges(&**inode)?;
            if had > 0 {
                inotify::tell(place.dentry(), event::MODIFY);
            }
        }
        inotify::tell(place.dentry(), event::OPEN);
        Ok(opened(file, flags, place))
    }
}

fn opened(file: Arc<dyn File>, flags: OpenFlags, place: &Location) -> Arc<OpenFile> {
    let passing =
        OpenFlags::CREAT | OpenFlags::EXCL | OpenFlags::NOCTTY | OpenFlags::TRUNC | OpenFlags::CLOEXEC;
    OpenFile::at(file, flags.difference(passing), Default::default(), Some(Arc::new(place.clone())))
}

/// The flags that count, and whether they go together.
fn effective(flags: OpenFlags) -> Result<OpenFlags> {
    if flags.contains(OpenFlags::PATH) {
        let counting = OpenFlags::PATH | OpenFlags::DIRECTORY | OpenFlags::NOFOLLOW | OpenFlags::CLOEXEC;
        return Ok(flags & counting);
    }
    if flags.contains(OpenFlags::TMPFILE) {
        if !flags.contains(OpenFlags::DIRECTORY) || !flags.can_write() || flags.contains(OpenFlags::CREAT) {
            return Err(Errno::EINVAL);
        }
    } else if flags.contains(OpenFlags::CREAT | OpenFlags::DIRECTORY) {
        return Err(Errno::EINVAL);
    }
    Ok(flags | OpenFlags::LARGEFILE)
}
