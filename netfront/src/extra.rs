//! Extra infos: slots that say something about a packet, or that are messages of their own (`netif_extra_info_t`).

use xen_sys::io::netif::{
    EXTRA_TYPE_GSO, EXTRA_TYPE_HASH, EXTRA_TYPE_MCAST_ADD, EXTRA_TYPE_MCAST_DEL, ExtraInfo, GSO_TYPE_TCPV4,
    GSO_TYPE_TCPV6,
};

use crate::checksum::Version;

/// What an extra info of the back end says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Extra {
    /// The packet is a TCP segment that was to be divided into pieces with so many bytes.
    Segmented(Version, u16),
    /// Of no interest.
    Other,
}

impl Extra {
    /// Judges an extra info of a received packet. `None` if it is none that a back end may send.
    pub fn parse(info: &ExtraInfo) -> Option<Self> {
        match info.kind {
            EXTRA_TYPE_GSO if info.gso_size > 0 => match info.gso_type {
                GSO_TYPE_TCPV4 => Some(Self::Segmented(Version::V4, info.gso_size)),
                GSO_TYPE_TCPV6 => Some(Self::Segmented(Version::V6, info.gso_size)),
                _ => None,
            },
            EXTRA_TYPE_HASH => Some(Self::Other),
            _ => None,
        }
    }
}

/// Asks the back end to divide the TCP segment into pieces of `size` bytes.
pub(crate) fn divide(version: Version, size: u16) -> ExtraInfo {
    let gso_type = match version {
        Version::V4 => GSO_TYPE_TCPV4,
        Version::V6 => GSO_TYPE_TCPV6,
    };
    ExtraInfo { kind: EXTRA_TYPE_GSO, gso_size: size, gso_type, ..ExtraInfo::default() }
}

/// Whether frames for a group are wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Membership {
    Join,
    Leave,
}

/// Tells the back end of a group; the address stands where GSO has its members.
pub(crate) fn multicast(membership: Membership, group: [u8; 6]) -> ExtraInfo {
    let [a, b, c, d, e, f] = group;
    ExtraInfo {
        kind: match membership {
            Membership::Join => EXTRA_TYPE_MCAST_ADD,
            Membership::Leave => EXTRA_TYPE_MCAST_DEL,
        },
        flags: 0,
        gso_size: u16::from_ne_bytes([a, b]),
        gso_type: c,
        pad: d,
        gso_features: u16::from_ne_bytes([e, f]),
    }
}
