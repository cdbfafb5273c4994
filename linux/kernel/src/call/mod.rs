//! The system calls, one file per family. Functions have the names of the calls and take the task and the arguments as the
//! registers hold them; the table in `linux-calls` says which there are.

pub mod attributes;
pub mod clone;
pub mod credentials;
pub mod dir;
pub mod epoll;
pub mod exec;
pub mod exit;
pub mod fcntl;
pub mod fd;
pub mod file;
pub mod futex;
pub mod group;
pub mod ids;
pub mod inotify;
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
pub mod signalfd;
pub mod socket;
pub mod splice;
pub mod stat;
pub mod sync;
pub mod system;
pub mod time;
pub mod timer;
pub mod tree;
pub mod wait;
pub mod xattr;
