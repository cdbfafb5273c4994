//! Named pipes.
//!
//! An inode of the VFS keeps a [`Fifo`]; opening it gives a [`FifoOpening`], which the system-call layer finishes, waiting for
//! the other side as `fifo(7)` says.

use alloc::sync::Arc;

use linux_base::{Errno, Facts, OpenFlags, Result, WaitQueue};

use crate::pipe::{Pipe, Side};
use crate::pipe_end::PipeEnd;

/// A named pipe. What was written is lost when the last end closes.
pub struct Fifo {
    pipe: Arc<Pipe>,
}

impl Default for Fifo {
    fn default() -> Self {
        Self::new()
    }
}

impl Fifo {
    /// A FIFO that nobody has open.
    pub fn new() -> Self {
        Self { pipe: Pipe::new((0, 0)) }
    }

    /// Begins to open it. From now on the other side sees this one; dropping the opening ends that. `ENXIO` for writing
    /// without waiting when there is no reader.
    pub fn open(&self, flags: OpenFlags, facts: Arc<dyn Facts>) -> Result<FifoOpening> {
        let is_waiting = !flags.contains(OpenFlags::NONBLOCK);
        let (sides, other): (&[Side], _) = match (flags.can_read(), flags.can_write()) {
            (true, true) => (&[Side::Read, Side::Write], None),
            (true, false) => (&[Side::Read], Some(Side::Write)),
            (false, true) => (&[Side::Write], Some(Side::Read)),
            (false, false) => return Err(Errno::EINVAL),
        };
        let (readers, writers, opens) = {
            let state = self.pipe.state.lock();
            let opens = if other == Some(Side::Read) { state.read_opens } else { state.write_opens };
            (state.readers, state.writers, opens)
        };
        if !is_waiting && other == Some(Side::Read) && readers == 0 {
            return Err(Errno::ENXIO);
        }
        let is_missing = match other {
            Some(Side::Read) => readers == 0,
            Some(Side::Write) => writers == 0,
            None => false,
        };
        let mut end = PipeEnd::open(&self.pipe, sides, Some(facts));
        if is_missing && !is_waiting {
            end.expect_writer();
        }
        let waits_for = other.filter(|_| is_missing && is_waiting).map(|side| (side, opens));
        Ok(FifoOpening { end: Arc::new(end), waits_for })
    }
}

/// A FIFO that is being opened.
pub struct FifoOpening {
    end: Arc<PipeEnd>,
    /// The side that must come, and how often it had come before.
    waits_for: Option<(Side, u64)>,
}

impl FifoOpening {
    /// The open end; `EAGAIN` as long as the other side has not come.
    pub fn finish(&self) -> Result<Arc<PipeEnd>> {
        if let Some((side, before)) = self.waits_for {
            let state = self.end.pipe().state.lock();
            // A partner that has come and gone again counts.
            let opens = if side == Side::Read { state.read_opens } else { state.write_opens };
            if opens == before {
                return Err(Errno::EAGAIN);
            }
        }
        Ok(self.end.clone())
    }

    /// Where to wait while [`FifoOpening::finish`] says `EAGAIN`.
    pub fn queue(&self) -> &WaitQueue {
        self.end.pipe().openers()
    }
}
