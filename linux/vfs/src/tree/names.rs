//! The content of a directory: names put in, names taken away, and for the rest what is below.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;

use linux_base::{Errno, Result};

use super::Node;

/// Cookies of names put in begin here; those of names below are their places in the list there.
pub(super) const UPPER_COOKIES: u64 = 1 << 32;

/// The names of a directory that differ from what is below.
#[derive(Default)]
pub(super) struct Names {
    entries: BTreeMap<Box<[u8]>, Entry>,
    /// The names that were put in, in that order.
    order: BTreeMap<u64, Box<[u8]>>,
    next_cookie: u64,
    /// Whether there is something below, whose names must be hidden when they go.
    has_lower: bool,
    /// Whether the directory itself was taken away: nothing comes in any more.
    is_dead: bool,
}

enum Entry {
    Here {
        node: Arc<Node>,
        cookie: u64,
        hides_lower: bool,
    },
    /// It is below, and was taken away.
    Gone,
}

/// What is known of a name.
pub(super) enum Known {
    /// It names this.
    Here(Arc<Node>),
    /// It names nothing.
    Gone,
    /// What is below says.
    Below,
}

impl Names {
    pub(super) fn new(has_lower: bool) -> Self {
        Self { has_lower, ..Self::default() }
    }

    pub(super) fn get(&self, name: &[u8]) -> Known {
        match self.entries.get(name) {
            Some(Entry::Here { node, .. }) => Known::Here(node.clone()),
            Some(Entry::Gone) => Known::Gone,
            None if self.has_lower => Known::Below,
            None => Known::Gone,
        }
    }

    /// Whether the name is known here, so that what is below does not count.
    pub(super) fn hides(&self, name: &[u8]) -> bool {
        self.entries.contains_key(name)
    }

    /// Whether a name names this node; of one that is below, the caller has looked.
    pub(super) fn check(&self, name: &[u8], node: &Arc<Node>) -> Result<()> {
        match self.get(name) {
            Known::Here(known) if Arc::ptr_eq(&known, node) => Ok(()),
            Known::Below if node.is_from_lower() => Ok(()),
            _ => Err(Errno::ESTALE),
        }
    }

    /// Whether a name can be put in; that it is not below, the caller has looked.
    pub(super) fn check_vacant(&self, name: &[u8]) -> Result<()> {
        if self.is_dead {
            return Err(Errno::ENOENT);
        }
        match self.entries.get(name) {
            Some(Entry::Here { .. }) => Err(Errno::EEXIST),
            _ => Ok(()),
        }
    }

    /// Puts a name in, in the place of what it named. If that is below, it is to be taken away first.
    pub(super) fn put(&mut self, name: &[u8], node: Arc<Node>) -> Option<Arc<Node>> {
        let cookie = UPPER_COOKIES + self.next_cookie;
        self.next_cookie += 1;
        let hides_lower = match self.entries.get(name) {
            Some(Entry::Here { hides_lower, .. }) => *hides_lower,
            Some(Entry::Gone) => true,
            None => false,
        };
        let old = self.entries.insert(name.into(), Entry::Here { node, cookie, hides_lower });
        self.order.insert(cookie, name.into());
        self.forget_order(old)
    }

    /// Takes a name away. One that never was below leaves nothing behind.
    pub(super) fn remove(&mut self, name: &[u8]) -> Option<Arc<Node>> {
        let leaves_nothing = match self.entries.get(name) {
            Some(Entry::Here { hides_lower, .. }) => !hides_lower,
            Some(Entry::Gone) => false,
            None => !self.has_lower,
        };
        let old = if leaves_nothing {
            self.entries.remove(name)
        } else {
            self.entries.insert(name.into(), Entry::Gone)
        };
        self.forget_order(old)
    }

    fn forget_order(&mut self, old: Option<Entry>) -> Option<Arc<Node>> {
        match old? {
            Entry::Here { node, cookie, .. } => {
                self.order.remove(&cookie);
                Some(node)
            }
            Entry::Gone => None,
        }
    }

    /// How many names are known here.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether names were put in.
    pub(super) fn has_entries(&self) -> bool {
        !self.order.is_empty()
    }

    pub(super) fn is_dead(&self) -> bool {
        self.is_dead
    }

    /// Nothing comes in any more; `ENOTEMPTY` if names were put in.
    pub(super) fn die(&mut self) -> Result<()> {
        if self.has_entries() {
            return Err(Errno::ENOTEMPTY);
        }
        self.is_dead = true;
        Ok(())
    }

    /// The directory stays after all.
    pub(super) fn revive(&mut self) {
        self.is_dead = false;
    }

    /// The first name put in at a cookie or behind it.
    pub(super) fn next(&self, from: u64) -> Option<(u64, Box<[u8]>, Arc<Node>)> {
        let (cookie, name) = self.order.range(from..).next()?;
        match self.entries.get(name)? {
            Entry::Here { node, .. } => Some((*cookie, name.clone(), node.clone())),
            Entry::Gone => None,
        }
    }

    /// Takes all nodes out, for a tree that goes away.
    pub(super) fn take_nodes(&mut self) -> impl Iterator<Item = Arc<Node>> + use<> {
        self.order.clear();
        core::mem::take(&mut self.entries).into_values().filter_map(|entry| match entry {
            Entry::Here { node, .. } => Some(node),
            Entry::Gone => None,
        })
    }
}
