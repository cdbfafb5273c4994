//! Moving bytes in and out of pipes without copying them through a program: `splice(2)`, `tee(2)`, `sendfile(2)`.
//!
//! Files may wait for a disk, so a pipe's lock is never held while a file is read or written: bytes are taken out as
//! [`Chunks`], and what the file did not take is put back.

use alloc::collections::VecDeque;

use linux_base::{Errno, PollEvents, Result, Source};
use linux_mm::PAGE_SIZE;

use crate::chunk::{Chunk, Chunks, FrameSink};
use crate::pipe::{Pipe, Side};

impl Pipe {
    /// How many bytes can be put in by pages: for how much a file may be read. `EPIPE` without readers, `EAGAIN` without room,
    /// which is what to wait for before [`Pipe::splice_from`].
    pub fn room(&self) -> Result<usize> {
        let state = self.state.lock();
        match state.free_slots() {
            _ if state.readers == 0 => Err(Errno::EPIPE),
            0 => Err(Errno::EAGAIN),
            slots => Ok(slots * PAGE_SIZE),
        }
    }

    /// Whether [`Pipe::splice_to`] would find bytes, or the end; else `EAGAIN`. Who waits, waits for this: an `EAGAIN` of the splice
    /// itself may be that of the file.
    pub fn ready_to_read(&self) -> Result<()> {
        let state = self.state.lock();
        if state.chunks.is_empty() && state.writers > 0 { Err(Errno::EAGAIN) } else { Ok(()) }
    }

    /// Puts pieces of pages in, the pages as they are. What finds no slot comes back, and so does all when there is no reader.
    pub fn put(&self, chunks: VecDeque<Chunk>) -> VecDeque<Chunk> {
        self.put_some(chunks).0
    }

    /// What found no slot, and how many bytes went in.
    fn put_some(&self, mut chunks: VecDeque<Chunk>) -> (VecDeque<Chunk>, usize) {
        let mut state = self.state.lock();
        let was_empty = state.chunks.is_empty();
        let count = if state.readers == 0 { 0 } else { chunks.len().min(state.free_slots()) };
        if count == 0 || state.chunks.try_reserve(count).is_err() {
            return (chunks, 0);
        }
        let rest = chunks.split_off(count);
        let len = chunks.iter().map(Chunk::len).sum();
        state.chunks.append(&mut chunks);
        drop(state);
        self.bytes_came(was_empty);
        (rest, len)
    }

    /// Takes out up to `len` bytes. Empty when there is nothing; [`Pipe::put_back`] undoes it.
    pub fn take(&self, len: usize) -> Chunks {
        let mut taken = VecDeque::new();
        let mut state = self.state.lock();
        let was_full = state.is_full();
        let mut left = len;
        while left > 0
            && let Some(first) = state.chunks.front_mut()
            && taken.try_reserve(1).is_ok()
        {
            let step = first.len().min(left);
            left -= step;
            if step < first.len() {
                taken.push_back(first.share(step));
                first.start += step;
            } else if let Some(whole) = state.chunks.pop_front() {
                taken.push_back(whole);
            }
        }
        let has_room_again = was_full && !state.is_full();
        drop(state);
        if has_room_again {
            self.tell(Side::Write, PollEvents::WRITABLE);
        }
        Chunks::new(taken)
    }

    /// Puts back what of [`Pipe::take`] was not used, in front of all else.
    pub fn put_back(&self, unused: Chunks) {
        let unused = unused.into_rest();
        if unused.is_empty() {
            return;
        }
        let mut state = self.state.lock();
        let was_empty = state.chunks.is_empty();
        // There may be more pieces than slots now, for a while.
        for chunk in unused.into_iter().rev() {
            state.chunks.push_front(chunk);
        }
        drop(state);
        self.bytes_came(was_empty);
    }

    /// What a read of an empty pipe says: 0 at the end, or `EAGAIN`.
    fn nothing(&self) -> Result<usize> {
        if self.state.lock().writers == 0 { Ok(0) } else { Err(Errno::EAGAIN) }
    }

    /// `splice` to a file: up to `len` bytes go to `write`, which says how many it took.
    pub fn splice_to(
        &self,
        len: usize,
        write: impl FnOnce(&mut dyn Source) -> Result<usize>,
    ) -> Result<usize> {
        if len == 0 {
            return Ok(0);
        }
        let mut chunks = self.take(len);
        let before = chunks.left();
        if before == 0 {
            return self.nothing();
        }
        let result = write(&mut chunks);
        // A file may have pulled what it then could not use.
        let pulled = before - chunks.left();
        let used = result.as_ref().map_or(0, |used| *used);
        chunks.unpull(pulled.saturating_sub(used));
        self.put_back(chunks);
        result
    }

    /// `splice` from a file: `read` fills a buffer of new pages with up to `len` bytes, which go into the pipe.
    pub fn splice_from(
        &self,
        len: usize,
        read: impl FnOnce(&mut FrameSink) -> Result<usize>,
    ) -> Result<usize> {
        if len == 0 {
            return Ok(0);
        }
        let mut sink = FrameSink::new(len.min(self.room()?));
        read(&mut sink)?;
        let chunks = sink.into_chunks();
        let total: usize = chunks.iter().map(Chunk::len).sum();
        if total == 0 {
            return Ok(0);
        }
        let rest = self.put(chunks);
        let lost: usize = rest.iter().map(Chunk::len).sum();
        // Somebody may have written, or closed, while the file was read; a file without offset has then lost bytes.
        if lost == total { self.room().and(Err(Errno::EAGAIN)) } else { Ok(total - lost) }
    }

    /// `splice` between pipes: moves up to `len` bytes here from another pipe.
    pub fn splice_from_pipe(&self, from: &Pipe, len: usize) -> Result<usize> {
        if core::ptr::eq(self, from) {
            return Err(Errno::EINVAL);
        }
        if len == 0 {
            return Ok(0);
        }
        let room = self.room()?;
        let chunks = from.take(len.min(room));
        if chunks.left() == 0 {
            return from.nothing();
        }
        let (rest, moved) = self.put_some(chunks.into_rest());
        from.put_back(Chunks::new(rest));
        if moved == 0 { Err(Errno::EAGAIN) } else { Ok(moved) }
    }

    /// `tee`: up to `len` bytes of another pipe are here too afterwards; the pages are shared.
    pub fn tee_from(&self, from: &Pipe, len: usize) -> Result<usize> {
        if core::ptr::eq(self, from) {
            return Err(Errno::EINVAL);
        }
        if len == 0 {
            return Ok(0);
        }
        self.room()?;
        let mut copies = VecDeque::new();
        {
            let state = from.state.lock();
            let mut left = len;
            for chunk in state.chunks.iter().take(4096) {
                if left == 0 || copies.try_reserve(1).is_err() {
                    break;
                }
                let copy = chunk.share(left);
                left -= copy.len();
                copies.push_back(copy);
            }
        }
        if copies.is_empty() {
            return from.nothing();
        }
        let (_, copied) = self.put_some(copies);
        if copied == 0 { Err(Errno::EAGAIN) } else { Ok(copied) }
    }
}
