//! The memory of processes: pages, address spaces, and copies between kernel and user.
//!
//! - [`Frame`] is a reference to a page;
//! - [`Pager`] is where the pages of a mapped file come from.
#![cfg_attr(not(test), no_std)]
#![expect(unsafe_code, reason = "pages are raw memory, counted by hand")]

extern crate alloc;

mod frame;
mod pager;

pub use frame::{Frame, PAGE_SIZE};
pub use pager::Pager;
