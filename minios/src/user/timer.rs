//! Preemption: the one-shot timer that ends a run of user mode when others wait.

use core::cell::Cell;

use xen_sys::xen::VIRQ_TIMER;

use crate::sync::CpuLocal;
use crate::thread::{self, NEVER};
use crate::{events, hypercall, time};

/// How long user code may run while others wait.
const SLICE_NS: u64 = 10_000_000;

struct Timer {
    port: Cell<u32>,
    /// When it will raise its event; `NEVER` once it has.
    armed_ns: Cell<u64>,
    /// Whether it is armed for the end of a slice.
    slice: Cell<bool>,
    /// It went off, and nobody has looked at the clock since.
    fired: Cell<bool>,
}

static TIMER: CpuLocal<Timer> = CpuLocal::new(Timer {
    port: Cell::new(u32::MAX),
    armed_ns: Cell::new(NEVER),
    slice: Cell::new(false),
    fired: Cell::new(false),
});

pub(super) fn init() {
    let port = hypercall::bind_virq(VIRQ_TIMER).map_err(|errno| (errno.0, "bind"));
    let opened =
        port.and_then(|port| events::open(port).map(|()| port).map_err(|error| (error.errno, "open")));
    match opened {
        Ok(port) => TIMER.port.set(port),
        Err((errno, step)) => crate::crash::give_up(format_args!(
            "Xen refused to {step} the timer's event channel: errno {errno}"
        )),
    }
}

/// An event came in; the timer's is noted.
pub(crate) fn note_event(port: usize) {
    if port == TIMER.port.get() as usize {
        TIMER.armed_ns.set(NEVER);
        TIMER.slice.set(false);
        TIMER.fired.set(true);
    }
}

/// Sees to it that user mode is left when it has to be: at the end of a slice if other threads are ready, else at the first
/// deadline. No hypercall, and no look at the clock, if the timer goes off early enough already.
pub(super) fn arm() {
    let (others, deadline) = thread::demand();
    let at = if others {
        if TIMER.slice.get() && TIMER.armed_ns.get() <= deadline {
            return;
        }
        deadline.min(time::now_ns() + SLICE_NS)
    } else {
        deadline
    };
    if at < TIMER.armed_ns.get() && hypercall::set_singleshot_timer(at).is_ok() {
        TIMER.armed_ns.set(at);
    }
    TIMER.slice.set(others);
}

/// Looks at pending events and, after the timer's, at deadlines. Lets other threads run if an event made one ready, or if
/// some are ready and the slice is over; whether any ran.
pub fn preempt() -> bool {
    let before = thread::ready_count();
    events::dispatch();
    let fired = TIMER.fired.replace(false);
    if fired {
        super::clock::refresh();
        thread::expire();
    }
    let ready = thread::ready_count();
    let others = ready > before || fired && ready > 0;
    if others {
        // Who waited for the event or the moment comes before those whose slice it is.
        thread::prefer_last(ready.saturating_sub(before));
        thread::yield_now();
    }
    others
}
