//! Sockets of the Linux personality.
//!
//! [`Sockets`] makes them, and owns what they share: the way to the network, ports and abstract names. A [`Socket`] is a
//! [`linux_base::File`] with the calls of its own; none of them waits: they return `EAGAIN` or `EINPROGRESS`, and the
//! system-call layer waits on [`linux_base::File::queue`].
//!
//! | module | what it has |
//! |---|---|
//! | [`socket`] | [`Socket`]: the calls, by kind |
//! | `tcp`, `udp`, `inet` | over the `net` crate, reached through [`NetHost`] |
//! | `unix` | AF_UNIX: streams, datagrams, packets, passed descriptors |
//! | `netlink` | what `getifaddrs` and `ip` ask |
//! | `options` | `setsockopt` and `getsockopt`, by a table |
//! | [`caller`] | [`Caller`]: what a call needs of the process that makes it |
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod address;
pub mod caller;
mod control;
mod inet;
mod ioctl;
mod netlink;
mod network;
mod numbers;
mod options;
mod ports;
pub mod socket;
mod sockets;
mod tcp;
#[cfg(test)]
mod tests;
mod udp;
mod unix;

pub use address::Address;
pub use caller::{Caller, UnixName};
pub use network::{Net, NetHost};
pub use socket::{Received, Socket};
pub use sockets::Sockets;
