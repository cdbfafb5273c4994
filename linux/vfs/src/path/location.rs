//! A place in the tree.

use alloc::sync::Arc;
use alloc::vec::Vec;

use linux_base::{Errno, Result};

use super::{Dentry, Mount};
use crate::inode::{Inode, PATH_MAX};
use crate::special::AnonymousInode;

/// A place in the tree: a name, and the mount through which it was reached.
#[derive(Clone)]
pub struct Location {
    mount: Arc<Mount>,
    dentry: Arc<Dentry>,
}

impl PartialEq for Location {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.mount, &other.mount) && Arc::ptr_eq(&self.dentry, &other.dentry)
    }
}

impl Location {
    /// A name under a mount.
    pub fn new(mount: Arc<Mount>, dentry: Arc<Dentry>) -> Self {
        Self { mount, dentry }
    }

    /// The root of a mount.
    pub fn root_of(mount: Arc<Mount>) -> Self {
        let dentry = mount.root().clone();
        Self { mount, dentry }
    }

    /// The mount.
    pub fn mount(&self) -> &Arc<Mount> {
        &self.mount
    }

    /// The name.
    pub fn dentry(&self) -> &Arc<Dentry> {
        &self.dentry
    }

    /// What is there.
    pub fn inode(&self) -> Result<&Arc<dyn Inode>> {
        self.dentry.inode()
    }

    /// Another name under the same mount.
    pub fn with(&self, dentry: Arc<Dentry>) -> Self {
        Self { mount: self.mount.clone(), dentry }
    }

    /// Whether it is the root of its mount.
    pub fn is_mount_root(&self) -> bool {
        Arc::ptr_eq(&self.dentry, self.mount.root())
    }

    /// The absolute path from `root`, as `/proc` shows it: with ` (deleted)` behind it when the name is gone.
    pub fn path(&self, root: &Location) -> Vec<u8> {
        if self.inode().is_ok_and(|inode| inode.downcast::<AnonymousInode>().is_some()) {
            // `pipe:[12]` stands nowhere.
            return self.dentry.name().to_vec();
        }
        let (mut path, _) = self.path_from(root);
        if self.dentry.is_deleted() {
            path.extend_from_slice(b" (deleted)");
        }
        path
    }

    /// The absolute path from `root`, as `getcwd(2)` tells it: `ENOENT` when the directory is gone.
    pub fn working_path(&self, root: &Location) -> Result<Vec<u8>> {
        if self.dentry.is_deleted() {
            return Err(Errno::ENOENT);
        }
        let (path, is_reachable) = self.path_from(root);
        let path = if is_reachable { path } else { [b"(unreachable)", &path[..]].concat() };
        if path.len() >= PATH_MAX { Err(Errno::ENAMETOOLONG) } else { Ok(path) }
    }

    /// The path, and whether it leads from `root` at all.
    fn path_from(&self, root: &Location) -> (Vec<u8>, bool) {
        let mut names: Vec<Arc<[u8]>> = Vec::new();
        let mut at = self.clone();
        let mut is_reachable = true;
        while at != *root {
            if at.is_mount_root() {
                match at.mount.place() {
                    Some(place) => {
                        at = place;
                        continue;
                    }
                    None => {
                        is_reachable = false;
                        break;
                    }
                }
            }
            names.push(at.dentry.name());
            match at.dentry.parent() {
                Some(parent) => at.dentry = parent,
                None => {
                    is_reachable = false;
                    break;
                }
            }
        }
        let mut path = Vec::new();
        for name in names.iter().rev() {
            path.push(b'/');
            path.extend_from_slice(name);
        }
        if path.is_empty() {
            path.push(b'/');
        }
        (path, is_reachable)
    }
}
