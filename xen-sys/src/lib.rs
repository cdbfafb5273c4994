//! The Xen ABI for x86-64 PV guests: numbers and `repr(C)` structures, nothing else.
//!
//! Each module follows one public header of Xen (`xen/include/public/`, Debian's `libxen-dev`) and carries its name.
//! `tests/layout.rs` compares every size, offset and number here with those headers by way of the C compiler.
//! Structures have no hidden padding: what C pads is a named `pad` field, so that a copy never leaks old memory.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
#![allow(missing_docs, reason = "the names are Xen's own; the headers named in each module document them")]

pub mod elfnote;
pub mod event_channel;
pub mod features;
pub mod grant_table;
pub mod hvm;
pub mod io;
pub mod memory;
pub mod sched;
pub mod vcpu;
pub mod version;
pub mod x86;
pub mod xen;

/// Bytes in a page, of Xen's, of the guest's and of a grant.
pub const PAGE_SIZE: usize = 4096;
