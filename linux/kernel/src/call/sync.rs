//! Writing back (`fsync(2)`, `sync(2)`). Files live in memory and have nothing to be written back to; disks have.

use linux_base::{Errno, OpenFlags, Result};

use crate::task::Task;

fn check(task: &Task, fd: i32) -> Result<()> {
    let open = task.files()?.get(fd)?;
    if open.flags().contains(OpenFlags::PATH) {
        return Err(Errno::EBADF);
    }
    let mode = open.file().stat()?.mode;
    // Pipes, sockets and the like have nothing to synchronise.
    let has_content = mode.is_regular() || mode.is_directory() || mode.kind() == linux_base::Mode::BLOCK;
    if has_content { open.file().sync() } else { Err(Errno::EINVAL) }
}

pub fn fsync(task: &mut Task, fd: i32) -> Result<()> {
    check(task, fd)
}

pub fn fdatasync(task: &mut Task, fd: i32) -> Result<()> {
    check(task, fd)
}

pub fn sync(_: &mut Task) -> Result<()> {
    minios_std::block::sync_all();
    Ok(())
}

pub fn syncfs(task: &mut Task, fd: i32) -> Result<()> {
    let open = task.files()?.get(fd)?;
    if open.flags().contains(OpenFlags::PATH) { Err(Errno::EBADF) } else { Ok(()) }
}

pub fn sync_file_range(task: &mut Task, fd: i32, offset: i64, len: i64, flags: u32) -> Result<()> {
    if flags & !7 != 0 || offset < 0 || len < 0 || offset.checked_add(len).is_none() {
        return Err(Errno::EINVAL);
    }
    // More than was asked for: the whole file, and flushed.
    match check(task, fd) {
        Err(Errno::EINVAL) => Err(Errno::ESPIPE),
        other => other,
    }
}
