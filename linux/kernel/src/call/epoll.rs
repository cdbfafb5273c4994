//! `epoll(7)`.

use alloc::sync::Arc;

use linux_base::wait::{Interruptible, wait_until};
use linux_base::{Errno, File, OpenFile, OpenFlags, Result};
use linux_event::epoll::{Epoll, EpollEvent, check_max_events, control_of};
use linux_task::limits::Resource;

use super::poll::{Timeout, deadline_of_ms};
use crate::task::Task;

const EPOLL_CLOEXEC: u32 = OpenFlags::CLOEXEC.bits();

/// `epoll_create(2)`: the size has no meaning, but must be more than 0.
pub fn epoll_create(task: &mut Task, size: i32) -> Result<i32> {
    if size <= 0 {
        return Err(Errno::EINVAL);
    }
    epoll_create1(task, 0)
}

/// `epoll_create1(2)`
pub fn epoll_create1(task: &mut Task, flags: u32) -> Result<i32> {
    if flags & !EPOLL_CLOEXEC != 0 {
        return Err(Errno::EINVAL);
    }
    let open = OpenFile::new(Epoll::new(), OpenFlags::RDWR, b"anon_inode:[eventpoll]".to_vec());
    let limit = task.process().limit(Resource::Files);
    task.files()?.insert(open, flags & EPOLL_CLOEXEC != 0, 0, limit)
}

fn instance(task: &Task, fd: i32) -> Result<Arc<Epoll>> {
    task.files()?.get(fd)?.downcast_arc().ok_or(Errno::EINVAL)
}

/// `epoll_ctl(2)`
pub fn epoll_ctl(task: &mut Task, epoll: i32, operation: i32, fd: i32, event: u64) -> Result<()> {
    let control = control_of(operation, || task.space().read_array(event).map(EpollEvent::from_bytes));
    let files = task.files()?;
    let open = files.get(epoll)?;
    let file = files.get(fd)?;
    let instance: Arc<Epoll> = open.downcast_arc().ok_or(Errno::EINVAL)?;
    if Arc::ptr_eq(&open, &file) {
        return Err(Errno::EINVAL);
    }
    instance.control(fd, &file, control?)
}

/// `epoll_wait(2)`: a negative time-out is none.
pub fn epoll_wait(task: &mut Task, fd: i32, events: u64, most: i32, timeout_ms: i32) -> Result<usize> {
    wait(task, fd, events, most, deadline_of_ms(timeout_ms))
}

/// `epoll_pwait(2)`: the mask holds while it waits.
pub fn epoll_pwait(
    task: &mut Task,
    fd: i32,
    events: u64,
    most: i32,
    timeout_ms: i32,
    mask: u64,
    size: usize,
) -> Result<usize> {
    let deadline_ns = deadline_of_ms(timeout_ms);
    task.set_call_mask(mask, size)?;
    wait(task, fd, events, most, deadline_ns)
}

/// `epoll_pwait2(2)`: the time-out is a `timespec`.
pub fn epoll_pwait2(
    task: &mut Task,
    fd: i32,
    events: u64,
    most: i32,
    timeout: u64,
    mask: u64,
    size: usize,
) -> Result<usize> {
    let deadline_ns = Timeout::read(task, timeout)?.deadline_ns;
    task.set_call_mask(mask, size)?;
    wait(task, fd, events, most, deadline_ns)
}

fn wait(task: &Task, fd: i32, events: u64, most: i32, deadline_ns: Option<u64>) -> Result<usize> {
    let most = check_max_events(most)?;
    let epoll = instance(task, fd)?;
    let queue = epoll.queue().ok_or(Errno::EINVAL)?;
    let collect = || {
        let mut at = events;
        epoll.collect(most, &mut |event| {
            task.space().write_bytes(at, &event.to_bytes())?;
            at = at.wrapping_add(EpollEvent::SIZE as u64);
            Ok(())
        })
    };
    match collect()? {
        0 if deadline_ns == Some(0) => return Ok(0),
        0 => {}
        count => return Ok(count),
    }
    let outcome = wait_until(&[queue], deadline_ns, Interruptible::Yes, || match collect() {
        Ok(0) => None,
        other => Some(other),
    });
    match outcome {
        Ok(result) => result,
        Err(Errno::ETIMEDOUT) => Ok(0),
        // epoll_wait is never made again after a signal (signal(7)).
        Err(errno) => Err(errno),
    }
}
