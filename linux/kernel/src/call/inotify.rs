//! `inotify(7)`.

use linux_base::{Errno, OpenFlags, Result};
use linux_vfs::inotify::{Inotify, event};

use super::stat::AT_SYMLINK_NOFOLLOW;
use crate::file::AT_FDCWD;
use crate::task::Task;

pub fn inotify_init(task: &mut Task) -> Result<i32> {
    inotify_init1(task, 0)
}

pub fn inotify_init1(task: &mut Task, flags: u32) -> Result<i32> {
    let flags = OpenFlags::from_bits_retain(flags);
    if !(OpenFlags::CLOEXEC | OpenFlags::NONBLOCK).contains(flags) {
        return Err(Errno::EINVAL);
    }
    let open = Inotify::open(flags & OpenFlags::NONBLOCK);
    task.insert(open, flags.contains(OpenFlags::CLOEXEC))
}

pub fn inotify_add_watch(task: &mut Task, fd: i32, path: u64, mask: u32) -> Result<i32> {
    let open = task.files()?.get(fd)?;
    let instance: &Inotify = open.downcast().ok_or(Errno::EINVAL)?;
    let path = task.path(path)?;
    let flags = if mask & event::DONT_FOLLOW != 0 { AT_SYMLINK_NOFOLLOW } else { 0 };
    let place = task.place(AT_FDCWD, &path, flags)?;
    task.asker().context().watch(instance, &place, mask)
}

pub fn inotify_rm_watch(task: &mut Task, fd: i32, watch: i32) -> Result<()> {
    let open = task.files()?.get(fd)?;
    let instance: &Inotify = open.downcast().ok_or(Errno::EINVAL)?;
    instance.remove(watch)
}
