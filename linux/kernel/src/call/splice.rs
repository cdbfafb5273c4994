//! Moving bytes between files (`sendfile(2)`, `splice(2)`, `tee(2)`, `vmsplice(2)`, `copy_file_range(2)`).

use alloc::sync::Arc;

use linux_base::io::{SliceSink, SliceSource};
use linux_base::{Errno, OpenFile, OpenFlags, Result, Source};
use linux_event::{Chunk, Chunks, FrameSink, Pipe, PipeEnd};
use linux_mm::{UserSink, UserSource};
use linux_socket::Socket;

use crate::file::{read_blocking, wait_for, write_blocking};
use crate::task::Task;

/// So much is moved through a buffer at a time.
const STEP: usize = 16 << 10;
/// So much is moved out of the page cache at a time: what a connection's buffer holds, unless a program has set that.
const PAGES_STEP: usize = 64 << 10;
/// No call moves more.
const MOST: usize = 0x7fff_f000;

/// An offset that a program gives by a pointer; a null pointer is the file's own.
fn read_offset(task: &Task, address: u64, open: &OpenFile) -> Result<Option<u64>> {
    if address == 0 {
        return Ok(None);
    }
    if !open.file().is_seekable() {
        return Err(Errno::ESPIPE);
    }
    let offset = task.space().read_u64(address)?;
    if i64::try_from(offset).is_err() { Err(Errno::EINVAL) } else { Ok(Some(offset)) }
}

fn write_offset(task: &Task, address: u64, offset: Option<u64>) -> Result<()> {
    match offset {
        Some(offset) if address != 0 => task.space().write_u64(address, offset),
        _ => Ok(()),
    }
}

/// Bytes of a file as the pages that hold them, as far as they are at hand; nothing for what is to go anywhere but to a
/// stream's socket: a file might be its own source, and a datagram is no longer for it.
fn pages(source: &OpenFile, out: &OpenFile, at: Option<u64>, len: usize) -> Chunks {
    let mut chunks = Chunks::default();
    if let (Some(at), true) = (at, out.downcast::<Socket>().is_some_and(|socket| socket.is_stream())) {
        let take = |frame, start, len| chunks.push(Chunk::new(frame, start, len)?);
        linux_vfs::regular::read_pages(source, at, len.min(PAGES_STEP), take);
    }
    chunks
}

/// Copies out of the page cache, or through a buffer of the kernel; what was read and cannot be written is not consumed.
fn copy(
    task: &Task,
    source: &OpenFile,
    from: &mut Option<u64>,
    out: &OpenFile,
    to: &mut Option<u64>,
    count: usize,
) -> Result<usize> {
    let mut buffer = alloc::vec::Vec::new();
    let mut done = 0;
    while done < count {
        let at = from.or_else(|| source.file().is_seekable().then(|| source.offset()));
        let mut pages = pages(source, out, at, count - done);
        let mut read = pages.left();
        let written = if read > 0 {
            write_blocking(out, *to, &mut pages, 0)
        } else {
            let step = (count - done).min(STEP);
            if buffer.len() < step {
                buffer.try_reserve_exact(step)?;
                buffer.resize(step, 0);
            }
            let Some(bytes) = buffer.get_mut(..step) else { break };
            read = match read_blocking(source, at, &mut SliceSink::new(bytes), 0) {
                Ok(0) => break,
                Ok(read) => read,
                Err(_) if done > 0 => break,
                Err(errno) => return Err(errno),
            };
            write_blocking(out, *to, &mut SliceSource::new(bytes.get(..read).unwrap_or_default()), 0)
        };
        let moved = match written {
            Ok(moved) => moved,
            Err(Errno::EPIPE) => {
                let info = linux_task::signal::SigInfo::kernel(linux_task::signal::Signal::PIPE);
                let _ = crate::signal::send_to_thread(&task.thread, info);
                return if done > 0 { Ok(done) } else { Err(Errno::EPIPE) };
            }
            Err(_) if done > 0 => break,
            Err(errno) => return Err(errno),
        };
        if let Some(at) = at {
            match from {
                Some(from) => *from = at + moved as u64,
                None => source.set_offset(at + moved as u64),
            }
        }
        if let Some(to) = to {
            *to += moved as u64;
        }
        done += moved;
        if moved < read || task.thread.is_interrupted() {
            break;
        }
    }
    Ok(done)
}

pub fn sendfile(task: &mut Task, out: i32, source: i32, offset: u64, count: usize) -> Result<usize> {
    let files = task.files()?;
    let (source, out) = (files.get(source)?, files.get(out)?);
    if !source.flags().can_read() || !out.flags().can_write() {
        return Err(Errno::EBADF);
    }
    if !source.file().is_seekable() || out.flags().contains(OpenFlags::APPEND) {
        return Err(Errno::EINVAL);
    }
    let mut from = read_offset(task, offset, &source)?;
    let done = copy(task, &source, &mut from, &out, &mut None, count.min(MOST))?;
    write_offset(task, offset, from)?;
    Ok(done)
}

pub fn copy_file_range(
    task: &mut Task,
    source: i32,
    source_offset: u64,
    out: i32,
    out_offset: u64,
    len: usize,
    flags: u32,
) -> Result<usize> {
    if flags != 0 {
        return Err(Errno::EINVAL);
    }
    let files = task.files()?;
    let (source, out) = (files.get(source)?, files.get(out)?);
    if !source.flags().can_read() || !out.flags().can_write() || out.flags().contains(OpenFlags::APPEND) {
        return Err(Errno::EBADF);
    }
    for file in [&source, &out] {
        let mode = file.file().stat()?.mode;
        if mode.is_directory() {
            return Err(Errno::EISDIR);
        }
        if !mode.is_regular() {
            return Err(Errno::EINVAL);
        }
    }
    let mut from = read_offset(task, source_offset, &source)?;
    let mut to = read_offset(task, out_offset, &out)?;
    let (first, second) = (from.unwrap_or(source.offset()), to.unwrap_or(out.offset()));
    let is_same = {
        let (one, other) = (source.file().stat()?, out.file().stat()?);
        (one.dev, one.ino) == (other.dev, other.ino)
    };
    let len = len.min(MOST);
    if is_same && first < second.saturating_add(len as u64) && second < first.saturating_add(len as u64) {
        return Err(Errno::EINVAL);
    }
    let done = copy(task, &source, &mut from, &out, &mut to, len)?;
    write_offset(task, source_offset, from)?;
    write_offset(task, out_offset, to)?;
    Ok(done)
}

const SPLICE_F_NONBLOCK: u32 = 2;
const SPLICE_FLAGS: u32 = 0xf;

fn reading(open: &OpenFile) -> Option<Result<Arc<Pipe>>> {
    PipeEnd::reading(&**open.file()).map(|pipe| pipe.cloned())
}

fn writing(open: &OpenFile) -> Option<Result<Arc<Pipe>>> {
    PipeEnd::writing(&**open.file()).map(|pipe| pipe.cloned())
}

pub fn splice(
    task: &mut Task,
    source: i32,
    source_offset: u64,
    out: i32,
    out_offset: u64,
    len: usize,
    flags: u32,
) -> Result<usize> {
    if flags & !SPLICE_FLAGS != 0 {
        return Err(Errno::EINVAL);
    }
    if len == 0 {
        return Ok(0);
    }
    let files = task.files()?;
    let (source, out) = (files.get(source)?, files.get(out)?);
    if !source.flags().can_read() || !out.flags().can_write() {
        return Err(Errno::EBADF);
    }
    let len = len.min(MOST);
    let waits = flags & SPLICE_F_NONBLOCK == 0;
    match (reading(&source), writing(&out)) {
        (Some(from), Some(to)) => {
            if source_offset != 0 || out_offset != 0 {
                return Err(Errno::ESPIPE);
            }
            let (from, to) = (from?, to?);
            if Arc::ptr_eq(&from, &to) {
                return Err(Errno::EINVAL);
            }
            let is_blocking = waits && source.is_blocking() && out.is_blocking();
            between(&source, &out, is_blocking, || to.splice_from_pipe(&from, len))
        }
        (Some(from), None) => {
            if source_offset != 0 {
                return Err(Errno::ESPIPE);
            }
            let mut to = read_offset(task, out_offset, &out)?;
            let from = from?;
            let is_blocking = waits && source.is_blocking();
            let moved = loop {
                // Only for the pipe: a file that is full and does not wait says so.
                wait_for(&source, is_blocking, None, || from.ready_to_read())?;
                let write = |chunks: &mut dyn Source| write_blocking(&out, to, chunks, 0);
                match from.splice_to(len, write) {
                    Err(Errno::EAGAIN) if is_blocking && from.ready_to_read().is_err() => {}
                    other => break other?,
                }
            };
            to = to.map(|to| to + moved as u64);
            write_offset(task, out_offset, to)?;
            Ok(moved)
        }
        (None, Some(to)) => {
            if out_offset != 0 {
                return Err(Errno::ESPIPE);
            }
            let mut from = read_offset(task, source_offset, &source)?;
            let to = to?;
            let is_blocking = waits && out.is_blocking();
            let moved = loop {
                wait_for(&out, is_blocking, None, || to.room())?;
                let read = |sink: &mut FrameSink| {
                    wait_for(&source, waits && source.is_blocking(), None, || source.read(from, sink, 0))
                };
                match to.splice_from(len, read) {
                    Err(Errno::EAGAIN) if is_blocking && to.room() == Err(Errno::EAGAIN) => {}
                    other => break other?,
                }
            };
            from = from.map(|from| from + moved as u64);
            write_offset(task, source_offset, from)?;
            Ok(moved)
        }
        (None, None) => Err(Errno::EINVAL),
    }
}

/// Waits for both pipes: for bytes in one, for room in the other.
fn between(
    source: &OpenFile,
    out: &OpenFile,
    is_blocking: bool,
    mut attempt: impl FnMut() -> Result<usize>,
) -> Result<usize> {
    use linux_base::wait::{Interruptible, wait_until};
    match attempt() {
        Err(Errno::EAGAIN) if is_blocking => {}
        other => return other,
    }
    let (Some(first), Some(second)) = (source.file().queue(), out.file().queue()) else {
        return Err(Errno::EAGAIN);
    };
    let outcome = wait_until(&[first, second], None, Interruptible::Yes, || match attempt() {
        Err(Errno::EAGAIN) => None,
        other => Some(other),
    });
    crate::signal::restart::on_interrupt(outcome)?
}

pub fn tee(task: &mut Task, source: i32, out: i32, len: usize, flags: u32) -> Result<usize> {
    if flags & !SPLICE_FLAGS != 0 {
        return Err(Errno::EINVAL);
    }
    let files = task.files()?;
    let (source, out) = (files.get(source)?, files.get(out)?);
    let (Some(from), Some(to)) = (reading(&source), writing(&out)) else { return Err(Errno::EINVAL) };
    let (from, to) = (from?, to?);
    if Arc::ptr_eq(&from, &to) {
        return Err(Errno::EINVAL);
    }
    if len == 0 {
        return Ok(0);
    }
    let is_blocking = flags & SPLICE_F_NONBLOCK == 0 && source.is_blocking() && out.is_blocking();
    between(&source, &out, is_blocking, || to.tee_from(&from, len.min(MOST)))
}

pub fn vmsplice(task: &mut Task, fd: i32, iov: u64, count: usize, flags: u32) -> Result<usize> {
    if flags & !SPLICE_FLAGS != 0 {
        return Err(Errno::EINVAL);
    }
    let open = task.files()?.get(fd)?;
    let is_blocking = open.is_blocking() && flags & SPLICE_F_NONBLOCK == 0;
    if let Some(Ok(_)) = writing(&open) {
        let mut source = UserSource::vector(task.space(), iov, count)?;
        source.prepare(MOST)?;
        return wait_for(&open, is_blocking, None, || open.write(None, &mut source, 0));
    }
    if let Some(Ok(_)) = reading(&open) {
        let mut sink = UserSink::vector(task.space(), iov, count)?;
        sink.prepare(MOST)?;
        return wait_for(&open, is_blocking, None, || open.read(None, &mut sink, 0));
    }
    Err(Errno::EBADF)
}
