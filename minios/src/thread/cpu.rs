//! The scheduler of a vCPU: who runs, who is ready, who has a deadline.
//!
//! There is one vCPU now. All that would exist once per vCPU is in `Cpu`, and reached by `this_cpu`.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use super::{NEVER, State, Thread, switch};
use crate::sync::SpinLock;
use crate::{events, time};

struct Scheduler {
    current: Option<Arc<Thread>>,
    ready: VecDeque<Arc<Thread>>,
    /// Threads that have, or had, a deadline; see [`expire`].
    timed: Vec<Arc<Thread>>,
    /// No thread wants to be woken before this moment.
    next_deadline_ns: u64,
    /// The thread that ended last: its stack is freed once nobody runs on it.
    dead: Option<Arc<Thread>>,
}

struct Cpu {
    scheduler: SpinLock<Scheduler>,
}

static CPU: Cpu = Cpu {
    scheduler: SpinLock::new(Scheduler {
        current: None,
        ready: VecDeque::new(),
        timed: Vec::new(),
        next_deadline_ns: NEVER,
        dead: None,
    }),
};

fn this_cpu() -> &'static Cpu {
    &CPU
}

pub(super) fn current() -> Option<Arc<Thread>> {
    this_cpu().scheduler.lock().current.clone()
}

pub(super) fn try_current() -> Option<Arc<Thread>> {
    this_cpu().scheduler.try_lock()?.current.clone()
}

pub(super) fn make_ready(thread: Arc<Thread>) {
    this_cpu().scheduler.lock().ready.push_back(thread);
}

/// Makes the boot code the thread that runs.
pub(super) fn adopt(thread: Arc<Thread>) {
    this_cpu().scheduler.lock().current = Some(thread);
}

/// Lets the other ready threads run first.
pub fn yield_now() {
    let Some(current) = current() else { return };
    make_ready(current);
    run_next();
}

/// Gives up the processor until `current`, already marked as parked, is ready again.
pub(super) fn park(current: &Arc<Thread>, deadline_ns: u64) {
    if deadline_ns != NEVER {
        let mut scheduler = this_cpu().scheduler.lock();
        scheduler.next_deadline_ns = scheduler.next_deadline_ns.min(deadline_ns);
        if !current.timed.swap(true, Ordering::Relaxed) {
            scheduler.timed.push(current.clone());
        }
    }
    run_next();
}

/// Ends the running thread.
pub(super) fn exit() -> ! {
    let current = super::current();
    current.set_state(State::Dead);
    this_cpu().scheduler.lock().dead = Some(current.clone());
    drop(current);
    run_next();
    unreachable!("a dead thread is never ready")
}

/// Runs the next ready thread; idles until there is one.
fn run_next() {
    let mut look_at_clock = time::note_switch();
    let next = loop {
        events::dispatch();
        if look_at_clock {
            expire();
        }
        let mut scheduler = this_cpu().scheduler.lock();
        if let Some(next) = scheduler.ready.pop_front() {
            break next;
        }
        let deadline = scheduler.next_deadline_ns;
        drop(scheduler);
        events::idle((deadline != NEVER).then_some(deadline));
        look_at_clock = true;
    };
    let mut scheduler = this_cpu().scheduler.lock();
    let Some(previous) = scheduler.current.replace(next.clone()) else { return };
    drop(scheduler);
    if !Arc::ptr_eq(&previous, &next) {
        let save = previous.saved_rsp.as_ptr();
        let rsp = next.saved_rsp.load(Ordering::Relaxed);
        // Both stay alive: the one that runs is `current`, the one that does not is in a queue, waited for, or `dead`.
        drop((previous, next));
        // SAFETY: `rsp` was saved when that thread last stopped, or prepared for its start; no lock is held.
        unsafe { switch::switch(save, rsp) };
    }
    after_switch();
}

/// What a thread does first when it runs again: free the stack of one that ended.
pub(super) fn after_switch() {
    let dead = this_cpu().scheduler.lock().dead.take();
    if let Some(dead) = dead {
        if current().is_some_and(|current| Arc::ptr_eq(&current, &dead)) {
            this_cpu().scheduler.lock().dead = Some(dead);
        } else {
            drop(dead.stack.lock().take());
        }
    }
}

/// Threads that are ready beside the one that runs.
pub(crate) fn ready_count() -> usize {
    this_cpu().scheduler.lock().ready.len()
}

/// Lets the threads that became ready last run before the others.
pub(crate) fn prefer_last(count: usize) {
    let ready = &mut this_cpu().scheduler.lock().ready;
    let count = count.min(ready.len());
    ready.rotate_right(count);
}

/// Whether other threads are ready, and the first deadline.
pub(crate) fn demand() -> (bool, u64) {
    let scheduler = this_cpu().scheduler.lock();
    (!scheduler.ready.is_empty(), scheduler.next_deadline_ns)
}

/// Wakes the threads whose deadline has passed.
///
/// A thread stays in the list when it is woken early, and often parks again with a later deadline: then nothing is to do.
/// The list is cleaned when it is looked through, which happens no more often than deadlines pass.
pub(crate) fn expire() {
    let now = time::now_ns();
    let mut scheduler = this_cpu().scheduler.lock();
    if now < scheduler.next_deadline_ns {
        return;
    }
    let Scheduler { timed, ready, next_deadline_ns, .. } = &mut *scheduler;
    *next_deadline_ns = NEVER;
    let ready_before = ready.len();
    timed.retain(|thread| {
        let deadline = thread.deadline_ns.load(Ordering::Relaxed);
        if deadline > now && deadline != NEVER {
            *next_deadline_ns = deadline.min(*next_deadline_ns);
            return true;
        }
        thread.timed.store(false, Ordering::Relaxed);
        if deadline != NEVER && thread.state() == State::Parked {
            thread.set_state(State::Ready);
            ready.push_back(thread.clone());
        }
        false
    });
    // Several may have come due before anybody looked: they run in the order of their deadlines all the same.
    if let Some(woken) = ready.make_contiguous().get_mut(ready_before..) {
        woken.sort_unstable_by_key(|thread| thread.deadline_ns.load(Ordering::Relaxed));
        woken.iter().for_each(|thread| thread.deadline_ns.store(NEVER, Ordering::Relaxed));
    }
}
