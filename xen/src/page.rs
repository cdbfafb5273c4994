//! Pages and their owners as types: [`OwnPage`] is ours alone, [`SharedPage`] is granted to a peer.
//!
//! Only whole pages that serve one purpose are granted, and they are zeroed before (XSA-403, XSA-405). A page that the
//! peer still maps when its grant should end is leaked on purpose (XSA-396).

use core::mem::ManuallyDrop;
use core::ptr::NonNull;

use crate::{Access, DomId, GrantError, GrantRef, Grants, OutOfMemory, PAGE_SIZE, SharedMemory, StillMapped};

/// A page that no peer can reach: ordinary memory.
pub struct OwnPage<P: Grants> {
    platform: P,
    page: NonNull<u8>,
}

impl<P: Grants + Clone> OwnPage<P> {
    /// Allocates a zeroed page.
    pub fn new(platform: &P) -> Result<Self, OutOfMemory> {
        Ok(Self { platform: platform.clone(), page: platform.alloc_page()? })
    }

    /// Its bytes.
    pub fn as_slice(&self) -> &[u8] {
        // SAFETY: a live page of `PAGE_SIZE` bytes that only `self` refers to.
        unsafe { core::slice::from_raw_parts(self.page.as_ptr(), PAGE_SIZE) }
    }

    /// Its bytes.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: as above, and `self` is borrowed mutably.
        unsafe { core::slice::from_raw_parts_mut(self.page.as_ptr(), PAGE_SIZE) }
    }

    /// Grants the page to `peer`. What is in it becomes visible to the peer.
    pub fn share(self, peer: DomId, access: Access) -> Result<SharedPage<P>, GrantError> {
        // SAFETY: the page came from `alloc_page`; `SharedPage` hands out no references.
        let gref = unsafe { self.platform.grant(peer, self.page, access)? };
        let own = ManuallyDrop::new(self);
        // SAFETY: `own` is never dropped, so the platform handle is moved out exactly once.
        let platform = unsafe { core::ptr::read(&own.platform) };
        Ok(SharedPage { platform, page: own.page, gref })
    }
}

impl<P: Grants> Drop for OwnPage<P> {
    fn drop(&mut self) {
        // SAFETY: from `alloc_page`, not granted, and `self` ends here.
        unsafe { self.platform.free_page(self.page) }
    }
}

/// A page granted to a peer. Dropping it ends the grant and frees the page, or leaks both if the peer still maps it.
pub struct SharedPage<P: Grants> {
    platform: P,
    page: NonNull<u8>,
    gref: GrantRef,
}

impl<P: Grants + Clone> SharedPage<P> {
    /// Allocates a zeroed page and grants it.
    pub fn new(platform: &P, peer: DomId, access: Access) -> Result<Self, GrantError> {
        OwnPage::new(platform)?.share(peer, access)
    }

    /// The reference that the peer maps it by.
    pub fn gref(&self) -> GrantRef {
        self.gref
    }

    /// Ends the grant. On failure the page is leaked and the device should be given up.
    pub fn unshare(self) -> Result<OwnPage<P>, StillMapped> {
        let shared = ManuallyDrop::new(self);
        // SAFETY: `shared` is never dropped: the grant is revoked exactly once.
        let revoked = unsafe { shared.platform.revoke(shared.gref) };
        // SAFETY: moved out once, as above; on failure it is dropped with this function.
        let platform = unsafe { core::ptr::read(&shared.platform) };
        revoked.map(|()| OwnPage { platform, page: shared.page })
    }
}

// SAFETY: a whole page from `alloc_page`, aligned to its size, owned until drop; only copies and atomics touch it.
unsafe impl<P: Grants> SharedMemory for SharedPage<P> {
    fn base(&self) -> NonNull<u8> {
        self.page
    }
    fn len(&self) -> usize {
        PAGE_SIZE
    }
}

impl<P: Grants> Drop for SharedPage<P> {
    fn drop(&mut self) {
        // SAFETY: granted by `share` and not revoked since (`unshare` does not drop).
        let revoked = unsafe { self.platform.revoke(self.gref) };
        if revoked.is_ok() {
            // SAFETY: from `alloc_page`, no longer granted, and `self` ends here.
            unsafe { self.platform.free_page(self.page) }
        }
    }
}

// SAFETY: the page is plain memory; the platform handle decides.
unsafe impl<P: Grants + Send> Send for OwnPage<P> {}
// SAFETY: as above.
unsafe impl<P: Grants + Send> Send for SharedPage<P> {}
