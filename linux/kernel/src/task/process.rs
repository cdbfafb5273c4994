//! A process: what its threads share, and its place among the others.

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use linux_base::{Mutex, Result, WaitQueue};
use linux_mm::AddressSpace;
use linux_task::limits::Limits;
use linux_task::signal::{Actions, Pending};

use super::{Thread, Times, status::State};
use crate::call::timer::Timers;
use linux_vfs::regular::Executing;

use crate::file::Path;

/// A process.
pub struct Process {
    pid: u32,
    /// Family, group, session, threads.
    pub relations: Mutex<Relations>,
    space: Mutex<Option<Arc<AddressSpace>>>,
    actions: Mutex<Arc<Mutex<Actions>>>,
    /// Signals to the process as a whole.
    pub pending: Mutex<Pending>,
    /// Woken when a signal becomes pending for the process or one of its threads.
    pub signalled: WaitQueue,
    /// Resource limits.
    pub limits: Mutex<Limits>,
    /// Running, stopped, ended.
    pub state: Mutex<State>,
    /// Woken when a child changes its state.
    pub child_changed: WaitQueue,
    /// Woken when this process ends or stops or continues.
    pub changed: WaitQueue,
    /// The program.
    pub image: Mutex<Image>,
    /// CPU time of threads that ended, and of children that were waited for.
    pub times: Mutex<Times>,
    /// When it began, in nanoseconds of the monotonic clock.
    pub started_ns: u64,
    /// Alarms and timers.
    pub timers: Timers,
    /// The name of its last thread.
    pub last_comm: Mutex<alloc::string::String>,
    /// Its controlling terminal.
    pub terminal: Mutex<Option<Arc<linux_tty::Tty>>>,
    /// Whether it has executed a program since it was forked (`setpgid` by the parent is refused then).
    pub has_executed: AtomicBool,
    /// A core dump would be allowed (`PR_SET_DUMPABLE`).
    pub is_dumpable: AtomicBool,
    /// Adopts orphans below it (`PR_SET_CHILD_SUBREAPER`).
    pub is_subreaper: AtomicBool,
    /// An orphan of the first process: reaped when it ends.
    pub is_adopted: AtomicBool,
    /// The thread that executes a new program, while the others end; 0 is none.
    pub executing: AtomicU32,
    /// What the parent is sent at the end.
    pub exit_signal: AtomicU32,
    /// Somebody waits until this process no longer uses its parent's memory.
    pub vfork: Mutex<Option<WaitQueue>>,
    /// `oom_score_adj`
    pub oom_adjustment: Mutex<i32>,
    /// `nice`
    pub nice: Mutex<i32>,
}

/// The place of a process among the others.
pub struct Relations {
    /// Who waits for it; none for the first.
    pub parent: Weak<Process>,
    /// Its children, those that ended and were not waited for among them.
    pub children: BTreeMap<u32, Arc<Process>>,
    /// Process group.
    pub group: u32,
    /// Session.
    pub session: u32,
    /// Threads that have not ended, by number.
    pub threads: BTreeMap<u32, Arc<Thread>>,
}

/// The program of a process, as `/proc` shows it.
#[derive(Clone, Default)]
pub struct Image {
    /// Where it was found.
    pub executable: Option<Path>,
    /// Keeps it from being written.
    #[expect(dead_code, reason = "it is held, not looked at")]
    pub executing: Option<Executing>,
    /// First address of the arguments, and the one behind the last.
    pub arguments: (u64, u64),
    /// The same of the environment.
    pub environment: (u64, u64),
    /// The auxiliary vector.
    pub auxiliary: Arc<[u8]>,
    /// First address and end of the code.
    pub code: (u64, u64),
    /// First address and end of the data.
    pub data: (u64, u64),
    /// The stack pointer at the start.
    pub stack: u64,
}

impl Process {
    /// A process without threads.
    pub fn new(
        pid: u32,
        space: Arc<AddressSpace>,
        actions: Arc<Mutex<Actions>>,
        relations: Relations,
    ) -> Self {
        let memory = minios::memory::usage().total as u64 * 4096;
        Self {
            pid,
            relations: Mutex::new(relations),
            space: Mutex::new(Some(space)),
            actions: Mutex::new(actions),
            pending: Mutex::default(),
            signalled: WaitQueue::new(),
            limits: Mutex::new(Limits::new(memory)),
            state: Mutex::default(),
            child_changed: WaitQueue::new(),
            changed: WaitQueue::new(),
            image: Mutex::default(),
            times: Mutex::default(),
            started_ns: minios::time::now_ns(),
            timers: Timers::default(),
            last_comm: Mutex::default(),
            terminal: Mutex::new(None),
            has_executed: AtomicBool::new(false),
            is_dumpable: AtomicBool::new(true),
            is_subreaper: AtomicBool::new(false),
            is_adopted: AtomicBool::new(false),
            executing: AtomicU32::new(0),
            exit_signal: AtomicU32::new(17),
            vfork: Mutex::new(None),
            oom_adjustment: Mutex::new(0),
            nice: Mutex::new(0),
        }
    }

    /// Its number.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Its memory; `None` once it has ended.
    pub fn space(&self) -> Option<Arc<AddressSpace>> {
        self.space.lock().clone()
    }

    /// Gives it other memory, or none. What it had is returned, to be dropped without a lock.
    pub fn set_space(&self, space: Option<Arc<AddressSpace>>) -> Option<Arc<AddressSpace>> {
        core::mem::replace(&mut *self.space.lock(), space)
    }

    /// What it does with its signals.
    pub fn actions(&self) -> Arc<Mutex<Actions>> {
        self.actions.lock().clone()
    }

    /// Gives it actions of its own.
    pub fn set_actions(&self, actions: Actions) {
        *self.actions.lock() = Arc::new(Mutex::new(actions));
    }

    /// Its parent's number; 0 for the first.
    pub fn parent_pid(&self) -> u32 {
        self.parent().map_or(0, |parent| parent.pid)
    }

    /// Its parent.
    pub fn parent(&self) -> Option<Arc<Process>> {
        self.relations.lock().parent.upgrade()
    }

    /// Its process group.
    pub fn group(&self) -> u32 {
        self.relations.lock().group
    }

    /// Its session.
    pub fn session(&self) -> u32 {
        self.relations.lock().session
    }

    /// Its threads.
    pub fn threads(&self) -> Vec<Arc<Thread>> {
        self.relations.lock().threads.values().cloned().collect()
    }

    /// A thread that has not ended, the first one if that has not.
    pub fn any_thread(&self) -> Option<Arc<Thread>> {
        let relations = self.relations.lock();
        relations.threads.get(&self.pid).or_else(|| relations.threads.values().next()).cloned()
    }

    /// Copies what a forked child has from its parent.
    pub fn inherit(&self, parent: &Process) {
        *self.limits.lock() = *parent.limits.lock();
        let image = parent.image.lock().clone();
        *self.image.lock() = image;
        *self.nice.lock() = *parent.nice.lock();
        let terminal = parent.terminal.lock().clone();
        *self.terminal.lock() = terminal;
        *self.oom_adjustment.lock() = *parent.oom_adjustment.lock();
        self.is_dumpable.store(parent.is_dumpable.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// Tells who waits in `vfork` that the memory is no longer used.
    pub fn end_vfork(&self) {
        let waiting = self.vfork.lock().take();
        if let Some(queue) = waiting {
            queue.wake_all(linux_base::PollEvents::IN);
        }
    }

    /// Bounds of memory by the limits.
    pub fn memory_limits(&self) -> linux_mm::Limits {
        use linux_task::limits::Resource;
        let limits = self.limits.lock();
        linux_mm::Limits {
            address_space: limits.soft(Resource::AddressSpace),
            data: limits.soft(Resource::Data),
            stack: limits.soft(Resource::Stack),
            locked: limits.soft(Resource::LockedMemory),
        }
    }

    /// A limit that counts.
    pub fn limit(&self, resource: linux_task::limits::Resource) -> u64 {
        self.limits.lock().soft(resource)
    }
}

/// Number of tasks that a user may have, in this process's limits.
pub fn may_have_one_more(process: &Process, uid: u32) -> Result<()> {
    let limit = process.limit(linux_task::limits::Resource::Processes);
    if super::table::tasks_of(uid) >= limit { Err(linux_base::Errno::EAGAIN) } else { Ok(()) }
}
