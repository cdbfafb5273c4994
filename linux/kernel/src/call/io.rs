//! Reading and writing (`read(2)`, `readv(2)`, `pread(2)` and their kin).

use alloc::sync::Arc;

use linux_base::{Errno, OpenFile, OpenFlags, Result, Source};
use linux_mm::{USER_END, UserSink, UserSource};
use linux_socket::Socket;
use linux_task::limits::{INFINITY, Resource};
use linux_task::signal::{SigInfo, Signal};

use linux_tty::TtyFile;
use linux_vfs::devtmpfs::MemoryDevice;
use linux_vfs::ops::Whence;
use linux_vfs::regular::{RegularFile, limit_write};

use crate::file::{read_blocking, wait_for, write_blocking};
use crate::signal;
use crate::task::Task;

/// So much is brought in at once before a read or write; more is brought in when it is its turn.
const PREPARED: usize = 1 << 20;

fn get(task: &Task, fd: i32) -> Result<Arc<OpenFile>> {
    let open = task.files()?.get(fd)?;
    if open.flags().contains(OpenFlags::PATH) { Err(Errno::EBADF) } else { Ok(open) }
}

/// The offset of `pread` and its kin. `ESPIPE` where there are no offsets.
fn offset(open: &OpenFile, offset: i64, count: usize) -> Result<u64> {
    let end = i64::try_from(count).ok().and_then(|count| offset.checked_add(count));
    let offset = u64::try_from(offset).map_err(|_| Errno::EINVAL)?;
    end.ok_or(Errno::EINVAL)?;
    if open.file().is_seekable() { Ok(offset) } else { Err(Errno::ESPIPE) }
}

/// Checks that a whole buffer lies where user memory can be, also what no call ever gets to.
fn check_buffer(buf: u64, count: usize) -> Result<()> {
    let end = buf.checked_add(count as u64).filter(|end| *end <= USER_END);
    end.map(drop).ok_or(Errno::EFAULT)
}

fn read_to(open: &OpenFile, at: Option<u64>, mut sink: UserSink<'_>, rwf: u32) -> Result<usize> {
    if !open.flags().can_read() {
        return Err(Errno::EBADF);
    }
    sink.prepare(PREPARED)?;
    if let Some(terminal) = open.downcast_arc::<TtyFile>() {
        return read_terminal(open, &terminal, &mut sink);
    }
    read_blocking(open, at, &mut sink, rwf)
}

/// How much of a write fits under `RLIMIT_FSIZE`. `EFBIG` if nothing does.
fn room_for(task: &Task, open: &OpenFile, at: Option<u64>, len: usize) -> Result<usize> {
    let limit = task.process().limit(Resource::FileSize);
    if limit == INFINITY || open.downcast::<RegularFile>().is_none() {
        return Ok(len);
    }
    let appends = open.flags().contains(OpenFlags::APPEND);
    let at = if appends { open.file().seek_end()? } else { at.unwrap_or_else(|| open.offset()) };
    limit_write(at, len, limit)
}

/// The beginning of a buffer.
struct Cut<'a, 'b> {
    source: &'a mut UserSource<'b>,
    room: usize,
}

impl Source for Cut<'_, '_> {
    fn left(&self) -> usize {
        self.source.left().min(self.room)
    }

    fn pull(&mut self, into: &mut [u8]) -> Result<usize> {
        let len = into.len().min(self.room);
        let pulled = self.source.pull(into.get_mut(..len).unwrap_or_default())?;
        self.room -= pulled;
        Ok(pulled)
    }

    fn unpull(&mut self, len: usize) {
        self.source.unpull(len);
        self.room += len;
    }
}

/// Reads from a terminal, which may want to be asked only for some time (`VTIME`).
fn read_terminal(open: &OpenFile, terminal: &TtyFile, sink: &mut UserSink<'_>) -> Result<usize> {
    let started_ns = minios::time::now_ns();
    let is_blocking = open.is_blocking();
    loop {
        let deadline = terminal.read_deadline(started_ns);
        // The first byte may set a deadline, and each one moves it: then the wait begins anew.
        let attempt = || match open.read(None, sink, 0) {
            Err(Errno::EAGAIN) if is_blocking && terminal.read_deadline(started_ns) != deadline => Ok(None),
            other => other.map(Some),
        };
        match wait_for(open, is_blocking, deadline, attempt) {
            Ok(Some(len)) => return Ok(len),
            Ok(None) => {}
            Err(Errno::EAGAIN) if is_blocking => {}
            Err(errno) => return Err(errno),
        }
        let now = minios::time::now_ns();
        if terminal.read_deadline(started_ns).is_some_and(|deadline| now >= deadline) {
            return terminal.read_whatever(sink);
        }
    }
}

fn write_from(
    task: &Task,
    open: &OpenFile,
    mut at: Option<u64>,
    mut source: UserSource<'_>,
    rwf: u32,
) -> Result<usize> {
    if !open.flags().can_write() {
        return Err(Errno::EBADF);
    }
    if open.downcast::<Socket>().is_some() {
        linux_mm::ensure_room().map_err(|_| Errno::ENOBUFS)?;
    }
    source.prepare(PREPARED)?;
    if rwf & RWF_APPEND != 0 && open.file().is_seekable() {
        at = Some(open.file().seek_end()?);
    }
    let start = at.unwrap_or_else(|| open.offset());
    if open.file().is_seekable() && start.saturating_add(source.left() as u64) > i64::MAX as u64 {
        return Err(Errno::EINVAL);
    }
    let result = match room_for(task, open, at, source.left()) {
        Ok(room) if room < source.left() => {
            write_blocking(open, at, &mut Cut { source: &mut source, room }, rwf)
        }
        Ok(_) => write_blocking(open, at, &mut source, rwf),
        Err(errno) => Err(errno),
    };
    match result {
        // The reader of a pipe has gone; sockets send the signal only if they are not told otherwise, which is not here.
        Err(Errno::EPIPE) => {
            let _ = signal::send_to_thread(&task.thread, SigInfo::kernel(Signal::PIPE));
        }
        Err(Errno::EFBIG) => super::system::file_too_large(task),
        _ => {}
    }
    result
}

pub fn read(task: &mut Task, fd: i32, buf: u64, count: usize) -> Result<usize> {
    let open = get(task, fd)?;
    check_buffer(buf, count)?;
    read_to(&open, None, UserSink::new(task.space(), buf, count)?, 0)
}

pub fn write(task: &mut Task, fd: i32, buf: u64, count: usize) -> Result<usize> {
    let open = get(task, fd)?;
    check_buffer(buf, count)?;
    write_from(task, &open, None, UserSource::new(task.space(), buf, count)?, 0)
}

pub fn readv(task: &mut Task, fd: i32, iov: u64, count: usize) -> Result<usize> {
    let open = get(task, fd)?;
    read_to(&open, None, UserSink::vector(task.space(), iov, count)?, 0)
}

pub fn writev(task: &mut Task, fd: i32, iov: u64, count: usize) -> Result<usize> {
    let open = get(task, fd)?;
    write_from(task, &open, None, UserSource::vector(task.space(), iov, count)?, 0)
}

pub fn pread64(task: &mut Task, fd: i32, buf: u64, count: usize, at: i64) -> Result<usize> {
    let open = get(task, fd)?;
    let at = offset(&open, at, count)?;
    check_buffer(buf, count)?;
    read_to(&open, Some(at), UserSink::new(task.space(), buf, count)?, 0)
}

pub fn pwrite64(task: &mut Task, fd: i32, buf: u64, count: usize, at: i64) -> Result<usize> {
    let open = get(task, fd)?;
    let at = offset(&open, at, count)?;
    check_buffer(buf, count)?;
    write_from(task, &open, Some(at), UserSource::new(task.space(), buf, count)?, 0)
}

pub fn preadv(task: &mut Task, fd: i32, iov: u64, count: usize, low: i64, _high: i64) -> Result<usize> {
    let open = get(task, fd)?;
    let at = offset(&open, low, 0)?;
    read_to(&open, Some(at), UserSink::vector(task.space(), iov, count)?, 0)
}

pub fn pwritev(task: &mut Task, fd: i32, iov: u64, count: usize, low: i64, _high: i64) -> Result<usize> {
    let open = get(task, fd)?;
    let at = offset(&open, low, 0)?;
    write_from(task, &open, Some(at), UserSource::vector(task.space(), iov, count)?, 0)
}

/// `RWF_HIPRI`, `RWF_DSYNC`, `RWF_SYNC`, `RWF_NOWAIT`, `RWF_APPEND`.
const RWF_KNOWN: u32 = 0x1f;
const RWF_APPEND: u32 = 0x10;

/// Open file and place for `preadv2` and `pwritev2`: at offset -1 it is the file's own, which moves. `EOPNOTSUPP` for unknown flags.
fn place_of_vector(task: &Task, fd: i32, low: i64, flags: u32) -> Result<(Arc<OpenFile>, Option<u64>)> {
    if flags & !RWF_KNOWN != 0 {
        return Err(Errno::EOPNOTSUPP);
    }
    let open = get(task, fd)?;
    let at = if low == -1 { None } else { Some(offset(&open, low, 0)?) };
    Ok((open, at))
}

pub fn preadv2(
    task: &mut Task,
    fd: i32,
    iov: u64,
    count: usize,
    low: i64,
    _high: i64,
    flags: u32,
) -> Result<usize> {
    let (open, at) = place_of_vector(task, fd, low, flags)?;
    read_to(&open, at, UserSink::vector(task.space(), iov, count)?, flags)
}

pub fn pwritev2(
    task: &mut Task,
    fd: i32,
    iov: u64,
    count: usize,
    low: i64,
    _high: i64,
    flags: u32,
) -> Result<usize> {
    let (open, at) = place_of_vector(task, fd, low, flags)?;
    write_from(task, &open, at, UserSource::vector(task.space(), iov, count)?, flags)
}

pub fn lseek(task: &mut Task, fd: i32, offset: i64, whence: i32) -> Result<u64> {
    let open = get(task, fd)?;
    let whence = match whence {
        0 => Whence::Start,
        1 => Whence::Current,
        2 => Whence::End,
        3 => Whence::Data,
        4 => Whence::Hole,
        _ => return Err(Errno::EINVAL),
    };
    // Objects without a name have no offset, and do not mind.
    if open.label().starts_with(b"anon_inode:") || open.downcast::<MemoryDevice>().is_some() {
        return Ok(0);
    }
    linux_vfs::ops::seek(&open, offset, whence)
}
