//! The PV network front end (`io/netif.h`): [`NetFront`], an Ethernet device for smoltcp.
//!
//! - [`front`]: connecting, closing, losing the back end and getting it back; what the owner's thread calls;
//! - `queues`: the rings and event channels, one or several of each; `flow`: which queue a frame goes through;
//! - `rx`: a ring with buffers that stay granted for as long as the device is connected; `tx`: rings that share such a buffer;
//!   `pool`: which of its pages are free;
//! - `checksum`: TCP and UDP checksums, left to the back end where it can, done here where it can not;
//! - [`offload`]: the same for who passes frames on, as a tap;
//! - `extra`: long TCP segments and multicast groups on the ring; `groups`: which the back end has been told of;
//! - [`patience`]: how often to look at the rings before sleeping; `storm`: events that bring nothing;
//! - `phy`: smoltcp's traits;
//! - `config`, `info`: what the owner wishes, and what was agreed with the back end; [`stats`]: counters;
//! - `fake`: a back end for tests.
//!
//! A byte is copied once on its way in, from the shared page to private memory where it is judged and parsed, and not at all on
//! its way out, where the stack writes it into a page that the back end may only read. Nothing is allocated per packet.
//!
//! The back end is not trusted: it sees rings and frame buffers, each a whole page that held nothing else, and a lie of its
//! ends its device (`PeerMisbehaved`). It can still lose, delay and forge frames, as any network can. A frame that it vouches
//! for ("checksum blank" or "data validated") is not verified again, and a fragment of an IP packet can not be.
#![cfg_attr(not(any(test, feature = "fake")), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod checksum;
mod config;
mod error;
mod extra;
#[cfg(any(test, feature = "fake"))]
pub mod fake;
mod flow;
pub mod front;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
mod groups;
mod info;
pub mod offload;
pub mod patience;
mod phy;
mod pool;
mod queues;
mod rx;
pub mod stats;
mod storm;
mod tx;

pub use config::Config;
pub use error::NetError;
pub use front::{Link, NetFront};
pub use info::{Info, Offload};
pub use patience::Patience;
pub use phy::{RxFrame, TxFrame};
pub use stats::Stats;

const ETHERNET_HEADER: usize = 14;
/// The longest frame that is put together from pieces: an IP packet of 64 KiB less one byte.
const MAX_FRAME: usize = ETHERNET_HEADER + 65_535;
/// The longest frame that a request's size field can name.
const MAX_TX_FRAME: usize = 65_535;

#[cfg(test)]
mod tests;
