//! Opening files (`open(2)`, `openat2(2)`).

use linux_base::{Errno, Mode, OpenFlags, Result};
use linux_socket::UnixName;
use linux_vfs::path::Resolve;
use linux_vfs::{Follow, Location, OpenHow};

use crate::file::AT_FDCWD;
use crate::task::Task;

/// All of `O_*`.
const KNOWN: u32 = 0o37_777_703;

fn open_how(task: &Task, dir: i32, path: u64, how: &OpenHow) -> Result<i32> {
    let path = task.path(path)?;
    let base = task.base(dir, &path)?;
    let open = task.asker().context().open_how(base.as_ref(), &path, how)?;
    task.insert(open, how.flags.contains(OpenFlags::CLOEXEC))
}

pub fn openat(task: &mut Task, dir: i32, path: u64, flags: u32, mode: u32) -> Result<i32> {
    let flags = OpenFlags::from_bits_retain(flags & KNOWN);
    let makes = flags.intersects(OpenFlags::CREAT | OpenFlags::TMPFILE);
    let mode = if makes { mode & 0o7777 } else { 0 };
    open_how(task, dir, path, &OpenHow { flags, mode, resolve: Resolve::empty() })
}

pub fn open(task: &mut Task, path: u64, flags: u32, mode: u32) -> Result<i32> {
    openat(task, AT_FDCWD, path, flags, mode)
}

pub fn creat(task: &mut Task, path: u64, mode: u32) -> Result<i32> {
    let flags = OpenFlags::CREAT | OpenFlags::WRONLY | OpenFlags::TRUNC;
    openat(task, AT_FDCWD, path, flags.bits(), mode)
}

/// Bytes of `struct open_how`.
const HOW_LEN: usize = 24;

pub fn openat2(task: &mut Task, dir: i32, path: u64, how: u64, size: usize) -> Result<i32> {
    if size < HOW_LEN {
        return Err(Errno::EINVAL);
    }
    if size > 4096 {
        return Err(Errno::E2BIG);
    }
    let space = task.space();
    let word = |at: u64| space.read_u64(how.wrapping_add(at));
    let (flags, mode, resolve) = (word(0)?, word(8)?, word(16)?);
    let mut rest = alloc::vec![0; size - HOW_LEN];
    space.read_bytes(how.wrapping_add(HOW_LEN as u64), &mut rest)?;
    if rest.iter().any(|byte| *byte != 0) {
        return Err(Errno::E2BIG);
    }
    let flags = u32::try_from(flags).ok().filter(|flags| flags & !KNOWN == 0).ok_or(Errno::EINVAL)?;
    let flags = OpenFlags::from_bits_retain(flags);
    let makes = flags.contains(OpenFlags::CREAT) || flags.contains(OpenFlags::TMPFILE);
    let mode = u32::try_from(mode)
        .ok()
        .filter(|mode| mode & !0o7777 == 0 && (makes || *mode == 0))
        .ok_or(Errno::EINVAL)?;
    let resolve = Resolve::from_bits(resolve).ok_or(Errno::EINVAL)?;
    open_how(task, dir, path, &OpenHow { flags, mode, resolve })
}

/// Makes a socket's name, for `bind`. `EADDRINUSE` if there is something.
pub fn make_socket(task: &Task, path: &[u8]) -> Result<UnixName> {
    let place = task.asker().context().mknod(None, path, Mode::SOCKET | 0o777, 0);
    let place = place.map_err(|errno| if errno == Errno::EEXIST { Errno::EADDRINUSE } else { errno })?;
    name_of(&place)
}

/// Finds a socket's name, for `connect`. `ECONNREFUSED` if it is none, `EACCES` without permission to write.
pub fn find_socket(task: &Task, path: &[u8]) -> Result<UnixName> {
    let asker = task.asker();
    let context = asker.context();
    let place = context.walk(None, path, Follow::Yes)?;
    context.access(&place, 2)?;
    if place.inode()?.mode().kind() == Mode::SOCKET { name_of(&place) } else { Err(Errno::ECONNREFUSED) }
}

fn name_of(place: &Location) -> Result<UnixName> {
    let inode = place.inode()?.clone();
    let stat = inode.stat();
    Ok(UnixName { id: (stat.dev, stat.ino), inode: inode.as_any_arc() })
}
