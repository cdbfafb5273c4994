//! What a pass takes next: the dirty lines that its goal wants, neighbours together, in ascending order.

use alloc::vec::Vec;

use super::{LINE, State};
use crate::block::{BlockError, Extent};

/// The most bytes of one extent.
const EXTENT_MAX: usize = 256 * 1024;

/// What a pass is to have written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Goal {
    /// All that became dirty in this epoch or before.
    Epoch(u64),
    /// All that stands at this place between barriers or before.
    Order(u64),
    /// As much as leaves no more than so many lines dirty.
    Below(usize),
    /// These lines, from the first to one behind the last.
    Range(u64, u64),
}

/// Lines that are copied out to be written, next to each other.
pub(super) struct Run {
    pub first: u64,
    pub count: u64,
}

impl State {
    /// What becomes dirty from now on is of the next epoch.
    pub(super) fn end_epoch(&mut self) -> u64 {
        self.epoch += 1;
        self.epoch - 1
    }

    /// Whether the device is the one that there was. Another one may not have what was written and not flushed, which becomes dirty
    /// again; and what it has may be other than what is here.
    pub(super) fn meet(&mut self, generation: u64) -> bool {
        if self.generation.replace(generation).is_none_or(|before| before == generation) {
            return true;
        }
        self.lines.write_again();
        self.forget();
        false
    }

    /// Whether the device has been given nothing since it was flushed last. One that was written may come back read-only.
    pub(super) fn is_untouched(&self) -> bool {
        self.open_order.is_none() && self.lines.is_all_flushed()
    }

    /// Whether something of this order or before is not on stable storage.
    pub(super) fn is_behind(&self, order: u64) -> bool {
        let lowest = self.lines.lowest_order().into_iter().chain(self.open_order).min();
        lowest.is_some_and(|lowest| lowest <= order)
    }

    /// The place between barriers of what is to be written next, if the goal wants something of it.
    pub(super) fn next_order(&self, goal: Goal) -> Option<u64> {
        let lowest = self.lines.lowest_order()?;
        let is_wanted = match goal {
            Goal::Epoch(_) => true,
            Goal::Order(order) => lowest <= order,
            Goal::Below(lines) => self.lines.dirty_len() > lines,
            Goal::Range(first, end) => self.lines.first_unwritten_in(first, end).is_some(),
        };
        is_wanted.then_some(lowest)
    }

    /// Copies of dirty lines of one order, from a number on: those that the goal wants, as many as go out together.
    pub(super) fn gather(
        &mut self,
        order: u64,
        from: u64,
        goal: Goal,
        most: usize,
    ) -> Result<(Vec<Run>, Vec<Extent>), BlockError> {
        let many = match goal {
            Goal::Below(lines) => self.lines.dirty_len().saturating_sub(lines),
            _ => usize::MAX,
        };
        // With a barrier behind it, all of an order is wanted.
        let is_ordered = order < self.order;
        let wanted = |number: u64, epoch: u64| match goal {
            Goal::Epoch(last) => epoch <= last,
            Goal::Range(first, end) => is_ordered || (first..end).contains(&number),
            Goal::Order(_) | Goal::Below(_) => true,
        };
        let mut runs: Vec<Run> = Vec::new();
        let mut bytes = 0;
        for line in
            self.lines.dirty_from(order, from).filter(|line| wanted(line.number, line.epoch)).take(many)
        {
            // What is being written is not written again at the same time: there is one pass only.
            match runs.last_mut() {
                Some(run)
                    if run.first + run.count == line.number && run.count < (EXTENT_MAX / LINE) as u64 =>
                {
                    run.count += 1;
                }
                _ => match (runs.try_reserve(1), runs.is_empty()) {
                    (Ok(()), _) => runs.push(Run { first: line.number, count: 1 }),
                    (Err(_), true) => return Err(BlockError::OutOfMemory { len: size_of::<Run>() }),
                    (Err(_), false) => break,
                },
            }
            bytes += LINE;
            if bytes + LINE > most {
                break;
            }
        }
        let mut extents = Vec::new();
        if extents.try_reserve_exact(runs.len()).is_err() {
            runs.truncate(1);
        }
        for index in 0..runs.len() {
            let Some(run) = runs.get(index) else { break };
            match self.copy_out(run) {
                Some(extent) => extents.push(extent),
                // With little memory it goes out a line at a time.
                None if index > 0 => runs.truncate(index),
                None => {
                    let run = Run { first: run.first, count: 1 };
                    let none = BlockError::OutOfMemory { len: LINE };
                    extents.push(self.copy_out(&run).ok_or(none)?);
                    runs = alloc::vec![run];
                    break;
                }
            }
        }
        for run in &runs {
            (run.first..run.first + run.count).for_each(|number| self.lines.begin_writing(number));
        }
        Ok((runs, extents))
    }

    fn copy_out(&self, run: &Run) -> Option<Extent> {
        let mut data = Vec::new();
        data.try_reserve_exact(run.count as usize * LINE).ok()?;
        for number in run.first..run.first + run.count {
            data.extend_from_slice(self.lines.get(number)?.bytes());
        }
        Some(Extent { offset: run.first * LINE as u64, data, result: Ok(()) })
    }
}
