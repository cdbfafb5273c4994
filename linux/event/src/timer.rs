//! What is to happen when: the queue behind `timerfd`, POSIX timers, `alarm` and `setitimer`.
//!
//! A thread of the kernel drives a [`TimerQueue`] with [`TimerQueue::run_while`]. [`Schedule`] is the arithmetic of a timer that
//! repeats; [`TimerSpec`] and [`Clock`] are what programs say.

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use linux_base::host::host;
use linux_base::wait::Sleeper;
use linux_base::{Errno, Mutex, PollEvents, Result, WaitQueue};

/// Who is told when a moment has come.
pub trait TimerTarget: Send + Sync {
    /// The moment has come, or it had come before the timer was dropped: look at the time. Must not wait.
    fn expired(&self, now_ns: u64);
}

#[derive(Default)]
struct Shared {
    timers: Mutex<BTreeMap<(u64, u64), Weak<dyn TimerTarget>>>,
    next_id: AtomicU64,
    /// Woken when a timer has become the first.
    changed: WaitQueue,
}

/// Timers in the order of their moments (of `Host::now_ns`). Clones are the same queue.
#[derive(Clone, Default)]
pub struct TimerQueue(Arc<Shared>);

/// A timer that is armed; dropping it disarms it.
pub struct Timer {
    queue: Weak<Shared>,
    key: (u64, u64),
}

impl TimerQueue {
    /// A queue without timers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Tells `target` once when a moment has come, if it is still there then.
    #[must_use = "a timer that is dropped is disarmed"]
    pub fn arm(&self, deadline_ns: u64, target: Weak<dyn TimerTarget>) -> Timer {
        let key = (deadline_ns, self.0.next_id.fetch_add(1, Ordering::Relaxed));
        let is_first = {
            let mut timers = self.0.timers.lock();
            timers.insert(key, target);
            timers.first_key_value().is_some_and(|(first, _)| *first == key)
        };
        if is_first {
            self.0.changed.wake(PollEvents::READABLE);
        }
        Timer { queue: Arc::downgrade(&self.0), key }
    }

    /// When the first timer is due.
    pub fn next_deadline(&self) -> Option<u64> {
        self.0.timers.lock().first_key_value().map(|((deadline, _), _)| *deadline)
    }

    /// Tells all whose moment has come, and returns how many. A timer that is armed meanwhile waits for the next call.
    pub fn expire(&self, now_ns: u64) -> usize {
        let due: Vec<_> = {
            let mut timers = self.0.timers.lock();
            let later = match now_ns.checked_add(1) {
                Some(next) => timers.split_off(&(next, 0)),
                None => BTreeMap::new(),
            };
            core::mem::replace(&mut *timers, later).into_values().collect()
        };
        for target in due.iter().filter_map(Weak::upgrade) {
            target.expired(now_ns);
        }
        due.len()
    }

    /// Woken when [`TimerQueue::next_deadline`] has come nearer.
    pub fn changed(&self) -> &WaitQueue {
        &self.0.changed
    }

    /// What a thread of the kernel does: sleeps until the first moment, tells, and so on.
    pub fn run_while(&self, go_on: impl Fn() -> bool) {
        let sleeper = Sleeper::current();
        let _watch = self.0.changed.watch(sleeper.clone());
        while go_on() {
            // Timers that are due again at once must not keep the processor for themselves.
            match self.expire(host().now_ns()) {
                0 => sleeper.park(self.next_deadline()),
                _ => host().yield_now(),
            }
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        if let Some(queue) = self.queue.upgrade() {
            let gone = queue.timers.lock().remove(&self.key);
            drop(gone);
        }
    }
}

/// A clock that timers can run by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Clock {
    /// `CLOCK_MONOTONIC`, and `CLOCK_BOOTTIME`, since a guest does not sleep.
    Monotonic,
    /// `CLOCK_REALTIME`.
    Realtime,
}

impl Clock {
    /// By the number that programs use; `EINVAL` for one that timers can not run by.
    pub fn from_id(id: i32) -> Result<Self> {
        match id {
            // CLOCK_REALTIME and CLOCK_REALTIME_ALARM.
            0 | 8 => Ok(Self::Realtime),
            // CLOCK_MONOTONIC, CLOCK_BOOTTIME and CLOCK_BOOTTIME_ALARM.
            1 | 7 | 9 => Ok(Self::Monotonic),
            _ => Err(Errno::EINVAL),
        }
    }

    /// A moment of this clock as one of `Host::now_ns`.
    pub fn to_monotonic(self, at_ns: u64) -> u64 {
        match self {
            Self::Monotonic => at_ns,
            Self::Realtime => host().now_ns().saturating_add(at_ns).saturating_sub(host().wall_ns()),
        }
    }
}

/// `struct itimerspec`: in how long or when, and then how often.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TimerSpec {
    /// Nanoseconds from one expiry to the next; 0: there is but one.
    pub interval_ns: u64,
    /// Nanoseconds to the first expiry, or its moment; 0: never.
    pub value_ns: u64,
}

impl TimerSpec {
    /// How many bytes it is in a program's memory.
    pub const SIZE: usize = 32;

    /// From a program's memory. `EINVAL` for a time that is none. Times of more than 584 years are as good as 584.
    pub fn from_bytes(bytes: &[u8; Self::SIZE]) -> Result<Self> {
        let word = |at: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[at * 8..at * 8 + 8]);
            i64::from_le_bytes(word)
        };
        Ok(Self { interval_ns: ns_of(word(0), word(1))?, value_ns: ns_of(word(2), word(3))? })
    }

    /// For a program's memory.
    pub fn to_bytes(self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        let words = [self.interval_ns, self.value_ns].map(|ns| [ns / 1_000_000_000, ns % 1_000_000_000]);
        for (place, word) in bytes.chunks_exact_mut(8).zip(words.as_flattened()) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }
}

fn ns_of(seconds: i64, nanos: i64) -> Result<u64> {
    let (Ok(seconds), 0..1_000_000_000) = (u64::try_from(seconds), nanos) else {
        return Err(Errno::EINVAL);
    };
    Ok(seconds.saturating_mul(1_000_000_000).saturating_add(nanos.unsigned_abs()))
}

/// A timer that may repeat: its next moment and its interval.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Schedule {
    /// The next moment (of `Host::now_ns`); `None`: it is disarmed.
    pub deadline_ns: Option<u64>,
    /// From one moment to the next; 0: there is but one.
    pub interval_ns: u64,
}

impl Schedule {
    /// What a program asks for now: relative, or absolute by a clock.
    pub fn new(spec: TimerSpec, absolute: Option<Clock>, now_ns: u64) -> Self {
        let deadline_ns = match (spec.value_ns, absolute) {
            (0, _) => None,
            (at, Some(clock)) => Some(clock.to_monotonic(at)),
            (after, None) => Some(now_ns.saturating_add(after)),
        };
        Self { deadline_ns, interval_ns: spec.interval_ns }
    }

    /// Moves on to the first moment behind `now_ns`, and returns how many moments have come.
    pub fn advance(&mut self, now_ns: u64) -> u64 {
        let Some(deadline) = self.deadline_ns.filter(|deadline| *deadline <= now_ns) else { return 0 };
        let Some(more) = (now_ns - deadline).checked_div(self.interval_ns) else {
            self.deadline_ns = None;
            return 1;
        };
        let count = more.saturating_add(1);
        self.deadline_ns = Some(deadline.saturating_add(count.saturating_mul(self.interval_ns)));
        count
    }

    /// What is left, for `timer_gettime` and its like. One that is due and was not yet told of has 1 ns.
    pub fn remaining(&self, now_ns: u64) -> TimerSpec {
        let value_ns = self.deadline_ns.map_or(0, |deadline| deadline.saturating_sub(now_ns).max(1));
        TimerSpec { interval_ns: self.interval_ns, value_ns }
    }
}
