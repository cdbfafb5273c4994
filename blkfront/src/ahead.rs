//! Reading ahead: one range of the disk that is fetched before it is asked for.
//!
//! What is fetched is as good as what a read would give: nothing is fetched while a write is on its way, and a write that
//! begins later makes what it touches worthless.

use alloc::vec::Vec;

use xen::Platform;
use xen::xenbus::Device;

use crate::job::Owner;
use crate::queue::Queue;
use crate::{BlkFront, Operation};

/// The range that is fetched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Ahead {
    job: u64,
    start: u64,
    end: u64,
    /// Something was written there since.
    is_stale: bool,
}

impl<P: Platform, D: Device> BlkFront<P, D> {
    /// Fetches `len` bytes at `offset`, which are expected to be read next; [`BlkFront::read_at`] then has them at once. Only a hint:
    /// nothing happens while there are other things to do, or if it would take more than one request.
    pub fn read_ahead(&self, offset: u64, len: usize) {
        let mut queue = self.queue();
        queue.reap(None);
        queue.fetch(offset, len);
    }

    /// Fills the beginning of a buffer from what was fetched, and gives the bytes that it has.
    pub(crate) fn read_fetched(&self, offset: u64, buf: &mut [u8]) -> usize {
        let Some(ahead) = self.queue().ahead.filter(|ahead| ahead.covers(offset)) else { return 0 };
        let len = usize::try_from(ahead.end - offset).unwrap_or(usize::MAX).min(buf.len());
        let Some(buf) = buf.get_mut(..len).filter(|buf| !buf.is_empty()) else { return 0 };
        let taken = self.until(None, |queue| {
            queue.reap(None);
            queue.issue(None);
            // Another thread may have taken it, or written there.
            if !queue.ahead.is_some_and(|now| now.job == ahead.job && now.covers(offset)) {
                return Some(0);
            }
            let job = queue.jobs.get(ahead.job).filter(|job| job.is_done)?;
            let from = (offset - ahead.start) as usize;
            let bytes = job.data.get(from..from + len).filter(|_| job.failure.is_none());
            let taken = bytes.map(|bytes| buf.copy_from_slice(bytes)).map_or(0, |()| len);
            queue.stats.read_ahead_hits += u64::from(taken > 0);
            if taken == 0 || offset + len as u64 == ahead.end {
                queue.drop_ahead();
            }
            Some(taken)
        });
        taken.unwrap_or(0)
    }
}

impl Ahead {
    /// Has it what a read that begins here needs first?
    fn covers(&self, offset: u64) -> bool {
        !self.is_stale && (self.start..self.end).contains(&offset)
    }
}

impl<P: Platform> Queue<P> {
    fn fetch(&mut self, offset: u64, len: usize) {
        let is_busy = self.fault.is_some() || self.jobs.backlog() > 0 || self.jobs.changes_underway();
        if is_busy || len == 0 || self.check(Operation::Read, offset, len as u64).is_err() {
            return;
        }
        let Some(link) = &mut self.link else { return };
        if len as u64 > link.largest() || link.room_for(len as u64).is_err() {
            return;
        }
        if let Some(ahead) = self.ahead {
            let is_done = self.jobs.get(ahead.job).is_none_or(|job| job.is_done);
            if !is_done || ahead.covers(offset) {
                return;
            }
            self.drop_ahead();
        }
        let mut data = Vec::new();
        if data.try_reserve_exact(len).is_err() {
            return;
        }
        data.resize(len, 0);
        if let Ok(job) = self.add(Owner::Ahead, Operation::Read, offset, len as u64, data) {
            self.ahead = Some(Ahead { job, start: offset, end: offset + len as u64, is_stale: false });
            self.issue(None);
        }
    }

    /// Something is written to this range.
    pub fn spoil_ahead(&mut self, start: u64, end: u64) {
        if let Some(ahead) = self.ahead.as_mut().filter(|ahead| start < ahead.end && ahead.start < end) {
            ahead.is_stale = true;
        }
    }

    /// Forgets what was fetched, if it has come.
    pub fn drop_ahead(&mut self) {
        if let Some(ahead) = self.ahead
            && self.jobs.get(ahead.job).is_none_or(|job| job.is_done)
        {
            self.jobs.take(ahead.job);
            self.ahead = None;
        }
    }
}
