//! Mounts: file systems at places of the tree.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use linux_base::{Errno, Mutex, Result};

use super::{Dentry, Location};
use crate::inode::FileSystem;

bitflags::bitflags! {
    /// What a mount forbids (`MS_*` of `linux/mount.h`).
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct MountFlags: u32 {
        /// Changes.
        const READ_ONLY = 1;
        /// Set-user-ID and set-group-ID.
        const NO_SUID = 2;
        /// Device nodes.
        const NO_DEV = 4;
        /// Execution.
        const NO_EXEC = 8;
        /// Keeping the time of the last read.
        const NO_ATIME = 1024;
        /// Keeping the time of the last read but where that matters.
        const REL_ATIME = 1 << 21;
    }
}

/// A file system at a place.
pub struct Mount {
    id: u64,
    filesystem: Arc<dyn FileSystem>,
    root: Arc<Dentry>,
    place: Mutex<Option<Location>>,
    flags: AtomicU32,
    source: Vec<u8>,
}

impl Mount {
    /// A mount that is at no place yet, or never: the internal ones of pipes and memfds.
    pub fn new(filesystem: Arc<dyn FileSystem>, source: &[u8], flags: MountFlags) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(20);
        let root = Dentry::root(filesystem.root());
        Arc::new(Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            filesystem,
            root,
            place: Mutex::new(None),
            flags: AtomicU32::new(flags.bits()),
            source: source.to_vec(),
        })
    }

    /// Its number, as `/proc/self/mountinfo` and `statx` tell it.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// What is mounted.
    pub fn filesystem(&self) -> &Arc<dyn FileSystem> {
        &self.filesystem
    }

    /// The root of what is mounted.
    pub fn root(&self) -> &Arc<Dentry> {
        &self.root
    }

    /// Where it is mounted; `None` for the root of all.
    pub fn place(&self) -> Option<Location> {
        self.place.lock().clone()
    }

    /// What `/proc/mounts` says is mounted: `/dev/xvda`, `tmpfs`.
    pub fn source(&self) -> &[u8] {
        &self.source
    }

    /// What it forbids.
    pub fn flags(&self) -> MountFlags {
        MountFlags::from_bits_retain(self.flags.load(Ordering::Relaxed))
    }

    /// Changes what it forbids (`MS_REMOUNT`).
    pub fn set_flags(&self, flags: MountFlags) {
        self.flags.store(flags.bits(), Ordering::Relaxed);
    }

    /// Says `EROFS` if nothing can be changed here.
    pub fn check_writable(&self) -> Result<()> {
        if self.flags().contains(MountFlags::READ_ONLY) || self.filesystem.is_read_only() {
            return Err(Errno::EROFS);
        }
        Ok(())
    }
}

/// All mounts.
#[derive(Default)]
pub(crate) struct MountTable {
    /// By the mount and the name they are on.
    by_place: BTreeMap<(u64, usize), Arc<Mount>>,
    /// In the order of mounting.
    all: Vec<Arc<Mount>>,
}

fn key(place: &Location) -> (u64, usize) {
    (place.mount().id, Arc::as_ptr(place.dentry()).addr())
}

impl MountTable {
    /// What is mounted on this place.
    pub(crate) fn on(&self, place: &Location) -> Option<Arc<Mount>> {
        self.by_place.get(&key(place)).cloned()
    }

    /// All, in the order of mounting.
    pub(crate) fn all(&self) -> &[Arc<Mount>] {
        &self.all
    }

    /// Adds the root of all.
    pub(crate) fn add_root(&mut self, mount: Arc<Mount>) {
        self.all.push(mount);
    }

    /// Puts a mount on a place on which there is none.
    pub(crate) fn add(&mut self, mount: Arc<Mount>, place: Location) -> Result<()> {
        self.all.try_reserve(1)?;
        if self.by_place.contains_key(&key(&place)) {
            return Err(Errno::EBUSY);
        }
        place.dentry().add_mount();
        self.by_place.insert(key(&place), mount.clone());
        *mount.place.lock() = Some(place);
        self.all.push(mount);
        Ok(())
    }

    /// Takes a mount away on which nothing is mounted; it goes on for those who are in it.
    pub(crate) fn remove(&mut self, mount: &Arc<Mount>) -> Result<()> {
        let place = mount.place().ok_or(Errno::EINVAL)?;
        let is_covered =
            self.all.iter().any(|other| other.place().is_some_and(|at| Arc::ptr_eq(at.mount(), mount)));
        if is_covered {
            return Err(Errno::EBUSY);
        }
        self.by_place.remove(&key(&place)).ok_or(Errno::EINVAL)?;
        place.dentry().remove_mount();
        self.all.retain(|other| !Arc::ptr_eq(other, mount));
        *mount.place.lock() = None;
        Ok(())
    }
}
