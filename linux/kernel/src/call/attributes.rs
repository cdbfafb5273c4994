//! Permissions, owners and times of files (`chmod(2)`, `chown(2)`, `utimensat(2)`).

use linux_base::{Errno, OpenFlags, Result, Timespec};
use linux_vfs::Location;
use linux_vfs::ops::{Moment, Times};

use super::stat::{AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW};
use crate::file::{AT_FDCWD, vfs};
use crate::task::Task;

/// The place of a descriptor that may be used to change what is there.
fn place_of(task: &Task, fd: i32) -> Result<Location> {
    let open = task.files()?.get(fd)?;
    if open.flags().contains(OpenFlags::PATH) { Err(Errno::EBADF) } else { Ok(vfs().place_of(&open)) }
}

pub fn fchmodat2(task: &mut Task, dir: i32, path: u64, mode: u32, flags: u32) -> Result<()> {
    if flags & !(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL);
    }
    let path = task.path(path)?;
    let place = task.place(dir, &path, flags)?;
    if place.inode()?.mode().is_symlink() {
        return Err(Errno::EOPNOTSUPP);
    }
    task.asker().context().chmod(&place, mode & 0o7777)
}

pub fn fchmodat(task: &mut Task, dir: i32, path: u64, mode: u32) -> Result<()> {
    fchmodat2(task, dir, path, mode, 0)
}

pub fn chmod(task: &mut Task, path: u64, mode: u32) -> Result<()> {
    fchmodat2(task, AT_FDCWD, path, mode, 0)
}

pub fn fchmod(task: &mut Task, fd: i32, mode: u32) -> Result<()> {
    let place = place_of(task, fd)?;
    task.asker().context().chmod(&place, mode & 0o7777)
}

/// `-1` leaves it as it is.
fn id(id: i32) -> Option<u32> {
    (id != -1).then_some(id as u32)
}

pub fn fchownat(task: &mut Task, dir: i32, path: u64, uid: i32, gid: i32, flags: u32) -> Result<()> {
    if flags & !(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL);
    }
    let path = task.path(path)?;
    let place = task.place(dir, &path, flags)?;
    task.asker().context().chown(&place, id(uid), id(gid))
}

pub fn chown(task: &mut Task, path: u64, uid: i32, gid: i32) -> Result<()> {
    fchownat(task, AT_FDCWD, path, uid, gid, 0)
}

pub fn lchown(task: &mut Task, path: u64, uid: i32, gid: i32) -> Result<()> {
    fchownat(task, AT_FDCWD, path, uid, gid, AT_SYMLINK_NOFOLLOW)
}

pub fn fchown(task: &mut Task, fd: i32, uid: i32, gid: i32) -> Result<()> {
    let place = place_of(task, fd)?;
    task.asker().context().chown(&place, id(uid), id(gid))
}

const UTIME_NOW: i64 = (1 << 30) - 1;
const UTIME_OMIT: i64 = (1 << 30) - 2;

fn word(task: &Task, address: u64, index: u64) -> Result<i64> {
    task.space().read_u64(address.wrapping_add(index * 8)).map(|word| word as i64)
}

fn moment(seconds: i64, nanos: i64) -> Result<Moment> {
    match nanos {
        UTIME_NOW => Ok(Moment::Now),
        UTIME_OMIT => Ok(Moment::Keep),
        0..1_000_000_000 => Ok(Moment::At(Timespec { seconds, nanos: nanos as u32 })),
        _ => Err(Errno::EINVAL),
    }
}

pub fn utimensat(task: &mut Task, dir: i32, path: u64, times: u64, flags: u32) -> Result<()> {
    if flags & !(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL);
    }
    let times = match times {
        0 => None,
        _ => {
            let accessed = moment(word(task, times, 0)?, word(task, times, 1)?)?;
            let modified = moment(word(task, times, 2)?, word(task, times, 3)?)?;
            if (accessed, modified) == (Moment::Keep, Moment::Keep) {
                return Ok(());
            }
            Some(Times { accessed, modified })
        }
    };
    // Without a path the descriptor itself is meant.
    let place = if path == 0 {
        if flags != 0 {
            return Err(Errno::EINVAL);
        }
        if dir == AT_FDCWD {
            return Err(Errno::EFAULT);
        }
        place_of(task, dir)?
    } else {
        let path = task.path(path)?;
        task.place(dir, &path, flags)?
    };
    task.asker().context().set_times(&place, times)
}

/// With microseconds, as `utimes` has it.
fn set_by_timevals(task: &Task, dir: i32, path: u64, times: u64) -> Result<()> {
    let times = match times {
        0 => None,
        _ => {
            let part = |first: u64| {
                let micros = word(task, times, first + 1)?;
                if !(0..1_000_000).contains(&micros) {
                    return Err(Errno::EINVAL);
                }
                moment(word(task, times, first)?, micros * 1000)
            };
            Some(Times { accessed: part(0)?, modified: part(2)? })
        }
    };
    let place = if path == 0 && dir != AT_FDCWD {
        place_of(task, dir)?
    } else {
        let path = task.path(path)?;
        task.place(dir, &path, 0)?
    };
    task.asker().context().set_times(&place, times)
}

pub fn utimes(task: &mut Task, path: u64, times: u64) -> Result<()> {
    set_by_timevals(task, AT_FDCWD, path, times)
}

pub fn futimesat(task: &mut Task, dir: i32, path: u64, times: u64) -> Result<()> {
    set_by_timevals(task, dir, path, times)
}

pub fn utime(task: &mut Task, path: u64, times: u64) -> Result<()> {
    let times = match times {
        0 => None,
        _ => Some(Times {
            accessed: moment(word(task, times, 0)?, 0)?,
            modified: moment(word(task, times, 1)?, 0)?,
        }),
    };
    let path = task.path(path)?;
    let place = task.place(AT_FDCWD, &path, 0)?;
    task.asker().context().set_times(&place, times)
}
