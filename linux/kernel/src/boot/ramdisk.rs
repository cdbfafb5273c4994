//! Pages of the ramdisk as pages of files, so that what lies in place is not copied.

use alloc::sync::Arc;
use core::ptr::NonNull;

use linux_mm::Frame;
use linux_vfs::tree::InPlace;

/// Makes frames of pages of the ramdisk.
pub fn in_place() -> Option<InPlace> {
    let ramdisk = minios::boot::ramdisk()?;
    let range = ramdisk.as_ptr_range();
    let range = range.start.addr()..range.end.addr();
    Some(Arc::new(move |page: &[u8]| {
        let inside = page.as_ptr_range();
        let fits = range.start <= inside.start.addr() && inside.end.addr() <= range.end;
        if !fits
            || page.len() != linux_mm::PAGE_SIZE
            || !inside.start.addr().is_multiple_of(linux_mm::PAGE_SIZE)
        {
            return None;
        }
        // SAFETY: a whole page of the ramdisk, which stays and which nobody writes: programs get it read-only, and a copy to write.
        Some(unsafe { Frame::from_static(NonNull::new(page.as_ptr().cast_mut())?) })
    }))
}
