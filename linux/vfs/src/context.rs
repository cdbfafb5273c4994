//! All of the tree, and who asks for something in it.

use alloc::sync::Arc;
use alloc::vec::Vec;

use linux_base::{Credentials, Errno, Mutex, OpenFile, Result};

use crate::device::DeviceRegistry;
use crate::inode::FileSystem;
use crate::path::{Follow, Location, Mount, MountFlags, MountTable, NameCache, Resolve, Walker};
use crate::special::AnonymousFiles;
use crate::tree::Tree;

/// How many names are remembered that nobody uses.
const NAMES_KEPT: usize = 2048;

/// The tree of all mounts, with the names that are at hand and the devices behind nodes.
pub struct Vfs {
    mounts: Mutex<MountTable>,
    root: Location,
    pub(crate) names: NameCache,
    devices: DeviceRegistry,
    anonymous: Arc<Mount>,
    pub(crate) memory: Arc<Mount>,
    pub(crate) memory_tree: Arc<Tree>,
}

/// Who asks: what a path means depends on it, and what is allowed.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The tree.
    pub vfs: &'a Vfs,
    /// Where absolute paths begin.
    pub root: &'a Location,
    /// Where relative ones begin.
    pub cwd: &'a Location,
    /// What is allowed.
    pub credentials: &'a Credentials,
    /// Permissions that new files do not get.
    pub umask: u32,
    /// How long a file may become (`RLIMIT_FSIZE`); `EFBIG` behind it, and the signal is the caller's matter.
    pub file_size_limit: u64,
}

impl Vfs {
    /// A tree with this root. `memory` is where memfds and shared anonymous memory live: a [`Tree`] that bounds them.
    pub fn new(root: Arc<dyn FileSystem>, source: &[u8], flags: MountFlags, memory: Arc<Tree>) -> Self {
        let mount = Mount::new(root, source, flags);
        let mut mounts = MountTable::default();
        mounts.add_root(mount.clone());
        Self {
            mounts: Mutex::new(mounts),
            root: Location::root_of(mount),
            names: NameCache::new(NAMES_KEPT),
            devices: DeviceRegistry::new(),
            memory: Mount::new(memory.clone(), b"tmpfs", MountFlags::default()),
            memory_tree: memory,
            anonymous: Mount::new(Arc::new(AnonymousFiles::new()), b"anon_inodefs", MountFlags::default()),
        }
    }

    /// The root of the whole tree.
    pub fn root(&self) -> &Location {
        &self.root
    }

    /// What is behind device nodes and FIFOs.
    pub fn devices(&self) -> &DeviceRegistry {
        &self.devices
    }

    /// All mounts, in the order they were made.
    pub fn mounts(&self) -> Vec<Arc<Mount>> {
        self.mounts.lock().all().to_vec()
    }

    /// Mounts a file system on a directory. `EBUSY` never: a further mount covers what is there.
    pub fn mount(
        &self,
        place: &Location,
        filesystem: Arc<dyn FileSystem>,
        source: &[u8],
        flags: MountFlags,
    ) -> Result<Arc<Mount>> {
        let place = self.cross(place.clone());
        let mount = Mount::new(filesystem, source, flags);
        let is_directory = mount.root().inode()?.is_directory();
        if place.inode()?.is_directory() != is_directory {
            return Err(Errno::ENOTDIR);
        }
        if place.dentry().is_deleted() {
            return Err(Errno::ENOENT);
        }
        self.mounts.lock().add(mount.clone(), place)?;
        Ok(mount)
    }

    /// Takes the mount away whose root this is. `EBUSY` if something is mounted below it; what is open goes on if `is_lazy`, and
    /// makes it `EBUSY` if not.
    pub fn unmount(&self, place: &Location, is_lazy: bool) -> Result<()> {
        if !place.is_mount_root() || *place == self.root {
            return Err(Errno::EINVAL);
        }
        let mount = place.mount();
        // This place, the two of the table; the caller's is one of the others.
        const OWN: usize = 3;
        if !is_lazy && Arc::strong_count(mount) > OWN {
            return Err(Errno::EBUSY);
        }
        self.mounts.lock().remove(mount)?;
        self.names.purge(mount.root());
        Ok(())
    }

    /// The place itself, or the root of what is mounted on it.
    pub(crate) fn cross(&self, mut place: Location) -> Location {
        while place.dentry().mounts() > 0 {
            let mounted = self.mounts.lock().on(&place);
            match mounted {
                Some(mount) => place = Location::root_of(mount),
                None => break,
            }
        }
        place
    }

    /// What a name names in the directory at `at`; `None` for nothing.
    pub(crate) fn child(&self, at: &Location, name: &[u8]) -> Result<Option<Location>> {
        let dentry = self.names.lookup(at.dentry(), name)?;
        if dentry.is_negative() {
            return Ok(None);
        }
        Ok(Some(self.cross(at.with(dentry))))
    }

    /// A place for an open file that has none in the tree: a pipe, a socket. Links of `/proc/PID/fd` lead there.
    pub fn anonymous_place(&self, file: &Arc<OpenFile>) -> Location {
        Location::new(self.anonymous.clone(), AnonymousFiles::dentry(file))
    }

    /// Where an open file stands, be it in the tree or not.
    pub fn place_of(&self, file: &Arc<OpenFile>) -> Location {
        file.place::<Location>().cloned().unwrap_or_else(|| self.anonymous_place(file))
    }
}

impl<'a> Context<'a> {
    /// Where a path leads. An empty path is `ENOENT`.
    pub fn walk(&self, base: Option<&Location>, path: &[u8], follow: Follow) -> Result<Location> {
        self.walk_restricted(base, path, follow, Resolve::empty())
    }

    /// As [`Context::walk`], with restrictions.
    pub fn walk_restricted(
        &self,
        base: Option<&Location>,
        path: &[u8],
        follow: Follow,
        resolve: Resolve,
    ) -> Result<Location> {
        Walker::start(self, base, path, resolve)?.walk_to_end(follow)
    }

    /// The directory of a path's last name, and that name; it need not exist. For `bind` of a socket and the like, use
    /// [`Context::mknod`].
    pub(crate) fn walker<'c>(&'c self, base: Option<&Location>, path: &'c [u8]) -> Result<Walker<'a, 'c>> {
        Walker::start(self, base, path, Resolve::empty())
    }
}
