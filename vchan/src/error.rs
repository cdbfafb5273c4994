//! Why a channel does not work.

use alloc::string::String;
use core::fmt;

use xen::{EventError, GrantError, MapError, PeerMisbehaved};

/// Why a channel can not be had, or ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Error {
    /// The other end has gone, and all that it wrote has been read.
    Closed,
    /// The other end broke the protocol: this connection is over.
    Peer(PeerMisbehaved),
    /// XenStore.
    Store(xenstore::Error),
    /// A node holds what is no number.
    NoNumber {
        /// The node.
        key: String,
        /// What it holds, cut.
        value: String,
    },
    /// No such ring is possible, of so many bytes.
    TooLong(usize),
    /// No page can be granted.
    Grant(GrantError),
    /// The server's pages can not be mapped.
    Map(MapError),
    /// There is no event channel.
    Event(EventError),
    /// So many clients have gone without letting go of their pages.
    Hoarded(u32),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the other end has gone"),
            Self::Peer(lie) => lie.fmt(f),
            Self::Store(error) => write!(f, "XenStore: {error}"),
            Self::NoNumber { key, value } => write!(f, "{key} holds {value:?}, which is no number"),
            Self::TooLong(len) => write!(f, "a ring of {len} bytes is longer than vchan allows"),
            Self::Grant(error) => error.fmt(f),
            Self::Map(error) => error.fmt(f),
            Self::Event(error) => error.fmt(f),
            Self::Hoarded(count) => write!(f, "{count} clients have gone and still map their pages"),
        }
    }
}

impl core::error::Error for Error {}

macro_rules! from {
    ($($inner:ty => $variant:ident)*) => {
        $(impl From<$inner> for Error {
            fn from(inner: $inner) -> Self {
                Self::$variant(inner)
            }
        })*
    };
}

from! {
    PeerMisbehaved => Peer
    xenstore::Error => Store
    GrantError => Grant
    MapError => Map
    EventError => Event
}

/// So much of a value as an error holds.
pub fn cut(value: &str) -> String {
    value.chars().take(40).collect()
}
