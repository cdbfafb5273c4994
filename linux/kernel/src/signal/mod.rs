//! Sending signals (`signal(7)`): who gets one, and who is woken for it. [`deliver`] is what the thread then does.

pub mod deliver;
pub mod restart;

use alloc::sync::Arc;

use linux_base::{Credentials, Errno, PollEvents, Result};
use linux_task::limits::Resource;
use linux_task::signal::{Cause, Disposition, SigInfo, SigSet, Signal};

use crate::task::{Process, Thread, WaitStatus, exit, status, table};

/// What stops a process unless it is caught.
const STOPS: [Signal; 4] = [Signal::STOP, Signal::TSTP, Signal::TTIN, Signal::TTOU];

fn stops() -> SigSet {
    STOPS.iter().fold(SigSet::EMPTY, |set, signal| set.with(SigSet::of(*signal)))
}

/// Sends a signal to a process as a whole.
pub fn send(process: &Arc<Process>, info: SigInfo) -> Result<()> {
    prepare(process, info.signal);
    let threads = process.threads();
    let is_blocked = |thread: &Arc<Thread>| thread.signals.lock().mask.contains(info.signal);
    if discards(process, info.signal) && !threads.iter().all(is_blocked) {
        return Ok(());
    }
    let limit = usize::try_from(process.limit(Resource::PendingSignals)).unwrap_or(usize::MAX);
    process.pending.lock().push(info, limit)?;
    if info.signal == Signal::KILL {
        exit::begin(process, WaitStatus::Killed(Signal::KILL));
        return Ok(());
    }
    // The first thread takes it if it can, else any other that can.
    let first =
        threads.iter().find(|thread| thread.tid() == process.pid()).filter(|thread| !is_blocked(thread));
    if let Some(thread) = first.or_else(|| threads.iter().find(|thread| !is_blocked(thread))) {
        thread.wake();
    }
    process.signalled.wake(PollEvents::IN);
    Ok(())
}

/// Sends a signal to one thread.
pub fn send_to_thread(thread: &Arc<Thread>, info: SigInfo) -> Result<()> {
    let process = thread.process();
    prepare(process, info.signal);
    let mask = thread.signals.lock().mask;
    if discards(process, info.signal) && !mask.contains(info.signal) {
        return Ok(());
    }
    if info.signal == Signal::KILL {
        exit::begin(process, WaitStatus::Killed(Signal::KILL));
        return Ok(());
    }
    let limit = usize::try_from(process.limit(Resource::PendingSignals)).unwrap_or(usize::MAX);
    thread.signals.lock().pending.push(info, limit)?;
    thread.wake();
    process.signalled.wake(PollEvents::IN);
    Ok(())
}

/// Sends a signal that cannot be blocked or ignored: one that an instruction caused.
pub fn force(thread: &Arc<Thread>, info: SigInfo) {
    let actions = thread.process().actions();
    let is_blocked = thread.signals.lock().mask.contains(info.signal);
    {
        let mut actions = actions.lock();
        let is_handled = actions.get(info.signal).decide(info.signal) == Disposition::Handle;
        if is_blocked || !is_handled {
            actions.reset(info.signal);
            let mut signals = thread.signals.lock();
            signals.mask = signals.mask.without(SigSet::of(info.signal));
        }
    }
    if thread.signals.lock().pending.push(info, usize::MAX).is_err() {
        exit::begin(thread.process(), WaitStatus::Killed(info.signal));
    }
}

/// Sends a signal to all processes of a group. `ESRCH` when there is none.
pub fn send_to_group(group: u32, info: SigInfo) -> Result<()> {
    let processes = table::group(group);
    if processes.is_empty() {
        return Err(Errno::ESRCH);
    }
    for process in processes {
        let _ = send(&process, info);
    }
    Ok(())
}

fn discards(process: &Process, signal: Signal) -> bool {
    process.actions().lock().get(signal).discards(signal)
}

/// What a signal does by being sent: SIGCONT continues, and it and the stop signals cancel each other.
fn prepare(process: &Arc<Process>, signal: Signal) {
    if signal == Signal::CONT {
        discard(process, stops());
        let was_stopped = {
            let mut state = process.state.lock();
            let stopped = state.stopped.take();
            state.stop_unreported = false;
            state.continue_unreported |= stopped.is_some();
            stopped.is_some()
        };
        if was_stopped {
            process.threads().iter().for_each(|thread| thread.wake());
            tell_parent(process, status::code::CONTINUED, Signal::CONT.number().into());
        }
    } else if signal.is_stop() {
        discard(process, SigSet::of(Signal::CONT));
    }
}

fn discard(process: &Process, set: SigSet) {
    process.pending.lock().discard(set);
    for thread in process.threads() {
        thread.signals.lock().pending.discard(set);
    }
}

/// Tells the parent that a child stopped or continued.
pub fn tell_parent(process: &Arc<Process>, code: i32, status: i32) {
    process.changed.wake(PollEvents::IN);
    let Some(parent) = process.parent() else { return };
    let quiet = {
        use linux_task::signal::ActionFlags;
        let actions = parent.actions();
        let action = actions.lock().get(Signal::CHLD);
        action.flags.contains(ActionFlags::NOCLDSTOP)
    };
    if !quiet {
        let _ = send(&parent, child_info(process, Signal::CHLD, code, status));
    }
    parent.child_changed.wake(PollEvents::IN);
}

/// What SIGCHLD and `waitid` say of a child.
pub fn child_info(process: &Process, signal: Signal, code: i32, status: i32) -> SigInfo {
    let times = *process.times.lock();
    let uid =
        process.any_thread().map_or_else(|| process.state.lock().uid, |thread| thread.credentials().uid.real);
    let cause = Cause::Child {
        pid: process.pid() as i32,
        uid,
        status,
        user_ticks: (times.user_ns / 10_000_000) as i64,
        system_ticks: (times.system_ns / 10_000_000) as i64,
    };
    SigInfo { signal, errno: 0, code, cause }
}

/// Whether one may send another a signal (`kill(2)`).
pub fn may_signal(sender: &Thread, to: &Process, signal: Option<Signal>) -> bool {
    let from = sender.credentials();
    if from.can(Credentials::CAP_KILL) || sender.process().pid() == to.pid() {
        return true;
    }
    if signal == Some(Signal::CONT) && sender.process().session() == to.session() {
        return true;
    }
    let Some(thread) = to.any_thread() else { return from.uid.real == to.state.lock().uid };
    let to = thread.credentials();
    let matches = |uid: u32| uid == to.uid.real || uid == to.uid.saved;
    matches(from.uid.real) || matches(from.uid.effective)
}
