//! What the router counts.

use core::fmt;

/// Why a frame goes no further.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// It is for another hardware address.
    NotForUs,
    /// It is none of ARP, IPv4, IPv6.
    OtherProtocol,
    /// It is not what it says it is.
    Malformed,
    /// Its sender's address can not be a sender's, or is the router's own.
    Martian,
    /// It is for a group or for all.
    Multicast,
    /// No route leads there.
    NoRoute,
    /// It has come too far.
    TtlExceeded,
    /// It is too long for the next link.
    TooBig,
    /// A rule, or the default, drops it.
    Filtered,
    /// It belongs to no connection and can not begin one.
    NoConnection,
    /// There are too many connections.
    TableFull,
    /// No port is left for its connection.
    NoPort,
    /// The first part of its packet was not seen.
    NoFirstPart,
    /// The next machine on its way is not known yet, and enough wait for it.
    NoNeighbour,
    /// The next machine on its way does not answer.
    Unreachable,
    /// It is for the router, which has no such service.
    Local,
    /// The device out of which it goes has no room, or is not there.
    NoRoom,
}

/// All reasons with their names.
pub const REASONS: [(Reason, &str); 17] = [
    (Reason::NotForUs, "not_for_us"),
    (Reason::OtherProtocol, "other_protocol"),
    (Reason::Malformed, "malformed"),
    (Reason::Martian, "martian"),
    (Reason::Multicast, "multicast"),
    (Reason::NoRoute, "no_route"),
    (Reason::TtlExceeded, "ttl_exceeded"),
    (Reason::TooBig, "too_big"),
    (Reason::Filtered, "filtered"),
    (Reason::NoConnection, "no_connection"),
    (Reason::TableFull, "table_full"),
    (Reason::NoPort, "no_port"),
    (Reason::NoFirstPart, "no_first_part"),
    (Reason::NoNeighbour, "no_neighbour"),
    (Reason::Unreachable, "unreachable"),
    (Reason::Local, "local"),
    (Reason::NoRoom, "no_room"),
];

/// Frames and bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Traffic {
    /// Frames.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Traffic {
    /// One more frame.
    pub fn count(&mut self, len: usize) {
        self.packets += 1;
        self.bytes += len as u64;
    }
}

/// Of one interface.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct InterfaceCounters {
    /// Received.
    pub received: Traffic,
    /// Sent, by whatever reason.
    pub sent: Traffic,
}

/// Of the router as a whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Packets that went on.
    pub forwarded: Traffic,
    /// Packets for the router itself that it has answered or taken notice of.
    pub answered: u64,
    /// ICMP errors sent.
    pub errors_sent: u64,
    /// ICMP errors not sent because there were too many.
    pub errors_held_back: u64,
    /// Connections begun.
    pub connections: u64,
    drops: [u64; REASONS.len()],
}

impl Counters {
    /// One more frame that goes no further.
    pub fn drop(&mut self, reason: Reason) {
        if let Some(count) = self.drops.get_mut(reason as usize) {
            *count += 1;
        }
    }

    /// How many went no further for a reason.
    pub fn drops(&self, reason: Reason) -> u64 {
        self.drops.get(reason as usize).copied().unwrap_or(0)
    }
}

/// The reasons that there were, as ` name=count` each.
impl fmt::Display for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (reason, name) in REASONS {
            let count = self.drops(reason);
            if count > 0 {
                write!(f, " {name}={count}")?;
            }
        }
        Ok(())
    }
}
