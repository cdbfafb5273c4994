//! Pieces of pages, in which pipes hold their bytes.
//!
//! A [`Chunk`] is a page and which of its bytes count. A pipe that is spliced into takes pages of the page cache as they are;
//! [`Chunks`] is bytes on their way from a pipe to a file, [`FrameSink`] from a file to a pipe.

use alloc::collections::VecDeque;

use linux_base::{Errno, Result, Sink, Source};
use linux_mm::{Frame, PAGE_SIZE};

use crate::pool;

/// What else may be done with a [`Chunk`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// The page is the pipe's own, and a later write may go on in it.
    Mergeable,
    /// Other holders of the page may be there.
    Shared,
    /// A packet (`O_DIRECT`): a read takes it whole and no more than it.
    Packet,
}

/// Bytes of a page.
#[derive(Debug)]
pub struct Chunk {
    pub(crate) frame: Frame,
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) kind: Kind,
}

impl Chunk {
    /// `len` bytes of a page from `offset`, which others may hold too. `EINVAL` if they are not in the page, or none.
    pub fn new(frame: Frame, offset: usize, len: usize) -> Result<Self> {
        let end = offset.checked_add(len).filter(|end| *end <= PAGE_SIZE && len > 0).ok_or(Errno::EINVAL)?;
        Ok(Self { frame, start: offset, end, kind: Kind::Shared })
    }

    /// How many bytes it is.
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// The first `len` bytes, with the page shared.
    pub(crate) fn share(&self, len: usize) -> Self {
        let kind = if self.kind == Kind::Packet { Kind::Packet } else { Kind::Shared };
        Self { frame: self.frame.clone(), start: self.start, end: self.start + len.min(self.len()), kind }
    }
}

/// Bytes that were taken out of a pipe, to be written to a file.
#[derive(Default, Debug)]
pub struct Chunks {
    chunks: VecDeque<Chunk>,
    /// How many bytes from the start have been pulled.
    pulled: usize,
}

impl Chunks {
    /// Pieces in their order.
    pub fn new(chunks: VecDeque<Chunk>) -> Self {
        Self { chunks, pulled: 0 }
    }

    /// Adds a piece at the end.
    pub fn push(&mut self, chunk: Chunk) -> Result<()> {
        self.chunks.try_reserve(1)?;
        self.chunks.push_back(chunk);
        Ok(())
    }

    /// The pieces that have not been pulled.
    pub fn into_rest(mut self) -> VecDeque<Chunk> {
        while let Some(first) = self.chunks.front_mut() {
            let step = self.pulled.min(first.len());
            (first.start, self.pulled) = (first.start + step, self.pulled - step);
            if !first.is_empty() {
                break;
            }
            self.chunks.pop_front();
        }
        self.chunks
    }

    fn total(&self) -> usize {
        self.chunks.iter().map(Chunk::len).sum()
    }
}

impl Source for Chunks {
    fn left(&self) -> usize {
        self.total() - self.pulled
    }

    fn pull(&mut self, into: &mut [u8]) -> Result<usize> {
        let (mut skip, mut done) = (self.pulled, 0);
        for chunk in &self.chunks {
            if skip >= chunk.len() {
                skip -= chunk.len();
                continue;
            }
            let rest = into.get_mut(done..).unwrap_or_default();
            let len = rest.len().min(chunk.len() - skip);
            if len == 0 {
                break;
            }
            chunk.frame.read(chunk.start + skip, rest.get_mut(..len).unwrap_or_default());
            (done, skip) = (done + len, 0);
        }
        self.pulled += done;
        Ok(done)
    }

    fn unpull(&mut self, len: usize) {
        self.pulled = self.pulled.saturating_sub(len);
    }
}

/// A buffer of new pages that a file is read into, to be put into a pipe.
pub struct FrameSink {
    chunks: VecDeque<Chunk>,
    room: usize,
}

impl FrameSink {
    /// A buffer for at most `limit` bytes. Pages are taken as they are needed.
    pub fn new(limit: usize) -> Self {
        Self { chunks: VecDeque::new(), room: limit }
    }

    /// What has been read.
    pub fn into_chunks(self) -> VecDeque<Chunk> {
        self.chunks
    }
}

impl Sink for FrameSink {
    fn room(&self) -> usize {
        self.room
    }

    fn push(&mut self, bytes: &[u8]) -> Result<usize> {
        let mut rest = bytes.get(..bytes.len().min(self.room)).unwrap_or(bytes);
        let wanted = rest.len();
        while !rest.is_empty() {
            let has_room = self.chunks.back().is_some_and(|last| last.end < PAGE_SIZE);
            if !has_room {
                self.chunks.try_reserve(1)?;
                let frame = pool::take()?;
                self.chunks.push_back(Chunk { frame, start: 0, end: 0, kind: Kind::Mergeable });
            }
            let Some(last) = self.chunks.back_mut() else { break };
            let len = last.frame.write(last.end, rest);
            last.end += len;
            rest = rest.get(len..).unwrap_or_default();
        }
        self.room -= wanted - rest.len();
        Ok(wanted - rest.len())
    }
}
