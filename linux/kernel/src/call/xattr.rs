//! Extended attributes (`xattr(7)`).

use alloc::vec::Vec;

use linux_base::{Errno, OpenFlags, Result};
use linux_vfs::Location;
use linux_vfs::xattr::{NAME_MAX, SIZE_MAX, Setting};

use super::stat::AT_SYMLINK_NOFOLLOW;
use crate::file::{AT_FDCWD, vfs};
use crate::task::Task;

fn by_path(task: &Task, path: u64, flags: u32) -> Result<Location> {
    let path = task.path(path)?;
    task.place(AT_FDCWD, &path, flags)
}

fn by_fd(task: &Task, fd: i32) -> Result<Location> {
    let open = task.files()?.get(fd)?;
    if open.flags().contains(OpenFlags::PATH) { Err(Errno::EBADF) } else { Ok(vfs().place_of(&open)) }
}

fn name(task: &Task, address: u64) -> Result<Vec<u8>> {
    task.space().read_cstr(address, NAME_MAX + 1).map_err(|errno| match errno {
        Errno::ENAMETOOLONG => Errno::ERANGE,
        other => other,
    })
}

fn set(task: &Task, place: &Location, name_at: u64, value: u64, size: usize, flags: u32) -> Result<()> {
    let setting = match flags {
        0 => Setting::Any,
        1 => Setting::Create,
        2 => Setting::Replace,
        _ => return Err(Errno::EINVAL),
    };
    let name = name(task, name_at)?;
    if size > SIZE_MAX {
        return Err(Errno::E2BIG);
    }
    let mut bytes = alloc::vec![0; size];
    task.space().read_bytes(value, &mut bytes)?;
    task.asker().context().set_xattr(place, &name, &bytes, setting)
}

/// Gives a value out; a size of 0 only asks for the length.
fn give(task: &Task, value: &[u8], to: u64, size: usize) -> Result<usize> {
    if size != 0 {
        if value.len() > size {
            return Err(Errno::ERANGE);
        }
        if !value.is_empty() {
            task.space().write_bytes(to, value)?;
        }
    }
    Ok(value.len())
}

fn get(task: &Task, place: &Location, name_at: u64, value: u64, size: usize) -> Result<usize> {
    let name = name(task, name_at)?;
    let found = task.asker().context().get_xattr(place, &name)?;
    give(task, &found, value, size)
}

fn list(task: &Task, place: &Location, to: u64, size: usize) -> Result<usize> {
    let names = task.asker().context().list_xattr(place)?;
    give(task, &names, to, size)
}

fn remove(task: &Task, place: &Location, name_at: u64) -> Result<()> {
    let name = name(task, name_at)?;
    task.asker().context().remove_xattr(place, &name)
}

pub fn setxattr(task: &mut Task, path: u64, name: u64, value: u64, size: usize, flags: u32) -> Result<()> {
    let place = by_path(task, path, 0)?;
    set(task, &place, name, value, size, flags)
}

pub fn lsetxattr(task: &mut Task, path: u64, name: u64, value: u64, size: usize, flags: u32) -> Result<()> {
    let place = by_path(task, path, AT_SYMLINK_NOFOLLOW)?;
    set(task, &place, name, value, size, flags)
}

pub fn fsetxattr(task: &mut Task, fd: i32, name: u64, value: u64, size: usize, flags: u32) -> Result<()> {
    let place = by_fd(task, fd)?;
    set(task, &place, name, value, size, flags)
}

pub fn getxattr(task: &mut Task, path: u64, name: u64, value: u64, size: usize) -> Result<usize> {
    let place = by_path(task, path, 0)?;
    get(task, &place, name, value, size)
}

pub fn lgetxattr(task: &mut Task, path: u64, name: u64, value: u64, size: usize) -> Result<usize> {
    let place = by_path(task, path, AT_SYMLINK_NOFOLLOW)?;
    get(task, &place, name, value, size)
}

pub fn fgetxattr(task: &mut Task, fd: i32, name: u64, value: u64, size: usize) -> Result<usize> {
    let place = by_fd(task, fd)?;
    get(task, &place, name, value, size)
}

pub fn listxattr(task: &mut Task, path: u64, to: u64, size: usize) -> Result<usize> {
    let place = by_path(task, path, 0)?;
    list(task, &place, to, size)
}

pub fn llistxattr(task: &mut Task, path: u64, to: u64, size: usize) -> Result<usize> {
    let place = by_path(task, path, AT_SYMLINK_NOFOLLOW)?;
    list(task, &place, to, size)
}

pub fn flistxattr(task: &mut Task, fd: i32, to: u64, size: usize) -> Result<usize> {
    let place = by_fd(task, fd)?;
    list(task, &place, to, size)
}

pub fn removexattr(task: &mut Task, path: u64, name: u64) -> Result<()> {
    let place = by_path(task, path, 0)?;
    remove(task, &place, name)
}

pub fn lremovexattr(task: &mut Task, path: u64, name: u64) -> Result<()> {
    let place = by_path(task, path, AT_SYMLINK_NOFOLLOW)?;
    remove(task, &place, name)
}

pub fn fremovexattr(task: &mut Task, fd: i32, name: u64) -> Result<()> {
    let place = by_fd(task, fd)?;
    remove(task, &place, name)
}
