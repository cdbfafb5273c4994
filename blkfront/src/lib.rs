//! The PV block front end (`io/blkif.h`): disks of a guest.
//!
//! [`BlkFront`] owns one disk. Its methods take `&self`, so several threads may use it at once; whoever waits takes the
//! responses of all and files those of others. Data goes through a bounded pool of granted bounce pages, so that only
//! whole, dedicated, zeroed pages are ever seen by the back end (XSA-403, XSA-405).
//!
//! - blocking: [`BlkFront::read_at`], [`BlkFront::write_at`], [`BlkFront::flush`];
//! - asynchronous: [`BlkFront::submit`], [`BlkFront::poll`], [`BlkFront::wait`], up to the depth of the ring;
//! - life: [`BlkFront::connect`], [`BlkFront::close`], [`BlkFront::reconnect`].
//!
//! A back end that lies ends its disk, never the guest; one that goes away fails what is outstanding, or has it done
//! again after [`BlkFront::reconnect`] ([`OnLoss::Hold`]). What its answers contain is believed: the back end *is* the
//! disk.
#![cfg_attr(not(any(test, feature = "fake")), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod config;
mod disk;
mod error;
#[cfg(any(test, feature = "fake"))]
pub mod fake;
mod front;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
mod job;
mod life;
mod link;
mod name;
mod queue;
mod stats;

pub use config::{Config, OnLoss};
pub use disk::{Disk, FlushKind};
pub use error::{Error, Operation};
pub use front::BlkFront;
pub use job::{Completion, Request, SubmitError, Token};
pub use name::device_name;
pub use stats::Stats;

#[cfg(test)]
mod tests;
