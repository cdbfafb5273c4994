//! Pages that other domains have granted to us, mapped.

use core::fmt;
use core::ptr::NonNull;

use xen::{Access, DomId, SharedMemory};
use xen_sys::PAGE_SIZE;
use xen_sys::grant_table::{GNTMAP_HOST_MAP, GNTMAP_READONLY, MapGrantRef, UnmapGrantRef};

use crate::hypercall::{self, Errno};
use crate::memory::paging::{self, MapError};
use crate::thread::stack;

/// Why a grant could not be mapped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GrantMapError {
    /// No page table for it.
    Table(MapError),
    /// Xen refused the hypercall.
    Refused(Errno),
    /// Xen refused this grant (`GNTST_*`, negative).
    Status {
        /// The status.
        status: i16,
        /// The reference.
        gref: u32,
        /// Whose it is.
        domain: DomId,
    },
}

impl fmt::Display for GrantMapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Table(error) => error.fmt(f),
            Self::Refused(errno) => write!(f, "GNTTABOP_map_grant_ref failed with {errno}"),
            Self::Status { status, gref, domain } => {
                write!(f, "grant {gref} of domain {domain} can not be mapped: status {status}")
            }
        }
    }
}

impl core::error::Error for GrantMapError {}

/// A foreign page in our address space; unmapped on drop.
pub struct MappedGrant {
    page: NonNull<u8>,
    handle: u32,
}

impl MappedGrant {
    /// Maps what `domain` has granted to us as `gref`.
    pub fn new(domain: DomId, gref: u32, access: Access) -> Result<Self, GrantMapError> {
        let address = stack::reserve(1);
        let give_back = |error| {
            stack::give_back(address, 1);
            error
        };
        paging::prepare(address).map_err(GrantMapError::Table).map_err(give_back)?;
        let read_only = if access == Access::ReadOnly { GNTMAP_READONLY } else { 0 };
        let mut operation = MapGrantRef {
            host_addr: address,
            flags: GNTMAP_HOST_MAP | read_only,
            gref,
            dom: domain.raw(),
            ..MapGrantRef::default()
        };
        // SAFETY: the address was reserved for this page, and nothing is mapped there.
        unsafe { hypercall::grant_map(core::slice::from_mut(&mut operation)) }
            .map_err(GrantMapError::Refused)
            .map_err(give_back)?;
        match NonNull::new(address as *mut u8) {
            Some(page) if operation.status == 0 => Ok(Self { page, handle: operation.handle }),
            _ => Err(give_back(GrantMapError::Status { status: operation.status, gref, domain })),
        }
    }
}

impl Drop for MappedGrant {
    fn drop(&mut self) {
        let address = self.page.as_ptr() as u64;
        let mut operation =
            UnmapGrantRef { host_addr: address, handle: self.handle, ..UnmapGrantRef::default() };
        // SAFETY: mapped by `new`, and `self` was the only way to it.
        let unmapped = unsafe { hypercall::grant_unmap(core::slice::from_mut(&mut operation)) };
        if unmapped.is_ok() && operation.status == 0 {
            stack::give_back(address, 1);
        } else {
            // The addresses stay taken: better lost than used twice.
            log::error!(target: "grants", "GNTTABOP_unmap_grant_ref: {unmapped:?}, status {}", operation.status);
        }
    }
}

// SAFETY: a page that stays mapped until drop; only copies and atomics touch it.
unsafe impl SharedMemory for MappedGrant {
    fn base(&self) -> NonNull<u8> {
        self.page
    }
    fn len(&self) -> usize {
        PAGE_SIZE
    }
}
