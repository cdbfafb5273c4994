//! Who waits on which word of memory (`futex(2)`).
//!
//! A word is known by a key that the memory layer makes: two processes that share a page get the same one. The table does not
//! look at memory itself: a caller gives the comparison, which is done while the table is locked, so that no wake is lost.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering};

use linux_base::host;
use linux_base::wait::Sleeper;
use linux_base::{Errno, PollEvents, Result, Watcher};
use spin::Mutex;

/// Matches every waiter (`FUTEX_BITSET_MATCH_ANY`).
pub const ANY: u32 = u32::MAX;

struct Waiter<K> {
    sleeper: Arc<Sleeper>,
    bitset: u32,
    is_woken: AtomicBool,
    /// Where it waits now; a requeue changes it.
    key: Mutex<K>,
}

impl<K> Waiter<K> {
    fn wake(&self) {
        self.is_woken.store(true, Ordering::Release);
        self.sleeper.notify(PollEvents::IN);
    }
}

type Queue<K> = VecDeque<Arc<Waiter<K>>>;

/// All that wait.
pub struct FutexTable<K> {
    queues: Mutex<BTreeMap<K, Queue<K>>>,
}

impl<K: Ord + Clone> Default for FutexTable<K> {
    fn default() -> Self {
        Self::new()
    }
}

/// The wait of several futexes at once ended by this one (`futex_waitv(2)`).
pub type Index = usize;

impl<K: Ord + Clone> FutexTable<K> {
    /// Nobody waits.
    pub const fn new() -> Self {
        Self { queues: Mutex::new(BTreeMap::new()) }
    }

    /// Waits until somebody wakes `key` with a bit of `bitset`. `is_expected` looks at the word and gives `EAGAIN` when it is not
    /// what the caller thought. `ETIMEDOUT` at the deadline, `EINTR` for a signal.
    pub fn wait(
        &self,
        key: K,
        bitset: u32,
        deadline_ns: Option<u64>,
        is_expected: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        if bitset == 0 {
            return Err(Errno::EINVAL);
        }
        let sleeper = Sleeper::current();
        let waiter = self.enqueue(key, bitset, &sleeper, is_expected)?;
        let outcome = Self::sleep(&sleeper, deadline_ns, || waiter.is_woken.load(Ordering::Acquire));
        if self.leave(&waiter) { Ok(()) } else { outcome }
    }

    /// Waits on many words; which of them was woken. The comparisons are done in order.
    pub fn wait_many(
        &self,
        wanted: impl Iterator<Item = Result<(K, u32)>>,
        deadline_ns: Option<u64>,
        mut is_expected: impl FnMut(Index) -> Result<()>,
    ) -> Result<Index> {
        let sleeper = Sleeper::current();
        let mut waiters = alloc::vec::Vec::new();
        let mut outcome = Ok(());
        for (index, item) in wanted.enumerate() {
            let enqueued =
                item.and_then(|(key, bitset)| self.enqueue(key, bitset, &sleeper, || is_expected(index)));
            match enqueued {
                Ok(waiter) => waiters.push(waiter),
                Err(errno) => {
                    outcome = Err(errno);
                    break;
                }
            }
        }
        let is_woken = |waiters: &[Arc<Waiter<K>>]| {
            waiters.iter().position(|waiter| waiter.is_woken.load(Ordering::Acquire))
        };
        if outcome.is_ok() {
            outcome = Self::sleep(&sleeper, deadline_ns, || is_woken(&waiters).is_some());
        }
        let mut woken = None;
        for (index, waiter) in waiters.iter().enumerate() {
            if self.leave(waiter) && woken.is_none() {
                woken = Some(index);
            }
        }
        woken.map_or_else(|| Err(outcome.err().unwrap_or(Errno::EAGAIN)), Ok)
    }

    fn enqueue(
        &self,
        key: K,
        bitset: u32,
        sleeper: &Arc<Sleeper>,
        is_expected: impl FnOnce() -> Result<()>,
    ) -> Result<Arc<Waiter<K>>> {
        let mut queues = self.queues.lock();
        is_expected()?;
        let waiter = Arc::new(Waiter {
            sleeper: sleeper.clone(),
            bitset,
            is_woken: AtomicBool::new(false),
            key: Mutex::new(key.clone()),
        });
        queues.entry(key).or_default().push_back(waiter.clone());
        Ok(waiter)
    }

    fn sleep(sleeper: &Sleeper, deadline_ns: Option<u64>, is_woken: impl Fn() -> bool) -> Result<()> {
        loop {
            if is_woken() {
                return Ok(());
            }
            if host::host().is_interrupted() {
                return Err(Errno::EINTR);
            }
            if deadline_ns.is_some_and(|deadline| host::host().now_ns() >= deadline) {
                return Err(Errno::ETIMEDOUT);
            }
            sleeper.park(deadline_ns);
        }
    }

    /// Takes a waiter off its queue; whether it was woken before.
    fn leave(&self, waiter: &Arc<Waiter<K>>) -> bool {
        let mut queues = self.queues.lock();
        if waiter.is_woken.load(Ordering::Acquire) {
            return true;
        }
        let key = waiter.key.lock().clone();
        if let Some(queue) = queues.get_mut(&key) {
            queue.retain(|other| !Arc::ptr_eq(other, waiter));
            if queue.is_empty() {
                queues.remove(&key);
            }
        }
        false
    }

    /// Wakes up to `count` waiters of a word with a bit of `bitset`, first come first served; how many.
    pub fn wake(&self, key: &K, count: usize, bitset: u32) -> usize {
        let mut queues = self.queues.lock();
        Self::wake_locked(&mut queues, key, count, bitset)
    }

    fn wake_locked(queues: &mut BTreeMap<K, Queue<K>>, key: &K, count: usize, bitset: u32) -> usize {
        let Some(queue) = queues.get_mut(key) else { return 0 };
        let mut woken = 0;
        queue.retain(|waiter| {
            let matches = woken < count && waiter.bitset & bitset != 0;
            if matches {
                waiter.wake();
                woken += 1;
            }
            !matches
        });
        if queue.is_empty() {
            queues.remove(key);
        }
        woken
    }

    /// Wakes up to `wake` waiters of `from` and lets up to `requeue` others wait at `to` instead. Returns (woken, moved).
    /// `is_expected` is `FUTEX_CMP_REQUEUE`'s comparison.
    pub fn requeue(
        &self,
        from: &K,
        to: &K,
        wake: usize,
        requeue: usize,
        is_expected: impl FnOnce() -> Result<()>,
    ) -> Result<(usize, usize)> {
        let mut queues = self.queues.lock();
        is_expected()?;
        let woken = Self::wake_locked(&mut queues, from, wake, ANY);
        if from == to {
            return Ok((woken, 0));
        }
        let Some(queue) = queues.get_mut(from) else { return Ok((woken, 0)) };
        let moved: Queue<K> = queue.drain(..queue.len().min(requeue)).collect();
        if queue.is_empty() {
            queues.remove(from);
        }
        let count = moved.len();
        if count > 0 {
            moved.iter().for_each(|waiter| *waiter.key.lock() = to.clone());
            queues.entry(to.clone()).or_default().extend(moved);
        }
        Ok((woken, count))
    }

    /// Words that somebody waits on.
    pub fn len(&self) -> usize {
        self.queues.lock().len()
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The operation of `FUTEX_WAKE_OP`: what is done to the second word, and how its old value is compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WakeOp {
    operation: u32,
    comparison: u32,
    operand: u32,
    comparand: i32,
}

impl WakeOp {
    /// Decodes `val3`. `ENOSYS` for an operation or comparison that there is not.
    pub fn decode(encoded: u32) -> Result<Self> {
        let sign_extended = |bits: u32| ((bits << 20) as i32) >> 20;
        let (operation, comparison) = (encoded >> 28 & 7, encoded >> 24 & 15);
        let operand = sign_extended(encoded >> 12 & 0xfff);
        // FUTEX_OP_OPARG_SHIFT: the operand is a number of bits.
        let operand = if encoded >> 31 == 1 { 1 << (operand & 31) } else { operand as u32 };
        if operation > 4 || comparison > 5 {
            return Err(Errno::ENOSYS);
        }
        Ok(Self { operation, comparison, operand, comparand: sign_extended(encoded & 0xfff) })
    }

    /// The new value of the word.
    pub fn apply(&self, old: u32) -> u32 {
        match self.operation {
            0 => self.operand,
            1 => old.wrapping_add(self.operand),
            2 => old | self.operand,
            3 => old & !self.operand,
            _ => old ^ self.operand,
        }
    }

    /// Whether the waiters of the second word are woken, too.
    pub fn compares(&self, old: u32) -> bool {
        let (old, with) = (old as i32, self.comparand);
        match self.comparison {
            0 => old == with,
            1 => old != with,
            2 => old < with,
            3 => old <= with,
            4 => old > with,
            _ => old >= with,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU32;
    use std::thread;
    use std::time::Duration;

    fn expect(word: &AtomicU32, value: u32) -> impl FnOnce() -> Result<()> {
        let now = word.load(Ordering::SeqCst);
        move || if now == value { Ok(()) } else { Err(Errno::EAGAIN) }
    }

    fn soon() -> Option<u64> {
        Some(host::host().now_ns() + 20_000_000)
    }

    fn until(condition: impl Fn() -> bool) {
        while !condition() {
            thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn a_word_that_has_changed_is_not_waited_for() {
        let table = FutexTable::new();
        let word = AtomicU32::new(1);
        assert_eq!(table.wait(8u64, ANY, None, expect(&word, 0)), Err(Errno::EAGAIN));
        assert_eq!(table.wait(8, 0, None, || Ok(())), Err(Errno::EINVAL));
        assert_eq!(table.wait(8, ANY, soon(), expect(&word, 1)), Err(Errno::ETIMEDOUT));
        assert!(table.is_empty());
    }

    #[test]
    fn so_many_are_woken_as_asked_for() {
        let table = Arc::new(FutexTable::new());
        let threads: Vec<_> = (0..5)
            .map(|_| {
                let table = table.clone();
                thread::spawn(move || table.wait(4u64, ANY, None, || Ok(())))
            })
            .collect();
        let mut woken = 0;
        while woken < 3 {
            woken += table.wake(&4, 3 - woken, ANY);
        }
        assert_eq!(table.wake(&5, 10, ANY), 0);
        while woken < 5 {
            woken += table.wake(&4, usize::MAX, ANY);
        }
        for thread in threads {
            assert_eq!(thread.join().unwrap(), Ok(()));
        }
        assert!(table.is_empty());
    }

    #[test]
    fn a_bitset_chooses_among_the_waiters() {
        let table = Arc::new(FutexTable::new());
        let spawn = |bitset| {
            let table = table.clone();
            thread::spawn(move || table.wait(4u64, bitset, None, || Ok(())))
        };
        let (one, two) = (spawn(1), spawn(2));
        until(|| table.queues.lock().get(&4).is_some_and(|queue| queue.len() == 2));
        assert_eq!(table.wake(&4, 10, 4), 0);
        assert_eq!(table.wake(&4, 10, 2), 1);
        assert_eq!(two.join().unwrap(), Ok(()));
        assert_eq!(table.wake(&4, 10, 1), 1);
        assert_eq!(one.join().unwrap(), Ok(()));
    }

    #[test]
    fn a_requeued_waiter_is_woken_and_times_out_at_its_new_word() {
        let table = Arc::new(FutexTable::new());
        let spawn = |deadline| {
            let table = table.clone();
            thread::spawn(move || table.wait(1u64, ANY, deadline, || Ok(())))
        };
        let first = spawn(None);
        until(|| table.len() == 1);
        assert_eq!(table.requeue(&1, &2, 0, 10, || Ok(())), Ok((0, 1)));
        assert_eq!(table.requeue(&1, &2, 0, 10, || Err(Errno::EAGAIN)), Err(Errno::EAGAIN));
        assert_eq!(table.wake(&1, 10, ANY), 0);
        assert_eq!(table.wake(&2, 10, ANY), 1);
        assert_eq!(first.join().unwrap(), Ok(()));
        let second = spawn(soon());
        until(|| table.len() == 1);
        table.requeue(&1, &3, 0, 10, || Ok(())).unwrap();
        assert_eq!(second.join().unwrap(), Err(Errno::ETIMEDOUT));
        assert!(table.is_empty());
    }

    #[test]
    fn waiting_for_many_tells_which() {
        let table = Arc::new(FutexTable::new());
        let waiting = table.clone();
        let thread = thread::spawn(move || {
            waiting.wait_many([7u64, 8, 9].into_iter().map(|key| Ok((key, ANY))), None, |_| Ok(()))
        });
        until(|| table.len() == 3);
        assert_eq!(table.wake(&8, 1, ANY), 1);
        assert_eq!(thread.join().unwrap(), Ok(1));
        assert!(table.is_empty());
        let expect = |index| if index == 1 { Err(Errno::EAGAIN) } else { Ok(()) };
        let wanted = [7u64, 8].into_iter().map(|key| Ok((key, ANY)));
        assert_eq!(table.wait_many(wanted, None, expect), Err(Errno::EAGAIN));
        assert!(table.is_empty());
    }

    #[test]
    fn wake_op_does_what_futex_2_says() {
        let encode = |operation: u32, comparison: u32, operand: u32, comparand: u32| {
            WakeOp::decode(operation << 28 | comparison << 24 | (operand & 0xfff) << 12 | comparand & 0xfff)
                .unwrap()
        };
        assert_eq!(encode(0, 0, 5, 0).apply(9), 5);
        assert_eq!(encode(1, 0, 0xfff, 0).apply(9), 8);
        assert_eq!(encode(2, 0, 6, 0).apply(9), 15);
        assert_eq!(encode(3, 0, 1, 0).apply(9), 8);
        assert_eq!(encode(4, 0, 3, 0).apply(9), 10);
        assert_eq!(encode(8, 0, 31, 0).apply(9), 1 << 31);
        assert!(encode(0, 2, 0, 0).compares(-1i32 as u32));
        assert!(!encode(0, 4, 0, 0).compares(-1i32 as u32));
        assert_eq!(WakeOp::decode(5 << 28), Err(Errno::ENOSYS));
        assert_eq!(WakeOp::decode(6 << 24), Err(Errno::ENOSYS));
    }
}
