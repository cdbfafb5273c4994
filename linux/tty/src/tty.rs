//! A terminal: its line discipline, who waits for it, and where its output goes.
//!
//! Bytes come in by [`Tty::received`], from a console's driver or from the master of a pseudo-terminal. Output goes to a
//! [`Backend`], or waits for the master to read it. How is in `traffic`.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};

use linux_base::abi::general::HUPCL;
use linux_base::abi::general::*;
use linux_base::stat::DeviceNumber;
use linux_base::{Mutex, PollEvents, WaitQueue};

use crate::discipline::{Discipline, Effects};
use crate::job::{JobControl, Owners, TtyId};
use crate::termios::{Termios, WindowSize};
use crate::traffic::PENDING;

/// Where the output of a terminal goes that is not a pseudo-terminal.
pub trait Backend: Send + Sync {
    /// Takes bytes as far as there is room, without waiting, and returns how many. Call [`Tty::output_possible`] when there is
    /// room again.
    fn output(&self, bytes: &[u8]) -> usize;

    /// There is room for input again, or somebody has opened the terminal: see [`Tty::input_room`].
    fn input_possible(&self) {}
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
    pub pending: VecDeque<u8>,
    pub window: WindowSize,
    pub owners: Owners,
    pub is_exclusive: bool,
    pub opens: usize,
    /// How often it has hung up: files that were opened before are dead.
    pub generation: u64,
    pub last_byte_ns: u64,
    pub is_sending: bool,
    pub pty: PtyState,
}

/// A terminal.
pub struct Tty {
    id: TtyId,
    is_channel: bool,
    pub(crate) device: DeviceNumber,
    jobs: Arc<dyn JobControl>,
    pub(crate) backend: Option<Arc<dyn Backend>>,
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

    /// A terminal over a device that carries bytes for programs, as the consoles of a device model's domain do: raw from the start, and
    /// nobody's controlling terminal.
    pub fn channel(device: DeviceNumber, backend: Arc<dyn Backend>, jobs: Arc<dyn JobControl>) -> Arc<Self> {
        let mut tty = Self::with(device, Some(backend), jobs, PtyState::default());
        tty.is_channel = true;
        tty.state.get_mut().line.termios = Termios::raw();
        Arc::new(tty)
    }

    /// Whether it was made by [`Tty::channel`].
    pub fn is_channel(&self) -> bool {
        self.is_channel
    }

    pub(crate) fn with(
        device: DeviceNumber,
        backend: Option<Arc<dyn Backend>>,
        jobs: Arc<dyn JobControl>,
        pty: PtyState,
    ) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let mut line = Discipline::default();
        if backend.is_none() {
            // There is no line to hang up behind a pseudo-terminal.
            line.termios.cflag &= !HUPCL;
        }
        let state = State {
            line,
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
            is_channel: false,
            device,
            jobs,
            backend,
            state: Mutex::new(state),
            queue: WaitQueue::new(),
            master_queue: WaitQueue::new(),
        }
    }

    /// Bytes of output that wait for room in the backend.
    pub fn output_len(&self) -> usize {
        self.state.lock().line.output.ready.len()
    }

    /// How many bytes, of so many, [`Tty::received`] is sure to take now: none while the terminal is not open, as on Linux.
    /// The others are to wait where they are, until [`Backend::input_possible`].
    pub fn input_room(&self, wanted: usize) -> usize {
        let mut state = self.state.lock();
        let room = PENDING.saturating_sub(state.pending.len()).min(wanted);
        let has_memory = state.pending.try_reserve(room).is_ok();
        if state.opens > 0 && has_memory { room } else { 0 }
    }

    /// Tells the backend that there may be room for input.
    pub(crate) fn ask_for_input(&self) {
        if let Some(backend) = &self.backend {
            backend.input_possible();
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
        self.ask_for_input();
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
        self.ask_for_input();
        self.queue.wake_all(PollEvents::HUP | PollEvents::READABLE | PollEvents::WRITABLE);
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
