//! Memory of a ring: one page, or several that need not lie side by side.
//!
//! A ring of several pages is one array of slots for the peer, which maps the pages in a row. Here they stay where the
//! allocator had them ([`Scattered`]): a slot that lies across the end of a page is copied in two parts. So a ring needs
//! no pages in a row, which a guest that has run for a while may not have.

use alloc::vec::Vec;
use core::mem::MaybeUninit;

use crate::memory::Slot;
use crate::{PAGE_SIZE, SharedMemory};

/// What [`crate::Front`] and [`crate::Back`] need of the memory that their ring lives in. Offsets count from its beginning;
/// one that does not fit is a bug of the caller and panics.
#[expect(clippy::len_without_is_empty, reason = "it is never empty")]
pub trait RingMemory {
    /// Bytes.
    fn len(&self) -> usize;
    /// Reads an index (acquire).
    fn load_u32(&self, offset: usize) -> u32;
    /// Writes an index (release).
    fn store_u32(&self, offset: usize, value: u32);
    /// Copies a structure out, once and whole.
    fn read_slot<T: Slot>(&self, offset: usize) -> T;
    /// Copies a structure in.
    fn write_slot<T: Slot>(&self, offset: usize, value: T);
}

impl<M: SharedMemory> RingMemory for M {
    fn len(&self) -> usize {
        SharedMemory::len(self)
    }
    fn load_u32(&self, offset: usize) -> u32 {
        SharedMemory::load_u32(self, offset)
    }
    fn store_u32(&self, offset: usize, value: u32) {
        SharedMemory::store_u32(self, offset, value)
    }
    fn read_slot<T: Slot>(&self, offset: usize) -> T {
        SharedMemory::read_slot(self, offset)
    }
    fn write_slot<T: Slot>(&self, offset: usize, value: T) {
        SharedMemory::write_slot(self, offset, value)
    }
}

/// Pages that are one ring.
pub struct Scattered<M> {
    pages: Vec<M>,
}

impl<M: SharedMemory> Scattered<M> {
    /// These pages, in this order. There is one at least, and each is a whole page.
    pub fn new(pages: Vec<M>) -> Self {
        assert!(!pages.is_empty(), "a ring without a page");
        assert!(pages.iter().all(|page| page.len() == PAGE_SIZE), "a ring of what is no page");
        Self { pages }
    }

    /// The pages.
    pub fn pages(&self) -> &[M] {
        &self.pages
    }

    fn page(&self, offset: usize) -> (&M, usize) {
        match self.pages.get(offset / PAGE_SIZE) {
            Some(page) => (page, offset % PAGE_SIZE),
            None => panic!("offset {offset} is outside a ring of {} pages", self.pages.len()),
        }
    }
}

impl<M: SharedMemory> RingMemory for Scattered<M> {
    fn len(&self) -> usize {
        self.pages.len() * PAGE_SIZE
    }

    fn load_u32(&self, offset: usize) -> u32 {
        let (page, within) = self.page(offset);
        page.load_u32(within)
    }

    fn store_u32(&self, offset: usize, value: u32) {
        let (page, within) = self.page(offset);
        page.store_u32(within, value)
    }

    fn read_slot<T: Slot>(&self, offset: usize) -> T {
        let (page, within) = self.page(offset);
        if within + size_of::<T>() <= PAGE_SIZE {
            return page.read_slot(within);
        }
        let mut value = MaybeUninit::<T>::zeroed();
        // SAFETY: as many bytes as the value has, all of them zero, and nothing else refers to it.
        let bytes =
            unsafe { core::slice::from_raw_parts_mut(value.as_mut_ptr().cast::<u8>(), size_of::<T>()) };
        let (head, tail) = bytes.split_at_mut(PAGE_SIZE - within);
        page.copy_out(within, head);
        self.page(offset + head.len()).0.copy_out(0, tail);
        // SAFETY: `Slot` promises that any bytes are a value.
        unsafe { value.assume_init() }
    }

    fn write_slot<T: Slot>(&self, offset: usize, value: T) {
        let (page, within) = self.page(offset);
        if within + size_of::<T>() <= PAGE_SIZE {
            return page.write_slot(within, value);
        }
        // SAFETY: the bytes of a live value; `Slot` promises that none is padding.
        let bytes = unsafe { core::slice::from_raw_parts((&raw const value).cast::<u8>(), size_of::<T>()) };
        let (head, tail) = bytes.split_at(PAGE_SIZE - within);
        page.copy_in(within, head);
        self.page(offset + head.len()).0.copy_in(0, tail);
    }
}

#[cfg(test)]
mod tests {
    use xen_sys::io::blkif::{Request, Response};

    use crate::fake::{FakeXen, MappedPage, World};
    use crate::ring::{Back, Doorbell, Front};
    use crate::{Access, DomId, SharedPage};

    use super::*;

    type FrontEnd = Front<Scattered<SharedPage<FakeXen>>, Request, Response>;

    fn both_ends(world: &World, pages: usize) -> (FrontEnd, Vec<MappedPage>) {
        let peer = DomId::new(3);
        let shared: Vec<_> = (0..pages)
            .map(|_| SharedPage::new(&**world, peer, Access::ReadWrite).expect("there is memory"))
            .collect();
        let mapped =
            shared.iter().map(|page| world.peer(peer).map_rw(page.gref().raw()).expect("granted")).collect();
        (Front::starting_at(Scattered::new(shared), u32::MAX - 700), mapped)
    }

    #[test]
    fn rings_of_any_number_of_pages_have_the_slots_that_xen_says_and_pass_all_of_each() {
        for (pages, slots) in [(1, 32), (2, 64), (4, 128), (8, 256), (16, 512)] {
            let world = World::new();
            let (mut front, mapped) = both_ends(&world, pages);
            assert_eq!(front.capacity(), slots);
            let mut back = Back::<_, Request, Response>::new(Scattered::new(mapped));
            for round in 0..3u64 {
                let request = |at: u32| {
                    let mut request = Request { id: u64::from(at) << 8 | round, ..Request::default() };
                    for (index, segment) in request.seg.iter_mut().enumerate() {
                        segment.gref = at * 100 + index as u32;
                        (segment.first_sect, segment.last_sect) = (index as u8, at as u8);
                    }
                    request
                };
                for at in 0..slots {
                    front.push(request(at)).expect("there is room");
                }
                assert!(front.push(request(0)).is_err(), "it is full");
                assert_eq!(front.publish(), Doorbell::Ring);
                for at in 0..slots {
                    assert_eq!(back.pop(), Ok(Some(request(at))), "{pages} pages, slot {at}");
                    let response = Response { id: u64::from(at), status: -2, ..Response::default() };
                    back.push(response).expect("there is room");
                }
                assert!(!back.arm());
                assert_eq!(back.publish(), Doorbell::Ring);
                for at in 0..slots {
                    let response = front.pop().expect("honest").expect("answered");
                    assert_eq!((response.id, response.status), (u64::from(at), -2));
                }
                assert!(!front.arm());
            }
            drop(back);
        }
    }

    #[test]
    #[should_panic(expected = "outside a ring of 1 pages")]
    fn an_offset_behind_the_last_page_panics() {
        let world = World::new();
        let (front, mapped) = both_ends(&world, 1);
        front.memory().load_u32(PAGE_SIZE);
        drop(mapped);
    }
}
