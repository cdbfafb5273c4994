//! The page from which user code tells the time without a system call.
//!
//! | offset | what |
//! |---|---|
//! | 0 | `vcpu_time_info` of Xen's `xen.h`, 32 bytes, kept by Xen: `version` u32 (odd while it changes), pad u32, `tsc_timestamp` u64, `system_time` u64 (ns), `tsc_to_system_mul` u32, `tsc_shift` i8, `flags` u8 |
//! | 64 | version u32 of the wall clock (odd while it changes) |
//! | 72 | wall-clock base u64: nanoseconds since 1970 at system time 0 |
//! | 80 | latest u64: system time at the last refresh, a lower bound |
//!
//! Monotonic time: read `version`; `ticks = rdtsc - tsc_timestamp`, 0 if negative; shift left by `tsc_shift` (right if negative); add
//! `(ticks * tsc_to_system_mul) >> 32` to `system_time`; again if `version` was odd or has changed. That is the value of
//! [`crate::time::now_ns`], without its promise never to step back by the few nanoseconds of a recalibration: a reader that
//! needs it keeps the greatest value that it has returned. Real time: add the base, read under its own version.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

use xen_sys::PAGE_SIZE;

use crate::events::{self, Versioned};
use crate::memory::{Pfn, pages};
use crate::{hypercall, time};

/// Offset of the wall clock's version.
pub const WALL_VERSION: usize = 64;
/// Offset of the wall-clock base.
pub const WALL_BASE: usize = 72;
/// Offset of the lower bound of system time.
pub const LATEST: usize = 80;

static PAGE: spin::Once<Option<u64>> = spin::Once::new();

/// The page, made at the first call; `None` if there is no memory or Xen refuses. To be mapped read-only.
pub fn time_page() -> Option<Pfn> {
    let address = (*PAGE.call_once(make))?;
    refresh();
    Some(Pfn::of_address(address))
}

fn make() -> Option<u64> {
    let page = pages::alloc(0)?;
    // SAFETY: a page of ours, mapped writable.
    unsafe { core::ptr::write_bytes(page.as_ptr(), 0, PAGE_SIZE) };
    let address = page.as_ptr() as u64;
    // SAFETY: in the direct map for ever; only Xen writes the structure.
    if unsafe { hypercall::register_time_area(address) }.is_err() {
        // SAFETY: taken above, and Xen did not take it.
        unsafe { pages::release(page, 0) };
        return None;
    }
    Some(address)
}

/// Writes the wall clock anew if it has changed.
pub(super) fn refresh() {
    let Some(page) = PAGE.get().copied().flatten() else { return };
    let word = |offset: usize| {
        // SAFETY: inside the page, aligned; user code only reads it.
        unsafe { AtomicU64::from_ptr((page as usize + offset) as *mut u64) }
    };
    word(LATEST).store(time::recent_ns(), Ordering::Relaxed);
    let base = loop {
        if let Versioned::Stable(base) = events::wall_clock_base() {
            break base;
        }
    };
    if word(WALL_BASE).load(Ordering::Relaxed) == base {
        return;
    }
    // SAFETY: as above.
    let version = unsafe { AtomicU32::from_ptr((page as usize + WALL_VERSION) as *mut u32) };
    version.fetch_add(1, Ordering::AcqRel);
    fence(Ordering::Release);
    word(WALL_BASE).store(base, Ordering::Relaxed);
    version.fetch_add(1, Ordering::Release);
}
