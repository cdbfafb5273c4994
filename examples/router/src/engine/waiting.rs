//! Packets that wait for the next machine's hardware address: [`Waiting`], some frames as they came in.

use alloc::vec::Vec;

use super::address::Addr;

/// Frames that wait at once, and for one machine.
const MOST: usize = 32;
const MOST_EACH: usize = 4;
/// Bytes of the longest.
const LONGEST: usize = 1600;

/// A frame that waits.
pub struct Entry {
    /// As it came in.
    pub frame: Vec<u8>,
    /// Where.
    pub input: usize,
    /// Who is to be found, and where.
    pub wanted: (usize, Addr),
    /// Since when.
    pub since: u64,
    used: bool,
}

/// The frames.
pub struct Waiting {
    entries: Vec<Entry>,
    used: usize,
}

impl Waiting {
    /// None; `None` without memory for them.
    pub fn new() -> Option<Self> {
        let mut entries = Vec::new();
        entries.try_reserve_exact(MOST).ok()?;
        for _ in 0..MOST {
            let mut frame = Vec::new();
            frame.try_reserve_exact(LONGEST).ok()?;
            entries.push(Entry { frame, input: 0, wanted: (0, Addr::NONE), since: 0, used: false });
        }
        Some(Self { entries, used: 0 })
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Has a frame wait; `false` if it is too long or enough do.
    pub fn push(&mut self, frame: &[u8], input: usize, wanted: (usize, Addr), since: u64) -> bool {
        let same = self.entries.iter().filter(|entry| entry.used && entry.wanted == wanted).count();
        let free = self.entries.iter_mut().find(|entry| !entry.used);
        let Some(entry) = free.filter(|entry| frame.len() <= entry.frame.capacity() && same < MOST_EACH)
        else {
            return false;
        };
        entry.frame.clear();
        entry.frame.extend_from_slice(frame);
        (entry.input, entry.wanted, entry.since, entry.used) = (input, wanted, since, true);
        self.used += 1;
        true
    }

    /// How many places there are.
    pub fn places(&self) -> usize {
        self.entries.len()
    }

    /// What waits at a place: who is wanted, and since when.
    pub fn wanted(&self, place: usize) -> Option<((usize, Addr), u64)> {
        self.entries.get(place).filter(|entry| entry.used).map(|entry| (entry.wanted, entry.since))
    }

    /// Takes a frame out, with where it came in; its memory is to be given back.
    pub fn take(&mut self, place: usize) -> Option<(Vec<u8>, usize)> {
        let entry = self.entries.get_mut(place).filter(|entry| entry.used)?;
        Some((core::mem::take(&mut entry.frame), entry.input))
    }

    /// Gives back the memory of a frame that was taken.
    pub fn give_back(&mut self, place: usize, frame: Vec<u8>) {
        if let Some(entry) = self.entries.get_mut(place) {
            entry.frame = frame;
            entry.used = false;
            self.used -= 1;
        }
    }
}
