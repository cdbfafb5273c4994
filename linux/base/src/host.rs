//! What the personality needs from what runs it: the guest kernel, or a test on a developer's machine.

use spin::Once;

/// Clock, parking, interruption and randomness.
///
/// `park` and `unpark` follow the rule of [`std::thread::park`]: an unpark that comes first is remembered.
///
/// [`std::thread::park`]: https://doc.rust-lang.org/std/thread/fn.park.html
pub trait Host: Send + Sync {
    /// Nanoseconds of `CLOCK_MONOTONIC`.
    fn now_ns(&self) -> u64;

    /// Nanoseconds since 1970 of `CLOCK_REALTIME`.
    fn wall_ns(&self) -> u64;

    /// The thread that runs, to be given to `unpark`.
    fn current(&self) -> Parked;

    /// Waits until somebody unparks this thread, or until the moment of [`Host::now_ns`]. May return early.
    fn park(&self, deadline_ns: Option<u64>);

    /// Lets the other threads that are ready run first.
    fn yield_now(&self) {}

    /// Whether the running thread has a signal to handle, or is to die: an interruptible wait then ends with `EINTR`.
    fn is_interrupted(&self) -> bool;

    /// Fills with random bytes that are hard to guess.
    fn random(&self, bytes: &mut [u8]);
}

/// A thread that can be unparked.
#[derive(Clone)]
pub struct Parked(core::task::Waker);

impl Parked {
    /// A thread by its waker.
    pub fn new(waker: core::task::Waker) -> Self {
        Self(waker)
    }

    /// Ends its park, or the next one.
    pub fn unpark(&self) {
        self.0.wake_by_ref();
    }
}

static HOST: Once<&'static dyn Host> = Once::new();

/// Sets the host, once, before anything else of the personality is used.
pub fn set(host: &'static dyn Host) {
    HOST.call_once(|| host);
}

/// The host.
///
/// # Panics
/// Before [`set`], which is a bug of the program that forgot it.
#[cfg(not(any(test, feature = "std")))]
pub fn host() -> &'static dyn Host {
    *HOST.get().expect("the host is set at start")
}

/// The host; in tests, threads of the developer's machine.
#[cfg(any(test, feature = "std"))]
pub fn host() -> &'static dyn Host {
    *HOST.call_once(|| &thread_host::ThreadHost)
}

#[cfg(any(test, feature = "std"))]
mod thread_host {
    extern crate std;

    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::{Arc, OnceLock};
    use std::task::{Wake, Waker};
    use std::thread::{self, Thread};
    use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

    use super::{Host, Parked};

    /// Threads of the standard library; nothing interrupts them.
    pub struct ThreadHost;

    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    fn start() -> Instant {
        static START: OnceLock<Instant> = OnceLock::new();
        *START.get_or_init(Instant::now)
    }

    impl Host for ThreadHost {
        fn now_ns(&self) -> u64 {
            1 + start().elapsed().as_nanos() as u64
        }

        fn wall_ns(&self) -> u64 {
            SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
        }

        fn current(&self) -> Parked {
            Parked::new(Waker::from(Arc::new(Unpark(thread::current()))))
        }

        fn park(&self, deadline_ns: Option<u64>) {
            match deadline_ns {
                None => thread::park(),
                Some(deadline) => {
                    thread::park_timeout(Duration::from_nanos(deadline.saturating_sub(self.now_ns())));
                }
            }
        }

        fn is_interrupted(&self) -> bool {
            false
        }

        fn random(&self, bytes: &mut [u8]) {
            static STATE: AtomicU64 = AtomicU64::new(0x9e37_79b9_7f4a_7c15);
            for byte in bytes {
                let mut x = STATE.load(Ordering::Relaxed);
                x ^= x << 13;
                x ^= x >> 7;
                x ^= x << 17;
                STATE.store(x, Ordering::Relaxed);
                *byte = x as u8;
            }
        }
    }
}
