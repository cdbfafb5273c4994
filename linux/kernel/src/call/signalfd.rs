//! `signalfd(2)`.

use alloc::sync::Arc;
use core::any::Any;

use linux_base::file::IoFlags;
use linux_base::{Errno, File, Mode, Mutex, OpenFile, OpenFlags, PollEvents, Result, Sink, Stat, WaitQueue};
use linux_task::signal::SigSet;

use crate::host;
use crate::task::Task;

/// Bytes of `struct signalfd_siginfo`.
const INFO_LEN: usize = 128;

/// A descriptor from which signals are read. They are those of whoever reads it.
struct SignalFd {
    wanted: Mutex<SigSet>,
    /// Where to wait: signals of the process that made it.
    queue: WaitQueue,
}

impl SignalFd {
    fn has_one(&self) -> bool {
        let wanted = self.wanted.lock().0;
        host::current().is_some_and(|thread| {
            let own = thread.signals.lock().pending.set();
            let pending = own.with(thread.process().pending.lock().set());
            pending.0 & wanted != 0
        })
    }
}

impl File for SignalFd {
    fn read(&self, _: u64, into: &mut dyn Sink, _: IoFlags) -> Result<usize> {
        if into.room() < INFO_LEN {
            return Err(Errno::EINVAL);
        }
        let thread = host::current().ok_or(Errno::EAGAIN)?;
        let wanted = *self.wanted.lock();
        let mut done = 0;
        while into.room() >= INFO_LEN {
            let own = thread.signals.lock().pending.take_wanted(wanted);
            let Some(info) = own.or_else(|| thread.process().pending.lock().take_wanted(wanted)) else {
                break;
            };
            done += into.push(&info.to_signalfd_bytes())?;
        }
        if done == 0 { Err(Errno::EAGAIN) } else { Ok(done) }
    }

    fn stat(&self) -> Result<Stat> {
        Ok(Stat { dev: 15, ino: 2, mode: Mode(0o600), nlink: 1, blksize: 4096, ..Stat::default() })
    }

    fn poll(&self) -> PollEvents {
        if self.has_one() { PollEvents::READABLE } else { PollEvents::empty() }
    }

    fn queue(&self) -> Option<&WaitQueue> {
        Some(&self.queue)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_arc(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

pub fn signalfd4(task: &mut Task, fd: i32, mask: u64, size: usize, flags: u32) -> Result<i32> {
    let flags = OpenFlags::from_bits_retain(flags);
    if !(OpenFlags::CLOEXEC | OpenFlags::NONBLOCK).contains(flags) {
        return Err(Errno::EINVAL);
    }
    let wanted = SigSet::mask(super::signal::read_set(task, mask, size)?.0);
    if fd != -1 {
        let open = task.files()?.get(fd)?;
        let old: &SignalFd = open.downcast().ok_or(Errno::EINVAL)?;
        *old.wanted.lock() = wanted;
        return Ok(fd);
    }
    let file = Arc::new(SignalFd { wanted: Mutex::new(wanted), queue: task.process().signalled.clone() });
    let status = OpenFlags::RDWR | flags & OpenFlags::NONBLOCK;
    let open = OpenFile::new(file, status, b"anon_inode:[signalfd]".to_vec());
    task.insert(open, flags.contains(OpenFlags::CLOEXEC))
}

pub fn signalfd(task: &mut Task, fd: i32, mask: u64, size: usize) -> Result<i32> {
    signalfd4(task, fd, mask, size, 0)
}
