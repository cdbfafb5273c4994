//! Buffers of a program, one or several, for `read`, `write` and their relatives.

use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use linux_base::{Errno, Result, Sink, Source};

use crate::copy::check_range;
use crate::fault::Effort;
use crate::span::Span;
use crate::{Access, AddressSpace};

/// No call transfers more (`MAX_RW_COUNT`).
const MAX_BYTES: usize = 0x7fff_f000;
/// Buffers of a call at most (`IOV_MAX`).
const MAX_BUFFERS: usize = 1024;

/// A buffer of a program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IoRange {
    /// Where it begins.
    pub address: u64,
    /// Its length in bytes.
    pub len: usize,
}

/// Buffers and a position in them.
struct Buffers<'a> {
    space: &'a AddressSpace,
    first: IoRange,
    more: Vec<IoRange>,
    /// The buffer in use, the offset in it, and what is left of all.
    current: usize,
    offset: usize,
    left: usize,
}

impl Drop for Buffers<'_> {
    fn drop(&mut self) {
        self.space.buffers.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<'a> Buffers<'a> {
    fn new(space: &'a AddressSpace, first: IoRange, more: Vec<IoRange>, left: usize) -> Self {
        space.buffers.fetch_add(1, Ordering::Relaxed);
        Self { space, first, more, current: 0, offset: 0, left }
    }

    fn one(space: &'a AddressSpace, address: u64, len: usize) -> Result<Self> {
        if isize::try_from(len).is_err() {
            return Err(Errno::EINVAL);
        }
        let first = IoRange { address, len: len.min(MAX_BYTES) };
        check_range(address, first.len)?;
        Ok(Self::new(space, first, Vec::new(), first.len))
    }

    fn vector(space: &'a AddressSpace, address: u64, count: usize) -> Result<Self> {
        if count > MAX_BUFFERS {
            return Err(Errno::EINVAL);
        }
        let mut more: Vec<IoRange> = Vec::new();
        more.try_reserve(count.saturating_sub(1))?;
        let mut first = IoRange { address: 0, len: 0 };
        let mut total = 0usize;
        for index in 0..count {
            let at = address.checked_add(16 * index as u64).ok_or(Errno::EFAULT)?;
            let bytes: [u8; 16] = space.read_array(at)?;
            let word = |at: usize| {
                bytes[at..at + 8].iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
            };
            let (address, len) = (word(0), word(8) as usize);
            if isize::try_from(len).is_err() {
                return Err(Errno::EINVAL);
            }
            let range = IoRange { address, len: len.min(MAX_BYTES - total) };
            check_range(address, len)?;
            total += range.len;
            match index {
                0 => first = range,
                _ => more.push(range),
            }
        }
        Ok(Self::new(space, first, more, total))
    }

    fn range(&self, index: usize) -> IoRange {
        match index {
            0 => self.first,
            _ => self.more.get(index - 1).copied().unwrap_or(IoRange { address: 0, len: 0 }),
        }
    }

    /// What comes next, in one buffer; `None` at the end.
    fn next(&mut self, most: usize) -> Option<IoRange> {
        if self.left == 0 {
            return None;
        }
        loop {
            let range = self.range(self.current);
            if self.offset < range.len {
                let len = (range.len - self.offset).min(most);
                return Some(IoRange { address: range.address + self.offset as u64, len });
            }
            self.current += 1;
            self.offset = 0;
            if self.current > self.more.len() {
                self.left = 0;
                return None;
            }
        }
    }

    fn advance(&mut self, len: usize) {
        self.offset += len;
        self.left -= len;
    }

    fn go_back(&mut self, mut len: usize) {
        self.left += len;
        while len > self.offset && self.current > 0 {
            len -= self.offset;
            self.current -= 1;
            self.offset = self.range(self.current).len;
        }
        self.offset = self.offset.saturating_sub(len);
    }

    fn prepare(&self, access: Access, most: usize) -> Result<()> {
        let mut left = most;
        for index in 0..=self.more.len() {
            let range = self.range(index);
            let len = range.len.min(left);
            if len == 0 {
                continue;
            }
            let present = self.space.make_present(range.address, len, access);
            match present {
                Ok(done) if done == len => left -= len,
                Err(errno) if left == most => return Err(errno),
                // The call comes that far, and no further.
                _ => return Ok(()),
            }
        }
        Ok(())
    }

    /// Moves bytes; `copy` returns how many went for a place in user memory.
    fn transfer(
        &mut self,
        len: usize,
        mut copy: impl FnMut(&AddressSpace, IoRange, usize) -> usize,
    ) -> Result<usize> {
        let mut done = 0;
        while done < len
            && let Some(range) = self.next(len - done)
        {
            let copied = copy(self.space, range, done);
            self.advance(copied);
            done += copied;
            if copied < range.len {
                if done == 0 {
                    return Err(Errno::EFAULT);
                }
                break;
            }
        }
        Ok(done)
    }
}

/// Where a program wants bytes.
pub struct UserSink<'a>(Buffers<'a>);

impl<'a> UserSink<'a> {
    /// One buffer. `EINVAL` if it is longer than `SSIZE_MAX`, `EFAULT` if it is not where user memory can be.
    pub fn new(space: &'a AddressSpace, address: u64, len: usize) -> Result<Self> {
        Buffers::one(space, address, len).map(Self)
    }

    /// The buffers of an array of `struct iovec`. `EINVAL` for more than `IOV_MAX`, else as above. May wait for a disk.
    pub fn vector(space: &'a AddressSpace, address: u64, count: usize) -> Result<Self> {
        Buffers::vector(space, address, count).map(Self)
    }

    /// Makes the first `most` bytes ready to be written to without waiting; see [`AddressSpace::make_present`]. May wait itself.
    pub fn prepare(&self, most: usize) -> Result<()> {
        self.0.prepare(Access::Write, most)
    }
}

impl Sink for UserSink<'_> {
    fn room(&self) -> usize {
        self.0.left
    }

    fn push(&mut self, bytes: &[u8]) -> Result<usize> {
        self.0.transfer(bytes.len(), |space, range, done| {
            space.copy_out(range.address, &bytes[done..done + range.len], Effort::Memory)
        })
    }

    fn push_zeroes(&mut self, len: usize) -> Result<usize> {
        self.0.transfer(len, |space, range, _| {
            let mut zero = |span: &Span<'_>, _: usize| {
                span.zero();
                true
            };
            space.each_span(range.address, range.len, Access::Write, Effort::Memory, &mut zero)
        })
    }
}

/// Where a program has bytes.
pub struct UserSource<'a>(Buffers<'a>);

impl<'a> UserSource<'a> {
    /// One buffer. `EINVAL` if it is longer than `SSIZE_MAX`, `EFAULT` if it is not where user memory can be.
    pub fn new(space: &'a AddressSpace, address: u64, len: usize) -> Result<Self> {
        Buffers::one(space, address, len).map(Self)
    }

    /// The buffers of an array of `struct iovec`. `EINVAL` for more than `IOV_MAX`, else as above. May wait for a disk.
    pub fn vector(space: &'a AddressSpace, address: u64, count: usize) -> Result<Self> {
        Buffers::vector(space, address, count).map(Self)
    }

    /// Makes the first `most` bytes ready to be read without waiting; see [`AddressSpace::make_present`]. May wait itself.
    pub fn prepare(&self, most: usize) -> Result<()> {
        self.0.prepare(Access::Read, most)
    }
}

impl Source for UserSource<'_> {
    fn left(&self) -> usize {
        self.0.left
    }

    fn pull(&mut self, into: &mut [u8]) -> Result<usize> {
        self.0.transfer(into.len(), |space, range, done| {
            space.copy_in(range.address, &mut into[done..done + range.len], Effort::Memory)
        })
    }

    fn unpull(&mut self, len: usize) {
        self.0.go_back(len);
    }
}
