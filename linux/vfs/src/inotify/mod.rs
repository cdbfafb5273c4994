//! `inotify(7)`: events of files and directories, in a queue that is a file.
//!
//! [`Inotify`] is the file; a `Mark` hangs on each watched inode and keeps it. `tell` and its like are called where things happen;
//! while nobody watches anything they cost one look at a number.

mod instance;
mod tell;

use alloc::sync::{Arc, Weak};
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use crate::inode::Inode;

pub use instance::Inotify;
pub(crate) use tell::{new_cookie, tell, tell_directory, tell_if_gone, tell_self};

/// Events and flags (`IN_*` of `sys/inotify.h`).
pub mod event {
    /// It was read.
    pub const ACCESS: u32 = 0x1;
    /// It was written.
    pub const MODIFY: u32 = 0x2;
    /// Facts about it changed.
    pub const ATTRIB: u32 = 0x4;
    /// It was closed that had been open for writing.
    pub const CLOSE_WRITE: u32 = 0x8;
    /// It was closed that had not been open for writing.
    pub const CLOSE_NOWRITE: u32 = 0x10;
    /// It was opened.
    pub const OPEN: u32 = 0x20;
    /// A name went from the directory.
    pub const MOVED_FROM: u32 = 0x40;
    /// A name came to the directory.
    pub const MOVED_TO: u32 = 0x80;
    /// A name was made.
    pub const CREATE: u32 = 0x100;
    /// A name was taken away.
    pub const DELETE: u32 = 0x200;
    /// The watched thing is gone.
    pub const DELETE_SELF: u32 = 0x400;
    /// The watched thing was renamed.
    pub const MOVE_SELF: u32 = 0x800;
    /// All of the above.
    pub const ALL: u32 = 0xfff;
    /// Events were lost.
    pub const OVERFLOW: u32 = 0x4000;
    /// The watch has gone.
    pub const IGNORED: u32 = 0x8000;
    /// Watch only a directory.
    pub const ONLY_DIRECTORY: u32 = 0x0100_0000;
    /// Do not follow a symbolic link.
    pub const DONT_FOLLOW: u32 = 0x0200_0000;
    /// Nothing of children whose name is gone.
    pub const EXCL_UNLINK: u32 = 0x0400_0000;
    /// There must be no watch yet.
    pub const MASK_CREATE: u32 = 0x1000_0000;
    /// Add to the events of the watch that is there.
    pub const MASK_ADD: u32 = 0x2000_0000;
    /// It is about a directory.
    pub const IS_DIRECTORY: u32 = 0x4000_0000;
    /// One event only.
    pub const ONESHOT: u32 = 0x8000_0000;
}

/// How many marks there are at all.
static MARKS: AtomicUsize = AtomicUsize::new(0);

/// A watch on an inode.
pub struct Mark {
    descriptor: i32,
    mask: AtomicU32,
    instance: Weak<Inotify>,
    inode: Arc<dyn Inode>,
}

impl Mark {
    fn new(descriptor: i32, mask: u32, instance: &Weak<Inotify>, inode: Arc<dyn Inode>) -> Arc<Self> {
        MARKS.fetch_add(1, Ordering::Relaxed);
        Arc::new(Self { descriptor, mask: AtomicU32::new(mask), instance: instance.clone(), inode })
    }

    fn mask(&self) -> u32 {
        self.mask.load(Ordering::Relaxed)
    }

    /// Takes it off its inode.
    fn detach(self: &Arc<Self>) {
        let removed = {
            let mut marks = self.inode.hooks().marks.lock();
            let at = marks.iter().position(|mark| Arc::ptr_eq(mark, self));
            at.map(|at| marks.swap_remove(at))
        };
        drop(removed);
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        MARKS.fetch_sub(1, Ordering::Relaxed);
    }
}
