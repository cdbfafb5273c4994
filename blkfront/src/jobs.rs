//! The requests of all threads: found by number in one step, and in two lists, those that want something and those that
//! are done.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::Operation;
use crate::job::{Job, Owner, Want};

/// The low bits of a number are the place in the table.
const PLACE_BITS: u32 = 16;

#[derive(Default)]
pub(crate) struct Jobs {
    table: Vec<Option<Job>>,
    free: Vec<u16>,
    serial: u64,
    /// Those that want to put something on the ring, the oldest first.
    waiting: VecDeque<u64>,
    /// Those of tokens that have ended, in the order in which they ended.
    done: VecDeque<u64>,
    /// Those of tokens, ended or not.
    tokens: usize,
    /// Those that a flush has to wait for.
    writes: u32,
}

/// There is no memory for one more request.
pub(crate) struct TableFull;

fn place(id: u64) -> usize {
    (id % (1 << PLACE_BITS)) as usize
}

impl Jobs {
    /// Takes a request on and gives its number.
    pub fn insert(&mut self, mut job: Job) -> Result<u64, TableFull> {
        if self.free.is_empty() {
            let new = u16::try_from(self.table.len()).map_err(|_| TableFull)?;
            // With room for all in each list, nothing later can fail.
            let most = self.table.len() + 1;
            self.table.try_reserve(1).map_err(|_| TableFull)?;
            self.free.try_reserve(most).map_err(|_| TableFull)?;
            self.waiting.try_reserve(most - self.waiting.len()).map_err(|_| TableFull)?;
            self.done.try_reserve(most - self.done.len()).map_err(|_| TableFull)?;
            self.table.push(None);
            self.free.push(new);
        }
        let Some(free) = self.free.pop() else { return Err(TableFull) };
        self.serial += 1;
        let id = self.serial << PLACE_BITS | u64::from(free);
        job.id = id;
        job.blockers = if job.operation == Operation::Flush { self.writes } else { 0 };
        job.is_queued = true;
        self.tokens += usize::from(job.owner == Owner::Token);
        self.writes += u32::from(job.changes_the_disk());
        self.waiting.push_back(id);
        if let Some(slot) = self.table.get_mut(usize::from(free)) {
            *slot = Some(job);
        }
        Ok(id)
    }

    pub fn get(&self, id: u64) -> Option<&Job> {
        self.table.get(place(id))?.as_ref().filter(|job| job.id == id)
    }

    pub fn get_mut(&mut self, id: u64) -> Option<&mut Job> {
        self.table.get_mut(place(id))?.as_mut().filter(|job| job.id == id)
    }

    /// The number of the one at this place among those that want something.
    pub fn waiting(&self, at: usize) -> Option<u64> {
        self.waiting.get(at).copied()
    }

    /// How many want something.
    pub fn backlog(&self) -> usize {
        self.waiting.len()
    }

    /// All that have not ended.
    pub fn unfinished(&mut self) -> impl Iterator<Item = &mut Job> {
        self.table.iter_mut().flatten().filter(|job| !job.is_done)
    }

    pub fn is_drained(&self) -> bool {
        self.table.iter().flatten().all(|job| job.is_done)
    }

    pub fn knows_token(&self, id: u64) -> bool {
        self.get(id).is_some_and(|job| job.owner == Owner::Token)
    }

    /// Is anything on its way that changes the disk?
    pub fn changes_underway(&self) -> bool {
        self.writes > 0
    }

    pub fn has_tokens(&self) -> bool {
        self.tokens > 0
    }

    /// The one at this place wants nothing any more.
    pub fn satisfied(&mut self, at: usize) {
        let Some(id) = self.waiting.remove(at) else { return };
        if let Some(job) = self.get_mut(id) {
            job.is_queued = false;
        }
        self.settle(id);
    }

    /// Puts a request in its lists after a change: it may want something again, or have ended.
    pub fn settle(&mut self, id: u64) {
        let Some(job) = self.get_mut(id).filter(|job| !job.is_done) else { return };
        if job.want() != Want::Nothing && !job.is_queued {
            job.is_queued = true;
            // Older than most, and its place among those that a flush waits for is told by its number.
            self.waiting.push_front(id);
            return;
        }
        if !job.is_finished() {
            return;
        }
        job.is_done = true;
        let (is_write, is_token) = (job.changes_the_disk(), job.owner == Owner::Token);
        if is_token {
            self.done.push_back(id);
        }
        if is_write {
            self.writes -= 1;
            for at in 0..self.waiting.len() {
                let later = self.waiting.get(at).copied().filter(|later| *later > id);
                if let Some(job) = later.and_then(|later| self.get_mut(later))
                    && job.operation == Operation::Flush
                {
                    job.blockers = job.blockers.saturating_sub(1);
                }
            }
        }
    }

    /// Puts all requests in their lists, in the order in which they came.
    pub fn settle_all(&mut self) {
        for at in 0..self.table.len() {
            if let Some(id) = self.table.get(at).and_then(|job| job.as_ref()).map(|job| job.id) {
                self.settle(id);
            }
        }
        self.waiting.make_contiguous().sort_unstable();
    }

    /// Takes one out that has ended.
    pub fn take(&mut self, id: u64) -> Option<Job> {
        self.get(id).filter(|job| job.is_done)?;
        if let Some(at) = self.done.iter().position(|done| *done == id) {
            self.done.remove(at);
        }
        self.remove(id)
    }

    /// Takes any of a token out that has ended, the first to end first.
    pub fn take_any(&mut self) -> Option<Job> {
        let id = self.done.pop_front()?;
        self.remove(id)
    }

    fn remove(&mut self, id: u64) -> Option<Job> {
        let job = self.table.get_mut(place(id))?.take_if(|job| job.id == id)?;
        if job.is_queued {
            self.waiting.retain(|waiting| *waiting != id);
        }
        self.tokens -= usize::from(job.owner == Owner::Token);
        self.free.push(place(id) as u16);
        Some(job)
    }
}
