//! What the `minios` command does, as a library for `xtask` and the tests.
//!
//! - [`mod@cfg`]: an application's TOML file becomes an xl.cfg;
//! - [`pack`]: Debian packages become a guest's root file system, with its kernel and its xl.cfg;
//! - [`image`]: a linked guest becomes a bootable image with its symbol table;
//! - [`symbols`]: the format of that table, shared with the guest;
//! - [`gates`]: what must hold of every guest image.
#![forbid(unsafe_code)]

pub mod cfg;
pub mod gates;
pub mod image;
pub mod pack;
// The very file that the guest is built from: the runtime itself may not build for the host.
#[path = "../../minios/src/symbols.rs"]
pub mod symbols;

#[cfg(test)]
mod testing;
