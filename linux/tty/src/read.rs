//! Reading what was typed: line by line, or as `VMIN` and `VTIME` say.

use linux_base::abi::general::{VMIN, VTIME};
use linux_base::{Result, Sink};

use crate::discipline::{Discipline, Ends};

/// With how little a read of bytes that are no lines is content.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Content {
    /// With `VMIN` bytes.
    Enough,
    /// With one (`O_NONBLOCK`).
    Any,
    /// With what there is: the time of `VTIME` is over.
    Whatever,
}

/// Nanoseconds of the unit of `VTIME`.
const TENTH_NS: u64 = 100_000_000;

impl Discipline {
    /// Whether `poll` says that it is readable.
    pub fn is_readable(&self) -> bool {
        if self.termios.is_canonical() {
            return self.complete > 0;
        }
        let has_time = self.termios.cc(VTIME) > 0;
        let wanted = if has_time { 1 } else { self.termios.cc(VMIN).max(1) };
        self.cells.len() >= usize::from(wanted)
    }

    /// How many bytes can be read (`FIONREAD`).
    pub fn readable_len(&self) -> usize {
        if self.termios.is_canonical() {
            self.cells.iter().take(self.complete).filter(|cell| cell.ends != Ends::Eof).count()
        } else {
            self.cells.len()
        }
    }

    /// Reads; `None`: wait for more.
    pub fn read(&mut self, into: &mut dyn Sink, content: Content) -> Result<Option<usize>> {
        if self.termios.is_canonical() {
            if self.complete == 0 { Ok(None) } else { self.read_line(into).map(Some) }
        } else {
            self.read_bytes(into, content)
        }
    }

    fn read_bytes(&mut self, into: &mut dyn Sink, content: Content) -> Result<Option<usize>> {
        let (min, time) = (usize::from(self.termios.cc(VMIN)), self.termios.cc(VTIME));
        let available = self.cells.len();
        let is_enough = match (available, content) {
            (_, Content::Whatever) => true,
            (0, _) => min == 0 && time == 0,
            (_, Content::Any) => true,
            (_, Content::Enough) => available >= min.min(into.room()),
        };
        if !is_enough {
            return Ok(None);
        }
        self.take(into, available).map(Some)
    }

    /// At most one line. An end-of-file character behind the last byte that there is room for goes too, else the next read
    /// would take it for an end of file.
    fn read_line(&mut self, into: &mut dyn Sink) -> Result<usize> {
        let room = into.room();
        let end = self.cells.iter().take(self.complete).position(|cell| cell.ends != Ends::No);
        let is_eof = |cell: usize| self.cells.get(cell).is_some_and(|cell| cell.ends == Ends::Eof);
        let (len, skips_eof) = match end {
            Some(end) if end <= room && is_eof(end) => (end, true),
            Some(end) if end < room => (end + 1, false),
            _ => (room.min(self.complete), false),
        };
        let taken = self.take(into, len)?;
        if skips_eof && taken == len {
            self.cells.pop_front();
            self.complete = self.complete.saturating_sub(1);
        }
        Ok(taken)
    }

    /// Moves up to `len` bytes to a program.
    fn take(&mut self, into: &mut dyn Sink, len: usize) -> Result<usize> {
        let mut done = 0;
        let mut buffer = [0; 256];
        while done < len && into.room() > 0 {
            let wanted = (len - done).min(into.room()).min(buffer.len());
            for (place, cell) in buffer.iter_mut().zip(self.cells.iter().take(wanted)) {
                *place = cell.byte;
            }
            let pushed = match into.push(buffer.get(..wanted).unwrap_or_default()) {
                Ok(pushed) => pushed,
                Err(errno) if done == 0 => return Err(errno),
                Err(_) => break,
            };
            self.cells.drain(..pushed.min(self.cells.len()));
            self.complete = self.complete.saturating_sub(pushed);
            done += pushed;
            if pushed < wanted {
                break;
            }
        }
        Ok(done)
    }

    /// When a read that began at `started_ns` is to be content with what there is; the last byte came at `last_byte_ns`.
    pub fn read_deadline(&self, started_ns: u64, last_byte_ns: u64) -> Option<u64> {
        let time = u64::from(self.termios.cc(VTIME));
        if self.termios.is_canonical() || time == 0 {
            return None;
        }
        match self.termios.cc(VMIN) {
            0 => Some(started_ns.saturating_add(time * TENTH_NS)),
            _ if self.cells.is_empty() => None,
            _ => Some(last_byte_ns.max(started_ns).saturating_add(time * TENTH_NS)),
        }
    }
}
