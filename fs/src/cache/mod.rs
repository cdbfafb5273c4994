//! The page cache: lines of 4096 bytes between a disk and all who use it, file systems and writers alike.
//!
//! - [`Cache::read`](BlockRead::read), with read-ahead; large reads go into the caller's buffer (`read`).
//! - [`Cache::write`] makes lines dirty (`write`); [`Cache::write_direct`] and [`Cache::discard`] go around the cache and leave it right.
//! - [`Cache::sync`] returns when all that was written before is on stable storage; [`Cache::barrier`] does not wait, and orders
//!   what comes after behind what came before; [`Cache::tend`] is for a thread in the background (`writeback`).
//! - [`Cache::shrink`] gives memory back; [`Options`] bounds what it takes (`lines`).
//! - Each reader of errors has a [`Watermark`] and hears of each error once (`errors`).
//! - [`Host`] is who runs it; nothing here knows threads, clocks or a kernel (`host`).
//!
//! **Locks.** The lock is released before the device is used. One thread at a time changes the device ("the baton"); others that
//! want to, wait for it. Readers never wait for one.
//!
//! **Order.** Each dirty line has the epoch in which it became dirty; [`Cache::sync`] ends an epoch and writes what is dirty of it
//! and earlier ones: neighbours merged, in ascending order, many requests in flight; then it flushes. A line that becomes dirty again
//! while a copy of it is on its way belongs to the new epoch and goes out again. A barrier is stricter: nothing written behind it is sent
//! to the device before all in front of it was sent and flushed. A line that is dirty in front of a barrier is not changed
//! behind it: the writer has it written first.
//!
//! **Errors.** A line that could not be written stays dirty and is tried again, [`Options::tries`] times in all; then it is dropped, for
//! otherwise a bad sector would hold memory for ever and what lies behind a barrier would never be written. Each failure is told to
//! every [`Watermark`] once. Where a flush fails, what was written since the last good one is dirty again as far as it is still here:
//! a later success says that it is stored, not only that nothing failed since. The same where a back end goes and another comes
//! ([`crate::BlockWrite::generation`]); lines that were written and then evicted before the flush cannot be written again, which
//! matters with a back end that itself loses what it has answered.
//!
//! **Memory.** Never more lines than the budget. At most half of them are dirty, for a writer of more writes back itself; what is dirty
//! is never dropped. Where the host has little memory ([`Host::may_grow`]) lines are used again instead of new ones.

mod errors;
mod gather;
mod host;
mod lines;
mod read;
mod write;
mod writeback;

pub use errors::Watermark;
pub use host::{Host, Page, Work};
pub use writeback::Tended;

use alloc::sync::Arc;
use alloc::vec::Vec;
use spin::Mutex;

use crate::block::{BlockError, BlockRead};
use errors::Errors;
use lines::Lines;

/// Bytes in a line, and the alignment of every request to the device but for those around the cache.
pub const LINE: usize = 4096;
/// Whole lines of at least this many bytes bypass the cache when they are read.
pub const DIRECT_MIN: usize = 16 * 1024;
/// The most that one filling reads: one request of a disk with indirect segments.
pub const AHEAD_MAX: usize = 128 * 1024;
/// A budget below this is raised to it.
const BUDGET_MIN: usize = 8 * LINE;

/// How much a cache may take, and when it writes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Most bytes of lines; at least 32 KiB. What is on its way to the disk takes as much as a quarter of it, 2 MiB at most, besides.
    pub budget_bytes: usize,
    /// Above so many dirty bytes a writer writes back itself. At most half of the budget.
    pub dirty_bytes: usize,
    /// From so many dirty bytes on, who writes in the background is told to begin.
    pub background_bytes: usize,
    /// How often writing a line is tried before it is given up.
    pub tries: u8,
}

impl Options {
    /// The usual shares of a budget.
    pub fn new(budget_bytes: usize) -> Self {
        let budget_bytes = budget_bytes.max(BUDGET_MIN);
        Self { budget_bytes, dirty_bytes: budget_bytes / 2, background_bytes: budget_bytes / 8, tries: 4 }
    }
}

/// What the cache did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// Lines found.
    pub hits: u64,
    /// Requests to the device.
    pub device_reads: u64,
    /// Bytes read from the device.
    pub device_bytes: u64,
    /// Extents written to the device.
    pub device_writes: u64,
    /// Bytes written to the device.
    pub written_bytes: u64,
    /// Flushes of the device.
    pub flushes: u64,
    /// Times that a writer had to write back itself.
    pub throttled: u64,
    /// Bytes that were given up after the device had failed to write them.
    pub lost_bytes: u64,
}

/// What the cache holds now, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheUsage {
    /// In all.
    pub held: usize,
    /// Not on the device yet.
    pub dirty: usize,
    /// The most that it may hold.
    pub budget: usize,
}

/// A filling on its way from the device; lines that are written meanwhile are stale in it.
struct Fill {
    id: u64,
    first: u64,
    count: u64,
    stale: u64,
}

struct State {
    size: u64,
    lines: Lines,
    /// The line after the last filling, and how many lines that filling had.
    next_line: u64,
    ahead: usize,
    /// Where the last direct read ended.
    next_direct: u64,
    fills: Vec<Fill>,
    next_fill: u64,
    /// Somebody has the baton.
    is_taken: bool,
    /// What becomes dirty now is of this epoch, and stands between these barriers.
    epoch: u64,
    order: u64,
    /// All of this epoch and earlier ones is on stable storage.
    synced: u64,
    /// The order of what the device was given since it was last flushed.
    open_order: Option<u64>,
    /// The device's, when it was last changed or flushed.
    generation: Option<u64>,
    /// The epoch that ended at the last [`Cache::tend`].
    tended: u64,
    /// Where [`Cache::tend`] and writers that must write back go on.
    elevator: u64,
    /// Who works in the background was told to, and to hurry.
    is_tended: bool,
    is_hurried: bool,
    errors: Errors,
    stats: CacheStats,
}

impl State {
    /// How many bytes of a line the device has.
    fn line_len(&self, number: u64) -> usize {
        let start = number.saturating_mul(LINE as u64);
        self.size.saturating_sub(start).min(LINE as u64) as usize
    }

    fn forget(&mut self) {
        self.outdate(0, u64::MAX);
        self.lines.forget();
    }

    /// The content of these lines changes: what is being read of them is old.
    fn outdate(&mut self, first: u64, end: u64) {
        for fill in &mut self.fills {
            let (from, to) = (first.max(fill.first), end.min(fill.first + fill.count));
            for number in from..to {
                fill.stale |= 1 << (number - fill.first);
            }
        }
    }
}

/// A [`BlockRead`] in front of another one; in front of a [`crate::BlockWrite`] it is written too.
pub struct Cache<D> {
    device: D,
    host: Arc<dyn Host>,
    options: Options,
    state: Mutex<State>,
}

impl<D: BlockRead> Cache<D> {
    /// A cache of at most `budget_bytes` (but at least 32 KiB) in front of `device`, only to read: with a writer among its users it
    /// would spin where it waits.
    pub fn new(device: D, budget_bytes: usize) -> Self {
        Self::with(device, Options::new(budget_bytes), Arc::new(host::Spinning::default()))
    }

    /// A cache in front of `device`.
    pub fn with(device: D, options: Options, host: Arc<dyn Host>) -> Self {
        let budget_bytes = options.budget_bytes.max(BUDGET_MIN);
        let dirty_bytes = options.dirty_bytes.clamp(LINE, budget_bytes / 2);
        let options = Options {
            budget_bytes,
            dirty_bytes,
            background_bytes: options.background_bytes.clamp(LINE, dirty_bytes),
            tries: options.tries.max(1),
        };
        let state = State {
            size: device.size_bytes(),
            lines: Lines::new(budget_bytes / LINE),
            next_line: u64::MAX,
            ahead: 1,
            next_direct: u64::MAX,
            fills: Vec::new(),
            next_fill: 0,
            is_taken: false,
            epoch: 1,
            order: 0,
            synced: 0,
            open_order: None,
            generation: None,
            tended: 0,
            elevator: 0,
            is_tended: false,
            is_hurried: false,
            errors: Errors::default(),
            stats: CacheStats::default(),
        };
        Self { device, host, options, state: Mutex::new(state) }
    }

    /// The device, around the cache.
    pub fn device(&self) -> &D {
        &self.device
    }

    /// What it did so far.
    pub fn stats(&self) -> CacheStats {
        self.state.lock().stats
    }

    /// What it holds.
    pub fn usage(&self) -> CacheUsage {
        match self.state.try_lock() {
            Some(state) => CacheUsage {
                held: state.lines.len() * LINE,
                dirty: state.lines.dirty_len() * LINE,
                budget: state.lines.capacity() * LINE,
            },
            None => CacheUsage { budget: self.options.budget_bytes, ..CacheUsage::default() },
        }
    }

    /// Gives clean lines of so many bytes back, and returns how many bytes it were. Does not wait, not for the lock either: for
    /// whoever needs memory now.
    pub fn shrink(&self, bytes: usize) -> usize {
        self.state.try_lock().map_or(0, |mut state| state.lines.shrink(bytes.div_ceil(LINE)) * LINE)
    }
}

impl<D: BlockRead> Cache<D> {
    /// Drops all that is clean, for a device whose content has changed, or is another's. What is being read is not kept either.
    pub fn forget(&self) {
        self.state.lock().forget();
    }
}

/// The lines that a range of bytes touches, as a first one and one behind the last.
fn lines_of(offset: u64, len: u64) -> (u64, u64) {
    let first = offset / LINE as u64;
    (first, offset.saturating_add(len).div_ceil(LINE as u64).max(first))
}

/// Space for so many bytes, all zero.
fn space(len: usize) -> Result<Vec<u8>, BlockError> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len).map_err(|_| BlockError::OutOfMemory { len })?;
    bytes.resize(len, 0);
    Ok(bytes)
}
