//! Numbers of `linux/if_tun.h` and `linux/if.h`.

pub const TUNSETNOCSUM: u32 = 0x4004_54c8;
pub const TUNSETIFF: u32 = 0x4004_54ca;
pub const TUNSETPERSIST: u32 = 0x4004_54cb;
pub const TUNSETOWNER: u32 = 0x4004_54cc;
pub const TUNSETGROUP: u32 = 0x4004_54ce;
pub const TUNGETFEATURES: u32 = 0x8004_54cf;
pub const TUNSETOFFLOAD: u32 = 0x4004_54d0;
pub const TUNGETIFF: u32 = 0x8004_54d2;
pub const TUNGETSNDBUF: u32 = 0x8004_54d3;
pub const TUNSETSNDBUF: u32 = 0x4004_54d4;
pub const TUNGETVNETHDRSZ: u32 = 0x8004_54d7;
pub const TUNSETVNETHDRSZ: u32 = 0x4004_54d8;
pub const TUNSETVNETLE: u32 = 0x4004_54dc;
pub const TUNGETVNETLE: u32 = 0x8004_54dd;
pub const TUNSETVNETBE: u32 = 0x4004_54de;
pub const TUNGETVNETBE: u32 = 0x8004_54df;
pub const SIOCGIFHWADDR: u32 = 0x8927;

pub const IFF_TUN: u16 = 0x1;
pub const IFF_TAP: u16 = 0x2;
pub const IFF_NO_PI: u16 = 0x1000;
pub const IFF_ONE_QUEUE: u16 = 0x2000;
pub const IFF_VNET_HDR: u16 = 0x4000;
pub const IFF_TUN_EXCL: u16 = 0x8000;

pub const F_CSUM: u32 = 0x1;
pub const F_TSO4: u32 = 0x2;
pub const F_TSO6: u32 = 0x4;
pub const F_TSO_ECN: u32 = 0x8;

/// Bytes of a name in `struct ifreq`, with the zero behind it.
pub const NAME: usize = 16;
/// Bytes of `struct ifreq`.
pub const REQUEST: usize = 40;
/// `ARPHRD_ETHER`
pub const ETHER: u16 = 1;
