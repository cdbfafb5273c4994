//! `timerfd_create(2)`: a timer as a file.
//!
//! As in Linux a timer that repeats is not armed again until somebody reads it; the moments that passed meanwhile are reckoned
//! then. A fast timer that nobody reads costs nothing.

use alloc::sync::{Arc, Weak};
use core::any::Any;

use linux_base::abi::general::{TFD_TIMER_ABSTIME, TFD_TIMER_CANCEL_ON_SET};
use linux_base::file::IoFlags;
use linux_base::host::host;
use linux_base::{Errno, File, Mutex, PollEvents, Result, Sink, Stat, WaitQueue};

use crate::anonymous_stat;
use crate::timer::{Clock, Schedule, Timer, TimerQueue, TimerSpec, TimerTarget};

/// A timer that is readable when it has expired; a read tells how often.
pub struct TimerFd {
    clock: Clock,
    timers: TimerQueue,
    state: Mutex<State>,
    queue: WaitQueue,
    myself: Weak<Self>,
}

#[derive(Default)]
struct State {
    schedule: Schedule,
    /// Expiries that nobody has read.
    ticks: u64,
    timer: Option<Timer>,
}

impl State {
    /// Moments that have come. The first is counted when it comes, those after it when somebody looks.
    fn settle(&mut self, now_ns: u64) {
        self.ticks = self.ticks.saturating_add(self.schedule.advance(now_ns));
    }
}

impl TimerFd {
    /// A timer that is disarmed. `EINVAL` for a clock that there is not.
    pub fn new(clock_id: i32, timers: &TimerQueue) -> Result<Arc<Self>> {
        let clock = Clock::from_id(clock_id)?;
        Ok(Arc::new_cyclic(|myself| Self {
            clock,
            timers: timers.clone(),
            state: Mutex::default(),
            queue: WaitQueue::new(),
            myself: myself.clone(),
        }))
    }

    /// `timerfd_settime(2)`: returns what there was before.
    pub fn set(&self, flags: u32, spec: TimerSpec) -> Result<TimerSpec> {
        if flags & !(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET) != 0 {
            return Err(Errno::EINVAL);
        }
        let now = host().now_ns();
        let absolute = (flags & TFD_TIMER_ABSTIME != 0).then_some(self.clock);
        let (before, old) = {
            let mut state = self.state.lock();
            state.settle(now);
            let before = state.schedule.remaining(now);
            let schedule = Schedule::new(spec, absolute, now);
            (before, core::mem::replace(&mut *state, State { schedule, ..State::default() }))
        };
        drop(old);
        self.arm(now);
        Ok(before)
    }

    /// `timerfd_gettime(2)`.
    pub fn get(&self) -> TimerSpec {
        let now = host().now_ns();
        // The thread of the timers may not have run yet.
        self.expired(now);
        let left = self.state.lock().schedule.remaining(now);
        self.arm(now);
        left
    }

    /// Takes the number of expiries. `EAGAIN` if there was none.
    pub fn take(&self) -> Result<u64> {
        let now = host().now_ns();
        let ticks = {
            let mut state = self.state.lock();
            state.settle(now);
            core::mem::take(&mut state.ticks)
        };
        if ticks == 0 {
            return Err(Errno::EAGAIN);
        }
        self.arm(now);
        Ok(ticks)
    }

    /// Arms it for its next moment; one that has passed is told at once.
    fn arm(&self, now_ns: u64) {
        let deadline = self.state.lock().schedule.deadline_ns;
        let timer = match deadline {
            Some(deadline) if deadline <= now_ns => return self.expired(now_ns),
            Some(deadline) => Some(self.timers.arm(deadline, self.myself.clone())),
            None => None,
        };
        let old = core::mem::replace(&mut self.state.lock().timer, timer);
        drop(old);
    }
}

impl TimerTarget for TimerFd {
    fn expired(&self, now_ns: u64) {
        let has_come = {
            let mut state = self.state.lock();
            let is_due = state.schedule.deadline_ns.is_some_and(|deadline| deadline <= now_ns);
            state.settle(now_ns);
            is_due
        };
        if has_come {
            self.queue.wake(PollEvents::READABLE);
        }
    }
}

impl File for TimerFd {
    fn read(&self, _: u64, into: &mut dyn Sink, _: IoFlags) -> Result<usize> {
        if into.room() < 8 {
            return Err(Errno::EINVAL);
        }
        into.push(&self.take()?.to_le_bytes())
    }

    fn stat(&self) -> Result<Stat> {
        Ok(anonymous_stat())
    }

    fn poll(&self) -> PollEvents {
        if self.state.lock().ticks > 0 { PollEvents::IN } else { PollEvents::empty() }
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
