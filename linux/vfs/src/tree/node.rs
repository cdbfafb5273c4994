//! An inode of a tree.

use alloc::boxed::Box;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use linux_base::{Errno, Mode, Mutex, Result, Timespec};

use super::content::{Below, Content};
use super::names::Names;
use super::{Lower, Shared};
use crate::hooks::Hooks;
use crate::inode::{Inode, NewInode, now};
use crate::memory::seal;
use crate::xattr::Xattrs;

/// An inode of a [`super::Tree`].
pub struct Node {
    pub(super) shared: Arc<Shared>,
    pub(super) this: Weak<Node>,
    pub(super) ino: u64,
    /// What it was below.
    pub(super) lower: Option<fs::Inode>,
    pub(super) meta: Mutex<Meta>,
    pub(super) body: Body,
    pub(super) xattrs: Xattrs,
    pub(super) hooks: Hooks,
    /// Seals (`F_SEAL_*`) of a memfd.
    pub(crate) seals: AtomicU32,
    /// Shared mappings that can write.
    pub(super) writable_mappings: AtomicU32,
    /// Whether it may get a name though it has none.
    pub(super) is_linkable: AtomicBool,
}

pub(super) struct Meta {
    pub(super) mode: Mode,
    pub(super) nlink: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) rdev: u64,
    pub(super) atime: Timespec,
    pub(super) mtime: Timespec,
    pub(super) ctime: Timespec,
    pub(super) btime: Timespec,
    /// Space that it takes below, in units of 512 bytes.
    pub(super) blocks: u64,
}

pub(super) enum Body {
    File(Mutex<Content>),
    Directory(Mutex<Names>),
    Link(Box<[u8]>),
    Special,
}

impl Node {
    pub(super) fn new(shared: &Arc<Shared>, new: &NewInode<'_>) -> Result<Arc<Self>> {
        let body = match new.mode.kind() {
            Mode::REGULAR => Body::File(Mutex::default()),
            Mode::DIRECTORY => Body::Directory(Mutex::new(Names::new(false))),
            Mode::SYMLINK => Body::Link(new.target.into()),
            _ => Body::Special,
        };
        linux_mm::ensure_room()?;
        let ino = shared.charge_inode()?;
        let now = now();
        let meta = Meta {
            mode: new.mode,
            nlink: if new.mode.is_directory() { 2 } else { 1 },
            uid: new.uid,
            gid: new.gid,
            rdev: new.rdev,
            atime: now,
            mtime: now,
            ctime: now,
            btime: now,
            blocks: 0,
        };
        Ok(Self::assemble(shared, ino, None, meta, body))
    }

    /// The node of what is below; may read the disk.
    pub(super) fn of_lower(shared: &Arc<Shared>, lower: &Lower, inode: fs::Inode) -> Result<Arc<Self>> {
        let stat = lower.stat(inode)?;
        let body = match stat.mode.kind() {
            Mode::REGULAR => {
                let below = Some(Below { inode, len: stat.size });
                Body::File(Mutex::new(Content { len: stat.size, below, ..Content::default() }))
            }
            Mode::DIRECTORY => Body::Directory(Mutex::new(Names::new(true))),
            Mode::SYMLINK => Body::Link(lower.read_link(inode)?.into()),
            _ => Body::Special,
        };
        let meta = Meta {
            mode: stat.mode,
            nlink: stat.nlink.max(1),
            uid: stat.uid,
            gid: stat.gid,
            rdev: stat.rdev,
            atime: stat.atime,
            mtime: stat.mtime,
            ctime: stat.ctime,
            btime: stat.btime,
            blocks: stat.blocks,
        };
        Ok(Self::assemble(shared, stat.ino, Some(inode), meta, body))
    }

    fn assemble(
        shared: &Arc<Shared>,
        ino: u64,
        lower: Option<fs::Inode>,
        meta: Meta,
        body: Body,
    ) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            shared: shared.clone(),
            this: this.clone(),
            ino,
            lower,
            meta: Mutex::new(meta),
            body,
            xattrs: Xattrs::new(),
            hooks: Hooks::new(),
            seals: AtomicU32::new(seal::SEAL),
            writable_mappings: AtomicU32::new(0),
            is_linkable: AtomicBool::new(false),
        })
    }

    pub(super) fn is_from_lower(&self) -> bool {
        self.lower.is_some()
    }

    pub(super) fn mode_now(&self) -> Mode {
        self.meta.lock().mode
    }

    /// The content, if this is a regular file.
    pub(super) fn content(&self) -> Result<&Mutex<Content>> {
        match &self.body {
            Body::File(content) => Ok(content),
            Body::Directory(_) => Err(Errno::EISDIR),
            _ => Err(Errno::EINVAL),
        }
    }

    pub(super) fn names(&self) -> Result<&Mutex<Names>> {
        match &self.body {
            Body::Directory(names) => Ok(names),
            _ => Err(Errno::ENOTDIR),
        }
    }

    /// It has been changed: it must not go and come back as it is below.
    pub(super) fn changed(&self) {
        if let (Some(inode), Some(this)) = (self.lower, self.this.upgrade()) {
            self.shared.keep_changed(inode, this);
        }
    }

    /// The content has been changed.
    pub(super) fn modified(&self) {
        let now = now();
        {
            let mut meta = self.meta.lock();
            (meta.mtime, meta.ctime) = (now, now);
        }
        self.changed();
    }

    /// The content has been read: the moment is kept if the last one that was is older than the last change, as `relatime` has
    /// it, so that reading does not read the clock each time.
    pub(crate) fn accessed(&self) {
        let is_news = |meta: &Meta| meta.atime <= meta.mtime || meta.atime <= meta.ctime;
        if !self.shared.is_read_only && is_news(&self.meta.lock()) {
            let now = now();
            self.meta.lock().atime = now;
        }
    }

    /// Takes set-user-ID and set-group-ID away: somebody has written who may not keep them.
    pub(crate) fn drop_privileges(&self) {
        let mut meta = self.meta.lock();
        let mut bits = meta.mode.0 & !0o4000;
        if bits & 0o010 != 0 {
            bits &= !0o2000;
        }
        meta.mode = Mode(bits);
    }

    /// It has no name (any more).
    pub(super) fn forget_name(&self) {
        let nlink = {
            let mut meta = self.meta.lock();
            meta.nlink = if meta.mode.is_directory() { 0 } else { meta.nlink.saturating_sub(1) };
            meta.ctime = now();
            meta.nlink
        };
        match (nlink, self.lower) {
            (0, Some(inode)) => self.shared.let_go(inode),
            _ => self.changed(),
        }
    }

    /// Whether its last name has gone.
    pub fn is_unnamed(&self) -> bool {
        self.meta.lock().nlink == 0
    }

    pub(super) fn add_links(&self, more: i32) {
        let mut meta = self.meta.lock();
        meta.nlink = meta.nlink.saturating_add_signed(more);
    }

    pub(super) fn adopt(&self, inode: &Arc<dyn Inode>) -> Result<Arc<Self>> {
        inode
            .downcast_arc::<Node>()
            .filter(|node| Arc::ptr_eq(&node.shared, &self.shared))
            .ok_or(Errno::EXDEV)
    }

    pub(super) fn stamp_directory(&self) {
        self.modified();
    }
}

impl Node {
    pub(super) fn is_directory_now(&self) -> bool {
        matches!(self.body, Body::Directory(_))
    }

    /// How many names of a directory are known here.
    #[cfg(test)]
    pub(crate) fn known_names(&self) -> usize {
        self.names().map_or(0, |names| names.lock().len())
    }

    /// Its seals.
    pub fn seals(&self) -> u32 {
        self.seals.load(Ordering::Acquire)
    }

    /// Says `EPERM` if one of these seals is set.
    pub(super) fn check_seals(&self, seals: u32) -> Result<()> {
        if self.seals() & seals != 0 { Err(Errno::EPERM) } else { Ok(()) }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let this: *const Node = self;
        match self.lower {
            Some(inode) => self.shared.forget(inode, this),
            None => self.shared.uncharge_inode(),
        }
        match &mut self.body {
            Body::File(content) => self.shared.uncharge(content.get_mut().dirty),
            Body::Directory(names) => {
                // A deep tree that goes as a whole must not become a deep recursion.
                let mut nodes: Vec<Arc<Node>> = names.get_mut().take_nodes().collect();
                while let Some(node) = nodes.pop() {
                    if let Some(mut node) = Arc::into_inner(node)
                        && let Body::Directory(names) = &mut node.body
                    {
                        nodes.extend(names.get_mut().take_nodes());
                    }
                }
            }
            _ => {}
        }
    }
}
