//! A terminal that is open.

use alloc::sync::Arc;
use core::any::Any;

use linux_base::abi::general::TOSTOP;
use linux_base::file::{IoFlags, UserMemory};
use linux_base::{Errno, Facts, File, Mode, OpenFlags, PollEvents, Result, Sink, Source, Stat, WaitQueue};

use crate::ioctl::{self, Through};
use crate::read::Content;
use crate::tty::Tty;

/// By what name a terminal is opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OpenedAs {
    /// As itself.
    Terminal,
    /// As `/dev/console`: it does not become the controlling terminal, and the background may read it.
    Console,
    /// As `/dev/tty`: it is the controlling terminal.
    Controlling,
}

/// An open terminal.
pub struct TtyFile {
    tty: Arc<Tty>,
    generation: u64,
    can_read: bool,
    opened_as: OpenedAs,
    facts: Option<Arc<dyn Facts>>,
}

impl Tty {
    /// Opens it. Without `O_NOCTTY` it becomes the controlling terminal of a session leader that has none. `EBUSY` when it is
    /// exclusive, `EIO` for a pseudo-terminal that is locked or has lost its master.
    pub fn open(
        self: &Arc<Self>,
        flags: OpenFlags,
        opened_as: OpenedAs,
        facts: Option<Arc<dyn Facts>>,
    ) -> Result<Arc<TtyFile>> {
        let is_admin = self.jobs().is_admin();
        let generation = {
            let mut state = self.state.lock();
            if self.is_pty() && (state.pty.is_locked || !state.pty.has_master) {
                return Err(Errno::EIO);
            }
            if state.is_exclusive && !is_admin {
                return Err(Errno::EBUSY);
            }
            state.opens += 1;
            state.pty.slave_closed = false;
            state.generation
        };
        let can_read = flags.can_read();
        let can_adopt = opened_as == OpenedAs::Terminal && !self.is_channel();
        if can_read && !flags.contains(OpenFlags::NOCTTY) && can_adopt {
            self.adopt_caller();
        }
        self.ask_for_input();
        Ok(Arc::new(TtyFile { tty: self.clone(), generation, can_read, opened_as, facts }))
    }
}

impl TtyFile {
    /// The terminal.
    pub fn tty(&self) -> &Arc<Tty> {
        &self.tty
    }

    /// When a read that began at `started_ns` ends with what there is (`VTIME`). It may change with each byte: ask again after
    /// each `EAGAIN`, and call [`TtyFile::read_whatever`] at the deadline.
    pub fn read_deadline(&self, started_ns: u64) -> Option<u64> {
        self.tty.read_deadline(started_ns)
    }

    /// Reads what there is, 0 bytes if there is nothing: the time of [`TtyFile::read_deadline`] is over.
    pub fn read_whatever(&self, into: &mut dyn Sink) -> Result<usize> {
        self.read_with(into, Content::Whatever)
    }

    fn read_with(&self, into: &mut dyn Sink, content: Content) -> Result<usize> {
        if self.is_dead() {
            return Ok(0);
        }
        if self.opened_as != OpenedAs::Console {
            self.tty.check_read()?;
        }
        self.tty.read(into, content)
    }

    /// Whether the terminal has hung up since it was opened; `/dev/console` never does.
    fn is_dead(&self) -> bool {
        self.opened_as != OpenedAs::Console && self.tty.state.lock().generation != self.generation
    }
}

impl Drop for TtyFile {
    fn drop(&mut self) {
        let is_last = {
            let mut state = self.tty.state.lock();
            state.opens = state.opens.saturating_sub(1);
            if state.opens == 0 {
                state.is_exclusive = false;
                state.pty.slave_closed = true;
            }
            state.opens == 0
        };
        if is_last {
            self.tty.master_queue.wake_all(PollEvents::HUP | PollEvents::READABLE);
        }
    }
}

impl File for TtyFile {
    fn read(&self, _: u64, into: &mut dyn Sink, flags: IoFlags) -> Result<usize> {
        let is_waiting = !flags.status.contains(OpenFlags::NONBLOCK);
        self.read_with(into, if is_waiting { Content::Enough } else { Content::Any })
    }

    fn write(&self, _: u64, from: &mut dyn Source, _: IoFlags) -> Result<usize> {
        if self.is_dead() {
            return Err(Errno::EIO);
        }
        if self.opened_as != OpenedAs::Console && self.tty.termios().has_l(TOSTOP) {
            self.tty.check_change()?;
        }
        if from.left() == 0 {
            return Ok(0);
        }
        self.tty.write(from)
    }

    fn stat(&self) -> Result<Stat> {
        match &self.facts {
            Some(facts) => facts.stat(),
            None => Ok(Stat {
                ino: u64::from(self.tty.device.minor) + 3,
                mode: Mode(Mode::CHARACTER | 0o620),
                nlink: 1,
                rdev: self.tty.device.encode(),
                blksize: 1024,
                ..Stat::default()
            }),
        }
    }

    fn poll(&self) -> PollEvents {
        if self.is_dead() {
            return PollEvents::READABLE | PollEvents::WRITABLE | PollEvents::ERR | PollEvents::HUP;
        }
        self.tty.poll()
    }

    fn queue(&self) -> Option<&WaitQueue> {
        Some(&self.tty.queue)
    }

    fn ioctl(&self, command: u32, argument: u64, memory: &dyn UserMemory) -> Result<i64> {
        if self.is_dead() {
            return Err(Errno::EIO);
        }
        ioctl::ioctl(&self.tty, Through::Terminal { can_read: self.can_read }, command, argument, memory)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_arc(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}
