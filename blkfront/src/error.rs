//! Errors of a disk; each message names it.

use alloc::sync::Arc;
use core::fmt;

use xen::xenbus::{DeviceError, State};
use xen::{EventError, GrantError, PeerMisbehaved};
use xen_sys::io::blkif;

/// What was asked of the disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operation {
    /// Read.
    Read,
    /// Write.
    Write,
    /// Flush.
    Flush,
    /// Write, and a flush after it.
    DurableWrite,
    /// Discard.
    Discard,
    /// Discard that leaves no copy.
    SecureDiscard,
}

impl Operation {
    /// Does it bring data to the disk?
    pub(crate) fn is_write(self) -> bool {
        matches!(self, Self::Write | Self::DurableWrite)
    }

    pub(crate) fn is_discard(self) -> bool {
        matches!(self, Self::Discard | Self::SecureDiscard)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Flush => "flush",
            Self::DurableWrite => "durable write",
            Self::Discard => "discard",
            Self::SecureDiscard => "secure discard",
        })
    }
}

/// Why a disk did not do what was asked. `disk` is its name and device, `xvda (vbd/51712)`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Error {
    /// XenStore, or the back end's state.
    Device {
        /// The disk.
        disk: Arc<str>,
        /// The reason.
        error: DeviceError,
    },
    /// No page or grant for the ring or for data.
    Grant {
        /// The disk.
        disk: Arc<str>,
        /// The reason.
        error: GrantError,
    },
    /// No event channel.
    Event {
        /// The disk.
        disk: Arc<str>,
        /// The reason.
        error: EventError,
    },
    /// A write to a disk that is read-only.
    ReadOnly {
        /// The disk.
        disk: Arc<str>,
    },
    /// The range does not lie on the disk.
    OutOfRange {
        /// The disk.
        disk: Arc<str>,
        /// First byte asked for.
        offset: u64,
        /// Bytes asked for.
        len: u64,
        /// Bytes of the disk.
        size: u64,
    },
    /// A write of parts of sectors, or a secure discard of parts of what the disk discards. (Reads may begin and end anywhere. To
    /// read, modify and write is left to the caller, who knows who else writes to the sector.)
    Unaligned {
        /// The disk.
        disk: Arc<str>,
        /// The operation.
        operation: Operation,
        /// First byte asked for.
        offset: u64,
        /// Bytes asked for.
        len: u64,
        /// Bytes in a sector, or in an extent that can be discarded.
        unit: u32,
    },
    /// The back end can not do this, or says so now.
    Unsupported {
        /// The disk.
        disk: Arc<str>,
        /// The operation.
        operation: Operation,
    },
    /// The back end answered that the operation failed.
    Failed {
        /// The disk.
        disk: Arc<str>,
        /// The operation.
        operation: Operation,
        /// First byte of the part that failed; of several parts the one nearest to the beginning.
        offset: u64,
        /// Bytes of that part.
        len: u64,
        /// Bytes before it, from the beginning of the request, that were transferred.
        intact: u64,
        /// `BLKIF_RSP_*`.
        status: i16,
    },
    /// The back end broke the protocol: the disk is given up.
    Misbehaved {
        /// The disk.
        disk: Arc<str>,
        /// The lie.
        lie: PeerMisbehaved,
    },
    /// The back end is closing or gone.
    Gone {
        /// The disk.
        disk: Arc<str>,
        /// The back end's state.
        state: State,
    },
    /// The back end answered nothing for too long: the disk is given up.
    NoAnswer {
        /// The disk.
        disk: Arc<str>,
        /// How long.
        waited_ms: u64,
    },
    /// The disk was closed.
    Closed {
        /// The disk.
        disk: Arc<str>,
    },
    /// Somebody else is connecting or closing the disk.
    Busy {
        /// The disk.
        disk: Arc<str>,
    },
    /// No memory for the data.
    OutOfMemory {
        /// The disk.
        disk: Arc<str>,
        /// Bytes asked for.
        len: u64,
    },
    /// The back end came back with a disk that is smaller, has other sectors or is read-only now.
    Changed {
        /// The disk.
        disk: Arc<str>,
        /// First byte asked for.
        offset: u64,
        /// Bytes asked for.
        len: u64,
    },
    /// No such request is outstanding.
    UnknownToken {
        /// The disk.
        disk: Arc<str>,
        /// The number in the token.
        token: u64,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device { disk, error } => write!(f, "{disk}: {error}"),
            Self::Grant { disk, error } => write!(f, "{disk}: {error}"),
            Self::Event { disk, error } => write!(f, "{disk}: {error}"),
            Self::ReadOnly { disk } => write!(f, "{disk} is read-only"),
            Self::OutOfRange { disk, offset, len, size } => {
                write!(f, "{disk}: {len} bytes at {offset} are outside its {size} bytes")
            }
            Self::Unaligned { disk, operation, offset, len, unit } => {
                write!(
                    f,
                    "{disk}: a {operation} of {len} bytes at {offset} is not of whole sectors of {unit}"
                )
            }
            Self::Unsupported { disk, operation } => {
                write!(f, "{disk}: the back end does not support {operation}")
            }
            Self::Failed { disk, operation: Operation::Flush, status, .. } => {
                write!(f, "{disk}: flush failed with {}", Status(*status))
            }
            Self::Failed { disk, operation, offset, len, status, .. } => {
                write!(f, "{disk}: {operation} of {len} bytes at {offset} failed with {}", Status(*status))
            }
            Self::Misbehaved { disk, lie } => write!(f, "{disk}: {lie}"),
            Self::Gone { disk, state } => write!(f, "{disk}: the back end is {state:?}"),
            Self::NoAnswer { disk, waited_ms } => {
                write!(f, "{disk}: the back end answered nothing for {waited_ms} ms")
            }
            Self::Closed { disk } => write!(f, "{disk} is closed"),
            Self::Busy { disk } => write!(f, "{disk} is being connected or closed"),
            Self::OutOfMemory { disk, len } => write!(f, "{disk}: no memory for {len} bytes"),
            Self::Changed { disk, offset, len } => {
                write!(f, "{disk} came back changed: {len} bytes at {offset} can not be transferred any more")
            }
            Self::UnknownToken { disk, token } => write!(f, "{disk}: no request {token} is outstanding"),
        }
    }
}

impl core::error::Error for Error {}

struct Status(i16);

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            blkif::RSP_ERROR => f.write_str("an I/O error"),
            blkif::RSP_EOPNOTSUPP => f.write_str("\"not supported\""),
            other => write!(f, "status {other}"),
        }
    }
}

/// Why a disk no longer works.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    Misbehaved(PeerMisbehaved),
    Gone(State),
    NoAnswer { waited_ms: u64 },
    Closed,
}

impl Fault {
    pub(crate) fn error(self, disk: &Arc<str>) -> Error {
        let disk = disk.clone();
        match self {
            Self::Misbehaved(lie) => Error::Misbehaved { disk, lie },
            Self::Gone(state) => Error::Gone { disk, state },
            Self::NoAnswer { waited_ms } => Error::NoAnswer { disk, waited_ms },
            Self::Closed => Error::Closed { disk },
        }
    }
}
