//! Addresses and prefixes of both versions of IP, in one form.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A hardware address.
pub type Mac = [u8; 6];

/// Frames for all.
pub const BROADCAST: Mac = [0xff; 6];

/// Version of the internet protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Version {
    /// 4
    V4,
    /// 6
    V6,
}

const V4_PREFIX: u128 = 0xffff << 32;

/// An IP address; one of version 4 is in the form `::ffff:a.b.c.d`, which no IPv6 packet may have.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Addr(u128);

impl Addr {
    /// No address: `::`.
    pub const NONE: Self = Self(0);

    /// From the bytes of an IPv4 header.
    pub fn v4(bytes: [u8; 4]) -> Self {
        Self(V4_PREFIX | u128::from(u32::from_be_bytes(bytes)))
    }

    /// From the bytes of an IPv6 header.
    pub fn v6(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }

    /// Which version it belongs to.
    pub fn version(self) -> Version {
        if self.0 >> 32 == 0xffff { Version::V4 } else { Version::V6 }
    }

    /// All its bits, for hashing.
    pub fn bits(self) -> u128 {
        self.0
    }

    /// The bytes in an IPv6 header; those of an IPv4 header are the last four.
    pub fn octets(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// Writes it into a header of its version.
    pub fn put(self, bytes: &mut [u8], at: usize) {
        let octets = self.octets();
        match self.version() {
            Version::V4 => super::bytes::put(bytes, at, &octets[12..]),
            Version::V6 => super::bytes::put(bytes, at, &octets),
        }
    }

    /// Whether it can be a single machine's and goes beyond one link.
    pub fn is_routable(self) -> bool {
        match self.ip() {
            IpAddr::V4(ip) => {
                let [first, ..] = ip.octets();
                first != 0 && first != 127 && first < 224 && !ip.is_link_local()
            }
            IpAddr::V6(ip) => {
                !(ip.is_unspecified() || ip.is_loopback() || ip.is_multicast() || ip.is_unicast_link_local())
            }
        }
    }

    /// Whether it is a group's.
    pub fn is_multicast(self) -> bool {
        self.ip().is_multicast() || self.0 == V4_PREFIX | 0xffff_ffff
    }

    /// The IPv6 address of the link that belongs to a hardware address.
    pub fn link_local(mac: Mac) -> Self {
        let [a, b, c, d, e, f] = mac;
        Self(0xfe80 << 112 | u128::from(u64::from_be_bytes([a ^ 2, b, c, 0xff, 0xfe, d, e, f])))
    }

    /// The group in which the owner of an IPv6 address is asked for.
    pub fn solicited_node(self) -> Self {
        Self(0xff02 << 112 | 0x1_ff00_0000 | self.0 & 0xff_ffff)
    }

    /// The hardware address of an IPv6 group.
    pub fn group_mac(self) -> Mac {
        let [.., a, b, c, d] = self.octets();
        [0x33, 0x33, a, b, c, d]
    }

    /// As the library has it.
    pub fn ip(self) -> IpAddr {
        match self.version() {
            Version::V4 => IpAddr::V4(Ipv4Addr::from_bits(self.0 as u32)),
            Version::V6 => IpAddr::V6(Ipv6Addr::from_bits(self.0)),
        }
    }
}

impl From<IpAddr> for Addr {
    fn from(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(ip) => Self::v4(ip.octets()),
            IpAddr::V6(ip) => Self::v6(ip.octets()),
        }
    }
}

impl fmt::Display for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ip().fmt(f)
    }
}

impl fmt::Debug for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ip().fmt(f)
    }
}

/// All addresses that begin alike.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Prefix {
    address: Addr,
    /// Bits of it, counted in the common form.
    len: u8,
}

impl Prefix {
    /// Of an address and the length in its own version; `None` if that is too long.
    pub fn new(address: Addr, len: u8) -> Option<Self> {
        let (most, before) = match address.version() {
            Version::V4 => (32, 96),
            Version::V6 => (128, 0),
        };
        (len <= most).then(|| Self { address, len: len + before })
    }

    /// One address alone.
    pub fn host(address: Addr) -> Self {
        Self { address, len: 128 }
    }

    /// The address that it was made of.
    pub fn address(self) -> Addr {
        self.address
    }

    /// How many bits are alike, counted over both versions: the longer, the more special.
    pub fn weight(self) -> u8 {
        self.len
    }

    fn mask(self) -> u128 {
        u128::MAX.checked_shl(128 - u32::from(self.len)).unwrap_or(0)
    }

    /// Whether an address begins so.
    pub fn contains(self, address: Addr) -> bool {
        address.version() == self.address.version() && (address.0 ^ self.address.0) & self.mask() == 0
    }

    /// The first address, all of whose other bits are 0.
    pub fn first(self) -> Addr {
        Addr(self.address.0 & self.mask())
    }

    /// Whether an address is that of all machines, or of none, in an IPv4 network.
    pub fn is_broadcast(self, address: Addr) -> bool {
        let last = self.address.0 | !self.mask();
        self.address.version() == Version::V4
            && self.len < 127
            && (address.0 == last || address == self.first())
    }
}
