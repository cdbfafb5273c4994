//! The memory of all connections: chunks of one size, counted against one limit.
//!
//! What is read or acknowledged comes back at once, and a few chunks are kept for the next who asks, so that a busy
//! connection allocates nothing. Near the limit, growth is refused first ([`Pool::is_tight`]).

use alloc::boxed::Box;
use alloc::vec::Vec;

/// Bytes of a chunk.
pub(crate) const CHUNK: usize = 4096;
/// What a connection counts for, beside its chunks.
pub(crate) const CONNECTION: usize = 1024;
/// Chunks kept for later.
const SPARE: usize = 64;

/// A piece of a queue.
pub(crate) type Chunk = Box<[u8; CHUNK]>;

/// The chunks of all queues.
pub(crate) struct Pool {
    spare: Vec<Chunk>,
    used: usize,
    limit: usize,
}

impl Pool {
    pub(crate) fn new(limit: usize) -> Self {
        Self { spare: Vec::new(), used: 0, limit }
    }

    pub(crate) fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Bytes in use.
    pub(crate) fn used(&self) -> usize {
        self.used
    }

    /// Whether so much is used that queues that have something should not grow.
    pub(crate) fn is_tight(&self) -> bool {
        self.used > self.limit / 4 * 3
    }

    /// A chunk. A queue's first may be had to the very limit; `growing` ones only while there is plenty.
    pub(crate) fn take(&mut self, growing: bool) -> Option<Chunk> {
        if growing && self.is_tight() || !self.charge(CHUNK) {
            return None;
        }
        let chunk = self.spare.pop().or_else(fresh);
        if chunk.is_none() {
            self.release(CHUNK);
        }
        chunk
    }

    /// Takes a chunk back.
    pub(crate) fn give(&mut self, chunk: Chunk) {
        self.release(CHUNK);
        if self.spare.len() < SPARE && self.spare.try_reserve(1).is_ok() {
            self.spare.push(chunk);
        }
    }

    /// Counts some bytes as used; `false` if there are not so many.
    pub(crate) fn charge(&mut self, bytes: usize) -> bool {
        match self.used.checked_add(bytes) {
            Some(used) if used <= self.limit => {
                self.used = used;
                true
            }
            _ => false,
        }
    }

    pub(crate) fn release(&mut self, bytes: usize) {
        self.used = self.used.saturating_sub(bytes);
    }
}

fn fresh() -> Option<Chunk> {
    let mut bytes: Vec<u8> = Vec::new();
    bytes.try_reserve_exact(CHUNK).ok()?;
    bytes.resize(CHUNK, 0);
    bytes.into_boxed_slice().try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_refused_before_the_first_chunk_of_another_is() {
        let mut pool = Pool::new(4 * CHUNK);
        let held: Vec<_> = (0..4).map_while(|_| pool.take(true)).collect();
        assert_eq!(held.len(), 4, "three quarters may be used, and the chunk that passes them");
        assert!(pool.take(false).is_none());
        held.into_iter().take(1).for_each(|chunk| pool.give(chunk));
        assert!(pool.take(false).is_some());
        let mut pool = Pool::new(8 * CHUNK);
        let held: Vec<_> = (0..8).map_while(|_| pool.take(true)).collect();
        assert_eq!(held.len(), 7);
        assert!(pool.take(false).is_some());
    }
}
