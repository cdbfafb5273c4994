//! Timers by CPU time: `setitimer(2)` with `ITIMER_VIRTUAL` and `ITIMER_PROF`.
//!
//! CPU time never runs faster than the clock, so a timer looks when it could be due, and again as long as it is not.

use alloc::sync::{Arc, Weak};

use linux_base::Mutex;
use linux_event::{Timer, TimerSpec, TimerTarget};
use linux_task::signal::{SigInfo, Signal};

use super::limits::process_times;
use super::timer::queue;
use crate::signal;
use crate::task::Process;

/// What is counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Counts {
    /// Time in user mode.
    User,
    /// And in the kernel.
    All,
}

/// No two looks are closer than this.
pub const LEAST_NS: u64 = 1_000_000;

#[derive(Default)]
struct State {
    /// CPU time at which it expires.
    deadline_ns: Option<u64>,
    interval_ns: u64,
    timer: Option<Timer>,
}

/// A timer by CPU time.
pub struct CpuTimer {
    process: Weak<Process>,
    counts: Counts,
    state: Mutex<State>,
    myself: Weak<Self>,
}

impl CpuTimer {
    /// A timer that is not set.
    pub fn new(process: &Arc<Process>, counts: Counts) -> Arc<Self> {
        let process = Arc::downgrade(process);
        Arc::new_cyclic(|myself| Self { process, counts, state: Mutex::default(), myself: myself.clone() })
    }

    fn used_ns(&self) -> u64 {
        let Some(process) = self.process.upgrade() else { return 0 };
        let times = process_times(&process);
        match self.counts {
            Counts::User => times.user_ns,
            Counts::All => times.cpu_ns(),
        }
    }

    /// What is left.
    pub fn get(&self) -> TimerSpec {
        let used = self.used_ns();
        let state = self.state.lock();
        let value_ns = state.deadline_ns.map_or(0, |deadline| deadline.saturating_sub(used).max(1));
        TimerSpec { value_ns, interval_ns: state.interval_ns }
    }

    /// Sets it, and returns what was left before.
    pub fn set(&self, spec: TimerSpec) -> TimerSpec {
        let (before, used) = (self.get(), self.used_ns());
        let deadline_ns = (spec.value_ns > 0).then(|| used.saturating_add(spec.value_ns));
        let new = State { deadline_ns, interval_ns: spec.interval_ns, timer: None };
        let old = core::mem::replace(&mut *self.state.lock(), new);
        drop(old);
        self.arm(minios::time::now_ns(), used);
        before
    }

    fn arm(&self, now_ns: u64, used_ns: u64) {
        let Some(deadline) = self.state.lock().deadline_ns else { return };
        let wait = deadline.saturating_sub(used_ns).max(LEAST_NS);
        let timer = queue().arm(now_ns.saturating_add(wait), self.myself.clone());
        let old = self.state.lock().timer.replace(timer);
        drop(old);
    }
}

impl TimerTarget for CpuTimer {
    fn expired(&self, now_ns: u64) {
        let used = self.used_ns();
        let is_due = {
            let mut state = self.state.lock();
            let is_due = state.deadline_ns.is_some_and(|deadline| used >= deadline);
            if is_due {
                state.deadline_ns = (state.interval_ns > 0).then(|| used.saturating_add(state.interval_ns));
            }
            is_due
        };
        if is_due && let Some(process) = self.process.upgrade() {
            let signal = if self.counts == Counts::User { Signal::VTALRM } else { Signal::PROF };
            let _ = signal::send(&process, SigInfo::kernel(signal));
        }
        self.arm(now_ns, used);
    }
}
