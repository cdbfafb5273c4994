//! One ring: its bytes, in the shared page or in pages of their own, and the end of it that is ours.
//!
//! Our own index is kept here; the page only tells it to the other end. So nothing that the peer writes there moves us.

use alloc::vec::Vec;
use core::sync::atomic::{Ordering, fence};

use xen::{PAGE_SIZE, PeerMisbehaved, SharedMemory};

use crate::wire;

/// Where a ring's indices are.
#[derive(Clone, Copy)]
pub struct Indices {
    pub cons: usize,
    pub prod: usize,
}

/// A ring and the index that is ours of it.
pub struct Ring<M> {
    indices: Indices,
    order: u32,
    /// Empty if the ring is in the shared page.
    pages: Vec<M>,
    ours: u32,
}

impl<M: SharedMemory> Ring<M> {
    /// A ring whose index of ours is `ours`. It has as many pages of its own as its order says.
    pub fn new(indices: Indices, order: u32, pages: Vec<M>, ours: u32) -> Self {
        debug_assert_eq!(pages.len(), wire::pages(order));
        Self { indices, order, pages, ours }
    }

    pub fn len(&self) -> usize {
        1 << self.order
    }

    /// The pages of its own.
    pub fn into_pages(self) -> Vec<M> {
        self.pages
    }

    /// Bytes that wait to be read; of a ring that we read.
    pub fn filled(&self, page: &M) -> Result<usize, PeerMisbehaved> {
        self.judge(page.load_u32(self.indices.prod).wrapping_sub(self.ours))
    }

    /// Bytes that can be written; of a ring that we write.
    pub fn free(&self, page: &M) -> Result<usize, PeerMisbehaved> {
        let filled = self.judge(self.ours.wrapping_sub(page.load_u32(self.indices.cons)))?;
        Ok(self.len() - filled)
    }

    fn judge(&self, filled: u32) -> Result<usize, PeerMisbehaved> {
        if filled as usize > self.len() {
            return Err(PeerMisbehaved { what: "bytes in a shorter ring", value: filled.into() });
        }
        Ok(filled as usize)
    }

    /// Reads so many bytes as `into` has, which [`Ring::filled`] said are there.
    pub fn take(&mut self, page: &M, into: &mut [u8]) {
        let mut position = self.ours;
        let mut rest = into;
        while !rest.is_empty() {
            let (memory, offset, room) = self.run(page, position);
            let (now, later) = rest.split_at_mut(room.min(rest.len()));
            memory.copy_out(offset, now);
            position = position.wrapping_add(now.len() as u32);
            rest = later;
        }
        // What was read was read before the other end may write over it.
        fence(Ordering::SeqCst);
        self.ours = position;
        page.store_u32(self.indices.cons, position);
    }

    /// Writes the bytes, for which [`Ring::free`] said that there is room.
    pub fn put(&mut self, page: &M, bytes: &[u8]) {
        let mut position = self.ours;
        let mut rest = bytes;
        // The other end has read what is written over.
        fence(Ordering::SeqCst);
        while !rest.is_empty() {
            let (memory, offset, room) = self.run(page, position);
            let (now, later) = rest.split_at(room.min(rest.len()));
            memory.copy_in(offset, now);
            position = position.wrapping_add(now.len() as u32);
            rest = later;
        }
        self.ours = position;
        page.store_u32(self.indices.prod, position);
    }

    /// The memory where an index points, the offset in it, and how many bytes follow in a row.
    fn run<'a>(&'a self, page: &'a M, position: u32) -> (&'a M, usize, usize) {
        let at = position as usize & (self.len() - 1);
        match self.pages.get(at / PAGE_SIZE) {
            Some(own) => (own, at % PAGE_SIZE, PAGE_SIZE - at % PAGE_SIZE),
            None => (page, wire::place(self.order) + at, self.len() - at),
        }
    }
}
