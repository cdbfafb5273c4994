//! A pipe: bytes in pages, between those who write and those who read.
//!
//! As in Linux a pipe has slots, each of which holds a piece of a page; 16 of them make the 64 KiB that `pipe(7)` tells of. A
//! write of up to `PIPE_BUF` bytes needs one slot at most, so it goes whole or not at all. Pages come when bytes come: an empty
//! pipe has none.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering};

use linux_base::{Errno, Mutex, PollEvents, Result, Sink, Source, Timespec, WaitQueue, host};
use linux_mm::PAGE_SIZE;

use crate::chunk::{Chunk, Kind};
use crate::next_inode;
use crate::pipe_end::PipeEnd;
use crate::pool;

/// Slots of a new pipe.
const DEFAULT_SLOTS: usize = 16;
/// What a program without `CAP_SYS_RESOURCE` may ask for (`/proc/sys/fs/pipe-max-size`).
pub const MAX_UNPRIVILEGED_BYTES: usize = 1 << 20;
const MAX_BYTES: usize = 1 << 31;

/// Which side of a pipe.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// That which reads.
    Read,
    /// That which writes.
    Write,
}

/// Whether a write keeps its bounds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Framing {
    /// Bytes of one write may be read with those of others.
    Stream,
    /// Each write is a packet (`O_DIRECT`).
    Packets,
}

/// Bytes on their way, and how many ends are open.
pub struct Pipe {
    pub(crate) state: Mutex<State>,
    /// Who waits for something to read, for room to write, and for both (a FIFO that is open for reading and writing).
    readers: WaitQueue,
    writers: WaitQueue,
    either: WaitQueue,
    /// Who waits in `open` for the other side of a FIFO.
    openers: WaitQueue,
    /// Somebody has used `poll` for the reading end: tell of each write, which edge-triggered epoll needs.
    is_polled: AtomicBool,
    pub(crate) inode: u64,
    pub(crate) owner: (u32, u32),
    pub(crate) created: Timespec,
}

pub(crate) struct State {
    pub chunks: VecDeque<Chunk>,
    pub slots: usize,
    pub readers: usize,
    pub writers: usize,
    /// How often each side has been opened.
    pub read_opens: u64,
    pub write_opens: u64,
}

impl State {
    pub fn is_full(&self) -> bool {
        self.chunks.len() >= self.slots
    }

    pub fn free_slots(&self) -> usize {
        self.slots.saturating_sub(self.chunks.len())
    }

    /// Bytes that can be read.
    pub fn len(&self) -> usize {
        self.chunks.iter().map(Chunk::len).sum()
    }

    fn write(&mut self, from: &mut dyn Source, framing: Framing) -> Result<usize> {
        if self.readers == 0 {
            return Err(Errno::EPIPE);
        }
        let mut done = self.append_to_last(from, framing)?;
        while from.left() > 0 && !self.is_full() {
            match self.append_page(from, framing) {
                Ok(len) => done += len,
                Err(errno) if done == 0 => return Err(errno),
                Err(_) => break,
            }
        }
        if done == 0 { Err(Errno::EAGAIN) } else { Ok(done) }
    }

    /// What is over whole pages goes into the last page, if all of it fits.
    fn append_to_last(&mut self, from: &mut dyn Source, framing: Framing) -> Result<usize> {
        let over = from.left() % PAGE_SIZE;
        match self.chunks.back_mut() {
            Some(last)
                if over > 0
                    && framing == Framing::Stream
                    && last.kind == Kind::Mergeable
                    && last.end + over <= PAGE_SIZE =>
            {
                let len = last.frame.write_from(last.end, over, from)?;
                last.end += len;
                Ok(len)
            }
            _ => Ok(0),
        }
    }

    fn append_page(&mut self, from: &mut dyn Source, framing: Framing) -> Result<usize> {
        self.chunks.try_reserve(1)?;
        let frame = pool::take()?;
        let kind = if framing == Framing::Packets { Kind::Packet } else { Kind::Mergeable };
        let len = match frame.write_from(0, PAGE_SIZE, from) {
            Ok(0) => Err(Errno::EFAULT),
            other => other,
        };
        match len {
            Ok(end) => self.chunks.push_back(Chunk { frame, start: 0, end, kind }),
            Err(_) => pool::give(frame),
        }
        len
    }

    fn read(&mut self, into: &mut dyn Sink) -> Result<usize> {
        let mut done = 0;
        while into.room() > 0
            && let Some(first) = self.chunks.front_mut()
        {
            let wanted = first.len().min(into.room());
            let len = match first.frame.read_to(first.start, wanted, into) {
                Ok(len) => len,
                Err(errno) if done == 0 => return Err(errno),
                Err(_) => break,
            };
            (first.start, done) = (first.start + len, done + len);
            let is_packet = first.kind == Kind::Packet;
            if first.is_empty() || is_packet {
                self.pop_front();
            }
            if len < wanted || is_packet {
                break;
            }
        }
        if done > 0 {
            Ok(done)
        } else if self.writers == 0 {
            Ok(0)
        } else {
            Err(Errno::EAGAIN)
        }
    }

    fn pop_front(&mut self) {
        if let Some(chunk) = self.chunks.pop_front() {
            pool::give(chunk.frame);
        }
    }
}

impl Pipe {
    /// A pipe nobody has open yet.
    pub(crate) fn new(owner: (u32, u32)) -> Arc<Self> {
        let state = State {
            chunks: VecDeque::new(),
            slots: DEFAULT_SLOTS,
            readers: 0,
            writers: 0,
            read_opens: 0,
            write_opens: 0,
        };
        Arc::new(Self {
            state: Mutex::new(state),
            readers: WaitQueue::new(),
            writers: WaitQueue::new(),
            either: WaitQueue::new(),
            openers: WaitQueue::new(),
            is_polled: AtomicBool::new(false),
            inode: next_inode(),
            owner,
            created: Timespec::from_ns(host::host().wall_ns()),
        })
    }

    /// `pipe(2)`: an end to read and an end to write. `owner` is user and group ID.
    pub fn pair(owner: (u32, u32)) -> (Arc<PipeEnd>, Arc<PipeEnd>) {
        let pipe = Self::new(owner);
        let reader = PipeEnd::open(&pipe, &[Side::Read], None);
        let writer = PipeEnd::open(&pipe, &[Side::Write], None);
        (Arc::new(reader), Arc::new(writer))
    }

    /// The number in `pipe:[N]`.
    pub fn inode(&self) -> u64 {
        self.inode
    }

    /// Writes without waiting. `EPIPE` without readers (the caller sends SIGPIPE), `EAGAIN` without room; a write of more than
    /// `PIPE_BUF` bytes may go in part.
    pub fn write(&self, from: &mut dyn Source, framing: Framing) -> Result<usize> {
        if from.left() == 0 {
            return Ok(0);
        }
        let (result, was_empty) = {
            let mut state = self.state.lock();
            let was_empty = state.chunks.is_empty();
            (state.write(from, framing), was_empty)
        };
        if result.is_ok() {
            self.bytes_came(was_empty);
        }
        result
    }

    /// Reads without waiting. 0 is the end: nobody has it open for writing.
    pub fn read(&self, into: &mut dyn Sink) -> Result<usize> {
        if into.room() == 0 {
            return Ok(0);
        }
        let (result, has_room_again) = {
            let mut state = self.state.lock();
            let was_full = state.is_full();
            (state.read(into), was_full && !state.is_full())
        };
        if has_room_again {
            self.tell(Side::Write, PollEvents::WRITABLE);
        }
        result
    }

    /// Bytes that can be read (`FIONREAD`).
    pub fn len(&self) -> usize {
        self.state.lock().len()
    }

    /// Whether nothing can be read.
    pub fn is_empty(&self) -> bool {
        self.state.lock().chunks.is_empty()
    }

    /// `F_GETPIPE_SZ`, in bytes.
    pub fn capacity(&self) -> usize {
        self.state.lock().slots * PAGE_SIZE
    }

    /// `F_SETPIPE_SZ`: returns the new capacity. `EPERM` over the limit unless privileged (`CAP_SYS_RESOURCE`), `EBUSY` when
    /// more is in use.
    pub fn set_capacity(&self, bytes: usize, is_privileged: bool) -> Result<usize> {
        if bytes > MAX_BYTES {
            return Err(Errno::EINVAL);
        }
        let bytes = bytes.max(PAGE_SIZE).next_power_of_two();
        let mut state = self.state.lock();
        let slots = bytes / PAGE_SIZE;
        if slots > state.slots && bytes > MAX_UNPRIVILEGED_BYTES && !is_privileged {
            return Err(Errno::EPERM);
        }
        if slots < state.chunks.len() {
            return Err(Errno::EBUSY);
        }
        state.slots = slots;
        drop(state);
        // As Linux does, whether there is more room or less.
        self.tell(Side::Write, PollEvents::empty());
        Ok(bytes)
    }

    /// Readers are told when there was nothing before. Those of a pipe that is polled are told always.
    pub(crate) fn bytes_came(&self, was_empty: bool) {
        if was_empty || self.is_polled.load(Ordering::Relaxed) {
            self.tell(Side::Read, PollEvents::READABLE);
        }
    }

    pub(crate) fn note_poll(&self) {
        self.is_polled.store(true, Ordering::Relaxed);
    }

    pub(crate) fn queue(&self, reads: bool, writes: bool) -> &WaitQueue {
        match (reads, writes) {
            (true, true) => &self.either,
            (false, true) => &self.writers,
            _ => &self.readers,
        }
    }

    pub(crate) fn openers(&self) -> &WaitQueue {
        &self.openers
    }

    pub(crate) fn tell(&self, side: Side, events: PollEvents) {
        self.queue(side == Side::Read, side == Side::Write).wake(events);
        self.either.wake(events);
    }

    pub(crate) fn tell_all(&self, side: Side, events: PollEvents) {
        self.queue(side == Side::Read, side == Side::Write).wake_all(events);
        self.either.wake_all(events);
    }

    pub(crate) fn opened(&self, sides: &[Side]) {
        let mut state = self.state.lock();
        for side in sides {
            match side {
                Side::Read => (state.readers, state.read_opens) = (state.readers + 1, state.read_opens + 1),
                Side::Write => {
                    (state.writers, state.write_opens) = (state.writers + 1, state.write_opens + 1)
                }
            }
        }
        drop(state);
        self.openers.wake_all(PollEvents::IN);
    }

    pub(crate) fn closed(&self, sides: &[Side]) {
        let mut state = self.state.lock();
        for side in sides {
            match side {
                Side::Read => state.readers = state.readers.saturating_sub(1),
                Side::Write => state.writers = state.writers.saturating_sub(1),
            }
        }
        let (readers, writers) = (state.readers, state.writers);
        if readers == 0 && writers == 0 {
            state.chunks = VecDeque::new();
        }
        drop(state);
        if readers > 0 && writers == 0 && sides.contains(&Side::Write) {
            self.tell_all(Side::Read, PollEvents::READABLE | PollEvents::HUP);
        }
        if readers == 0 && writers > 0 && sides.contains(&Side::Read) {
            self.tell_all(Side::Write, PollEvents::WRITABLE | PollEvents::ERR);
        }
    }
}
