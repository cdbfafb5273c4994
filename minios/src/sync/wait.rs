//! Threads that wait for something to happen.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU32, Ordering};

use super::SpinLock;
use crate::thread::{self, Thread};

/// A queue of waiting threads, with a count of what happened: take the count, look at the condition, then wait for the
/// count to move. What happens in between ends the wait at once.
pub struct WaitQueue {
    seq: AtomicU32,
    waiting: SpinLock<VecDeque<Arc<Thread>>>,
}

impl Default for WaitQueue {
    fn default() -> Self {
        Self::new()
    }
}

impl WaitQueue {
    /// An empty queue.
    pub const fn new() -> Self {
        Self { seq: AtomicU32::new(0), waiting: SpinLock::new(VecDeque::new()) }
    }

    /// The count.
    pub fn seq(&self) -> u32 {
        self.seq.load(Ordering::Acquire)
    }

    /// Waits until the count is no longer `seen`, or until the deadline. May return early.
    pub fn wait(&self, seen: u32, deadline_ns: Option<u64>) -> xen::Wake {
        let current = thread::current();
        self.waiting.lock().push_back(current.clone());
        let wake = if self.seq() == seen { thread::park_until(deadline_ns) } else { xen::Wake::Event };
        self.waiting.lock().retain(|waiting| !Arc::ptr_eq(waiting, &current));
        wake
    }

    /// Wakes the thread that has waited longest.
    pub fn wake_one(&self) {
        self.seq.fetch_add(1, Ordering::AcqRel);
        let first = self.waiting.lock().pop_front();
        if let Some(thread) = first {
            thread.unpark();
        }
    }

    /// Wakes all.
    pub fn wake_all(&self) {
        self.seq.fetch_add(1, Ordering::AcqRel);
        let all = core::mem::take(&mut *self.waiting.lock());
        all.iter().for_each(Thread::unpark);
    }
}
