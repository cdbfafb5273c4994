//! Deadlines of sockets, kept lazily: most deadlines only ever move later, and moving one later costs nothing here.

use alloc::collections::BinaryHeap;
use core::cmp::Reverse;
use smoltcp::time::Instant;

/// A deadline and the flow (place and generation) that it belongs to.
type Alarm = Reverse<(i64, u32, u32)>;

/// The heap of deadlines. A flow notes the earliest alarm that it has here (`armed`).
#[derive(Default)]
pub(crate) struct Schedule {
    heap: BinaryHeap<Alarm>,
}

impl Schedule {
    pub(crate) fn arm(&mut self, at: Instant, index: u32, generation: u32) {
        self.heap.push(Reverse((at.total_micros(), index, generation)));
    }

    /// The next alarm that is due: its time, flow and generation.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<(Instant, u32, u32)> {
        let Reverse((at, index, generation)) = *self.heap.peek()?;
        if at > now.total_micros() {
            return None;
        }
        self.heap.pop();
        Some((Instant::from_micros(at), index, generation))
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, ..))| Instant::from_micros(*at))
    }

    /// Drops an alarm at the head whose flow is gone, so that an idle guest does not wake for it.
    pub(crate) fn discard_head(&mut self) {
        self.heap.pop();
    }

    pub(crate) fn head(&self) -> Option<(u32, u32)> {
        self.heap.peek().map(|Reverse((_, index, generation))| (*index, *generation))
    }
}
