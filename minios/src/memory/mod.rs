//! The guest's memory: frames, page tables, the page allocator and the heap.
//!
//! - [`address`]: page frame numbers, machine frame numbers, and where things are in the address space;
//! - [`paging`]: the page tables, which only Xen may write: mapping, unmapping, protecting;
//! - [`pages`]: a buddy allocator of the pages that nobody uses;
//! - `heap`: the global allocator (talc) over those pages;
//! - `layout`: makes all of it at boot from what the domain builder left, with `direct` (the direct map) and `image` (W^X).

pub mod address;
#[cfg(any(test, target_os = "none"))]
mod buddy;
#[cfg(target_os = "none")]
mod direct;
#[cfg(target_os = "none")]
mod heap;
#[cfg(target_os = "none")]
mod image;
#[cfg(target_os = "none")]
pub(crate) mod layout;
#[cfg(target_os = "none")]
pub mod pages;
#[cfg(target_os = "none")]
pub mod paging;
#[cfg(target_os = "none")]
mod window;

pub use address::{Mfn, Pfn};

/// What the guest has and uses, in pages.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Pages of the domain.
    pub total: usize,
    /// Pages free.
    pub free: usize,
}

/// Counts pages.
#[cfg(target_os = "none")]
pub fn usage() -> Usage {
    Usage { total: layout::total_pages(), free: pages::free() }
}
