//! XenStore: wire format, client, and the xenbus device state machine.
//!
//! - [`wire`]: messages as bytes, without I/O (`io/xs_wire.h`), and xenstored's errors by name;
//! - [`XenStore`]: the client over a ring page and an event port, shared by all threads of the guest. Its operations are
//!   those of [`Tree`]; [`Transaction`] has the same ones;
//! - [`Watch`]: changes under a path, queued and bounded; unwatched on drop;
//! - [`XenbusDevice`]: what a front-end driver sees of its device (`xen::xenbus::Device`);
//! - [`Follower`]: the devices of a kind as they come and go, and [`next_step`], what a front end does about it;
//! - [`Session`]: messages of a program that speaks the protocol itself, beside those of the guest's own client;
//! - [`control`]: `xl shutdown` and `xl reboot`;
//! - `fake`: an in-memory xenstored on `FakeXen`, for tests of drivers (feature `fake`).
//!
//! Whatever xenstored sends, the worst that happens is an error: a broken protocol ends the connection and every call
//! on it returns [`Error::Broken`].
#![cfg_attr(not(any(test, feature = "fake")), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod client;
mod connection;
pub mod control;
mod error;
#[cfg(any(test, feature = "fake"))]
pub mod fake;
mod follow;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
mod session;
mod sessions;
mod transaction;
mod tree;
mod watch;
pub mod wire;
mod xenbus;

#[cfg(test)]
mod tests;

pub use client::{Pending, XenStore};
pub use error::Error;
pub use follow::{Follower, News, Step, next_step};
pub use session::{Session, Submitted};
pub use transaction::Transaction;
pub use tree::{Permission, Rights, Tree};
pub use watch::Watch;
pub use wire::Errno;
pub use xenbus::{XenbusDevice, enumerate};
