//! A run of pages that a peer may read and we may write: [`ReadablePages`].
//!
//! What is granted read-only changes by our own hand alone, so ordinary slices into it are sound, unlike slices into a
//! [`crate::SharedPage`]. A frame can be built where the peer reads it, in as many consecutive pages as it takes.

use alloc::vec::Vec;
use core::ptr::NonNull;

use crate::{Access, DomId, GrantError, GrantRef, Grants, PAGE_SIZE};

/// Pages at consecutive addresses, each granted to a peer for reading. Dropping it ends the grants and frees the pages; what
/// the peer still maps is leaked, page by page.
pub struct ReadablePages<P: Grants> {
    platform: P,
    first: NonNull<u8>,
    /// One for each page.
    grefs: Vec<GrantRef>,
}

impl<P: Grants + Clone> ReadablePages<P> {
    /// Allocates `count` zeroed pages, at least one, and grants them.
    pub fn new(platform: &P, peer: DomId, count: usize) -> Result<Self, GrantError> {
        let count = count.max(1);
        let mut grefs = Vec::new();
        grefs.try_reserve_exact(count).map_err(|_| GrantError::OutOfMemory)?;
        let first = platform.alloc_pages(count)?;
        let mut run = Self { platform: platform.clone(), first, grefs };
        for page in 0..count {
            // SAFETY: allocated above; read-only grants allow references.
            match unsafe { platform.grant(peer, run.page(page), Access::ReadOnly) } {
                Ok(gref) => run.grefs.push(gref),
                Err(error) => {
                    // Dropping the run frees what is granted; the rest is freed here.
                    // SAFETY: pages of the run, not granted, which the run does not know.
                    unsafe { platform.free_pages(run.page(page), count - page) };
                    return Err(error);
                }
            }
        }
        Ok(run)
    }
}

impl<P: Grants> ReadablePages<P> {
    /// Pages.
    pub fn pages(&self) -> usize {
        self.grefs.len()
    }

    /// The reference that the peer maps a page by. A page beyond the run is a bug of the caller and panics.
    pub fn gref(&self, page: usize) -> GrantRef {
        self.grefs[page]
    }

    /// `len` bytes from the beginning of `page`. Bytes beyond the run are a bug of the caller and panic.
    pub fn bytes_mut(&mut self, page: usize, len: usize) -> &mut [u8] {
        let fits = self.pages().checked_sub(page).is_some_and(|pages| len <= pages * PAGE_SIZE);
        assert!(fits, "{len} bytes from page {page} are outside a run of {} pages", self.pages());
        let start = self.page(page);
        // SAFETY: in bounds, initialised by `alloc_pages`; the peer can not write, and `self` is borrowed mutably.
        unsafe { core::slice::from_raw_parts_mut(start.as_ptr(), len) }
    }

    fn page(&self, page: usize) -> NonNull<u8> {
        // SAFETY: callers stay within the run, or at its end.
        unsafe { self.first.add(page * PAGE_SIZE) }
    }
}

impl<P: Grants> Drop for ReadablePages<P> {
    fn drop(&mut self) {
        for (page, gref) in self.grefs.iter().enumerate() {
            // SAFETY: granted by `new`, and not revoked since.
            let revoked = unsafe { self.platform.revoke(*gref) };
            if revoked.is_ok() {
                // SAFETY: from `alloc_pages`, no longer granted, and `self` ends here.
                unsafe { self.platform.free_pages(self.page(page), 1) }
            }
        }
    }
}

// SAFETY: the pages are plain memory; the platform handle decides.
unsafe impl<P: Grants + Send> Send for ReadablePages<P> {}
