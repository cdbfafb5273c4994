//! Reading.
//!
//! - What is in a line comes from there.
//! - Otherwise whole lines of [`DIRECT_MIN`] bytes or more go from the device into the caller's buffer: no copy, nothing evicted.
//!   A file server that reads 64 KiB at a time streams this way.
//! - Smaller reads fill lines. When they follow one another, the filling doubles up to [`AHEAD_MAX`].
//! - When large reads or fillings follow one another, the device is told what comes next ([`BlockRead::read_ahead`]), so that
//!   it works while the reader does.
//!
//! Two threads may fetch the same line, which is harmless. A line that is written while it is being fetched is not put in.

use super::{AHEAD_MAX, Cache, DIRECT_MIN, Fill, LINE, space};
use crate::block::{BlockError, BlockRead, check_range};

/// Whether a read fills lines.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    Lines,
    Nothing,
}

impl<D: BlockRead> Cache<D> {
    /// Reads around the cache, but for what is newer there: nothing is kept. For the device's sake offset and length should
    /// be of whole sectors.
    pub fn read_direct(&self, offset: u64, buf: &mut [u8]) -> Result<(), BlockError> {
        self.read_as(offset, buf, Keep::Nothing)
    }

    fn read_as(&self, offset_bytes: u64, buf: &mut [u8], keep: Keep) -> Result<(), BlockError> {
        check_range(offset_bytes, buf.len(), self.size_bytes())?;
        let mut done = 0;
        while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let offset = offset_bytes + done as u64;
            if let Some(len) = self.copy_cached(offset, rest) {
                done += len;
                continue;
            }
            let run = self.run_on_device(offset, rest.len());
            let whole = match keep {
                Keep::Nothing => run,
                Keep::Lines if offset.is_multiple_of(LINE as u64) => run / LINE * LINE,
                Keep::Lines => 0,
            };
            if keep == Keep::Nothing || whole >= DIRECT_MIN {
                let Some(into) = rest.get_mut(..whole) else { break };
                self.read_past(offset, into)?;
                done += whole;
                continue;
            }
            // Before a direct read, fill only the partial line that stands in front of it.
            let head = (LINE - (offset % LINE as u64) as usize).min(rest.len());
            let direct_follows = run.saturating_sub(head) / LINE * LINE >= DIRECT_MIN;
            self.fill(offset, if direct_follows { head } else { run })?;
            match self.copy_cached(offset, rest) {
                Some(len) => done += len,
                // It was not put in, or went at once: read past the cache. Whoever changed it meanwhile did so during this read.
                None => {
                    let Some(into) = rest.get_mut(..head) else { break };
                    self.read_line(offset, into)?;
                    done += head;
                }
            }
        }
        Ok(())
    }

    /// How many of `len` bytes at `offset`, whose line is not here, are to be had from the device: up to a line that it does not
    /// have yet.
    fn run_on_device(&self, offset: u64, len: usize) -> usize {
        let first = offset / LINE as u64;
        let end = (offset + len as u64).div_ceil(LINE as u64);
        match self.state.lock().lines.first_unwritten_in(first + 1, end) {
            Some(number) => usize::try_from(number * LINE as u64 - offset).unwrap_or(len).min(len),
            None => len,
        }
    }

    fn read_past(&self, offset: u64, into: &mut [u8]) -> Result<(), BlockError> {
        let end = offset + into.len() as u64;
        let follows = core::mem::replace(&mut self.state.lock().next_direct, end) == offset;
        self.read_device(offset, into)?;
        if follows {
            self.tell_next(end, into.len());
        }
        Ok(())
    }

    /// Bytes of one line, by way of a whole one.
    fn read_line(&self, offset: u64, into: &mut [u8]) -> Result<(), BlockError> {
        let within = (offset % LINE as u64) as usize;
        let start = offset - within as u64;
        let mut line = space(self.state.lock().line_len(start / LINE as u64))?;
        self.read_device(start, &mut line)?;
        match line.get(within..).and_then(|bytes| bytes.get(..into.len())) {
            Some(bytes) => into.copy_from_slice(bytes),
            // The device has shrunk meanwhile.
            None => check_range(offset, into.len(), self.size_bytes())?,
        }
        Ok(())
    }

    fn read_device(&self, offset: u64, buf: &mut [u8]) -> Result<(), BlockError> {
        {
            let mut state = self.state.lock();
            state.stats.device_reads += 1;
            state.stats.device_bytes += buf.len() as u64;
        }
        self.device.read(offset, buf)
    }

    /// Tells the device what will probably be read next.
    fn tell_next(&self, offset: u64, len: usize) {
        let left = usize::try_from(self.size_bytes().saturating_sub(offset)).unwrap_or(usize::MAX);
        match len.min(AHEAD_MAX).min(left) {
            0 => {}
            len => self.device.read_ahead(offset, len),
        }
    }

    /// Copies out of the line at `offset` if it is there; returns how many bytes.
    fn copy_cached(&self, offset: u64, buf: &mut [u8]) -> Option<usize> {
        let mut state = self.state.lock();
        let line = state.lines.get_mut(offset / LINE as u64)?;
        let within = (offset % LINE as u64) as usize;
        let source = line.bytes().get(within..).filter(|source| !source.is_empty())?;
        let len = source.len().min(buf.len());
        buf.get_mut(..len)?.copy_from_slice(source.get(..len)?);
        state.stats.hits += 1;
        if state.next_direct == offset {
            state.next_direct += len as u64;
        }
        Some(len)
    }

    /// Reads the lines that `len` bytes at `offset` need, and more when reads follow one another.
    fn fill(&self, offset: u64, len: usize) -> Result<(), BlockError> {
        let first = offset / LINE as u64;
        let wanted = ((offset % LINE as u64) as usize + len).div_ceil(LINE);
        let (count, bytes, goes_on, id) = {
            let mut state = self.state.lock();
            let follows = first == state.next_line;
            let ahead = if follows { state.ahead * 2 } else { 1 };
            let limit = (AHEAD_MAX / LINE).min(state.lines.capacity() / 2).max(1);
            let mut count = wanted.max(ahead).clamp(1, limit);
            // Do not read again what is there.
            if let Some(known) = state.lines.first_in(first + 1, first + count as u64) {
                count = (known - first) as usize;
            }
            state.ahead = count;
            state.next_line = first + count as u64;
            let left = state.size.saturating_sub(first * LINE as u64);
            let bytes = ((count * LINE) as u64).min(left) as usize;
            let id = state.begin_fill(first, count as u64)?;
            (count, bytes, follows && count == limit, id)
        };
        let outcome = self.fetch(first, bytes);
        let mut state = self.state.lock();
        let stale = state.end_fill(id);
        let data = outcome?;
        for (index, bytes) in data.chunks(LINE).enumerate().take(count) {
            let number = first + index as u64;
            if stale >> index & 1 != 0
                || state.lines.contains(number)
                || state.line_len(number) != bytes.len()
            {
                continue;
            }
            if let Some(line) = state.lines.insert(number, bytes.len(), &*self.host) {
                line.bytes_mut().copy_from_slice(bytes);
            }
        }
        drop(state);
        if goes_on {
            self.tell_next(first * LINE as u64 + bytes as u64, bytes);
        }
        Ok(())
    }

    fn fetch(&self, first: u64, len: usize) -> Result<alloc::vec::Vec<u8>, BlockError> {
        let mut data = space(len)?;
        self.read_device(first * LINE as u64, &mut data)?;
        Ok(data)
    }

    /// Fetches a line that a writer changes a part of.
    pub(super) fn load(&self, number: u64) -> Result<(), BlockError> {
        let (id, len) = {
            let mut state = self.state.lock();
            (state.begin_fill(number, 1)?, state.line_len(number))
        };
        let outcome = self.fetch(number, len);
        let mut state = self.state.lock();
        let stale = state.end_fill(id);
        let data = outcome?;
        if stale == 0
            && !state.lines.contains(number)
            && state.line_len(number) == len
            && let Some(line) = state.lines.insert(number, len, &*self.host)
        {
            line.bytes_mut().copy_from_slice(&data);
        }
        Ok(())
    }
}

impl super::State {
    fn begin_fill(&mut self, first: u64, count: u64) -> Result<u64, BlockError> {
        let id = self.next_fill;
        self.fills.try_reserve(1).map_err(|_| BlockError::OutOfMemory { len: size_of::<Fill>() })?;
        self.next_fill += 1;
        self.fills.push(Fill { id, first, count, stale: 0 });
        Ok(id)
    }

    /// Which of its lines are stale, a bit each.
    fn end_fill(&mut self, id: u64) -> u64 {
        match self.fills.iter().position(|fill| fill.id == id) {
            Some(at) => self.fills.swap_remove(at).stale,
            None => u64::MAX,
        }
    }
}

impl<D: BlockRead> BlockRead for Cache<D> {
    fn read(&self, offset_bytes: u64, buf: &mut [u8]) -> Result<(), BlockError> {
        self.read_as(offset_bytes, buf, Keep::Lines)
    }

    fn size_bytes(&self) -> u64 {
        self.state.lock().size
    }
}
