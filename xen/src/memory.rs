//! Memory that a peer may write at any moment.
//!
//! There is no way to get a reference into it: values go in and out whole, by copy, and are judged as copies (XSA-155).

use core::fmt;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, Ordering};

use xen_sys::io::{blkif, netif, xs_wire};

/// The peer broke the protocol; its device is finished, the guest is not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PeerMisbehaved {
    /// What it lied about.
    pub what: &'static str,
    /// What it said.
    pub value: u64,
}

impl fmt::Display for PeerMisbehaved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the peer broke the protocol: {} {}", self.what, self.value)
    }
}

impl core::error::Error for PeerMisbehaved {}

/// A structure that may travel through shared memory.
///
/// # Safety
/// `repr(C)`, no padding, and every bit pattern is a value.
pub unsafe trait Slot: Copy + 'static {}

// SAFETY: repr(C) of integers without padding; `tests/layout.rs` of xen-sys holds the sizes.
unsafe impl Slot for netif::TxRequest {}
// SAFETY: as above.
unsafe impl Slot for netif::TxResponse {}
// SAFETY: as above.
unsafe impl Slot for netif::RxRequest {}
// SAFETY: as above.
unsafe impl Slot for netif::RxResponse {}
// SAFETY: as above.
unsafe impl Slot for netif::ExtraInfo {}
// SAFETY: as above.
unsafe impl Slot for blkif::Request {}
// SAFETY: as above.
unsafe impl Slot for blkif::Response {}
// SAFETY: as above.
unsafe impl Slot for blkif::IndirectRequest {}
// SAFETY: as above.
unsafe impl Slot for blkif::DiscardRequest {}
// SAFETY: as above.
unsafe impl Slot for blkif::Segment {}
// SAFETY: as above.
unsafe impl Slot for xs_wire::SockMsg {}
// SAFETY: an integer.
unsafe impl Slot for u64 {}

/// A range of memory shared with a peer, with the only accesses that are safe there. Offsets are this side's own;
/// one that does not fit is a bug of the caller and panics.
///
/// # Safety
/// `base()..base()+len()` stays mapped, readable (and writable, if `writable()`) as long as `self` lives, is aligned to
/// 8 bytes, and no Rust reference into it exists.
#[expect(clippy::len_without_is_empty, reason = "it is never empty")]
pub unsafe trait SharedMemory {
    /// Where it begins.
    fn base(&self) -> NonNull<u8>;
    /// Bytes.
    fn len(&self) -> usize;

    /// Reads an index (acquire: what the peer wrote before it is visible after).
    fn load_u32(&self, offset: usize) -> u32 {
        atomic(self, offset).load(Ordering::Acquire)
    }

    /// Writes an index (release: what was written before is visible to a peer that reads it).
    fn store_u32(&self, offset: usize, value: u32) {
        atomic(self, offset).store(value, Ordering::Release);
    }

    /// Sets bits of a word that both ends change; returns what was there. A full fence.
    fn fetch_or_u32(&self, offset: usize, bits: u32) -> u32 {
        atomic(self, offset).fetch_or(bits, Ordering::SeqCst)
    }

    /// Keeps these bits alone of a word that both ends change; returns what was there. A full fence.
    fn fetch_and_u32(&self, offset: usize, bits: u32) -> u32 {
        atomic(self, offset).fetch_and(bits, Ordering::SeqCst)
    }

    /// Copies bytes out.
    fn copy_out(&self, offset: usize, into: &mut [u8]) {
        let from = range(self, offset, into.len());
        // SAFETY: `range` checked the bounds; `into` is ours, so they do not overlap. The peer may write meanwhile:
        // then the bytes are its own mixture, and they are judged after the copy.
        unsafe { core::ptr::copy_nonoverlapping(from.as_ptr(), into.as_mut_ptr(), into.len()) }
    }

    /// Copies bytes in.
    fn copy_in(&self, offset: usize, from: &[u8]) {
        let into = range(self, offset, from.len());
        // SAFETY: as in `copy_out`.
        unsafe { core::ptr::copy_nonoverlapping(from.as_ptr(), into.as_ptr(), from.len()) }
    }

    /// Copies a structure out, once and whole.
    fn read_slot<T: Slot>(&self, offset: usize) -> T {
        let from = range(self, offset, size_of::<T>()).cast::<T>();
        assert!(from.is_aligned(), "slot at {offset} is not aligned");
        // SAFETY: in bounds and aligned; `Slot` promises that any bytes are a value.
        unsafe { from.read_volatile() }
    }

    /// Copies a structure in.
    fn write_slot<T: Slot>(&self, offset: usize, value: T) {
        let into = range(self, offset, size_of::<T>()).cast::<T>();
        assert!(into.is_aligned(), "slot at {offset} is not aligned");
        // SAFETY: in bounds and aligned.
        unsafe { into.write_volatile(value) }
    }
}

fn range<M: SharedMemory + ?Sized>(memory: &M, offset: usize, len: usize) -> NonNull<u8> {
    assert!(
        offset <= memory.len() && len <= memory.len() - offset,
        "{len} bytes at {offset} are outside shared memory of {}",
        memory.len()
    );
    // SAFETY: the offset lies within the range that `SharedMemory` promises.
    unsafe { memory.base().add(offset) }
}

fn atomic<M: SharedMemory + ?Sized>(memory: &M, offset: usize) -> &AtomicU32 {
    let at = range(memory, offset, 4);
    assert!(offset.is_multiple_of(4), "index at {offset} is not aligned");
    // SAFETY: in bounds, aligned (the base is to 8), lives as long as `memory`; an atomic may be shared with a peer.
    unsafe { AtomicU32::from_ptr(at.as_ptr().cast()) }
}

/// A page that Xen gave us at boot (console, XenStore), or that a peer granted to us.
#[derive(Debug)]
pub struct RawPage(NonNull<u8>);

impl RawPage {
    /// # Safety
    /// `page` is page-aligned, stays mapped and writable for as long as the value lives, and nobody makes a reference
    /// into it.
    pub const unsafe fn new(page: NonNull<u8>) -> Self {
        Self(page)
    }
}

// SAFETY: promised by the caller of `RawPage::new`.
unsafe impl SharedMemory for RawPage {
    fn base(&self) -> NonNull<u8> {
        self.0
    }
    fn len(&self) -> usize {
        crate::PAGE_SIZE
    }
}

// SAFETY: the accesses are copies and atomics; which thread makes them does not matter.
unsafe impl Send for RawPage {}
