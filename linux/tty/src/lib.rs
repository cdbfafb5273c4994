//! Terminals.
//!
//! | module | what it has |
//! |---|---|
//! | [`tty`] | [`Tty`]: a terminal, over a [`Backend`] or under a master |
//! | [`tty_file`] | [`TtyFile`]: a terminal that is open |
//! | [`pty`], [`ptys`] | [`PtyMaster`], and [`Ptys`]: all pseudo-terminals, `/dev/ptmx`, `/dev/pts` |
//! | [`job`] | [`JobControl`]: what terminals need of processes; sessions, foreground and background |
//! | [`termios`] | [`Termios`], [`WindowSize`] |
//! | `discipline`, `edit`, `read`, `output` | the line discipline `N_TTY`, free of locks and processes |
//! | `traffic` | bytes on their way through a terminal |
//! | `ioctl` | `ioctl_tty(2)` |
//!
//! Nothing here blocks. [`job::restart`] means that a signal has been sent to the caller.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod discipline;
mod edit;
mod ioctl;
pub mod job;
mod output;
pub mod pty;
pub mod ptys;
mod read;
pub mod termios;
mod traffic;
pub mod tty;
pub mod tty_file;

#[cfg(test)]
mod tests;

pub use job::{Caller, JobControl, TtyId};
pub use pty::PtyMaster;
pub use ptys::{Node, Pty, Ptys};
pub use termios::{Termios, WindowSize};
pub use tty::{Backend, Tty};
pub use tty_file::{OpenedAs, TtyFile};
