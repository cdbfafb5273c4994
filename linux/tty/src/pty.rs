//! The master of a pseudo-terminal.

use alloc::sync::{Arc, Weak};
use core::any::Any;

use linux_base::abi::general::*;
use linux_base::abi::ioctl::*;
use linux_base::file::{IoFlags, UserMemory};
use linux_base::{Errno, Facts, File, Mode, OpenFlags, PollEvents, Result, Sink, Source, Stat, WaitQueue};

use crate::ioctl::{self, Through};
use crate::ptys::Ptys;
use crate::tty::{State, Tty};
use crate::tty_file::{OpenedAs, TtyFile};

/// The master: what is written here is typed at the terminal, and what is read here the terminal has shown.
pub struct PtyMaster {
    tty: Arc<Tty>,
    index: u32,
    ptys: Weak<Ptys>,
    facts: Option<Arc<dyn Facts>>,
}

impl PtyMaster {
    pub(crate) fn new(
        tty: Arc<Tty>,
        index: u32,
        ptys: Weak<Ptys>,
        facts: Option<Arc<dyn Facts>>,
    ) -> Arc<Self> {
        Arc::new(Self { tty, index, ptys, facts })
    }

    /// The terminal.
    pub fn tty(&self) -> &Arc<Tty> {
        &self.tty
    }

    /// N of `/dev/pts/N`.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// `TIOCGPTPEER`: opens the terminal, though it may not be reachable by name. Who handles the `ioctl` makes the descriptor.
    pub fn open_peer(&self, flags: OpenFlags) -> Result<Arc<TtyFile>> {
        let facts =
            self.ptys.upgrade().and_then(|ptys| ptys.get(self.index)).map(|pty| pty as Arc<dyn Facts>);
        self.tty.open(flags, OpenedAs::Terminal, facts)
    }
}

impl Drop for PtyMaster {
    fn drop(&mut self) {
        if let Some(ptys) = self.ptys.upgrade() {
            ptys.remove(self.index);
        }
        self.tty.state.lock().pty.has_master = false;
        self.tty.hang_up();
    }
}

/// Hands over what the terminal has shown.
fn read_output(state: &mut State, into: &mut dyn Sink) -> Result<usize> {
    if state.pty.in_packet_mode {
        let packet = core::mem::take(&mut state.pty.packet);
        if packet != 0 {
            return into.push(&[packet]);
        }
    }
    if state.line.output.ready.is_empty() {
        return Err(if state.pty.slave_closed { Errno::EIO } else { Errno::EAGAIN });
    }
    let mut done = 0;
    if state.pty.in_packet_mode {
        done += into.push(&[TIOCPKT_DATA as u8])?;
    }
    let ready = &mut state.line.output.ready;
    while into.room() > 0 && !ready.is_empty() {
        let (bytes, _) = ready.as_slices();
        let wanted = bytes.len().min(into.room());
        let pushed = match into.push(bytes) {
            Ok(pushed) => pushed,
            Err(errno) if done == 0 => return Err(errno),
            Err(_) => break,
        };
        ready.drain(..pushed);
        done += pushed;
        if pushed < wanted {
            break;
        }
    }
    Ok(done)
}

impl File for PtyMaster {
    fn read(&self, _: u64, into: &mut dyn Sink, _: IoFlags) -> Result<usize> {
        if into.room() == 0 {
            return Ok(0);
        }
        self.tty.take_output(|state| read_output(state, into))
    }

    fn write(&self, _: u64, from: &mut dyn Source, _: IoFlags) -> Result<usize> {
        let mut done = 0;
        let mut chunk = [0; 512];
        while from.left() > 0 {
            let len = match from.pull(&mut chunk) {
                Ok(0) => break,
                Ok(len) => len,
                Err(errno) if done == 0 => return Err(errno),
                Err(_) => break,
            };
            let taken = self.tty.received(chunk.get(..len).unwrap_or_default());
            done += taken;
            if taken < len {
                from.unpull(len - taken);
                break;
            }
        }
        if done == 0 && from.left() > 0 { Err(Errno::EAGAIN) } else { Ok(done) }
    }

    fn stat(&self) -> Result<Stat> {
        match &self.facts {
            Some(facts) => facts.stat(),
            None => Ok(Stat {
                ino: 2,
                mode: Mode(Mode::CHARACTER | 0o666),
                nlink: 1,
                rdev: Ptys::MULTIPLEXER.encode(),
                blksize: 1024,
                ..Stat::default()
            }),
        }
    }

    fn poll(&self) -> PollEvents {
        let has_room = self.tty.has_room_for_input();
        let state = self.tty.state.lock();
        let mut events = PollEvents::empty();
        let has_packet = state.pty.in_packet_mode && state.pty.packet != 0;
        events.set(PollEvents::READABLE, has_packet || !state.line.output.ready.is_empty());
        events.set(PollEvents::PRI, has_packet);
        events.set(PollEvents::WRITABLE, has_room);
        events.set(PollEvents::HUP, state.pty.slave_closed);
        events
    }

    fn queue(&self) -> Option<&WaitQueue> {
        Some(&self.tty.master_queue)
    }

    fn ioctl(&self, command: u32, argument: u64, memory: &dyn UserMemory) -> Result<i64> {
        let state = || self.tty.state.lock();
        match command {
            TIOCGPTN => memory.write_u32(argument, self.index)?,
            TIOCSPTLCK => {
                let is_locked = memory.read_u32(argument)? != 0;
                state().pty.is_locked = is_locked;
            }
            TIOCGPTLCK => {
                let is_locked = state().pty.is_locked;
                memory.write_u32(argument, is_locked.into())?;
            }
            TIOCPKT => {
                let in_packet_mode = memory.read_u32(argument)? != 0;
                let mut state = state();
                (state.pty.in_packet_mode, state.pty.packet) = (in_packet_mode, 0);
            }
            TIOCGPKT => {
                let in_packet_mode = state().pty.in_packet_mode;
                memory.write_u32(argument, in_packet_mode.into())?;
            }
            TIOCSIG => {
                let signal = u32::try_from(argument).ok().filter(|signal| (1..=64).contains(signal));
                let signal = signal.ok_or(Errno::EINVAL)?;
                if let Some(group) = self.tty.owners().group {
                    self.tty.jobs().signal_group(group, signal);
                }
            }
            _ => return ioctl::ioctl(&self.tty, Through::Master, command, argument, memory),
        }
        Ok(0)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_arc(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}
