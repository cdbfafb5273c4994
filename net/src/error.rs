//! The one error type, split by what a caller does next.

use alloc::string::String;
use core::fmt;

/// What every fallible operation of the crate returns.
pub type Result<T> = core::result::Result<T, Error>;

/// Why an operation failed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// It cannot be done now; the `poll_` form would wait.
    WouldBlock,
    /// The handle's socket is gone.
    BadHandle,
    /// Nobody listens at the peer's port.
    ConnectionRefused,
    /// The peer ended the connection abruptly.
    ConnectionReset,
    /// This side ended the connection abruptly.
    ConnectionAborted,
    /// The peer did not answer in time.
    TimedOut,
    /// The address and port belong to another socket.
    AddrInUse,
    /// The address is not one of this machine's, or cannot be used so.
    AddrNotAvailable,
    /// No interface leads to the destination.
    NetworkUnreachable,
    /// A router reports that the destination cannot be reached.
    HostUnreachable,
    /// The socket has no peer, or its connection is over.
    NotConnected,
    /// The connection was shut down for writing.
    BrokenPipe,
    /// A datagram of this many bytes does not fit the socket's buffer.
    MessageTooLong(usize),
    /// An argument makes no sense; the text says which.
    InvalidInput(&'static str),
    /// There is no memory for the buffers.
    OutOfMemory,
    /// The name has no address.
    NoSuchName(String),
    /// No name server is known.
    NoNameServer,
    /// The name servers answered, but with a failure.
    NameServerFailed(String),
    /// There is no interface of that number.
    NoSuchInterface(usize),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Error::MessageTooLong(len) => return write!(f, "a datagram of {len} bytes is too long"),
            Error::InvalidInput(what) => return write!(f, "invalid input: {what}"),
            Error::NoSuchName(name) => return write!(f, "no address for the name `{name}`"),
            Error::NameServerFailed(name) => return write!(f, "name servers failed to resolve `{name}`"),
            Error::NoSuchInterface(index) => return write!(f, "no interface {index}"),
            Error::WouldBlock => "operation would block",
            Error::BadHandle => "socket handle is stale",
            Error::ConnectionRefused => "connection refused",
            Error::ConnectionReset => "connection reset by peer",
            Error::ConnectionAborted => "connection aborted",
            Error::TimedOut => "timed out",
            Error::AddrInUse => "address in use",
            Error::AddrNotAvailable => "address not available",
            Error::NetworkUnreachable => "network unreachable",
            Error::HostUnreachable => "host unreachable",
            Error::NotConnected => "not connected",
            Error::BrokenPipe => "connection is shut down for writing",
            Error::OutOfMemory => "out of memory",
            Error::NoNameServer => "no name server is known",
        };
        f.write_str(text)
    }
}

impl core::error::Error for Error {}
