//! Output on its way: the ring, the buffer behind it, and what was lost. Nothing here waits.

use alloc::collections::VecDeque;

use xen::byte_ring::ByteRingLayout;
use xen::{ByteWriter, PeerMisbehaved, SharedMemory};
use xen_sys::io::console as abi;

const RING: ByteWriter = ByteWriter::new(ByteRingLayout {
    data: abi::OUT,
    len: abi::OUT_LEN,
    cons: abi::OUT_CONS,
    prod: abi::OUT_PROD,
});

/// Bytes that wait behind a full ring, at most.
pub const BUFFER_MAX: usize = 16 * 1024;
/// A buffer larger than this is given back when it is empty.
const BUFFER_KEPT: usize = 1024;
/// `\r\n[console: 18446744073709551615 bytes lost]\r\n`
const NOTICE_MAX: usize = 64;

pub struct Output {
    buffer: VecDeque<u8>,
    /// The last byte that went out: a line feed after a carriage return needs no other one.
    last: u8,
    /// Lost and not yet told.
    lost: u64,
    lost_in_all: u64,
    /// Somebody waited for the reader in vain, and it has not moved since.
    reader_stuck: bool,
    /// The ring has got bytes that the reader was not told of.
    moved: bool,
    broken: Option<PeerMisbehaved>,
}

impl Output {
    pub const fn new() -> Self {
        Self {
            buffer: VecDeque::new(),
            last: b'\n',
            lost: 0,
            lost_in_all: 0,
            reader_stuck: false,
            moved: false,
            broken: None,
        }
    }

    pub fn check(&self) -> Result<(), PeerMisbehaved> {
        self.broken.map_or(Ok(()), Err)
    }

    pub fn end(&mut self, why: PeerMisbehaved) {
        self.broken = Some(why);
        self.buffer.clear();
    }

    pub fn reader_is_stuck(&self) -> bool {
        self.reader_stuck
    }

    pub fn set_reader_stuck(&mut self) {
        self.reader_stuck = true;
    }

    pub fn lose(&mut self, len: usize) {
        self.lost += len as u64;
        self.lost_in_all += len as u64;
    }

    pub fn lost_in_all(&self) -> u64 {
        self.lost_in_all
    }

    pub fn take_moved(&mut self) -> bool {
        core::mem::take(&mut self.moved)
    }

    /// Bytes that are still to go out before all of `rest` has.
    pub fn left(&self, rest: &[u8]) -> usize {
        self.buffer.len() + rest.len()
    }

    /// Whether the reader has taken everything; so it has, in a way, when the console has ended.
    pub fn all_taken<M: SharedMemory>(&self, memory: &M) -> bool {
        let free = RING.free(memory).unwrap_or(abi::OUT_LEN);
        self.broken.is_some() || (self.buffer.is_empty() && self.lost == 0 && free == abi::OUT_LEN)
    }

    /// Puts text in the ring and the buffer; returns what fits in neither. A console that has ended swallows it.
    pub fn write<'a, M: SharedMemory>(&mut self, memory: &M, text: &'a [u8]) -> &'a [u8] {
        let mut rest = self.write_to_ring(memory, text);
        if self.buffer.is_empty() && self.buffer.capacity() > BUFFER_KEPT {
            self.buffer = VecDeque::new();
        }
        if rest.is_empty() || self.lost > 0 {
            return rest;
        }
        // No memory is like no room.
        let lines = rest.iter().filter(|byte| **byte == b'\n').count();
        let want = (rest.len() + lines).next_multiple_of(BUFFER_KEPT).min(BUFFER_MAX - self.buffer.len());
        let _ = self.buffer.try_reserve_exact(want);
        let room = self.buffer.capacity().min(BUFFER_MAX);
        while let Some((byte, after)) = rest.split_first() {
            let returns = usize::from(self.needs_return(*byte));
            if self.buffer.len() + returns + 1 > room {
                break;
            }
            if returns == 1 {
                self.buffer.push_back(b'\r');
            }
            self.buffer.push_back(*byte);
            self.last = *byte;
            rest = after;
        }
        rest
    }

    /// Puts the buffer, and text after it, in the ring; returns what did not fit. Neither allocates nor frees.
    pub fn write_to_ring<'a, M: SharedMemory>(&mut self, memory: &M, text: &'a [u8]) -> &'a [u8] {
        self.try_write_to_ring(memory, text).unwrap_or_else(|why| {
            self.end(why);
            b""
        })
    }

    fn try_write_to_ring<'a, M: SharedMemory>(
        &mut self,
        memory: &M,
        text: &'a [u8],
    ) -> Result<&'a [u8], PeerMisbehaved> {
        let mut rest = text;
        if !self.write_earlier(memory)? {
            return Ok(rest);
        }
        while !rest.is_empty() {
            // As far as no carriage return must be put in.
            let plain = rest.iter().scan(self.last, |last, byte| {
                let before = core::mem::replace(last, *byte);
                Some(*byte != b'\n' || before == b'\r')
            });
            let plain = plain.take_while(|plain| *plain).count();
            let count = if plain > 0 {
                RING.write(memory, &rest[..plain])?
            } else if RING.free(memory)? >= 2 {
                RING.write(memory, b"\r\n")?;
                1
            } else {
                0
            };
            if count == 0 {
                break;
            }
            self.last = rest[count - 1];
            rest = &rest[count..];
            self.note_moved();
        }
        Ok(rest)
    }

    /// Puts bytes in the ring as they are, after what is buffered; returns how many. A console that has ended swallows them.
    pub fn write_raw<M: SharedMemory>(&mut self, memory: &M, bytes: &[u8]) -> usize {
        self.try_write_raw(memory, bytes).unwrap_or_else(|why| {
            self.end(why);
            bytes.len()
        })
    }

    fn try_write_raw<M: SharedMemory>(&mut self, memory: &M, bytes: &[u8]) -> Result<usize, PeerMisbehaved> {
        if !self.write_earlier(memory)? {
            return Ok(0);
        }
        let count = RING.write(memory, bytes)?;
        if let Some(last) = count.checked_sub(1).and_then(|at| bytes.get(at)) {
            self.last = *last;
            self.note_moved();
        }
        Ok(count)
    }

    /// Puts the buffer and the notice of a loss in the ring; `false` if there is no room for all of it.
    fn write_earlier<M: SharedMemory>(&mut self, memory: &M) -> Result<bool, PeerMisbehaved> {
        self.check()?;
        while !self.buffer.is_empty() {
            let count = RING.write(memory, self.buffer.as_slices().0)?;
            if count == 0 {
                return Ok(false);
            }
            self.buffer.drain(..count);
            self.note_moved();
        }
        Ok(self.lost == 0 || self.tell_loss(memory)?)
    }

    /// Says how much was lost; `false` if there is no room to say it yet.
    fn tell_loss<M: SharedMemory>(&mut self, memory: &M) -> Result<bool, PeerMisbehaved> {
        if RING.free(memory)? < NOTICE_MAX {
            return Ok(false);
        }
        if self.last != b'\n' {
            RING.write(memory, b"\r\n")?;
        }
        RING.write(memory, b"[console: ")?;
        let (mut digits, mut at, mut number) = ([0; 20], 20, self.lost);
        while number > 0 {
            at -= 1;
            digits[at] = b'0' + (number % 10) as u8;
            number /= 10;
        }
        RING.write(memory, &digits[at..])?;
        RING.write(memory, b" bytes lost]\r\n")?;
        self.last = b'\n';
        self.lost = 0;
        self.note_moved();
        Ok(true)
    }

    fn needs_return(&self, byte: u8) -> bool {
        byte == b'\n' && self.last != b'\r'
    }

    fn note_moved(&mut self) {
        self.moved = true;
        self.reader_stuck = false;
    }
}
