//! The global allocator: talc for what is small, whole blocks of pages for what is large.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::NonNull;

use talc::TalcLock;
use talc::base::{CHUNK_UNIT, Talc, binning::Binning};
use talc::source::Source;

use super::pages;

/// From this size on an allocation is a block of pages, and goes back to them when it is freed.
const LARGE: usize = 128 * 1024;
/// How much the heap grows by when there is plenty, and when there is not.
const GROWTH: usize = 64 * 1024;
const SMALL_GROWTH: usize = 8 * 1024;

/// Grows the heap by blocks of pages.
#[derive(Debug)]
struct Pages;

// SAFETY: claims only memory that was just taken from the page allocator, and does not allocate.
unsafe impl Source for Pages {
    fn acquire<B: Binning>(talc: &mut Talc<Self, B>, layout: Layout) -> Result<(), ()> {
        // Room for the request, its alignment, and talc's own book-keeping (the first heap holds its bins).
        let needed = layout.size()
            + layout.align()
            + 64
            + if talc.is_metadata_established() { 0 } else { talc::min_first_heap_layout::<B>().size() };
        let growth = if pages::free() > 1024 { GROWTH } else { SMALL_GROWTH };
        for size in [needed.max(growth), needed] {
            let order = pages::order_for(size);
            if let Some(block) = pages::alloc(order) {
                // SAFETY: fresh pages, ours alone.
                let end = unsafe { talc.claim(block.as_ptr(), xen_sys::PAGE_SIZE << order) };
                return end.map(drop).ok_or(());
            }
        }
        Err(())
    }

    const TRACK_HEAP_END: bool = true;

    /// Gives a block back when nothing is left in it: what one program piled up must not stay with the heap for ever.
    unsafe fn resize(&mut self, chunk_base: *mut u8, heap_end: *mut u8, is_heap_base: bool) -> *mut u8 {
        let block = chunk_base.wrapping_sub(CHUNK_UNIT);
        let len = heap_end as usize - block as usize;
        // The first block begins with talc's bins, which stay.
        let is_whole = (block as usize).is_multiple_of(xen_sys::PAGE_SIZE)
            && len.is_multiple_of(xen_sys::PAGE_SIZE)
            && (len / xen_sys::PAGE_SIZE).is_power_of_two();
        match NonNull::new(block) {
            Some(block) if is_heap_base && is_whole => {
                // SAFETY: taken in `acquire` with this order; talc has nothing in it and forgets it now.
                unsafe { pages::release(block, pages::order_for(len)) };
                chunk_base
            }
            _ => heap_end,
        }
    }
}

/// Blocks of pages are aligned to pages, and no further.
fn is_large(layout: Layout) -> bool {
    layout.size() >= LARGE && layout.align() <= xen_sys::PAGE_SIZE
}

struct Heap {
    small: TalcLock<spin::Mutex<()>, Pages>,
}

#[global_allocator]
static HEAP: Heap = Heap { small: TalcLock::new(Pages) };

// SAFETY: both parts keep the contract: talc by its own, pages because the same test on the layout picks the same part.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if is_large(layout) {
            return pages::alloc(pages::order_for(layout.size()))
                .map_or(core::ptr::null_mut(), NonNull::as_ptr);
        }
        // SAFETY: promised by the caller.
        unsafe { self.small.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        if is_large(layout) {
            if let Some(block) = NonNull::new(pointer) {
                // SAFETY: allocated above with the same size.
                unsafe { pages::release(block, pages::order_for(layout.size())) }
            }
            return;
        }
        // SAFETY: promised by the caller.
        unsafe { self.small.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let Ok(new_layout) = Layout::from_size_align(new_size, layout.align()) else {
            return core::ptr::null_mut();
        };
        match (is_large(layout), is_large(new_layout)) {
            // SAFETY: promised by the caller; both sizes are talc's.
            (false, false) => return unsafe { self.small.realloc(pointer, layout, new_size) },
            (true, true) if pages::order_for(layout.size()) == pages::order_for(new_size) => return pointer,
            _ => {}
        }
        // SAFETY: the layout has a size, promised by the caller.
        let new = unsafe { self.alloc(new_layout) };
        if !new.is_null() {
            // SAFETY: both are live and as long as the shorter one.
            unsafe { core::ptr::copy_nonoverlapping(pointer, new, layout.size().min(new_size)) };
            // SAFETY: promised by the caller.
            unsafe { self.dealloc(pointer, layout) };
        }
        new
    }
}
