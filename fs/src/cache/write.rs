//! Writing: into lines, or around them.

use super::gather::Goal;
use super::{Cache, LINE, State, Work, lines_of};
use crate::block::{BlockError, BlockRead, BlockWrite, check_range};

/// Why a line can not take bytes now.
enum Obstacle {
    /// It is not here, and not all of it is written.
    Absent,
    /// There is no room for it.
    NoRoom,
    /// It is dirty in front of a barrier.
    Ordered(u64),
    /// The device has grown, and it is of before.
    Short,
}

/// How often a writer tries to find room for a line: others may take what it has made.
const ATTEMPTS: u32 = 64;

impl<D: BlockWrite> Cache<D> {
    /// Writes bytes anywhere. They are in the cache afterwards, and seen by every reader; [`Cache::sync`] says when they are safe. Where
    /// much is dirty, the caller writes back before it returns. An error of that is none of this write's; but a write for which
    /// no room can be made fails.
    pub fn write(&self, offset_bytes: u64, data: &[u8]) -> Result<(), BlockError> {
        self.check_writable()?;
        check_range(offset_bytes, data.len(), self.size_bytes())?;
        let mut done = 0;
        while let Some(rest) = data.get(done..).filter(|rest| !rest.is_empty()) {
            let offset = offset_bytes + done as u64;
            let within = (offset % LINE as u64) as usize;
            let len = rest.len().min(LINE - within);
            self.write_line(offset / LINE as u64, within, rest.get(..len).unwrap_or_default())?;
            done += len;
            self.throttle();
        }
        Ok(())
    }

    fn write_line(&self, number: u64, within: usize, bytes: &[u8]) -> Result<(), BlockError> {
        for _ in 0..ATTEMPTS {
            match self.put(number, within, bytes) {
                Ok(()) => return Ok(()),
                Err(Obstacle::Absent) => {
                    self.load(number)?;
                    // What was fetched finds no room where all others are dirty.
                    if self.state.lock().is_crowded(number) {
                        self.make_room()?;
                    }
                }
                Err(Obstacle::NoRoom) => self.make_room()?,
                Err(Obstacle::Ordered(order)) => {
                    let baton = self.baton();
                    self.store(&baton, Goal::Order(order))?;
                }
                Err(Obstacle::Short) => self.write_back(Goal::Range(number, number + 1))?,
            }
            check_range(number * LINE as u64 + within as u64, bytes.len(), self.size_bytes())?;
        }
        Err(BlockError::OutOfMemory { len: LINE })
    }

    fn make_room(&self) -> Result<(), BlockError> {
        let most = self.state.lock().lines.len() / 4;
        self.write_back(Goal::Below(most))
    }

    fn put(&self, number: u64, within: usize, bytes: &[u8]) -> Result<(), Obstacle> {
        let mut state = self.state.lock();
        let state = &mut *state;
        let len = state.line_len(number);
        match state.lines.get(number) {
            Some(line) if line.dirty && line.order < state.order => {
                return Err(Obstacle::Ordered(line.order));
            }
            Some(line) if line.len >= len => {}
            Some(line) if !line.is_clean() => return Err(Obstacle::Short),
            found => {
                if found.is_some() {
                    drop(state.lines.remove(number));
                }
                if within > 0 || bytes.len() < len {
                    return Err(Obstacle::Absent);
                }
                state.lines.insert(number, len, &*self.host).ok_or(Obstacle::NoRoom)?;
            }
        }
        let line = state.lines.get_mut(number).ok_or(Obstacle::NoRoom)?;
        let into = line.bytes_mut().get_mut(within..).and_then(|rest| rest.get_mut(..bytes.len()));
        into.ok_or(Obstacle::Absent)?.copy_from_slice(bytes);
        let (epoch, order) = (state.epoch, state.order);
        state.lines.soil(number, epoch, order);
        state.outdate(number, number + 1);
        Ok(())
    }

    /// Has who writes in the background begin, and the caller write back where too much is dirty.
    fn throttle(&self) {
        let (work, is_too_much) = {
            let mut state = self.state.lock();
            let dirty = state.lines.dirty_len() * LINE;
            let is_hurried = dirty >= self.options.background_bytes;
            let work = match (is_hurried, dirty > 0) {
                (true, _) if !core::mem::replace(&mut state.is_hurried, true) => Some(Work::Now),
                (false, true) if !core::mem::replace(&mut state.is_tended, true) => Some(Work::Soon),
                _ => None,
            };
            let is_too_much = dirty > self.options.dirty_bytes;
            state.stats.throttled += u64::from(is_too_much);
            (work, is_too_much)
        };
        if let Some(work) = work {
            self.host.work(work);
        }
        if is_too_much {
            // What fails is told to those who ask whether it is safe.
            let _ = self.write_back(Goal::Below(self.options.dirty_bytes / LINE / 4 * 3));
        }
    }

    fn check_writable(&self) -> Result<(), BlockError> {
        if self.device.is_read_only() { Err(BlockError::ReadOnly) } else { Ok(()) }
    }

    /// Whether this range can go around the cache: whole sectors that are there.
    fn check_direct(&self, offset: u64, len: u64) -> Result<(), BlockError> {
        self.check_writable()?;
        let unit = self.device.sector_bytes();
        if !(offset | len).is_multiple_of(u64::from(unit)) {
            return Err(BlockError::Unaligned { offset, len, unit });
        }
        let size = self.size_bytes();
        match offset.checked_add(len) {
            Some(end) if end <= size => Ok(()),
            _ => Err(BlockError::OutOfRange { offset, len, size }),
        }
    }

    /// Writes whole sectors to the device and not into the cache; lines that are here change with them. Behind a barrier, what is in
    /// front of it goes first. `is_durable`: it is on stable storage afterwards.
    pub fn write_direct(&self, offset: u64, data: &[u8], is_durable: bool) -> Result<(), BlockError> {
        self.check_direct(offset, data.len() as u64)?;
        let baton = self.baton();
        self.reach_order(&baton)?;
        self.open_device();
        let written = match is_durable {
            true => self.device.write_durable(offset, data),
            false => self.device.write(offset, data),
        };
        let mut state = self.state.lock();
        let state = &mut *state;
        state.stats.device_writes += 1;
        state.stats.written_bytes += data.len() as u64;
        state.open_order = Some(state.order);
        let (first, end) = lines_of(offset, data.len() as u64);
        state.outdate(first, end);
        let mut next = first;
        while let Some(number) = state.lines.first_in(next, end) {
            next = number + 1;
            if written.is_err() {
                // Nobody knows what the device has now.
                if state.lines.get(number).is_some_and(|line| line.is_clean()) {
                    drop(state.lines.remove(number));
                }
            } else if let Some(line) = state.lines.get_mut(number) {
                overlay(line.bytes_mut(), number * LINE as u64, offset, data);
            }
        }
        written
    }

    /// Discards whole sectors: their content is anything afterwards, and what was written to them before is not kept.
    pub fn discard(&self, offset: u64, len: u64) -> Result<(), BlockError> {
        self.check_direct(offset, len)?;
        let baton = self.baton();
        self.reach_order(&baton)?;
        self.open_device();
        let discarded = self.device.discard(offset, len);
        let mut state = self.state.lock();
        let state = &mut *state;
        state.open_order = Some(state.order);
        let (first, end) = lines_of(offset, len);
        state.outdate(first, end);
        let size = state.size;
        let mut next = first;
        while let Some(number) = state.lines.first_in(next, end) {
            next = number + 1;
            let start = number * LINE as u64;
            let is_whole = start >= offset && (start + LINE as u64).min(size) <= offset + len;
            let is_clean = state.lines.get(number).is_some_and(|line| line.is_clean());
            // A part of a line that is dirty stays as it was, and is written as that.
            if is_clean || is_whole && discarded.is_ok() {
                drop(state.lines.remove(number));
            }
        }
        discarded
    }

    /// Looks how large the device is now. What is dirty behind a new end is lost, and an error for all who ask.
    pub fn refresh_size(&self) -> Result<u64, BlockError> {
        let baton = self.baton();
        let size = self.device.size_bytes();
        let old = self.size_bytes();
        if size == old {
            return Ok(size);
        }
        let edge = size.min(old) / LINE as u64;
        if size > old && !old.is_multiple_of(LINE as u64) {
            // The last line becomes longer: it is fetched anew, when the device has it.
            self.pass(&baton, Goal::Range(edge, edge + 1))?;
        }
        let mut state = self.state.lock();
        let state = &mut *state;
        state.outdate(edge, u64::MAX);
        let mut next = edge;
        while let Some(number) = state.lines.first_in(next, u64::MAX) {
            next = number + 1;
            state.resize_line(number, size);
        }
        state.size = size;
        Ok(size)
    }
}

impl State {
    /// Whether a line that was fetched is not here, and perhaps because of what is dirty.
    fn is_crowded(&self, number: u64) -> bool {
        !self.lines.contains(number) && self.lines.dirty_len() > 0
    }

    /// The device has another size: a line at its old or new end.
    fn resize_line(&mut self, number: u64, size: u64) {
        let start = number * LINE as u64;
        let len = size.saturating_sub(start).min(LINE as u64) as usize;
        let Some(line) = self.lines.get_mut(number) else { return };
        if line.is_clean() {
            drop(self.lines.remove(number));
        } else if len > 0 {
            // What is dirty of it is written, as far as the device goes.
            line.len = line.len.min(len);
        } else {
            self.stats.lost_bytes += line.len as u64;
            self.errors.record(BlockError::Shrunk { offset: start, size });
            drop(self.lines.remove(number));
        }
    }
}

/// Puts what of `data`, at `offset` of the device, lies in a line over the line's bytes.
fn overlay(line: &mut [u8], start: u64, offset: u64, data: &[u8]) {
    let from = offset.max(start);
    let end = (offset + data.len() as u64).min(start + line.len() as u64);
    let Some(len) = end.checked_sub(from).map(|len| len as usize) else { return };
    let (at, of) = ((from - start) as usize, (from - offset) as usize);
    if let (Some(into), Some(bytes)) = (line.get_mut(at..at + len), data.get(of..of + len)) {
        into.copy_from_slice(bytes);
    }
}
