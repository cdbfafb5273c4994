//! Tests of the crate as a whole.

mod attributes;
mod block;
mod devices;
mod ext4;
mod locks;
mod memory;
mod model;
mod mounts;
mod names;
mod overlay;
mod pseudo;
mod watches;

use alloc::sync::Arc;

use linux_base::cred::Ids;
use linux_base::io::{SliceSource, VecSink};
use linux_base::{Credentials, OpenFile, OpenFlags, Result};

use crate::tree::{Options, Tree};
use crate::{Context, Location, MountFlags, Vfs};

/// A tree and who uses it.
pub(crate) struct World {
    pub(crate) vfs: Vfs,
    pub(crate) cwd: Location,
    pub(crate) credentials: Credentials,
}

impl World {
    /// An empty tmpfs that root uses.
    pub(crate) fn new() -> Self {
        Self::over(Tree::new(Options { mode: 0o755, ..Options::default() }).unwrap())
    }

    pub(crate) fn over(tree: Arc<Tree>) -> Self {
        let vfs = Vfs::new(tree, b"test", MountFlags::default(), Tree::tmpfs().unwrap());
        let cwd = vfs.root().clone();
        Self { vfs, cwd, credentials: Credentials::root() }
    }

    pub(crate) fn context(&self) -> Context<'_> {
        Context {
            vfs: &self.vfs,
            root: self.vfs.root(),
            cwd: &self.cwd,
            credentials: &self.credentials,
            umask: 0o022,
            file_size_limit: u64::MAX,
        }
    }

    /// Goes on as an ordinary user.
    pub(crate) fn become_user(&mut self, uid: u32) {
        self.credentials = Credentials::root();
        (self.credentials.uid, self.credentials.gid) = (Ids::all(uid), Ids::all(uid));
        if uid != 0 {
            self.credentials.effective = 0;
        }
    }

    pub(crate) fn open(&self, path: &str, flags: OpenFlags) -> Result<Arc<OpenFile>> {
        self.context().open(None, path.as_bytes(), flags, 0o666)
    }

    pub(crate) fn write(&self, path: &str, content: &str) {
        let file = self.open(path, OpenFlags::CREAT | OpenFlags::WRONLY | OpenFlags::TRUNC).unwrap();
        let mut source = SliceSource::new(content.as_bytes());
        assert_eq!(file.write(None, &mut source, 0), Ok(content.len()));
    }

    pub(crate) fn read(&self, path: &str) -> Result<String> {
        let file = self.open(path, OpenFlags::empty())?;
        let mut bytes = Vec::new();
        while file.read(None, &mut VecSink::new(&mut bytes, 1 << 26), 0)? > 0 {}
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    pub(crate) fn mkdir(&self, path: &str) -> Result<()> {
        self.context().mkdir(None, path.as_bytes(), 0o777)
    }

    pub(crate) fn symlink(&self, target: &str, path: &str) {
        self.context().symlink(target.as_bytes(), None, path.as_bytes()).unwrap();
    }

    pub(crate) fn unlink(&self, path: &str) -> Result<()> {
        self.context().unlink(None, path.as_bytes())
    }

    pub(crate) fn rmdir(&self, path: &str) -> Result<()> {
        self.context().rmdir(None, path.as_bytes())
    }

    pub(crate) fn rename(&self, old: &str, new: &str) -> Result<()> {
        self.context().rename(None, old.as_bytes(), None, new.as_bytes(), Default::default())
    }

    pub(crate) fn stat(&self, path: &str) -> Result<linux_base::Stat> {
        self.context().stat(None, path.as_bytes(), crate::Follow::No)
    }

    pub(crate) fn place(&self, path: &str) -> Location {
        self.context().walk(None, path.as_bytes(), crate::Follow::Yes).unwrap()
    }

    /// The names in a directory in the order of the list, without `.` and `..`.
    pub(crate) fn list(&self, path: &str) -> Result<Vec<String>> {
        let directory = self.open(path, OpenFlags::DIRECTORY)?;
        let mut names = Vec::new();
        crate::directory::list(&directory, &mut |entry| {
            names.push(String::from_utf8_lossy(entry.name).into_owned());
            core::ops::ControlFlow::Continue(())
        })?;
        assert_eq!(&names[..2], [".", ".."]);
        names.drain(..2);
        Ok(names)
    }
}
