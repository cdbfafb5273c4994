//! Deadlines of flows, kept lazily: most deadlines only ever move later, and moving one later costs nothing here.

use alloc::collections::BTreeSet;
use smoltcp::time::Instant;

/// The alarms, one for each flow at most, none later than the flow's deadline.
#[derive(Default)]
pub(crate) struct Schedule {
    alarms: BTreeSet<(i64, u32)>,
}

impl Schedule {
    pub(crate) fn add(&mut self, at: Instant, index: u32) {
        self.alarms.insert((at.total_micros(), index));
    }

    pub(crate) fn remove(&mut self, at: Instant, index: u32) {
        self.alarms.remove(&(at.total_micros(), index));
    }

    /// The first alarm: its time and its flow.
    pub(crate) fn first(&self) -> Option<(Instant, u32)> {
        self.alarms.first().map(|(at, index)| (Instant::from_micros(*at), *index))
    }
}
