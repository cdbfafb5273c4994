//! A name in a directory, and what it names.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use linux_base::{Errno, Mutex, Result};

use crate::inode::Inode;

/// A name in a directory and what it names: an inode, or nothing, which is remembered as well.
///
/// There is one for each name that is in use; two walks to the same place meet at the same one. It keeps its directory alive, and
/// the directory finds it as long as it lives.
pub struct Dentry {
    inode: Option<Arc<dyn Inode>>,
    place: Mutex<Place>,
    children: Mutex<BTreeMap<Box<[u8]>, Weak<Dentry>>>,
    /// Counts changes of the directory's names: what was looked up before a change is not remembered after it.
    generation: AtomicU64,
    is_deleted: AtomicBool,
    /// How many mounts there are on this place.
    mounts: AtomicU32,
    /// For [`super::NameCache`]: where it stands there, and whether it was used of late.
    pub(super) slot: AtomicUsize,
    pub(super) was_used: AtomicBool,
}

struct Place {
    parent: Option<Arc<Dentry>>,
    name: Arc<[u8]>,
}

/// [`Dentry::slot`] of what is not in the cache.
pub(super) const NO_SLOT: usize = usize::MAX;

impl Dentry {
    fn new(parent: Option<Arc<Dentry>>, name: &[u8], inode: Option<Arc<dyn Inode>>) -> Arc<Self> {
        Arc::new(Self {
            inode,
            place: Mutex::new(Place { parent, name: name.into() }),
            children: Mutex::default(),
            generation: AtomicU64::new(0),
            is_deleted: AtomicBool::new(false),
            mounts: AtomicU32::new(0),
            slot: AtomicUsize::new(NO_SLOT),
            was_used: AtomicBool::new(true),
        })
    }

    /// The root of a file system.
    pub fn root(inode: Arc<dyn Inode>) -> Arc<Self> {
        Self::new(None, b"/", Some(inode))
    }

    /// A name that stands nowhere: a memfd, a pipe, a file made by `O_TMPFILE`.
    pub fn detached(name: &[u8], inode: Arc<dyn Inode>) -> Arc<Self> {
        let dentry = Self::new(None, name, Some(inode));
        dentry.is_deleted.store(true, Ordering::Relaxed);
        dentry
    }

    /// A file without a name that was made in a directory.
    pub(crate) fn unnamed_in(parent: &Arc<Self>, name: &[u8], inode: Arc<dyn Inode>) -> Arc<Self> {
        let dentry = Self::new(Some(parent.clone()), name, Some(inode));
        dentry.is_deleted.store(true, Ordering::Relaxed);
        dentry
    }

    /// What has a label and no name.
    pub(crate) fn anonymous(label: &[u8], inode: Arc<dyn Inode>) -> Arc<Self> {
        Self::new(None, label, Some(inode))
    }

    /// A name of `parent` that nobody else finds.
    pub(super) fn loose(parent: &Arc<Self>, name: &[u8], inode: Option<Arc<dyn Inode>>) -> Arc<Self> {
        Self::new(Some(parent.clone()), name, inode)
    }

    /// What it names; `ENOENT` for nothing.
    pub fn inode(&self) -> Result<&Arc<dyn Inode>> {
        self.inode.as_ref().ok_or(Errno::ENOENT)
    }

    /// Whether it names nothing.
    pub fn is_negative(&self) -> bool {
        self.inode.is_none()
    }

    /// The directory it stands in; `None` for a root.
    pub fn parent(&self) -> Option<Arc<Dentry>> {
        self.place.lock().parent.clone()
    }

    /// The name.
    pub fn name(&self) -> Arc<[u8]> {
        self.place.lock().name.clone()
    }

    /// Whether the name has been taken away since.
    pub fn is_deleted(&self) -> bool {
        self.is_deleted.load(Ordering::Relaxed)
    }

    /// Whether `ancestor` is this, or on the way from the root to this.
    pub fn is_below(self: &Arc<Self>, ancestor: &Arc<Dentry>) -> bool {
        let mut at = Some(self.clone());
        while let Some(dentry) = at {
            if Arc::ptr_eq(&dentry, ancestor) {
                return true;
            }
            at = dentry.parent();
        }
        false
    }

    /// How many mounts there are on it.
    pub fn mounts(&self) -> u32 {
        self.mounts.load(Ordering::Acquire)
    }

    pub(super) fn add_mount(&self) {
        self.mounts.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn remove_mount(&self) {
        self.mounts.fetch_sub(1, Ordering::AcqRel);
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The child of this name, if it is known.
    pub(super) fn child(&self, name: &[u8]) -> Option<Arc<Dentry>> {
        self.children.lock().get(name)?.upgrade()
    }

    /// Makes a child known, unless the directory has changed since `generation`, or another is known by now.
    pub(super) fn add_child(&self, child: &Arc<Dentry>, generation: u64) -> Option<Arc<Dentry>> {
        let name = child.name();
        let mut children = self.children.lock();
        if self.generation() != generation {
            return None;
        }
        if let Some(known) = children.get(&name[..]).and_then(Weak::upgrade) {
            drop(children);
            return Some(known);
        }
        children.insert(name[..].into(), Arc::downgrade(child));
        Some(child.clone())
    }

    /// Puts a child in the place of what was known by its name.
    pub(super) fn set_child(&self, child: &Arc<Dentry>) -> Option<Arc<Dentry>> {
        let name = child.name();
        let mut children = self.children.lock();
        self.generation.fetch_add(1, Ordering::AcqRel);
        let old = children.insert(name[..].into(), Arc::downgrade(child));
        drop(children);
        old.and_then(|old| old.upgrade())
    }

    /// Forgets a child; nothing happens if another has taken its name.
    pub(super) fn remove_child(&self, name: &[u8], child: *const Dentry) {
        let mut children = self.children.lock();
        self.generation.fetch_add(1, Ordering::AcqRel);
        if children.get(name).is_some_and(|known| core::ptr::eq(known.as_ptr(), child)) {
            children.remove(name);
        }
    }

    pub(super) fn mark_deleted(&self) {
        self.is_deleted.store(true, Ordering::Relaxed);
    }

    /// Moves the name itself, not what others know of it.
    pub(super) fn set_place(&self, parent: Arc<Dentry>, name: Arc<[u8]>) {
        let old = core::mem::replace(&mut *self.place.lock(), Place { parent: Some(parent), name });
        self.is_deleted.store(false, Ordering::Relaxed);
        drop(old);
    }
}

impl Drop for Dentry {
    fn drop(&mut self) {
        let this: *const Dentry = self;
        let place = self.place.get_mut();
        let Some(parent) = place.parent.take() else { return };
        {
            let mut children = parent.children.lock();
            if children.get(&place.name[..]).is_some_and(|known| core::ptr::eq(known.as_ptr(), this)) {
                children.remove(&place.name[..]);
            }
        }
        // A long chain of directories must not become a deep recursion.
        let mut next = Some(parent);
        while let Some(mut dentry) = next.and_then(Arc::into_inner) {
            let place = dentry.place.get_mut();
            next = place.parent.take();
            if let Some(parent) = &next {
                let mut children = parent.children.lock();
                if children.get(&place.name[..]).is_some_and(|known| known.strong_count() == 0) {
                    children.remove(&place.name[..]);
                }
            }
        }
    }
}
