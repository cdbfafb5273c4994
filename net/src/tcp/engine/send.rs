//! What was written and not acknowledged yet: chunks allocated as they fill and freed as they are acknowledged.

use alloc::collections::VecDeque;

use super::pool::{CHUNK, Chunk, Pool};

/// The queue of bytes to send; its first byte is the first that the peer has not acknowledged.
#[derive(Default)]
pub(crate) struct SendQueue {
    chunks: VecDeque<Chunk>,
    /// Where the first byte is in the first chunk.
    head: usize,
    len: usize,
}

impl SendQueue {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Lets `fill` write into a run of at most `most` bytes and say how many it wrote; `None` if there is no memory.
    pub(crate) fn push_with(
        &mut self,
        most: usize,
        pool: &mut Pool,
        fill: impl FnOnce(&mut [u8]) -> usize,
    ) -> Option<usize> {
        let end = self.head + self.len;
        let (index, at) = (end / CHUNK, end % CHUNK);
        let fresh = index >= self.chunks.len();
        if fresh {
            self.chunks.try_reserve(1).ok()?;
            let growing = !self.chunks.is_empty();
            self.chunks.push_back(pool.take(growing)?);
        }
        let chunk = self.chunks.get_mut(index)?;
        let run = &mut chunk[at..CHUNK.min(at + most)];
        let filled = fill(run).min(run.len());
        self.len += filled;
        if filled == 0 && fresh {
            self.trim(pool);
        }
        Some(filled)
    }

    /// Appends as much of `data` as fits in `most` bytes and in memory.
    pub(crate) fn push(&mut self, data: &[u8], most: usize, pool: &mut Pool) -> usize {
        let data = &data[..data.len().min(most)];
        let mut done = 0;
        while done < data.len() {
            let rest = &data[done..];
            let copy = |run: &mut [u8]| {
                let len = run.len().min(rest.len());
                run[..len].copy_from_slice(&rest[..len]);
                len
            };
            match self.push_with(rest.len(), pool, copy) {
                Some(len @ 1..) => done += len,
                _ => break,
            }
        }
        done
    }

    /// Copies out bytes from `offset` on. What is beyond the end stays as it was.
    pub(crate) fn copy(&self, offset: usize, out: &mut [u8]) {
        let mut at = self.head + offset;
        let end = (at + out.len()).min(self.head + self.len);
        let mut done = 0;
        while at < end {
            let Some(chunk) = self.chunks.get(at / CHUNK) else { return };
            let from = at % CHUNK;
            let len = (CHUNK - from).min(end - at);
            out[done..done + len].copy_from_slice(&chunk[from..from + len]);
            at += len;
            done += len;
        }
    }

    /// Drops acknowledged bytes from the front.
    pub(crate) fn consume(&mut self, count: usize, pool: &mut Pool) {
        let count = count.min(self.len);
        self.head += count;
        self.len -= count;
        while self.head >= CHUNK
            && let Some(chunk) = self.chunks.pop_front()
        {
            pool.give(chunk);
            self.head -= CHUNK;
        }
        self.trim(pool);
    }

    pub(crate) fn clear(&mut self, pool: &mut Pool) {
        self.consume(self.len, pool);
    }

    /// An empty queue holds no memory to speak of.
    fn trim(&mut self, pool: &mut Pool) {
        if self.len > 0 {
            return;
        }
        self.head = 0;
        for chunk in self.chunks.drain(..) {
            pool.give(chunk);
        }
        if self.chunks.capacity() > 16 {
            self.chunks = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn bytes_come_out_as_they_went_in_and_memory_comes_back() {
        let mut pool = Pool::new(usize::MAX);
        let mut queue = SendQueue::default();
        let data: Vec<u8> = (0..3 * CHUNK + 77).map(|n| (n % 251) as u8).collect();
        assert_eq!(queue.push(&data, usize::MAX, &mut pool), data.len());
        assert_eq!(pool.used(), 4 * CHUNK);
        let mut out = std::vec![0; 5000];
        queue.copy(4000, &mut out);
        assert!(out == data[4000..9000]);
        queue.consume(4097, &mut pool);
        assert_eq!(pool.used(), 3 * CHUNK);
        queue.copy(0, &mut out);
        assert!(out == data[4097..9097]);
        assert_eq!(queue.push(&data, 10, &mut pool), 10);
        queue.copy(data.len() - 4097, &mut out[..10]);
        assert!(out[..10] == data[..10]);
        queue.clear(&mut pool);
        assert_eq!((pool.used(), queue.len()), (0, 0));
    }

    #[test]
    fn a_fill_of_nothing_holds_no_chunk() {
        let mut pool = Pool::new(CHUNK);
        let mut queue = SendQueue::default();
        assert_eq!(queue.push_with(100, &mut pool, |_| 0), Some(0));
        assert_eq!(pool.used(), 0);
        assert_eq!(queue.push(&[1; 2 * CHUNK], usize::MAX, &mut pool), CHUNK, "memory is the limit");
        assert_eq!(queue.push_with(1, &mut pool, |_| 1), None);
    }
}
