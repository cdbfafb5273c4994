//! What the `minios` command does, as a library for `xtask` and the tests.
//!
//! - [`cfg`]: an application's TOML file becomes an xl.cfg;
//! - [`image`]: a linked guest becomes a bootable image with its symbol table;
//! - [`gates`]: what must hold of every guest image.
#![forbid(unsafe_code)]

pub mod cfg;
