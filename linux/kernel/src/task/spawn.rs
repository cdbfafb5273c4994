//! New threads and processes (`clone(2)`).

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::sync::atomic::Ordering;

use linux_base::abi::general::{
    CLONE_CHILD_CLEARTID, CLONE_CHILD_SETTID, CLONE_CLEAR_SIGHAND, CLONE_FILES, CLONE_FS, CLONE_INTO_CGROUP,
    CLONE_NEWCGROUP, CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUSER, CLONE_NEWUTS,
    CLONE_PARENT, CLONE_PARENT_SETTID, CLONE_PIDFD, CLONE_SETTLS, CLONE_SIGHAND, CLONE_THREAD, CLONE_VFORK,
    CLONE_VM,
};
use linux_base::file::UserMemory;
use linux_base::wait::{Interruptible, wait_until};
use linux_base::{Credentials, Errno, Mutex, Result, WaitQueue};
use linux_mm::AddressSpace;
use linux_task::signal::{AltStack, Signal};
use minios::thread::Builder;
use minios::user::Context;

use super::thread::Inherited;
use super::{Process, Relations, Task, Thread, process, table};
use crate::memory::User;
use crate::run;

/// Bytes of a user thread's kernel stack.
pub const STACK_LEN: usize = 24 * 1024;

/// What is to be made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Request {
    /// `CLONE_*`
    pub flags: u64,
    /// What the parent is sent at the end; 0 is nothing.
    pub exit_signal: u32,
    /// Stack pointer; 0 keeps the parent's.
    pub stack: u64,
    /// Where the child's number goes in the parent's memory.
    pub parent_tid: u64,
    /// Where it goes in the child's.
    pub child_tid: u64,
    /// Base of FS.
    pub tls: u64,
    /// Where the descriptor of `CLONE_PIDFD` goes.
    pub pidfd: u64,
}

const NAMESPACES: u32 =
    CLONE_NEWCGROUP | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUSER | CLONE_NEWUTS;

impl Request {
    fn has(&self, flag: u32) -> bool {
        self.flags & u64::from(flag) != 0
    }

    fn check(&self) -> Result<()> {
        let needs = |flag: u32, other: u32| !self.has(flag) || self.has(other);
        let is_wrong = !needs(CLONE_THREAD, CLONE_SIGHAND)
            || !needs(CLONE_SIGHAND, CLONE_VM)
            || self.has(CLONE_NEWNS) && self.has(CLONE_FS)
            || self.has(CLONE_THREAD) && self.has(CLONE_PIDFD)
            || self.flags & CLONE_CLEAR_SIGHAND != 0 && self.has(CLONE_SIGHAND)
            || self.flags & CLONE_INTO_CGROUP != 0;
        if is_wrong || self.exit_signal > u32::from(Signal::COUNT) {
            return Err(Errno::EINVAL);
        }
        // There are no namespaces.
        if self.has(NAMESPACES) { Err(Errno::EINVAL) } else { Ok(()) }
    }
}

/// Makes a thread or process and lets it run. Returns its number; with `CLONE_VFORK`, when it no longer uses this memory.
pub fn clone(task: &mut Task, request: &Request) -> Result<u32> {
    request.check()?;
    if request.has(CLONE_PARENT) && task.process().pid() == crate::boot::INIT {
        return Err(Errno::EINVAL);
    }
    let credentials = task.thread.credentials();
    let is_privileged =
        credentials.can(Credentials::CAP_SYS_RESOURCE) || credentials.can(Credentials::CAP_SYS_ADMIN);
    if !is_privileged {
        process::may_have_one_more(task.process(), credentials.uid.real)?;
    }
    linux_mm::ensure_room()?;
    let mut context = task.context.duplicate().map_err(|_| Errno::ENOMEM)?;
    let registers = context.registers_mut();
    registers.rax = 0;
    if request.stack != 0 {
        registers.rsp = request.stack;
    }
    if request.has(CLONE_SETTLS) {
        if request.tls >= linux_mm::USER_END {
            return Err(Errno::EPERM);
        }
        registers.fs_base = request.tls;
    }
    let tid = table::allocate()?;
    let thread = if request.has(CLONE_THREAD) {
        Thread::new(tid, task.process().clone(), inherited(task, request)?)
    } else {
        Thread::new(tid, child_process(task, request, tid)?, inherited(task, request)?)
    };
    start(task, request, thread, context)
}

fn inherited(task: &Task, request: &Request) -> Result<Inherited> {
    let files = task.files()?;
    let fs = task.thread.fs();
    let signals = task.thread.signals.lock();
    // A thread beside others has no alternate stack of its own yet; only vfork's child is alone for the time being.
    let keeps_alt_stack = !request.has(CLONE_VM) || request.has(CLONE_VFORK);
    Ok(Inherited {
        files: if request.has(CLONE_FILES) { files } else { files.duplicate()? },
        fs: if request.has(CLONE_FS) { fs } else { Arc::new(fs.duplicate()) },
        credentials: task.thread.credentials(),
        comm: task.thread.comm_bytes(),
        mask: signals.mask,
        traits: task.thread.traits.load(Ordering::Relaxed),
        policy: task.thread.policy.load(Ordering::Relaxed),
        alt_stack: if keeps_alt_stack { signals.alt_stack } else { AltStack::default() },
    })
}

fn child_process(task: &Task, request: &Request, pid: u32) -> Result<Arc<Process>> {
    let parent = task.process();
    let space = if request.has(CLONE_VM) { task.space().clone() } else { task.space().fork()? };
    let actions = parent.actions();
    let actions = if request.has(CLONE_SIGHAND) {
        actions
    } else {
        let mut copy = actions.lock().clone();
        if request.flags & CLONE_CLEAR_SIGHAND != 0 {
            copy.reset_for_exec();
        }
        Arc::new(Mutex::new(copy))
    };
    let is_sibling = request.has(CLONE_PARENT);
    let of = if is_sibling { parent.parent() } else { Some(parent.clone()) };
    let (group, session) = (parent.group(), parent.session());
    let relations = Relations {
        parent: of.as_ref().map_or_else(Default::default, Arc::downgrade),
        children: BTreeMap::new(),
        group,
        session,
        threads: BTreeMap::new(),
    };
    let process = Arc::new(Process::new(pid, space, actions, relations));
    process.inherit(parent);
    crate::call::cpulimit::apply(&process);
    let exit_signal =
        if is_sibling { parent.exit_signal.load(Ordering::Relaxed) } else { request.exit_signal };
    process.exit_signal.store(exit_signal, Ordering::Relaxed);
    if request.has(CLONE_VFORK) {
        *process.vfork.lock() = Some(WaitQueue::new());
    }
    Ok(process)
}

fn start(task: &mut Task, request: &Request, thread: Arc<Thread>, context: Context) -> Result<u32> {
    let tid = thread.tid();
    let process = thread.process().clone();
    let is_process = !request.has(CLONE_THREAD);
    let space = thread.try_space()?;
    let parent_memory = User(task.space());
    if request.has(CLONE_PARENT_SETTID) {
        let _ = parent_memory.write(request.parent_tid, &tid.to_le_bytes());
    }
    if request.has(CLONE_CHILD_SETTID) {
        let _ = User(&space).write(request.child_tid, &tid.to_le_bytes());
    }
    if request.has(CLONE_CHILD_CLEARTID) {
        thread.clear_child_tid.store(request.child_tid, Ordering::Relaxed);
    }
    let mut pidfd = None;
    if request.has(CLONE_PIDFD) {
        let fd = crate::call::kill::open_pidfd(task, &process)?;
        if let Err(errno) = parent_memory.write(request.pidfd, &fd.to_le_bytes()) {
            let _ = task.files()?.close(fd);
            return Err(errno);
        }
        pidfd = Some(fd);
    }
    process.relations.lock().threads.insert(tid, thread.clone());
    table::add_thread(&thread);
    if is_process {
        table::add_process(&process);
        if let Some(parent) = process.parent() {
            parent.relations.lock().children.insert(tid, process.clone());
        }
    }
    let vfork = process.vfork.lock().clone().filter(|_| is_process);
    if let Err(errno) = launch(thread, context, space) {
        process.relations.lock().threads.remove(&tid);
        table::remove_thread(tid);
        if is_process {
            if let Some(parent) = process.parent() {
                parent.relations.lock().children.remove(&tid);
            }
            table::remove_process(tid);
        }
        if let Some(fd) = pidfd {
            let _ = task.files()?.close(fd);
        }
        return Err(errno);
    }
    if let Some(queue) = vfork {
        let thread = task.thread.clone();
        // Signals wait; only the end of this thread ends the wait.
        let _ = wait_until(&[&queue], None, Interruptible::No, || {
            (process.vfork.lock().is_none() || thread.must_end()).then_some(())
        });
    }
    Ok(tid)
}

/// Gives a thread a kernel thread to run on.
pub fn launch(thread: Arc<Thread>, context: Context, space: Arc<AddressSpace>) -> Result<()> {
    let theirs = thread.clone();
    let handle = Builder::new(thread.comm())
        .stack_len(STACK_LEN)
        .spawn(move || run::user(Task::new(theirs, context, space)))
        .map_err(|error| {
            log::warn!("{error}");
            Errno::EAGAIN
        })?;
    thread.set_kernel(handle.thread());
    Ok(())
}
