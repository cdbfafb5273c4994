//! Sending signals, and descriptors of processes (`kill(2)`, `tgkill(2)`, `pidfd_open(2)`).

use alloc::sync::Arc;
use core::any::Any;

use linux_base::{Errno, File, Mode, OpenFile, OpenFlags, PollEvents, Result, Stat, WaitQueue};
use linux_task::limits::Resource;
use linux_task::signal::{SigInfo, Signal};

use crate::signal;
use crate::task::{Process, Task, Thread, table};

/// 0 only asks whether it could be sent.
fn optional(signal: i32) -> Result<Option<Signal>> {
    if signal == 0 { Ok(None) } else { Signal::new(signal).map(Some) }
}

fn by(task: &Task, signal: Signal, code: i32) -> SigInfo {
    SigInfo::sent(signal, code, task.process().pid() as i32, task.thread.credentials().uid.real)
}

pub fn kill(task: &mut Task, pid: i32, signal: i32) -> Result<()> {
    let signal = optional(signal)?;
    let own = task.process().clone();
    match pid {
        1.. => {
            let process = table::process(pid as u32).ok_or(Errno::ESRCH)?;
            one(task, &process, signal)
        }
        0 => many(task, table::group(own.group()), signal),
        -1 => {
            let others = table::processes().into_iter().filter(|process| {
                process.pid() != own.pid()
                    && process.pid() != crate::boot::INIT
                    && !process.state.lock().is_zombie
            });
            many(task, others.collect(), signal)
        }
        i32::MIN => Err(Errno::ESRCH),
        _ => many(task, table::group(pid.unsigned_abs()), signal),
    }
}

fn one(task: &Task, process: &Arc<Process>, signal: Option<Signal>) -> Result<()> {
    if !signal::may_signal(&task.thread, process, signal) {
        return Err(Errno::EPERM);
    }
    match signal {
        Some(signal) if !process.state.lock().is_zombie => {
            signal::send(process, by(task, signal, SigInfo::USER))
        }
        _ => Ok(()),
    }
}

fn many(task: &Task, processes: alloc::vec::Vec<Arc<Process>>, signal: Option<Signal>) -> Result<()> {
    let mut outcome = Err(Errno::ESRCH);
    for process in processes {
        match one(task, &process, signal) {
            Ok(()) => outcome = Ok(()),
            Err(errno) if outcome == Err(Errno::ESRCH) => outcome = Err(errno),
            Err(_) => {}
        }
    }
    outcome
}

fn thread(tgid: Option<i32>, tid: i32) -> Result<Arc<Thread>> {
    if tid <= 0 || tgid.is_some_and(|tgid| tgid <= 0) {
        return Err(Errno::EINVAL);
    }
    let thread = table::thread(tid as u32).ok_or(Errno::ESRCH)?;
    match tgid {
        Some(tgid) if thread.process().pid() != tgid as u32 => Err(Errno::ESRCH),
        _ => Ok(thread),
    }
}

fn to_thread(task: &Task, thread: &Arc<Thread>, signal: Option<Signal>) -> Result<()> {
    if !signal::may_signal(&task.thread, thread.process(), signal) {
        return Err(Errno::EPERM);
    }
    match signal {
        Some(signal) => signal::send_to_thread(thread, by(task, signal, SigInfo::TKILL)),
        None => Ok(()),
    }
}

pub fn tkill(task: &mut Task, tid: i32, signal: i32) -> Result<()> {
    let thread = thread(None, tid)?;
    to_thread(task, &thread, optional(signal)?)
}

pub fn tgkill(task: &mut Task, pid: i32, tid: i32, signal: i32) -> Result<()> {
    let thread = thread(Some(pid), tid)?;
    to_thread(task, &thread, optional(signal)?)
}

/// What a program says of a signal. It must not pretend to be the kernel or `kill`, not even of no signal.
fn given(task: &Task, signal: Option<Signal>, info: u64, to: u32) -> Result<SigInfo> {
    let bytes: [u8; SigInfo::LEN] = task.space().read_array(info)?;
    let info = SigInfo::from_bytes(signal.unwrap_or(Signal::HUP), &bytes);
    if (info.code >= 0 || info.code == SigInfo::TKILL) && to != task.process().pid() {
        return Err(Errno::EPERM);
    }
    Ok(info)
}

pub fn rt_sigqueueinfo(task: &mut Task, pid: i32, signal: i32, info: u64) -> Result<()> {
    let signal = optional(signal)?;
    let target = u32::try_from(pid).ok().and_then(table::process).ok_or(Errno::ESRCH)?;
    let info = given(task, signal, info, target.pid())?;
    let Some(signal) = signal else { return one(task, &target, None) };
    if !signal::may_signal(&task.thread, &target, Some(signal)) {
        return Err(Errno::EPERM);
    }
    signal::send(&target, info)
}

pub fn rt_tgsigqueueinfo(task: &mut Task, pid: i32, tid: i32, signal: i32, info: u64) -> Result<()> {
    let target = thread(Some(pid), tid)?;
    let signal = optional(signal)?;
    let info = given(task, signal, info, target.process().pid())?;
    let Some(signal) = signal else { return to_thread(task, &target, None) };
    if !signal::may_signal(&task.thread, target.process(), Some(signal)) {
        return Err(Errno::EPERM);
    }
    signal::send_to_thread(&target, info)
}

/// A descriptor of a process.
pub struct PidFd(pub Arc<Process>);

impl File for PidFd {
    fn stat(&self) -> Result<Stat> {
        Ok(Stat {
            dev: 15,
            ino: self.0.pid().into(),
            mode: Mode(0o600),
            nlink: 1,
            blksize: 4096,
            ..Stat::default()
        })
    }

    fn poll(&self) -> PollEvents {
        if self.0.state.lock().is_zombie { PollEvents::READABLE } else { PollEvents::empty() }
    }

    fn queue(&self) -> Option<&WaitQueue> {
        Some(&self.0.changed)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_arc(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

const PIDFD_NONBLOCK: u32 = 0o4000;

/// Makes a descriptor of a process.
pub fn open_pidfd(task: &Task, process: &Arc<Process>) -> Result<i32> {
    insert_pidfd(task, process, OpenFlags::empty())
}

fn insert_pidfd(task: &Task, process: &Arc<Process>, flags: OpenFlags) -> Result<i32> {
    let open = OpenFile::new(
        Arc::new(PidFd(process.clone())),
        OpenFlags::RDWR | flags,
        b"anon_inode:[pidfd]".to_vec(),
    );
    task.files()?.insert(open, true, 0, task.process().limit(Resource::Files))
}

pub fn pidfd_open(task: &mut Task, pid: i32, flags: u32) -> Result<i32> {
    if flags & !PIDFD_NONBLOCK != 0 || pid <= 0 {
        return Err(Errno::EINVAL);
    }
    let process = match table::process(pid as u32) {
        Some(process) => process,
        None if table::thread(pid as u32).is_some() => return Err(Errno::EINVAL),
        None => return Err(Errno::ESRCH),
    };
    insert_pidfd(task, &process, OpenFlags::from_bits_retain(flags))
}

/// The process of a descriptor, and whether waiting for it blocks. `EBADF` for what is none.
pub fn process_of_pidfd(task: &Task, fd: i32) -> Result<(Arc<Process>, bool)> {
    let open = task.files()?.get(fd)?;
    let pidfd: &PidFd = open.downcast().ok_or(Errno::EBADF)?;
    Ok((pidfd.0.clone(), open.is_blocking()))
}

pub fn pidfd_send_signal(task: &mut Task, fd: i32, signal: i32, info: u64, flags: u32) -> Result<()> {
    if flags != 0 {
        return Err(Errno::EINVAL);
    }
    let (process, _) = process_of_pidfd(task, fd)?;
    let signal = optional(signal)?;
    if process.state.lock().is_zombie && table::process(process.pid()).is_none() {
        return Err(Errno::ESRCH);
    }
    match signal {
        Some(signal) if info != 0 => {
            let info = given(task, Some(signal), info, process.pid())?;
            if !signal::may_signal(&task.thread, &process, Some(signal)) {
                return Err(Errno::EPERM);
            }
            signal::send(&process, info)
        }
        _ => one(task, &process, signal),
    }
}
