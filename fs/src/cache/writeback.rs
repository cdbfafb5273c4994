//! Writing back: one pass at a time over what is dirty, in the order that was asked for.

use alloc::vec::Vec;

use super::gather::{Goal, Run};
use super::{Cache, LINE, Watermark, lines_of};
use crate::block::{BlockError, BlockRead, BlockWrite, Extent};

/// The most bytes that are in flight together.
const BATCH_MAX: usize = 2 * 1024 * 1024;
/// How often what a lost back end took with it is written again before it is an error.
const AGAIN_MOST: u32 = 3;

/// What [`Cache::tend`] left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tended {
    /// Something is dirty: call it again some seconds later.
    Dirty,
    /// Nothing is, for now.
    Clean,
}

/// The right to change the device. Nobody else does until it is dropped.
pub(super) struct Baton<'a, D: BlockRead>(&'a Cache<D>);

impl<D: BlockRead> Drop for Baton<'_, D> {
    fn drop(&mut self) {
        self.0.state.lock().is_taken = false;
        self.0.host.wake();
    }
}

impl<D: BlockWrite> Cache<D> {
    /// Waits until nobody changes the device.
    pub(super) fn baton(&self) -> Baton<'_, D> {
        loop {
            let seen = self.host.seq();
            if !core::mem::replace(&mut self.state.lock().is_taken, true) {
                return Baton(self);
            }
            self.host.wait(seen);
        }
    }

    /// Returns when all that was written before is on stable storage, or with the first error on the way. Those who call it at the
    /// same time share passes and flushes.
    pub fn sync(&self) -> Result<(), BlockError> {
        let target = self.state.lock().end_epoch();
        let baton = self.baton();
        let goal = {
            let mut state = self.state.lock();
            if state.synced >= target {
                return Ok(());
            }
            // Those who wait for the baton need not do it again.
            state.end_epoch()
        };
        self.store(&baton, Goal::Epoch(goal))?;
        let mut state = self.state.lock();
        state.synced = state.synced.max(goal);
        Ok(())
    }

    /// As [`Cache::sync`], for one range; with barriers all that stands in front of the last is written, too.
    pub fn sync_range(&self, offset: u64, len: u64) -> Result<(), BlockError> {
        let (first, end) = lines_of(offset, len);
        let baton = self.baton();
        self.store(&baton, Goal::Range(first, end))
    }

    /// What is written from now on is not sent to the disk before all that was written until now is on stable storage. Does not wait.
    pub fn barrier(&self) {
        let mut state = self.state.lock();
        let order = state.order;
        let is_open = state.open_order == Some(order);
        if is_open || state.lines.dirty_len() > 0 {
            state.order += 1;
        }
    }

    /// Sends all that is dirty to the device, and does not flush it: for the last who closes it.
    pub fn write_out(&self) -> Result<(), BlockError> {
        let goal = self.state.lock().end_epoch();
        self.write_back(Goal::Epoch(goal))
    }

    /// Has what is dirty written in the background now. Does not wait.
    pub fn hurry(&self) {
        let is_dirty = self.state.try_lock().is_some_and(|mut state| {
            let ended = state.end_epoch();
            state.tended = ended;
            state.lines.dirty_len() > 0
        });
        if is_dirty {
            self.host.work(super::Work::Now);
        }
    }

    /// Writes what was dirty at the last call already; and much of it, where much is dirty. To be called every few seconds while it
    /// says [`Tended::Dirty`], and when the host is told of [`super::Work`].
    pub fn tend(&self) -> Tended {
        let (old, dirty) = {
            let mut state = self.state.lock();
            state.is_hurried = false;
            let ended = state.end_epoch();
            (core::mem::replace(&mut state.tended, ended), state.lines.dirty_len() * LINE)
        };
        if dirty > 0 {
            // What fails is told to those who ask whether it is safe.
            let _ = self.write_back(Goal::Epoch(old));
        }
        if dirty >= self.options.background_bytes {
            let _ = self.write_back(Goal::Below(self.options.background_bytes / LINE / 2));
        }
        let mut state = self.state.lock();
        state.is_tended = state.lines.dirty_len() > 0;
        if state.is_tended { Tended::Dirty } else { Tended::Clean }
    }

    /// For somebody who begins to ask for errors.
    pub fn watermark(&self) -> Watermark {
        self.state.lock().errors.watermark()
    }

    /// The last error that this reader has not heard of.
    pub fn error_since(&self, reader: &Watermark) -> Result<(), BlockError> {
        self.state.lock().errors.tell(reader)
    }

    pub(super) fn write_back(&self, goal: Goal) -> Result<(), BlockError> {
        let baton = self.baton();
        self.pass(&baton, goal)
    }

    /// A pass and a flush: what the goal wants is on stable storage.
    pub(super) fn store(&self, baton: &Baton<'_, D>, goal: Goal) -> Result<(), BlockError> {
        for _ in 0..AGAIN_MOST {
            self.pass(baton, goal)?;
            if self.flush_device()? {
                return Ok(());
            }
        }
        Err(self.restless())
    }

    /// One pass. It ends at the first batch with an error, so that nothing behind a barrier overtakes what failed.
    pub(super) fn pass(&self, _: &Baton<'_, D>, goal: Goal) -> Result<(), BlockError> {
        let from = match goal {
            Goal::Below(_) => self.state.lock().elevator,
            _ => 0,
        };
        // From the elevator to the end, and then from the start.
        let mut place = (None, from);
        let mut wrapped = from == 0;
        let mut lost = 0;
        loop {
            let next = self.state.lock().next_order(goal);
            let Some(order) = next else { break };
            let before = self.state.lock().open_order.is_some_and(|open| open < order);
            if before {
                if !self.flush_device()? {
                    // What the back end took along begins anywhere.
                    (place, wrapped, lost) = ((None, 0), true, lost + 1);
                }
                if lost > AGAIN_MOST {
                    return Err(self.restless());
                }
                continue;
            }
            if place.0 != Some(order) {
                place = (Some(order), if place.0.is_none() { place.1 } else { 0 });
            }
            let batch = self.state.lock().gather(order, place.1, goal, self.batch_bytes());
            let (runs, extents) = batch?;
            let Some(last) = runs.last() else {
                if wrapped {
                    break;
                }
                (place.1, wrapped) = (0, true);
                continue;
            };
            place.1 = last.first + last.count;
            if let Goal::Below(_) = goal {
                self.state.lock().elevator = place.1;
            }
            self.write_batch(order, &runs, extents)?;
        }
        Ok(())
    }

    fn batch_bytes(&self) -> usize {
        (self.options.budget_bytes / 4).clamp(LINE, BATCH_MAX)
    }

    fn write_batch(&self, order: u64, runs: &[Run], mut extents: Vec<Extent>) -> Result<(), BlockError> {
        let bytes: usize = extents.iter().map(|extent| extent.data.len()).sum();
        self.open_device();
        self.device.write_batch(&mut extents);
        let mut state = self.state.lock();
        state.stats.device_writes += extents.len() as u64;
        state.stats.written_bytes += bytes as u64;
        state.open_order = Some(order);
        let mut outcome = Ok(());
        for (run, extent) in runs.iter().zip(&extents) {
            for number in run.first..run.first + run.count {
                match extent.result {
                    Ok(()) => state.lines.has_written(number, order),
                    Err(_) if state.lines.has_failed(number, order, self.options.tries) => {
                        state.stats.lost_bytes += LINE as u64;
                    }
                    Err(_) => {}
                }
            }
            if let Err(error) = extent.result {
                state.errors.record(error);
                outcome = outcome.and(Err(error));
            }
        }
        outcome
    }

    /// Flushes. `false`: a back end went away since something was written, and may have taken it along; that is dirty again, as far as
    /// it is still here.
    fn flush_device(&self) -> Result<bool, BlockError> {
        if self.device.is_read_only() && self.state.lock().is_untouched() {
            // Nothing was written, and some refuse a flush like a write.
            return Ok(true);
        }
        if !self.is_same_device() {
            return Ok(false);
        }
        let flushed = self.device.flush();
        if flushed.is_ok() && !self.is_same_device() {
            return Ok(false);
        }
        let mut state = self.state.lock();
        state.stats.flushes += 1;
        match flushed {
            Ok(()) => {
                state.lines.has_flushed();
                state.open_order = None;
            }
            Err(error) => {
                state.errors.record(error);
                state.lines.write_again();
            }
        }
        flushed.map(|()| true)
    }

    /// Whether what was written since the last flush is on the device that there is now; what is not becomes dirty again.
    fn is_same_device(&self) -> bool {
        let generation = self.device.generation();
        let mut state = self.state.lock();
        let had_all = state.lines.is_all_flushed();
        let is_same = state.meet(generation);
        is_same || had_all
    }

    /// Before the device is changed: it is this one that has to keep it until the flush.
    pub(super) fn open_device(&self) {
        let generation = self.device.generation();
        let mut state = self.state.lock();
        if state.lines.is_all_flushed() {
            state.meet(generation);
        }
    }

    fn restless(&self) -> BlockError {
        let error = BlockError::FlushFailed { reason: "the disk comes and goes" };
        self.state.lock().errors.record(error);
        error
    }

    /// Before something goes around the cache: what stands in front of a barrier is stored.
    pub(super) fn reach_order(&self, baton: &Baton<'_, D>) -> Result<(), BlockError> {
        let order = self.state.lock().order;
        match order.checked_sub(1) {
            Some(before) if self.state.lock().is_behind(before) => self.store(baton, Goal::Order(before)),
            _ => Ok(()),
        }
    }
}
