//! Signals that were sent and not yet delivered: of a thread, or of a whole process.

use alloc::vec::Vec;

use linux_base::{Errno, Result};

use super::{Cause, SigInfo, SigSet, Signal};

/// What is pending. A standard signal is pending once however often it is sent, a real-time signal as often as it is sent.
#[derive(Clone, Debug, Default)]
pub struct Pending {
    set: SigSet,
    /// In the order they were sent.
    queue: Vec<SigInfo>,
}

impl Pending {
    /// The signals that are pending.
    pub fn set(&self) -> SigSet {
        self.set
    }

    /// How many are queued.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether nothing is pending.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Adds a signal. `EAGAIN` when a real-time signal would be more than `limit` (`RLIMIT_SIGPENDING`); one of `kill` is pending
    /// once then. Others never fail: a standard one that is pending already is dropped.
    pub fn push(&mut self, info: SigInfo, limit: usize) -> Result<()> {
        let signal = info.signal;
        if !signal.is_real_time() && self.set.contains(signal) {
            return Ok(());
        }
        let is_full = signal.is_real_time() && self.queue.len() >= limit;
        if is_full && info.code != SigInfo::USER {
            return Err(Errno::EAGAIN);
        }
        if is_full && self.set.contains(signal) {
            return Ok(());
        }
        self.queue.try_reserve(1)?;
        self.queue.push(info);
        self.set = self.set.with(SigSet::of(signal));
        Ok(())
    }

    /// Counts expiries of a timer whose signal is pending already.
    pub fn add_overrun(&mut self, timer: i32, more: i32) {
        for info in &mut self.queue {
            if let Cause::Timer { id, overrun, .. } = &mut info.cause
                && *id == timer
            {
                *overrun = overrun.saturating_add(more);
            }
        }
    }

    /// Takes the first signal that `mask` does not block.
    pub fn take(&mut self, mask: SigSet) -> Option<SigInfo> {
        self.take_of(self.set.without(mask).first()?)
    }

    /// Takes the first of `wanted`, as `sigtimedwait(2)` and signalfd do.
    pub fn take_wanted(&mut self, wanted: SigSet) -> Option<SigInfo> {
        self.take_of(SigSet(self.set.0 & wanted.0).first()?)
    }

    fn take_of(&mut self, signal: Signal) -> Option<SigInfo> {
        let index = self.queue.iter().position(|info| info.signal == signal)?;
        let info = self.queue.remove(index);
        if !self.queue.iter().any(|info| info.signal == signal) {
            self.set = self.set.without(SigSet::of(signal));
        }
        Some(info)
    }

    /// Drops all of a set: what an ignored signal's queue comes to, and stop signals when SIGCONT comes.
    pub fn discard(&mut self, set: SigSet) {
        self.queue.retain(|info| !set.contains(info.signal));
        self.set = self.set.without(set);
    }
}
