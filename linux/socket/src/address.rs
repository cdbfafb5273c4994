//! Socket addresses as the ABI has them: bytes that begin with a family.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use linux_base::{Errno, Result};

use crate::numbers::{AF_INET, AF_INET6, AF_NETLINK, AF_UNIX, AF_UNSPEC};

/// The longest address: `sockaddr_un` with a path that has no terminating zero, to which one is added.
const MOST: usize = 111;

/// A socket address to be given to a program.
#[derive(Clone, Copy)]
pub struct Address {
    bytes: [u8; MOST],
    len: u8,
}

impl Address {
    /// The bytes, as `getsockname` and the like store them; cut by who stores them.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or(&[])
    }

    fn from_parts(parts: &[&[u8]]) -> Self {
        let (mut bytes, mut len) = ([0; MOST], 0);
        for part in parts {
            let room = bytes.get_mut(len..).unwrap_or(&mut []);
            let take = part.len().min(room.len());
            room[..take].copy_from_slice(&part[..take]);
            len += take;
        }
        Self { bytes, len: len as u8 }
    }

    /// An IP address in a family: IPv4 is mapped for a socket of IPv6.
    pub(crate) fn inet(family: u16, address: SocketAddr) -> Self {
        let port = address.port().to_be_bytes();
        match address.ip() {
            IpAddr::V4(ip) if family == AF_INET => {
                Self::from_parts(&[&AF_INET.to_le_bytes(), &port, &ip.octets(), &[0; 8]])
            }
            ip => {
                let octets = match ip {
                    IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
                    IpAddr::V6(ip) => ip.octets(),
                };
                let scope = if let SocketAddr::V6(v6) = address { v6.scope_id() } else { 0 };
                Self::from_parts(&[&AF_INET6.to_le_bytes(), &port, &[0; 4], &octets, &scope.to_le_bytes()])
            }
        }
    }

    /// The unspecified address of a family.
    pub(crate) fn inet_any(family: u16, port: u16) -> Self {
        let ip: IpAddr =
            if family == AF_INET { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        Self::inet(family, SocketAddr::new(ip, port))
    }

    /// A name of AF_UNIX; empty for a socket without one.
    pub(crate) fn unix(name: &[u8]) -> Self {
        let end: &[u8] = if matches!(name.first(), None | Some(0)) { &[] } else { &[0] };
        Self::from_parts(&[&AF_UNIX.to_le_bytes(), name, end])
    }

    /// A port and the groups of netlink.
    pub(crate) fn netlink(port: u32, groups: u32) -> Self {
        Self::from_parts(&[&AF_NETLINK.to_le_bytes(), &[0; 2], &port.to_le_bytes(), &groups.to_le_bytes()])
    }
}

/// The family that an address names.
pub(crate) fn family(bytes: &[u8]) -> Result<u16> {
    match bytes {
        [low, high, ..] => Ok(u16::from_le_bytes([*low, *high])),
        _ => Err(Errno::EINVAL),
    }
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N]> {
    bytes.get(at..at + N).and_then(|part| part.try_into().ok()).ok_or(Errno::EINVAL)
}

/// Reads an IP address for a socket of a family. One of IPv4 that is mapped into IPv6 comes out as IPv4.
pub(crate) fn parse_inet(domain: u16, bytes: &[u8]) -> Result<SocketAddr> {
    let family = family(bytes)?;
    match domain {
        AF_INET => {
            let (port, octets) = (array(bytes, 2)?, array::<4>(bytes, 4)?);
            let _zeroes: [u8; 8] = array(bytes, 8)?;
            let ip = Ipv4Addr::from(octets);
            // Old programs leave the family out for the unspecified address.
            if family != AF_INET && !(family == AF_UNSPEC && ip.is_unspecified()) {
                return Err(Errno::EAFNOSUPPORT);
            }
            Ok(SocketAddr::new(ip.into(), u16::from_be_bytes(port)))
        }
        _ => {
            if family != AF_INET6 {
                return Err(Errno::EAFNOSUPPORT);
            }
            let (port, octets) = (u16::from_be_bytes(array(bytes, 2)?), array::<16>(bytes, 8)?);
            let scope = array(bytes, 24).map_or(0, u32::from_le_bytes);
            let ip = Ipv6Addr::from(octets);
            Ok(match ip.to_ipv4_mapped() {
                Some(v4) => SocketAddr::new(v4.into(), port),
                None => SocketAddrV6::new(ip, port, 0, scope).into(),
            })
        }
    }
}

/// Reads a name of AF_UNIX: a path without its terminating zero, or an abstract name with its leading one; empty for
/// autobind.
pub(crate) fn parse_unix(bytes: &[u8]) -> Result<&[u8]> {
    if family(bytes)? != AF_UNIX || bytes.len() > 110 {
        return Err(Errno::EINVAL);
    }
    let name = &bytes[2..];
    if matches!(name.first(), None | Some(0)) {
        return Ok(name);
    }
    let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
    Ok(&name[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_go_there_and_back() {
        for (domain, text, back) in [
            (AF_INET, "10.1.2.3:80", "10.1.2.3:80"),
            (AF_INET6, "[fd00::1]:443", "[fd00::1]:443"),
            (AF_INET6, "10.1.2.3:80", "10.1.2.3:80"),
        ] {
            let address = Address::inet(domain, text.parse().unwrap());
            assert_eq!(family(address.as_bytes()), Ok(domain));
            assert_eq!(parse_inet(domain, address.as_bytes()), Ok(back.parse().unwrap()));
        }
        assert_eq!(Address::inet_any(AF_INET, 0).as_bytes().len(), 16);
        assert_eq!(Address::inet_any(AF_INET6, 0).as_bytes().len(), 28);
        assert_eq!(Address::netlink(1, 2).as_bytes().len(), 12);
    }

    #[test]
    fn wrong_families_and_short_addresses_are_refused() {
        let v4 = Address::inet(AF_INET, "1.2.3.4:5".parse().unwrap());
        assert_eq!(parse_inet(AF_INET6, v4.as_bytes()), Err(Errno::EAFNOSUPPORT));
        assert_eq!(parse_inet(AF_INET, &v4.as_bytes()[..15]), Err(Errno::EINVAL));
        assert_eq!(parse_inet(AF_INET, &[]), Err(Errno::EINVAL));
        assert_eq!(parse_unix(&[2, 0, b'a']), Err(Errno::EINVAL));
    }

    #[test]
    fn names_end_at_a_zero_unless_they_are_abstract() {
        assert_eq!(parse_unix(b"\x01\0/tmp/s\0rest"), Ok(&b"/tmp/s"[..]));
        assert_eq!(parse_unix(b"\x01\0\0a\0b"), Ok(&b"\0a\0b"[..]));
        assert_eq!(parse_unix(b"\x01\0"), Ok(&b""[..]));
        assert_eq!(Address::unix(b"/s").as_bytes(), b"\x01\0/s\0");
        assert_eq!(Address::unix(b"\0s").as_bytes(), b"\x01\0\0s");
        assert_eq!(Address::unix(&[b'x'; 108]).as_bytes().len(), 111);
    }
}
