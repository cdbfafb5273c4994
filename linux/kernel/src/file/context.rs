//! Where paths begin, and who asks.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU32, Ordering};

use linux_base::{Credentials, Mutex, Result};
use linux_task::limits::Resource;
use linux_vfs::{Context, Location, Vfs};
use spin::Once;

use crate::task::Task;

static VFS: Once<Vfs> = Once::new();

/// The tree.
///
/// # Panics
/// Before the root is mounted, when there are no programs yet.
pub fn vfs() -> &'static Vfs {
    VFS.get().expect("the root is mounted before the first program")
}

/// Sets the tree, once.
pub fn set_vfs(vfs: Vfs) -> &'static Vfs {
    VFS.call_once(|| vfs)
}

/// Root, working directory and umask of a process.
pub struct FsContext {
    /// Where absolute paths begin.
    pub root: Mutex<Location>,
    /// Where relative ones begin.
    pub cwd: Mutex<Location>,
    /// Permissions that new files do not get.
    pub umask: AtomicU32,
}

impl FsContext {
    /// The root of everything, and the usual umask.
    pub fn new(root: &Location) -> Self {
        Self { root: Mutex::new(root.clone()), cwd: Mutex::new(root.clone()), umask: AtomicU32::new(0o22) }
    }

    /// A copy.
    pub fn duplicate(&self) -> Self {
        Self {
            root: Mutex::new(self.root.lock().clone()),
            cwd: Mutex::new(self.cwd.lock().clone()),
            umask: AtomicU32::new(self.umask.load(Ordering::Relaxed)),
        }
    }
}

/// Who asks for a path: copies of what a process has, for the time of a call.
pub struct Asker {
    root: Location,
    cwd: Location,
    credentials: Arc<Credentials>,
    umask: u32,
    file_size_limit: u64,
}

impl Asker {
    /// The context to give to the VFS.
    pub fn context(&self) -> Context<'_> {
        Context {
            vfs: vfs(),
            root: &self.root,
            cwd: &self.cwd,
            credentials: &self.credentials,
            umask: self.umask,
            file_size_limit: self.file_size_limit,
        }
    }
}

/// `AT_FDCWD`
pub const AT_FDCWD: i32 = -100;

impl Task {
    /// This thread as one who asks for paths.
    pub fn asker(&self) -> Asker {
        let fs = self.thread.fs();
        let (root, cwd) = (fs.root.lock().clone(), fs.cwd.lock().clone());
        Asker {
            root,
            cwd,
            credentials: self.thread.credentials(),
            umask: fs.umask.load(Ordering::Relaxed),
            file_size_limit: self.process().limit(Resource::FileSize),
        }
    }

    /// The same with the real IDs in place of the effective ones, as `access(2)` asks.
    pub fn asker_by_real_ids(&self) -> Asker {
        let mut asker = self.asker();
        let mut credentials = Credentials::clone(&asker.credentials);
        credentials.uid.fs = credentials.uid.real;
        credentials.gid.fs = credentials.gid.real;
        credentials.effective = if credentials.uid.real == 0 { credentials.permitted } else { 0 };
        asker.credentials = Arc::new(credentials);
        asker
    }

    /// The directory that the `*at` calls name by a descriptor: `None` for the working directory. A path that is absolute does
    /// not look at it, and so neither does this.
    pub fn base(&self, fd: i32, path: &[u8]) -> Result<Option<Location>> {
        if fd == AT_FDCWD || path.first() == Some(&b'/') {
            return Ok(None);
        }
        let open = self.files()?.get(fd)?;
        Ok(Some(vfs().place_of(&open)))
    }
}
