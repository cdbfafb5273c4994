//! The rules by which the kernel of a device model's domain starts QEMU (`docs/misc/stubdom.txt`, "Toolstack to Linux
//! ioemu stubdomain protocol"). Nothing here does anything: the kernel reads, opens and sends.
//!
//! - [`model`]: whose device model it is, and its arguments, out of XenStore;
//! - [`command`]: QEMU's argument vector, with two monitors of ours in front and the restored state's descriptor put in;
//! - [`qmp`]: a client of one monitor, which hands QEMU descriptors; [`json`] looks into what QEMU answers.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod command;
pub mod json;
pub mod model;
pub mod qmp;

#[cfg(test)]
mod tests;
