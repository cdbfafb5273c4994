//! Who waits for an object.
//!
//! A [`WaitQueue`] belongs to what can become ready: a pipe, a socket, a process that may end. Watchers stay until their
//! [`Watch`] is dropped, and are told of every change: a blocked thread, a `poll`, an epoll instance alike.

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

use spin::Mutex;

use crate::host::{self, Parked};
use crate::{Errno, PollEvents, Result};

/// Who is told that something about an object has changed.
pub trait Watcher: Send + Sync {
    /// Something changed. `events` are a hint of what; look again to be sure. Must not wait, and takes no lock that the caller
    /// of [`WaitQueue::wake`] may hold.
    fn notify(&self, events: PollEvents);

    /// Whether somebody waits for what this watcher tells, so that an exclusive one is worth being told rather than another. An
    /// epoll instance whose threads are all busy is not.
    fn is_waiting(&self) -> bool {
        true
    }
}

struct Entry {
    key: u64,
    is_exclusive: bool,
    watcher: Arc<dyn Watcher>,
}

#[derive(Default)]
struct Inner {
    next_key: u64,
    entries: Vec<Entry>,
}

/// The watchers of an object. Clones are the same queue.
#[derive(Clone, Default)]
pub struct WaitQueue(Arc<Mutex<Inner>>);

impl WaitQueue {
    /// A queue that nobody watches.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a watcher, which stays until the [`Watch`] is dropped.
    pub fn watch(&self, watcher: Arc<dyn Watcher>) -> Watch {
        self.add(watcher, false)
    }

    /// Adds a watcher that [`WaitQueue::wake`] tells only if no exclusive one before it was told (`EPOLLEXCLUSIVE`, `accept`).
    pub fn watch_exclusively(&self, watcher: Arc<dyn Watcher>) -> Watch {
        self.add(watcher, true)
    }

    fn add(&self, watcher: Arc<dyn Watcher>, is_exclusive: bool) -> Watch {
        let mut inner = self.0.lock();
        let key = inner.next_key;
        inner.next_key += 1;
        inner.entries.push(Entry { key, is_exclusive, watcher });
        Watch { queue: Arc::downgrade(&self.0), key }
    }

    /// Tells all watchers, and of the exclusive ones the first for which somebody waits; that one goes to the end of the line.
    pub fn wake(&self, events: PollEvents) {
        let (mut told, mut exclusive) = (Vec::new(), Vec::new());
        {
            let inner = self.0.lock();
            match inner.entries.as_slice() {
                [] => return,
                // The usual case needs no memory.
                [only] => {
                    let watcher = only.watcher.clone();
                    drop(inner);
                    return watcher.notify(events);
                }
                all => {
                    for entry in all {
                        let watcher = entry.watcher.clone();
                        if entry.is_exclusive {
                            exclusive.push((entry.key, watcher));
                        } else {
                            told.push(watcher);
                        }
                    }
                }
            }
        }
        // Without the lock: a watcher may drop its watch.
        if let Some((key, watcher)) = choose(exclusive) {
            self.move_to_end(key);
            told.push(watcher);
        }
        for watcher in told {
            watcher.notify(events);
        }
    }

    fn move_to_end(&self, key: u64) {
        let mut inner = self.0.lock();
        if let Some(index) = inner.entries.iter().position(|entry| entry.key == key) {
            let entry = inner.entries.remove(index);
            inner.entries.push(entry);
        }
    }

    /// Tells every watcher, exclusive or not: the object is going away.
    pub fn wake_all(&self, events: PollEvents) {
        let told: Vec<_> = self.0.lock().entries.iter().map(|entry| entry.watcher.clone()).collect();
        for watcher in told {
            watcher.notify(events);
        }
    }

    /// Whether anybody watches.
    pub fn is_watched(&self) -> bool {
        !self.0.lock().entries.is_empty()
    }
}

/// The first for which somebody waits, or the first.
fn choose(mut exclusive: Vec<(u64, Arc<dyn Watcher>)>) -> Option<(u64, Arc<dyn Watcher>)> {
    let place = match exclusive.len() {
        0 => return None,
        1 => 0,
        _ => exclusive.iter().position(|(_, watcher)| watcher.is_waiting()).unwrap_or(0),
    };
    Some(exclusive.swap_remove(place))
}

/// A place in a [`WaitQueue`]; dropping it ends the watching.
pub struct Watch {
    queue: Weak<Mutex<Inner>>,
    key: u64,
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(queue) = self.queue.upgrade() {
            let mut inner = queue.lock();
            let gone = inner.entries.iter().position(|entry| entry.key == self.key);
            let gone = gone.map(|index| inner.entries.remove(index));
            drop(inner);
            drop(gone);
        }
    }
}

/// A thread that waits for something.
pub struct Sleeper {
    thread: Parked,
    woken: AtomicBool,
}

impl Sleeper {
    /// The running thread.
    pub fn current() -> Arc<Self> {
        Arc::new(Self { thread: host::host().current(), woken: AtomicBool::new(false) })
    }

    /// Parks unless a watched queue was woken since the last call.
    pub fn park(&self, deadline_ns: Option<u64>) {
        if !self.woken.swap(false, Ordering::AcqRel) {
            host::host().park(deadline_ns);
            self.woken.store(false, Ordering::Release);
        }
    }
}

impl Watcher for Sleeper {
    fn notify(&self, _: PollEvents) {
        self.woken.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

/// How a wait may end but by its condition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Interruptible {
    /// A signal ends it with `EINTR`.
    Yes,
    /// Only the condition and the deadline do.
    No,
}

/// Waits until `ready` gives a value, watching `queues`. `ETIMEDOUT` when the deadline (of [`host::Host::now_ns`]) passes first,
/// `EINTR` when a signal comes first. The condition is looked at first: a wait for what is there never sleeps.
pub fn wait_until<T>(
    queues: &[&WaitQueue],
    deadline_ns: Option<u64>,
    interruptible: Interruptible,
    mut ready: impl FnMut() -> Option<T>,
) -> Result<T> {
    if let Some(value) = ready() {
        return Ok(value);
    }
    let sleeper = Sleeper::current();
    let _watches: Vec<Watch> = queues.iter().map(|queue| queue.watch(sleeper.clone())).collect();
    loop {
        if let Some(value) = ready() {
            return Ok(value);
        }
        if interruptible == Interruptible::Yes && host::host().is_interrupted() {
            return Err(Errno::EINTR);
        }
        if deadline_ns.is_some_and(|deadline| host::host().now_ns() >= deadline) {
            return Err(Errno::ETIMEDOUT);
        }
        sleeper.park(deadline_ns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::sync::atomic::AtomicUsize;

    #[derive(Default)]
    struct Count(AtomicUsize, AtomicBool);

    impl Watcher for Count {
        fn notify(&self, _: PollEvents) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }

        fn is_waiting(&self) -> bool {
            !self.1.load(Ordering::Relaxed)
        }
    }

    impl Count {
        fn get(&self) -> usize {
            self.0.load(Ordering::Relaxed)
        }
    }

    #[test]
    fn a_watcher_is_told_until_its_watch_is_dropped() {
        let (queue, count) = (WaitQueue::new(), Arc::new(Count::default()));
        let watch = queue.watch(count.clone());
        queue.wake(PollEvents::IN);
        queue.wake(PollEvents::IN);
        drop(watch);
        queue.wake(PollEvents::IN);
        assert_eq!(count.get(), 2);
        assert!(!queue.is_watched());
    }

    #[test]
    fn exclusive_watchers_take_turns() {
        let queue = WaitQueue::new();
        let counts: Vec<_> = (0..3).map(|_| Arc::new(Count::default())).collect();
        let _all = queue.watch(counts[2].clone());
        let _first = queue.watch_exclusively(counts[0].clone());
        let _second = queue.watch_exclusively(counts[1].clone());
        queue.wake(PollEvents::IN);
        assert_eq!(counts.iter().map(|count| count.get()).collect::<Vec<_>>(), [1, 0, 1]);
        queue.wake(PollEvents::IN);
        assert_eq!(counts.iter().map(|count| count.get()).collect::<Vec<_>>(), [1, 1, 2]);
        queue.wake_all(PollEvents::HUP);
        assert_eq!(counts.iter().map(|count| count.get()).collect::<Vec<_>>(), [2, 2, 3]);
    }

    #[test]
    fn an_exclusive_watcher_that_is_busy_is_left_out_unless_all_are() {
        let queue = WaitQueue::new();
        let counts: Vec<_> = (0..2).map(|_| Arc::new(Count::default())).collect();
        let _watches: Vec<_> = counts.iter().map(|count| queue.watch_exclusively(count.clone())).collect();
        counts[0].1.store(true, Ordering::Relaxed);
        queue.wake(PollEvents::IN);
        queue.wake(PollEvents::IN);
        assert_eq!((counts[0].get(), counts[1].get()), (0, 2));
        counts[1].1.store(true, Ordering::Relaxed);
        queue.wake(PollEvents::IN);
        assert_eq!((counts[0].get(), counts[1].get()), (1, 2));
    }

    #[test]
    fn a_wait_ends_when_its_condition_holds() {
        let queue = WaitQueue::new();
        let value = Arc::new(AtomicUsize::new(0));
        let (other_queue, other) = (queue.clone(), value.clone());
        let thread = std::thread::spawn(move || {
            for _ in 0..3 {
                other.fetch_add(1, Ordering::Relaxed);
                other_queue.wake(PollEvents::IN);
            }
        });
        let got = wait_until(&[&queue], None, Interruptible::Yes, || {
            Some(value.load(Ordering::Relaxed)).filter(|value| *value == 3)
        });
        thread.join().unwrap();
        assert_eq!(got, Ok(3));
    }

    #[test]
    fn a_wait_ends_at_its_deadline() {
        let deadline = host::host().now_ns() + 1_000_000;
        let got = wait_until(&[&WaitQueue::new()], Some(deadline), Interruptible::No, || None::<()>);
        assert_eq!(got, Err(Errno::ETIMEDOUT));
    }
}
