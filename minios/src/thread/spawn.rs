//! Starting threads and waiting for their end.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};

use super::stack::Stack;
use super::{NEVER, State, Thread, cpu, switch};
use crate::memory::paging::MapError;
use crate::sync::{SpinLock, WaitQueue};

/// Bytes of stack that a thread gets when nothing else is asked for.
pub const DEFAULT_STACK_LEN: usize = 32 * 1024;
/// Bytes of the main thread's stack.
const MAIN_STACK_LEN: usize = 64 * 1024;

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// The thread could not be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SpawnError {
    /// No memory for a stack of so many bytes.
    NoStack {
        /// Bytes.
        len: usize,
        /// Why.
        reason: MapError,
    },
}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::NoStack { len, reason } = self;
        write!(f, "no stack of {len} bytes for a new thread: {reason}")
    }
}

impl core::error::Error for SpawnError {}

/// What a new thread is to be like.
#[derive(Debug)]
pub struct Builder {
    name: String,
    stack_len: usize,
}

impl Builder {
    /// A thread of this name.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), stack_len: DEFAULT_STACK_LEN }
    }

    /// Bytes of its stack, rounded up to pages. A guard page lies below.
    pub fn stack_len(mut self, len: usize) -> Self {
        self.stack_len = len;
        self
    }

    /// Starts it. It runs when the running thread waits or yields.
    pub fn spawn<T: Send + 'static>(
        self,
        f: impl FnOnce() -> T + Send + 'static,
    ) -> Result<JoinHandle<T>, SpawnError> {
        let outcome = Arc::new(Outcome { value: SpinLock::new(None), ended: WaitQueue::new() });
        let theirs = outcome.clone();
        let thread = make(self.name, self.stack_len, move || {
            let value = f();
            *theirs.value.lock() = Some(value);
            theirs.ended.wake_all();
        })?;
        cpu::make_ready(thread.clone());
        Ok(JoinHandle { thread, outcome })
    }
}

/// Starts a thread with the default stack.
pub fn spawn<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> Result<JoinHandle<T>, SpawnError> {
    Builder::new("thread").spawn(f)
}

struct Outcome<T> {
    value: SpinLock<Option<T>>,
    ended: WaitQueue,
}

/// A running thread that can be waited for. Dropping it lets the thread run on.
pub struct JoinHandle<T> {
    thread: Arc<Thread>,
    outcome: Arc<Outcome<T>>,
}

impl<T> JoinHandle<T> {
    /// The thread.
    pub fn thread(&self) -> &Arc<Thread> {
        &self.thread
    }

    /// Whether it has ended.
    pub fn is_finished(&self) -> bool {
        self.outcome.value.lock().is_some()
    }

    /// Waits for its end and takes its value.
    pub fn join(self) -> T {
        loop {
            let seen = self.outcome.ended.seq();
            if let Some(value) = self.outcome.value.lock().take() {
                return value;
            }
            self.outcome.ended.wait(seen, None);
        }
    }
}

fn make(
    name: String,
    stack_len: usize,
    f: impl FnOnce() + Send + 'static,
) -> Result<Arc<Thread>, SpawnError> {
    let stack = Stack::new(stack_len).map_err(|reason| SpawnError::NoStack { len: stack_len, reason })?;
    // SAFETY: a fresh stack, page-aligned at its top.
    let rsp = unsafe { switch::prepare(stack.top(), begin) };
    Ok(Arc::new(Thread {
        id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
        name,
        state: AtomicU8::new(State::Ready as u8),
        permit: AtomicBool::new(false),
        deadline_ns: AtomicU64::new(NEVER),
        timed: AtomicBool::new(false),
        saved_rsp: AtomicUsize::new(rsp),
        stack: SpinLock::new(Some(stack)),
        start: SpinLock::new(Some(Box::new(f))),
        local: spin::Once::new(),
    }))
}

/// The first thing that runs on a new stack.
extern "C" fn begin() -> ! {
    cpu::after_switch();
    let start = super::current().start.lock().take();
    if let Some(start) = start {
        start();
    }
    cpu::exit()
}

/// Makes the main thread and leaves the boot stack for it.
pub(crate) fn run_first(f: fn()) -> ! {
    match make(String::from("main"), MAIN_STACK_LEN, f) {
        Ok(main) => {
            let rsp = main.saved_rsp.load(Ordering::Relaxed);
            cpu::adopt(main);
            let mut unused = 0;
            // SAFETY: prepared just now; the boot stack is never returned to.
            unsafe { switch::switch(&mut unused, rsp) };
            unreachable!("nobody switches back to the boot stack")
        }
        Err(error) => crate::crash::give_up(format_args!("memory= is too small: {error}")),
    }
}
