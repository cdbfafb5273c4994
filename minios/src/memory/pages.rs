//! The free pages, behind a lock. Those that are not in the direct map yet come in when the others are used up.

use core::ptr::NonNull;

use super::buddy::Buddy;
use super::direct::DirectMap;
use crate::sync::SpinLock;

struct Pages {
    buddy: Buddy,
    direct: Option<DirectMap>,
}

static PAGES: SpinLock<Pages> = SpinLock::new(Pages { buddy: Buddy::empty(), direct: None });

/// Takes over the direct map and what is free of it.
pub(super) fn init(direct: DirectMap) {
    let mut pages = PAGES.lock();
    let first = direct.first_free();
    let base = first.direct_address() as *mut u8;
    // SAFETY: a byte for each page from the first free one, mapped writable by `build`, and nobody else's.
    unsafe { pages.buddy.init(base, direct.total() - first.0, direct.bytes()) };
    // SAFETY: mapped, writable, free.
    unsafe { pages.buddy.add(0, direct.end() - first.0) };
    pages.direct = Some(direct);
}

impl Pages {
    /// Maps 2 MiB more; `false` if there are none.
    fn grow(&mut self) -> bool {
        let Some(direct) = &mut self.direct else { return false };
        let (first, start) = (direct.first_free().0, direct.end());
        if !direct.grow() {
            return false;
        }
        // SAFETY: mapped just now, writable, free.
        unsafe { self.buddy.add(start - first, direct.end() - start) };
        true
    }
}

/// Pages free.
pub fn free() -> usize {
    let pages = PAGES.lock();
    let unmapped = pages.direct.as_ref().map_or(0, |direct| direct.total() - direct.end());
    pages.buddy.free_pages() + unmapped
}

/// Takes `2^order` pages in a row (in the direct map; not so in the machine). What is in them is undefined.
pub fn alloc(order: usize) -> Option<NonNull<u8>> {
    let mut pages = PAGES.lock();
    loop {
        if let Some(block) = pages.buddy.alloc(order) {
            return Some(block);
        }
        if !pages.grow() {
            return None;
        }
    }
}

/// Gives pages back.
///
/// # Safety
/// They came from `alloc` with the same order and nobody uses them.
pub unsafe fn release(block: NonNull<u8>, order: usize) {
    // SAFETY: promised by the caller.
    unsafe { PAGES.lock().buddy.release(block, order) }
}

/// Takes `count` pages in a row. What is in them is undefined.
pub fn alloc_run(count: usize) -> Option<NonNull<u8>> {
    let order = order_for(count.max(1).checked_mul(xen_sys::PAGE_SIZE)?);
    let block = alloc(order)?;
    // SAFETY: the rest of the block, which nobody has seen.
    unsafe { PAGES.lock().buddy.release_run(block, count, (1 << order) - count) };
    Some(block)
}

/// Gives pages in a row back: what `alloc_run` gave, or a part of it.
///
/// # Safety
/// They came from `alloc_run` and nobody uses them.
pub unsafe fn release_run(first: NonNull<u8>, count: usize) {
    // SAFETY: promised by the caller.
    unsafe { PAGES.lock().buddy.release_run(first, 0, count) }
}

/// The order whose block holds so many bytes.
pub fn order_for(bytes: usize) -> usize {
    bytes.div_ceil(xen_sys::PAGE_SIZE).next_power_of_two().trailing_zeros() as usize
}
