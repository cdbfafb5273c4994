//! A file system in memory, with or without something read-only below it.
//!
//! Without, it is tmpfs. With, it is an overlay: what nobody has changed is looked up and read below, page by page, and kept as
//! long as somebody uses it or memory is there; what was changed lives here. A directory knows which of its names were taken away or
//! put in; a file has the pages that were written and gets the others from below. So nothing is ever copied up as a whole, a
//! renamed directory keeps what is below it, numbers of inodes and hard links stay as they are. With a mount that is read-only it
//! is how ext4 and archives are read.
//!
//! [`Tree`] is the file system, [`Node`] its inode, `names` the content of directories, `content` that of files (the page cache),
//! `file` and `space` the operations on the latter, [`Lower`] what is below.

mod content;
mod file;
mod inode;
mod lower;
mod names;
mod node;
mod options;
mod pager;
mod space;

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use core::sync::atomic::{AtomicU64, Ordering};

use linux_base::{Errno, Mode, Mutex, Result};

use crate::inode::{FileSystem, Inode, NewInode, Usage, anonymous_device};

pub use lower::{InPlace, Lower};
pub use node::Node;
pub use options::Options;
pub use space::Fallocate;

/// The file system.
pub struct Tree {
    shared: Arc<Shared>,
    root: Arc<Node>,
}

/// What all nodes of a tree share.
pub(crate) struct Shared {
    pub(crate) device: u64,
    kind: &'static str,
    magic: u64,
    is_read_only: bool,
    pub(crate) lower: Option<Lower>,
    page_limit: u64,
    pages: AtomicU64,
    inode_limit: u64,
    inodes: AtomicU64,
    next_ino: AtomicU64,
    /// Nodes of what is below, by its number: those in use, and those that were changed, which stay.
    from_lower: Mutex<BTreeMap<u64, Slot>>,
}

enum Slot {
    Used(Weak<Node>),
    Changed(Arc<Node>),
}

impl Tree {
    /// Makes a tree. What is below is asked for its root.
    pub fn new(options: Options) -> Result<Arc<Self>> {
        let first_ino = options.lower.as_ref().map_or(1, |lower| lower.usage().inodes.saturating_add(1));
        let shared = Arc::new(Shared {
            device: anonymous_device(),
            kind: options.kind,
            magic: options.magic,
            is_read_only: options.is_read_only,
            lower: options.lower,
            page_limit: options.pages,
            pages: AtomicU64::new(0),
            inode_limit: options.inodes,
            inodes: AtomicU64::new(0),
            next_ino: AtomicU64::new(first_ino),
            from_lower: Mutex::default(),
        });
        let root = match &shared.lower {
            Some(lower) => shared.node_from_lower(lower.root())?,
            None => {
                let mode = Mode(Mode::DIRECTORY | options.mode & 0o7777);
                Node::new(
                    &shared,
                    &NewInode { mode, uid: options.uid, gid: options.gid, rdev: 0, target: b"" },
                )?
            }
        };
        if !root.mode_now().is_directory() {
            return Err(Errno::ENOTDIR);
        }
        Ok(Arc::new(Self { shared, root }))
    }

    /// A tmpfs with all defaults.
    pub fn tmpfs() -> Result<Arc<Self>> {
        Self::new(Options::default())
    }

    /// A file without a name, of a tree that need not be mounted.
    pub(crate) fn unnamed(&self, new: &NewInode<'_>) -> Result<Arc<Node>> {
        let node = Node::new(&self.shared, new)?;
        node.forget_name();
        Ok(node)
    }
}

impl FileSystem for Tree {
    fn root(&self) -> Arc<dyn Inode> {
        self.root.clone()
    }

    fn kind(&self) -> &'static str {
        self.shared.kind
    }

    fn usage(&self) -> Usage {
        let shared = &self.shared;
        if let (true, Some(lower)) = (shared.is_read_only, &shared.lower) {
            return Usage { magic: shared.magic, ..lower.usage() };
        }
        let limit = |limit: u64, used: &AtomicU64| match limit {
            u64::MAX => (0, 0),
            limit => (limit, limit.saturating_sub(used.load(Ordering::Relaxed))),
        };
        let (blocks, free) = limit(shared.page_limit, &shared.pages);
        let (inodes, free_inodes) = limit(shared.inode_limit, &shared.inodes);
        Usage { magic: shared.magic, block_size: 4096, blocks, free, inodes, free_inodes }
    }

    fn is_read_only(&self) -> bool {
        self.shared.is_read_only
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        // Changed nodes and this table hold each other.
        let nodes = core::mem::take(&mut *self.shared.from_lower.lock());
        drop(nodes);
    }
}

impl Shared {
    /// Takes pages out of the allowance.
    pub(crate) fn charge(&self, pages: u64) -> Result<()> {
        take(&self.pages, pages, self.page_limit)
    }

    /// Gives pages back.
    pub(crate) fn uncharge(&self, pages: u64) {
        self.pages.fetch_sub(pages, Ordering::AcqRel);
    }

    fn charge_inode(&self) -> Result<u64> {
        take(&self.inodes, 1, self.inode_limit)?;
        Ok(self.next_ino.fetch_add(1, Ordering::Relaxed))
    }

    fn uncharge_inode(&self) {
        self.inodes.fetch_sub(1, Ordering::AcqRel);
    }

    /// The node of what is below; the same one as long as it is in use or changed. May read the disk.
    pub(crate) fn node_from_lower(self: &Arc<Self>, inode: fs::Inode) -> Result<Arc<Node>> {
        if let Some(node) = self.known_from_lower(inode) {
            return Ok(node);
        }
        let lower = self.lower.as_ref().ok_or(Errno::EIO)?;
        let node = Node::of_lower(self, lower, inode)?;
        let mut known = self.from_lower.lock();
        let other = match known.get(&inode.0) {
            Some(Slot::Changed(other)) => Some(other.clone()),
            Some(Slot::Used(other)) => other.upgrade(),
            None => None,
        };
        if other.is_none() {
            known.insert(inode.0, Slot::Used(Arc::downgrade(&node)));
        }
        drop(known);
        Ok(other.unwrap_or(node))
    }

    fn known_from_lower(&self, inode: fs::Inode) -> Option<Arc<Node>> {
        match self.from_lower.lock().get(&inode.0)? {
            Slot::Used(node) => node.upgrade(),
            Slot::Changed(node) => Some(node.clone()),
        }
    }

    /// A node has been changed: it must stay, whoever uses it.
    fn keep_changed(&self, inode: fs::Inode, node: Arc<Node>) {
        let mut known = self.from_lower.lock();
        let old = match known.get(&inode.0) {
            Some(Slot::Changed(_)) => Some(Slot::Changed(node)),
            _ => known.insert(inode.0, Slot::Changed(node)),
        };
        drop(known);
        drop(old);
    }

    /// A changed node has lost its last name.
    fn let_go(&self, inode: fs::Inode) {
        let mut known = self.from_lower.lock();
        let old = match known.get_mut(&inode.0) {
            Some(slot @ Slot::Changed(_)) => {
                let weak = match slot {
                    Slot::Changed(node) => Arc::downgrade(node),
                    Slot::Used(weak) => weak.clone(),
                };
                Some(core::mem::replace(slot, Slot::Used(weak)))
            }
            _ => None,
        };
        drop(known);
        drop(old);
    }

    /// A node is gone.
    fn forget(&self, inode: fs::Inode, node: *const Node) {
        let mut known = self.from_lower.lock();
        if let Some(Slot::Used(weak)) = known.get(&inode.0)
            && core::ptr::eq(weak.as_ptr(), node)
        {
            known.remove(&inode.0);
        }
    }
}

fn take(used: &AtomicU64, count: u64, limit: u64) -> Result<()> {
    let more = |used: u64| used.checked_add(count).filter(|sum| *sum <= limit);
    used.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).map(drop).map_err(|_| Errno::ENOSPC)
}
