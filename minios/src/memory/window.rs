//! A page of the address space through which page tables are filled before they are used.

use core::ptr::NonNull;

use xen_sys::PAGE_SIZE;

use super::address::{Entry, Pfn, Protection};
use super::paging;
use crate::hypercall::{self, Errno};

/// A page whose mapping is lent, one after another, to page tables while they are filled.
#[repr(align(4096))]
struct WindowPage(#[expect(dead_code, reason = "only its address is used")] [u8; PAGE_SIZE]);
static WINDOW: WindowPage = WindowPage([0; PAGE_SIZE]);

/// The window while it is in use.
pub(super) struct Window {
    pub address: u64,
    /// What its own page is mapped as.
    pub own: Entry,
}

impl Window {
    pub fn open() -> Self {
        let address = &raw const WINDOW as u64;
        let own = paging::lookup(address).expect("the builder mapped the image");
        Self { address, own }
    }

    /// Fills a page that is to become a table.
    pub fn fill(&self, table: Pfn, entry: impl Fn(usize) -> Entry) -> Result<(), Errno> {
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

    pub fn close(self) -> Result<(), Errno> {
        // SAFETY: the window gets its own page again.
        unsafe { hypercall::update_va_mapping(self.address, self.own.0) }
    }
}
