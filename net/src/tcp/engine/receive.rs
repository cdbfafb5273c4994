//! What was received: a run that is ready to be read, and islands of later bytes that wait for what is between.
//!
//! Each byte lies at its place in the row of chunks from the start, so that filling a gap copies nothing twice.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::pool::{CHUNK, Chunk, Pool};
use super::seq::Seq;

/// Islands remembered; what would make one more is dropped, and sent again by the peer.
const MOST_ISLANDS: usize = 128;

/// The queue of received bytes.
pub(crate) struct ReceiveQueue {
    chunks: VecDeque<Option<Chunk>>,
    /// Where the first ready byte is in the first chunk.
    head: usize,
    ready: usize,
    /// The sequence number after the last ready byte.
    next: Seq,
    /// Received beyond a gap: start and end, in order, apart from each other.
    islands: Vec<(Seq, Seq)>,
    /// Where something arrived last, of the islands: told first to the peer.
    latest: Seq,
}

impl ReceiveQueue {
    pub(crate) fn new(next: Seq) -> Self {
        Self { chunks: VecDeque::new(), head: 0, ready: 0, next, islands: Vec::new(), latest: next }
    }

    pub(crate) fn next(&self) -> Seq {
        self.next
    }

    /// Bytes that can be read.
    pub(crate) fn ready(&self) -> usize {
        self.ready
    }

    pub(crate) fn has_islands(&self) -> bool {
        !self.islands.is_empty()
    }

    /// Takes in bytes at `seq`, which is not before [`ReceiveQueue::next`]; `true` if they were stored, at least in part.
    pub(crate) fn insert(&mut self, seq: Seq, data: &[u8], pool: &mut Pool) -> bool {
        let gap = seq.beyond(self.next) as usize;
        if gap > 0 && !self.can_add(seq, seq + data.len() as u32) {
            return false;
        }
        let stored = self.write(self.head + self.ready + gap, data, pool);
        if stored == 0 {
            return false;
        }
        let end = seq + stored as u32;
        if gap > 0 {
            self.latest = seq;
            self.add_island(seq, end);
            return true;
        }
        self.advance(end);
        while let Some((start, end)) = self.islands.first().copied()
            && start.le(self.next)
        {
            self.islands.remove(0);
            self.advance(end);
        }
        true
    }

    fn advance(&mut self, end: Seq) {
        let more = end.beyond(self.next);
        self.ready += more as usize;
        self.next = self.next + more;
    }

    /// Copies `data` to a place counted from the first chunk's start; how much there was memory for.
    fn write(&mut self, place: usize, data: &[u8], pool: &mut Pool) -> usize {
        let mut done = 0;
        while done < data.len() {
            let (index, at) = ((place + done) / CHUNK, (place + done) % CHUNK);
            if index >= self.chunks.len() {
                if self.chunks.try_reserve(index + 1 - self.chunks.len()).is_err() {
                    break;
                }
                self.chunks.resize_with(index + 1, || None);
            }
            // What the peer was told there is room for may use the last of the memory.
            let Some(slot) = self.chunks.get_mut(index) else { break };
            if slot.is_none() {
                *slot = pool.take(false);
            }
            let Some(chunk) = slot else { break };
            let len = (CHUNK - at).min(data.len() - done);
            chunk[at..at + len].copy_from_slice(&data[done..done + len]);
            done += len;
        }
        done
    }

    /// Whether there is room for one more island, or this would only make one larger.
    fn can_add(&mut self, start: Seq, end: Seq) -> bool {
        let touches = |(s, e): &(Seq, Seq)| s.le(end) && start.le(*e);
        self.islands.len() < MOST_ISLANDS && self.islands.try_reserve(1).is_ok()
            || self.islands.iter().any(touches)
    }

    fn add_island(&mut self, mut start: Seq, mut end: Seq) {
        let from = self.islands.partition_point(|(_, e)| e.lt(start));
        let to = self.islands.partition_point(|(s, _)| s.le(end));
        for (s, e) in &self.islands[from..to.max(from)] {
            start = start.min(*s);
            end = end.max(*e);
        }
        if from < to {
            self.islands[from] = (start, end);
            self.islands.drain(from + 1..to);
        } else if self.islands.len() < MOST_ISLANDS {
            self.islands.insert(from, (start, end));
        }
    }

    /// Up to three islands for the peer to know of, the one that grew last first (RFC 2018 section 4).
    pub(crate) fn blocks(&self) -> [Option<(u32, u32)>; 3] {
        let mut blocks = [None; 3];
        let is_latest = |(s, e): &&(Seq, Seq)| s.le(self.latest) && self.latest.lt(*e);
        let first = self.islands.iter().filter(is_latest);
        let others = self.islands.iter().filter(|island| !is_latest(island));
        for (block, (start, end)) in blocks.iter_mut().zip(first.chain(others)) {
            *block = Some((start.0, end.0));
        }
        blocks
    }

    /// A run of bytes to read; empty if there are none.
    pub(crate) fn run(&self) -> &[u8] {
        match self.chunks.front() {
            Some(Some(chunk)) => &chunk[self.head..CHUNK.min(self.head + self.ready)],
            _ => &[],
        }
    }

    /// Copies ready bytes out and leaves them there; how many.
    pub(crate) fn peek(&self, out: &mut [u8]) -> usize {
        let len = out.len().min(self.ready);
        let mut done = 0;
        while done < len {
            let (index, at) = ((self.head + done) / CHUNK, (self.head + done) % CHUNK);
            let Some(Some(chunk)) = self.chunks.get(index) else { break };
            let part = (CHUNK - at).min(len - done);
            out[done..done + part].copy_from_slice(&chunk[at..at + part]);
            done += part;
        }
        done
    }

    /// Drops bytes that were read.
    pub(crate) fn consume(&mut self, count: usize, pool: &mut Pool) {
        let count = count.min(self.ready);
        self.ready -= count;
        self.head += count;
        while self.head >= CHUNK
            && let Some(chunk) = self.chunks.pop_front()
        {
            self.head -= CHUNK;
            chunk.into_iter().for_each(|chunk| pool.give(chunk));
        }
        if self.ready == 0 && self.islands.is_empty() {
            self.release(pool);
        }
    }

    /// Drops everything.
    pub(crate) fn clear(&mut self, pool: &mut Pool) {
        self.islands.clear();
        self.ready = 0;
        self.release(pool);
    }

    fn release(&mut self, pool: &mut Pool) {
        self.head = 0;
        self.chunks.drain(..).flatten().for_each(|chunk| pool.give(chunk));
        if self.chunks.capacity() > 16 {
            self.chunks = VecDeque::new();
        }
        if self.islands.capacity() > 0 {
            self.islands = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    /// Bytes in any order, overlapping, against a plain array.
    #[test]
    fn pieces_in_any_order_come_out_in_order() {
        for seed in 0..20 {
            let mut rng = Rng::new(seed);
            let mut pool = Pool::new(usize::MAX);
            let start = Seq(u32::MAX - 20_000);
            let mut queue = ReceiveQueue::new(start);
            let total = 50_000;
            let byte = |at: usize| ((at * 7) ^ (at >> 8)) as u8;
            let mut read = 0;
            while read < total {
                let window = 20_000.min(total - read);
                let skip = (queue.next() - start) as usize;
                let at = match rng.next_u64().is_multiple_of(2) {
                    true => skip.min(total - 1),
                    false => read + rng.next_u64() as usize % window,
                };
                let len = (1 + rng.next_u64() as usize % 3000).min(read + window - at.min(read + window));
                let (from, to) = (at.max(skip), at + len);
                if from < to {
                    let data: Vec<u8> = (from..to).map(byte).collect();
                    queue.insert(start + from as u32, &data, &mut pool);
                }
                if rng.next_u64().is_multiple_of(3) {
                    let run = queue.run().to_vec();
                    for (i, b) in run.iter().enumerate() {
                        assert_eq!(*b, byte(read + i));
                    }
                    queue.consume(run.len(), &mut pool);
                    read += run.len();
                }
                for (s, e) in queue.blocks().iter().flatten() {
                    assert!(Seq(*s).lt(Seq(*e)) && queue.next().lt(Seq(*s)));
                }
                assert!(queue.islands.is_sorted_by(|a, b| a.1.lt(b.0)));
            }
            assert!(!queue.has_islands());
            assert_eq!(pool.used(), 0);
        }
    }

    #[test]
    fn islands_are_bounded() {
        let mut pool = Pool::new(usize::MAX);
        let mut queue = ReceiveQueue::new(Seq(0));
        for n in 0..1000 {
            queue.insert(Seq(10 + 2 * n), &[1], &mut pool);
        }
        assert_eq!(queue.islands.len(), MOST_ISLANDS);
        assert!(queue.insert(Seq(11), &[1], &mut pool), "one that joins two is taken");
        assert_eq!(queue.islands.len(), MOST_ISLANDS - 1);
        queue.clear(&mut pool);
        assert_eq!(pool.used(), 0);
    }

    #[test]
    fn without_memory_a_part_is_taken() {
        let mut pool = Pool::new(CHUNK);
        let mut queue = ReceiveQueue::new(Seq(0));
        assert!(queue.insert(Seq(0), &[5; CHUNK + 100], &mut pool));
        assert_eq!((queue.ready(), queue.next()), (CHUNK, Seq(CHUNK as u32)));
        assert!(!queue.insert(Seq(CHUNK as u32), &[5; 10], &mut pool));
        assert!(!queue.insert(Seq(20_000), &[5; 10], &mut pool));
        assert!(!queue.has_islands());
    }
}
