//! `fcntl(2)` and `flock(2)`.

use alloc::sync::Arc;

use linux_base::wait::{Interruptible, wait_until};
use linux_base::{Credentials, Errno, OpenFile, OpenFlags, Result};
use linux_event::PipeEnd;
use linux_vfs::locks::{self, Flock, Range, RecordLock};

use crate::signal::restart;
use crate::task::Task;

const F_DUPFD: u32 = 0;
const F_GETFD: u32 = 1;
const F_SETFD: u32 = 2;
const F_GETFL: u32 = 3;
const F_SETFL: u32 = 4;
const F_GETLK: u32 = 5;
const F_SETLK: u32 = 6;
const F_SETLKW: u32 = 7;
const F_SETOWN: u32 = 8;
const F_GETOWN: u32 = 9;
const F_SETSIG: u32 = 10;
const F_GETSIG: u32 = 11;
const F_SETOWN_EX: u32 = 15;
const F_GETOWN_EX: u32 = 16;
const F_OFD_GETLK: u32 = 36;
const F_OFD_SETLK: u32 = 37;
const F_OFD_SETLKW: u32 = 38;
const F_SETLEASE: u32 = 1024;
const F_GETLEASE: u32 = 1025;
const F_DUPFD_CLOEXEC: u32 = 1030;
const F_SETPIPE_SZ: u32 = 1031;
const F_GETPIPE_SZ: u32 = 1032;
const F_ADD_SEALS: u32 = 1033;
const F_GET_SEALS: u32 = 1034;
const FD_CLOEXEC: u64 = 1;

pub fn fcntl(task: &mut Task, fd: i32, command: u32, argument: u64) -> Result<i64> {
    let files = task.files()?;
    let open = files.get(fd)?;
    let is_path = open.flags().contains(OpenFlags::PATH);
    let by_path = matches!(command, F_DUPFD | F_DUPFD_CLOEXEC | F_GETFD | F_SETFD | F_GETFL);
    if is_path && !by_path {
        return Err(Errno::EBADF);
    }
    match command {
        F_DUPFD | F_DUPFD_CLOEXEC => {
            let limit = task.descriptor_limit();
            let least = usize::try_from(argument as i32)
                .ok()
                .filter(|least| (*least as u64) < limit)
                .ok_or(Errno::EINVAL)?;
            files.insert(open, command == F_DUPFD_CLOEXEC, least, limit).map(i64::from)
        }
        F_GETFD => Ok(i64::from(files.descriptor(fd)?.close_on_exec)),
        F_SETFD => files.set_close_on_exec(fd, argument & FD_CLOEXEC != 0).map(|()| 0),
        F_GETFL => Ok(open.flags().difference(OpenFlags::CLOEXEC).bits().into()),
        F_SETFL => {
            open.set_flags(OpenFlags::from_bits_retain(argument as u32));
            Ok(0)
        }
        F_GETLK | F_OFD_GETLK => get_lock(task, &open, argument, command == F_OFD_GETLK).map(|()| 0),
        F_SETLK | F_OFD_SETLK => {
            let lock = read_lock(task, &open, argument, command == F_OFD_SETLK)?;
            locks::record_set(&open, &lock).map(|()| 0)
        }
        F_SETLKW | F_OFD_SETLKW => {
            let lock = read_lock(task, &open, argument, command == F_OFD_SETLKW)?;
            wait_for_lock(&open, &lock).map(|()| 0)
        }
        // Signals of readiness (SIGIO) are not sent; whom they would go to can be said.
        F_SETOWN => {
            open.set_owner(argument as i32);
            Ok(0)
        }
        F_GETOWN => Ok(open.owner().into()),
        F_SETOWN_EX => {
            let (kind, id) =
                (task.space().read_u32(argument)?, task.space().read_u32(argument.wrapping_add(4))? as i32);
            match kind {
                0 | 1 => open.set_owner(id),
                2 => open.set_owner(id.wrapping_neg()),
                _ => return Err(Errno::EINVAL),
            }
            Ok(0)
        }
        F_GETOWN_EX => {
            let owner = open.owner();
            let kind = if owner < 0 { 2_u32 } else { 1 };
            task.space().write_u32(argument, kind)?;
            task.space().write_u32(argument.wrapping_add(4), owner.unsigned_abs())?;
            Ok(0)
        }
        F_SETSIG | F_GETSIG => Ok(0),
        F_SETLEASE => locks::lease(&open).map(|()| 0),
        F_GETLEASE => Ok(2),
        F_SETPIPE_SZ => {
            let pipe = open.downcast::<PipeEnd>().ok_or(Errno::EBADF)?.pipe();
            let bytes = usize::try_from(argument as i32).map_err(|_| Errno::EINVAL)?;
            let is_privileged = task.thread.credentials().can(Credentials::CAP_SYS_RESOURCE);
            pipe.set_capacity(bytes, is_privileged).map(|bytes| bytes as i64)
        }
        F_GETPIPE_SZ => Ok(open.downcast::<PipeEnd>().ok_or(Errno::EBADF)?.pipe().capacity() as i64),
        F_ADD_SEALS => linux_vfs::memory::add_seals(&open, argument as u32).map(|()| 0),
        F_GET_SEALS => linux_vfs::memory::seals(&open).map(i64::from),
        _ => Err(Errno::EINVAL),
    }
}

/// Bytes of `struct flock`.
const FLOCK_LEN: usize = 32;
const F_RDLCK: u16 = 0;
const F_WRLCK: u16 = 1;
const F_UNLCK: u16 = 2;

struct Words {
    kind: u16,
    whence: u16,
    start: i64,
    len: i64,
    pid: u32,
}

fn words(task: &Task, address: u64) -> Result<Words> {
    let bytes: [u8; FLOCK_LEN] = task.space().read_array(address)?;
    let long = |at: usize| {
        bytes.get(at..at + 8).map_or(0, |bytes| i64::from_le_bytes(bytes.try_into().unwrap_or_default()))
    };
    Ok(Words {
        kind: u16::from_le_bytes([bytes[0], bytes[1]]),
        whence: u16::from_le_bytes([bytes[2], bytes[3]]),
        start: long(8),
        len: long(16),
        pid: long(24) as u32,
    })
}

fn read_lock(task: &Task, open: &Arc<OpenFile>, address: u64, is_ofd: bool) -> Result<RecordLock> {
    let words = words(task, address)?;
    if is_ofd && words.pid != 0 {
        return Err(Errno::EINVAL);
    }
    let base = match words.whence {
        0 => 0,
        1 => open.offset() as i64,
        2 => open.file().seek_end().map_err(|_| Errno::EINVAL)? as i64,
        _ => return Err(Errno::EINVAL),
    };
    let start = base.checked_add(words.start).ok_or(Errno::EOVERFLOW)?;
    let kind = match words.kind {
        F_RDLCK => Some(Flock::Shared),
        F_WRLCK => Some(Flock::Exclusive),
        F_UNLCK => None,
        _ => return Err(Errno::EINVAL),
    };
    let pid = task.process().pid();
    Ok(RecordLock {
        process: (!is_ofd).then_some(pid.into()),
        pid,
        range: Range::new(start, words.len)?,
        kind,
    })
}

fn get_lock(task: &Task, open: &Arc<OpenFile>, address: u64, is_ofd: bool) -> Result<()> {
    let lock = read_lock(task, open, address, is_ofd)?;
    let space = task.space();
    let Some(conflict) = locks::record_get(open, &lock)? else {
        return space.write_bytes(address, &F_UNLCK.to_le_bytes());
    };
    let kind = if conflict.kind == Flock::Shared { F_RDLCK } else { F_WRLCK };
    space.write_bytes(address, &kind.to_le_bytes())?;
    space.write_bytes(address.wrapping_add(2), &[0; 2])?;
    space.write_u64(address.wrapping_add(8), conflict.range.start)?;
    space.write_u64(address.wrapping_add(16), conflict.range.len())?;
    space.write_u32(address.wrapping_add(24), conflict.pid.unwrap_or(u32::MAX))
}

fn wait_for_lock(open: &Arc<OpenFile>, lock: &RecordLock) -> Result<()> {
    match locks::record_set(open, lock) {
        Err(Errno::EAGAIN) => {}
        other => return other,
    }
    let locks = locks::locks_of(open)?;
    let mut waiting = None;
    let outcome =
        wait_until(&[locks.queue()], None, Interruptible::Yes, || match locks::record_set(open, lock) {
            Err(Errno::EAGAIN) => {
                drop(waiting.take());
                match locks::wait(open, lock) {
                    Ok(mark) => {
                        waiting = mark;
                        None
                    }
                    Err(errno) => Some(Err(errno)),
                }
            }
            other => Some(other),
        });
    drop(waiting);
    restart::on_interrupt(outcome)?
}

pub fn flock(task: &mut Task, fd: i32, operation: u32) -> Result<()> {
    const NONBLOCK: u32 = 4;
    let open = task.files()?.get(fd)?;
    let wanted = match operation & !NONBLOCK {
        1 => Some(Flock::Shared),
        2 => Some(Flock::Exclusive),
        8 => None,
        _ => return Err(Errno::EINVAL),
    };
    match locks::flock(&open, wanted) {
        Err(Errno::EAGAIN) if operation & NONBLOCK == 0 => {}
        other => return other,
    }
    let locks = locks::locks_of(&open)?;
    let outcome =
        wait_until(&[locks.queue()], None, Interruptible::Yes, || match locks::flock(&open, wanted) {
            Err(Errno::EAGAIN) => None,
            other => Some(other),
        });
    restart::on_interrupt(outcome)?
}
