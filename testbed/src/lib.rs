//! Real Xen and a Debian dom0 inside QEMU, for tests: on any Linux machine, without hardware virtualisation.
//!
//! ```no_run
//! # use testbed::{Outcome, Testbed, XenVersion};
//! # fn main() -> anyhow::Result<()> {
//! testbed::setup::install(testbed::setup::TOOLS, &|line| eprintln!("{line}"))?;
//! let outcome = Testbed::builder()
//!     .xen(XenVersion::V4_20)
//!     .share("target/guests")
//!     .run(&["sh", "-c", "xl create -c /host/hello.cfg"])?;
//! assert_eq!(outcome, Outcome::Exited(0));
//! # Ok(())
//! # }
//! ```
//!
//! [`Builder::run`] passes the command's output through, [`Builder::output`] captures it, [`Builder::start`] hands out a
//! [`Session`] whose events arrive one by one, [`Builder::shell`] is interactive, and [`smoke`](smoke::smoke) boots a guest
//! ELF as dom0. Usage, exit codes and the cache are described in README.md.

#![forbid(unsafe_code)]

use ::debian::{cache, host, packages as debian};

mod accel;
mod forward;
pub mod image;
mod job;
mod log;
mod outcome;
pub mod peer;
mod qemu;
mod run;
pub mod selftest;
mod session;
pub mod setup;
pub mod smoke;
mod version;

pub use accel::Accel;
pub use forward::Forward;
pub use outcome::Outcome;
pub use run::{Builder, Output, Testbed};
pub use session::{Event, Session};
pub use version::XenVersion;

/// Where lines about slow work (downloads, image builds) go.
pub type Progress<'a> = &'a dyn Fn(&str);
