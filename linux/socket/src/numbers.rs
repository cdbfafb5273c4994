//! Numbers of the ABI that `linux-raw-sys` names by enumerations, or not at all.

use linux_base::abi::net;

pub(crate) const AF_UNSPEC: u16 = net::AF_UNSPEC as u16;
pub(crate) const AF_UNIX: u16 = net::AF_UNIX as u16;
pub(crate) const AF_INET: u16 = net::AF_INET as u16;
pub(crate) const AF_INET6: u16 = net::AF_INET6 as u16;
pub(crate) const AF_NETLINK: u16 = net::AF_NETLINK as u16;
pub(crate) const AF_PACKET: u16 = net::AF_PACKET as u16;

pub(crate) const SOCK_STREAM: u32 = 1;
pub(crate) const SOCK_DGRAM: u32 = 2;
pub(crate) const SOCK_RAW: u32 = 3;
pub(crate) const SOCK_SEQPACKET: u32 = 5;
pub(crate) const SOCK_PACKET: u32 = 10;

pub(crate) const IPPROTO_IP: u32 = 0;
pub(crate) const IPPROTO_TCP: u32 = 6;
pub(crate) const IPPROTO_UDP: u32 = 17;

pub(crate) const MSG_PEEK: u32 = 0x2;
pub(crate) const MSG_CTRUNC: u32 = 0x8;
pub(crate) const MSG_OOB: u32 = 0x1;
pub(crate) const MSG_TRUNC: u32 = 0x20;
pub(crate) const MSG_ERRQUEUE: u32 = 0x2000;
pub(crate) const MSG_MORE: u32 = 0x8000;
pub(crate) const MSG_CMSG_CLOEXEC: u32 = 0x4000_0000;

pub(crate) const SHUT_RD: u32 = 0;
pub(crate) const SHUT_WR: u32 = 1;
pub(crate) const SHUT_RDWR: u32 = 2;
