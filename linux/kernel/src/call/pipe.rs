//! Pipes and event counters: `pipe(2)`, `eventfd(2)`.

use alloc::format;
use alloc::sync::Arc;

use linux_base::wait::{Interruptible, wait_until};
use linux_base::{Errno, File, OpenFile, OpenFlags, Result};
use linux_event::eventfd::Takes;
use linux_event::{EventFd, Fifo, Pipe, PipeEnd};
use linux_task::limits::Resource;
use linux_vfs::inode::OpenRequest;

use crate::signal::restart;
use crate::task::Task;

/// `pipe(2)`
pub fn pipe(task: &mut Task, fds: u64) -> Result<()> {
    pipe2(task, fds, 0)
}

/// `pipe2(2)`: the descriptors for reading and for writing.
pub fn pipe2(task: &mut Task, fds: u64, flags: u32) -> Result<()> {
    const O_NOTIFICATION_PIPE: u32 = OpenFlags::EXCL.bits();
    let flags = OpenFlags::from_bits_retain(flags);
    if !(OpenFlags::CLOEXEC | OpenFlags::NONBLOCK | OpenFlags::DIRECT).contains(flags) {
        let asks_for_notification = flags.bits() & O_NOTIFICATION_PIPE != 0;
        return Err(if asks_for_notification { Errno::ENOPROTOOPT } else { Errno::EINVAL });
    }
    linux_mm::ensure_room()?;
    let credentials = task.thread.credentials();
    let (reading, writing) = Pipe::pair((credentials.uid.fs, credentials.gid.fs));
    let label = format!("pipe:[{}]", reading.pipe().inode()).into_bytes();
    let status = flags & (OpenFlags::NONBLOCK | OpenFlags::DIRECT);
    let reading = OpenFile::new(reading, status, label.clone());
    let writing = OpenFile::new(writing, status | OpenFlags::WRONLY, label);
    let close_on_exec = flags.contains(OpenFlags::CLOEXEC);
    let (files, limit) = (task.files()?, task.process().limit(Resource::Files));
    let read_fd = files.insert(reading, close_on_exec, 0, limit)?;
    let write_fd = files.insert(writing, close_on_exec, 0, limit).inspect_err(|_| {
        let _ = files.close(read_fd);
    })?;
    let numbers = u64::from(read_fd as u32) | u64::from(write_fd as u32) << 32;
    task.space().write_u64(fds, numbers).inspect_err(|_| {
        let _ = (files.close(read_fd), files.close(write_fd));
    })
}

/// `eventfd(2)` without flags.
pub fn eventfd(task: &mut Task, value: u32) -> Result<i32> {
    eventfd2(task, value, 0)
}

/// `eventfd2(2)`
pub fn eventfd2(task: &mut Task, value: u32, flags: u32) -> Result<i32> {
    const EFD_SEMAPHORE: u32 = 1;
    let status = OpenFlags::from_bits_retain(flags & !EFD_SEMAPHORE);
    if !(OpenFlags::CLOEXEC | OpenFlags::NONBLOCK).contains(status) {
        return Err(Errno::EINVAL);
    }
    let takes = if flags & EFD_SEMAPHORE != 0 { Takes::One } else { Takes::Everything };
    let open = OpenFile::new(
        EventFd::new(value, takes),
        OpenFlags::RDWR | status & OpenFlags::NONBLOCK,
        b"anon_inode:[eventfd]".to_vec(),
    );
    let limit = task.process().limit(Resource::Files);
    task.files()?.insert(open, status.contains(OpenFlags::CLOEXEC), 0, limit)
}

/// Opens a FIFO: waits for the other side, unless it is not to.
pub fn open_fifo(request: &OpenRequest<'_>) -> Result<Arc<dyn File>> {
    let place = request.location.clone();
    let inode = place.inode()?;
    let fifo = inode.hooks().attachment_or(|| Arc::new(Fifo::new()));
    let fifo = fifo.downcast::<Fifo>().map_err(|_| Errno::ENXIO)?;
    let facts = place.clone();
    let opening = fifo.open(request.flags, Arc::new(move || Ok(facts.inode()?.stat())))?;
    let opened = wait_until(&[opening.queue()], None, Interruptible::Yes, || match opening.finish() {
        Err(Errno::EAGAIN) => None,
        other => Some(other),
    });
    Ok(restart::on_interrupt(opened)??)
}

/// Opens by a link of `/proc/PID/fd` what has no place in the tree: a pipe, as if by a name; nothing else.
pub fn reopen(file: &Arc<OpenFile>, flags: OpenFlags) -> Result<Arc<OpenFile>> {
    let end = file.downcast::<PipeEnd>().ok_or(Errno::ENXIO)?;
    let reopened = end.reopen(flags)?;
    let passing =
        OpenFlags::CREAT | OpenFlags::EXCL | OpenFlags::NOCTTY | OpenFlags::TRUNC | OpenFlags::CLOEXEC;
    Ok(OpenFile::new(reopened, flags.difference(passing), file.label().to_vec()))
}
