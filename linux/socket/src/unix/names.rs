//! Which end has which name.

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use core::any::Any;

use linux_base::{Errno, Mutex, OpenFile, Result};

use super::End;
use super::rights::InFlight;

/// By what a name is found.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Key {
    /// Device and inode number.
    Path(u64, u64),
    /// With the leading zero.
    Abstract(Arc<[u8]>),
}

/// A socket's name.
pub(super) struct Name {
    pub key: Key,
    /// As the program gave it.
    pub bytes: Arc<[u8]>,
    #[expect(dead_code, reason = "held so that nothing else gets the inode's number")]
    pub inode: Option<Arc<dyn Any + Send + Sync>>,
}

/// What all ends share.
#[derive(Clone, Default)]
pub(crate) struct UnixTable {
    names: Arc<Mutex<BTreeMap<Key, Weak<End>>>>,
    pub(super) in_flight: Arc<Mutex<InFlight>>,
    /// Files whose last reference may be going, and whether somebody is at it.
    pub(super) doomed: Arc<Mutex<(alloc::vec::Vec<Arc<OpenFile>>, bool)>>,
}

impl UnixTable {
    pub(super) fn insert(&self, name: &Arc<Name>, end: &Arc<End>) -> Result<()> {
        let mut names = self.names.lock();
        if names.get(&name.key).is_some_and(|other| other.strong_count() > 0) {
            return Err(Errno::EADDRINUSE);
        }
        names.insert(name.key.clone(), Arc::downgrade(end));
        Ok(())
    }

    pub(super) fn find(&self, key: &Key) -> Option<Arc<End>> {
        self.names.lock().get(key)?.upgrade()
    }

    /// Whether nothing has a name and nothing is in flight.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        let in_flight = self.in_flight.lock();
        self.names.lock().is_empty() && in_flight.files == 0 && in_flight.sockets.is_empty()
    }

    /// Forgets a name if it is still this end's: those that its listener accepted have it too.
    pub(super) fn remove(&self, name: &Name, end: &End) {
        let mut names = self.names.lock();
        if names.get(&name.key).is_some_and(|owner| core::ptr::eq(owner.as_ptr(), end)) {
            names.remove(&name.key);
        }
    }
}
