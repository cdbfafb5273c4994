//! Ranges of bytes that owners hold, shared or exclusive: split, joined, compared.

use alloc::vec::Vec;

use linux_base::{Errno, Result};

use super::Flock;

/// The most ranges on one inode.
const RANGES_MAX: usize = 16 * 1024;

/// Bytes from `start` to `end`, that one too.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Range {
    /// The first byte.
    pub start: u64,
    /// The last byte.
    pub end: u64,
}

/// The last byte that a range can have.
pub const LAST: u64 = i64::MAX as u64;

impl Range {
    /// From the fields of `struct flock`, the start reckoned from the file's start: a length of 0 goes to the end, a negative one
    /// lies before the start.
    pub fn new(start: i64, len: i64) -> Result<Self> {
        if start < 0 {
            return Err(Errno::EINVAL);
        }
        let (start, end) = match len {
            0 => (start, LAST as i64),
            1.. => (start, start.checked_add(len - 1).ok_or(Errno::EOVERFLOW)?),
            _ => (start.checked_add(len).filter(|start| *start >= 0).ok_or(Errno::EINVAL)?, start - 1),
        };
        Ok(Self { start: start as u64, end: end as u64 })
    }

    /// The length, as `struct flock` has it: 0 if it goes to the end.
    pub fn len(self) -> u64 {
        if self.end >= LAST { 0 } else { self.end - self.start + 1 }
    }

    /// Never: a range has a byte.
    pub fn is_empty(self) -> bool {
        false
    }

    fn overlaps(self, other: Self) -> bool {
        self.start <= other.end && other.start <= self.end
    }

    fn touches(self, other: Self) -> bool {
        self.start <= other.end.saturating_add(1) && other.start <= self.end.saturating_add(1)
    }
}

/// A range that somebody holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Held<O> {
    /// Who.
    pub owner: O,
    /// What process asked for it.
    pub pid: u32,
    /// Which bytes.
    pub range: Range,
    /// How.
    pub kind: Flock,
}

/// All ranges that are held.
pub(super) struct Ranges<O>(Vec<Held<O>>);

impl<O> Default for Ranges<O> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<O: Copy + PartialEq> Ranges<O> {
    /// All that stand in the way of a lock.
    pub(super) fn conflicts(&self, owner: O, range: Range, kind: Flock) -> impl Iterator<Item = &Held<O>> {
        let is_exclusive = kind == Flock::Exclusive;
        self.0.iter().filter(move |held| {
            held.owner != owner
                && held.range.overlaps(range)
                && (is_exclusive || held.kind == Flock::Exclusive)
        })
    }

    /// Holds a range, or with no kind frees it; that nothing conflicts, the caller has seen.
    pub(super) fn set(&mut self, owner: O, pid: u32, mut range: Range, kind: Option<Flock>) -> Result<()> {
        if self.0.len() + 2 > RANGES_MAX && kind.is_some() {
            return Err(Errno::ENOLCK);
        }
        self.0.try_reserve(2).map_err(|_| Errno::ENOLCK)?;
        let mut index = 0;
        let mut rests = [None, None];
        while let Some(held) = self.0.get(index).copied() {
            if held.owner != owner || !held.range.touches(range) {
                index += 1;
            } else if Some(held.kind) == kind {
                // Neighbours of the same kind become one.
                range.start = range.start.min(held.range.start);
                range.end = range.end.max(held.range.end);
                self.0.swap_remove(index);
            } else if held.range.overlaps(range) {
                // What lies before and behind stays as it is.
                if held.range.start < range.start {
                    rests[0] =
                        Some(Held { range: Range { start: held.range.start, end: range.start - 1 }, ..held });
                }
                if held.range.end > range.end {
                    rests[1] =
                        Some(Held { range: Range { start: range.end + 1, end: held.range.end }, ..held });
                }
                self.0.swap_remove(index);
            } else {
                index += 1;
            }
        }
        self.0.extend(rests.into_iter().flatten());
        if let Some(kind) = kind {
            self.0.push(Held { owner, pid, range, kind });
        }
        Ok(())
    }

    /// Frees all that an owner holds; whether there was something.
    pub(super) fn release(&mut self, owner: &O) -> bool {
        let before = self.0.len();
        self.0.retain(|held| held.owner != *owner);
        self.0.len() < before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every byte of a small file, kept one by one.
    struct Bytes([[Option<Flock>; 2]; 40]);

    #[test]
    fn ranges_hold_the_same_bytes_as_a_table_of_bytes() {
        let (mut ranges, mut bytes) = (Ranges::default(), Bytes([[None; 2]; 40]));
        let mut seed = 1u64;
        let mut noise = |limit: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % limit
        };
        for _ in 0..20_000 {
            let (owner, start) = (noise(2) as usize, noise(40));
            let range = Range { start, end: (start + noise(12)).min(39) };
            let kind = [None, Some(Flock::Shared), Some(Flock::Exclusive)][noise(3) as usize];
            let touched = || (range.start..=range.end).map(|at| at as usize);
            let is_blocked = kind.is_some_and(|kind| {
                let blocks = |other: Flock| kind == Flock::Exclusive || other == Flock::Exclusive;
                touched().any(|at| bytes.0[at][1 - owner].is_some_and(blocks))
            });
            let conflict = kind.and_then(|kind| ranges.conflicts(owner, range, kind).next().copied());
            assert_eq!(conflict.is_some(), is_blocked, "{range:?} {kind:?}");
            if is_blocked {
                continue;
            }
            ranges.set(owner, 1, range, kind).unwrap();
            touched().for_each(|at| bytes.0[at][owner] = kind);
            for (at, held) in bytes.0.iter().enumerate() {
                for (owner, kind) in held.iter().enumerate() {
                    let here = |held: &&Held<usize>| {
                        held.owner == owner && (held.range.start..=held.range.end).contains(&(at as u64))
                    };
                    let found: Vec<_> = ranges.0.iter().filter(here).map(|held| held.kind).collect();
                    assert_eq!(found, kind.iter().copied().collect::<Vec<_>>(), "byte {at} of {owner}");
                }
            }
            // Neighbours have been joined.
            for one in &ranges.0 {
                let joins = |two: &Held<usize>| {
                    two.range != one.range
                        && (two.owner, two.kind) == (one.owner, one.kind)
                        && two.range.touches(one.range)
                };
                assert!(!ranges.0.iter().any(joins));
            }
        }
    }

    #[test]
    fn the_fields_of_struct_flock_make_a_range_or_an_error() {
        assert_eq!(Range::new(10, 0), Ok(Range { start: 10, end: LAST }));
        assert_eq!(Range::new(10, 5), Ok(Range { start: 10, end: 14 }));
        assert_eq!(Range::new(10, -4), Ok(Range { start: 6, end: 9 }));
        assert_eq!(Range::new(3, -4), Err(Errno::EINVAL));
        assert_eq!(Range::new(-1, 4), Err(Errno::EINVAL));
        assert_eq!(Range::new(2, i64::MAX), Err(Errno::EOVERFLOW));
        assert_eq!((Range { start: 10, end: LAST }).len(), 0);
    }
}
