//! The rules of processes, apart from the processes: what a test on a developer's machine can hold against `man 2`.
//!
//! | module | what it has |
//! |---|---|
//! | [`signal`] | signal sets, what is pending, what a signal does, the frame on a program's stack |
//! | [`futex`] | who waits on which word; robust lists |
//! | [`elf`], [`script`] | what an executable file asks for |
//! | [`stack`] | the first contents of a program's stack: arguments, environment, auxiliary vector |
//! | [`limits`] | resource limits |
//! | [`burst`] | how many lines of the log programs may cause |
//!
//! Nothing here knows page tables, descriptors or Xen. The kernel crate holds it all together.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod burst;
mod bytes;
pub mod elf;
pub mod futex;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
pub mod limits;
pub mod robust;
pub mod script;
pub mod signal;
pub mod stack;
