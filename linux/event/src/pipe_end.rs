//! An end of a pipe, as a file.

use alloc::sync::Arc;
use core::any::Any;

use linux_base::file::{IoFlags, UserMemory};
use linux_base::{
    Errno, Facts, File, Mode, OpenFlags, PollEvents, Result, Sink, Source, Stat, WaitQueue, abi,
};

use crate::pipe::{Framing, Pipe, Side};

/// An end of a pipe, or of a FIFO; the latter may be both. The pipe knows that it is open until it is dropped.
pub struct PipeEnd {
    pipe: Arc<Pipe>,
    reads: bool,
    writes: bool,
    /// How often it had been opened for writing when this end, for which nobody waited, was opened: then the lack of a writer
    /// is no hang-up yet.
    opened_before: Option<u64>,
    facts: Option<Arc<dyn Facts>>,
}

impl PipeEnd {
    pub(crate) fn open(pipe: &Arc<Pipe>, sides: &[Side], facts: Option<Arc<dyn Facts>>) -> Self {
        pipe.opened(sides);
        Self {
            pipe: pipe.clone(),
            reads: sides.contains(&Side::Read),
            writes: sides.contains(&Side::Write),
            opened_before: None,
            facts,
        }
    }

    /// Opens the pipe again with other flags, as by a link of `/proc/PID/fd`. Waits for nobody.
    pub fn reopen(&self, flags: OpenFlags) -> Result<Arc<Self>> {
        let sides: &[Side] = match (flags.can_read(), flags.can_write()) {
            (true, true) => &[Side::Read, Side::Write],
            (true, false) => &[Side::Read],
            (false, true) => &[Side::Write],
            (false, false) => return Err(Errno::EINVAL),
        };
        Ok(Arc::new(Self::open(&self.pipe, sides, self.facts.clone())))
    }

    /// No hang-up is to be told until somebody has had it open for writing since now.
    pub(crate) fn expect_writer(&mut self) {
        self.opened_before = Some(self.pipe.state.lock().write_opens);
    }

    /// The pipe, for `splice`, `tee`, `F_SETPIPE_SZ`.
    pub fn pipe(&self) -> &Arc<Pipe> {
        &self.pipe
    }

    /// The reading end of a pipe, among others' files. `EBADF` for its writing end.
    pub fn reading(file: &dyn File) -> Option<Result<&Arc<Pipe>>> {
        let end = file.as_any().downcast_ref::<Self>()?;
        Some(if end.reads { Ok(&end.pipe) } else { Err(Errno::EBADF) })
    }

    /// The writing end of a pipe, among others' files. `EBADF` for its reading end.
    pub fn writing(file: &dyn File) -> Option<Result<&Arc<Pipe>>> {
        let end = file.as_any().downcast_ref::<Self>()?;
        Some(if end.writes { Ok(&end.pipe) } else { Err(Errno::EBADF) })
    }

    fn sides(&self) -> &'static [Side] {
        match (self.reads, self.writes) {
            (true, true) => &[Side::Read, Side::Write],
            (true, false) => &[Side::Read],
            _ => &[Side::Write],
        }
    }
}

impl Drop for PipeEnd {
    fn drop(&mut self) {
        self.pipe.closed(self.sides());
    }
}

impl File for PipeEnd {
    fn read(&self, _: u64, into: &mut dyn Sink, _: IoFlags) -> Result<usize> {
        if self.reads { self.pipe.read(into) } else { Err(Errno::EBADF) }
    }

    fn write(&self, _: u64, from: &mut dyn Source, flags: IoFlags) -> Result<usize> {
        if !self.writes {
            return Err(Errno::EBADF);
        }
        let is_direct = flags.status.contains(OpenFlags::DIRECT);
        self.pipe.write(from, if is_direct { Framing::Packets } else { Framing::Stream })
    }

    fn stat(&self) -> Result<Stat> {
        if let Some(facts) = &self.facts {
            return facts.stat();
        }
        let (uid, gid) = self.pipe.owner;
        let moment = self.pipe.created;
        Ok(Stat {
            dev: 14,
            ino: self.pipe.inode,
            mode: Mode(Mode::FIFO | 0o600),
            nlink: 1,
            uid,
            gid,
            blksize: 4096,
            atime: moment,
            mtime: moment,
            ctime: moment,
            btime: moment,
            ..Stat::default()
        })
    }

    fn poll(&self) -> PollEvents {
        let mut events = PollEvents::empty();
        if self.reads {
            self.pipe.note_poll();
        }
        let state = self.pipe.state.lock();
        if self.reads {
            events.set(PollEvents::READABLE, !state.chunks.is_empty());
            let hung_up = state.writers == 0 && self.opened_before != Some(state.write_opens);
            events.set(PollEvents::HUP, hung_up);
        }
        if self.writes {
            events.set(PollEvents::WRITABLE, !state.is_full());
            events.set(PollEvents::ERR, state.readers == 0);
        }
        events
    }

    fn queue(&self) -> Option<&WaitQueue> {
        Some(self.pipe.queue(self.reads, self.writes))
    }

    fn ioctl(&self, command: u32, argument: u64, memory: &dyn UserMemory) -> Result<i64> {
        if command != abi::ioctl::FIONREAD {
            return Err(Errno::ENOTTY);
        }
        let len = u32::try_from(self.pipe.len()).unwrap_or(u32::MAX);
        memory.write_u32(argument, len)?;
        Ok(0)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_arc(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}
