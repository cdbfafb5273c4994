//! Who writes back: a thread, from the first write on; and the end of the guest.

use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;

use fs::{Tended, Work};
use minios::sync::WaitQueue;
use minios::thread::Builder;
use minios::time::now_ns;

use super::cached;

/// How long something stays dirty, at least; it is up to twice that.
const AGE_NS: u64 = 5_000_000_000;
/// How long the end of the guest waits for a disk that does not answer.
const END_PATIENCE: Duration = Duration::from_secs(30);

static TOLD: WaitQueue = WaitQueue::new();
static IS_DIRTY: AtomicBool = AtomicBool::new(false);
static IS_URGENT: AtomicBool = AtomicBool::new(false);
static IS_THERE: AtomicBool = AtomicBool::new(false);

/// There is work.
pub(super) fn tell(work: Work) {
    IS_DIRTY.store(true, Ordering::Relaxed);
    if work == Work::Now {
        IS_URGENT.store(true, Ordering::Relaxed);
    }
    if !IS_THERE.swap(true, Ordering::Relaxed)
        && let Err(error) = Builder::new("write-back").stack_len(24 * 1024).spawn(serve)
    {
        IS_THERE.store(false, Ordering::Relaxed);
        log::warn!("disks are written back by those who write to them: {error}");
    }
    TOLD.wake_all();
}

fn serve() {
    let mut due = None;
    loop {
        let seen = TOLD.seq();
        if IS_DIRTY.swap(false, Ordering::Relaxed) && due.is_none() {
            due = Some(now_ns().saturating_add(AGE_NS));
        }
        let is_due = due.is_some_and(|due| due <= now_ns());
        if IS_URGENT.swap(false, Ordering::Relaxed) || is_due {
            let mut is_dirty = false;
            for cache in cached::all() {
                is_dirty |= cache.tend() == Tended::Dirty;
            }
            due = is_dirty.then(|| now_ns().saturating_add(AGE_NS));
            continue;
        }
        TOLD.wait(seen, due);
    }
}

/// Writes back all that is dirty and flushes it, before the guest ends.
pub(super) fn finish() {
    static DONE: WaitQueue = WaitQueue::new();
    static IS_DONE: AtomicBool = AtomicBool::new(false);
    if cached::all().iter().all(|cache| cache.usage().dirty == 0 && cache.stats().device_writes == 0) {
        return;
    }
    let run = || {
        cached::sync_all();
        IS_DONE.store(true, Ordering::Relaxed);
        DONE.wake_all();
    };
    if Builder::new("last-sync").stack_len(24 * 1024).spawn(run).is_err() {
        run();
    }
    let deadline = now_ns().saturating_add(END_PATIENCE.as_nanos() as u64);
    loop {
        let seen = DONE.seq();
        if IS_DONE.load(Ordering::Relaxed) {
            return;
        }
        if now_ns() >= deadline {
            log::error!("a disk does not answer: what was written to it last is lost");
            return;
        }
        DONE.wait(seen, Some(deadline));
    }
}
