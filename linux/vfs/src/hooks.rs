//! What hangs on an inode from outside its file system: locks, watches, the pipe behind a FIFO or the socket behind a name.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use core::sync::atomic::{AtomicI32, Ordering};

use linux_base::{Errno, Mutex, Result};

use crate::inotify::Mark;
use crate::locks::Locks;

/// What hangs on an inode.
#[derive(Default)]
pub struct Hooks {
    pub(crate) marks: Mutex<Vec<Arc<Mark>>>,
    locks: Mutex<Option<Arc<Locks>>>,
    attachment: Mutex<Option<Arc<dyn Any + Send + Sync>>>,
    /// How many have it open for writing; negative: how many execute it.
    writers: AtomicI32,
}

impl Hooks {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The locks, made when first asked for.
    pub fn locks(&self) -> Arc<Locks> {
        self.locks.lock().get_or_insert_with(Default::default).clone()
    }

    /// The locks, if there ever was one.
    pub fn locks_if_any(&self) -> Option<Arc<Locks>> {
        self.locks.lock().clone()
    }

    /// What was attached: a FIFO's pipe, or the socket bound to this name.
    pub fn attachment(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        self.attachment.lock().clone()
    }

    /// Attaches something, or nothing.
    pub fn attach(&self, attachment: Option<Arc<dyn Any + Send + Sync>>) {
        let old = core::mem::replace(&mut *self.attachment.lock(), attachment);
        drop(old);
    }

    /// What was attached, or else what `make` makes.
    pub fn attachment_or(
        &self,
        make: impl FnOnce() -> Arc<dyn Any + Send + Sync>,
    ) -> Arc<dyn Any + Send + Sync> {
        self.attachment.lock().get_or_insert_with(make).clone()
    }

    /// One more has it open for writing; `ETXTBSY` while it is executed.
    pub fn add_writer(&self) -> Result<()> {
        let add = |count: i32| (count >= 0).then_some(count + 1);
        self.writers.fetch_update(Ordering::AcqRel, Ordering::Acquire, add).map_err(|_| Errno::ETXTBSY)?;
        Ok(())
    }

    /// One that had it open for writing has gone.
    pub fn remove_writer(&self) {
        self.writers.fetch_sub(1, Ordering::AcqRel);
    }

    /// One more executes it; `ETXTBSY` while it is open for writing.
    pub fn deny_writers(&self) -> Result<()> {
        let deny = |count: i32| (count <= 0).then_some(count - 1);
        self.writers.fetch_update(Ordering::AcqRel, Ordering::Acquire, deny).map_err(|_| Errno::ETXTBSY)?;
        Ok(())
    }

    /// One that executed it has gone.
    pub fn allow_writers(&self) {
        self.writers.fetch_add(1, Ordering::AcqRel);
    }
}
