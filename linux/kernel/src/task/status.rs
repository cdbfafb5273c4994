//! What has become of a process, and how `wait(2)` tells it.

use linux_task::signal::Signal;

/// How a process ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WaitStatus {
    /// By `exit`, with the low byte of its status.
    Exited(u8),
    /// By a signal.
    Killed(Signal),
}

/// `CLD_*` of `siginfo.h`.
pub mod code {
    /// It called exit.
    pub const EXITED: i32 = 1;
    /// A signal ended it.
    pub const KILLED: i32 = 2;
    /// A signal stopped it.
    pub const STOPPED: i32 = 5;
    /// It was continued.
    pub const CONTINUED: i32 = 6;
}

impl WaitStatus {
    /// As `wait4` tells it.
    pub fn encode(self) -> u32 {
        match self {
            Self::Exited(status) => u32::from(status) << 8,
            Self::Killed(signal) => signal.number().into(),
        }
    }

    /// `si_code` and `si_status`.
    pub fn code(self) -> (i32, i32) {
        match self {
            Self::Exited(status) => (code::EXITED, status.into()),
            Self::Killed(signal) => (code::KILLED, signal.number().into()),
        }
    }
}

/// Running, stopped, ending, ended.
#[derive(Default, Debug)]
pub struct State {
    /// It is to end, or has ended, with this.
    pub exit: Option<WaitStatus>,
    /// The signal that stopped it.
    pub stopped: Option<Signal>,
    /// Nobody has waited for the stop yet.
    pub stop_unreported: bool,
    /// It was continued, and nobody has waited for that yet.
    pub continue_unreported: bool,
    /// All threads have ended; it waits to be waited for.
    pub is_zombie: bool,
    /// Its real user, once it has ended.
    pub uid: u32,
}
