//! Clocks and sleeping (`clock_gettime(2)`, `nanosleep(2)`).

use linux_base::wait::{Interruptible, wait_until};
use linux_base::{Credentials, Errno, Result, host};

use crate::memory::Duration;
use crate::signal::restart;
use crate::task::{Task, table};

/// How `restart_syscall` goes on.
#[derive(Clone, Copy, Default, Debug)]
pub enum Restart {
    /// It does not.
    #[default]
    None,
    /// With the rest of a sleep.
    Sleep(Sleep),
}

/// A sleep.
#[derive(Clone, Copy, Debug)]
pub struct Sleep {
    deadline_ns: u64,
    /// Where the rest of the time goes when a handler is called; 0 is nowhere.
    remaining: u64,
}

/// What a clock shows, in nanoseconds. `EINVAL` for one that there is not.
fn read(task: &Task, clock: i32) -> Result<u64> {
    let host = host::host();
    Ok(match clock {
        0 | 5 | 8 | 11 => host.wall_ns(),
        1 | 4 | 6 | 7 | 9 => host.now_ns(),
        2 => {
            host.now_ns();
            super::limits::process_times(task.process()).cpu_ns()
        }
        3 => {
            host.now_ns();
            task.thread.account_user();
            task.thread.times.lock().cpu_ns()
        }
        // The clock of another process or thread: its number in the upper bits, inverted.
        _ if clock < 0 => {
            let id = !(clock >> 3) as u32;
            let is_thread = clock & 4 != 0;
            match (is_thread, id) {
                (true, 0) => return read(task, 3),
                (false, 0) => return read(task, 2),
                (true, id) => table::thread(id).ok_or(Errno::EINVAL)?.times.lock().cpu_ns(),
                (false, id) => {
                    super::limits::process_times(&*table::process(id).ok_or(Errno::EINVAL)?).cpu_ns()
                }
            }
        }
        _ => return Err(Errno::EINVAL),
    })
}

pub fn clock_gettime(task: &mut Task, clock: i32, time: u64) -> Result<()> {
    let now = read(task, clock)?;
    task.space().write_bytes(time, &Duration::bytes_of_ns(now))
}

pub fn clock_getres(task: &mut Task, clock: i32, resolution: u64) -> Result<()> {
    read(task, clock)?;
    let ns = if matches!(clock, 5 | 6) { 4_000_000 } else { 1 };
    task.write_unless_null(resolution, &Duration::bytes_of_ns(ns))
}

/// The clock is Xen's: a guest does not set it.
fn refuse(task: &Task) -> Result<()> {
    let _ = task.thread.credentials().can(Credentials::CAP_SYS_ADMIN);
    Err(Errno::EPERM)
}

pub fn clock_settime(task: &mut Task, clock: i32, time: u64) -> Result<()> {
    task.read_timespec(time)?;
    if clock != 0 {
        return Err(Errno::EINVAL);
    }
    refuse(task)
}

pub fn settimeofday(task: &mut Task, time: u64, zone: u64) -> Result<()> {
    if time != 0 {
        let _: [u8; 16] = task.space().read_array(time)?;
    }
    if zone != 0 {
        let _: [u8; 8] = task.space().read_array(zone)?;
    }
    refuse(task)
}

/// Bytes of `struct timex`.
const TIMEX_LEN: usize = 208;
/// `TIME_ERROR`: nobody keeps the clock in step but Xen.
const TIME_ERROR: i32 = 5;

pub fn adjtimex(task: &mut Task, buf: u64) -> Result<i32> {
    if task.space().read_u32(buf)? != 0 {
        return Err(Errno::EPERM);
    }
    let mut bytes = [0; TIMEX_LEN];
    let now = Duration::timeval_of_ns(host::host().wall_ns());
    for (place, byte) in bytes.iter_mut().skip(72).zip(now) {
        *place = byte;
    }
    // Frequency tolerance and tick.
    for (place, byte) in bytes.iter_mut().skip(88).zip(10_000_u64.to_le_bytes()) {
        *place = byte;
    }
    task.space().write_bytes(buf, &bytes)?;
    Ok(TIME_ERROR)
}

pub fn clock_adjtime(task: &mut Task, clock: i32, buf: u64) -> Result<i32> {
    if clock == 0 { adjtimex(task, buf) } else { Err(Errno::EOPNOTSUPP) }
}

pub fn gettimeofday(task: &mut Task, time: u64, zone: u64) -> Result<()> {
    task.write_unless_null(time, &Duration::timeval_of_ns(host::host().wall_ns()))?;
    task.write_unless_null(zone, &[0; 8])
}

pub fn time(task: &mut Task, time: u64) -> Result<u64> {
    let now = host::host().wall_ns() / 1_000_000_000;
    task.write_unless_null(time, &now.to_le_bytes())?;
    Ok(now)
}

pub fn nanosleep(task: &mut Task, request: u64, remaining: u64) -> Result<()> {
    let time = task.read_timespec(request)?;
    let deadline_ns = host::host().now_ns().saturating_add(time.as_ns());
    sleep(task, Sleep { deadline_ns, remaining })
}

pub fn clock_nanosleep(task: &mut Task, clock: i32, flags: u32, request: u64, remaining: u64) -> Result<()> {
    const ABSOLUTE: u32 = 1;
    let now = match clock {
        0 | 1 | 7 | 8 | 9 | 11 => read(task, clock)?,
        2 => read(task, clock)?,
        3..=6 => return Err(if clock == 3 { Errno::EINVAL } else { Errno::EOPNOTSUPP }),
        _ => return Err(Errno::EINVAL),
    };
    let time = task.read_timespec(request)?.as_ns();
    let wait = if flags & ABSOLUTE != 0 { time.saturating_sub(now) } else { time };
    let deadline_ns = host::host().now_ns().saturating_add(wait);
    if flags & ABSOLUTE == 0 {
        return sleep(task, Sleep { deadline_ns, remaining });
    }
    match sleep(task, Sleep { deadline_ns, remaining: 0 }) {
        // The same moment is meant when it starts again.
        Err(errno) if restart::is_restart(errno) => Err(restart::unless_handled()),
        other => other,
    }
}

/// Sleeps on.
pub fn sleep(task: &mut Task, sleep: Sleep) -> Result<()> {
    let outcome = wait_until::<()>(&[], Some(sleep.deadline_ns), Interruptible::Yes, || None);
    match outcome {
        Err(Errno::EINTR) => {}
        _ => return Ok(()),
    }
    let left = sleep.deadline_ns.saturating_sub(host::host().now_ns());
    task.write_unless_null(sleep.remaining, &Duration::bytes_of_ns(left))?;
    task.restart = Restart::Sleep(sleep);
    Err(restart::by_block())
}
