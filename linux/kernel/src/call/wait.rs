//! `wait4(2)` and `waitid(2)`.

use alloc::sync::Arc;

use linux_base::wait::{Interruptible, wait_until};
use linux_base::{Errno, Result};
use linux_task::signal::Signal;

use crate::call::limits;
use crate::signal::{self, restart};
use crate::task::{Process, Task, Times, WaitStatus, exit, status, table};

const WNOHANG: u32 = 1;
const WUNTRACED: u32 = 2;
const WEXITED: u32 = 4;
const WCONTINUED: u32 = 8;
const WNOWAIT: u32 = 0x0100_0000;
const WNOTHREAD: u32 = 0x2000_0000;
const WALL: u32 = 0x4000_0000;
const WCLONE: u32 = 0x8000_0000;
const CLONE_BITS: u32 = WNOTHREAD | WALL | WCLONE;

/// Which children are waited for.
#[derive(Clone, Copy)]
enum Wanted {
    Any,
    Pid(u32),
    Group(u32),
}

/// What has become of a child.
#[derive(Clone, Copy)]
enum Event {
    Ended(WaitStatus),
    Stopped(Signal),
    Continued,
}

struct Found {
    child: Arc<Process>,
    event: Event,
    times: Times,
    uid: u32,
}

fn find(task: &Task, wanted: Wanted, options: u32) -> Option<Result<Found>> {
    let children: alloc::vec::Vec<Arc<Process>> =
        task.process().relations.lock().children.values().cloned().collect();
    let mut is_any = false;
    for child in children {
        let matches = match wanted {
            Wanted::Any => true,
            Wanted::Pid(pid) => child.pid() == pid,
            Wanted::Group(group) => child.group() == group,
        };
        let is_clone =
            child.exit_signal.load(core::sync::atomic::Ordering::Relaxed) != u32::from(Signal::CHLD.number());
        if !matches || options & WALL == 0 && is_clone != (options & WCLONE != 0) {
            continue;
        }
        is_any = true;
        if let Some(event) = take(&child, options) {
            let times = *child.times.lock();
            let uid = child
                .any_thread()
                .map_or_else(|| child.state.lock().uid, |thread| thread.credentials().uid.real);
            if matches!(event, Event::Ended(_)) && options & WNOWAIT == 0 {
                exit::reap(&child);
            }
            return Some(Ok(Found { child, event, times, uid }));
        }
    }
    if is_any { None } else { Some(Err(Errno::ECHILD)) }
}

fn take(child: &Process, options: u32) -> Option<Event> {
    let keeps = options & WNOWAIT != 0;
    let mut state = child.state.lock();
    if state.is_zombie {
        return state.exit.filter(|_| options & WEXITED != 0).map(Event::Ended);
    }
    if options & WUNTRACED != 0 && state.stop_unreported {
        state.stop_unreported = keeps;
        return state.stopped.map(Event::Stopped);
    }
    if options & WCONTINUED != 0 && state.continue_unreported {
        state.continue_unreported = keeps;
        return Some(Event::Continued);
    }
    None
}

fn wait(task: &Task, wanted: Wanted, options: u32) -> Result<Option<Found>> {
    if options & WNOHANG != 0 {
        return find(task, wanted, options).transpose();
    }
    let queue = task.process().child_changed.clone();
    let found = wait_until(&[&queue], None, Interruptible::Yes, || find(task, wanted, options));
    restart::on_interrupt(found)?.map(Some)
}

pub fn wait4(task: &mut Task, pid: i32, status: u64, options: u32, usage: u64) -> Result<u32> {
    if options & !(WNOHANG | WUNTRACED | WCONTINUED | CLONE_BITS) != 0 {
        return Err(Errno::EINVAL);
    }
    let wanted = match pid {
        -1 => Wanted::Any,
        0 => Wanted::Group(task.process().group()),
        i32::MIN => return Err(Errno::ESRCH),
        pid if pid < 0 => Wanted::Group(pid.unsigned_abs()),
        pid => Wanted::Pid(pid as u32),
    };
    let Some(found) = wait(task, wanted, options | WEXITED)? else { return Ok(0) };
    let encoded = match found.event {
        Event::Ended(status) => status.encode(),
        Event::Stopped(signal) => u32::from(signal.number()) << 8 | 0x7f,
        Event::Continued => 0xffff,
    };
    task.write_unless_null(status, &encoded.to_le_bytes())?;
    task.write_unless_null(usage, &limits::rusage_bytes(&found.times))?;
    Ok(found.child.pid())
}

pub fn waitid(task: &mut Task, kind: i32, id: i32, info: u64, options: u32, usage: u64) -> Result<()> {
    let known = WNOHANG | WNOWAIT | WEXITED | WUNTRACED | WCONTINUED | CLONE_BITS;
    if options & !known != 0 || options & (WEXITED | WUNTRACED | WCONTINUED) == 0 {
        return Err(Errno::EINVAL);
    }
    let mut options = options;
    let wanted = match (kind, u32::try_from(id)) {
        (0, _) => Wanted::Any,
        (1, Ok(pid @ 1..)) => Wanted::Pid(pid),
        (2, Ok(0)) => Wanted::Group(task.process().group()),
        (2, Ok(group)) => Wanted::Group(group),
        (3, Ok(_)) => {
            let (process, is_blocking) = super::kill::process_of_pidfd(task, id)?;
            if !is_blocking {
                options |= WNOHANG;
            }
            Wanted::Pid(process.pid())
        }
        _ => return Err(Errno::EINVAL),
    };
    let is_pidfd_without_wait = kind == 3 && options & WNOHANG != 0;
    let Some(found) = wait(task, wanted, options)? else {
        let _ = is_pidfd_without_wait;
        // Nothing yet: signal and process are zero.
        if info != 0 {
            task.space().write_u32(info, 0)?;
            task.space().write_bytes(info.wrapping_add(12), &[0; 8])?;
        }
        return Ok(());
    };
    let (code, value) = match found.event {
        Event::Ended(status) => status.code(),
        Event::Stopped(signal) => (status::code::STOPPED, signal.number().into()),
        Event::Continued => (status::code::CONTINUED, Signal::CONT.number().into()),
    };
    if info != 0 {
        let mut told = signal::child_info(&found.child, Signal::CHLD, code, value);
        if let linux_task::signal::Cause::Child { uid, user_ticks, system_ticks, .. } = &mut told.cause {
            *uid = found.uid;
            (*user_ticks, *system_ticks) = (0, 0);
        }
        task.space().write_bytes(info, &told.to_bytes())?;
    }
    task.write_unless_null(usage, &limits::rusage_bytes(&found.times))?;
    debug_assert!(table::last_pid() > 0);
    Ok(())
}
