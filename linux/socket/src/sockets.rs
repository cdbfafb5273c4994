//! What makes sockets, and what all of them share.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use linux_base::{Errno, OpenFile, OpenFlags, Result, WaitQueue};

use crate::caller::Caller;
use crate::netlink::{Listeners, Netlink, NetlinkPorts};
use crate::network::NetHost;
use crate::numbers::*;
use crate::options::{Kind, Options};
use crate::ports::Ports;
use crate::socket::{Inner, Socket};
use crate::tcp::Tcp;
use crate::udp::Udp;
use crate::unix::{End, UnixTable};

/// Makes sockets; a guest has one.
pub struct Sockets {
    host: Arc<dyn NetHost>,
    pub(crate) ports: Ports,
    pub(crate) unix: UnixTable,
    pub(crate) netlink: NetlinkPorts,
    pub(crate) listeners: Listeners,
    next_number: AtomicU64,
}

impl Sockets {
    /// Sockets over a network stack.
    pub fn new(host: Arc<dyn NetHost>) -> Arc<Self> {
        Arc::new(Self {
            host,
            ports: Ports::default(),
            unix: UnixTable::default(),
            netlink: NetlinkPorts::default(),
            listeners: Listeners::default(),
            next_number: AtomicU64::new(1),
        })
    }

    pub(crate) fn host(&self) -> &dyn NetHost {
        &*self.host
    }

    pub(crate) fn next_number(&self) -> u64 {
        self.next_number.fetch_add(1, Ordering::Relaxed)
    }

    /// `socket(2)`, with the type without its flags.
    pub fn socket(
        self: &Arc<Self>,
        caller: &dyn Caller,
        domain: u32,
        kind: u32,
        protocol: u32,
    ) -> Result<Arc<Socket>> {
        let domain = u16::try_from(domain).map_err(|_| Errno::EAFNOSUPPORT)?;
        if kind > SOCK_PACKET {
            return Err(Errno::EINVAL);
        }
        match domain {
            AF_UNIX => {
                check_unix(kind, protocol)?;
                let kind = unix_kind(kind);
                Ok(Socket::new(self, domain, kind, 0, Kind::UNIX, Inner::Unix(End::new(self, kind, caller))))
            }
            AF_INET | AF_INET6 => {
                let family = if domain == AF_INET6 { Kind::V6 } else { Kind::empty() };
                match (kind, protocol) {
                    (SOCK_STREAM, IPPROTO_IP | IPPROTO_TCP) => {
                        let inner = Inner::Tcp(Tcp::new());
                        Ok(Socket::new(self, domain, kind, IPPROTO_TCP, Kind::TCP | family, inner))
                    }
                    (SOCK_DGRAM, IPPROTO_IP | IPPROTO_UDP) => {
                        let inner = Inner::Udp(Udp::new());
                        Ok(Socket::new(self, domain, kind, IPPROTO_UDP, Kind::UDP | family, inner))
                    }
                    (SOCK_RAW, 0) => Err(Errno::EPROTONOSUPPORT),
                    (SOCK_RAW, _) => Err(Errno::EPERM),
                    (SOCK_STREAM | SOCK_DGRAM, _) => Err(Errno::EPROTONOSUPPORT),
                    _ => Err(Errno::ESOCKTNOSUPPORT),
                }
            }
            AF_NETLINK if !matches!(kind, SOCK_RAW | SOCK_DGRAM) => Err(Errno::ESOCKTNOSUPPORT),
            AF_NETLINK => {
                let queue = WaitQueue::new();
                let inner = Inner::Netlink(Netlink::new(protocol, queue.clone())?);
                let options = Options::new(Kind::NETLINK);
                Ok(Socket::with_options(self, domain, kind, protocol, options, Kind::NETLINK, inner, queue))
            }
            AF_PACKET => Err(Errno::EPERM),
            _ => Err(Errno::EAFNOSUPPORT),
        }
    }

    /// Tells who listens on netlink that an interface has come, or has gone.
    pub fn link_changed(&self, interface: &net::IfStatus, is_there: bool) {
        crate::netlink::link_changed(&self.listeners, interface, is_there);
    }

    /// `socketpair(2)`, with the type without its flags.
    pub fn pair(
        self: &Arc<Self>,
        caller: &dyn Caller,
        domain: u32,
        kind: u32,
        protocol: u32,
    ) -> Result<(Arc<Socket>, Arc<Socket>)> {
        if domain != u32::from(AF_UNIX) {
            // Such a socket can be made, but has no pairs.
            self.socket(caller, domain, kind, protocol)?;
            return Err(Errno::EOPNOTSUPP);
        }
        check_unix(kind, protocol)?;
        let kind = unix_kind(kind);
        let (one, two) = (End::new(self, kind, caller), End::new(self, kind, caller));
        End::join(&one, &two);
        let make = |end| Socket::new(self, AF_UNIX, kind, 0, Kind::UNIX, Inner::Unix(end));
        Ok((make(one), make(two)))
    }

    /// An open file description of a socket, as a descriptor refers to it.
    pub fn open(&self, socket: &Arc<Socket>, flags: OpenFlags) -> Arc<OpenFile> {
        let label: Vec<u8> = alloc::format!("socket:[{}]", socket.number_of()).into_bytes();
        OpenFile::new(socket.clone(), OpenFlags::RDWR | flags & OpenFlags::NONBLOCK, label)
    }
}

fn check_unix(kind: u32, protocol: u32) -> Result<()> {
    if protocol != 0 && protocol != u32::from(AF_UNIX) {
        return Err(Errno::EPROTONOSUPPORT);
    }
    match kind {
        SOCK_STREAM | SOCK_DGRAM | SOCK_SEQPACKET | SOCK_RAW => Ok(()),
        _ => Err(Errno::ESOCKTNOSUPPORT),
    }
}

/// Raw sockets of AF_UNIX are datagram sockets by another name.
fn unix_kind(kind: u32) -> u32 {
    if kind == SOCK_RAW { SOCK_DGRAM } else { kind }
}
