//! Record locks of `fcntl(2)`: `F_SETLK` and `F_GETLK` of processes, `F_OFD_*` of open file descriptions.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use linux_base::{Errno, Mutex, OpenFile, OpenFlags, PollEvents, Result};

use super::{Flock, Held, Locks, Range, description, locks_if_any, locks_of};

/// Who holds a record lock.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Owner {
    /// A process, or rather a table of descriptors: a number that the caller has for it.
    Process(u64),
    /// An open file description.
    Description(u64),
}

/// A record lock that is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RecordLock {
    /// Of the process by this number, or `None`: of the open file description.
    pub process: Option<u64>,
    /// Its process ID, to be told to others.
    pub pid: u32,
    /// Which bytes.
    pub range: Range,
    /// How; `None` frees them.
    pub kind: Option<Flock>,
}

/// What stands in the way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Conflict {
    /// The process that holds it; `None` if an open file description does (`l_pid` is then -1).
    pub pid: Option<u32>,
    /// Which bytes.
    pub range: Range,
    /// How.
    pub kind: Flock,
}

impl RecordLock {
    fn owner(&self, file: &OpenFile) -> Owner {
        self.process.map_or_else(|| Owner::Description(description(file)), Owner::Process)
    }
}

/// `F_SETLK` and `F_OFD_SETLK`: `EAGAIN` if another holds some of it, `EBADF` if the file is not open for it.
pub fn record_set(file: &OpenFile, lock: &RecordLock) -> Result<()> {
    let flags = file.flags();
    let is_open_for = match lock.kind {
        Some(Flock::Shared) => flags.can_read(),
        Some(Flock::Exclusive) => flags.can_write(),
        None => !flags.contains(OpenFlags::PATH),
    };
    if !is_open_for {
        return Err(Errno::EBADF);
    }
    if lock.kind.is_some() {
        linux_mm::ensure_room().map_err(|_| Errno::ENOLCK)?;
    }
    let (locks, owner) = (locks_of(file)?, lock.owner(file));
    {
        let mut state = locks.state.lock();
        if lock.kind.is_some_and(|kind| state.ranges.conflicts(owner, lock.range, kind).next().is_some()) {
            return Err(Errno::EAGAIN);
        }
        state.ranges.set(owner, lock.pid, lock.range, lock.kind)?;
    }
    // A lock that became a shared one, or none, may let others in.
    if lock.kind != Some(Flock::Exclusive) {
        locks.queue.wake_all(PollEvents::IN);
    }
    if let (Owner::Description(description), true) = (owner, lock.kind.is_some()) {
        locks.watch_end(file, description);
    }
    Ok(())
}

/// `F_GETLK` and `F_OFD_GETLK`: the first lock that stands in the way.
pub fn record_get(file: &OpenFile, lock: &RecordLock) -> Result<Option<Conflict>> {
    let kind = lock.kind.ok_or(Errno::EINVAL)?;
    let (locks, owner) = (locks_of(file)?, lock.owner(file));
    let state = locks.state.lock();
    let first = state.ranges.conflicts(owner, lock.range, kind).min_by_key(|held| held.range.start);
    Ok(first.map(|held| Conflict {
        pid: matches!(held.owner, Owner::Process(_)).then_some(held.pid),
        range: held.range,
        kind: held.kind,
    }))
}

/// A process has closed a descriptor of this file: its record locks on it go, whichever descriptor they were made with.
pub fn release_process(file: &OpenFile, process: u64) {
    if let Some(locks) = locks_if_any(file) {
        let has_freed = locks.state.lock().ranges.release(&Owner::Process(process));
        if has_freed {
            locks.queue.wake_all(PollEvents::IN);
        }
    }
}

/// `F_SETLEASE`: leases are refused.
pub fn lease(_: &OpenFile) -> Result<()> {
    Err(Errno::EINVAL)
}

type Wanted = (Arc<Locks>, Range, Flock);

/// Which process waits for what.
static WAITING: Mutex<BTreeMap<u64, Wanted>> = Mutex::new(BTreeMap::new());

/// A process waits as long as it has this.
pub struct Waiting(u64);

/// The process is going to wait for a lock that was `EAGAIN`: `EDEADLK` if one of those it waits for waits for it. To be called
/// before each wait, for those in the way may have changed.
pub fn wait(file: &OpenFile, lock: &RecordLock) -> Result<Option<Waiting>> {
    let (Some(process), Some(kind)) = (lock.process, lock.kind) else { return Ok(None) };
    let locks = locks_of(file)?;
    let mut met = Vec::new();
    let mut next = Vec::from([(process, locks.clone(), lock.range, kind)]);
    while let Some((waiter, locks, range, kind)) = next.pop() {
        let blockers: Vec<Held<Owner>> =
            locks.state.lock().ranges.conflicts(Owner::Process(waiter), range, kind).copied().collect();
        for held in blockers {
            let Owner::Process(blocker) = held.owner else { continue };
            if blocker == process {
                return Err(Errno::EDEADLK);
            }
            if met.contains(&blocker) {
                continue;
            }
            met.push(blocker);
            if let Some((locks, range, kind)) = WAITING.lock().get(&blocker).cloned() {
                next.push((blocker, locks, range, kind));
            }
        }
    }
    let old = WAITING.lock().insert(process, (locks, lock.range, kind));
    drop(old);
    Ok(Some(Waiting(process)))
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let old = WAITING.lock().remove(&self.0);
        drop(old);
    }
}
