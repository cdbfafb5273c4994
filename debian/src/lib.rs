//! Debian packages on the host: fetched and unpacked by mmdebstrap, and kept with what is made of them.
//!
//! - [`packages`]: a suite and names become a tar archive;
//! - [`cache`]: expensive results, by a hash of their recipe;
//! - [`host`]: finding and running programs of the host.
#![forbid(unsafe_code)]

pub mod cache;
pub mod host;
pub mod packages;
