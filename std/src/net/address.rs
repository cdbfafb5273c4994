//! What a socket address may be made of.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::{Error, Result};

/// Something that names one or more socket addresses.
pub trait ToSocketAddrs {
    /// The addresses; asks DNS if it is a name.
    fn to_socket_addrs(&self) -> Result<Vec<SocketAddr>>;
}

impl ToSocketAddrs for SocketAddr {
    fn to_socket_addrs(&self) -> Result<Vec<SocketAddr>> {
        Ok(alloc::vec![*self])
    }
}

/// A port, on every address of the guest.
impl ToSocketAddrs for u16 {
    fn to_socket_addrs(&self) -> Result<Vec<SocketAddr>> {
        Ok(alloc::vec![SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), *self)])
    }
}

impl ToSocketAddrs for (IpAddr, u16) {
    fn to_socket_addrs(&self) -> Result<Vec<SocketAddr>> {
        Ok(alloc::vec![SocketAddr::new(self.0, self.1)])
    }
}

impl ToSocketAddrs for (&str, u16) {
    fn to_socket_addrs(&self) -> Result<Vec<SocketAddr>> {
        let addresses = super::lookup_host(self.0)?;
        Ok(addresses.into_iter().map(|address| SocketAddr::new(address, self.1)).collect())
    }
}

/// `10.0.0.1:80`, `[fd00::1]:80` or `name:80`.
impl ToSocketAddrs for str {
    fn to_socket_addrs(&self) -> Result<Vec<SocketAddr>> {
        if let Ok(address) = self.parse() {
            return Ok(alloc::vec![address]);
        }
        let (name, port) =
            self.rsplit_once(':').ok_or(Error::InvalidInput("no port in the socket address"))?;
        let port = port.parse().map_err(|_| Error::InvalidInput("the port is not a number up to 65535"))?;
        (name, port).to_socket_addrs()
    }
}

impl<T: ToSocketAddrs + ?Sized> ToSocketAddrs for &T {
    fn to_socket_addrs(&self) -> Result<Vec<SocketAddr>> {
        (**self).to_socket_addrs()
    }
}

/// The first of the addresses.
pub(super) fn first(addresses: impl ToSocketAddrs) -> Result<SocketAddr> {
    addresses.to_socket_addrs()?.into_iter().next().ok_or(Error::AddrNotAvailable)
}
