//! Why an operation on XenStore failed.

use alloc::string::String;
use core::fmt;

use xen::PeerMisbehaved;

use crate::Errno;

/// Why an operation on XenStore failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Error {
    /// xenstored refused, with its error by name.
    Refused(Errno),
    /// xenstored did not answer in time.
    TimedOut {
        /// How long we waited.
        waited_ms: u64,
    },
    /// xenstored broke the protocol: the connection has ended.
    Broken(PeerMisbehaved),
    /// The request is longer than a message may be (4096 bytes); it was not sent.
    TooLong(usize),
    /// A path is empty, too long, or has a NUL in it; nothing was sent.
    BadPath(String),
    /// A value or reply is not what it should be.
    Malformed {
        /// What was read.
        what: &'static str,
        /// What it holds.
        value: String,
    },
}

impl Error {
    /// Whether xenstored said that there is no such node.
    pub fn is_missing(&self) -> bool {
        *self == Self::Refused(Errno::Noent)
    }

    /// Whether xenstored said that a transaction met a conflict.
    pub fn is_conflict(&self) -> bool {
        *self == Self::Refused(Errno::Again)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(errno) => f.write_str(errno.name()),
            Self::TimedOut { waited_ms } => write!(f, "xenstored does not answer (waited {waited_ms} ms)"),
            Self::Broken(why) => write!(f, "the connection to xenstored has ended: {why}"),
            Self::TooLong(len) => write!(f, "a request of {len} bytes is more than XenStore takes"),
            Self::BadPath(path) => write!(f, "{path:?} is not a XenStore path"),
            Self::Malformed { what, value } => write!(f, "{what} is malformed: {value:?}"),
        }
    }
}

impl core::error::Error for Error {}

impl From<PeerMisbehaved> for Error {
    fn from(why: PeerMisbehaved) -> Self {
        Self::Broken(why)
    }
}
