//! Which names stay at hand when nobody uses them: a bounded number, the least used go first.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use linux_base::{Errno, Mutex, Result};

use super::dentry::{Dentry, NO_SLOT};
use crate::inode::Inode;

/// Names that were used of late, found ones and missing ones.
///
/// A name that is in use stays known without being here; the cache only keeps it from going when the last user goes.
pub struct NameCache {
    clock: Mutex<Clock>,
    limit: usize,
}

#[derive(Default)]
struct Clock {
    slots: Vec<Option<Arc<Dentry>>>,
    free: Vec<usize>,
    hand: usize,
}

impl NameCache {
    /// Keeps at most `limit` names.
    pub fn new(limit: usize) -> Self {
        Self { clock: Mutex::default(), limit: limit.max(1) }
    }

    /// How many names it keeps now.
    pub fn len(&self) -> usize {
        let clock = self.clock.lock();
        clock.slots.len() - clock.free.len()
    }

    /// Whether it keeps none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The name in a directory, looked up unless it is known. What names nothing is a negative [`Dentry`].
    pub fn lookup(&self, parent: &Arc<Dentry>, name: &[u8]) -> Result<Arc<Dentry>> {
        let directory = parent.inode()?;
        let known = parent.child(name);
        if !directory.remembers_names() {
            return self.look_again(parent, directory, name, known);
        }
        if let Some(known) = known {
            known.was_used.store(true, Ordering::Relaxed);
            return Ok(known);
        }
        loop {
            let generation = parent.generation();
            let inode = found(directory.lookup(name))?;
            let child = Dentry::loose(parent, name, inode);
            if let Some(known) = parent.add_child(&child, generation) {
                if Arc::ptr_eq(&known, &child) {
                    self.keep(&child);
                }
                return Ok(known);
            }
        }
    }

    /// In a directory whose names come and go by themselves, what is known counts only if it is still the same inode.
    fn look_again(
        &self,
        parent: &Arc<Dentry>,
        directory: &Arc<dyn Inode>,
        name: &[u8],
        known: Option<Arc<Dentry>>,
    ) -> Result<Arc<Dentry>> {
        let Some(inode) = found(directory.lookup(name))? else {
            if let Some(known) = known {
                self.forget(&known);
            }
            return Ok(Dentry::loose(parent, name, None));
        };
        if let Some(known) = known {
            if known.inode().is_ok_and(|old| old.stat().ino == inode.stat().ino) {
                return Ok(known);
            }
            self.forget(&known);
        }
        let child = Dentry::loose(parent, name, Some(inode));
        parent.set_child(&child);
        Ok(child)
    }

    /// A name has come to name an inode.
    pub fn instantiate(&self, parent: &Arc<Dentry>, name: &[u8], inode: Arc<dyn Inode>) -> Arc<Dentry> {
        let remembers = parent.inode().is_ok_and(|directory| directory.remembers_names());
        let child = Dentry::loose(parent, name, Some(inode));
        if let Some(old) = parent.set_child(&child) {
            self.release(&old);
        }
        if remembers {
            self.keep(&child);
        }
        child
    }

    /// A name names nothing any more.
    pub fn forget(&self, dentry: &Arc<Dentry>) {
        dentry.mark_deleted();
        if let Some(parent) = dentry.parent() {
            parent.remove_child(&dentry.name(), Arc::as_ptr(dentry));
        }
        self.release(dentry);
    }

    /// A name has moved; what had the new name has lost it.
    pub fn rename(&self, dentry: &Arc<Dentry>, parent: &Arc<Dentry>, name: &[u8]) {
        if let Some(old) = parent.child(name)
            && !Arc::ptr_eq(&old, dentry)
        {
            self.forget(&old);
        }
        if let Some(from) = dentry.parent() {
            from.remove_child(&dentry.name(), Arc::as_ptr(dentry));
        }
        dentry.set_place(parent.clone(), name.into());
        parent.set_child(dentry);
    }

    /// Two names have changed places.
    pub fn exchange(&self, one: &Arc<Dentry>, other: &Arc<Dentry>) {
        let (Some(one_parent), Some(other_parent)) = (one.parent(), other.parent()) else { return };
        let (one_name, other_name) = (one.name(), other.name());
        one.set_place(other_parent.clone(), other_name);
        other.set_place(one_parent.clone(), one_name);
        other_parent.set_child(one);
        one_parent.set_child(other);
    }

    /// Forgets all names below `root`, which is going away.
    pub fn purge(&self, root: &Arc<Dentry>) {
        let kept: Vec<_> = self.clock.lock().slots.iter().flatten().cloned().collect();
        for dentry in kept {
            if dentry.is_below(root) {
                self.release(&dentry);
            }
        }
    }

    fn keep(&self, dentry: &Arc<Dentry>) {
        let victim;
        {
            let mut clock = self.clock.lock();
            let (slot, old) = match clock.free.pop() {
                Some(slot) => (slot, None),
                None if clock.slots.len() < self.limit => {
                    if clock.slots.try_reserve(1).is_err() {
                        return;
                    }
                    clock.slots.push(None);
                    (clock.slots.len() - 1, None)
                }
                None => clock.victim(),
            };
            dentry.slot.store(slot, Ordering::Relaxed);
            if let Some(place) = clock.slots.get_mut(slot) {
                *place = Some(dentry.clone());
            }
            victim = old;
        }
        // Without the lock: the last reference may go, and with it a directory or a file.
        drop(victim);
    }

    fn release(&self, dentry: &Arc<Dentry>) {
        let released;
        {
            let mut clock = self.clock.lock();
            let slot = dentry.slot.swap(NO_SLOT, Ordering::Relaxed);
            released = clock.slots.get_mut(slot).and_then(Option::take);
            if released.is_some() {
                clock.free.push(slot);
            }
        }
        drop(released);
    }
}

impl Clock {
    /// A slot whose name was not used since the hand came by last, and that name.
    fn victim(&mut self) -> (usize, Option<Arc<Dentry>>) {
        loop {
            let slot = self.hand;
            self.hand = (self.hand + 1) % self.slots.len().max(1);
            match self.slots.get_mut(slot) {
                Some(Some(dentry)) if dentry.was_used.swap(false, Ordering::Relaxed) => {}
                Some(place) => {
                    let old = place.take();
                    if let Some(old) = &old {
                        old.slot.store(NO_SLOT, Ordering::Relaxed);
                    }
                    return (slot, old);
                }
                None => return (slot, None),
            }
        }
    }
}

fn found(result: Result<Arc<dyn Inode>>) -> Result<Option<Arc<dyn Inode>>> {
    match result {
        Ok(inode) => Ok(Some(inode)),
        Err(Errno::ENOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}
