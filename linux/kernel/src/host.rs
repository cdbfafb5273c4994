//! What the crates of the personality need: clock, parking, interruption, randomness.

use alloc::sync::{Arc, Weak};
use core::task::Waker;

use linux_base::host::{Host, Parked};
use minios::thread;

use crate::task::Thread;

struct Guest;

impl Host for Guest {
    fn now_ns(&self) -> u64 {
        minios::time::now_ns()
    }

    fn wall_ns(&self) -> u64 {
        minios::time::wall_clock_ns()
    }

    fn current(&self) -> Parked {
        Parked::new(Waker::from(thread::current()))
    }

    fn park(&self, deadline_ns: Option<u64>) {
        let thread = current();
        if let Some(thread) = &thread {
            thread.account_system();
        }
        let _ = thread::park_until(deadline_ns);
        if let Some(thread) = &thread {
            thread.times.lock().waits += 1;
            thread.start_accounting();
        }
    }

    fn yield_now(&self) {
        let thread = current();
        if let Some(thread) = &thread {
            thread.account_system();
        }
        thread::yield_now();
        if let Some(thread) = &thread {
            thread.start_accounting();
        }
    }

    fn is_interrupted(&self) -> bool {
        current().is_some_and(|thread| thread.is_interrupted())
    }

    fn random(&self, bytes: &mut [u8]) {
        minios::entropy::fill(bytes);
    }
}

/// Makes it the host of the crates below.
pub fn init() {
    linux_base::host::set(&Guest);
}

/// The user thread that runs; `None` on a thread of the kernel.
pub fn current() -> Option<Arc<Thread>> {
    let local = thread::current().local()?;
    local.downcast::<Weak<Thread>>().ok()?.upgrade()
}
