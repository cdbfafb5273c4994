//! How a path leads to a place (`path_resolution(7)`, `openat2(2)`).

use alloc::borrow::Cow;
use alloc::vec::Vec;

use linux_base::{Credentials, Errno, Result};

use super::Location;
use crate::Context;
use crate::inode::{Link, NAME_MAX, PATH_MAX};

/// The most symbolic links on one walk.
const LINKS_MAX: u32 = 40;

/// What to do with a symbolic link at the end of a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Follow {
    /// Go where it leads.
    Yes,
    /// It is meant itself.
    No,
}

bitflags::bitflags! {
    /// Restrictions of a walk (`RESOLVE_*` of `linux/openat2.h`).
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct Resolve: u64 {
        /// No step into or out of a mount.
        const NO_XDEV = 1;
        /// No links that lead to a place directly.
        const NO_MAGICLINKS = 2;
        /// No symbolic links.
        const NO_SYMLINKS = 4;
        /// Nothing above or beside the starting directory.
        const BENEATH = 8;
        /// The starting directory is the root.
        const IN_ROOT = 16;
        /// Only what is remembered.
        const CACHED = 32;
    }
}

/// The last name of a path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum LastName {
    /// A name to look up in the directory reached.
    Normal(Vec<u8>),
    /// The place reached itself.
    Dot,
    /// The directory above it.
    DotDot,
}

/// A walk under way.
pub(crate) struct Walker<'a, 'c> {
    context: &'c Context<'a>,
    /// Where it stands.
    at: Location,
    /// The path, which a link replaces, and how far it has been walked.
    path: Cow<'c, [u8]>,
    position: usize,
    links: u32,
    resolve: Resolve,
    /// The root of this walk.
    root: Location,
    /// Whether what the path ends at must be a directory, for a slash behind it.
    pub(crate) must_be_directory: bool,
}

impl<'a, 'c> Walker<'a, 'c> {
    /// Starts at `base`, or the working directory, or the root if the path is absolute.
    pub(crate) fn start(
        context: &'c Context<'a>,
        base: Option<&Location>,
        path: &'c [u8],
        resolve: Resolve,
    ) -> Result<Self> {
        if path.is_empty() {
            return Err(Errno::ENOENT);
        }
        if path.len() >= PATH_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        let base = base.unwrap_or(context.cwd);
        let is_confined = resolve.intersects(Resolve::BENEATH | Resolve::IN_ROOT);
        let root = if is_confined { base.clone() } else { context.root.clone() };
        let is_absolute = path.first() == Some(&b'/');
        if is_absolute && resolve.contains(Resolve::BENEATH) {
            return Err(Errno::EXDEV);
        }
        let at = if is_absolute { root.clone() } else { base.clone() };
        let path = Cow::Borrowed(path);
        Ok(Self { context, at, path, position: 0, links: 0, resolve, root, must_be_directory: false })
    }

    /// Where the walk stands.
    pub(crate) fn at(&self) -> &Location {
        &self.at
    }

    /// Walks to the directory of the last name. That it can be searched has been checked.
    pub(crate) fn walk_to_last(&mut self) -> Result<LastName> {
        loop {
            let rest = self.path.get(self.position..).unwrap_or_default();
            let slashes = rest.iter().take_while(|byte| **byte == b'/').count();
            let rest = &rest[slashes..];
            if rest.is_empty() {
                self.must_be_directory = slashes > 0;
                return Ok(LastName::Dot);
            }
            let len = rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len());
            let (name, behind) = rest.split_at(len);
            let is_last = behind.iter().all(|byte| *byte == b'/');
            self.check_search()?;
            if len > NAME_MAX {
                return Err(Errno::ENAMETOOLONG);
            }
            self.position += slashes + len;
            if is_last {
                self.must_be_directory = !behind.is_empty();
                return Ok(match name {
                    b"." => LastName::Dot,
                    b".." => LastName::DotDot,
                    name => LastName::Normal(name.to_vec()),
                });
            }
            match name {
                b"." => {}
                b".." => self.up()?,
                name => {
                    let child = self.context.vfs.child(&self.at, name)?.ok_or(Errno::ENOENT)?;
                    self.step(child)?;
                }
            }
        }
    }

    /// Walks to the end of the path.
    pub(crate) fn walk_to_end(mut self, follow: Follow) -> Result<Location> {
        loop {
            match self.walk_to_last()? {
                LastName::Dot => {}
                LastName::DotDot => self.up()?,
                LastName::Normal(name) => {
                    let child = self.context.vfs.child(&self.at, &name)?.ok_or(Errno::ENOENT)?;
                    if child.inode()?.mode().is_symlink() && (follow == Follow::Yes || self.must_be_directory)
                    {
                        self.follow(&child)?;
                        continue;
                    }
                    self.enter(child)?;
                }
            }
            if self.must_be_directory && !self.at.inode()?.is_directory() {
                return Err(Errno::ENOTDIR);
            }
            return Ok(self.at);
        }
    }

    /// Goes to a child, or where it leads if it is a link.
    fn step(&mut self, child: Location) -> Result<()> {
        if child.inode()?.mode().is_symlink() { self.follow(&child) } else { self.enter(child) }
    }

    /// Goes to a place that was looked up from here.
    pub(crate) fn enter(&mut self, child: Location) -> Result<()> {
        if self.resolve.contains(Resolve::NO_XDEV) && child.mount().id() != self.at.mount().id() {
            return Err(Errno::EXDEV);
        }
        self.at = child;
        Ok(())
    }

    /// Goes on where a link leads that stands in the directory reached.
    pub(crate) fn follow(&mut self, link: &Location) -> Result<()> {
        self.links += 1;
        if self.links > LINKS_MAX || self.resolve.contains(Resolve::NO_SYMLINKS) {
            return Err(Errno::ELOOP);
        }
        self.check_protected(link)?;
        match link.inode()?.follow()? {
            Link::Location(place) => {
                if self.resolve.contains(Resolve::NO_MAGICLINKS) {
                    return Err(Errno::ELOOP);
                }
                if self.resolve.intersects(Resolve::BENEATH | Resolve::IN_ROOT) {
                    return Err(Errno::EXDEV);
                }
                self.enter(place)
            }
            Link::Path(target) => {
                if target.is_empty() {
                    return Err(Errno::ENOENT);
                }
                if target.first() == Some(&b'/') {
                    if self.resolve.contains(Resolve::BENEATH) {
                        return Err(Errno::EXDEV);
                    }
                    self.enter(self.root.clone())?;
                }
                let behind = self.path.get(self.position..).unwrap_or_default();
                let mut path = target;
                path.try_reserve(behind.len())?;
                path.extend_from_slice(behind);
                (self.path, self.position) = (Cow::Owned(path), 0);
                Ok(())
            }
        }
    }

    /// A link in a sticky directory that all may write is followed only if the follower or the directory's owner made it
    /// (`/proc/sys/fs/protected_symlinks`).
    fn check_protected(&self, link: &Location) -> Result<()> {
        let (mode, uid, _) = self.at.inode()?.access();
        let (_, link_uid, _) = link.inode()?.access();
        let is_shared = mode.permissions() & 0o1002 == 0o1002;
        if is_shared && link_uid != self.context.credentials.uid.fs && link_uid != uid {
            return Err(Errno::EACCES);
        }
        Ok(())
    }

    /// Goes to the directory above, over mounts, not above the root.
    pub(crate) fn up(&mut self) -> Result<()> {
        let mut at = self.at.clone();
        loop {
            if at == self.root || at == *self.context.root {
                if self.resolve.contains(Resolve::BENEATH) {
                    return Err(Errno::EXDEV);
                }
                return Ok(());
            }
            if at.is_mount_root() {
                match at.mount().place() {
                    Some(place) => at = place,
                    None => return Ok(()),
                }
                continue;
            }
            let parent = match at.dentry().parent() {
                Some(parent) => at.with(parent),
                None => return Ok(()),
            };
            return self.enter(self.context.vfs.cross(parent));
        }
    }

    fn check_search(&self) -> Result<()> {
        let (mode, uid, gid) = self.at.inode()?.access();
        if !mode.is_directory() {
            return Err(Errno::ENOTDIR);
        }
        may(self.context.credentials, (mode, uid, gid), 1)
    }
}

/// Whether access is allowed; `EACCES` if not.
pub(crate) fn may(credentials: &Credentials, of: (linux_base::Mode, u32, u32), wanted: u32) -> Result<()> {
    if credentials.may_access(of.0, of.1, of.2, wanted) { Ok(()) } else { Err(Errno::EACCES) }
}
