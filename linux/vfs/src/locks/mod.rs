//! Advisory locks: `flock(2)`, and the record locks of `fcntl(2)`, of processes and of open file descriptions.
//!
//! Nothing here waits. What conflicts is `EAGAIN`, and who wants to wait watches [`Locks::queue`] and tries again; a process that
//! waits for a record lock says so with [`wait`], which finds deadlocks.

mod flock;
mod nameless;
mod ranges;
mod record;

use alloc::sync::Arc;
use alloc::vec::Vec;

use linux_base::{Mutex, OpenFile, PollEvents, Result, WaitQueue, Watch, Watcher};

use crate::path::Location;
use crate::regular::RegularFile;

pub use flock::{Flock, flock};
use ranges::Ranges;
pub use ranges::{Held, Range};
pub use record::{
    Conflict, Owner, RecordLock, Waiting, lease, record_get, record_set, release_process, wait,
};

/// The locks on an inode.
#[derive(Default)]
pub struct Locks {
    state: Mutex<State>,
    queue: WaitQueue,
}

#[derive(Default)]
struct State {
    flocks: Vec<(u64, Flock)>,
    ranges: Ranges<Owner>,
    /// Watches over the end of open file descriptions that hold something.
    endings: Vec<(u64, Watch)>,
}

impl Locks {
    /// Woken when a lock has gone.
    pub fn queue(&self) -> &WaitQueue {
        &self.queue
    }

    /// Sees to it that the locks of an open file description go with it.
    fn watch_end(self: &Arc<Self>, file: &OpenFile, description: u64) {
        let is_watched = self.state.lock().endings.iter().any(|(known, _)| *known == description);
        if !is_watched {
            let watch = file.closing().watch(Arc::new(End { locks: self.clone(), description }));
            self.state.lock().endings.push((description, watch));
        }
    }

    fn release_description(&self, description: u64) {
        let ended = {
            let mut state = self.state.lock();
            state.flocks.retain(|(owner, _)| *owner != description);
            state.ranges.release(&Owner::Description(description));
            let at = state.endings.iter().position(|(known, _)| *known == description);
            at.map(|at| state.endings.swap_remove(at))
        };
        drop(ended);
        self.queue.wake_all(PollEvents::IN);
    }
}

/// Keeps the locks as long as the description is open.
struct End {
    locks: Arc<Locks>,
    description: u64,
}

impl Watcher for End {
    fn notify(&self, _: PollEvents) {
        self.locks.release_description(self.description);
    }
}

/// The locks on what a file is open at: an inode, or what has no name, as a pipe.
pub fn locks_of(file: &OpenFile) -> Result<Arc<Locks>> {
    if let Some(regular) = file.downcast::<RegularFile>() {
        return Ok(crate::Inode::hooks(&**regular.node()).locks());
    }
    match file.place::<Location>() {
        Some(place) => Ok(place.inode()?.hooks().locks()),
        None => nameless::locks_of(file),
    }
}

fn locks_if_any(file: &OpenFile) -> Option<Arc<Locks>> {
    if let Some(regular) = file.downcast::<RegularFile>() {
        return crate::Inode::hooks(&**regular.node()).locks_if_any();
    }
    match file.place::<Location>() {
        Some(place) => place.inode().ok()?.hooks().locks_if_any(),
        None => nameless::locks_if_any(file),
    }
}

/// An open file description as a number, as long as it lives.
fn description(file: &OpenFile) -> u64 {
    core::ptr::from_ref(file).addr() as u64
}
