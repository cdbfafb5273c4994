//! What a caller asked for, and how far it is.

use alloc::vec::Vec;

use crate::error::Fault;
use crate::{Error, Operation};

/// An asynchronous request. Its data is private memory of the caller, copied through the bounce pages.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Request {
    /// Read `len` bytes at `offset`; neither need be aligned.
    Read {
        /// First byte.
        offset: u64,
        /// Bytes.
        len: usize,
    },
    /// Write whole sectors at `offset`.
    Write {
        /// First byte.
        offset: u64,
        /// The bytes.
        data: Vec<u8>,
    },
    /// Make every write that was submitted before durable, as far as the disk can ([`crate::FlushKind`]).
    Flush,
}

/// The name of a request that was accepted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Token(pub(crate) u64);

/// A request that has ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Completion {
    /// Which.
    pub token: Token,
    /// How it ended. [`Error::Failed`] says how many bytes from its beginning are intact.
    pub result: Result<(), Error>,
    /// For a read: as many bytes as were asked for; those that were not read are zero. For a write: its buffer, to be used
    /// again.
    pub data: Vec<u8>,
}

/// Why a request was not accepted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SubmitError {
    /// The ring or the pool is full: take completions, then submit again.
    Full(Request),
    /// It can not be done.
    Refused(Error),
}

/// Whose request it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Owner {
    /// A blocked thread, which holds the buffer.
    Caller,
    /// Whoever polls; the buffer is in `data`.
    Token,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Failure {
    Status { offset: u64, len: u64, status: i16 },
    Fault(Fault),
    OutOfMemory { len: u64 },
}

/// A request on its way. It covers the bytes `start..start + len`, and of the disk the whole sectors `first..end`, of
/// which those before `cursor` were put on the ring.
pub(crate) struct Job {
    pub id: u64,
    pub owner: Owner,
    pub operation: Operation,
    pub start: u64,
    pub len: u64,
    pub first: u64,
    pub end: u64,
    pub cursor: u64,
    pub outstanding: u32,
    pub failure: Option<Failure>,
    /// The buffer of a `Token` job.
    pub data: Vec<u8>,
    /// For a blocked reader, what other threads took from the ring: place in its buffer, bytes.
    pub filed: Vec<(usize, Vec<u8>)>,
    /// It was counted as waiting.
    pub stalled: bool,
}

impl Job {
    pub fn is_finished(&self) -> bool {
        self.outstanding == 0 && (self.cursor >= self.end || self.failure.is_some())
    }

    /// Is there something left to put on the ring?
    pub fn is_hungry(&self) -> bool {
        self.cursor < self.end && self.failure.is_none()
    }

    /// Remembers the failure nearest to the beginning; a fault outdoes all others.
    pub fn fail(&mut self, failure: Failure) {
        let nearer = match (&self.failure, &failure) {
            (None, _) | (_, Failure::Fault(_)) => true,
            (Some(Failure::Status { offset: old, .. }), Failure::Status { offset: new, .. }) => new < old,
            _ => false,
        };
        if nearer {
            self.failure = Some(failure);
        }
    }

    /// As if nothing had been put on the ring yet.
    pub fn rewind(&mut self) {
        self.outstanding = 0;
        self.cursor = self.first;
    }
}
