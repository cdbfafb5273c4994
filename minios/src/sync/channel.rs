//! A channel: many senders, many receivers, with or without a bound.

use alloc::collections::VecDeque;
use alloc::sync::Arc;

use super::{SpinLock, WaitQueue};

struct Shared<T> {
    queue: SpinLock<Queue<T>>,
    bound: usize,
    /// Something was received, or the receivers are gone.
    room: WaitQueue,
    /// Something was sent, or the senders are gone.
    filled: WaitQueue,
}

struct Queue<T> {
    items: VecDeque<T>,
    senders: usize,
    receivers: usize,
}

/// The other end is gone; the value comes back.
#[derive(Debug, PartialEq, Eq)]
pub struct SendError<T>(pub T);

/// Why nothing was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiveError {
    /// All senders are gone and the channel is empty.
    Closed,
    /// The deadline passed.
    TimedOut,
}

/// The end that sends.
pub struct Sender<T>(Arc<Shared<T>>);

/// The end that receives.
pub struct Receiver<T>(Arc<Shared<T>>);

/// A channel that holds at most `bound` values; sending waits for room.
pub fn bounded<T>(bound: usize) -> (Sender<T>, Receiver<T>) {
    let queue = Queue { items: VecDeque::new(), senders: 1, receivers: 1 };
    let shared = Arc::new(Shared {
        queue: SpinLock::new(queue),
        bound: bound.max(1),
        room: WaitQueue::new(),
        filled: WaitQueue::new(),
    });
    (Sender(shared.clone()), Receiver(shared))
}

/// A channel that holds whatever memory holds.
pub fn unbounded<T>() -> (Sender<T>, Receiver<T>) {
    bounded(usize::MAX)
}

impl<T> Sender<T> {
    /// Sends, waiting for room.
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        loop {
            let seen = self.0.room.seq();
            let mut queue = self.0.queue.lock();
            if queue.receivers == 0 {
                return Err(SendError(value));
            }
            if queue.items.len() < self.0.bound {
                queue.items.push_back(value);
                drop(queue);
                self.0.filled.wake_one();
                return Ok(());
            }
            drop(queue);
            self.0.room.wait(seen, None);
        }
    }
}

impl<T> Receiver<T> {
    /// Receives, waiting for a value.
    pub fn receive(&self) -> Result<T, ReceiveError> {
        self.receive_until(None)
    }

    /// Receives, waiting until the deadline.
    pub fn receive_until(&self, deadline_ns: Option<u64>) -> Result<T, ReceiveError> {
        loop {
            let seen = self.0.filled.seq();
            let mut queue = self.0.queue.lock();
            if let Some(value) = queue.items.pop_front() {
                drop(queue);
                self.0.room.wake_one();
                return Ok(value);
            }
            if queue.senders == 0 {
                return Err(ReceiveError::Closed);
            }
            drop(queue);
            if deadline_ns.is_some_and(|deadline| crate::time::now_ns() >= deadline) {
                return Err(ReceiveError::TimedOut);
            }
            self.0.filled.wait(seen, deadline_ns);
        }
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.0.queue.lock().senders += 1;
        Self(self.0.clone())
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        self.0.queue.lock().receivers += 1;
        Self(self.0.clone())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.0.queue.lock().senders -= 1;
        self.0.filled.wake_all();
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.0.queue.lock().receivers -= 1;
        self.0.room.wake_all();
    }
}
