//! What a caller asked for, and how far it is.

use alloc::vec::Vec;

use crate::error::Fault;
use crate::lane::Part;
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
    /// As `Read`, into a buffer that is there already: as many bytes as it has.
    ReadInto {
        /// First byte.
        offset: u64,
        /// Where they go.
        data: Vec<u8>,
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
    /// As `Write`, and it is durable when it ends.
    WriteDurable {
        /// First byte.
        offset: u64,
        /// The bytes.
        data: Vec<u8>,
    },
    /// The content of whole sectors is not needed any more.
    Discard {
        /// First byte.
        offset: u64,
        /// Bytes.
        len: u64,
        /// How thoroughly.
        kind: Discard,
    },
}

/// How thoroughly to discard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Discard {
    /// What lies in whole extents of the disk ([`crate::DiscardLimits`]) may go, and reads as anything afterwards.
    Hint,
    /// No copy is left. The range must be of whole extents.
    Secure,
}

impl Request {
    /// What it does, where, and how many bytes.
    pub(crate) fn extent(&self) -> (Operation, u64, u64) {
        match self {
            Self::Read { offset, len } => (Operation::Read, *offset, *len as u64),
            Self::ReadInto { offset, data } => (Operation::Read, *offset, data.len() as u64),
            Self::Write { offset, data } => (Operation::Write, *offset, data.len() as u64),
            Self::Flush => (Operation::Flush, 0, 0),
            Self::WriteDurable { offset, data } => (Operation::DurableWrite, *offset, data.len() as u64),
            Self::Discard { offset, len, kind: Discard::Hint } => (Operation::Discard, *offset, *len),
            Self::Discard { offset, len, kind: Discard::Secure } => (Operation::SecureDiscard, *offset, *len),
        }
    }
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
    /// For a read: as many bytes as were asked for; those that were not read are zero, or what they were in a buffer of the
    /// caller. For a write: its buffer, to be used again.
    pub data: Vec<u8>,
}

/// Why a request was not accepted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SubmitError {
    /// The ring or the pool is full, and the backlog as well: take completions, then submit again.
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
    /// Nobody yet: it is read ahead, into `data`.
    Ahead,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Failure {
    Status {
        offset: u64,
        len: u64,
        status: i16,
    },
    Fault(Fault),
    OutOfMemory {
        len: u64,
    },
    Unsupported,
    /// The disk that came back is another.
    Changed,
}

/// What a job needs next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Want {
    /// This range of the disk is to be transferred.
    Range { start: u64, len: u64 },
    /// A flush.
    Flush,
    /// Answers, its own or those of earlier writes.
    Answers,
    /// All is on the ring, or it has failed.
    Nothing,
}

/// A request on its way. It covers the bytes `start..start + len`, and of the disk the whole sectors `first..end`, of
/// which those before `cursor` were put on the ring, but for those in `redo`.
pub(crate) struct Job {
    pub id: u64,
    pub owner: Owner,
    pub operation: Operation,
    pub start: u64,
    pub len: u64,
    pub first: u64,
    pub end: u64,
    pub cursor: u64,
    /// What was on the ring in vain and must go out once more.
    pub redo: Vec<Part>,
    /// It is to be in requests of its own: with another's it failed.
    pub alone: bool,
    /// A flush is yet to go out, after the data.
    pub needs_flush: bool,
    /// Earlier writes that the flush must wait for.
    pub blockers: u32,
    pub outstanding: u32,
    pub failure: Option<Failure>,
    /// The buffer of a `Token` job.
    pub data: Vec<u8>,
    /// For a blocked reader, what other threads took from the ring: place in its buffer, bytes.
    pub filed: Vec<(usize, Vec<u8>)>,
    /// It was counted as waiting.
    pub stalled: bool,
    /// It is in the list of those that want something.
    pub is_queued: bool,
    /// Its end was noticed.
    pub is_done: bool,
}

impl Job {
    pub fn new(owner: Owner, operation: Operation, start: u64, len: u64, sector: u64, data: Vec<u8>) -> Self {
        let (first, end) = match len {
            0 => (start, start),
            _ => (start - start % sector, (start + len).next_multiple_of(sector)),
        };
        Self {
            id: 0,
            owner,
            operation,
            start,
            len,
            first,
            end,
            cursor: first,
            redo: Vec::new(),
            alone: false,
            needs_flush: operation == Operation::Flush || (operation == Operation::DurableWrite && len > 0),
            blockers: 0,
            outstanding: 0,
            failure: None,
            data,
            filed: Vec::new(),
            stalled: false,
            is_queued: false,
            is_done: false,
        }
    }

    /// Does a later flush wait for it?
    pub fn changes_the_disk(&self) -> bool {
        self.operation.is_write() || self.operation.is_discard()
    }

    pub fn want(&self) -> Want {
        match self.redo.last() {
            _ if self.failure.is_some() => Want::Nothing,
            Some(part) => Want::Range { start: part.start, len: part.len },
            None if self.cursor < self.end => Want::Range { start: self.cursor, len: self.end - self.cursor },
            None if !self.needs_flush => Want::Nothing,
            None if self.outstanding > 0 || self.blockers > 0 => Want::Answers,
            None => Want::Flush,
        }
    }

    /// So much of the range that it wants is on the ring now.
    pub fn advance(&mut self, by: u64) {
        match self.redo.last_mut() {
            Some(part) if part.len > by => {
                part.start += by;
                part.len -= by;
            }
            Some(_) => drop(self.redo.pop()),
            None => self.cursor += by,
        }
        self.outstanding += 1;
        self.stalled = false;
    }

    /// A part was on the ring in vain.
    pub fn repeat(&mut self, part: Part) {
        if part.len == 0 {
            self.needs_flush = true;
        } else if self.redo.try_reserve(1).is_ok() {
            self.redo.push(part);
        } else {
            self.fail(Failure::OutOfMemory { len: size_of::<Part>() as u64 });
        }
    }

    /// As if nothing had gone out yet. What is to be durable was perhaps not, with a back end that is lost.
    pub fn rewind(&mut self) {
        self.redo.clear();
        (self.cursor, self.needs_flush) = (self.first, true);
    }

    pub fn is_finished(&self) -> bool {
        self.outstanding == 0 && self.want() == Want::Nothing
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
}
