//! Signals (`signal(7)`).
//!
//! - [`Signal`], [`SigSet`]: numbers and sets of them;
//! - [`SigInfo`]: what a handler is told;
//! - [`Action`], [`Actions`]: what a process does with each signal; [`Action::decide`] says what that comes to;
//! - [`Pending`]: what waits to be delivered;
//! - [`frame`]: what a handler finds on the stack, and `rt_sigreturn` reads back.

mod action;
pub mod frame;
mod info;
mod pending;
#[cfg(test)]
mod tests;

pub use action::{Action, ActionFlags, Actions, AltStack, Disposition};
pub use info::{Cause, SigInfo};
pub use pending::Pending;

use linux_base::{Errno, Result};

/// The number of a signal, 1 to 64.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Signal(u8);

macro_rules! signals {
    ($($name:ident $number:literal $text:literal,)*) => {
        impl Signal {
            $(#[doc = $text] pub const $name: Self = Self($number);)*

            /// Its name, as `SIGINT`; real-time signals are `SIGRT`.
            pub fn name(self) -> &'static str {
                match self.0 {
                    $($number => concat!("SIG", stringify!($name)),)*
                    _ => "SIGRT",
                }
            }
        }
    };
}

signals! {
    HUP 1 "The terminal hung up.",
    INT 2 "Interrupt from the keyboard.",
    QUIT 3 "Quit from the keyboard.",
    ILL 4 "Illegal instruction.",
    TRAP 5 "Trace or breakpoint trap.",
    ABRT 6 "From `abort`.",
    BUS 7 "Bad memory access: beyond the end of a mapped file.",
    FPE 8 "Arithmetic error.",
    KILL 9 "Ends the process; can not be caught.",
    USR1 10 "For the program.",
    SEGV 11 "Bad memory reference.",
    USR2 12 "For the program.",
    PIPE 13 "Nobody reads the pipe that was written to.",
    ALRM 14 "From `alarm`.",
    TERM 15 "Please end.",
    STKFLT 16 "Unused.",
    CHLD 17 "A child stopped or ended.",
    CONT 18 "Continue if stopped.",
    STOP 19 "Stops the process; can not be caught.",
    TSTP 20 "Stop from the keyboard.",
    TTIN 21 "A background process reads from its terminal.",
    TTOU 22 "A background process writes to its terminal.",
    URG 23 "Urgent data on a socket.",
    XCPU 24 "CPU time limit exceeded.",
    XFSZ 25 "File size limit exceeded.",
    VTALRM 26 "A virtual timer.",
    PROF 27 "A profiling timer.",
    WINCH 28 "The terminal's size changed.",
    IO 29 "I/O is possible.",
    PWR 30 "Power fails.",
    SYS 31 "Bad system call.",
}

impl Signal {
    /// Signals there are.
    pub const COUNT: u8 = 64;
    /// The first real-time signal, as the kernel counts.
    pub const RT_MIN: u8 = 32;

    /// A number of a program. `EINVAL` unless it is 1 to 64.
    pub fn new(number: i32) -> Result<Self> {
        match u8::try_from(number) {
            Ok(number @ 1..=Self::COUNT) => Ok(Self(number)),
            _ => Err(Errno::EINVAL),
        }
    }

    /// Its number.
    pub fn number(self) -> u8 {
        self.0
    }

    /// Whether each one sent is delivered, in order.
    pub fn is_real_time(self) -> bool {
        self.0 >= Self::RT_MIN
    }

    /// Whether it can be neither caught nor blocked nor ignored.
    pub fn is_unmaskable(self) -> bool {
        self == Self::KILL || self == Self::STOP
    }

    /// Whether an instruction causes it: such a signal comes before the others, and ends a process that blocks it.
    pub fn is_synchronous(self) -> bool {
        matches!(self, Self::SEGV | Self::BUS | Self::ILL | Self::TRAP | Self::FPE | Self::SYS)
    }

    /// Whether its default is to stop the process.
    pub fn is_stop(self) -> bool {
        matches!(self, Self::STOP | Self::TSTP | Self::TTIN | Self::TTOU)
    }
}

/// A set of signals; bit n-1 is signal n.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SigSet(pub u64);

impl SigSet {
    /// None.
    pub const EMPTY: Self = Self(0);
    /// KILL and STOP, which no mask holds.
    pub const UNMASKABLE: Self = Self(1 << 8 | 1 << 18);
    /// All that an instruction causes.
    pub const SYNCHRONOUS: Self = Self(1 << 3 | 1 << 4 | 1 << 6 | 1 << 7 | 1 << 10 | 1 << 30);

    /// The set of one signal.
    pub fn of(signal: Signal) -> Self {
        Self(1 << (signal.0 - 1))
    }

    /// A mask of a program, without those that can not be blocked.
    pub fn mask(bits: u64) -> Self {
        Self(bits & !Self::UNMASKABLE.0)
    }

    /// Whether it holds a signal.
    pub fn contains(self, signal: Signal) -> bool {
        self.0 & Self::of(signal).0 != 0
    }

    /// Whether it holds nothing.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// With the signals of another set.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Without the signals of another set.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The signal that is delivered first: those of instructions, then by number.
    pub fn first(self) -> Option<Signal> {
        let urgent = self.0 & Self::SYNCHRONOUS.0;
        let bits = if urgent != 0 { urgent } else { self.0 };
        (bits != 0).then(|| Signal(bits.trailing_zeros() as u8 + 1))
    }
}
