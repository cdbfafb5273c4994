//! Advisory locks: `flock(2)`, and the record locks of `fcntl(2)`, of processes and of open file descriptions.
//!
//! Nothing here waits. What conflicts is `EAGAIN`, and who wants to wait watches [`Locks::queue`] and tries again; a process that
//! waits for a record lock says so with [`wait`], which finds deadlocks.

mod flock;
mod ranges;
mod record;

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;

use linux_base::{Errno, Mutex, OpenFile, PollEvents, Result, WaitQueue, Watch, Watcher};

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
            let watch = file.closing().watch(Arc::new(End { locks: Arc::downgrade(self), description }));
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

struct End {
    locks: Weak<Locks>,
    description: u64,
}

impl Watcher for End {
    fn notify(&self, _: PollEvents) {
        if let Some(locks) = self.locks.upgrade() {
            locks.release_description(self.description);
        }
    }
}

/// The locks on what a file is open at. `EBADF` for what has no place.
pub fn locks_of(file: &OpenFile) -> Result<Arc<Locks>> {
    if let Some(regular) = file.downcast::<RegularFile>() {
        return Ok(crate::Inode::hooks(&**regular.node()).locks());
    }
    Ok(file.place::<Location>().ok_or(Errno::EBADF)?.inode()?.hooks().locks())
}

fn locks_if_any(file: &OpenFile) -> Option<Arc<Locks>> {
    if let Some(regular) = file.downcast::<RegularFile>() {
        return crate::Inode::hooks(&**regular.node()).locks_if_any();
    }
    file.place::<Location>()?.inode().ok()?.hooks().locks_if_any()
}

/// An open file description as a number, as long as it lives.
fn description(file: &OpenFile) -> u64 {
    core::ptr::from_ref(file).addr() as u64
}
