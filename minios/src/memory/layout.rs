//! Makes the guest's address space at boot from what the domain builder left.
//!
//! The builder maps the image, the ramdisk, the p2m list, `start_info`, the first page tables and a stack, in this order
//! and all writable and executable, with spare pages behind (`xen.h`, "domain boot"). From that: the direct map of all pages
//! behind is begun ([`super::direct`]), the image becomes W^X and loses the spare mappings ([`super::image`]), and what is
//! free goes to the page allocator.

use xen_sys::{PAGE_SIZE, xen::StartInfo};

use super::address::{Pfn, VIRT_BASE};
use super::direct::DirectMap;
use super::{image, pages, paging};
use crate::hypercall::Errno;

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

/// Builds the address space.
///
/// # Safety
/// Called once, at boot, with Xen's `start_info` and the stack pointer at entry.
pub(crate) unsafe fn init(start: &StartInfo, boot_rsp: u64) -> Result<(), LayoutError> {
    let total = start.nr_pages as usize;
    let first = Pfn(((boot_rsp - VIRT_BASE) as usize).div_ceil(PAGE_SIZE));
    // SAFETY: from `start_info`.
    unsafe { paging::init(start.mfn_list, total, first, start.pt_base) };

    let too_small = LayoutError::TooSmall { pages: total, needed: first.0 + DirectMap::MIN_PAGES };
    let mut direct = DirectMap::plan(first, total).ok_or(too_small)?;
    let refused = |step| move |errno| LayoutError::Refused { step, errno };
    direct.unmap_tables().map_err(refused("unmap the pages for page tables"))?;
    direct.build().map_err(refused("build the direct map"))?;
    image::protect(first, |chunk| direct.image_leaf(chunk)).map_err(refused("protect the image"))?;
    pages::init(direct);
    Ok(())
}

/// Pages of the domain.
pub(crate) fn total_pages() -> usize {
    paging::total()
}
