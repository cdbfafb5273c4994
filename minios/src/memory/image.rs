//! Makes the image W^X, and what the builder put behind it not executable.

use super::address::{Entry, Pfn, Protection};
use super::paging::{self, Batch};
use super::window::Window;
use crate::hypercall::{self, Errno};

unsafe extern "C" {
    static __image_start: u8;
    static __rodata_start: u8;
    static __data_start: u8;
    static __symbols_start: u8;
}

/// Replaces the builder's last-level tables of the image's area by ones that are W^X and map no spare page; one update for
/// each 2 MiB, where changing the entries one by one would take hundreds. `first` is the first page that the builder did
/// not use, `leaf` the page for the n-th new table.
pub(super) fn protect(first: Pfn, leaf: impl Fn(usize) -> Pfn) -> Result<(), Errno> {
    let window = Window::open();
    let chunks = first.0.div_ceil(512);
    for chunk in 0..chunks {
        window.fill(leaf(chunk), |slot| entry(Pfn((chunk << 9) + slot), first, &window))?;
    }
    window.close()?;
    let mut batch = Batch::new();
    for chunk in 0.. {
        match paging::entry(Pfn(chunk << 9).image_address(), 2) {
            Some((machine, old)) if old.is_present() => {
                let new = if chunk < chunks { paging::table_entry(leaf(chunk)) } else { Entry::NONE };
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
fn entry(pfn: Pfn, first: Pfn, window: &Window) -> Entry {
    let (text, rodata) = (&raw const __image_start as u64, &raw const __rodata_start as u64);
    let (data, symbols) = (&raw const __data_start as u64, &raw const __symbols_start as u64);
    let address = pfn.image_address();
    let Some(old) = paging::lookup(address).filter(|old| old.is_present() && pfn < first) else {
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
