//! Waiting for many files: `poll(2)`, `select(2)` and their kin.

use linux_base::{Errno, PollEvents, Result};
use linux_event::{FdSets, PollSet};
use linux_task::limits::Resource;
use linux_task::signal::SigSet;

use crate::memory::Duration;
use crate::signal::restart;
use crate::task::Task;

/// Bytes of `struct pollfd`.
const POLLFD: u64 = 8;
const KERNEL_SIGSET: usize = 8;

/// `poll(2)`: a negative time-out is none.
pub fn poll(task: &mut Task, fds: u64, count: u32, timeout_ms: i32) -> Result<usize> {
    let deadline = deadline_of_ms(timeout_ms);
    let ready = poll_until(task, fds, count, deadline);
    // With the deadline kept, the call could go on where it was; without, it begins anew.
    ready.map_err(|errno| if errno == Errno::EINTR { restart::unless_handled() } else { errno })
}

/// `ppoll(2)`: the mask holds while it waits; what is left of the time-out is told.
pub fn ppoll(task: &mut Task, fds: u64, count: u32, timeout: u64, mask: u64, size: usize) -> Result<usize> {
    let timeout = Timeout::read(task, timeout)?;
    task.set_call_mask(mask, size)?;
    let ready = poll_until(task, fds, count, timeout.deadline_ns);
    timeout.finish(task, ready)
}

fn poll_until(task: &Task, fds: u64, count: u32, deadline_ns: Option<u64>) -> Result<usize> {
    if u64::from(count) > task.process().limit(Resource::Files) {
        return Err(Errno::EINVAL);
    }
    let count = count as usize;
    let mut entries = alloc::vec::Vec::new();
    entries.try_reserve_exact(count * POLLFD as usize)?;
    entries.resize(count * POLLFD as usize, 0);
    task.space().read_bytes(fds, &mut entries)?;

    let files = task.files()?;
    let mut set = PollSet::with_capacity(count)?;
    for entry in entries.chunks_exact(POLLFD as usize) {
        let (fd, wanted) = entry_of(entry);
        match fd {
            ..0 => set.push_ignored()?,
            _ => set.push(files.get(fd).ok(), wanted)?,
        }
    }
    drop(files);
    let ready = set.wait(deadline_ns)?;
    for place in 0..count {
        let events = set.events(place).bits() as u16;
        let address = fds.wrapping_add(place as u64 * POLLFD + 6);
        task.space().write_bytes(address, &events.to_le_bytes())?;
    }
    Ok(ready)
}

/// Descriptor and events of a `struct pollfd`.
fn entry_of(entry: &[u8]) -> (i32, PollEvents) {
    let word = |at: usize| entry.get(at).copied().unwrap_or(0);
    let fd = i32::from_le_bytes([word(0), word(1), word(2), word(3)]);
    let wanted = u16::from_le_bytes([word(4), word(5)]);
    (fd, PollEvents::from_bits_truncate(wanted.into()))
}

/// `select(2)`: Linux tells what is left of the time-out in its place.
pub fn select(
    task: &mut Task,
    count: i32,
    read: u64,
    write: u64,
    except: u64,
    timeout: u64,
) -> Result<usize> {
    let deadline_ns = if timeout == 0 {
        None
    } else {
        let bytes: [u8; 16] = task.space().read_array(timeout)?;
        let (seconds, micros) = bytes.split_at(8);
        let number = |bytes: &[u8]| i64::from_le_bytes(bytes.try_into().unwrap_or_default());
        let (seconds, micros) = (number(seconds), number(micros));
        if seconds < 0 || micros < 0 {
            return Err(Errno::EINVAL);
        }
        let ns = (seconds as u64)
            .saturating_mul(1_000_000_000)
            .saturating_add((micros as u64).saturating_mul(1000));
        Some(deadline_in(ns))
    };
    let timeout = Timeout { address: timeout, deadline_ns, is_timeval: true };
    let ready = select_until(task, count, [read, write, except], timeout.deadline_ns);
    timeout.finish(task, ready)
}

/// `pselect6(2)`: `mask` points to the address of a mask and its size.
pub fn pselect6(
    task: &mut Task,
    count: i32,
    read: u64,
    write: u64,
    except: u64,
    timeout: u64,
    mask: u64,
) -> Result<usize> {
    let timeout = Timeout::read(task, timeout)?;
    if mask != 0 {
        let (address, size) = (task.space().read_u64(mask)?, task.space().read_u64(mask.wrapping_add(8))?);
        task.set_call_mask(address, usize::try_from(size).unwrap_or(usize::MAX))?;
    }
    let ready = select_until(task, count, [read, write, except], timeout.deadline_ns);
    timeout.finish(task, ready)
}

fn select_until(task: &Task, count: i32, addresses: [u64; 3], deadline_ns: Option<u64>) -> Result<usize> {
    let count = usize::try_from(count).map_err(|_| Errno::EINVAL)?;
    let files = task.files()?;
    // Higher descriptors than the table has are not looked at.
    let count = count.min(match files.len() {
        0..=64 => 64,
        len => len.next_power_of_two().max(256),
    });
    let len = FdSets::bytes_for(count);
    let mut sets = FdSets::default();
    for (words, address) in sets.sets.iter_mut().zip(addresses) {
        if address != 0 {
            words.try_reserve_exact(len / 8)?;
            for word in 0..len / 8 {
                words.push(task.space().read_u64(address.wrapping_add(word as u64 * 8))?);
            }
        }
    }
    let file = |fd: usize| i32::try_from(fd).ok().and_then(|fd| files.get(fd).ok());
    let (poll_set, fds) = sets.prepare(count, file)?;
    poll_set.wait(deadline_ns)?;
    let (result, ready) = sets.result(&poll_set, &fds);
    for (words, address) in result.sets.iter().zip(addresses) {
        if address != 0 {
            for (word, value) in words.iter().enumerate() {
                task.space().write_u64(address.wrapping_add(word as u64 * 8), *value)?;
            }
        }
    }
    Ok(ready)
}

/// When so many nanoseconds have passed. Never 0 but for a wait of none.
pub fn deadline_in(ns: u64) -> u64 {
    if ns == 0 { 0 } else { minios::time::now_ns().saturating_add(ns) }
}

/// A time-out in milliseconds; a negative one is none.
pub fn deadline_of_ms(timeout_ms: i32) -> Option<u64> {
    u64::try_from(timeout_ms).ok().map(|ms| deadline_in(ms * 1_000_000))
}

/// A time-out in a program's memory, where what is left of it is told.
pub struct Timeout {
    address: u64,
    /// When it is over.
    pub deadline_ns: Option<u64>,
    is_timeval: bool,
}

impl Timeout {
    /// A `timespec`; a null pointer is no time-out.
    pub fn read(task: &Task, address: u64) -> Result<Self> {
        let deadline_ns =
            if address == 0 { None } else { Some(deadline_in(task.read_timespec(address)?.as_ns())) };
        Ok(Self { address, deadline_ns, is_timeval: false })
    }

    /// Tells what is left, and makes the end by a signal one after which the call is made again if no handler ran.
    pub fn finish<T>(&self, task: &Task, result: Result<T>) -> Result<T> {
        if let Some(deadline) = self.deadline_ns.filter(|_| self.address != 0) {
            let left = deadline.saturating_sub(minios::time::now_ns());
            let bytes =
                if self.is_timeval { Duration::timeval_of_ns(left) } else { Duration::bytes_of_ns(left) };
            // Linux does not mind memory that cannot be written here, either.
            let _ = task.space().write_bytes(self.address, &bytes);
        }
        result.map_err(|errno| if errno == Errno::EINTR { restart::unless_handled() } else { errno })
    }
}

impl Task {
    /// Has the signal mask at `address`, unless that is null, hold until the running call is over. `EINVAL` for another size than
    /// that of a mask.
    pub fn set_call_mask(&self, address: u64, size: usize) -> Result<()> {
        if address == 0 {
            return Ok(());
        }
        if size != KERNEL_SIGSET {
            return Err(Errno::EINVAL);
        }
        let mask = SigSet::mask(self.space().read_u64(address)?);
        let mut signals = self.thread.signals.lock();
        let old = core::mem::replace(&mut signals.mask, mask);
        signals.saved_mask.get_or_insert(old);
        Ok(())
    }
}
