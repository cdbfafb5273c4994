//! The system calls, one file per family. Functions have the names of the calls and take the task and the arguments as the
//! registers hold them; the table in `linux-calls` says which there are.

pub mod clone;
pub mod credentials;
pub mod dir;
pub mod epoll;
pub mod exec;
pub mod exit;
pub mod fd;
pub mod futex;
pub mod group;
pub mod ids;
pub mod io;
pub mod kill;
pub mod limits;
pub mod memory;
pub mod open;
pub mod pipe;
pub mod poll;
pub mod prctl;
pub mod sched;
pub mod signal;
pub mod stat;
pub mod system;
pub mod time;
pub mod timer;
pub mod wait;
