//! Scheduling: there is one processor, and all threads take turns (`sched_setaffinity(2)`, `getpriority(2)` and their kin).

use alloc::sync::Arc;
use core::sync::atomic::Ordering;

use linux_base::{Credentials, Errno, Result};

use crate::memory::Duration;
use crate::task::{Process, Task, Thread, table};

/// A thread by number; 0 is the caller. `ESRCH`, and `EINVAL` for a negative number.
pub fn thread(task: &Task, tid: i32) -> Result<Arc<Thread>> {
    match u32::try_from(tid) {
        Ok(0) => Ok(task.thread.clone()),
        Ok(tid) => table::thread(tid).ok_or(Errno::ESRCH),
        Err(_) => Err(Errno::EINVAL),
    }
}

pub fn sched_yield(_: &mut Task) -> Result<()> {
    minios::thread::yield_now();
    Ok(())
}

pub fn sched_getaffinity(task: &mut Task, pid: i32, size: usize, mask: u64) -> Result<usize> {
    thread(task, pid)?;
    if size < 8 || !size.is_multiple_of(8) {
        return Err(Errno::EINVAL);
    }
    task.space().write_u64(mask, 1)?;
    Ok(8)
}

pub fn sched_setaffinity(task: &mut Task, pid: i32, size: usize, mask: u64) -> Result<()> {
    thread(task, pid)?;
    let mut bytes = [0; 8];
    let len = size.min(8);
    if let Some(bytes) = bytes.get_mut(..len) {
        task.space().read_bytes(mask, bytes)?;
    }
    if bytes[0] & 1 == 0 { Err(Errno::EINVAL) } else { Ok(()) }
}

/// `SCHED_OTHER`, `SCHED_BATCH` and `SCHED_IDLE` are alike here; the real-time policies are refused.
fn check_policy(policy: i32, priority: i32) -> Result<()> {
    const RESET_ON_FORK: i32 = 0x4000_0000;
    match policy & !RESET_ON_FORK {
        0 | 3 | 5 if priority == 0 => Ok(()),
        1 | 2 if (1..=99).contains(&priority) => Err(Errno::EPERM),
        6 => Err(Errno::EPERM),
        _ => Err(Errno::EINVAL),
    }
}

pub fn sched_setscheduler(task: &mut Task, pid: i32, policy: i32, param: u64) -> Result<()> {
    if param == 0 {
        return Err(Errno::EINVAL);
    }
    let thread = thread(task, pid)?;
    let priority = task.space().read_u32(param)? as i32;
    check_policy(policy, priority)?;
    thread.policy.store(policy as u32, Ordering::Relaxed);
    Ok(())
}

pub fn sched_getscheduler(task: &mut Task, pid: i32) -> Result<i32> {
    Ok(thread(task, pid)?.policy.load(Ordering::Relaxed) as i32)
}

pub fn sched_setparam(task: &mut Task, pid: i32, param: u64) -> Result<()> {
    if param == 0 {
        return Err(Errno::EINVAL);
    }
    thread(task, pid)?;
    match task.space().read_u32(param)? {
        0 => Ok(()),
        _ => Err(Errno::EINVAL),
    }
}

pub fn sched_getparam(task: &mut Task, pid: i32, param: u64) -> Result<()> {
    if param == 0 {
        return Err(Errno::EINVAL);
    }
    thread(task, pid)?;
    task.space().write_u32(param, 0)
}

pub fn sched_get_priority_max(_: &mut Task, policy: i32) -> Result<i32> {
    match policy {
        1 | 2 => Ok(99),
        0 | 3 | 5 | 6 => Ok(0),
        _ => Err(Errno::EINVAL),
    }
}

pub fn sched_get_priority_min(_: &mut Task, policy: i32) -> Result<i32> {
    match policy {
        1 | 2 => Ok(1),
        0 | 3 | 5 | 6 => Ok(0),
        _ => Err(Errno::EINVAL),
    }
}

pub fn sched_rr_get_interval(task: &mut Task, pid: i32, interval: u64) -> Result<()> {
    thread(task, pid)?;
    task.space().write_bytes(interval, &Duration::bytes_of_ns(10_000_000))
}

/// Bytes of the first form of `struct sched_attr`.
const ATTR_LEN: u32 = 48;

pub fn sched_setattr(task: &mut Task, pid: i32, attributes: u64, flags: u32) -> Result<()> {
    if attributes == 0 || pid < 0 || flags != 0 {
        return Err(Errno::EINVAL);
    }
    let size = task.space().read_u32(attributes)?;
    if size != 0 && size < ATTR_LEN {
        task.space().write_u32(attributes, ATTR_LEN)?;
        return Err(Errno::E2BIG);
    }
    let thread = thread(task, pid)?;
    let word = |at: u64| task.space().read_u32(attributes.wrapping_add(at));
    let policy = word(4)?;
    check_policy(policy as i32, word(20)? as i32)?;
    thread.policy.store(policy, Ordering::Relaxed);
    Ok(())
}

pub fn sched_getattr(task: &mut Task, pid: i32, attributes: u64, size: u32, flags: u32) -> Result<()> {
    if attributes == 0 || pid < 0 || flags != 0 || !(ATTR_LEN..=4096).contains(&size) {
        return Err(Errno::EINVAL);
    }
    let thread = thread(task, pid)?;
    let mut bytes = [0; ATTR_LEN as usize];
    let nice = *thread.process().nice.lock();
    for (place, byte) in bytes.iter_mut().skip(4).zip(thread.policy.load(Ordering::Relaxed).to_le_bytes()) {
        *place = byte;
    }
    for (place, byte) in bytes.iter_mut().zip(ATTR_LEN.to_le_bytes()) {
        *place = byte;
    }
    for (place, byte) in bytes.iter_mut().skip(16).zip(nice.to_le_bytes()) {
        *place = byte;
    }
    task.space().write_bytes(attributes, &bytes)
}

/// The processes that `getpriority` and `setpriority` mean.
fn of_priority(task: &Task, which: i32, who: i32) -> Result<alloc::vec::Vec<Arc<Process>>> {
    let own = task.process();
    let number = u32::try_from(who).map_err(|_| Errno::ESRCH)?;
    let found: alloc::vec::Vec<_> = match which {
        0 if number == 0 => alloc::vec![own.clone()],
        0 => table::process(number)
            .or_else(|| table::thread(number).map(|thread| thread.process().clone()))
            .into_iter()
            .collect(),
        1 => table::group(if number == 0 { own.group() } else { number }),
        2 => {
            let uid = if number == 0 { task.thread.credentials().uid.real } else { number };
            let is_theirs = |process: &Arc<Process>| {
                process.any_thread().is_some_and(|thread| thread.credentials().uid.real == uid)
            };
            table::processes().into_iter().filter(is_theirs).collect()
        }
        _ => return Err(Errno::EINVAL),
    };
    if found.is_empty() { Err(Errno::ESRCH) } else { Ok(found) }
}

pub fn getpriority(task: &mut Task, which: i32, who: i32) -> Result<i32> {
    let found = of_priority(task, which, who)?;
    // As the system call has it: 20 - nice, so that it is never negative.
    Ok(found.iter().map(|process| 20 - *process.nice.lock()).max().unwrap_or(20))
}

pub fn setpriority(task: &mut Task, which: i32, who: i32, value: i32) -> Result<()> {
    let value = value.clamp(-20, 19);
    let own = task.thread.credentials();
    for process in of_priority(task, which, who)? {
        let uid = process.any_thread().map(|thread| thread.credentials().uid);
        let is_theirs = uid.is_some_and(|uid| [uid.real, uid.effective].contains(&own.uid.effective));
        const CAP_SYS_NICE: u32 = 23;
        if !is_theirs && !own.can(CAP_SYS_NICE) {
            return Err(Errno::EPERM);
        }
        let mut nice = process.nice.lock();
        if value < *nice && !own.can(CAP_SYS_NICE) {
            return Err(Errno::EACCES);
        }
        *nice = value;
    }
    Ok(())
}

pub fn ioprio_get(task: &mut Task, which: i32, who: i32) -> Result<i32> {
    if !(1..=3).contains(&which) {
        return Err(Errno::EINVAL);
    }
    of_priority(task, which - 1, who)?;
    Ok(0)
}

pub fn ioprio_set(task: &mut Task, which: i32, who: i32, priority: i32) -> Result<()> {
    let class = priority >> 13;
    if !(1..=3).contains(&which) || !(0..=3).contains(&class) {
        return Err(Errno::EINVAL);
    }
    if class == 1 && !task.thread.credentials().can(Credentials::CAP_SYS_ADMIN) {
        return Err(Errno::EPERM);
    }
    of_priority(task, which - 1, who).map(drop)
}

pub fn getcpu(task: &mut Task, cpu: u64, node: u64, _cache: u64) -> Result<()> {
    task.write_unless_null(cpu, &[0; 4])?;
    task.write_unless_null(node, &[0; 4])
}

/// On one processor every thread sees memory in order: all but the registrations is nothing to do.
pub fn membarrier(_: &mut Task, command: i32, flags: u32, _cpu: i32) -> Result<i32> {
    /// Global, global expedited, private expedited, private expedited sync-core, and the registrations.
    const COMMANDS: i32 = 0x7f;
    match command {
        0 if flags == 0 => Ok(COMMANDS),
        _ if flags != 0 => Err(Errno::EINVAL),
        1 | 2 | 4 | 8 | 16 | 32 | 64 => Ok(0),
        _ => Err(Errno::EINVAL),
    }
}

impl Process {
    /// Whether somebody may look into a process (`ptrace_may_access`): itself, its owner, root.
    pub fn may_inspect(&self, by: &Thread) -> bool {
        let own = by.credentials();
        let same = self.any_thread().is_some_and(|thread| {
            let theirs = thread.credentials();
            [theirs.uid.real, theirs.uid.effective, theirs.uid.saved].iter().all(|uid| *uid == own.uid.fs)
        });
        by.process().pid() == self.pid() || own.can(19) || same && self.is_dumpable.load(Ordering::Relaxed)
    }
}
