//! Stacks with a guard page, in the area of mappings made at run time.

use alloc::vec::Vec;
use core::ptr::NonNull;

use xen_sys::PAGE_SIZE;

use crate::memory::address::{DYNAMIC_BASE, DYNAMIC_END, Pfn, Protection};
use crate::memory::pages;
use crate::memory::paging::{self, MapError};
use crate::sync::SpinLock;

/// Stacks kept for the next thread, at most.
const KEEP: usize = 64;

struct Area {
    next: u64,
    /// Ranges given back, of address and pages, guard page included.
    free: Vec<(u64, usize)>,
    /// Stacks of threads that ended, still mapped.
    kept: Vec<Mapped>,
}

static AREA: SpinLock<Area> = SpinLock::new(Area { next: DYNAMIC_BASE, free: Vec::new(), kept: Vec::new() });

/// Takes a range of addresses that nothing is mapped at.
///
/// # Panics
/// When half a gigabyte of them is in use, which no guest's memory allows.
pub(crate) fn reserve(pages: usize) -> u64 {
    let mut area = AREA.lock();
    if let Some(index) = area.free.iter().position(|(_, free)| *free == pages) {
        return area.free.swap_remove(index).0;
    }
    let address = area.next;
    area.next += (pages * PAGE_SIZE) as u64;
    assert!(area.next <= DYNAMIC_END, "the area of run-time mappings is full");
    address
}

/// Gives a range back that nothing is mapped at any more.
pub(crate) fn give_back(address: u64, pages: usize) {
    AREA.lock().free.push((address, pages));
}

/// The guard page at `address`, and `pages` mapped pages behind it.
struct Mapped {
    address: u64,
    pages: usize,
}

/// A stack; its memory is reused when it is dropped.
pub(super) struct Stack(Option<Mapped>);

impl Stack {
    pub(super) fn new(len: usize) -> Result<Self, MapError> {
        let pages = len.div_ceil(PAGE_SIZE).max(2);
        let mut area = AREA.lock();
        if let Some(index) = area.kept.iter().position(|kept| kept.pages == pages) {
            return Ok(Self(Some(area.kept.swap_remove(index))));
        }
        drop(area);
        let address = reserve(pages + 1);
        let mapped = Mapped { address, pages };
        if let Err(error) = mapped.fill() {
            mapped.release();
            return Err(error);
        }
        Ok(Self(Some(mapped)))
    }

    pub(super) fn top(&self) -> usize {
        self.0.as_ref().map_or(0, |mapped| mapped.address as usize + (mapped.pages + 1) * PAGE_SIZE)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        let Some(mapped) = self.0.take() else { return };
        let mut area = AREA.lock();
        if area.kept.len() < KEEP {
            area.kept.push(mapped);
        } else {
            drop(area);
            mapped.release();
        }
    }
}

impl Mapped {
    fn first_page(&self) -> u64 {
        self.address + PAGE_SIZE as u64
    }

    fn fill(&self) -> Result<(), MapError> {
        let mut frames = Vec::with_capacity(self.pages);
        for _ in 0..self.pages {
            match pages::alloc(0) {
                Some(page) => frames.push(paging::machine_frame(Pfn::of_address(page.as_ptr() as u64))),
                None => {
                    for mfn in frames {
                        // SAFETY: taken just now.
                        unsafe { release_frame(mfn) };
                    }
                    return Err(MapError::OutOfMemory);
                }
            }
        }
        // SAFETY: a reserved range; the pages' other mapping in the direct map is not used while they are a stack.
        let mapped = unsafe { paging::map(self.first_page(), frames.iter().copied(), Protection::ReadWrite) };
        if mapped.is_err() {
            for (page, mfn) in frames.into_iter().enumerate() {
                if paging::lookup(self.first_page() + (page * PAGE_SIZE) as u64)
                    .is_none_or(|e| !e.is_present())
                {
                    // SAFETY: taken above and not mapped; the mapped ones are freed by `release`.
                    unsafe { release_frame(mfn) };
                }
            }
        }
        mapped
    }

    /// Unmaps it and gives pages and addresses back.
    fn release(self) {
        let mut frames = Vec::with_capacity(self.pages);
        for page in 0..self.pages {
            let address = self.first_page() + (page * PAGE_SIZE) as u64;
            frames
                .extend(paging::lookup(address).filter(|entry| entry.is_present()).map(|entry| entry.mfn()));
        }
        // SAFETY: the stack of a thread that ended, or one that was never used.
        if unsafe { paging::change(self.first_page(), self.pages, None) }.is_ok() {
            for mfn in frames {
                // SAFETY: unmapped just now.
                unsafe { release_frame(mfn) };
            }
            give_back(self.address, self.pages + 1);
        }
    }
}

/// # Safety
/// The frame came from the page allocator and nobody uses it.
unsafe fn release_frame(mfn: crate::memory::Mfn) {
    let address = paging::page_frame(mfn).direct_address();
    if let Some(page) = NonNull::new(address as *mut u8) {
        // SAFETY: promised by the caller.
        unsafe { pages::release(page, 0) }
    }
}
