//! Files on the way between sockets (`SCM_RIGHTS`).
//!
//! What is dropped unread is closed one after the other, not within each other: a file may be a socket whose inbox holds
//! the next, and the kernel's stack is small.

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;

use linux_base::{Errno, OpenFile, Result};

use super::names::UnixTable;
use super::{End, garbage};
use crate::caller::Caller;
use crate::socket::{Inner, Socket};

/// Files that one message may carry.
pub(super) const MOST_FILES: usize = 253;
/// So many sockets in flight, and every multiple, are a reason to look for those that nobody can reach.
const COLLECT_EVERY: usize = 128;

/// What is in flight.
#[derive(Default)]
pub(crate) struct InFlight {
    /// Files of any kind.
    pub(super) files: usize,
    /// Sockets of AF_UNIX by their address in memory, and how often each is in flight.
    pub(super) sockets: BTreeMap<usize, (Weak<OpenFile>, usize)>,
}

/// Files that a message carries.
pub(super) struct Rights {
    table: UnixTable,
    files: Vec<Arc<OpenFile>>,
}

/// The end, if the file is a socket of AF_UNIX.
pub(super) fn end_of(file: &OpenFile) -> Option<&Arc<End>> {
    match file.downcast::<Socket>()?.inner() {
        Inner::Unix(end) => Some(end),
        _ => None,
    }
}

impl Rights {
    pub(super) fn new(table: &UnixTable, caller: &dyn Caller, files: Vec<Arc<OpenFile>>) -> Result<Self> {
        let sockets = {
            let mut in_flight = table.in_flight.lock();
            if in_flight.files + files.len() > caller.in_flight_limit() {
                return Err(Errno::ETOOMANYREFS);
            }
            in_flight.add(&files);
            in_flight.sockets.len()
        };
        let rights = Self { table: table.clone(), files };
        if sockets > 0 && sockets % COLLECT_EVERY == 0 {
            garbage::collect(table);
        }
        Ok(rights)
    }

    pub(super) fn files(&self) -> &[Arc<OpenFile>] {
        &self.files
    }

    /// The files, received.
    pub(super) fn take(mut self) -> Vec<Arc<OpenFile>> {
        self.table.in_flight.lock().remove(&self.files);
        core::mem::take(&mut self.files)
    }
}

impl InFlight {
    fn add(&mut self, files: &[Arc<OpenFile>]) {
        self.files += files.len();
        for file in files.iter().filter(|file| end_of(file).is_some()) {
            let entry = self.sockets.entry(Arc::as_ptr(file) as usize);
            entry.or_insert_with(|| (Arc::downgrade(file), 0)).1 += 1;
        }
    }

    fn remove(&mut self, files: &[Arc<OpenFile>]) {
        self.files = self.files.saturating_sub(files.len());
        for file in files {
            let key = Arc::as_ptr(file) as usize;
            if let Some((_, count)) = self.sockets.get_mut(&key) {
                *count -= 1;
                if *count == 0 {
                    self.sockets.remove(&key);
                }
            }
        }
    }
}

impl Drop for Rights {
    fn drop(&mut self) {
        let files = core::mem::take(&mut self.files);
        if files.is_empty() {
            return;
        }
        self.table.in_flight.lock().remove(&files);
        {
            let mut doomed = self.table.doomed.lock();
            doomed.0.extend(files);
            if core::mem::replace(&mut doomed.1, true) {
                return;
            }
        }
        loop {
            let next = {
                let mut doomed = self.table.doomed.lock();
                let next = doomed.0.pop();
                doomed.1 = next.is_some();
                next
            };
            if next.is_none() {
                return;
            }
            // Dropped here, with no lock held.
        }
    }
}
