//! Directories: working, root, and their entries (`chdir(2)`, `getcwd(2)`, `getdents64(2)`).

use alloc::vec::Vec;
use core::ops::ControlFlow;
use core::sync::atomic::Ordering;

use linux_base::{Errno, OpenFlags, Result};
use linux_vfs::inode::DirEntry;
use linux_vfs::{Location, directory};

use crate::file::{AT_FDCWD, vfs};
use crate::task::Task;

pub fn getcwd(task: &mut Task, buf: u64, size: usize) -> Result<usize> {
    let fs = task.thread.fs();
    let (root, cwd) = (fs.root.lock().clone(), fs.cwd.lock().clone());
    let mut path = cwd.working_path(&root)?;
    path.push(0);
    if path.len() > size {
        return Err(Errno::ERANGE);
    }
    task.space().write_bytes(buf, &path)?;
    Ok(path.len())
}

/// Whether one may be in a directory.
fn check(task: &Task, place: &Location) -> Result<()> {
    if !place.inode()?.is_directory() {
        return Err(Errno::ENOTDIR);
    }
    task.asker().context().access(place, 1)
}

fn enter(task: &Task, place: Location) -> Result<()> {
    check(task, &place)?;
    let fs = task.thread.fs();
    let old = core::mem::replace(&mut *fs.cwd.lock(), place);
    drop(old);
    Ok(())
}

pub fn chdir(task: &mut Task, path: u64) -> Result<()> {
    let path = task.path(path)?;
    let place = task.place(AT_FDCWD, &path, 0)?;
    enter(task, place)
}

pub fn fchdir(task: &mut Task, fd: i32) -> Result<()> {
    let place = vfs().place_of(&task.files()?.get(fd)?);
    enter(task, place)
}

pub fn chroot(task: &mut Task, path: u64) -> Result<()> {
    let path = task.path(path)?;
    let place = task.place(AT_FDCWD, &path, 0)?;
    check(task, &place)?;
    const CAP_SYS_CHROOT: u32 = 18;
    if !task.thread.credentials().can(CAP_SYS_CHROOT) {
        return Err(Errno::EPERM);
    }
    let fs = task.thread.fs();
    let old = core::mem::replace(&mut *fs.root.lock(), place);
    drop(old);
    Ok(())
}

pub fn umask(task: &mut Task, mask: u32) -> Result<u32> {
    Ok(task.thread.fs().umask.swap(mask & 0o777, Ordering::Relaxed))
}

/// Lists as much of a directory as there is room for, each entry as `pack` lays it out for the room that is left.
fn list(
    task: &Task,
    fd: i32,
    buf: u64,
    count: usize,
    pack: impl Fn(&DirEntry<'_>) -> Vec<u8>,
) -> Result<usize> {
    let open = task.files()?.get(fd)?;
    if open.flags().contains(OpenFlags::PATH) {
        return Err(Errno::EBADF);
    }
    // More than an `int` counts is less than nothing. Whoever asks for more than we give gets it in parts.
    let room = if i32::try_from(count).is_ok() { count.min(64 << 10) } else { 0 };
    let mut bytes = Vec::new();
    bytes.try_reserve(room)?;
    let mut is_full = false;
    directory::list(&open, &mut |entry| {
        let packed = pack(&entry);
        if bytes.len() + packed.len() > room {
            is_full = true;
            return ControlFlow::Break(());
        }
        bytes.extend_from_slice(&packed);
        ControlFlow::Continue(())
    })?;
    if is_full && bytes.is_empty() {
        return Err(Errno::EINVAL);
    }
    task.space().write_bytes(buf, &bytes)?;
    Ok(bytes.len())
}

pub fn getdents64(task: &mut Task, fd: i32, buf: u64, count: u32) -> Result<usize> {
    list(task, fd, buf, count as usize, |entry| {
        let len = (19 + entry.name.len() + 1).next_multiple_of(8);
        let mut bytes = Vec::with_capacity(len);
        bytes.extend_from_slice(&entry.ino.to_le_bytes());
        bytes.extend_from_slice(&entry.next.to_le_bytes());
        bytes.extend_from_slice(&(len as u16).to_le_bytes());
        bytes.push(entry.kind);
        bytes.extend_from_slice(entry.name);
        bytes.resize(len, 0);
        bytes
    })
}

pub fn getdents(task: &mut Task, fd: i32, buf: u64, count: u32) -> Result<usize> {
    list(task, fd, buf, count as usize, |entry| {
        let len = (18 + entry.name.len() + 2).next_multiple_of(8);
        let mut bytes = Vec::with_capacity(len);
        bytes.extend_from_slice(&entry.ino.to_le_bytes());
        bytes.extend_from_slice(&entry.next.to_le_bytes());
        bytes.extend_from_slice(&(len as u16).to_le_bytes());
        bytes.extend_from_slice(entry.name);
        bytes.resize(len, 0);
        if let Some(last) = bytes.last_mut() {
            *last = entry.kind;
        }
        bytes
    })
}
