//! What programs wait for, and how they wait for much at once.
//!
//! | module | what it has |
//! |---|---|
//! | [`pipe`] | [`Pipe`] and its [`PipeEnd`]s: `pipe(2)`, and `splice`, `tee`, `vmsplice` over them |
//! | [`fifo`] | [`Fifo`]: a named pipe, which an inode keeps |
//! | [`chunk`] | [`Chunk`]: a piece of a page, in which pipes hold their bytes |
//! | [`eventfd`] | [`EventFd`] |
//! | [`timer`] | [`TimerQueue`]: what is to happen when, driven by a thread of the kernel |
//! | [`timerfd`] | [`TimerFd`] |
//! | [`epoll`] | [`Epoll`] |
//! | [`pollset`] | [`PollSet`]: `poll(2)` and `select(2)` |
//!
//! Nothing here blocks but [`PollSet::wait`]; the system-call layer waits with a file's `poll` and `queue`.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod chunk;
pub mod epoll;
pub mod eventfd;
pub mod fifo;
pub mod pipe;
mod pipe_end;
pub mod pollset;
mod pool;
mod splice;
pub mod timer;
pub mod timerfd;

#[cfg(test)]
mod tests;

pub use chunk::{Chunk, Chunks, FrameSink};
pub use epoll::{Control, Epoll, EpollEvent};
pub use eventfd::EventFd;
pub use fifo::{Fifo, FifoOpening};
pub use linux_base::Facts;
pub use pipe::Pipe;
pub use pipe_end::PipeEnd;
pub use pollset::{FdSets, PollSet};
pub use timer::{Clock, Schedule, Timer, TimerQueue, TimerSpec, TimerTarget};
pub use timerfd::TimerFd;

use core::sync::atomic::{AtomicU64, Ordering};

use linux_base::{Mode, Stat};

/// A number for an object that is in no file system, as `pipe:[N]` shows it. Sockets may take theirs here too.
pub fn next_inode() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1000);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// What `fstat` says of objects that have no inode of their own: all of them share one.
pub(crate) fn anonymous_stat() -> Stat {
    Stat { dev: 15, ino: 2, mode: Mode(0o600), nlink: 1, blksize: 4096, ..Stat::default() }
}
