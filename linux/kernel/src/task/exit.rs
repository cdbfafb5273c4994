//! The end of threads and processes (`exit(2)`, `exit_group(2)`).

use alloc::sync::{Arc, Weak};
use core::sync::atomic::Ordering;

use linux_base::PollEvents;
use linux_base::file::UserMemory;
use linux_task::robust;
use linux_task::signal::{SigInfo, Signal};

use super::{Process, Task, Thread, WaitStatus, group, table};
use crate::signal;

/// Ends a process: all its threads end when they come to look. The first reason stays.
pub fn begin(process: &Process, status: WaitStatus) {
    process.state.lock().exit.get_or_insert(status);
    process.threads().iter().for_each(|thread| thread.wake());
}

/// The end of a thread, on that thread: nothing of it is used afterwards.
pub fn thread(task: Task) {
    let Task { thread, context, .. } = task;
    let process = thread.process().clone();
    release_futexes(&thread);
    drop(context);
    {
        let times = *thread.times.lock();
        process.times.lock().add(&times);
    }
    let is_last = {
        let mut relations = process.relations.lock();
        relations.threads.remove(&thread.tid());
        relations.threads.is_empty()
    };
    if thread.tid() != process.pid() || is_last {
        table::remove_thread(thread.tid());
    }
    let files = thread.set_files(None);
    if is_last && let Some(files) = &files {
        // Whoever else has these files open: this process's record locks go.
        for fd in files.numbers() {
            if let Ok(open) = files.get(fd) {
                linux_vfs::locks::release_process(&open, process.pid().into());
            }
        }
    }
    drop(files);
    if is_last {
        self::process(&process, &thread);
    } else {
        // The one who executes a new program waits to be the last.
        process.changed.wake(PollEvents::IN);
    }
}

/// What a thread promised to do at its end: set its word to zero, and give up its robust futexes.
pub fn release_futexes(thread: &Thread) {
    let Some(space) = thread.process().space() else { return };
    let memory = crate::memory::User(&space);
    let head = thread.robust_list.swap(0, Ordering::Relaxed);
    robust::release(&memory, head, thread.tid(), &mut |address| {
        crate::call::futex::wake_one(&space, address)
    });
    let word = thread.clear_child_tid.swap(0, Ordering::Relaxed);
    // With nobody else in the memory, nobody waits.
    if word != 0 && memory.write(word, &0_u32.to_le_bytes()).is_ok() {
        crate::call::futex::wake_one(&space, word);
    }
}

fn process(process: &Arc<Process>, last: &Thread) {
    let status = *process.state.lock().exit.get_or_insert(WaitStatus::Exited(0));
    if let Some(space) = process.space() {
        process.times.lock().peak_kib = space.totals().peak_resident * 4;
    }
    drop(process.set_space(None));
    process.end_vfork();
    process.timers.clear();
    let gone = core::mem::take(&mut *process.image.lock());
    drop(gone);
    *process.last_comm.lock() = last.comm();
    group::end_of_session(process);
    adopt_children(process);
    let orphaned = group::newly_orphaned(process);
    {
        let mut state = process.state.lock();
        state.uid = last.credentials().uid.real;
        state.is_zombie = true;
        state.stopped = None;
    }
    process.changed.wake(PollEvents::IN);
    for group in orphaned {
        let _ = signal::send_to_group(group, SigInfo::kernel(Signal::HUP));
        let _ = signal::send_to_group(group, SigInfo::kernel(Signal::CONT));
    }
    if process.pid() == crate::boot::INIT {
        crate::boot::init_has_ended(status);
    }
    tell_parent(process, status);
}

fn tell_parent(process: &Arc<Process>, status: WaitStatus) {
    let Some(parent) = process.parent() else {
        reap(process);
        return;
    };
    if process.is_adopted.load(Ordering::Relaxed) {
        reap(process);
        return;
    }
    let (code, value) = status.code();
    let is_unwanted = parent.actions().lock().reaps_children_itself();
    let number = process.exit_signal.load(Ordering::Relaxed);
    if let Ok(exit_signal) = Signal::new(number as i32) {
        let info = signal::child_info(process, exit_signal, code, value);
        let _ = signal::send(&parent, info);
        if is_unwanted && exit_signal == Signal::CHLD {
            reap(process);
        }
    }
    parent.child_changed.wake(PollEvents::IN);
}

/// Forgets a process that has ended, and counts what it used for its parent.
pub fn reap(process: &Arc<Process>) {
    if let Some(parent) = process.parent() {
        let times = *process.times.lock();
        parent.times.lock().add_child(&times);
        let gone = parent.relations.lock().children.remove(&process.pid());
        drop(gone);
    }
    process.relations.lock().parent = Weak::new();
    table::remove_process(process.pid());
}

/// The children of a process that ends become those of its nearest subreaper, or of the first process; those that have ended and
/// that nobody will wait for go at once.
fn adopt_children(process: &Arc<Process>) {
    let children = core::mem::take(&mut process.relations.lock().children);
    if children.is_empty() {
        return;
    }
    let heir = heir_of(process);
    for child in children.into_values() {
        let death_signal = child.any_thread().map_or(0, |thread| thread.death_signal.load(Ordering::Relaxed));
        if let Ok(death_signal) = Signal::new(death_signal as i32) {
            let info = SigInfo::sent(death_signal, SigInfo::USER, process.pid() as i32, 0);
            let _ = signal::send(&child, info);
        }
        let Some(heir) = &heir else {
            child.relations.lock().parent = Weak::new();
            if child.state.lock().is_zombie {
                reap(&child);
            }
            continue;
        };
        child.relations.lock().parent = Arc::downgrade(heir);
        child.exit_signal.store(Signal::CHLD.number().into(), Ordering::Relaxed);
        heir.relations.lock().children.insert(child.pid(), child.clone());
        // The first process need not know of children that it never had: they are reaped for it.
        child.is_adopted.store(heir.pid() == crate::boot::INIT, Ordering::Relaxed);
        let ended = {
            let state = child.state.lock();
            state.exit.filter(|_| state.is_zombie)
        };
        if let Some(status) = ended {
            tell_parent(&child, status);
        }
    }
}

fn heir_of(process: &Arc<Process>) -> Option<Arc<Process>> {
    let mut ancestor = process.parent();
    while let Some(candidate) = ancestor {
        if candidate.is_subreaper.load(Ordering::Relaxed) && !candidate.state.lock().is_zombie {
            return Some(candidate);
        }
        ancestor = candidate.parent();
    }
    table::process(crate::boot::INIT)
        .filter(|init| init.pid() != process.pid() && !init.state.lock().is_zombie)
}
