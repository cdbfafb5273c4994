//! Robust futexes: what a thread leaves locked when it ends (`set_robust_list(2)`).

use linux_base::{Result, file::UserMemory};

/// Bytes of `struct robust_list_head`.
pub const HEAD_LEN: u64 = 24;
/// A list that is longer is broken, or a loop.
const LIMIT: usize = 2048;

const OWNER_DIED: u32 = 0x4000_0000;
const WAITERS: u32 = 0x8000_0000;
const TID_MASK: u32 = 0x3fff_ffff;

/// Marks every lock of the list at `head` that `tid` holds as left by a dead owner, and calls `wake` for those with waiters. Stops at
/// the first address that can not be used. Nothing runs between reading a word and writing it: there is one vCPU.
pub fn release(memory: &dyn UserMemory, head: u64, tid: u32, wake: &mut dyn FnMut(u64)) {
    if head != 0 {
        // Whatever is wrong with the list is its program's own doing, and that program has ended.
        let _ = walk(memory, head, tid, wake);
    }
}

fn walk(memory: &dyn UserMemory, head: u64, tid: u32, wake: &mut dyn FnMut(u64)) -> Result<()> {
    let mut entry = memory.read_u64(head)?;
    let offset = memory.read_u64(head.wrapping_add(8))?;
    let pending = memory.read_u64(head.wrapping_add(16))?;
    for _ in 0..LIMIT {
        // The lowest bit says that the lock is a PI futex.
        let at = entry & !1;
        if at == head {
            break;
        }
        let next = memory.read_u64(at);
        // The lock that was being taken or given back may be in the list or not; it is done once, below.
        if at != pending & !1 {
            release_one(memory, at.wrapping_add(offset), tid, wake, false)?;
        }
        entry = next?;
    }
    if pending & !1 != 0 {
        release_one(memory, (pending & !1).wrapping_add(offset), tid, wake, true)?;
    }
    Ok(())
}

fn release_one(
    memory: &dyn UserMemory,
    address: u64,
    tid: u32,
    wake: &mut dyn FnMut(u64),
    is_pending: bool,
) -> Result<()> {
    let word = memory.read_u32(address)?;
    if is_pending && word == 0 {
        // Given back, but the one who waits was not woken yet.
        wake(address);
        return Ok(());
    }
    if word & TID_MASK != tid {
        return Ok(());
    }
    memory.write_u32(address, word & WAITERS | OWNER_DIED)?;
    if word & WAITERS != 0 {
        wake(address);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use linux_base::Errno;
    use std::cell::RefCell;

    struct Memory(RefCell<Vec<u8>>);

    impl UserMemory for Memory {
        fn read(&self, address: u64, into: &mut [u8]) -> Result<()> {
            let bytes = self.0.borrow();
            let at = address as usize;
            let found = at.checked_add(into.len()).and_then(|end| bytes.get(at..end)).ok_or(Errno::EFAULT)?;
            into.copy_from_slice(found);
            Ok(())
        }

        fn write(&self, address: u64, from: &[u8]) -> Result<()> {
            let at = address as usize;
            self.0.borrow_mut().get_mut(at..at + from.len()).ok_or(Errno::EFAULT)?.copy_from_slice(from);
            Ok(())
        }
    }

    /// A head at 64 and locks at 128, 160 ...: a link, and the word 16 bytes behind it.
    fn list(words: &[u32], pending: u64) -> Memory {
        let memory = Memory(RefCell::new(vec![0; 4096]));
        let user: &dyn UserMemory = &memory;
        let mut at = 64;
        for (index, word) in words.iter().enumerate() {
            let next = 128 + index as u64 * 32;
            user.write_u64(at, next).unwrap();
            user.write_u32(next + 16, *word).unwrap();
            at = next;
        }
        user.write_u64(at, 64).unwrap();
        user.write_u64(72, 16).unwrap();
        user.write_u64(80, pending).unwrap();
        memory
    }

    fn run(memory: &Memory) -> Vec<u64> {
        let mut woken = Vec::new();
        release(memory, 64, 7, &mut |address| woken.push(address));
        woken
    }

    fn words(memory: &Memory, count: u64) -> Vec<u32> {
        let user: &dyn UserMemory = memory;
        (0..count).map(|index| user.read_u32(128 + index * 32 + 16).unwrap()).collect()
    }

    #[test]
    fn held_locks_are_marked_and_their_waiters_woken() {
        let memory = list(&[7, 7 | WAITERS, 8, 0], 0);
        assert_eq!(run(&memory), [176]);
        assert_eq!(words(&memory, 4), [OWNER_DIED, OWNER_DIED | WAITERS, 8, 0]);
    }

    #[test]
    fn the_lock_in_flight_is_done_once() {
        let memory = list(&[7 | WAITERS, 7], 128);
        assert_eq!(run(&memory), [144]);
        assert_eq!(words(&memory, 2), [OWNER_DIED | WAITERS, OWNER_DIED]);
        assert_eq!(run(&list(&[0], 128)), [144]);
    }

    #[test]
    fn loops_and_wild_pointers_end() {
        let memory = list(&[1, 2], 0);
        (&memory as &dyn UserMemory).write_u64(160, 128).unwrap();
        run(&memory);
        (&memory as &dyn UserMemory).write_u64(160, u64::MAX).unwrap();
        run(&memory);
        release(&memory, u64::MAX - 3, 7, &mut |_| {});
    }
}
