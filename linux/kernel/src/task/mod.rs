//! Processes and threads.
//!
//! - [`Process`]: what the threads of a program share, and its place among the others;
//! - [`Thread`]: a thread of it; each is a kernel thread that runs [`crate::run`];
//! - [`Task`]: a thread at work, with its registers: what a system call is given;
//! - [`table`]: all of them by number;
//! - [`status`], [`exit`], [`group`], [`spawn`], [`exec`]: how they come, change and go.

pub mod exec;
pub mod exit;
pub mod group;
pub mod load;
mod process;
pub mod spawn;
pub mod status;
pub mod table;
mod thread;
mod times;

pub use process::{Image, Process, Relations};
pub use status::WaitStatus;
pub use thread::{Inherited, Task, Thread};
pub use times::Times;
