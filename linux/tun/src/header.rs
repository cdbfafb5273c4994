//! `struct virtio_net_hdr` (`linux/virtio_net.h`), little-endian.

use linux_base::{Errno, Result};

const NEEDS_CSUM: u8 = 1;
const DATA_VALID: u8 = 2;
const GSO_NONE: u8 = 0;
const GSO_TCPV4: u8 = 1;
const GSO_TCPV6: u8 = 4;
const GSO_ECN: u8 = 0x80;

/// What a header says of the checksum.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Checksum {
    /// Nothing: it is whole, and may be wrong.
    #[default]
    Whole,
    /// It is right.
    Valid,
    /// The sum from `start` on is to be stored `offset` bytes behind `start`, where part of it stands.
    Needed {
        /// Where the sum begins, in the frame.
        start: u16,
        /// Where it goes, from there.
        offset: u16,
    },
}

/// A long TCP segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Long {
    /// Over IPv6, not IPv4.
    pub is_ipv6: bool,
    /// Bytes in each piece.
    pub piece: u16,
    /// Bytes of all headers.
    pub headers: u16,
}

/// What stands before a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct VnetHeader {
    /// Its checksum.
    pub checksum: Checksum,
    /// Whether it is a long segment.
    pub long: Option<Long>,
}

impl VnetHeader {
    /// Bytes of the header without what newer versions append.
    pub const LEN: usize = 10;

    /// As bytes.
    pub fn to_bytes(self) -> [u8; Self::LEN] {
        let (mut flags, mut start, mut offset) = (0, 0, 0);
        match self.checksum {
            Checksum::Whole => {}
            Checksum::Valid => flags = DATA_VALID,
            Checksum::Needed { start: from, offset: at } => (flags, start, offset) = (NEEDS_CSUM, from, at),
        }
        let (kind, headers, piece) = match self.long {
            None => (GSO_NONE, 0, 0),
            Some(long) => (if long.is_ipv6 { GSO_TCPV6 } else { GSO_TCPV4 }, long.headers, long.piece),
        };
        let ([a, b], [c, d]) = (headers.to_le_bytes(), piece.to_le_bytes());
        let ([e, f], [g, h]) = (u16::to_le_bytes(start), u16::to_le_bytes(offset));
        [flags, kind, a, b, c, d, e, f, g, h]
    }

    /// From a program. `EINVAL` for a kind of segment that was not offered.
    pub fn parse(bytes: [u8; Self::LEN]) -> Result<Self> {
        let [flags, kind, a, b, c, d, e, f, g, h] = bytes;
        let number = |low, high| u16::from_le_bytes([low, high]);
        let checksum = match flags & NEEDS_CSUM {
            0 => Checksum::Whole,
            _ => Checksum::Needed { start: number(e, f), offset: number(g, h) },
        };
        let long = |is_ipv6| match number(c, d) {
            0 => Err(Errno::EINVAL),
            piece => Ok(Some(Long { is_ipv6, piece, headers: number(a, b) })),
        };
        let long = match kind & !GSO_ECN {
            GSO_NONE => None,
            GSO_TCPV4 => long(false)?,
            GSO_TCPV6 => long(true)?,
            _ => return Err(Errno::EINVAL),
        };
        Ok(Self { checksum, long })
    }
}
