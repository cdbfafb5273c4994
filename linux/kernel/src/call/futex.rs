//! `futex(2)`, and the list of robust futexes.

use core::sync::atomic::AtomicBool;

use linux_base::{Errno, Result};
use linux_mm::{AddressSpace, FutexKey};
use linux_task::futex::{ANY, FutexTable, WakeOp};
use linux_task::robust;

use super::poll::deadline_in;
use crate::dispatch;
use crate::signal::restart;
use crate::task::{Task, table};

static TABLE: FutexTable<FutexKey> = FutexTable::new();

const PRIVATE: i32 = 128;
const CLOCK_REALTIME: i32 = 256;

const WAIT: i32 = 0;
const WAKE: i32 = 1;
const REQUEUE: i32 = 3;
const CMP_REQUEUE: i32 = 4;
const WAKE_OP: i32 = 5;
const LOCK_PI: i32 = 6;
const UNLOCK_PI: i32 = 7;
const TRYLOCK_PI: i32 = 8;
const WAIT_BITSET: i32 = 9;
const WAKE_BITSET: i32 = 10;
const WAIT_REQUEUE_PI: i32 = 11;
const CMP_REQUEUE_PI: i32 = 12;
const LOCK_PI2: i32 = 13;

/// `futex(2)`. The PI operations are not there: `ENOSYS`.
pub fn futex(
    task: &mut Task,
    address: u64,
    operation: i32,
    value: u32,
    timeout: u64,
    address2: u64,
    value3: u32,
) -> Result<usize> {
    let is_shared = operation & PRIVATE == 0;
    let command = operation & !(PRIVATE | CLOCK_REALTIME);
    let by_real_time = operation & CLOCK_REALTIME != 0;
    if by_real_time && !matches!(command, WAIT | WAIT_BITSET | WAIT_REQUEUE_PI | LOCK_PI2) {
        return Err(Errno::ENOSYS);
    }
    // In the calls that move waiters, the time-out is a second count.
    let count2 = usize::try_from(timeout as u32 as i32);
    let count = usize::try_from(value as i32);
    match command {
        WAIT => {
            let deadline = relative_deadline(task, timeout)?;
            wait(task, address, is_shared, value, ANY, deadline)
        }
        WAIT_BITSET => {
            let deadline = absolute_deadline(task, timeout, by_real_time)?;
            wait(task, address, is_shared, value, value3, deadline)
        }
        // A count of 0 or less wakes one, as Linux has it.
        WAKE => Ok(TABLE.wake(&key(task, address, is_shared)?, count.unwrap_or(0).max(1), ANY)),
        WAKE_BITSET if value3 == 0 => Err(Errno::EINVAL),
        WAKE_BITSET => Ok(TABLE.wake(&key(task, address, is_shared)?, count.unwrap_or(0).max(1), value3)),
        REQUEUE | CMP_REQUEUE => {
            let (Ok(wake), Ok(move_)) = (count, count2) else { return Err(Errno::EINVAL) };
            let (from, to) = (key(task, address, is_shared)?, key(task, address2, is_shared)?);
            if command == REQUEUE {
                return TABLE.requeue(&from, &to, wake, move_, || Ok(())).map(|(woken, moved)| woken + moved);
            }
            task.space().load_u32(address)?;
            let compare = || expect(task, address, value3);
            TABLE.requeue(&from, &to, wake, move_, compare).map(|(woken, moved)| woken + moved)
        }
        WAKE_OP => {
            let (first, second) = (key(task, address, is_shared)?, key(task, address2, is_shared)?);
            let op = WakeOp::decode(value3)?;
            let old = task.space().fetch_update_u32(address2, |old| op.apply(old))?;
            let mut woken = TABLE.wake(&first, count.unwrap_or(0).max(1), ANY);
            if op.compares(old) {
                woken += TABLE.wake(&second, count2.unwrap_or(0).max(1), ANY);
            }
            Ok(woken)
        }
        LOCK_PI | UNLOCK_PI | TRYLOCK_PI | WAIT_REQUEUE_PI | CMP_REQUEUE_PI | LOCK_PI2 => {
            static NAMED: AtomicBool = AtomicBool::new(false);
            dispatch::name_once(task, &NAMED, "futexes with priority inheritance");
            Err(Errno::ENOSYS)
        }
        _ => Err(Errno::ENOSYS),
    }
}

fn key(task: &Task, address: u64, may_be_shared: bool) -> Result<FutexKey> {
    task.space().futex_key(address, may_be_shared)
}

/// Looks at the word without waiting; it was made present before.
fn expect(task: &Task, address: u64, expected: u32) -> Result<()> {
    if task.space().load_u32_now(address)? == expected { Ok(()) } else { Err(Errno::EAGAIN) }
}

fn wait(
    task: &Task,
    address: u64,
    is_shared: bool,
    value: u32,
    bitset: u32,
    deadline_ns: Option<u64>,
) -> Result<usize> {
    let key = key(task, address, is_shared)?;
    // The word may lie on a disk: bring it in before the table is locked.
    task.space().load_u32(address)?;
    let outcome = TABLE.wait(key, bitset, deadline_ns, || expect(task, address, value));
    match outcome {
        Ok(()) => Ok(0),
        // With a time-out that is relative, the call cannot begin anew.
        Err(Errno::EINTR) if deadline_ns.is_none() => Err(restart::restartable()),
        Err(errno) => Err(errno),
    }
}

fn relative_deadline(task: &Task, address: u64) -> Result<Option<u64>> {
    if address == 0 {
        return Ok(None);
    }
    Ok(Some(deadline_in(task.read_timespec(address)?.as_ns())))
}

fn absolute_deadline(task: &Task, address: u64, by_real_time: bool) -> Result<Option<u64>> {
    if address == 0 {
        return Ok(None);
    }
    let at = task.read_timespec(address)?.as_ns();
    if !by_real_time {
        return Ok(Some(at));
    }
    let left = at.saturating_sub(minios::time::wall_clock_ns());
    Ok(Some(deadline_in(left)))
}

/// `futex_waitv(2)`: waits for several words; which of them was woken.
pub fn futex_waitv(
    task: &mut Task,
    waiters: u64,
    count: u32,
    flags: u32,
    timeout: u64,
    clock: i32,
) -> Result<usize> {
    const MOST: u32 = 128;
    const SIZE_U32: u32 = 2;
    if flags != 0 || !(1..=MOST).contains(&count) || waiters == 0 {
        return Err(Errno::EINVAL);
    }
    let by_real_time = match clock {
        0 => true,
        1 => false,
        _ if timeout == 0 => false,
        _ => return Err(Errno::EINVAL),
    };
    let deadline_ns = absolute_deadline(task, timeout, by_real_time)?;
    let mut words = alloc::vec::Vec::new();
    for index in 0..u64::from(count) {
        let bytes: [u8; 24] = task.space().read_array(waiters.wrapping_add(index * 24))?;
        let number = |at: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[at..at + 8]);
            u64::from_le_bytes(word)
        };
        let (value, address, flags) = (number(0), number(8), number(16));
        // The upper half is reserved, and the rest says size and sharing.
        if flags as u32 & !(SIZE_U32 | PRIVATE as u32) != 0
            || flags as u32 & 3 != SIZE_U32
            || flags >> 32 != 0
        {
            return Err(Errno::EINVAL);
        }
        task.space().load_u32(address)?;
        words.push((key(task, address, flags as u32 & PRIVATE as u32 == 0)?, address, value as u32));
    }
    let keys = words.iter().map(|(key, ..)| Ok((*key, ANY)));
    let expected = |index: usize| {
        words.get(index).map_or(Err(Errno::EINVAL), |(_, address, value)| expect(task, *address, *value))
    };
    TABLE.wait_many(keys, deadline_ns, expected).map_err(|errno| match errno {
        Errno::EINTR => restart::restartable(),
        errno => errno,
    })
}

/// `set_robust_list(2)`
pub fn set_robust_list(task: &mut Task, head: u64, len: usize) -> Result<()> {
    if len as u64 != robust::HEAD_LEN {
        return Err(Errno::EINVAL);
    }
    task.thread.robust_list.store(head, core::sync::atomic::Ordering::Relaxed);
    Ok(())
}

/// `get_robust_list(2)`
pub fn get_robust_list(task: &mut Task, tid: i32, head: u64, len: u64) -> Result<()> {
    let other = match u32::try_from(tid).map_err(|_| Errno::ESRCH)? {
        0 => task.thread.clone(),
        tid => table::thread(tid).ok_or(Errno::ESRCH)?,
    };
    let own = task.thread.credentials();
    if own.uid.effective != 0 && own.uid.effective != other.credentials().uid.real {
        return Err(Errno::EPERM);
    }
    task.space().write_u64(len, robust::HEAD_LEN)?;
    task.space().write_u64(head, other.robust_list.load(core::sync::atomic::Ordering::Relaxed))
}

/// Wakes one waiter of a word that the kernel has changed at a thread's end, whether it waits for a word of this memory or of
/// a mapped object.
pub fn wake_one(space: &AddressSpace, address: u64) {
    let keys = [true, false].map(|may_be_shared| space.futex_key(address, may_be_shared));
    let woken = keys[0].map_or(0, |key| TABLE.wake(&key, 1, ANY));
    if let (0, Ok(key)) = (woken, keys[1]) {
        TABLE.wake(&key, 1, ANY);
    }
}
