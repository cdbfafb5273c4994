//! Bytes of a program in a row, where the kernel has them mapped.

use core::marker::PhantomData;
use core::ptr::NonNull;
use core::sync::atomic::AtomicU32;

use crate::Frame;

/// Bytes of a program, within a page or in pages that lie one behind another. They are copied in and out, and never borrowed:
/// programs may have them mapped.
pub(crate) struct Span<'a> {
    at: NonNull<u8>,
    len: usize,
    /// Whether they are a page of ours: nobody but programs and this kernel changes them.
    is_own: bool,
    page: PhantomData<&'a Frame>,
}

impl<'a> Span<'a> {
    /// `len` bytes at `offset` of a page, as far as the page goes.
    pub fn of_frame(frame: &'a Frame, offset: usize, len: usize) -> Self {
        let offset = offset.min(crate::PAGE_SIZE);
        // SAFETY: within the page or just behind it.
        let at = unsafe { frame.as_ptr().add(offset) };
        Self { at, len: len.min(crate::PAGE_SIZE - offset), is_own: true, page: PhantomData }
    }

    /// `len` bytes of another domain.
    ///
    /// # Safety
    /// They are mapped as long as the span lives, writable if they are to be written.
    pub unsafe fn foreign(at: NonNull<u8>, len: usize) -> Self {
        Self { at, len, is_own: false, page: PhantomData }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    /// Copies bytes out from `offset`, as far as there are any. Returns how many.
    pub fn read(&self, offset: usize, into: &mut [u8]) -> usize {
        let len = into.len().min(self.len.saturating_sub(offset));
        if len > 0 {
            // SAFETY: `offset + len` lies within the span; `into` is the caller's own.
            unsafe { self.at.as_ptr().add(offset).copy_to(into.as_mut_ptr(), len) };
        }
        len
    }

    /// Copies bytes in from the start, as far as there is room. Returns how many.
    pub fn write(&self, bytes: &[u8]) -> usize {
        let len = bytes.len().min(self.len);
        if len > 0 {
            // SAFETY: within the span.
            unsafe { self.at.as_ptr().copy_from(bytes.as_ptr(), len) };
        }
        len
    }

    /// Zeroes all.
    pub fn zero(&self) {
        if self.len > 0 {
            // SAFETY: within the span.
            unsafe { self.at.as_ptr().write_bytes(0, self.len) };
        }
    }

    /// The aligned word at the start, to change it atomically; only in a page of ours.
    pub fn word(&self) -> Option<&AtomicU32> {
        let is_there = self.is_own && self.len >= 4 && self.at.cast::<u32>().is_aligned();
        // SAFETY: aligned and within a page that lives as long as the span; the word is only ever reached by atomics and by
        // copies that happen when nothing else runs.
        is_there.then(|| unsafe { AtomicU32::from_ptr(self.at.as_ptr().cast()) })
    }
}
