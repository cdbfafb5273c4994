//! Makes the guest's address space at boot from what the domain builder left.
//!
//! The builder maps the image, the ramdisk, the p2m list, `start_info`, the first page tables and a stack, in this order
//! and all writable and executable, with spare pages behind (`xen.h`, "domain boot"). From that: the spare mappings go,
//! the rest becomes W^X, the direct map of all pages behind is built, and what is free goes to the page allocator.

use core::ptr::NonNull;

use xen_sys::{PAGE_SIZE, xen::StartInfo};

use super::address::{DIRECT_BASE, Entry, Pfn, Protection, VIRT_BASE};
use super::pages;
use super::paging::{self, Batch};
use crate::hypercall::{self, Errno};

/// Fewer free pages than this after boot, and the guest says that `memory=` is too small.
const MIN_FREE_PAGES: usize = 64;

/// Why there is no address space.
#[derive(Clone, Copy, Debug)]
pub(crate) enum LayoutError {
    /// The domain has too few pages.
    TooSmall { pages: usize, needed: usize },
    /// Xen refused a step.
    Refused { step: &'static str, errno: Errno },
}

impl core::fmt::Display for LayoutError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::TooSmall { pages, needed } => {
                let needed_mib = needed.div_ceil(256);
                write!(
                    f,
                    "memory= is too small: the domain has {} KiB, this image needs {needed_mib} MiB",
                    pages * 4
                )
            }
            Self::Refused { step, errno } => write!(f, "Xen refused to {step}: {errno}"),
        }
    }
}

unsafe extern "C" {
    static __image_start: u8;
    static __rodata_start: u8;
    static __data_start: u8;
    static __symbols_start: u8;
}

/// A page whose mapping is lent, one after another, to page tables while they are filled.
#[repr(align(4096))]
struct Window(#[expect(dead_code, reason = "only its address is used")] [u8; PAGE_SIZE]);
static WINDOW: Window = Window([0; PAGE_SIZE]);

/// Pages of the domain.
pub(crate) fn total_pages() -> usize {
    paging::total()
}

/// Builds the address space.
///
/// # Safety
/// Called once, at boot, with Xen's `start_info` and the stack pointer at entry.
pub(crate) unsafe fn init(start: &StartInfo, boot_rsp: u64) -> Result<(), LayoutError> {
    let total = start.nr_pages as usize;
    let first = Pfn(((boot_rsp - VIRT_BASE) as usize).div_ceil(PAGE_SIZE));
    // SAFETY: from `start_info`.
    unsafe { paging::init(start.mfn_list, total, first, start.pt_base) };

    let plan = Plan::new(first, total)?;
    let refused = |step| move |errno| LayoutError::Refused { step, errno };
    plan.unmap_tables().map_err(refused("unmap the pages for page tables"))?;
    plan.build_direct_map().map_err(refused("build the direct map"))?;
    plan.protect_image().map_err(refused("protect the image"))?;
    plan.hand_over();
    Ok(())
}

/// Which pages behind the builder's become what: tables, the page allocator's bytes, free pages.
struct Plan {
    first: Pfn,
    total: usize,
    /// Tables for the image's area, and for the direct map its last-level and second-level ones.
    image_leaves: usize,
    leaves: usize,
    middles: usize,
    /// First page after the tables.
    bytes: Pfn,
    /// First free page.
    free: Pfn,
}

impl Plan {
    fn new(first: Pfn, total: usize) -> Result<Self, LayoutError> {
        let chunks = |shift: usize| ((total.max(1) - 1) >> shift) - (first.0 >> shift) + 1;
        let too_small = LayoutError::TooSmall { pages: total, needed: first.0 + MIN_FREE_PAGES + 8 };
        if first.0 + 8 >= total {
            return Err(too_small);
        }
        let (leaves, middles) = (chunks(9), chunks(18));
        let image_leaves = first.0.div_ceil(512);
        let bytes = Pfn(first.0 + image_leaves + leaves + middles + 1);
        let free = Pfn(bytes.0 + total.saturating_sub(bytes.0).div_ceil(PAGE_SIZE));
        if free.0 + MIN_FREE_PAGES > total {
            return Err(too_small);
        }
        Ok(Self { first, total, image_leaves, leaves, middles, bytes, free })
    }

    fn image_leaf(&self, chunk: usize) -> Pfn {
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

    /// Takes the builder's writable mappings away from the pages that become page tables.
    fn unmap_tables(&self) -> Result<(), Errno> {
        let mut batch = Batch::new();
        for page in self.first.0..self.bytes.0 {
            if let Some((machine, _)) = paging::entry(Pfn(page).image_address(), 1) {
                // SAFETY: nobody uses the spare pages yet.
                unsafe { batch.set(machine, Entry::NONE)? };
            }
        }
        // SAFETY: as above.
        unsafe { batch.apply() }
    }

    /// Fills the tables of the direct map, from the leaves up, and hooks them in.
    fn build_direct_map(&self) -> Result<(), Errno> {
        let window = WindowMapping::open();
        let first_chunk = self.first.0 >> 9;
        for chunk in 0..self.leaves {
            window.fill(self.leaf(chunk), |slot| {
                let pfn = Pfn(((first_chunk + chunk) << 9) + slot);
                if pfn < self.first || pfn.0 >= self.total {
                    return Entry::NONE;
                }
                let protection = if pfn < self.bytes { Protection::Read } else { Protection::ReadWrite };
                Entry::page(paging::machine_frame(pfn), protection)
            })?;
        }
        let first_middle = self.first.0 >> 18;
        for chunk in 0..self.middles {
            window.fill(self.middle(chunk), |slot| {
                let leaf = (((first_middle + chunk) << 9) + slot).wrapping_sub(first_chunk);
                if leaf < self.leaves { self.table(self.leaf(leaf)) } else { Entry::NONE }
            })?;
        }
        window.fill(self.top(), |slot| {
            let middle = slot.wrapping_sub(first_middle);
            if middle < self.middles { self.table(self.middle(middle)) } else { Entry::NONE }
        })?;
        window.close()?;
        let update =
            xen_sys::xen::MmuUpdate { ptr: paging::top_entry(DIRECT_BASE), val: self.table(self.top()).0 };
        // SAFETY: the area was not mapped before.
        unsafe { hypercall::mmu_update(&[update]) }
    }

    /// Replaces the builder's last-level tables of the image's area by ones that are W^X and map no spare page; one
    /// update for each 2 MiB, where changing the entries one by one would take hundreds.
    fn protect_image(&self) -> Result<(), Errno> {
        let window = WindowMapping::open();
        for chunk in 0..self.image_leaves {
            window
                .fill(self.image_leaf(chunk), |slot| self.image_entry(Pfn((chunk << 9) + slot), &window))?;
        }
        window.close()?;
        let mut batch = Batch::new();
        for chunk in 0.. {
            match paging::entry(Pfn(chunk << 9).image_address(), 2) {
                Some((machine, old)) if old.is_present() => {
                    let new = if chunk < self.image_leaves {
                        self.table(self.image_leaf(chunk))
                    } else {
                        Entry::NONE
                    };
                    // SAFETY: code stays executable, data writable, constants readable; spare pages nobody uses.
                    unsafe { batch.set(machine, new)? };
                }
                _ => break,
            }
        }
        // SAFETY: as above.
        unsafe { batch.apply()? };
        hypercall::flush_tlb()
    }

    /// What a page of the image, or of what the builder put behind it, is mapped as.
    fn image_entry(&self, pfn: Pfn, window: &WindowMapping) -> Entry {
        let (text, rodata) = (&raw const __image_start as u64, &raw const __rodata_start as u64);
        let (data, symbols) = (&raw const __data_start as u64, &raw const __symbols_start as u64);
        let address = pfn.image_address();
        let Some(old) = paging::lookup(address).filter(|old| old.is_present() && pfn < self.first) else {
            return Entry::NONE;
        };
        if address == window.address {
            window.own.not_executable()
        } else if (text..rodata).contains(&address) {
            Entry::page(old.mfn(), Protection::ReadExecute)
        } else if (rodata..data).contains(&address) {
            Entry::page(old.mfn(), Protection::Read)
        } else if (data..symbols).contains(&address) {
            Entry::page(old.mfn(), Protection::ReadWrite)
        } else {
            // The symbols, and the builder's things: page tables are read-only already and stay so.
            old.not_executable()
        }
    }

    fn table(&self, pfn: Pfn) -> Entry {
        Entry::table(paging::machine_frame(pfn))
    }

    /// Gives the free pages to the page allocator.
    fn hand_over(&self) {
        let base = self.free.direct_address() as *mut u8;
        let bytes = self.bytes.direct_address() as *mut u8;
        // SAFETY: mapped writable by `build`, a byte per free page, and nobody else's.
        unsafe { pages::init(base, self.total - self.free.0, bytes) };
    }
}

/// The window while it is in use.
struct WindowMapping {
    address: u64,
    own: Entry,
}

impl WindowMapping {
    fn open() -> Self {
        let address = &raw const WINDOW as u64;
        let own = paging::lookup(address).expect("the builder mapped the image");
        Self { address, own }
    }

    /// Fills a page that is to become a table.
    fn fill(&self, table: Pfn, entry: impl Fn(usize) -> Entry) -> Result<(), Errno> {
        let mapping = Entry::page(paging::machine_frame(table), Protection::ReadWrite);
        // SAFETY: nobody refers to the window's memory.
        unsafe { hypercall::update_va_mapping(self.address, mapping.0)? };
        let Some(page) = NonNull::new(self.address as *mut u64) else { return Err(Errno(14)) };
        for slot in 0..512 {
            // SAFETY: the page is mapped writable here, and nobody else uses it.
            let at = unsafe { page.add(slot) };
            // SAFETY: as above.
            unsafe { at.write_volatile(entry(slot).0) };
        }
        Ok(())
    }

    fn close(self) -> Result<(), Errno> {
        // SAFETY: the window gets its own page again.
        unsafe { hypercall::update_va_mapping(self.address, self.own.0) }
    }
}
