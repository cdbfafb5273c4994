//! Open files that are not the content of anything: `O_PATH`, and what has no place in the tree.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;

use linux_base::{Errno, File, Mode, OpenFile, PollEvents, Result, Stat};

use crate::hooks::Hooks;
use crate::inode::{FileSystem, Inode, OpenRequest, Usage};
use crate::path::{Dentry, Location};

const ANON_MAGIC: u64 = 0x0904_1934;

/// A place that was opened with `O_PATH`.
pub struct PathFile(Location);

impl PathFile {
    /// Of a place.
    pub fn new(place: Location) -> Arc<Self> {
        Arc::new(Self(place))
    }
}

impl File for PathFile {
    fn stat(&self) -> Result<Stat> {
        Ok(self.0.inode()?.stat())
    }

    fn poll(&self) -> PollEvents {
        PollEvents::NVAL
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_arc(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

/// The file system of pipes, sockets and the like: nothing of it can be reached by a path.
pub struct AnonymousFiles {
    root: Arc<dyn Inode>,
}

impl AnonymousFiles {
    pub(crate) fn new() -> Self {
        Self { root: Arc::new(AnonymousInode { file: None, hooks: Hooks::new() }) }
    }

    pub(crate) fn dentry(file: &Arc<OpenFile>) -> Arc<Dentry> {
        Dentry::anonymous(
            file.label(),
            Arc::new(AnonymousInode { file: Some(file.clone()), hooks: Hooks::new() }),
        )
    }
}

impl FileSystem for AnonymousFiles {
    fn root(&self) -> Arc<dyn Inode> {
        self.root.clone()
    }

    fn kind(&self) -> &'static str {
        "anon_inodefs"
    }

    fn usage(&self) -> Usage {
        Usage { magic: ANON_MAGIC, block_size: 4096, ..Usage::default() }
    }
}

/// What an open file without a place looks like as an inode.
pub struct AnonymousInode {
    file: Option<Arc<OpenFile>>,
    hooks: Hooks,
}

impl AnonymousInode {
    /// The open file.
    pub fn file(&self) -> Option<&Arc<OpenFile>> {
        self.file.as_ref()
    }
}

impl Inode for AnonymousInode {
    fn stat(&self) -> Stat {
        let directory = Stat { mode: Mode(Mode::DIRECTORY | 0o555), nlink: 2, ..Stat::default() };
        match &self.file {
            Some(file) => file.file().stat().unwrap_or_default(),
            None => directory,
        }
    }

    fn read_link(&self) -> Result<Vec<u8>> {
        Err(Errno::EINVAL)
    }

    fn open(self: Arc<Self>, _: &OpenRequest<'_>) -> Result<Arc<dyn File>> {
        Err(Errno::ENXIO)
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
