//! The PV block front end (`io/blkif.h`): disks of a guest.
//!
//! [`BlkFront`] owns one disk. Its methods take `&self`, so several threads may use it at once; whoever waits takes the
//! responses of all and files those of others. Data goes through a bounded pool of granted bounce pages, so that only
//! whole, dedicated, zeroed pages are ever seen by the back end (XSA-403, XSA-405).
//!
//! - blocking: [`BlkFront::read_at`], [`BlkFront::write_at`], [`BlkFront::write_durable_at`], [`BlkFront::flush`],
//!   [`BlkFront::discard_at`];
//! - asynchronous: [`BlkFront::submit`], [`BlkFront::poll`], [`BlkFront::wait`], up to the depth of the ring;
//! - bursts: [`BlkFront::plug`] collects requests, so that those that touch go out as one and the back end is told once;
//! - life: [`BlkFront::connect`], [`BlkFront::close`], [`BlkFront::reconnect`].
//!
//! What the back end offers is used as [`Config`] allows: rings of several pages, several rings, indirect segments, persistent
//! grants ([`Transport`] says what came of it).
//!
//! A back end that lies ends its disk, never the guest; one that goes away fails what is outstanding, or has it done
//! again after [`BlkFront::reconnect`] ([`OnLoss::Hold`]). What its answers contain is believed: the back end *is* the
//! disk.
#![cfg_attr(not(any(test, feature = "fake")), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod ahead;
mod config;
mod disk;
mod error;
#[cfg(any(test, feature = "fake"))]
pub mod fake;
mod front;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
mod job;
mod jobs;
mod lane;
mod life;
mod link;
mod merge;
mod name;
mod pool;
mod queue;
mod stats;
mod terms;
mod transport;

pub use config::{Config, OnLoss};
pub use disk::{DiscardLimits, Disk, FlushKind};
pub use error::{Error, Operation};
pub use front::{BlkFront, Plug};
pub use job::{Completion, Discard, Request, SubmitError, Token};
pub use name::device_name;
pub use stats::Stats;
pub use transport::Transport;

#[cfg(test)]
mod tests;
