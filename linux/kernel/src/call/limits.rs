//! Limits and usage of resources (`getrlimit(2)`, `getrusage(2)`, `times(2)`).

use alloc::sync::Arc;

use linux_base::{Credentials, Errno, Result, host};
use linux_task::limits::{Limit, Resource};

use crate::task::{Process, Task, Times, table};

/// What a process has used, its running threads included.
pub fn process_times(process: &Process) -> Times {
    let mut times = *process.times.lock();
    for thread in process.threads() {
        thread.account_if_current();
        times.add(&thread.times.lock());
    }
    if let Some(space) = process.space() {
        times.peak_kib = times.peak_kib.max(space.totals().peak_resident * 4);
    }
    times
}

/// `struct rusage`.
pub fn rusage_bytes(times: &Times) -> [u8; 144] {
    let seconds = |ns: u64| [ns / 1_000_000_000, ns % 1_000_000_000 / 1000];
    let (user, system) = (seconds(times.user_ns), seconds(times.system_ns));
    let words = [
        user[0],
        user[1],
        system[0],
        system[1],
        times.peak_kib,
        0,
        0,
        0,
        times.minor_faults,
        times.major_faults,
        0,
        0,
        0,
        0,
        0,
        0,
        times.waits,
        times.preemptions,
    ];
    let mut bytes = [0; 144];
    for (place, word) in bytes.chunks_exact_mut(8).zip(words) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    bytes
}

pub fn getrusage(task: &mut Task, who: i32, usage: u64) -> Result<()> {
    host::host().now_ns();
    let times = match who {
        0 => process_times(task.process()),
        -1 => {
            let times = process_times(task.process());
            Times { user_ns: times.children_user_ns, system_ns: times.children_system_ns, ..Times::default() }
        }
        1 => {
            task.thread.account_user();
            *task.thread.times.lock()
        }
        _ => return Err(Errno::EINVAL),
    };
    task.space().write_bytes(usage, &rusage_bytes(&times))
}

/// Nanoseconds of a clock tick.
const TICK_NS: u64 = 10_000_000;

pub fn times(task: &mut Task, buf: u64) -> Result<u64> {
    let now = host::host().now_ns();
    let times = process_times(task.process());
    let mut bytes = [0; 32];
    let words = [times.user_ns, times.system_ns, times.children_user_ns, times.children_system_ns];
    for (place, ns) in bytes.chunks_exact_mut(8).zip(words) {
        place.copy_from_slice(&(ns / TICK_NS).to_le_bytes());
    }
    task.write_unless_null(buf, &bytes)?;
    Ok(now / TICK_NS)
}

fn read_limit(task: &Task, address: u64) -> Result<Limit> {
    let space = task.space();
    Ok(Limit { soft: space.read_u64(address)?, hard: space.read_u64(address.wrapping_add(8))? })
}

fn write_limit(task: &Task, address: u64, limit: Limit) -> Result<()> {
    task.space().write_u64(address, limit.soft)?;
    task.space().write_u64(address.wrapping_add(8), limit.hard)
}

fn set(task: &Task, process: &Arc<Process>, resource: Resource, limit: Limit) -> Result<()> {
    let may_raise = task.thread.credentials().can(Credentials::CAP_SYS_RESOURCE);
    process.limits.lock().set(resource, limit, may_raise)?;
    if resource == Resource::Cpu {
        super::cpulimit::apply(process);
    }
    if let Some(space) = process.space() {
        space.set_limits(process.memory_limits());
    }
    Ok(())
}

pub fn getrlimit(task: &mut Task, resource: u32, limit: u64) -> Result<()> {
    let value = task.process().limits.lock().get(Resource::new(resource)?);
    write_limit(task, limit, value)
}

pub fn setrlimit(task: &mut Task, resource: u32, limit: u64) -> Result<()> {
    let limit = read_limit(task, limit)?;
    set(task, task.process(), Resource::new(resource)?, limit)
}

pub fn prlimit64(task: &mut Task, pid: i32, resource: u32, new: u64, old: u64) -> Result<()> {
    let resource = Resource::new(resource)?;
    let process = match pid {
        0 => task.process().clone(),
        _ => {
            let process = u32::try_from(pid).ok().and_then(table::process).ok_or(Errno::ESRCH)?;
            let (own, theirs) =
                (task.thread.credentials(), process.any_thread().map(|thread| thread.credentials()));
            let is_same = theirs.is_some_and(|theirs| {
                [theirs.uid.real, theirs.uid.effective, theirs.uid.saved]
                    .iter()
                    .all(|uid| *uid == own.uid.real)
            });
            if !is_same && !own.can(Credentials::CAP_SYS_RESOURCE) {
                return Err(Errno::EPERM);
            }
            process
        }
    };
    let before = process.limits.lock().get(resource);
    if new != 0 {
        let limit = read_limit(task, new)?;
        set(task, &process, resource, limit)?;
    }
    if old == 0 { Ok(()) } else { write_limit(task, old, before) }
}
