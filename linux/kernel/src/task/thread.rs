//! A thread of a process.

use alloc::string::String;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use linux_base::{Credentials, Errno, Mutex, Result};
use linux_mm::AddressSpace;
use linux_task::signal::{AltStack, Pending, SigSet};
use minios::user::Context;
use spin::Once;

use super::{Process, Times};
use crate::call::time::Restart;
use crate::file::{Files, FsContext};

/// Longest name of a thread, without the final zero.
pub const COMM_LEN: usize = 15;

/// A thread.
pub struct Thread {
    tid: AtomicU32,
    process: Arc<Process>,
    kernel: Once<Arc<minios::thread::Thread>>,
    files: Mutex<Option<Arc<Files>>>,
    fs: Mutex<Arc<FsContext>>,
    credentials: Mutex<Arc<Credentials>>,
    comm: Mutex<Vec<u8>>,
    /// Mask, what is pending for this thread alone, where handlers run.
    pub signals: Mutex<Signals>,
    /// Set to 0 and woken at the end (`CLONE_CHILD_CLEARTID`).
    pub clear_child_tid: AtomicU64,
    /// Head of the list of robust futexes.
    pub robust_list: AtomicU64,
    /// It is to end, whatever its process does.
    pub is_dying: AtomicBool,
    /// Sent to this thread when its parent ends (`PR_SET_PDEATHSIG`).
    pub death_signal: AtomicU32,
    /// What it used.
    pub times: Mutex<Times>,
    /// Bits that `prctl` sets.
    pub traits: AtomicU32,
    /// `SCHED_*`: it is remembered, and all are alike.
    pub policy: AtomicU32,
    /// Up to here its time is accounted for.
    mark_ns: AtomicU64,
}

/// The signals of a thread.
#[derive(Default)]
pub struct Signals {
    /// Blocked.
    pub mask: SigSet,
    /// To be the mask again when the running system call is over (`sigsuspend`, `ppoll`).
    pub saved_mask: Option<SigSet>,
    /// Sent to this thread.
    pub pending: Pending,
    /// Where handlers run that want it.
    pub alt_stack: AltStack,
}

impl Thread {
    /// A thread that does not run yet.
    pub fn new(tid: u32, process: Arc<Process>, from: Inherited) -> Arc<Self> {
        Arc::new(Self {
            tid: AtomicU32::new(tid),
            process,
            kernel: Once::new(),
            files: Mutex::new(Some(from.files)),
            fs: Mutex::new(from.fs),
            credentials: Mutex::new(from.credentials),
            comm: Mutex::new(from.comm),
            signals: Mutex::new(Signals { mask: from.mask, alt_stack: from.alt_stack, ..Signals::default() }),
            clear_child_tid: AtomicU64::new(0),
            robust_list: AtomicU64::new(0),
            is_dying: AtomicBool::new(false),
            death_signal: AtomicU32::new(0),
            times: Mutex::default(),
            traits: AtomicU32::new(from.traits),
            policy: AtomicU32::new(from.policy),
            mark_ns: AtomicU64::new(minios::time::recent_ns()),
        })
    }

    /// Its number.
    pub fn tid(&self) -> u32 {
        self.tid.load(Ordering::Relaxed)
    }

    /// Takes another number: the thread that executes a program becomes the first.
    pub fn set_tid(&self, tid: u32) {
        self.tid.store(tid, Ordering::Relaxed);
    }

    /// Its process.
    pub fn process(&self) -> &Arc<Process> {
        &self.process
    }

    /// The memory it runs in. `ESRCH` when its process has none any more.
    pub fn try_space(&self) -> Result<Arc<AddressSpace>> {
        self.process.space().ok_or(Errno::ESRCH)
    }

    /// Says which kernel thread it is.
    pub fn set_kernel(self: &Arc<Self>, kernel: &Arc<minios::thread::Thread>) {
        let weak: Weak<Self> = Arc::downgrade(self);
        kernel.set_local(Arc::new(weak));
        self.kernel.call_once(|| kernel.clone());
    }

    /// Ends its waiting, to have it look at signals.
    pub fn wake(&self) {
        if let Some(kernel) = self.kernel.get() {
            kernel.unpark();
        }
    }

    /// Its descriptors; `None` once it has ended.
    pub fn files(&self) -> Option<Arc<Files>> {
        self.files.lock().clone()
    }

    /// Other descriptors, or none. The old ones are to be dropped without a lock.
    pub fn set_files(&self, files: Option<Arc<Files>>) -> Option<Arc<Files>> {
        core::mem::replace(&mut *self.files.lock(), files)
    }

    /// Root, working directory, umask.
    pub fn fs(&self) -> Arc<FsContext> {
        self.fs.lock().clone()
    }

    /// Gives it a file system context of its own.
    pub fn set_fs(&self, fs: Arc<FsContext>) {
        let old = core::mem::replace(&mut *self.fs.lock(), fs);
        drop(old);
    }

    /// Who it is.
    pub fn credentials(&self) -> Arc<Credentials> {
        self.credentials.lock().clone()
    }

    /// Makes it somebody else.
    pub fn set_credentials(&self, credentials: Credentials) {
        *self.credentials.lock() = Arc::new(credentials);
    }

    /// Its name.
    pub fn comm(&self) -> String {
        String::from_utf8_lossy(&self.comm.lock()).into_owned()
    }

    /// Its name as it is.
    pub fn comm_bytes(&self) -> Vec<u8> {
        self.comm.lock().clone()
    }

    /// Sets its name, cut to what there is room for.
    pub fn set_comm(&self, name: &[u8]) {
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        *self.comm.lock() = name.get(..COMM_LEN).unwrap_or(name).to_vec();
    }

    /// Whether the mask is one for the running call alone.
    pub fn has_saved_mask(&self) -> bool {
        self.signals.lock().saved_mask.is_some()
    }

    /// It has waited, which is no CPU time.
    pub fn start_accounting(&self) {
        self.mark_ns.store(minios::time::recent_ns(), Ordering::Relaxed);
    }

    fn since_mark(&self) -> u64 {
        let now = minios::time::recent_ns();
        now.saturating_sub(self.mark_ns.swap(now, Ordering::Relaxed))
    }

    /// The time since the last look was spent in user mode. Clocks are not read for this: a short stay may count for another.
    pub fn account_user(&self) {
        let ns = self.since_mark();
        if ns > 0 {
            self.times.lock().user_ns += ns;
        }
    }

    /// The time since the last look was spent in the kernel.
    pub fn account_system(&self) {
        let ns = self.since_mark();
        if ns > 0 {
            self.times.lock().system_ns += ns;
        }
    }

    /// As [`Thread::account_user`], if it is the one that runs.
    pub fn account_if_current(self: &Arc<Self>) {
        if crate::host::current().is_some_and(|current| Arc::ptr_eq(&current, self)) {
            self.account_user();
        }
    }

    /// Whether it has to end now.
    pub fn must_end(&self) -> bool {
        self.is_dying.load(Ordering::Relaxed) || self.process.state.lock().exit.is_some()
    }

    /// Whether a wait of this thread is to end: a signal is there, or its end.
    pub fn is_interrupted(&self) -> bool {
        if self.is_dying.load(Ordering::Relaxed) {
            return true;
        }
        {
            let state = self.process.state.lock();
            if state.exit.is_some() || state.stopped.is_some() {
                return true;
            }
        }
        let signals = self.signals.lock();
        let pending = signals.pending.set().with(self.process.pending.lock().set());
        !pending.without(signals.mask).is_empty()
    }
}

/// What a new thread has from who made it.
pub struct Inherited {
    /// Descriptors.
    pub files: Arc<Files>,
    /// Root, working directory, umask.
    pub fs: Arc<FsContext>,
    /// Who it is.
    pub credentials: Arc<Credentials>,
    /// Its name.
    pub comm: Vec<u8>,
    /// Blocked signals.
    pub mask: SigSet,
    /// Alternate stack.
    pub alt_stack: AltStack,
    /// Bits that `prctl` sets.
    pub traits: u32,
    /// `SCHED_*`
    pub policy: u32,
}

/// A thread at work.
pub struct Task {
    /// The thread.
    pub thread: Arc<Thread>,
    /// Its registers.
    pub context: Context,
    /// The system call that was interrupted, and by which rule it starts again.
    pub interrupted: Option<(u64, Errno)>,
    /// How `restart_syscall` goes on.
    pub restart: Restart,
    /// Trap number, error code and address of the last exception.
    pub exception: [u64; 3],
    /// The space the thread runs in: that of its process.
    space: Arc<AddressSpace>,
}

impl Task {
    /// A thread with the registers to start with.
    pub fn new(thread: Arc<Thread>, context: Context, space: Arc<AddressSpace>) -> Self {
        Self { thread, context, interrupted: None, restart: Restart::None, exception: [0; 3], space }
    }

    /// Its process.
    pub fn process(&self) -> &Arc<Process> {
        self.thread.process()
    }

    /// Its memory.
    pub fn space(&self) -> &Arc<AddressSpace> {
        &self.space
    }

    /// Runs in other memory from now on.
    pub fn set_space(&mut self, space: Arc<AddressSpace>) {
        let old = core::mem::replace(&mut self.space, space.clone());
        drop(self.process().set_space(Some(space)));
        drop(old);
    }

    /// Its descriptors.
    pub fn files(&self) -> Result<Arc<Files>> {
        self.thread.files().ok_or(Errno::EBADF)
    }

    /// A system call begins.
    pub fn begin_call(&mut self) {
        self.interrupted = None;
    }

    /// A system call is over: its result goes to RAX.
    pub fn finish_call(&mut self, number: u64, result: Result<u64>) {
        let value = match result {
            Ok(value) => value,
            Err(errno) if crate::signal::restart::is_restart(errno) => {
                self.interrupted = Some((number, errno));
                Errno::EINTR.as_return_value() as u64
            }
            Err(errno) => errno.as_return_value() as u64,
        };
        self.context.registers_mut().rax = value;
        // The mask of a call that was not interrupted ends with it; otherwise it holds until the signal is handled.
        if value != Errno::EINTR.as_return_value() as u64 {
            let mut signals = self.thread.signals.lock();
            if let Some(mask) = signals.saved_mask.take() {
                signals.mask = mask;
            }
        }
    }
}
