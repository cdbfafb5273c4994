//! What nodes do as inodes.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use core::ops::ControlFlow;
use core::sync::atomic::Ordering;

use linux_base::{Errno, File, Mode, Mutex, Result, Stat};

use super::Node;
use super::names::{Known, Names, UPPER_COOKIES};
use super::node::Body;
use crate::hooks::Hooks;
use crate::inode::{Changes, DirEntry, Emit, FIRST_COOKIE, Inode, NewInode, OpenRequest, Rename, now};
use crate::regular::RegularFile;
use crate::xattr::Xattrs;

/// Names of what is below that are taken at a time, for a directory's list.
const BATCH: usize = 256;

impl Inode for Node {
    fn stat(&self) -> Stat {
        let (size, dirty) = match &self.body {
            Body::File(content) => {
                let content = content.lock();
                (content.len, content.dirty)
            }
            Body::Link(target) => (target.len() as u64, 0),
            Body::Directory(_) => (4096, 0),
            Body::Special => (0, 0),
        };
        let meta = self.meta.lock();
        let below = if size == 0 { 0 } else { meta.blocks };
        Stat {
            dev: self.shared.device,
            ino: self.ino,
            mode: meta.mode,
            nlink: meta.nlink,
            uid: meta.uid,
            gid: meta.gid,
            rdev: meta.rdev,
            size,
            blksize: 4096,
            blocks: below.max(dirty.saturating_mul(8)),
            atime: meta.atime,
            mtime: meta.mtime,
            ctime: meta.ctime,
            btime: meta.btime,
        }
    }

    fn access(&self) -> (Mode, u32, u32) {
        let meta = self.meta.lock();
        (meta.mode, meta.uid, meta.gid)
    }

    fn change(&self, changes: &Changes) -> Result<()> {
        {
            let mut meta = self.meta.lock();
            if let Some(permissions) = changes.permissions {
                meta.mode = Mode(meta.mode.kind() | permissions & 0o7777);
            }
            meta.uid = changes.uid.unwrap_or(meta.uid);
            meta.gid = changes.gid.unwrap_or(meta.gid);
            meta.atime = changes.atime.unwrap_or(meta.atime);
            meta.mtime = changes.mtime.unwrap_or(meta.mtime);
            meta.ctime = now();
        }
        self.changed();
        Ok(())
    }

    fn resize(&self, len: u64) -> Result<()> {
        Self::resize(self, len)
    }

    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>> {
        let names = self.names()?;
        match names.lock().get(name) {
            Known::Here(node) => return Ok(node),
            Known::Gone => return Err(Errno::ENOENT),
            Known::Below => {}
        }
        let (Some(inode), Some(lower)) = (self.lower, &self.shared.lower) else { return Err(Errno::ENOENT) };
        let found = lower.lookup(inode, name);
        let node = match found {
            Ok(found) => self.shared.node_from_lower(found),
            Err(errno) => Err(errno),
        };
        // The disk may have taken its time.
        match names.lock().get(name) {
            Known::Here(node) => Ok(node),
            Known::Gone => Err(Errno::ENOENT),
            Known::Below => Ok(node?),
        }
    }

    fn create(&self, name: &[u8], new: &NewInode<'_>) -> Result<Arc<dyn Inode>> {
        let names = self.names()?;
        names.lock().check_vacant(name)?;
        let node = Self::new(&self.shared, new)?;
        {
            let mut names = names.lock();
            names.check_vacant(name)?;
            names.put(name, node.clone());
        }
        if new.mode.is_directory() {
            self.add_links(1);
        }
        self.stamp_directory();
        Ok(node)
    }

    fn create_unnamed(&self, new: &NewInode<'_>, can_be_linked: bool) -> Result<Arc<dyn Inode>> {
        if self.names()?.lock().is_dead() {
            return Err(Errno::ENOENT);
        }
        let node = Self::new(&self.shared, new)?;
        node.forget_name();
        node.is_linkable.store(can_be_linked, Ordering::Relaxed);
        Ok(node)
    }

    fn link(&self, name: &[u8], inode: &Arc<dyn Inode>) -> Result<()> {
        let node = self.adopt(inode)?;
        if node.is_unnamed() && !node.is_linkable.load(Ordering::Relaxed) {
            return Err(Errno::ENOENT);
        }
        {
            let mut names = self.names()?.lock();
            names.check_vacant(name)?;
            names.put(name, node.clone());
        }
        {
            let mut meta = node.meta.lock();
            meta.nlink = meta.nlink.saturating_add(1);
            meta.ctime = now();
        }
        node.changed();
        self.stamp_directory();
        Ok(())
    }

    fn unlink(&self, name: &[u8], inode: &Arc<dyn Inode>) -> Result<()> {
        let node = self.adopt(inode)?;
        let removed = {
            let mut names = self.names()?.lock();
            names.check(name, &node)?;
            names.remove(name)
        };
        drop(removed);
        node.forget_name();
        self.stamp_directory();
        Ok(())
    }

    fn rmdir(&self, name: &[u8], inode: &Arc<dyn Inode>) -> Result<()> {
        let node = self.adopt(inode)?;
        let children = node.names()?;
        children.lock().die()?;
        let removed = {
            let mut names = self.names()?.lock();
            names.check(name, &node).map(|()| names.remove(name))
        };
        if let Err(errno) = removed {
            children.lock().revive();
            return Err(errno);
        }
        node.forget_name();
        self.add_links(-1);
        self.stamp_directory();
        Ok(())
    }

    fn rename(&self, rename: &Rename<'_>) -> Result<()> {
        let (node, to) = (self.adopt(rename.inode)?, self.adopt(rename.to)?);
        let target = rename.to_inode.map(|inode| self.adopt(inode)).transpose()?;
        let (names, to_names) = (self.names()?, to.names()?);
        names.lock().check(rename.name, &node)?;
        match &target {
            Some(target) => to_names.lock().check(rename.to_name, target)?,
            None => match to_names.lock().check_vacant(rename.to_name) {
                Err(Errno::EEXIST) => return Err(Errno::ESTALE),
                result => result?,
            },
        }
        if to_names.lock().is_dead() {
            return Err(Errno::ENOENT);
        }
        let (moved, replaced) =
            (node.is_directory_now(), target.as_ref().is_some_and(|target| target.is_directory_now()));
        if let (true, Some(target)) = (rename.is_exchange, &target) {
            replace(names, rename.name, target);
            replace(to_names, rename.to_name, &node);
            self.add_links(i32::from(replaced) - i32::from(moved));
            to.add_links(i32::from(moved) - i32::from(replaced));
            target.change(&Changes::default())?;
        } else {
            if let (true, Some(target)) = (replaced, &target) {
                target.names()?.lock().die()?;
            }
            let old = names.lock().remove(rename.name);
            drop(old);
            if target.is_some() {
                replace(to_names, rename.to_name, &node);
            } else {
                to_names.lock().put(rename.to_name, node.clone());
            }
            if let Some(target) = &target {
                target.forget_name();
            }
            self.add_links(-i32::from(moved));
            to.add_links(i32::from(moved) - i32::from(replaced));
        }
        node.change(&Changes::default())?;
        self.stamp_directory();
        to.stamp_directory();
        Ok(())
    }

    fn check_empty(&self) -> Result<()> {
        if self.names()?.lock().has_entries() {
            return Err(Errno::ENOTEMPTY);
        }
        let flow = self.read_lower(FIRST_COOKIE, &mut |_| ControlFlow::Break(()))?;
        if flow.is_break() { Err(Errno::ENOTEMPTY) } else { Ok(()) }
    }

    fn read_dir(&self, from: u64, emit: &mut Emit<'_>) -> Result<()> {
        let names = self.names()?;
        if from < UPPER_COOKIES && self.read_lower(from, emit)?.is_break() {
            return Ok(());
        }
        let mut from = from.max(UPPER_COOKIES);
        loop {
            let Some((cookie, name, node)) = names.lock().next(from) else { return Ok(()) };
            from = cookie + 1;
            let kind = node.mode_now().dirent_type();
            if emit(DirEntry { name: &name, ino: node.ino, kind, next: from }).is_break() {
                return Ok(());
            }
        }
    }

    fn read_link(&self) -> Result<Vec<u8>> {
        match &self.body {
            Body::Link(target) => Ok(target.to_vec()),
            _ => Err(Errno::EINVAL),
        }
    }

    fn open(self: Arc<Self>, request: &OpenRequest<'_>) -> Result<Arc<dyn File>> {
        self.content()?;
        Ok(RegularFile::open(self, request)?)
    }

    fn xattrs(&self) -> Option<&Xattrs> {
        Some(&self.xattrs)
    }

    fn hooks(&self) -> &Hooks {
        &self.hooks
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_arc(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

impl Node {
    /// The names below that are not hidden here, in the order there.
    fn read_lower(&self, from: u64, emit: &mut Emit<'_>) -> Result<ControlFlow<()>> {
        let (Some(inode), Some(lower)) = (self.lower, &self.shared.lower) else {
            return Ok(ControlFlow::Continue(()));
        };
        let names = self.names()?;
        let mut from = from;
        loop {
            // Taken in batches: neither a lock nor the whole list is held over a read of the disk.
            let mut batch: Vec<(Box<[u8]>, fs::Inode, Option<fs::Kind>)> = Vec::new();
            let mut place = FIRST_COOKIE;
            lower.read_dir(inode, &mut |name, inode, kind| {
                if place >= from {
                    batch.push((name.into(), inode, kind));
                }
                place += 1;
                if batch.len() >= BATCH { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })?;
            let is_last = batch.len() < BATCH;
            for (name, inode, kind) in batch {
                from += 1;
                if names.lock().hides(&name) {
                    continue;
                }
                let kind = match kind {
                    Some(fs::Kind::File) => Mode(Mode::REGULAR).dirent_type(),
                    Some(fs::Kind::Directory) => Mode(Mode::DIRECTORY).dirent_type(),
                    Some(fs::Kind::Symlink) => Mode(Mode::SYMLINK).dirent_type(),
                    _ => lower.stat(inode)?.mode.dirent_type(),
                };
                if emit(DirEntry { name: &name, ino: inode.0, kind, next: from }).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            if is_last {
                return Ok(ControlFlow::Continue(()));
            }
        }
    }
}

/// Puts a node in the place of what a name names, be that here or below.
fn replace(names: &Mutex<Names>, name: &[u8], node: &Arc<Node>) {
    let old = {
        let mut names = names.lock();
        let old = names.remove(name);
        names.put(name, node.clone());
        old
    };
    drop(old);
}
