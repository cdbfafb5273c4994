//! What waits: objects only offer tries.

use linux_base::wait::{Interruptible, wait_until};
use linux_base::{Errno, OpenFile, Result, Sink, Source};

use linux_socket::Socket;

use crate::call::poll::deadline_in;
use crate::signal::restart;

/// Tries until it is not `EAGAIN`, waiting in between if the file is to. `deadline_ns` makes it `EAGAIN` after all. A signal makes it
/// restartable.
pub fn wait_for<T>(
    open: &OpenFile,
    is_blocking: bool,
    deadline_ns: Option<u64>,
    mut attempt: impl FnMut() -> Result<T>,
) -> Result<T> {
    // A terminal has sent a signal to the caller, who is in the background.
    let mut attempt = || match attempt() {
        Err(Errno::ERESTART) => Err(restart::restartable()),
        other => other,
    };
    match attempt() {
        Err(Errno::EAGAIN) if is_blocking => {}
        other => return other,
    }
    let Some(queue) = open.file().queue() else { return Err(Errno::EAGAIN) };
    let outcome = wait_until(&[queue], deadline_ns, Interruptible::Yes, || match attempt() {
        Err(Errno::EAGAIN) => None,
        other => Some(other),
    });
    match outcome {
        Ok(result) => result,
        Err(Errno::ETIMEDOUT) => Err(Errno::EAGAIN),
        Err(Errno::EINTR) => Err(restart::restartable()),
        Err(errno) => Err(errno),
    }
}

/// When a wait for a socket ends by its `SO_RCVTIMEO` or `SO_SNDTIMEO`.
fn deadline(open: &OpenFile, timeout: impl FnOnce(&Socket) -> Option<u64>) -> Option<u64> {
    open.downcast::<Socket>().and_then(timeout).map(deadline_in)
}

/// Reads, waiting until there is something.
pub fn read_blocking(open: &OpenFile, offset: Option<u64>, into: &mut dyn Sink, rwf: u32) -> Result<usize> {
    const RWF_NOWAIT: u32 = 8;
    let is_blocking = open.is_blocking() && rwf & RWF_NOWAIT == 0;
    let deadline_ns = if is_blocking { deadline(open, Socket::receive_timeout_ns) } else { None };
    wait_for(open, is_blocking, deadline_ns, || open.read(offset, into, rwf))
}

/// Writes all, waiting for room; what was written before an error or a signal counts.
pub fn write_blocking(
    open: &OpenFile,
    offset: Option<u64>,
    from: &mut dyn Source,
    rwf: u32,
) -> Result<usize> {
    const RWF_NOWAIT: u32 = 8;
    let is_blocking = open.is_blocking() && rwf & RWF_NOWAIT == 0;
    // Some take bytes without looking at them.
    let total = from.left();
    let deadline_ns = if is_blocking { deadline(open, Socket::send_timeout_ns) } else { None };
    let mut done = 0;
    loop {
        let at = offset.map(|offset| offset + done as u64);
        match wait_for(open, is_blocking, deadline_ns, || open.write(at, from, rwf)) {
            Ok(0) => return Ok(done),
            Ok(written) => done += written,
            Err(_) if done > 0 => return Ok(done),
            Err(errno) => return Err(errno),
        }
        // Only what waits comes back for more.
        if done >= total || from.left() == 0 || !is_blocking {
            return Ok(done);
        }
    }
}
