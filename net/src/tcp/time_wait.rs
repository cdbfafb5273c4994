//! Connections that are over on both sides: the peer may still miss our last acknowledgement.
//!
//! A whole connection is too much for that on a busy server. One entry here is all that stays; what the peer sends again
//! is acknowledged from its own numbers (`reply`).

use alloc::collections::{BTreeMap, VecDeque};
use smoltcp::time::{Duration, Instant};

use super::FlowKey;

const STAY: Duration = Duration::from_secs(10);
/// The oldest go first when there are more.
const MOST: usize = 4096;

/// The connections in TIME-WAIT.
#[derive(Default)]
pub(crate) struct TimeWait {
    until: BTreeMap<FlowKey, Instant>,
    order: VecDeque<(Instant, FlowKey)>,
}

impl TimeWait {
    pub(crate) fn insert(&mut self, key: FlowKey, now: Instant) {
        self.purge(now);
        if self.order.len() >= MOST
            && let Some((at, oldest)) = self.order.pop_front()
            && self.until.get(&oldest) == Some(&at)
        {
            self.until.remove(&oldest);
        }
        self.until.insert(key, now + STAY);
        self.order.push_back((now + STAY, key));
    }

    pub(crate) fn contains(&mut self, key: &FlowKey, now: Instant) -> bool {
        if self.until.is_empty() {
            return false;
        }
        self.purge(now);
        self.until.contains_key(key)
    }

    pub(crate) fn remove(&mut self, key: &FlowKey) {
        self.until.remove(key);
    }

    pub(crate) fn len(&self) -> usize {
        self.until.len()
    }

    fn purge(&mut self, now: Instant) {
        while let Some((at, key)) = self.order.front().copied()
            && at <= now
        {
            self.order.pop_front();
            if self.until.get(&key) == Some(&at) {
                self.until.remove(&key);
            }
        }
    }
}
