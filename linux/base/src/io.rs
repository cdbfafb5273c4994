//! Buffers of user programs, as files see them: somewhere to put bytes, and somewhere to take them from.
//!
//! The system-call layer makes them over the pages of a process, after it has made those pages present; so neither waits. A
//! buffer of the kernel is one too, for `sendfile` and tests.

use crate::{Errno, Result};

/// Where read bytes go.
pub trait Sink {
    /// Room that is left, in bytes.
    fn room(&self) -> usize;

    /// Copies in what fits and returns how much. `EFAULT` when nothing could be copied because the memory is not the
    /// program's to write; what was copied before stays.
    fn push(&mut self, bytes: &[u8]) -> Result<usize>;

    /// As [`Sink::push`], with zeroes.
    fn push_zeroes(&mut self, len: usize) -> Result<usize> {
        let zeroes = [0; 256];
        let mut done = 0;
        while done < len {
            let step = (len - done).min(zeroes.len());
            match self.push(&zeroes[..step]) {
                Ok(pushed) => {
                    done += pushed;
                    if pushed < step {
                        break;
                    }
                }
                Err(errno) if done == 0 => return Err(errno),
                Err(_) => break,
            }
        }
        Ok(done)
    }
}

/// Where written bytes come from.
pub trait Source {
    /// Bytes that are left.
    fn left(&self) -> usize;

    /// Copies out what is left, as much as fits, and returns how much. `EFAULT` as for [`Sink::push`].
    fn pull(&mut self, into: &mut [u8]) -> Result<usize>;

    /// Goes back by `len` bytes of the last pull, which found no room after all.
    fn unpull(&mut self, len: usize);
}

/// A buffer of the kernel to read into.
pub struct SliceSink<'a> {
    bytes: &'a mut [u8],
    done: usize,
}

impl<'a> SliceSink<'a> {
    /// A sink that fills `bytes` from the start.
    pub fn new(bytes: &'a mut [u8]) -> Self {
        Self { bytes, done: 0 }
    }
}

impl Sink for SliceSink<'_> {
    fn room(&self) -> usize {
        self.bytes.len() - self.done
    }

    fn push(&mut self, bytes: &[u8]) -> Result<usize> {
        let len = bytes.len().min(self.room());
        self.bytes[self.done..self.done + len].copy_from_slice(&bytes[..len]);
        self.done += len;
        Ok(len)
    }
}

/// A growing buffer of the kernel to read into, with a limit.
pub struct VecSink<'a> {
    bytes: &'a mut alloc::vec::Vec<u8>,
    limit: usize,
}

impl<'a> VecSink<'a> {
    /// A sink that appends to `bytes`, until that has `limit` bytes.
    pub fn new(bytes: &'a mut alloc::vec::Vec<u8>, limit: usize) -> Self {
        Self { bytes, limit }
    }
}

impl Sink for VecSink<'_> {
    fn room(&self) -> usize {
        self.limit.saturating_sub(self.bytes.len())
    }

    fn push(&mut self, bytes: &[u8]) -> Result<usize> {
        let len = bytes.len().min(self.room());
        self.bytes.try_reserve(len)?;
        self.bytes.extend_from_slice(&bytes[..len]);
        Ok(len)
    }
}

/// A buffer of the kernel to write from.
pub struct SliceSource<'a> {
    bytes: &'a [u8],
    done: usize,
}

impl<'a> SliceSource<'a> {
    /// A source of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, done: 0 }
    }
}

impl Source for SliceSource<'_> {
    fn left(&self) -> usize {
        self.bytes.len() - self.done
    }

    fn pull(&mut self, into: &mut [u8]) -> Result<usize> {
        let len = into.len().min(self.left());
        into[..len].copy_from_slice(&self.bytes[self.done..self.done + len]);
        self.done += len;
        Ok(len)
    }

    fn unpull(&mut self, len: usize) {
        self.done = self.done.saturating_sub(len);
    }
}

/// Pulls exactly so many bytes, or fails with `EFAULT`.
pub fn pull_exact(source: &mut dyn Source, mut into: &mut [u8]) -> Result<()> {
    while !into.is_empty() {
        let pulled = source.pull(into)?;
        if pulled == 0 {
            return Err(Errno::EFAULT);
        }
        into = &mut into[pulled..];
    }
    Ok(())
}
