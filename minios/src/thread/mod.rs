//! Cooperative threads: a thread runs until it waits, yields or ends.
//!
//! A thread waits by parking. Who has news for it calls [`Thread::unpark`]; one that comes before the park is remembered,
//! so none is lost. Everything that waits (events, locks, channels, timers, wakers of the network) is built on the two.

mod cpu;
mod spawn;
pub mod stack;
mod switch;

use alloc::string::String;
use alloc::sync::Arc;
use alloc::task::Wake;
use core::any::Any;
use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use core::task::{Context, Poll, Waker};

pub use cpu::yield_now;
pub(crate) use cpu::{demand, expire, prefer_last, ready_count};
pub(crate) use spawn::run_first;
pub use spawn::{Builder, JoinHandle, SpawnError, spawn};

use crate::sync::SpinLock;
use crate::time;

/// Nobody waits for this moment.
pub(crate) const NEVER: u64 = u64::MAX;

/// Where a thread is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum State {
    /// In the run queue or running.
    Ready,
    /// Waits for `unpark` or its deadline.
    Parked,
    /// Will never run again.
    Dead,
}

/// A thread.
pub struct Thread {
    id: u64,
    name: String,
    state: AtomicU8,
    /// An unpark that came before the park.
    permit: AtomicBool,
    /// When it wants to be woken; `NEVER` if it does not.
    pub(crate) deadline_ns: AtomicU64,
    /// Whether the scheduler's list of deadlines has it.
    pub(crate) timed: AtomicBool,
    /// Its stack pointer while it does not run.
    saved_rsp: AtomicUsize,
    stack: SpinLock<Option<stack::Stack>>,
    start: SpinLock<Option<alloc::boxed::Box<dyn FnOnce() + Send>>>,
    /// What the layer above knows of it.
    local: spin::Once<Arc<dyn Any + Send + Sync>>,
}

impl Thread {
    /// Its number; no two threads of a guest's life have the same.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Sets what the layer above knows of this thread, once.
    pub fn set_local(&self, local: Arc<dyn Any + Send + Sync>) {
        self.local.call_once(|| local);
    }

    /// What the layer above knows of this thread.
    pub fn local(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        self.local.get().cloned()
    }

    pub(crate) fn state(&self) -> State {
        match self.state.load(Ordering::Acquire) {
            0 => State::Ready,
            1 => State::Parked,
            _ => State::Dead,
        }
    }

    pub(crate) fn set_state(&self, state: State) {
        self.state.store(state as u8, Ordering::Release);
    }

    /// Ends its park, or the next one.
    pub fn unpark(self: &Arc<Self>) {
        self.permit.store(true, Ordering::Release);
        if self.state() == State::Parked {
            self.set_state(State::Ready);
            self.deadline_ns.store(NEVER, Ordering::Relaxed);
            cpu::make_ready(self.clone());
        }
    }
}

impl Wake for Thread {
    fn wake(self: Arc<Self>) {
        self.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.unpark();
    }
}

/// The thread that runs.
///
/// # Panics
/// During boot, before there are threads.
pub fn current() -> Arc<Thread> {
    cpu::current().expect("threads run after boot")
}

/// Calls `f` with the name of the running thread; `None` during boot. Takes no lock that a crash could have left held.
pub(crate) fn with_current_name<R>(f: impl FnOnce(&str) -> R) -> Option<R> {
    cpu::try_current().map(|thread| f(thread.name()))
}

/// Waits until somebody unparks this thread.
pub fn park() {
    park_until(None);
}

/// Waits until somebody unparks this thread, or until the deadline (nanoseconds of [`time::now_ns`]).
pub fn park_until(deadline_ns: Option<u64>) -> xen::Wake {
    let current = current();
    if current.permit.swap(false, Ordering::AcqRel) {
        return xen::Wake::Event;
    }
    let deadline = deadline_ns.unwrap_or(NEVER);
    current.deadline_ns.store(deadline, Ordering::Relaxed);
    current.set_state(State::Parked);
    cpu::park(&current, deadline);
    current.deadline_ns.store(NEVER, Ordering::Relaxed);
    if current.permit.swap(false, Ordering::AcqRel) { xen::Wake::Event } else { xen::Wake::TimedOut }
}

/// Lets at least so much time pass.
pub fn sleep(duration: core::time::Duration) {
    sleep_until(time::now_ns().saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(NEVER)));
}

/// Waits until the moment has passed.
pub fn sleep_until(deadline_ns: u64) {
    while time::now_ns() < deadline_ns {
        park_until(Some(deadline_ns));
    }
}

/// Polls until the operation is ready, parking in between; `None` when the deadline passes before.
///
/// This is how blocking calls are made of the non-blocking ones of the network: the waker unparks this thread.
pub fn block_on<T>(deadline_ns: Option<u64>, mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Option<T> {
    let waker = Waker::from(current());
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(value) = poll(&mut context) {
            return Some(value);
        }
        if park_until(deadline_ns) == xen::Wake::TimedOut {
            return match poll(&mut context) {
                Poll::Ready(value) => Some(value),
                Poll::Pending => None,
            };
        }
    }
}
