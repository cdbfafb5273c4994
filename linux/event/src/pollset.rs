//! `poll(2)` and `select(2)`: many files, looked at once and waited for together.

use alloc::sync::Arc;
use alloc::vec::Vec;

use linux_base::wait::{Interruptible, wait_until};
use linux_base::{Errno, OpenFile, PollEvents, Result, WaitQueue};

struct Entry {
    /// `None` for a descriptor that is not open.
    file: Option<Arc<OpenFile>>,
    wanted: PollEvents,
}

/// Files and what is wanted of each.
#[derive(Default)]
pub struct PollSet {
    entries: Vec<Entry>,
}

impl PollSet {
    /// Without files, but with memory for `len` of them.
    pub fn with_capacity(len: usize) -> Result<Self> {
        let mut entries = Vec::new();
        entries.try_reserve_exact(len)?;
        Ok(Self { entries })
    }

    /// Adds a file; a descriptor that is not open (`None`) is reported as `POLLNVAL`. Those with a negative number `poll` leaves
    /// out: give those no events with [`PollSet::push_ignored`].
    pub fn push(&mut self, file: Option<Arc<OpenFile>>, wanted: PollEvents) -> Result<()> {
        self.entries.try_reserve(1)?;
        self.entries.push(Entry { file, wanted: wanted | PollEvents::ALWAYS });
        Ok(())
    }

    /// Adds a place that never has events.
    pub fn push_ignored(&mut self) -> Result<()> {
        self.entries.try_reserve(1)?;
        self.entries.push(Entry { file: None, wanted: PollEvents::empty() });
        Ok(())
    }

    /// What can be done with the file at a place now, of what is wanted.
    pub fn events(&self, place: usize) -> PollEvents {
        self.entries.get(place).map_or(PollEvents::empty(), Entry::events)
    }

    /// How many files have events now.
    pub fn count(&self) -> usize {
        self.entries.iter().filter(|entry| !entry.events().is_empty()).count()
    }

    /// Waits until a file has events, and returns how many have; 0 after the deadline (of `Host::now_ns`; one that has passed
    /// means: do not wait). `EINTR` when a signal comes first. Read the events with [`PollSet::events`].
    pub fn wait(&self, deadline_ns: Option<u64>) -> Result<usize> {
        let ready = || Some(self.count()).filter(|count| *count > 0);
        // Most calls find something, and then nobody needs to watch.
        if let Some(count) = ready() {
            return Ok(count);
        }
        if deadline_ns == Some(0) {
            return Ok(0);
        }
        let mut queues: Vec<&WaitQueue> = Vec::new();
        queues.try_reserve_exact(self.entries.len())?;
        let files = self.entries.iter().filter_map(|entry| entry.file.as_ref());
        queues.extend(files.filter_map(|file| file.file().queue()));
        match wait_until(&queues, deadline_ns, Interruptible::Yes, ready) {
            Err(Errno::ETIMEDOUT) => Ok(0),
            other => other,
        }
    }
}

impl Entry {
    fn events(&self) -> PollEvents {
        let events = match &self.file {
            Some(file) => file.file().poll(),
            None => PollEvents::NVAL,
        };
        events & self.wanted
    }
}

/// The three sets of `select(2)`, as programs give them: 64 descriptors to a word.
#[derive(Default, Clone, PartialEq, Eq, Debug)]
pub struct FdSets {
    /// For reading, for writing, for exceptions; a set that is not given is empty.
    pub sets: [Vec<u64>; 3],
}

/// What makes a descriptor ready in each set.
const READY: [PollEvents; 3] = [
    PollEvents::READABLE.union(PollEvents::RDBAND).union(PollEvents::HUP).union(PollEvents::ERR),
    PollEvents::WRITABLE.union(PollEvents::WRBAND).union(PollEvents::ERR),
    PollEvents::PRI,
];

impl FdSets {
    /// How many bytes each set has in the program's memory for descriptors below `count`.
    pub fn bytes_for(count: usize) -> usize {
        count.div_ceil(64) * 8
    }

    /// Whether a descriptor is in a set.
    pub fn contains(&self, set: usize, fd: usize) -> bool {
        self.sets.get(set).and_then(|words| words.get(fd / 64)).is_some_and(|word| word >> (fd % 64) & 1 == 1)
    }

    /// Puts a descriptor into a set; one that the set has no memory for is left out.
    pub fn insert(&mut self, set: usize, fd: usize) {
        if let Some(word) = self.sets.get_mut(set).and_then(|words| words.get_mut(fd / 64)) {
            *word |= 1 << (fd % 64);
        }
    }

    /// The descriptors below `count` that are in a set. `file` finds the open file of one: `EBADF` for what is not open.
    pub fn prepare(
        &self,
        count: usize,
        file: impl Fn(usize) -> Option<Arc<OpenFile>>,
    ) -> Result<(PollSet, Vec<usize>)> {
        let (mut poll_set, mut fds) = (PollSet::default(), Vec::new());
        for fd in 0..count {
            let sets = READY.iter().enumerate().filter(|(set, _)| self.contains(*set, fd));
            let wanted = sets.fold(PollEvents::empty(), |wanted, (_, ready)| wanted | *ready);
            if wanted.is_empty() {
                continue;
            }
            let file = file(fd).ok_or(Errno::EBADF)?;
            poll_set.entries.try_reserve(1)?;
            poll_set.entries.push(Entry { file: Some(file), wanted });
            fds.try_reserve(1)?;
            fds.push(fd);
        }
        Ok((poll_set, fds))
    }

    /// The descriptors of these sets that are ready, and how many there are in all sets together.
    pub fn result(&self, poll_set: &PollSet, fds: &[usize]) -> (Self, usize) {
        let mut result = self.clone();
        result.sets.iter_mut().for_each(|words| words.fill(0));
        let mut count = 0;
        for (place, fd) in fds.iter().enumerate() {
            let events = poll_set.events(place);
            for (set, ready) in READY.iter().enumerate() {
                if self.contains(set, *fd) && events.intersects(*ready) {
                    result.insert(set, *fd);
                    count += 1;
                }
            }
        }
        (result, count)
    }
}
