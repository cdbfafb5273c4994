//! What the owner chooses: addresses of an interface, buffers and timers of a socket.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use smoltcp::wire::{IpAddress, IpCidr, IpListenEndpoint};

use crate::error::{Error, Result};

/// An address and the length of its network's prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    addr: IpAddr,
    prefix_len: u8,
}

impl Cidr {
    /// `addr/prefix_len`; the address must be a host's, the length fit its family.
    pub fn new(addr: IpAddr, prefix_len: u8) -> Result<Self> {
        let (longest, broadcast) = match addr {
            IpAddr::V4(v4) => (32, v4.is_broadcast()),
            IpAddr::V6(_) => (128, false),
        };
        if prefix_len > longest {
            return Err(Error::InvalidInput("prefix is longer than the address"));
        }
        if broadcast || addr.is_multicast() || addr.is_unspecified() {
            return Err(Error::AddrNotAvailable);
        }
        Ok(Self { addr, prefix_len })
    }

    /// The address.
    pub fn addr(self) -> IpAddr {
        self.addr
    }

    /// The length of the prefix in bits.
    pub fn prefix_len(self) -> u8 {
        self.prefix_len
    }

    pub(crate) fn to_smoltcp(self) -> IpCidr {
        IpCidr::new(self.addr.into(), self.prefix_len)
    }

    pub(crate) fn from_smoltcp(cidr: IpCidr) -> Self {
        Self { addr: cidr.address().into(), prefix_len: cidr.prefix_len() }
    }
}

/// How an interface gets its IPv4 address.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Ipv4Config {
    /// It has none.
    None,
    /// From a DHCP server.
    #[default]
    Dhcp,
    /// As given.
    Static {
        /// Address and prefix.
        cidr: Cidr,
        /// Default router.
        gateway: Option<Ipv4Addr>,
    },
}

/// How an interface gets its IPv6 addresses. A link-local address comes with both forms.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Ipv6Config {
    /// It has none.
    None,
    /// From router advertisements.
    #[default]
    Slaac,
    /// As given.
    Static {
        /// Address and prefix.
        cidr: Cidr,
        /// Default router.
        gateway: Option<Ipv6Addr>,
    },
}

/// The configuration of an interface.
#[derive(Debug, Clone, Default)]
pub struct IfConfig {
    /// IPv4 addressing.
    pub ipv4: Ipv4Config,
    /// IPv6 addressing.
    pub ipv6: Ipv6Config,
    /// Name servers, asked before those that DHCP names.
    pub dns: Vec<IpAddr>,
    /// IP packets sent are at most this long, if the device allows more.
    pub mtu: Option<usize>,
    /// Host name told to the DHCP server.
    pub hostname: Option<String>,
}

/// Which addresses an unspecified address stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scope {
    /// All of IPv4.
    V4,
    /// All of IPv6.
    V6,
    /// All.
    #[default]
    Both,
}

impl Scope {
    pub(crate) fn has(self, addr: IpAddress) -> bool {
        match addr {
            IpAddress::Ipv4(_) => self != Scope::V6,
            IpAddress::Ipv6(_) => self != Scope::V4,
        }
    }

    pub(crate) fn meets(self, other: Self) -> bool {
        self == other || self == Scope::Both || other == Scope::Both
    }
}

/// Where a socket listens, and with whom it shares that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Local {
    /// Address (`None`: all of the scope).
    pub addr: Option<IpAddr>,
    /// Port; 0 is any free one.
    pub port: u16,
    /// What no address means.
    pub scope: Scope,
    /// Others that say so too may have the same address and port; connections are spread over them, and each datagram goes
    /// to one of them by its sender.
    pub shared: bool,
}

impl Local {
    /// Whether two are for some of the same addresses, ports apart.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        match (self.addr, other.addr) {
            (Some(one), Some(two)) => one == two,
            (Some(addr), None) => other.scope.has(addr.into()),
            (None, Some(addr)) => self.scope.has(addr.into()),
            (None, None) => self.scope.meets(other.scope),
        }
    }

    /// Whether it hears what is sent to `addr`.
    pub(crate) fn hears(&self, addr: IpAddress) -> bool {
        self.addr.map_or_else(|| self.scope.has(addr), |own| IpAddress::from(own) == addr)
    }

    pub(crate) fn endpoint(&self) -> IpListenEndpoint {
        IpListenEndpoint { addr: self.addr.map(Into::into), port: self.port }
    }
}

/// An unspecified address, of either family, stands for all.
impl From<SocketAddr> for Local {
    fn from(addr: SocketAddr) -> Self {
        let ip = (!addr.ip().is_unspecified()).then(|| addr.ip());
        Self { addr: ip, port: addr.port(), scope: Scope::Both, shared: false }
    }
}

/// Buffers and timers of a TCP connection. Times are nanoseconds; `None` is never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpOptions {
    /// The most bytes received that wait to be read, and so the largest window. Memory is taken as they come, and the
    /// window begins at 64 KiB and grows for who reads fast.
    pub rx_buffer: usize,
    /// The most bytes written that wait to be acknowledged. Memory is taken as they come; with congestion control there is
    /// room for 64 KiB at first, and for two congestion windows later.
    pub tx_buffer: usize,
    /// Send small segments at once. Writes between two polls are joined in any case.
    pub nodelay: bool,
    /// Interval of keep-alive probes. The connection ends when `user_timeout_ns` passes without an answer.
    pub keepalive_ns: Option<u64>,
    /// How long sent data may stay unacknowledged, with no sign of life from the peer.
    pub user_timeout_ns: Option<u64>,
    /// How long a connection attempt may take.
    pub connect_timeout_ns: Option<u64>,
    /// How long an acknowledgement may wait for data to travel with. Every second whole segment is acknowledged at once.
    pub ack_delay_ns: Option<u64>,
    /// Initial time to live.
    pub hop_limit: u8,
    /// CUBIC's congestion window. Without, the buffers and the peer's window are the limit.
    pub congestion_control: bool,
    /// What the peer may go on sending, in bytes, to a connection that was let go, before it is reset.
    pub discard_most: usize,
    /// Of a listener: callers that may be about to confirm, if that is more than the backlog. A burst of them is no flood.
    pub half_open: usize,
}

impl Default for TcpOptions {
    fn default() -> Self {
        Self {
            rx_buffer: 1 << 20,
            tx_buffer: 1 << 20,
            nodelay: true,
            keepalive_ns: None,
            user_timeout_ns: Some(120_000_000_000),
            connect_timeout_ns: Some(30_000_000_000),
            ack_delay_ns: Some(10_000_000),
            hop_limit: 64,
            congestion_control: true,
            discard_most: 256 << 10,
            half_open: 0,
        }
    }
}

/// Buffers of a UDP socket, for each interface that it speaks through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UdpOptions {
    /// Bytes received that wait to be read.
    pub rx_buffer: usize,
    /// Datagrams received that wait to be read.
    pub rx_datagrams: usize,
    /// Bytes that wait to be sent.
    pub tx_buffer: usize,
    /// Datagrams that wait to be sent.
    pub tx_datagrams: usize,
}

impl Default for UdpOptions {
    fn default() -> Self {
        Self { rx_buffer: 16 << 10, rx_datagrams: 32, tx_buffer: 8 << 10, tx_datagrams: 16 }
    }
}
