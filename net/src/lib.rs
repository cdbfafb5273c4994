//! TCP/IP for guests: TCP of our own; interfaces, UDP, DHCP, SLAAC and DNS over smoltcp.
//!
//! [`Stack`] owns the network devices and every socket. It never blocks and never reads a clock: the owner calls
//! [`Stack::poll`] with the time, sleeps until the deadline that it returns or until a device has news, and calls it
//! again. What can wait takes a [`core::task::Context`] and returns [`core::task::Poll`]; a blocking API is built above.
//!
//! Frames are matched to their socket here, by a tree, and only sockets that have something to do are polled, so that idle
//! sockets cost nothing. TCP connections are our own (`tcp`); the other sockets are smoltcp's, each in a `SocketSet` of its
//! own. A listener makes a connection when a SYN arrives, which gives a real backlog.
//!
//! Neighbours: `netfront` supplies the devices (`smoltcp::phy::Device`); the std-like API stands above.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod config;
mod core_;
mod device;
mod dhcp;
mod dns;
mod egress;
mod error;
mod frame;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
mod ingress;
mod interfaces;
mod link;
mod links;
mod loopback;
mod neighbour;
mod observe;
mod ping;
mod rng;
mod route;
mod router;
mod schedule;
mod slab;
mod stack;
mod tcp;
mod udp;

pub use config::{Cidr, IfConfig, Ipv4Config, Ipv6Config, Local, Scope, TcpOptions, UdpOptions};
pub use dns::NameQuery;
pub use error::{Error, Result};
pub use link::{IfIndex, IfStatus};
pub use observe::{Change, Observer};
pub use ping::PingReply;
pub use slab::Id;
pub use smoltcp;
pub use stack::{NextPoll, Stack};
pub use tcp::{ListenerId, TcpCounts, TcpId, TcpInfo, TcpState};
pub use udp::{Datagram, UdpId, UdpState};
