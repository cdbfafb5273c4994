//! Pages of memory with a count of references: what user programs map, and what the page cache and tmpfs keep.
//!
//! A [`Frame`] is a reference. Its bytes are only copied in and out, by raw pointers: a program may have the same page mapped,
//! and nobody ever holds a Rust reference into it.

use core::ptr::NonNull;
use core::sync::atomic::Ordering;

use linux_base::{Errno, Result, Sink, Source};

/// Bytes of a page.
pub const PAGE_SIZE: usize = 4096;

/// Pages of the machine.
pub(crate) fn total_pages() -> usize {
    backend::total()
}

/// Pages that are free.
pub(crate) fn free_pages() -> usize {
    backend::free_pages()
}

/// How many references there are to the page of a number, which has one.
pub(crate) fn references(number: usize) -> u32 {
    backend::count(backend::page(number)).load(Ordering::Relaxed)
}

/// A reference to a page. The page is freed with its last reference.
pub struct Frame(NonNull<u8>);

// SAFETY: a page belongs to no thread; its bytes are reached by copies only, its count by atomics.
unsafe impl Send for Frame {}
// SAFETY: as above.
unsafe impl Sync for Frame {}

impl Frame {
    /// A page of zeroes; `ENOMEM` when there is none left but what the kernel needs for itself.
    pub fn zeroed() -> Result<Self> {
        Self::uninit()?.filled()
    }

    /// As [`Frame::zeroed`], for a page of a file.
    pub fn zeroed_for_file() -> Result<Self> {
        crate::ensure_room_for_file()?;
        Self::allocate()?.filled()
    }

    /// As [`Frame::zeroed`], for what the kernel cannot do without: takes of the reserve.
    pub fn zeroed_for_kernel() -> Result<Self> {
        Self::allocate()?.filled()
    }

    fn filled(self) -> Result<Self> {
        let frame = self;
        // SAFETY: the page is ours alone.
        unsafe { frame.0.as_ptr().write_bytes(0, PAGE_SIZE) };
        Ok(frame)
    }

    /// A copy of this page; `ENOMEM` as for [`Frame::zeroed`].
    pub fn copy(&self) -> Result<Self> {
        let frame = Self::uninit()?;
        // SAFETY: two pages, the new one ours alone.
        unsafe { self.0.as_ptr().copy_to_nonoverlapping(frame.0.as_ptr(), PAGE_SIZE) };
        Ok(frame)
    }

    /// A page whose bytes were somebody else's: to be filled whole before anybody sees it.
    fn uninit() -> Result<Self> {
        crate::ensure_room()?;
        Self::allocate()
    }

    fn allocate() -> Result<Self> {
        let page = backend::alloc().ok_or(Errno::ENOMEM)?;
        backend::count(page).store(1, Ordering::Relaxed);
        Ok(Self(page))
    }

    /// A page that nobody frees: one of the ramdisk, or one that Xen shares.
    ///
    /// # Safety
    /// `page` is the address of a whole page in the direct map or the image that stays as long as the guest runs; nobody holds a
    /// Rust reference into it that a write of a program would break.
    pub unsafe fn from_static(page: NonNull<u8>) -> Self {
        backend::count(page).fetch_add(2, Ordering::Relaxed);
        Self(page)
    }

    /// How many references there are.
    pub fn references(&self) -> u32 {
        backend::count(self.0).load(Ordering::Relaxed)
    }

    /// Whether this is the only reference.
    pub fn is_unique(&self) -> bool {
        self.references() == 1
    }

    /// Its number, the same for all references to the page: the page frame number in the guest.
    pub fn number(&self) -> usize {
        backend::number(self.0)
    }

    /// Where its bytes are. For page tables and DMA; copy with the methods otherwise.
    pub fn as_ptr(&self) -> NonNull<u8> {
        self.0
    }

    /// Gives the reference away as a page number, to be kept in a page-table entry.
    pub fn into_number(self) -> usize {
        let number = self.number();
        core::mem::forget(self);
        number
    }

    /// Takes a reference back.
    ///
    /// # Safety
    /// `number` came from [`Frame::into_number`] and is taken back once for each time.
    pub unsafe fn from_number(number: usize) -> Self {
        Self(backend::page(number))
    }

    /// Another reference to the page that an entry holds, which stays.
    ///
    /// # Safety
    /// A reference given away by [`Frame::into_number`] is still out.
    pub unsafe fn borrow_number(number: usize) -> Self {
        let page = backend::page(number);
        backend::count(page).fetch_add(1, Ordering::Relaxed);
        Self(page)
    }

    /// Copies bytes out from `offset`; what lies behind the page is left as it is. Returns how many.
    pub fn read(&self, offset: usize, into: &mut [u8]) -> usize {
        let len = into.len().min(PAGE_SIZE.saturating_sub(offset));
        if len > 0 {
            // SAFETY: `offset + len` lies within the page; `into` is the caller's own.
            unsafe { self.0.as_ptr().add(offset).copy_to(into.as_mut_ptr(), len) };
        }
        len
    }

    /// Copies bytes in at `offset`, as far as the page goes. Returns how many.
    pub fn write(&self, offset: usize, bytes: &[u8]) -> usize {
        let len = bytes.len().min(PAGE_SIZE.saturating_sub(offset));
        if len > 0 {
            // SAFETY: as above.
            unsafe { self.0.as_ptr().add(offset).copy_from(bytes.as_ptr(), len) };
        }
        len
    }

    /// Zeroes `len` bytes at `offset`, as far as the page goes.
    pub fn zero(&self, offset: usize, len: usize) {
        let len = len.min(PAGE_SIZE.saturating_sub(offset));
        if len > 0 {
            // SAFETY: as above.
            unsafe { self.0.as_ptr().add(offset).write_bytes(0, len) };
        }
    }

    /// Copies `len` bytes from `offset` to a user's buffer, one copy. Returns how many went.
    pub fn read_to(&self, offset: usize, len: usize, sink: &mut dyn Sink) -> Result<usize> {
        let len = len.min(PAGE_SIZE.saturating_sub(offset));
        if len == 0 {
            return Ok(0);
        }
        // SAFETY: within the page. No user program runs meanwhile (one vCPU, and kernel code is not interrupted); a sink over
        // this very page copies as `memmove` does.
        let bytes = unsafe { core::slice::from_raw_parts(self.0.as_ptr().add(offset), len) };
        sink.push(bytes)
    }

    /// Copies up to `len` bytes from a user's buffer to `offset`, one copy. Returns how many came.
    pub fn write_from(&self, offset: usize, len: usize, source: &mut dyn Source) -> Result<usize> {
        let len = len.min(PAGE_SIZE.saturating_sub(offset));
        if len == 0 {
            return Ok(0);
        }
        // SAFETY: as above.
        let bytes = unsafe { core::slice::from_raw_parts_mut(self.0.as_ptr().add(offset), len) };
        source.pull(bytes)
    }
}

impl Clone for Frame {
    fn clone(&self) -> Self {
        backend::count(self.0).fetch_add(1, Ordering::Relaxed);
        Self(self.0)
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        if backend::count(self.0).fetch_sub(1, Ordering::AcqRel) == 1 {
            // SAFETY: this was the last reference.
            unsafe { backend::free(self.0) };
        }
    }
}

impl core::fmt::Debug for Frame {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Frame({:#x}, {} references)", self.number(), self.references())
    }
}

/// Pages of the guest; the counts are a table beside them.
#[cfg(target_os = "none")]
mod backend {
    use alloc::vec::Vec;
    use core::ptr::NonNull;
    use core::sync::atomic::AtomicU32;

    use minios::memory::{Pfn, pages, paging, usage};
    use spin::LazyLock;

    static COUNTS: LazyLock<Vec<AtomicU32>> =
        LazyLock::new(|| (0..usage().total).map(|_| AtomicU32::new(0)).collect());

    pub fn alloc() -> Option<NonNull<u8>> {
        pages::alloc(0)
    }

    pub fn free_pages() -> usize {
        pages::free()
    }

    pub fn total() -> usize {
        COUNTS.len()
    }

    pub unsafe fn free(page: NonNull<u8>) {
        // SAFETY: promised by the caller; it came from `alloc`.
        unsafe { pages::release(page, 0) }
    }

    pub fn number(page: NonNull<u8>) -> usize {
        Pfn::of_address(page.as_ptr() as u64).0
    }

    pub fn page(number: usize) -> NonNull<u8> {
        paging::page_address(Pfn(number))
    }

    pub fn count(page: NonNull<u8>) -> &'static AtomicU32 {
        &COUNTS[number(page)]
    }
}

/// Pages of the developer's machine; a page's count lies behind it. Numbers are those of the pages' addresses.
#[cfg(not(target_os = "none"))]
mod backend {
    use alloc::alloc::{Layout, alloc as allocate, dealloc};
    use core::ptr::NonNull;
    use core::sync::atomic::AtomicU32;

    use super::PAGE_SIZE;

    fn layout() -> Layout {
        Layout::from_size_align(PAGE_SIZE + size_of::<AtomicU32>(), PAGE_SIZE).expect("a page and a count")
    }

    pub fn alloc() -> Option<NonNull<u8>> {
        // SAFETY: the layout has a size.
        let page = NonNull::new(unsafe { allocate(layout()) });
        #[cfg(test)]
        page.inspect(|page| super::tests::took(number(*page)));
        page
    }

    pub fn free_pages() -> usize {
        #[cfg(test)]
        return super::tests::left();
        #[cfg(not(test))]
        usize::MAX
    }

    pub fn total() -> usize {
        // As a machine of 4 GiB, but for the reserve.
        1 << 20
    }

    pub unsafe fn free(page: NonNull<u8>) {
        #[cfg(test)]
        super::tests::gave(number(page));
        // SAFETY: promised by the caller; it came from `alloc`.
        unsafe { dealloc(page.as_ptr(), layout()) }
    }

    pub fn number(page: NonNull<u8>) -> usize {
        page.as_ptr().expose_provenance() / PAGE_SIZE
    }

    pub fn page(number: usize) -> NonNull<u8> {
        NonNull::new(core::ptr::with_exposed_provenance_mut(number * PAGE_SIZE)).expect("no page is at zero")
    }

    pub fn count(page: NonNull<u8>) -> &'static AtomicU32 {
        // SAFETY: behind each page lies its count, as long as there is a reference.
        unsafe { AtomicU32::from_ptr(page.as_ptr().add(PAGE_SIZE).cast()) }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use core::cell::{Cell, RefCell};
    use linux_base::io::{SliceSink, SliceSource};

    std::thread_local! {
        static LIVE: RefCell<BTreeSet<usize>> = const { RefCell::new(BTreeSet::new()) };
        static TOTAL: Cell<usize> = const { Cell::new(usize::MAX) };
    }

    pub fn took(number: usize) {
        assert!(LIVE.with_borrow_mut(|live| live.insert(number)));
    }

    pub fn gave(number: usize) {
        assert!(LIVE.with_borrow_mut(|live| live.remove(&number)), "a page is freed twice");
    }

    pub fn left() -> usize {
        TOTAL.get().saturating_sub(live())
    }

    /// Pages that this thread has.
    pub fn live() -> usize {
        LIVE.with_borrow(BTreeSet::len)
    }

    /// Their numbers.
    pub fn live_numbers() -> BTreeSet<usize> {
        LIVE.with_borrow(BTreeSet::clone)
    }

    /// Lets this thread have so many pages more before it meets the reserve.
    pub fn limit(pages: usize) {
        TOTAL.set(live().saturating_add(pages).saturating_add(crate::room::reserve()));
    }

    #[test]
    fn references_are_counted() {
        let frame = Frame::zeroed().unwrap();
        assert!(frame.is_unique());
        let other = frame.clone();
        assert_eq!((frame.references(), frame.number()), (2, other.number()));
        drop(other);
        assert!(frame.is_unique());
        let number = frame.into_number();
        // SAFETY: given away above; borrowed once, taken back once.
        let (borrowed, frame) = unsafe { (Frame::borrow_number(number), Frame::from_number(number)) };
        assert_eq!(frame.references(), 2);
        drop(borrowed);
    }

    #[test]
    fn a_copy_is_a_page_of_its_own() {
        let frame = Frame::zeroed().unwrap();
        assert_eq!(frame.write(PAGE_SIZE - 2, b"abc"), 2);
        let copy = frame.copy().unwrap();
        frame.zero(0, PAGE_SIZE);
        let mut bytes = [1; 4];
        assert_eq!(copy.read(PAGE_SIZE - 3, &mut bytes), 3);
        assert_eq!(&bytes, b"\0ab\x01");
    }

    #[test]
    fn bytes_go_to_and_from_users_buffers() {
        let frame = Frame::zeroed().unwrap();
        assert_eq!(frame.write_from(10, 3, &mut SliceSource::new(b"hello")), Ok(3));
        let mut bytes = [0; 8];
        assert_eq!(frame.read_to(9, 100, &mut SliceSink::new(&mut bytes)), Ok(8));
        assert_eq!(&bytes, b"\0hel\0\0\0\0");
        assert_eq!(frame.read_to(PAGE_SIZE, 1, &mut SliceSink::new(&mut bytes)), Ok(0));
    }
}
