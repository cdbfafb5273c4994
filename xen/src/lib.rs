//! The seams between drivers and Xen.
//!
//! A driver is written against the traits of [`seam`] ([`Grants`], [`Events`], [`Clock`], together [`Platform`]; and
//! [`Mappings`], for those that map what other domains grant) and [`xenbus::Device`]. On real Xen the `minios` crate implements them; in tests `fake::FakeXen` does, with the peers
//! run inline. No driver issues a hypercall, allocates a grant or knows how an event arrives.
//!
//! - [`page`]: [`OwnPage`] becomes a [`SharedPage`] when it is granted, and an `OwnPage` again when the grant ends;
//! - [`readable`]: [`ReadablePages`], a run of pages that a peer may only read, so that we may write it in place;
//! - [`memory`]: [`SharedMemory`], the only way to look into a page that a peer can write: whole copies and atomics;
//! - [`ring`]: [`Front`] and [`Back`], both ends of `io/ring.h`; [`byte_ring`]: the rings of console and XenStore;
//! - [`scatter`]: [`Scattered`], a ring's memory of several pages;
//! - [`port`]: [`EventPort`], an event channel that closes itself.
#![cfg_attr(not(any(test, feature = "fake")), no_std)]
#![expect(unsafe_code, reason = "shared memory and the promises of the seams are what this crate is about")]

extern crate alloc;

pub mod byte_ring;
#[cfg(any(test, feature = "fake"))]
pub mod fake;
pub mod ids;
pub mod memory;
pub mod page;
pub mod port;
pub mod readable;
pub mod ring;
pub mod scatter;
pub mod seam;
pub mod xenbus;

pub use byte_ring::{ByteReader, ByteWriter};
pub use ids::{DomId, GrantRef, Port};
pub use memory::{PeerMisbehaved, SharedMemory};
pub use page::{OwnPage, SharedPage};
pub use port::EventPort;
pub use readable::ReadablePages;
pub use ring::{Back, Doorbell, Front};
pub use scatter::{RingMemory, Scattered};
pub use seam::{
    Access, Clock, EventError, EventSeq, Events, GrantError, Grants, MapError, Mappings, OutOfMemory,
    Platform, StillMapped, Wake,
};
pub use xen_sys::PAGE_SIZE;
