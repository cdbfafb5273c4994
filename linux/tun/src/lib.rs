//! `/dev/net/tun` (`linux/if_tun.h`): a program's end of a network device, a frame at a time.
//!
//! | module | what it has |
//! |---|---|
//! | [`mod@file`] | [`TunFile`]: what `open` makes; `ioctl`, `read`, `write`, `poll` |
//! | [`tap`] | [`Tap`]: the queue of frames for the program, and the way of its frames to a [`Port`] |
//! | [`port`] | [`Port`]: the device on the other side; [`Ports`] finds one by the name of a tap |
//! | [`header`] | the `virtio_net_hdr` that may stand before a frame |
//! | [`segment`] | dividing long TCP segments for those who do not take them whole |
//!
//! There is no bridge and no stack between: a tap belongs to one device of the guest, all that it receives is for the program, and all
//! that the program writes goes out. Nothing here waits.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod abi;
pub mod file;
pub mod header;
pub mod port;
pub mod segment;
pub mod tap;

#[cfg(test)]
mod tests;

pub use file::{TunFile, Tuns};
pub use port::{Port, Ports, Received, vif_of};
pub use tap::{Stats, Tap};
