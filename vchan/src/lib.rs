//! Byte streams between domains, as libvchan makes them (`io/libxenvchan.h`).
//!
//! A [`Server`] grants a page and offers it, with an event channel, below a node of XenStore; a [`Client`] in the domain that
//! it is meant for maps it. Each end then writes into one ring and reads from another; an event is sent only if the other
//! end has asked for it. Both work with libvchan's own programs at the other end (`vchan-socket-proxy`), with rings of 1 and
//! 2 KiB in the page itself or of up to 1 MiB in pages of their own ([`Sizes`]).
//!
//! Reading and writing never block. Who has to wait takes the `wait_point` first, then reads or writes, and if these did
//! nothing waits past that point with `xen::Events::wait`, alone or together with other ports.
//!
//! An end that lies, about an index, a ring's size or the list of grants, ends that connection and nothing else
//! ([`Error::Peer`]): a server takes the next client.
#![cfg_attr(not(any(test, feature = "fuzzing")), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod channel;
mod client;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
mod ring;
mod server;
#[cfg(test)]
mod tests;
mod wire;

pub use client::{Client, Offer};
pub use error::Error;
pub use server::{Server, Sizes};
pub use wire::RING_MAX;

/// The nodes.
const RING_REF: &str = "ring-ref";
const EVENT_CHANNEL: &str = "event-channel";
