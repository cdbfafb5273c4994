//! The direct map: every page behind what the domain builder used, by page frame number.
//!
//! It is built up as memory is needed, 2 MiB at a time, so that the time to boot does not depend on how much there is: Xen
//! looks at each entry of a table that is put to use. The tables themselves are planned for all memory at boot; they and
//! the page allocator's bytes lie at the beginning.

use xen_sys::PAGE_SIZE;
use xen_sys::xen::MmuUpdate;

use super::address::{DIRECT_BASE, Entry, Pfn, Protection};
use super::paging::{self, Batch};
use super::window::Window;
use crate::hypercall::{self, Errno};

/// Which pages become what, and how far the map is built.
pub(super) struct DirectMap {
    /// First page that the builder did not use; the tables begin here.
    first: Pfn,
    total: usize,
    /// Tables for the image's area, and for this map its last-level and second-level ones.
    image_leaves: usize,
    leaves: usize,
    middles: usize,
    /// First page after the tables: the page allocator's, a byte for each page.
    bytes: Pfn,
    /// First page after those: the first that is free.
    free: Pfn,
    /// Leaves in use.
    built: usize,
}

impl DirectMap {
    /// A guest needs so many pages behind the builder's: tables, and some to work with.
    pub const MIN_PAGES: usize = 72;
    const MIN_FREE: usize = 64;

    /// `None`: the domain is too small.
    pub fn plan(first: Pfn, total: usize) -> Option<Self> {
        if first.0 + Self::MIN_PAGES > total {
            return None;
        }
        let chunks = |shift: usize| ((total - 1) >> shift) - (first.0 >> shift) + 1;
        let (leaves, middles) = (chunks(9), chunks(18));
        let image_leaves = first.0.div_ceil(512);
        let bytes = Pfn(first.0 + image_leaves + leaves + middles + 1);
        let free = Pfn(bytes.0 + total.saturating_sub(bytes.0).div_ceil(PAGE_SIZE));
        let plan = Self { first, total, image_leaves, leaves, middles, bytes, free, built: 0 };
        (free.0 + Self::MIN_FREE <= total).then_some(plan)
    }

    /// The page for the n-th new table of the image's area.
    pub fn image_leaf(&self, chunk: usize) -> Pfn {
        Pfn(self.first.0 + chunk)
    }

    fn leaf(&self, chunk: usize) -> Pfn {
        Pfn(self.first.0 + self.image_leaves + chunk)
    }

    fn middle(&self, chunk: usize) -> Pfn {
        Pfn(self.first.0 + self.image_leaves + self.leaves + chunk)
    }

    fn top(&self) -> Pfn {
        Pfn(self.bytes.0 - 1)
    }

    /// The first page that may be given to the page allocator.
    pub fn first_free(&self) -> Pfn {
        self.free
    }

    /// Pages of the domain.
    pub fn total(&self) -> usize {
        self.total
    }

    /// Where the page allocator's bytes are; mapped after [`DirectMap::build`].
    pub fn bytes(&self) -> *mut u8 {
        self.bytes.direct_address() as *mut u8
    }

    /// The first page that is not mapped yet.
    pub fn end(&self) -> usize {
        (((self.first.0 >> 9) + self.built) << 9).clamp(self.free.0, self.total)
    }

    /// Takes the builder's writable mappings away from the pages that become page tables.
    pub fn unmap_tables(&self) -> Result<(), Errno> {
        let mut batch = Batch::new();
        for page in self.first.0..self.bytes.0 {
            match paging::entry(Pfn(page).image_address(), 1) {
                // SAFETY: nobody uses the spare pages yet.
                Some((machine, old)) if old.is_present() => unsafe { batch.set(machine, Entry::NONE)? },
                _ => break,
            }
        }
        // SAFETY: as above.
        unsafe { batch.apply() }
    }

    /// Builds the upper tables and as many leaves as hold all tables, the bytes, and something to work with.
    pub fn build(&mut self) -> Result<(), Errno> {
        let window = Window::open();
        let first_chunk = self.first.0 >> 9;
        let wanted = ((self.free.0 + Self::MIN_FREE) >> 9) - first_chunk + 1;
        self.built = wanted.min(self.leaves);
        for chunk in 0..self.built {
            self.fill_leaf(&window, chunk)?;
        }
        let first_middle = self.first.0 >> 18;
        for chunk in 0..self.middles {
            window.fill(self.middle(chunk), |slot| {
                let leaf = (((first_middle + chunk) << 9) + slot).wrapping_sub(first_chunk);
                if leaf < self.built { paging::table_entry(self.leaf(leaf)) } else { Entry::NONE }
            })?;
        }
        window.fill(self.top(), |slot| {
            let middle = slot.wrapping_sub(first_middle);
            if middle < self.middles { paging::table_entry(self.middle(middle)) } else { Entry::NONE }
        })?;
        window.close()?;
        let ptr = paging::top_entry(DIRECT_BASE);
        // SAFETY: the area was not mapped before.
        unsafe { hypercall::mmu_update(&[MmuUpdate { ptr, val: paging::table_entry(self.top()).0 }]) }
    }

    /// Maps the next 2 MiB. `false`: there are none left, or Xen refused.
    pub fn grow(&mut self) -> bool {
        if self.built == self.leaves {
            return false;
        }
        let chunk = self.built;
        let address = Pfn(((self.first.0 >> 9) + chunk) << 9).direct_address();
        let mapped = || -> Result<(), Errno> {
            let window = Window::open();
            self.fill_leaf(&window, chunk)?;
            window.close()?;
            let (ptr, _) = paging::entry(address, 2).ok_or(Errno(14))?;
            // SAFETY: these 2 MiB were not mapped before.
            unsafe {
                hypercall::mmu_update(&[MmuUpdate { ptr, val: paging::table_entry(self.leaf(chunk)).0 }])
            }
        };
        match mapped() {
            Ok(()) => {
                self.built += 1;
                true
            }
            // Nothing can be said here: the page allocator is locked. The guest has that much less memory.
            Err(_) => {
                self.leaves = self.built;
                false
            }
        }
    }

    fn fill_leaf(&self, window: &Window, chunk: usize) -> Result<(), Errno> {
        let first = ((self.first.0 >> 9) + chunk) << 9;
        window.fill(self.leaf(chunk), |slot| {
            let pfn = Pfn(first + slot);
            if pfn < self.first || pfn.0 >= self.total {
                return Entry::NONE;
            }
            let protection = if pfn < self.bytes { Protection::Read } else { Protection::ReadWrite };
            Entry::page(paging::machine_frame(pfn), protection)
        })
    }
}
