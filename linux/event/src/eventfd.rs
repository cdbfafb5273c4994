//! `eventfd(2)`: a counter as a file.

use alloc::sync::Arc;
use core::any::Any;

use linux_base::file::IoFlags;
use linux_base::{Errno, File, Mutex, PollEvents, Result, Sink, Source, Stat, WaitQueue, io};

use crate::anonymous_stat;

/// The highest value that a write can reach.
const MAX: u64 = u64::MAX - 1;

/// What a read takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Takes {
    /// All, and returns it.
    Everything,
    /// One (`EFD_SEMAPHORE`).
    One,
}

/// A counter that is readable while it is not 0, and writable while there is room for one more.
pub struct EventFd {
    count: Mutex<u64>,
    takes: Takes,
    queue: WaitQueue,
}

impl EventFd {
    /// A counter with a first value.
    pub fn new(count: u32, takes: Takes) -> Arc<Self> {
        Arc::new(Self { count: Mutex::new(u64::from(count)), takes, queue: WaitQueue::new() })
    }

    /// Adds, as a write does; for who tells a program of something by an eventfd. `EAGAIN` if there is no room.
    pub fn add(&self, value: u64) -> Result<()> {
        {
            let mut count = self.count.lock();
            *count = count.checked_add(value).filter(|sum| *sum <= MAX).ok_or(Errno::EAGAIN)?;
        }
        self.queue.wake(PollEvents::READABLE);
        Ok(())
    }

    /// Takes what a read takes. `EAGAIN` if it is 0.
    pub fn take(&self) -> Result<u64> {
        let taken = {
            let mut count = self.count.lock();
            let taken = match self.takes {
                _ if *count == 0 => return Err(Errno::EAGAIN),
                Takes::Everything => *count,
                Takes::One => 1,
            };
            *count -= taken;
            taken
        };
        self.queue.wake(PollEvents::WRITABLE);
        Ok(taken)
    }

    /// The value, for `/proc/PID/fdinfo`.
    pub fn count(&self) -> u64 {
        *self.count.lock()
    }
}

impl File for EventFd {
    fn read(&self, _: u64, into: &mut dyn Sink, _: IoFlags) -> Result<usize> {
        if into.room() < 8 {
            return Err(Errno::EINVAL);
        }
        into.push(&self.take()?.to_le_bytes())
    }

    fn write(&self, _: u64, from: &mut dyn Source, _: IoFlags) -> Result<usize> {
        if from.left() < 8 {
            return Err(Errno::EINVAL);
        }
        let mut bytes = [0; 8];
        io::pull_exact(from, &mut bytes)?;
        let value = u64::from_le_bytes(bytes);
        if value == u64::MAX {
            return Err(Errno::EINVAL);
        }
        let added = self.add(value);
        if added.is_err() {
            // A write that waits tries again.
            from.unpull(8);
        }
        added.map(|()| 8)
    }

    fn stat(&self) -> Result<Stat> {
        Ok(anonymous_stat())
    }

    fn poll(&self) -> PollEvents {
        let count = *self.count.lock();
        let mut events = PollEvents::empty();
        // Only by these names, as in Linux.
        events.set(PollEvents::IN, count > 0);
        events.set(PollEvents::OUT, count < MAX);
        events
    }

    fn queue(&self) -> Option<&WaitQueue> {
        Some(&self.queue)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_arc(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}
