//! Names: making, linking, renaming and removing them (`mkdir(2)`, `link(2)`, `rename(2)`, `unlink(2)`).

use linux_base::stat::DeviceNumber;
use linux_base::{Errno, Mode, Result};
use linux_vfs::Follow;
use linux_vfs::ops::RenameFlags;

use super::stat::{AT_EMPTY_PATH, AT_SYMLINK_FOLLOW};
use crate::file::AT_FDCWD;
use crate::task::Task;

const AT_REMOVEDIR: u32 = 0x200;

pub fn mkdirat(task: &mut Task, dir: i32, path: u64, mode: u32) -> Result<()> {
    let path = task.path(path)?;
    let base = task.base(dir, &path)?;
    task.asker().context().mkdir(base.as_ref(), &path, mode & 0o1777)
}

pub fn mkdir(task: &mut Task, path: u64, mode: u32) -> Result<()> {
    mkdirat(task, AT_FDCWD, path, mode)
}

pub fn mknodat(task: &mut Task, dir: i32, path: u64, mode: u32, dev: u32) -> Result<()> {
    const CAP_MKNOD: u32 = 27;
    let mode = Mode(mode);
    match mode.kind() {
        0 | Mode::REGULAR | Mode::FIFO | Mode::SOCKET => {}
        Mode::CHARACTER | Mode::BLOCK => {
            if !task.thread.credentials().can(CAP_MKNOD) {
                return Err(Errno::EPERM);
            }
        }
        Mode::DIRECTORY => return Err(Errno::EPERM),
        _ => return Err(Errno::EINVAL),
    }
    let path = task.path(path)?;
    let base = task.base(dir, &path)?;
    let rdev = DeviceNumber { major: dev >> 8 & 0xfff, minor: dev & 0xff | dev >> 12 & 0xfff00 }.encode();
    task.asker().context().mknod(base.as_ref(), &path, mode.0, rdev).map(drop)
}

pub fn mknod(task: &mut Task, path: u64, mode: u32, dev: u32) -> Result<()> {
    mknodat(task, AT_FDCWD, path, mode, dev)
}

pub fn symlinkat(task: &mut Task, target: u64, dir: i32, path: u64) -> Result<()> {
    let target = task.path(target)?;
    if target.is_empty() {
        return Err(Errno::ENOENT);
    }
    let path = task.path(path)?;
    let base = task.base(dir, &path)?;
    task.asker().context().symlink(&target, base.as_ref(), &path)
}

pub fn symlink(task: &mut Task, target: u64, path: u64) -> Result<()> {
    symlinkat(task, target, AT_FDCWD, path)
}

pub fn linkat(task: &mut Task, old_dir: i32, old: u64, new_dir: i32, new: u64, flags: u32) -> Result<()> {
    if flags & !(AT_EMPTY_PATH | AT_SYMLINK_FOLLOW) != 0 {
        return Err(Errno::EINVAL);
    }
    let (old, new) = (task.path(old)?, task.path(new)?);
    let base = task.base(new_dir, &new)?;
    let asker = task.asker();
    if old.is_empty() && flags & AT_EMPTY_PATH != 0 {
        let place = task.place(old_dir, &old, flags)?;
        return asker.context().link_place(&place, base.as_ref(), &new);
    }
    let old_base = task.base(old_dir, &old)?;
    let follow = if flags & AT_SYMLINK_FOLLOW != 0 { Follow::Yes } else { Follow::No };
    asker.context().link(old_base.as_ref(), &old, follow, base.as_ref(), &new)
}

pub fn link(task: &mut Task, old: u64, new: u64) -> Result<()> {
    linkat(task, AT_FDCWD, old, AT_FDCWD, new, 0)
}

pub fn unlinkat(task: &mut Task, dir: i32, path: u64, flags: u32) -> Result<()> {
    if flags & !AT_REMOVEDIR != 0 {
        return Err(Errno::EINVAL);
    }
    let path = task.path(path)?;
    let base = task.base(dir, &path)?;
    let asker = task.asker();
    if flags & AT_REMOVEDIR == 0 {
        asker.context().unlink(base.as_ref(), &path)
    } else {
        asker.context().rmdir(base.as_ref(), &path)
    }
}

pub fn unlink(task: &mut Task, path: u64) -> Result<()> {
    unlinkat(task, AT_FDCWD, path, 0)
}

pub fn rmdir(task: &mut Task, path: u64) -> Result<()> {
    unlinkat(task, AT_FDCWD, path, AT_REMOVEDIR)
}

pub fn renameat2(task: &mut Task, old_dir: i32, old: u64, new_dir: i32, new: u64, flags: u32) -> Result<()> {
    let flags = RenameFlags::from_bits(flags).ok_or(Errno::EINVAL)?;
    let (old, new) = (task.path(old)?, task.path(new)?);
    let (old_base, new_base) = (task.base(old_dir, &old)?, task.base(new_dir, &new)?);
    task.asker().context().rename(old_base.as_ref(), &old, new_base.as_ref(), &new, flags)
}

pub fn renameat(task: &mut Task, old_dir: i32, old: u64, new_dir: i32, new: u64) -> Result<()> {
    renameat2(task, old_dir, old, new_dir, new, 0)
}

pub fn rename(task: &mut Task, old: u64, new: u64) -> Result<()> {
    renameat2(task, AT_FDCWD, old, AT_FDCWD, new, 0)
}
