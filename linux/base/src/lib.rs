//! What every part of the Linux personality shares.
//!
//! | module | what it has |
//! |---|---|
//! | [`errno`] | [`Errno`], the error of every system call |
//! | [`wait`] | [`WaitQueue`]: who waits for an object, persistent watchers, blocking on a condition |
//! | [`poll`] | [`PollEvents`]: readiness as `poll(2)` names it |
//! | [`io`] | [`Sink`] and [`Source`]: buffers of user programs, as files see them |
//! | [`mod@file`] | [`File`], what a descriptor can refer to, and [`OpenFile`], the open file description |
//! | [`stat`] | [`Stat`] and [`Mode`] |
//! | [`cred`] | [`Credentials`] |
//! | [`host`] | [`host::Host`]: clock, parking and randomness from what runs the personality |
//!
//! Nothing here blocks but [`wait::wait_until`]. Locks are `spin::Mutex`es that nobody holds over something that may wait.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod cred;
pub mod errno;
pub mod file;
pub mod host;
pub mod io;
pub mod poll;
pub mod stat;
pub mod wait;

pub use cred::Credentials;
pub use errno::{Errno, Result};
pub use file::{File, OpenFile, OpenFlags};
pub use io::{Sink, Source};
/// Numbers and structures of the Linux ABI.
pub use linux_raw_sys as abi;
pub use poll::PollEvents;
pub use spin::Mutex;
pub use stat::{Facts, Mode, Stat, Timespec};
pub use wait::{WaitQueue, Watch, Watcher};
