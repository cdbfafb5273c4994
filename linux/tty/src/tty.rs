//! A terminal: its line discipline, who waits for it, and where its output goes.
//!
//! Bytes come in by [`Tty::received`], from a console's driver or from the master of a pseudo-terminal. Output goes to a
//! [`Backend`], or waits for the master to read it. No lock is held while signals are sent, queues woken or a backend written.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};

use linux_base::abi::general::*;
use linux_base::stat::DeviceNumber;
use linux_base::{Errno, Mutex, PollEvents, Result, Sink, Source, WaitQueue, host};

use crate::discipline::{Discipline, Effects};
use crate::job::{JobControl, Owners, TtyId};
use crate::read::Content;
use crate::termios::{Termios, WindowSize};

/// Bytes of output that wait to be sent.
const OUTPUT: usize = 16 * 1024;
/// Bytes of input that the discipline has no room for yet.
const PENDING: usize = 32 * 1024;

/// Where the output of a terminal goes that is not a pseudo-terminal.
pub trait Backend: Send + Sync {
    /// Takes bytes as far as there is room, without waiting, and returns how many. Call [`Tty::output_possible`] when there is
    /// room again.
    fn output(&self, bytes: &[u8]) -> usize;
}

/// What a pseudo-terminal has beyond a terminal.
#[derive(Default)]
pub(crate) struct PtyState {
    pub has_master: bool,
    /// The slave was open and is not any more.
    pub slave_closed: bool,
    pub is_locked: bool,
    pub in_packet_mode: bool,
    /// `TIOCPKT_*` bits to be read by the master.
    pub packet: u8,
}

pub(crate) struct State {
    pub line: Discipline,
    pending: VecDeque<u8>,
    pub window: WindowSize,
    owners: Owners,
    pub is_exclusive: bool,
    pub opens: usize,
    /// How often it has hung up: files that were opened before are dead.
    pub generation: u64,
    last_byte_ns: u64,
    is_sending: bool,
    pub pty: PtyState,
}

/// A terminal.
pub struct Tty {
    id: TtyId,
    pub(crate) device: DeviceNumber,
    jobs: Arc<dyn JobControl>,
    backend: Option<Arc<dyn Backend>>,
    pub(crate) state: Mutex<State>,
    /// Who waits for the terminal, and for its master.
    pub(crate) queue: WaitQueue,
    pub(crate) master_queue: WaitQueue,
}

impl Tty {
    /// A terminal over a device, such as the console.
    pub fn new(device: DeviceNumber, backend: Arc<dyn Backend>, jobs: Arc<dyn JobControl>) -> Arc<Self> {
        Arc::new(Self::with(device, Some(backend), jobs, PtyState::default()))
    }

    pub(crate) fn with(
        device: DeviceNumber,
        backend: Option<Arc<dyn Backend>>,
        jobs: Arc<dyn JobControl>,
        pty: PtyState,
    ) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let state = State {
            line: Discipline::default(),
            pending: VecDeque::new(),
            window: WindowSize::default(),
            owners: Owners::default(),
            is_exclusive: false,
            opens: 0,
            generation: 0,
            last_byte_ns: 0,
            is_sending: false,
            pty,
        };
        Self {
            id: TtyId(NEXT.fetch_add(1, Ordering::Relaxed)),
            device,
            jobs,
            backend,
            state: Mutex::new(state),
            queue: WaitQueue::new(),
            master_queue: WaitQueue::new(),
        }
    }

    /// Which one it is, for [`crate::Caller`].
    pub fn id(&self) -> TtyId {
        self.id
    }

    /// Its device number, for `/proc/PID/stat`.
    pub fn device(&self) -> DeviceNumber {
        self.device
    }

    /// The group in the foreground, for `/proc/PID/stat`.
    pub fn foreground_group(&self) -> Option<i32> {
        self.owners().group
    }

    /// The settings.
    pub fn termios(&self) -> Termios {
        self.state.lock().line.termios
    }

    pub(crate) fn is_pty(&self) -> bool {
        self.backend.is_none()
    }

    pub(crate) fn jobs(&self) -> &dyn JobControl {
        &*self.jobs
    }

    pub(crate) fn owners(&self) -> Owners {
        self.state.lock().owners
    }

    pub(crate) fn set_owners(&self, owners: Owners) {
        self.state.lock().owners = owners;
    }

    /// Bytes were typed. Returns how many there was room for.
    pub fn received(&self, bytes: &[u8]) -> usize {
        let mut effects = Effects::default();
        let taken = {
            let mut state = self.state.lock();
            if state.line.termios.cc(VTIME) > 0 {
                state.last_byte_ns = host::host().now_ns();
            }
            let now = if state.pending.is_empty() { state.line.receive(bytes, &mut effects) } else { 0 };
            let rest = bytes.get(now..).unwrap_or_default();
            let later = rest.len().min(PENDING.saturating_sub(state.pending.len()));
            state.pending.extend(rest.iter().take(later));
            now + later
        };
        self.apply(effects);
        taken
    }

    /// Does what typed bytes have caused.
    pub(crate) fn apply(&self, effects: Effects) {
        let group = {
            let mut state = self.state.lock();
            if state.pty.in_packet_mode {
                state.pty.note(effects.packet);
            }
            state.owners.group
        };
        for signal in effects.signals {
            if let Some(group) = group {
                self.jobs.signal_group(group, signal as u32);
            }
        }
        if effects.has_input {
            self.queue.wake(PollEvents::READABLE);
        }
        if effects.packet != 0 {
            self.master_queue.wake(PollEvents::READABLE | PollEvents::PRI);
            self.queue.wake(PollEvents::WRITABLE);
        }
        self.send();
    }

    /// There is room in the backend again.
    pub fn output_possible(&self) {
        self.send();
    }

    /// Sends what waits: to the backend, or tells the master.
    pub(crate) fn send(&self) {
        let Some(backend) = &self.backend else {
            if !self.state.lock().line.output.ready.is_empty() {
                self.master_queue.wake(PollEvents::READABLE);
            }
            return;
        };
        let mut chunk = [0; 512];
        loop {
            let mut state = self.state.lock();
            if state.is_sending || state.line.output.stopped.is_some() {
                return;
            }
            let was_full = state.line.output.room(OUTPUT) == 0;
            let ready = &mut state.line.output.ready;
            let len = ready.len().min(chunk.len());
            for (place, byte) in chunk.iter_mut().zip(ready.drain(..len)) {
                *place = byte;
            }
            if len == 0 {
                return;
            }
            state.is_sending = true;
            drop(state);
            let sent = backend.output(chunk.get(..len).unwrap_or_default()).min(len);
            let mut state = self.state.lock();
            state.is_sending = false;
            for byte in chunk.get(sent..len).unwrap_or_default().iter().rev() {
                state.line.output.ready.push_front(*byte);
            }
            drop(state);
            if was_full && sent > 0 {
                self.queue.wake(PollEvents::WRITABLE);
            }
            if sent < len {
                return;
            }
        }
    }

    /// A program writes. `EAGAIN` when the output is full or stopped, `EIO` when the master is gone.
    pub(crate) fn write(&self, from: &mut dyn Source) -> Result<usize> {
        let mut done = 0;
        let mut chunk = [0; 512];
        while from.left() > 0 {
            {
                let mut state = self.state.lock();
                if self.is_pty() && !state.pty.has_master {
                    return Err(Errno::EIO);
                }
                let room = state.line.output.room(OUTPUT).min(chunk.len());
                let Some(place) = chunk.get_mut(..room).filter(|place| !place.is_empty()) else { break };
                let len = match from.pull(place) {
                    Ok(0) => break,
                    Ok(len) => len,
                    Err(errno) if done == 0 => return Err(errno),
                    Err(_) => break,
                };
                let bytes = place.get(..len).unwrap_or_default();
                let termios = state.line.termios;
                if termios.has_o(OPOST) {
                    bytes.iter().for_each(|byte| state.line.output.write(&termios, *byte));
                } else {
                    state.line.output.write_raw(bytes);
                }
                done += len;
            }
            if !self.is_pty() {
                self.send();
            }
        }
        if self.is_pty() && done > 0 {
            self.send();
        }
        if done == 0 { Err(Errno::EAGAIN) } else { Ok(done) }
    }

    /// A program reads.
    pub(crate) fn read(&self, into: &mut dyn Sink, content: Content) -> Result<usize> {
        if into.room() == 0 {
            return Ok(0);
        }
        let (result, has_room_again, effects) = {
            let mut state = self.state.lock();
            let result = state.line.read(into, content);
            let mut effects = Effects::default();
            let had_pending = state.pending.len();
            if had_pending > 0 {
                state.receive_pending(&mut effects);
            }
            (result, state.pending.len() < had_pending, effects)
        };
        if has_room_again {
            self.apply(effects);
            self.master_queue.wake(PollEvents::WRITABLE);
        }
        match result? {
            Some(len) => Ok(len),
            None if self.is_pty() && !self.state.lock().pty.has_master => Err(Errno::EIO),
            None => Err(Errno::EAGAIN),
        }
    }

    pub(crate) fn read_deadline(&self, started_ns: u64) -> Option<u64> {
        let state = self.state.lock();
        state.line.read_deadline(started_ns, state.last_byte_ns)
    }

    pub(crate) fn poll(&self) -> PollEvents {
        let state = self.state.lock();
        let mut events = PollEvents::empty();
        events.set(PollEvents::READABLE, state.line.is_readable());
        events.set(PollEvents::WRITABLE, state.line.output.room(OUTPUT) > 0);
        events.set(PollEvents::HUP, self.is_pty() && !state.pty.has_master);
        events
    }

    /// Room for the master to write.
    pub(crate) fn has_room_for_input(&self) -> bool {
        self.state.lock().pending.len() < PENDING
    }

    /// New settings.
    pub(crate) fn set_termios(&self, new: Termios, flushes: bool) {
        let mut effects = Effects::default();
        {
            let mut state = self.state.lock();
            if flushes {
                state.flush_input();
            }
            state.line.set_termios(new, &mut effects);
            state.receive_pending(&mut effects);
        }
        self.apply(effects);
    }

    /// `TIOCSWINSZ`: the foreground is told of a change.
    pub fn set_window(&self, window: WindowSize) {
        let group = {
            let mut state = self.state.lock();
            if core::mem::replace(&mut state.window, window) == window {
                return;
            }
            state.owners.group
        };
        if let Some(group) = group {
            self.jobs.signal_group(group, SIGWINCH);
        }
    }

    /// The line has gone: who leads the session gets SIGHUP, files that are open are dead.
    pub fn hang_up(&self) {
        self.tell_leader_of_hang_up();
        {
            let mut state = self.state.lock();
            state.generation += 1;
            state.flush_input();
        }
        self.queue.wake_all(PollEvents::HUP | PollEvents::READABLE | PollEvents::WRITABLE);
    }

    /// Takes output away for the master; tells writers when there is room again.
    pub(crate) fn take_output(&self, take: impl FnOnce(&mut State) -> Result<usize>) -> Result<usize> {
        let (result, has_room_again) = {
            let mut state = self.state.lock();
            let was_full = state.line.output.room(OUTPUT) == 0;
            let result = take(&mut state);
            (result, was_full && state.line.output.room(OUTPUT) > 0)
        };
        if has_room_again {
            self.queue.wake(PollEvents::WRITABLE);
        }
        result
    }
}

impl State {
    fn receive_pending(&mut self, effects: &mut Effects) {
        while !self.pending.is_empty() {
            let (bytes, _) = self.pending.as_slices();
            let taken = self.line.receive(bytes, effects);
            if taken == 0 {
                break;
            }
            self.pending.drain(..taken);
        }
    }

    pub fn flush_input(&mut self) {
        self.pending.clear();
        self.line.flush_input();
    }
}

impl PtyState {
    /// Adds `TIOCPKT_*` bits; of opposites the last counts.
    pub fn note(&mut self, bits: u8) {
        for (on, off) in [(TIOCPKT_START, TIOCPKT_STOP), (TIOCPKT_DOSTOP, TIOCPKT_NOSTOP)] {
            let (on, off) = (on as u8, off as u8);
            if bits & on != 0 {
                self.packet &= !off;
            }
            if bits & off != 0 {
                self.packet &= !on;
            }
        }
        self.packet |= bits;
    }
}
