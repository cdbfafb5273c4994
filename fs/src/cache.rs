//! A bounded block cache with read-ahead, between a file system and its device.
//!
//! - Lines of 4096 bytes; a second-chance clock evicts. The budget in bytes bounds them all.
//! - A read of [`DIRECT_MIN`] bytes or more goes from the device into the caller's buffer: no copy, nothing
//!   evicted. A file server that reads 64 KiB at a time streams this way.
//! - Smaller reads fill lines. When they follow one another, the filling doubles up to [`AHEAD_MAX`].
//! - When large reads or fillings follow one another, the device is told what comes next ([`BlockRead::read_ahead`]), so that
//!   it works while the reader does.
//!
//! The lock is released before the device is read: two threads may fetch the same line, which is harmless,
//! but none ever waits for a lock that a sleeping one holds.

use crate::block::{BlockError, BlockRead, check_range};
use alloc::{boxed::Box, collections::BTreeMap, vec, vec::Vec};
use spin::Mutex;

/// Bytes in a line, and the alignment of every request to the device.
pub const LINE: usize = 4096;
/// Whole lines of at least this many bytes bypass the cache.
pub const DIRECT_MIN: usize = 16 * 1024;
/// The most that one filling reads: one request of a disk with indirect segments.
pub const AHEAD_MAX: usize = 128 * 1024;
/// A budget below this is raised to it.
const BUDGET_MIN: usize = 8 * LINE;

/// What the cache did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// Lines found.
    pub hits: u64,
    /// Requests to the device.
    pub device_reads: u64,
    /// Bytes read from the device.
    pub device_bytes: u64,
}

struct Line {
    number: u64,
    used: bool,
    data: Box<[u8]>,
}

struct State {
    lines: Vec<Line>,
    index: BTreeMap<u64, usize>,
    hand: usize,
    /// The line after the last filling, and how many lines that filling had.
    next_line: u64,
    ahead: usize,
    /// Where the last direct read ended.
    next_direct: u64,
    stats: CacheStats,
}

/// A [`BlockRead`] in front of another one.
pub struct Cache<D> {
    device: D,
    size: u64,
    capacity: usize,
    state: Mutex<State>,
}

impl<D: BlockRead> Cache<D> {
    /// A cache of at most `budget_bytes` (but at least 32 KiB) in front of `device`.
    pub fn new(device: D, budget_bytes: usize) -> Self {
        let state = State {
            lines: Vec::new(),
            index: BTreeMap::new(),
            hand: 0,
            next_line: u64::MAX,
            ahead: 1,
            next_direct: u64::MAX,
            stats: CacheStats::default(),
        };
        let size = device.size_bytes();
        Self { device, size, capacity: budget_bytes.max(BUDGET_MIN) / LINE, state: Mutex::new(state) }
    }

    /// What it did so far.
    pub fn stats(&self) -> CacheStats {
        self.state.lock().stats
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
        let left = usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        match len.min(AHEAD_MAX).min(left) {
            0 => {}
            len => self.device.read_ahead(offset, len),
        }
    }

    /// Copies out of the line at `offset` if it is there; returns how many bytes.
    fn copy_cached(&self, offset: u64, buf: &mut [u8]) -> Option<usize> {
        let mut state = self.state.lock();
        let slot = *state.index.get(&(offset / LINE as u64))?;
        let line = state.lines.get_mut(slot)?;
        line.used = true;
        let within = (offset % LINE as u64) as usize;
        let source = line.data.get(within..)?;
        let len = source.len().min(buf.len());
        buf[..len].copy_from_slice(&source[..len]);
        state.stats.hits += 1;
        Some(len)
    }

    /// Reads the lines that `len` bytes at `offset` need, and more when reads follow one another.
    fn fill(&self, offset: u64, len: usize) -> Result<(), BlockError> {
        let first = offset / LINE as u64;
        let wanted = ((offset % LINE as u64) as usize + len).div_ceil(LINE);
        let (count, goes_on) = {
            let mut state = self.state.lock();
            let follows = first == state.next_line;
            let ahead = if first == state.next_line { state.ahead * 2 } else { 1 };
            let limit = (AHEAD_MAX / LINE).min(self.capacity / 2);
            let mut count = wanted.max(ahead).clamp(1, limit);
            // Do not read again what is there.
            if let Some((&known, _)) = state.index.range(first + 1..first + count as u64).next() {
                count = (known - first) as usize;
            }
            state.ahead = count;
            state.next_line = first + count as u64;
            (count, follows && count == limit)
        };
        let start = first * LINE as u64;
        let bytes = ((count * LINE) as u64).min(self.size - start) as usize;
        let mut data = vec![0; bytes];
        self.read_device(start, &mut data)?;
        if goes_on {
            self.tell_next(start + bytes as u64, bytes);
        }
        let mut state = self.state.lock();
        for (number, line) in (first..).zip(data.chunks(LINE)) {
            state.insert(number, line, self.capacity);
        }
        Ok(())
    }
}

impl State {
    fn insert(&mut self, number: u64, data: &[u8], capacity: usize) {
        if self.index.contains_key(&number) {
            return;
        }
        if self.lines.len() < capacity {
            self.index.insert(number, self.lines.len());
            self.lines.push(Line { number, used: true, data: data.into() });
            return;
        }
        while self.lines[self.hand].used {
            self.lines[self.hand].used = false;
            self.hand = (self.hand + 1) % self.lines.len();
        }
        let line = &mut self.lines[self.hand];
        self.index.remove(&line.number);
        self.index.insert(number, self.hand);
        line.number = number;
        // A line read ahead must live until the reader gets there.
        line.used = true;
        if line.data.len() == data.len() {
            line.data.copy_from_slice(data);
        } else {
            line.data = data.into();
        }
        self.hand = (self.hand + 1) % self.lines.len();
    }
}

impl<D: BlockRead> BlockRead for Cache<D> {
    fn read(&self, offset_bytes: u64, buf: &mut [u8]) -> Result<(), BlockError> {
        check_range(offset_bytes, buf.len(), self.size)?;
        let mut done = 0;
        while done < buf.len() {
            let offset = offset_bytes + done as u64;
            let rest = &mut buf[done..];
            let whole = rest.len() / LINE * LINE;
            if whole >= DIRECT_MIN && offset.is_multiple_of(LINE as u64) {
                let end = offset + whole as u64;
                let follows = core::mem::replace(&mut self.state.lock().next_direct, end) == offset;
                self.read_device(offset, &mut rest[..whole])?;
                if follows {
                    self.tell_next(end, whole);
                }
                done += whole;
                continue;
            }
            if let Some(len) = self.copy_cached(offset, rest) {
                done += len;
                continue;
            }
            // Before a direct read, fill only the partial line that stands in front of it.
            let head = (LINE - (offset % LINE as u64) as usize).min(rest.len());
            let direct_follows = (rest.len() - head) / LINE * LINE >= DIRECT_MIN;
            self.fill(offset, if direct_follows { head } else { rest.len() })?;
            match self.copy_cached(offset, rest) {
                Some(len) => done += len,
                // Another thread's fillings pushed the line out between the two: read past the cache.
                None => {
                    let line_start = offset - offset % LINE as u64;
                    let mut line = vec![0; (LINE as u64).min(self.size - line_start) as usize];
                    self.read_device(line_start, &mut line)?;
                    let within = (offset - line_start) as usize;
                    rest[..head].copy_from_slice(&line[within..within + head]);
                    done += head;
                }
            }
        }
        Ok(())
    }

    fn size_bytes(&self) -> u64 {
        self.size
    }
}
