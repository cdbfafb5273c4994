//! What a process does with its signals (`sigaction(2)`, `sigaltstack(2)`).

use linux_base::{Errno, Result};

use super::{SigSet, Signal};
use crate::bytes::{put, u32_at, u64_at};

bitflags::bitflags! {
    /// `SA_*` of `asm/signal.h`.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct ActionFlags: u64 {
        /// Children that stop do not cause SIGCHLD.
        const NOCLDSTOP = 1;
        /// Children that end become no zombies.
        const NOCLDWAIT = 2;
        /// The handler takes three arguments.
        const SIGINFO = 4;
        /// A restorer is given; always so on x86-64.
        const RESTORER = 0x0400_0000;
        /// Run on the alternate stack.
        const ONSTACK = 0x0800_0000;
        /// Interrupted system calls start again.
        const RESTART = 0x1000_0000;
        /// The signal is not blocked in its own handler.
        const NODEFER = 0x4000_0000;
        /// Back to the default when the handler is called.
        const RESETHAND = 0x8000_0000;
    }
}

/// What one signal does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Action {
    /// Address of the handler, [`Action::DEFAULT`] or [`Action::IGNORE`].
    pub handler: u64,
    /// How.
    pub flags: ActionFlags,
    /// Where the handler returns to.
    pub restorer: u64,
    /// Blocked in addition while the handler runs.
    pub mask: SigSet,
}

/// What a signal comes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Disposition {
    /// Nothing.
    Ignore,
    /// The process ends; a core would be dumped if there were core dumps.
    Terminate {
        /// Whether the default is to dump core, which the wait status does not show here.
        core: bool,
    },
    /// All threads stop.
    Stop,
    /// Stopped threads go on; nothing else.
    Continue,
    /// The handler runs.
    Handle,
}

impl Action {
    /// `SIG_DFL`
    pub const DEFAULT: u64 = 0;
    /// `SIG_IGN`
    pub const IGNORE: u64 = 1;
    /// Bytes of `struct kernel_sigaction`.
    pub const LEN: usize = 32;

    /// From the structure of `rt_sigaction(2)`: handler, flags, restorer, mask.
    pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Self {
        Self {
            handler: u64_at(bytes, 0),
            flags: ActionFlags::from_bits_retain(u64_at(bytes, 8)),
            restorer: u64_at(bytes, 16),
            mask: SigSet::mask(u64_at(bytes, 24)),
        }
    }

    /// The inverse.
    pub fn to_bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        put(&mut bytes, 0, &self.handler.to_le_bytes());
        put(&mut bytes, 8, &self.flags.bits().to_le_bytes());
        put(&mut bytes, 16, &self.restorer.to_le_bytes());
        put(&mut bytes, 24, &self.mask.0.to_le_bytes());
        bytes
    }

    /// What this action makes of a signal.
    pub fn decide(&self, signal: Signal) -> Disposition {
        if !signal.is_unmaskable() {
            match self.handler {
                Self::DEFAULT => {}
                Self::IGNORE if signal == Signal::CONT => return Disposition::Continue,
                Self::IGNORE => return Disposition::Ignore,
                _ => return Disposition::Handle,
            }
        }
        match signal {
            Signal::CHLD | Signal::URG | Signal::WINCH => Disposition::Ignore,
            Signal::CONT => Disposition::Continue,
            Signal::STOP | Signal::TSTP | Signal::TTIN | Signal::TTOU => Disposition::Stop,
            Signal::QUIT
            | Signal::ILL
            | Signal::TRAP
            | Signal::ABRT
            | Signal::BUS
            | Signal::FPE
            | Signal::SEGV
            | Signal::XCPU
            | Signal::XFSZ
            | Signal::SYS => Disposition::Terminate { core: true },
            _ => Disposition::Terminate { core: false },
        }
    }

    /// Whether sending the signal has no effect at all, so that it need not become pending.
    pub fn discards(&self, signal: Signal) -> bool {
        self.decide(signal) == Disposition::Ignore
    }
}

/// The actions of a process, one for each signal.
#[derive(Clone, Debug)]
pub struct Actions([Action; Signal::COUNT as usize]);

impl Default for Actions {
    fn default() -> Self {
        Self([Action::default(); Signal::COUNT as usize])
    }
}

impl Actions {
    /// The action of a signal.
    pub fn get(&self, signal: Signal) -> Action {
        self.0[usize::from(signal.number()) - 1]
    }

    /// Sets an action and returns the one before. `EINVAL` for KILL and STOP.
    pub fn set(&mut self, signal: Signal, action: Action) -> Result<Action> {
        if signal.is_unmaskable() {
            return Err(Errno::EINVAL);
        }
        Ok(core::mem::replace(&mut self.0[usize::from(signal.number()) - 1], action))
    }

    /// Back to the default, as `SA_RESETHAND` asks for.
    pub fn reset(&mut self, signal: Signal) {
        let action = &mut self.0[usize::from(signal.number()) - 1];
        action.handler = Action::DEFAULT;
    }

    /// What exec leaves: handlers go, ignored signals stay ignored.
    pub fn reset_for_exec(&mut self) {
        for action in &mut self.0 {
            let handler = if action.handler == Action::IGNORE { Action::IGNORE } else { Action::DEFAULT };
            *action = Action { handler, ..Action::default() };
        }
    }

    /// The signals with a handler, and those that are ignored by choice: `SigCgt` and `SigIgn` of `/proc/PID/status`.
    pub fn caught_and_ignored(&self) -> (SigSet, SigSet) {
        let (mut caught, mut ignored) = (0, 0);
        for (bit, action) in self.0.iter().enumerate() {
            match action.handler {
                Action::DEFAULT => {}
                Action::IGNORE => ignored |= 1 << bit,
                _ => caught |= 1 << bit,
            }
        }
        (SigSet(caught), SigSet(ignored))
    }

    /// Whether a thread that sets this mask would be the one to set `SA_NOCLDWAIT`-like reaping: children of a process that
    /// ignores SIGCHLD, or says so, become no zombies.
    pub fn reaps_children_itself(&self) -> bool {
        let action = self.get(Signal::CHLD);
        action.handler == Action::IGNORE || action.flags.contains(ActionFlags::NOCLDWAIT)
    }
}

/// An alternate signal stack.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct AltStack {
    /// Lowest address.
    pub base: u64,
    /// Length in bytes; 0 when there is none.
    pub len: u64,
    /// `SS_AUTODISARM` or nothing.
    pub flags: u32,
}

impl AltStack {
    /// Bytes of `stack_t`.
    pub const LEN: usize = 24;
    /// The least length that is taken.
    pub const MIN_LEN: u64 = 2048;
    const ONSTACK: u32 = 1;
    const DISABLE: u32 = 2;
    const AUTODISARM: u32 = 1 << 31;

    /// From `stack_t`: base, flags, length. `EINVAL` for unknown flags, `ENOMEM` when it is too short.
    pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Result<Self> {
        let (base, flags, len) = (u64_at(bytes, 0), u32_at(bytes, 8), u64_at(bytes, 16));
        match flags & !Self::AUTODISARM {
            Self::DISABLE => Ok(Self::default()),
            0 | Self::ONSTACK if len < Self::MIN_LEN => Err(Errno::ENOMEM),
            0 | Self::ONSTACK => Ok(Self { base, len, flags: flags & Self::AUTODISARM }),
            _ => Err(Errno::EINVAL),
        }
    }

    /// As `stack_t` tells it to a thread whose stack pointer is `rsp`.
    pub fn to_bytes(self, rsp: u64) -> [u8; Self::LEN] {
        let state = match self.len {
            0 => Self::DISABLE,
            _ if self.is_in_use(rsp) => Self::ONSTACK,
            _ => 0,
        };
        let mut bytes = [0; Self::LEN];
        put(&mut bytes, 0, &self.base.to_le_bytes());
        put(&mut bytes, 8, &(state | self.flags).to_le_bytes());
        put(&mut bytes, 16, &self.len.to_le_bytes());
        bytes
    }

    /// Whether a stack pointer is on it. One that disarms itself is never in use.
    pub fn is_in_use(&self, rsp: u64) -> bool {
        self.flags & Self::AUTODISARM == 0 && self.contains(rsp)
    }

    /// Whether a stack pointer lies within.
    pub fn contains(&self, rsp: u64) -> bool {
        self.len != 0 && rsp > self.base && rsp - self.base <= self.len
    }

    /// Whether it goes away when a handler is called on it.
    pub fn disarms(&self) -> bool {
        self.flags & Self::AUTODISARM != 0
    }

    /// Address behind its last byte.
    pub fn top(&self) -> u64 {
        self.base.wrapping_add(self.len)
    }
}
