//! Sockets that only each other's inboxes hold: nobody can ever read them, and no count of references ends them.
//!
//! A socket is a candidate when all that refers to it is in flight. Those candidates that are in flight to somebody else
//! than a candidate can be received, and with them what waits in their inboxes, and so on. The rest is garbage: its
//! inboxes are emptied.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;

use linux_base::OpenFile;

use super::End;
use super::names::UnixTable;
use super::rights::end_of;

/// Collects if there can be garbage.
pub(super) fn collect_if_any(table: &UnixTable) {
    let any = table.in_flight.try_lock().is_some_and(|in_flight| !in_flight.sockets.is_empty());
    if any {
        collect(table);
    }
}

/// Finds the garbage and empties its inboxes.
pub(super) fn collect(table: &UnixTable) {
    let candidates: BTreeMap<usize, (Arc<OpenFile>, usize)> = {
        let in_flight = table.in_flight.lock();
        let lonely = in_flight.sockets.iter().filter(|(_, (file, count))| file.strong_count() == *count);
        let held = lonely.filter_map(|(key, (file, count))| Some((*key, (Weak::upgrade(file)?, *count))));
        held.collect()
    };
    if candidates.is_empty() {
        return;
    }
    let inboxes: BTreeMap<usize, Vec<usize>> = candidates
        .iter()
        .map(|(key, (file, _))| {
            let mut sockets = Vec::new();
            if let Some(end) = end_of(file) {
                sockets_in(end, &mut sockets);
            }
            (*key, sockets)
        })
        .collect();
    let mut within: BTreeMap<usize, usize> = BTreeMap::new();
    for key in inboxes.values().flatten() {
        *within.entry(*key).or_default() += 1;
    }
    let is_held = |(key, (_, count)): &(&usize, &(Arc<OpenFile>, usize))| {
        within.get(*key).copied().unwrap_or(0) < *count
    };
    let mut to_visit: Vec<usize> = candidates.iter().filter(is_held).map(|(key, _)| *key).collect();
    let mut reachable = BTreeSet::new();
    while let Some(key) = to_visit.pop() {
        if reachable.insert(key) {
            to_visit.extend(inboxes.get(&key).into_iter().flatten());
        }
    }
    for (_, (file, _)) in candidates.iter().filter(|(key, _)| !reachable.contains(*key)) {
        if let Some(end) = end_of(file) {
            end.empty();
        }
    }
    // The candidates are dropped last: the garbage among them ends here.
}

/// The sockets that wait in an end's inbox, and in those of its callers.
fn sockets_in(end: &Arc<End>, found: &mut Vec<usize>) {
    let callers: Vec<Arc<End>> = {
        let state = end.state.lock();
        for rights in state.inbox.iter().filter_map(|message| message.rights.as_ref()) {
            let sockets = rights.files().iter().filter(|file| end_of(file).is_some());
            found.extend(sockets.map(|file| Arc::as_ptr(file) as usize));
        }
        state.listening.iter().flat_map(|listening| listening.callers.iter().cloned()).collect()
    };
    for caller in callers {
        sockets_in(&caller, found);
    }
}

impl End {
    /// Throws away what waits here, and with its callers.
    fn empty(&self) {
        let (inbox, callers) = {
            let mut state = self.state.lock();
            state.len = 0;
            let callers = state.listening.as_mut().map(|listening| core::mem::take(&mut listening.callers));
            (core::mem::take(&mut state.inbox), callers)
        };
        drop(inbox);
        for caller in callers.into_iter().flatten() {
            caller.close();
        }
    }
}
