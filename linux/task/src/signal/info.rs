//! What a handler is told of a signal (`siginfo_t` of `asm-generic/siginfo.h`).

use super::Signal;
use crate::bytes::{array, put, u32_at, u64_at};

/// A signal with what there is to say of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SigInfo {
    /// Which.
    pub signal: Signal,
    /// `si_errno`
    pub errno: i32,
    /// `si_code`
    pub code: i32,
    /// The rest.
    pub cause: Cause,
}

/// The part of `siginfo_t` that depends on the code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cause {
    /// Nothing more.
    None,
    /// A process sent it.
    Sender {
        /// Its process ID.
        pid: i32,
        /// Its real user ID.
        uid: u32,
        /// `si_value`, with `sigqueue`.
        value: u64,
    },
    /// A child changed its state.
    Child {
        /// Its process ID.
        pid: i32,
        /// Its real user ID.
        uid: u32,
        /// Exit status, or the signal.
        status: i32,
        /// CPU time, in clock ticks of 10 ms.
        user_ticks: i64,
        /// The same in the kernel.
        system_ticks: i64,
    },
    /// An instruction caused it.
    Fault {
        /// The address it used, or its own.
        address: u64,
    },
    /// A POSIX timer expired.
    Timer {
        /// The timer's ID.
        id: i32,
        /// How often it expired beside.
        overrun: i32,
        /// `sigev_value`
        value: u64,
    },
    /// As a program made it, for codes that only programs use: the bytes behind the first three numbers.
    Raw([u8; 48]),
}

impl SigInfo {
    /// Bytes of `siginfo_t`.
    pub const LEN: usize = 128;
    /// `SI_USER`: by `kill`.
    pub const USER: i32 = 0;
    /// `SI_KERNEL`
    pub const KERNEL: i32 = 0x80;
    /// `SI_QUEUE`: by `sigqueue`.
    pub const QUEUE: i32 = -1;
    /// `SI_TIMER`
    pub const TIMER: i32 = -2;
    /// `SI_TKILL`: by `tgkill`.
    pub const TKILL: i32 = -6;

    /// From the kernel itself.
    pub fn kernel(signal: Signal) -> Self {
        Self { signal, errno: 0, code: Self::KERNEL, cause: Cause::None }
    }

    /// By `kill` or `tgkill` (`code`).
    pub fn sent(signal: Signal, code: i32, pid: i32, uid: u32) -> Self {
        Self { signal, errno: 0, code, cause: Cause::Sender { pid, uid, value: 0 } }
    }

    /// By an instruction; `code` is one of `SEGV_*`, `BUS_*`, `FPE_*`, `ILL_*`, `TRAP_*`.
    pub fn fault(signal: Signal, code: i32, address: u64) -> Self {
        Self { signal, errno: 0, code, cause: Cause::Fault { address } }
    }

    /// As a program reads it.
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        put(&mut bytes, 0, &i32::from(self.signal.number()).to_le_bytes());
        put(&mut bytes, 4, &self.errno.to_le_bytes());
        put(&mut bytes, 8, &self.code.to_le_bytes());
        match &self.cause {
            Cause::None => {}
            Cause::Sender { pid, uid, value } => {
                put(&mut bytes, 16, &pid.to_le_bytes());
                put(&mut bytes, 20, &uid.to_le_bytes());
                put(&mut bytes, 24, &value.to_le_bytes());
            }
            Cause::Child { pid, uid, status, user_ticks, system_ticks } => {
                put(&mut bytes, 16, &pid.to_le_bytes());
                put(&mut bytes, 20, &uid.to_le_bytes());
                put(&mut bytes, 24, &status.to_le_bytes());
                put(&mut bytes, 32, &user_ticks.to_le_bytes());
                put(&mut bytes, 40, &system_ticks.to_le_bytes());
            }
            Cause::Fault { address } => put(&mut bytes, 16, &address.to_le_bytes()),
            Cause::Timer { id, overrun, value } => {
                put(&mut bytes, 16, &id.to_le_bytes());
                put(&mut bytes, 20, &overrun.to_le_bytes());
                put(&mut bytes, 24, &value.to_le_bytes());
            }
            Cause::Raw(raw) => put(&mut bytes, 16, raw),
        }
        bytes
    }

    /// What a program hands to `rt_sigqueueinfo(2)`, for `signal`.
    pub fn from_bytes(signal: Signal, bytes: &[u8; Self::LEN]) -> Self {
        let code = u32_at(bytes, 8) as i32;
        let cause = match code {
            Self::QUEUE | Self::TKILL | Self::USER => Cause::Sender {
                pid: u32_at(bytes, 16) as i32,
                uid: u32_at(bytes, 20),
                value: u64_at(bytes, 24),
            },
            _ => Cause::Raw(array(bytes, 16)),
        };
        Self { signal, errno: u32_at(bytes, 4) as i32, code, cause }
    }

    /// As `signalfd(2)` tells it: 128 bytes of `signalfd_siginfo`.
    pub fn to_signalfd_bytes(&self) -> [u8; 128] {
        let mut bytes = [0; 128];
        put(&mut bytes, 0, &u32::from(self.signal.number()).to_le_bytes());
        put(&mut bytes, 4, &self.errno.to_le_bytes());
        put(&mut bytes, 8, &self.code.to_le_bytes());
        match &self.cause {
            Cause::None | Cause::Raw(_) => {}
            Cause::Sender { pid, uid, value } => {
                put(&mut bytes, 12, &pid.to_le_bytes());
                put(&mut bytes, 16, &uid.to_le_bytes());
                put(&mut bytes, 44, &(*value as u32).to_le_bytes());
                put(&mut bytes, 48, &value.to_le_bytes());
            }
            Cause::Child { pid, uid, status, user_ticks, system_ticks } => {
                put(&mut bytes, 12, &pid.to_le_bytes());
                put(&mut bytes, 16, &uid.to_le_bytes());
                put(&mut bytes, 40, &status.to_le_bytes());
                put(&mut bytes, 56, &user_ticks.to_le_bytes());
                put(&mut bytes, 64, &system_ticks.to_le_bytes());
            }
            Cause::Fault { address } => put(&mut bytes, 72, &address.to_le_bytes()),
            Cause::Timer { id, overrun, value } => {
                put(&mut bytes, 24, &id.to_le_bytes());
                put(&mut bytes, 32, &overrun.to_le_bytes());
                put(&mut bytes, 44, &(*value as u32).to_le_bytes());
                put(&mut bytes, 48, &value.to_le_bytes());
            }
        }
        bytes
    }
}
