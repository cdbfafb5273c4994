//! A buddy allocator of pages, over one contiguous range of addresses.
//!
//! Free blocks of 2^order pages are in a doubly linked list per order; the links lie in the free pages themselves, and
//! one byte per page says whether a free block begins there. Every operation is O(orders). Pages given back need not
//! have been handed out: that is how the range is filled at boot.

use core::ptr::NonNull;

use xen_sys::PAGE_SIZE;

/// Block sizes: 2^0 to 2^(ORDERS-1) pages, the largest 1 GiB.
pub const ORDERS: usize = 19;

const NOT_FREE: u8 = 0xff;

#[derive(Clone, Copy)]
struct Link {
    next: Option<NonNull<Link>>,
    prev: Option<NonNull<Link>>,
}

/// The allocator. Page numbers are relative to `base`.
pub struct Buddy {
    base: *mut u8,
    pages: usize,
    /// For each page the order of the free block that begins there, or `NOT_FREE`.
    orders: *mut u8,
    lists: [Option<NonNull<Link>>; ORDERS],
    free: usize,
}

// SAFETY: it owns the memory it points to.
unsafe impl Send for Buddy {}

impl Buddy {
    /// An allocator that has no pages yet.
    pub const fn empty() -> Self {
        Self {
            base: core::ptr::null_mut(),
            pages: 0,
            orders: core::ptr::null_mut(),
            lists: [None; ORDERS],
            free: 0,
        }
    }

    /// Sets its range: `pages` pages from `base`, none of them free yet.
    ///
    /// # Safety
    /// `orders` is writable for `pages` bytes and is this allocator's from now on.
    pub unsafe fn init(&mut self, base: *mut u8, pages: usize, orders: *mut u8) {
        // SAFETY: promised by the caller.
        unsafe { core::ptr::write_bytes(orders, NOT_FREE, pages) };
        *self = Self { base, pages, orders, lists: [None; ORDERS], free: 0 };
    }

    /// Gives it the `count` pages from page `first`, in blocks as large as their alignment allows.
    ///
    /// # Safety
    /// As for [`Buddy::release`], for each of the pages.
    pub unsafe fn add(&mut self, first: usize, count: usize) {
        let (mut page, end) = (first, first + count);
        while page < end {
            let aligned = if page == 0 { ORDERS - 1 } else { page.trailing_zeros() as usize };
            let order = aligned.min((end - page).ilog2() as usize).min(ORDERS - 1);
            let block = self.link_at(page).cast();
            // SAFETY: promised by the caller; aligned by the computation above.
            unsafe { self.release(block, order) };
            page += 1 << order;
        }
    }

    /// Pages free.
    pub fn free_pages(&self) -> usize {
        self.free
    }

    /// Takes `2^order` pages in a row, aligned to their size relative to `base`.
    pub fn alloc(&mut self, order: usize) -> Option<NonNull<u8>> {
        let from = (order..ORDERS).find(|from| self.lists[*from].is_some())?;
        let block = self.lists[from]?;
        self.unlink(block, from);
        let page = self.number(block.as_ptr().cast());
        for half in (order..from).rev() {
            self.link(page + (1 << half), half);
        }
        self.free -= 1 << order;
        Some(block.cast())
    }

    /// Gives `2^order` pages back.
    ///
    /// # Safety
    /// The pages lie in the range, are mapped and writable, are aligned as `alloc` does, and nobody uses them.
    pub unsafe fn release(&mut self, block: NonNull<u8>, order: usize) {
        self.free += 1 << order;
        let mut page = self.number(block.as_ptr());
        let mut order = order;
        while order + 1 < ORDERS {
            let buddy = page ^ (1 << order);
            if buddy + (1 << order) > self.pages || self.order_at(buddy) != order as u8 {
                break;
            }
            self.unlink(self.link_at(buddy), order);
            page = page.min(buddy);
            order += 1;
        }
        self.link(page, order);
    }

    /// Gives `count` pages back, those from page `skip` of the run that begins at `first`.
    ///
    /// # Safety
    /// As for [`Buddy::release`], for each of the pages, but that they need not be aligned.
    pub unsafe fn release_run(&mut self, first: NonNull<u8>, skip: usize, count: usize) {
        if count > 0 {
            // SAFETY: promised by the caller.
            unsafe { self.add(self.number(first.as_ptr()) + skip, count) }
        }
    }

    fn number(&self, address: *mut u8) -> usize {
        (address as usize - self.base as usize) / PAGE_SIZE
    }

    fn link_at(&self, page: usize) -> NonNull<Link> {
        // SAFETY: `page` is inside the range, whose base is not null.
        unsafe { NonNull::new_unchecked(self.base.add(page * PAGE_SIZE)) }.cast()
    }

    fn order_at(&self, page: usize) -> u8 {
        // SAFETY: callers stay below `pages`; the bytes are ours.
        unsafe { *self.orders.add(page) }
    }

    fn set_order(&mut self, page: usize, order: u8) {
        // SAFETY: as in `order_at`.
        unsafe { *self.orders.add(page) = order }
    }

    fn link(&mut self, page: usize, order: usize) {
        let block = self.link_at(page);
        let next = self.lists[order];
        // SAFETY: a free page, mapped and ours.
        unsafe { block.write(Link { next, prev: None }) };
        if let Some(next) = next {
            // SAFETY: a block in the list is free and holds a link.
            unsafe { (*next.as_ptr()).prev = Some(block) };
        }
        self.lists[order] = Some(block);
        self.set_order(page, order as u8);
    }

    fn unlink(&mut self, block: NonNull<Link>, order: usize) {
        // SAFETY: a block in the list is free and holds a link.
        let Link { next, prev } = unsafe { block.read() };
        match prev {
            // SAFETY: as above.
            Some(prev) => unsafe { (*prev.as_ptr()).next = next },
            None => self.lists[order] = next,
        }
        if let Some(next) = next {
            // SAFETY: as above.
            unsafe { (*next.as_ptr()).prev = prev };
        }
        self.set_order(self.number(block.as_ptr().cast()), NOT_FREE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::alloc::{Layout, alloc, dealloc};
    use std::collections::BTreeMap;

    struct Range {
        buddy: Buddy,
        base: *mut u8,
        layout: Layout,
        orders: Vec<u8>,
    }

    fn range(pages: usize) -> Range {
        let layout = Layout::from_size_align(pages * PAGE_SIZE, PAGE_SIZE).unwrap();
        // SAFETY: the layout has a size.
        let base = unsafe { alloc(layout) };
        let mut range = Range { buddy: Buddy::empty(), base, layout, orders: vec![0; pages] };
        // SAFETY: `orders` lives in `range` and is not touched otherwise.
        unsafe { range.buddy.init(base, pages, range.orders.as_mut_ptr()) };
        // SAFETY: all of the allocation, in two parts, each page once.
        unsafe { range.buddy.add(0, pages / 3) };
        // SAFETY: as above.
        unsafe { range.buddy.add(pages / 3, pages - pages / 3) };
        range
    }

    impl Drop for Range {
        fn drop(&mut self) {
            // SAFETY: allocated with this layout.
            unsafe { dealloc(self.base, self.layout) }
        }
    }

    #[test]
    fn all_pages_are_handed_out_once() {
        let mut range = range(100);
        let mut seen = std::collections::BTreeSet::new();
        while let Some(page) = range.buddy.alloc(0) {
            assert!(seen.insert(page.as_ptr() as usize));
        }
        assert_eq!(seen.len(), 100);
        assert_eq!(range.buddy.free_pages(), 0);
    }

    #[test]
    fn neighbours_merge_again() {
        let mut range = range(64);
        let pages: Vec<_> = (0..64).map(|_| range.buddy.alloc(0).unwrap()).collect();
        assert!(range.buddy.alloc(0).is_none());
        for page in pages.iter().rev() {
            // SAFETY: handed out once, given back once.
            unsafe { range.buddy.release(*page, 0) };
        }
        assert!(range.buddy.alloc(6).is_some());
        assert!(range.buddy.alloc(0).is_none());
    }

    #[test]
    fn a_run_of_any_length_leaves_the_rest_and_comes_back_in_parts() {
        let mut range = range(64);
        for count in 1..=32usize {
            let block = range.buddy.alloc(count.next_power_of_two().ilog2() as usize).unwrap();
            let rest = count.next_power_of_two() - count;
            // SAFETY: the tail of the block just handed out.
            unsafe { range.buddy.release_run(block, count, rest) };
            assert_eq!(range.buddy.free_pages(), 64 - count);
            let half = count / 2;
            // SAFETY: the second half of what is left of it.
            unsafe { range.buddy.release_run(block, half, count - half) };
            // SAFETY: the first half.
            unsafe { range.buddy.release_run(block, 0, half) };
            assert_eq!(range.buddy.free_pages(), 64);
        }
        assert!(range.buddy.alloc(6).is_some(), "all has merged again");
    }

    #[test]
    fn a_random_workload_never_overlaps_and_loses_nothing() {
        let mut range = range(333);
        let mut live: BTreeMap<usize, usize> = BTreeMap::new();
        let mut seed = 7u64;
        for _ in 0..if cfg!(miri) { 200 } else { 20_000 } {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let order = (seed >> 40) as usize % 5;
            if seed >> 63 == 0 {
                if let Some(block) = range.buddy.alloc(order) {
                    let start = (block.as_ptr() as usize - range.base as usize) / PAGE_SIZE;
                    assert_eq!(start % (1 << order), 0);
                    for (other, other_order) in &live {
                        assert!(start + (1 << order) <= *other || other + (1 << other_order) <= start);
                    }
                    live.insert(start, order);
                }
            } else if let Some((start, order)) = live.pop_first() {
                // SAFETY: inside the allocation.
                let block = unsafe { NonNull::new_unchecked(range.base.add(start * PAGE_SIZE)) };
                // SAFETY: it was live, and is no longer.
                unsafe { range.buddy.release(block, order) };
            }
            let used: usize = live.values().map(|order| 1 << order).sum();
            assert_eq!(range.buddy.free_pages() + used, 333);
        }
    }
}
