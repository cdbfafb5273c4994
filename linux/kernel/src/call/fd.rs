//! Descriptors (`close(2)`, `dup(2)`, `ioctl(2)`).

use alloc::sync::Arc;

use linux_base::file::UserMemory;
use linux_base::{Errno, OpenFile, OpenFlags, Result};
use linux_task::limits::Resource;
use linux_tty::TtyFile;
use linux_vfs::Follow;

use crate::task::Task;

impl Task {
    /// No descriptor is so large or larger.
    pub fn descriptor_limit(&self) -> u64 {
        self.process().limit(Resource::Files)
    }

    /// Gives an open file the lowest free number.
    pub fn insert(&self, open: Arc<OpenFile>, close_on_exec: bool) -> Result<i32> {
        self.files()?.insert(open, close_on_exec, 0, self.descriptor_limit())
    }
}

/// A descriptor of a process has gone: so have the process's record locks on that file.
pub fn closed(task: &Task, open: &Arc<OpenFile>) {
    linux_vfs::locks::release_process(open, task.process().pid().into());
}

pub fn close(task: &mut Task, fd: i32) -> Result<()> {
    let open = task.files()?.take(fd)?;
    closed(task, &open);
    if let Some(terminal) = open.downcast::<TtyFile>().filter(|_| open.flags().can_write()) {
        crate::console::settle(terminal.tty());
    }
    let result = if Arc::strong_count(&open) == 1 { open.file().flush() } else { Ok(()) };
    drop(open);
    result
}

pub fn close_range(task: &mut Task, first: u32, last: u32, flags: u32) -> Result<()> {
    const UNSHARE: u32 = 2;
    const CLOEXEC: u32 = 4;
    if flags & !(UNSHARE | CLOEXEC) != 0 || first > last {
        return Err(Errno::EINVAL);
    }
    if flags & UNSHARE != 0 {
        let files = task.files()?.duplicate()?;
        drop(task.thread.set_files(Some(files)));
    }
    let files = task.files()?;
    for fd in files.numbers() {
        if !(first..=last).contains(&(fd as u32)) {
            continue;
        }
        if flags & CLOEXEC != 0 {
            files.set_close_on_exec(fd, true)?;
        } else if let Ok(open) = files.take(fd) {
            closed(task, &open);
        }
    }
    Ok(())
}

pub fn dup(task: &mut Task, fd: i32) -> Result<i32> {
    let open = task.files()?.get(fd)?;
    task.insert(open, false)
}

pub fn dup2(task: &mut Task, old: i32, new: i32) -> Result<i32> {
    if old == new {
        task.files()?.get(old)?;
        return Ok(new);
    }
    replace(task, old, new, false)
}

pub fn dup3(task: &mut Task, old: i32, new: i32, flags: u32) -> Result<i32> {
    let flags = OpenFlags::from_bits_retain(flags);
    if old == new || !OpenFlags::CLOEXEC.contains(flags) {
        return Err(Errno::EINVAL);
    }
    replace(task, old, new, flags.contains(OpenFlags::CLOEXEC))
}

fn replace(task: &Task, old: i32, new: i32, close_on_exec: bool) -> Result<i32> {
    let files = task.files()?;
    let open = files.get(old)?;
    let before = files.get(new).ok();
    files.replace(new, open, close_on_exec, task.descriptor_limit())?;
    if let Some(before) = before {
        closed(task, &before);
    }
    Ok(new)
}

const FIONCLEX: u32 = 0x5450;
const FIOCLEX: u32 = 0x5451;
const FIONBIO: u32 = 0x5421;
const FIOASYNC: u32 = 0x5452;
const FIOQSIZE: u32 = 0x5460;
const TIOCGPTPEER: u32 = 0x5441;

pub fn ioctl(task: &mut Task, fd: i32, command: u32, argument: u64) -> Result<i64> {
    let files = task.files()?;
    let open = files.get(fd)?;
    if open.flags().contains(OpenFlags::PATH) {
        return Err(Errno::EBADF);
    }
    let flag = |flag: OpenFlags| -> Result<i64> {
        let on = task.space().read_u32(argument)? != 0;
        let mut flags = open.flags();
        flags.set(flag, on);
        open.set_flags(flags);
        Ok(0)
    };
    match command {
        FIOCLEX => files.set_close_on_exec(fd, true).map(|()| 0),
        FIONCLEX => files.set_close_on_exec(fd, false).map(|()| 0),
        FIONBIO => flag(OpenFlags::NONBLOCK),
        FIOASYNC => flag(OpenFlags::ASYNC),
        FIOQSIZE if open.file().is_seekable() => {
            task.space().write_u64(argument, open.file().stat()?.size)?;
            Ok(0)
        }
        TIOCGPTPEER => {
            let master = open.file().clone().as_any_arc().downcast::<linux_tty::PtyMaster>();
            open_peer(task, &*master.map_err(|_| Errno::ENOTTY)?, argument)
        }
        _ => {
            let memory: &dyn UserMemory = &**task.space();
            let result = open.file().ioctl(command, argument, memory);
            match result {
                Err(Errno::ERESTART) => Err(crate::signal::restart::restartable()),
                other => crate::signal::restart::on_interrupt(other),
            }
        }
    }
}

/// Opens the terminal of a master: by its name where it has one here, for `ttyname` compares the two.
fn open_peer(task: &Task, master: &linux_tty::PtyMaster, flags: u64) -> Result<i64> {
    let flags = OpenFlags::from_bits_retain(flags as u32);
    let path = alloc::format!("/dev/pts/{}", master.index()).into_bytes();
    let asker = task.asker();
    let context = asker.context();
    let device = master.tty().device().encode();
    let named = context.walk(None, &path, Follow::No).ok();
    let named = named.filter(|place| place.inode().is_ok_and(|inode| inode.stat().rdev == device));
    let open = match named {
        Some(place) => context.open_place(&place, flags)?,
        None => {
            let status = flags.difference(OpenFlags::CLOEXEC | OpenFlags::NOCTTY);
            OpenFile::new(master.open_peer(flags)?, status, path)
        }
    };
    task.insert(open, flags.contains(OpenFlags::CLOEXEC)).map(i64::from)
}
