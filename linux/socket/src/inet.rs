//! Addresses of the internet sockets, TCP's and UDP's: which a socket has, may have, and means.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use linux_base::abi::net as abi;
use linux_base::{Credentials, Errno, Result};
use net::Scope;

use crate::caller::Caller;
use crate::numbers::{AF_INET, AF_INET6};
use crate::options::table::{IP, IPV6, SOCKET};
use crate::ports::{Claim, Protocol, Wish};
use crate::socket::Socket;

/// The address that no address stands for.
pub(crate) fn unspecified(is_v4: bool) -> IpAddr {
    if is_v4 { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() }
}

pub(crate) fn any(socket: &Socket) -> SocketAddr {
    SocketAddr::new(unspecified(socket.domain() == AF_INET), 0)
}

/// Which addresses a socket without an address has.
pub(crate) fn scope(socket: &Socket) -> Scope {
    match socket.domain() {
        AF_INET => Scope::V4,
        _ if socket.options().is_set(IPV6, abi::IPV6_V6ONLY) => Scope::V6,
        _ => Scope::Both,
    }
}

/// Where a program means to send to: nowhere is here.
pub(crate) fn destination(socket: &Socket, to: SocketAddr) -> Result<SocketAddr> {
    if to.is_ipv4() && socket.domain() == AF_INET6 && scope(socket) == Scope::V6 {
        return Err(Errno::ENETUNREACH);
    }
    let ip = match to.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    Ok(SocketAddr::new(ip, to.port()))
}

/// Checks an address to be bound and claims its port.
pub(crate) fn claim(
    socket: &Socket,
    caller: &dyn Caller,
    protocol: Protocol,
    address: SocketAddr,
) -> Result<(Claim, SocketAddr)> {
    let ip = address.ip();
    if address.is_ipv4() && socket.domain() == AF_INET6 && scope(socket) == Scope::V6 {
        return Err(Errno::EINVAL);
    }
    let options = socket.options();
    let is_free = options.is_set(IP, abi::IP_FREEBIND) || options.is_set(IPV6, abi::IPV6_FREEBIND);
    let is_group = protocol == Protocol::Udp && (ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST));
    if !ip.is_unspecified() && !is_group && !is_free && !socket.sockets().host().call(|net| net.is_local(ip))
    {
        return Err(Errno::EADDRNOTAVAIL);
    }
    let credentials = caller.credentials();
    if (1..1024).contains(&address.port()) && !credentials.can(Credentials::CAP_NET_BIND_SERVICE) {
        return Err(Errno::EACCES);
    }
    // Mapped, the unspecified address of IPv4 is all of IPv4.
    let scope = if address.is_ipv4() { Scope::V4 } else { scope(socket) };
    let wish = Wish {
        protocol,
        addr: Some(ip).filter(|ip| !ip.is_unspecified()),
        scope,
        reuse_addr: options.is_set(SOCKET, abi::SO_REUSEADDR),
        reuse_port: options.is_set(SOCKET, abi::SO_REUSEPORT),
        uid: credentials.uid.effective,
    };
    let claim = socket.sockets().ports.claim(address.port(), wish)?;
    Ok((claim, address))
}
