//! The free pages, behind a lock.

use core::ptr::NonNull;

use super::buddy::Buddy;
use crate::sync::SpinLock;

static FREE: SpinLock<Buddy> = SpinLock::new(Buddy::empty());

/// Fills the allocator.
///
/// # Safety
/// The `count` pages from `base` are mapped, writable and free; `orders` is writable for `count` bytes.
pub(super) unsafe fn init(base: *mut u8, count: usize, orders: *mut u8) {
    let mut free = FREE.lock();
    // SAFETY: promised by the caller.
    unsafe { free.init(base, count, orders) };
    let mut page = 0;
    while page < count {
        let aligned = if page == 0 { super::buddy::ORDERS - 1 } else { page.trailing_zeros() as usize };
        let order = aligned.min((count - page).ilog2() as usize).min(super::buddy::ORDERS - 1);
        // SAFETY: inside the range.
        let block = unsafe { NonNull::new_unchecked(base.add(page << 12)) };
        // SAFETY: each page once, aligned by the computation above.
        unsafe { free.release(block, order) };
        page += 1 << order;
    }
}

/// Pages free.
pub fn free() -> usize {
    FREE.lock().free_pages()
}

/// Takes `2^order` pages in a row (in the direct map; not so in the machine). What is in them is undefined.
pub fn alloc(order: usize) -> Option<NonNull<u8>> {
    FREE.lock().alloc(order)
}

/// Gives pages back.
///
/// # Safety
/// They came from `alloc` with the same order and nobody uses them.
pub unsafe fn release(block: NonNull<u8>, order: usize) {
    // SAFETY: promised by the caller.
    unsafe { FREE.lock().release(block, order) }
}

/// The order whose block holds so many bytes.
pub fn order_for(bytes: usize) -> usize {
    bytes.div_ceil(xen_sys::PAGE_SIZE).next_power_of_two().trailing_zeros() as usize
}
