//! A condition variable.

use super::{MutexGuard, WaitQueue};

/// Lets threads wait until another says that a condition, guarded by a mutex, may have changed.
#[derive(Default)]
pub struct Condvar {
    queue: WaitQueue,
}

impl Condvar {
    /// One that nobody waits on.
    pub const fn new() -> Self {
        Self { queue: WaitQueue::new() }
    }

    /// Gives up the lock, waits, and takes it again. May return early: check the condition.
    pub fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        self.wait_until(guard, None).0
    }

    /// As [`Condvar::wait`], until a deadline.
    pub fn wait_until<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        deadline_ns: Option<u64>,
    ) -> (MutexGuard<'a, T>, xen::Wake) {
        let mutex = guard.mutex();
        let seen = self.queue.seq();
        drop(guard);
        let wake = self.queue.wait(seen, deadline_ns);
        (mutex.lock(), wake)
    }

    /// Wakes one waiting thread.
    pub fn notify_one(&self) {
        self.queue.wake_one();
    }

    /// Wakes all waiting threads.
    pub fn notify_all(&self) {
        self.queue.wake_all();
    }
}
