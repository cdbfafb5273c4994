//! Instances within instances: no circles, and not too deep.

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;

use linux_base::{Errno, Result};

use super::Epoll;

/// Instances above each other at most, as in Linux.
const MAX_DEPTH: usize = 5;
/// Parents of one instance at most, which bounds the walks below.
const MAX_PARENTS: usize = 64;

impl Epoll {
    /// Notes that `child` is being added here. `ELOOP` if this instance is in it already, or too many would be above each
    /// other.
    pub(super) fn adopt(&self, child: &Arc<Epoll>) -> Result<()> {
        let below = child.depth_below(self, MAX_DEPTH)?;
        let above = self.depth_above(MAX_DEPTH)?;
        if below + above > MAX_DEPTH {
            return Err(Errno::ELOOP);
        }
        let mut parents = child.parents.lock();
        parents.retain(|parent| parent.strong_count() > 0);
        if parents.len() >= MAX_PARENTS {
            return Err(Errno::EINVAL);
        }
        parents.push(self.myself.clone());
        Ok(())
    }

    /// Notes that this instance is no longer in `parent`.
    pub(super) fn leave(&self, parent: &Epoll) {
        let mut parents = self.parents.lock();
        let place = parents.iter().position(|other| core::ptr::eq(other.as_ptr(), parent));
        if let Some(place) = place {
            parents.swap_remove(place);
        }
    }

    /// How many instances are above each other from here down; `ELOOP` if `forbidden` is among them or it is over the limit.
    fn depth_below(&self, forbidden: &Epoll, limit: usize) -> Result<usize> {
        if core::ptr::eq(self, forbidden) || limit == 0 {
            return Err(Errno::ELOOP);
        }
        let mut deepest = 0;
        for child in self.children() {
            deepest = deepest.max(child.depth_below(forbidden, limit - 1)?);
        }
        Ok(1 + deepest)
    }

    /// How many instances are above each other from here up.
    fn depth_above(&self, limit: usize) -> Result<usize> {
        if limit == 0 {
            return Err(Errno::ELOOP);
        }
        let parents: Vec<_> = self.parents.lock().iter().filter_map(Weak::upgrade).collect();
        let mut highest = 0;
        for parent in parents {
            highest = highest.max(parent.depth_above(limit - 1)?);
        }
        Ok(1 + highest)
    }

    fn children(&self) -> Vec<Arc<Epoll>> {
        let inner = self.inner.lock();
        let files: Vec<_> = inner.entries.values().filter_map(|entry| entry.item.file()).collect();
        drop(inner);
        files.iter().filter_map(|file| file.downcast_arc::<Epoll>()).collect()
    }
}
