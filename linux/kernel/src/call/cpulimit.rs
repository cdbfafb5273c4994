//! `RLIMIT_CPU`: SIGXCPU at the soft limit and for each second beyond it, the end at the hard one.
//!
//! As the timers by CPU time it looks when a limit could be met, and again as long as it is not.

use alloc::sync::{Arc, Weak};

use linux_base::Mutex;
use linux_event::{Timer, TimerTarget};
use linux_task::limits::{INFINITY, Limit, Resource};
use linux_task::signal::{SigInfo, Signal};

use super::cputimer::LEAST_NS;
use super::limits::process_times;
use super::timer::queue;
use crate::signal;
use crate::task::Process;

/// Watches over the CPU time of a process.
pub struct CpuLimit {
    process: Weak<Process>,
    timer: Mutex<Option<Timer>>,
    myself: Weak<Self>,
}

/// The limit of a process is another: it is watched from now on, if there is one.
pub fn apply(process: &Arc<Process>) {
    let mut watch = process.timers.limit.lock();
    if watch.is_none() && process.limit(Resource::Cpu) == INFINITY {
        return;
    }
    let make = || {
        let process = Arc::downgrade(process);
        Arc::new_cyclic(|myself| CpuLimit { process, timer: Mutex::new(None), myself: myself.clone() })
    };
    let watch = watch.get_or_insert_with(make).clone();
    watch.arm(minios::time::now_ns(), LEAST_NS);
}

fn ns(seconds: u64) -> u64 {
    seconds.saturating_mul(1_000_000_000)
}

impl CpuLimit {
    fn arm(&self, now_ns: u64, wait_ns: u64) {
        let timer = queue().arm(now_ns.saturating_add(wait_ns), self.myself.clone());
        let old = self.timer.lock().replace(timer);
        drop(old);
    }
}

impl TimerTarget for CpuLimit {
    fn expired(&self, now_ns: u64) {
        let Some(process) = self.process.upgrade() else { return };
        let used = process_times(&process).cpu_ns();
        let limit = process.limits.lock().get(Resource::Cpu);
        if limit.soft == INFINITY {
            return;
        }
        if used >= ns(limit.hard) {
            let _ = signal::send(&process, SigInfo::kernel(Signal::KILL));
            return;
        }
        let mut next = limit.soft;
        if used >= ns(next) {
            let _ = signal::send(&process, SigInfo::kernel(Signal::XCPU));
            // The limit that `getrlimit` tells moves along, as on Linux.
            next = (next + 1).min(limit.hard);
            let moved = Limit { soft: next, hard: limit.hard };
            let _ = process.limits.lock().set(Resource::Cpu, moved, true);
        }
        self.arm(now_ns, ns(next).saturating_sub(used).max(LEAST_NS));
    }
}
