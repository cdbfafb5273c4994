//! Faults: what they cost, what they bring, and what ends them.

use core::sync::atomic::Ordering;

use linux_base::abi::general::{MAP_GROWSDOWN, MAP_SHARED};

use super::pager::TestFile;
use super::*;

fn fault(space: &AddressSpace, address: u64, access: Access) -> usize {
    let before = hypercalls(space);
    assert_eq!(space.fault(address, access), FaultOutcome::Handled);
    hypercalls(space) - before
}

#[test]
fn a_fault_is_one_hypercall() {
    let space = space();
    let at = anonymous(&space, 100);
    assert_eq!(fault(&space, at + 5, Access::Write), 1);
    assert_eq!(fault(&space, at + 50 * KIB4, Access::Read), 1);
    // The page of zeroes is replaced.
    assert_eq!(fault(&space, at + 50 * KIB4, Access::Write), 1);
    // Another thread was faster.
    assert_eq!(fault(&space, at + 50 * KIB4, Access::Write), 0);
    assert_eq!(space.totals().resident, 2);
}

#[test]
fn memory_used_in_order_comes_in_growing_portions() {
    let space = space();
    let at = anonymous(&space, 64);
    let mut faults = 0;
    for page in 0..64 {
        let is_there = space.with_tables(|tables| tables.entry(at + page * KIB4)).is_some();
        if !is_there {
            faults += fault(&space, at + page * KIB4, Access::Write);
        }
    }
    assert!(faults < 14, "{faults} faults");
    // Used here and there it comes page by page.
    let at = anonymous(&space, 64);
    let before = space.totals().resident;
    for page in [60, 3, 30, 17] {
        fault(&space, at + page * KIB4, Access::Write);
    }
    assert_eq!(space.totals().resident - before, 4);
}

#[test]
fn pages_of_a_file_come_with_their_neighbours() {
    let (space, file) = (space(), TestFile::new(64, 20));
    let request = MapRequest::private(0x10_0000, 64 * KIB4, Prot::READ | Prot::EXEC, 0, file.object(0));
    let at = space.mmap(request).unwrap();
    assert_eq!(fault(&space, at + 40 * KIB4, Access::Execute), 1);
    assert_eq!(space.totals().resident, 16);
    // What is not in memory is waited for, and nothing else.
    fault(&space, at + KIB4, Access::Read);
    assert_eq!(file.waits.load(Ordering::Relaxed), 1);
    assert_eq!(space.totals().resident, 17);
}

#[test]
fn a_wait_is_without_the_lock_and_the_map_is_looked_at_again() {
    let (space, file) = (space(), TestFile::new(4, 4));
    let at = space.mmap(MapRequest::private(0, 4 * KIB4, RW, 0, file.object(0))).unwrap();
    let other = space.clone();
    *file.meanwhile.lock() = Some(alloc::boxed::Box::new(move || {
        other.munmap(at, KIB4).unwrap();
    }));
    assert_eq!(space.fault(at, Access::Read), FaultOutcome::Segv(SegvCode::MapErr));
    // Mapped anew to another page of the file, that one is got.
    let (other, again) = (space.clone(), file.clone());
    *file.meanwhile.lock() = Some(alloc::boxed::Box::new(move || {
        let request = MapRequest::private(
            at + KIB4,
            KIB4,
            RW,
            linux_base::abi::general::MAP_FIXED,
            again.object(3 * KIB4),
        );
        other.mmap(request).unwrap();
    }));
    assert_eq!(space.fault(at + KIB4, Access::Read), FaultOutcome::Handled);
    assert_eq!(space.read_array(at + KIB4), Ok([4]));
}

#[test]
fn a_private_write_leaves_the_file_alone() {
    leaves_no_page(|| {
        let (space, file) = (space(), TestFile::new(2, 1));
        let at = space.mmap(MapRequest::private(0, 2 * KIB4, RW, 0, file.object(0))).unwrap();
        assert_eq!(space.read_array(at + KIB4), Ok([2]));
        space.write_bytes(at, &[9]).unwrap();
        space.write_bytes(at + KIB4, &[9]).unwrap();
        assert_eq!((file.byte(0, 0), file.byte(1, 0)), (1, 2));
        assert_eq!(space.read_array(at + KIB4), Ok([9]));
        let mut request = MapRequest::private(0, 2 * KIB4, RW, 0, file.object(0));
        request.flags = MAP_SHARED;
        let shared = space.mmap(request).unwrap();
        space.write_bytes(shared + 1, &[7]).unwrap();
        assert_eq!((file.byte(0, 1), space.read_array(at + 1)), (7, Ok([0])));
    });
}

#[test]
fn behind_the_end_of_a_file_is_a_bus_error() {
    let (space, file) = (space(), TestFile::new(1, 0));
    let at = space.mmap(MapRequest::private(0, 2 * KIB4, RW, 0, file.object(0))).unwrap();
    assert_eq!(space.fault(at + KIB4, Access::Read), FaultOutcome::Bus);
    assert_eq!(space.fault(at + KIB4, Access::Write), FaultOutcome::Bus);
    assert_eq!(space.write_u32(at + KIB4 - 2, 1), Err(linux_base::Errno::EFAULT));
}

#[test]
fn addresses_that_are_no_users_are_refused() {
    let space = space();
    for address in [0, 8, USER_END, 1 << 47, 0x1234_5678_9abc_def0, 0xffff_8800_0000_0000, u64::MAX] {
        assert_eq!(space.fault(address, Access::Read), FaultOutcome::Segv(SegvCode::MapErr));
        assert_eq!(space.read_array::<16>(address), Err(linux_base::Errno::EFAULT));
        assert_eq!(space.write_u64(address, 1), Err(linux_base::Errno::EFAULT));
    }
}

#[test]
fn a_stack_grows_to_its_limit_and_keeps_its_distance() {
    let limits = Limits { stack: 64 * KIB4, ..Limits::default() };
    let space = AddressSpace::new(Randomize::No, limits).unwrap();
    let top = 0x7000_0000;
    let start = top - 4 * KIB4;
    let request = MapRequest::anonymous(start, 4 * KIB4, RW, MAP_GROWSDOWN);
    assert_eq!(space.mmap(request), Ok(start));
    assert_eq!(space.fault(top - 20 * KIB4, Access::Write), FaultOutcome::Handled);
    assert_eq!(space.areas().unwrap()[0].start, top - 20 * KIB4);
    assert_eq!(space.totals().stack, 20);
    assert_eq!(space.fault(top - 64 * KIB4, Access::Write), FaultOutcome::Handled);
    assert_eq!(space.fault(top - 65 * KIB4, Access::Write), FaultOutcome::Segv(SegvCode::MapErr));
    // Nothing is placed in the gap, and what is there stops the stack.
    space.set_limits(Limits::default());
    let below = top - 64 * KIB4 - 257 * KIB4;
    space.mmap(MapRequest::anonymous(below, KIB4, RW, 0)).unwrap();
    assert_eq!(space.fault(top - 65 * KIB4, Access::Write), FaultOutcome::Segv(SegvCode::MapErr));
    assert_ne!(space.mmap(MapRequest::anonymous(top - 70 * KIB4, KIB4, RW, 0)), Ok(top - 70 * KIB4));
    accounting::check(&space);
}

#[test]
fn without_memory_the_program_is_told_and_the_rest_goes_on() {
    const PAGES: u64 = if cfg!(miri) { 16 } else { 50 };
    leaves_no_page(|| {
        let space = space();
        let at = anonymous(&space, 4 * PAGES);
        frame::tests::limit(PAGES as usize);
        let outcomes = (0..4 * PAGES).map(|page| space.fault(at + page * KIB4, Access::Write));
        let failed = outcomes.filter(|outcome| *outcome == FaultOutcome::OutOfMemory).count();
        assert_eq!(failed as u64, 3 * PAGES);
        assert_eq!(space.mmap(MapRequest::anonymous(0, KIB4, RW, 0)), Err(linux_base::Errno::ENOMEM));
        assert!(space.fork().is_err());
        space.munmap(at, 2 * PAGES * KIB4).unwrap();
        assert_eq!(space.fault(at + 3 * PAGES * KIB4, Access::Write), FaultOutcome::Handled);
        frame::tests::limit(usize::MAX);
    });
}

#[test]
fn a_child_has_its_own_memory_and_costs_few_hypercalls() {
    let pages = if cfg!(miri) { 60 } else { 1000 };
    leaves_no_page(|| {
        let space = space();
        let at = anonymous(&space, pages);
        for page in 0..pages {
            space.write_u64(at + page * KIB4, page).unwrap();
        }
        let before = hypercalls(&space);
        let child = space.fork().unwrap();
        assert_eq!(hypercalls(&space) - before + hypercalls(&child), 2);
        child.write_u64(at, 77).unwrap();
        space.write_u64(at + KIB4, 78).unwrap();
        assert_eq!((space.read_u64(at), child.read_u64(at)), (Ok(0), Ok(77)));
        assert_eq!((space.read_u64(at + KIB4), child.read_u64(at + KIB4)), (Ok(78), Ok(1)));
        accounting::check(&child);
        drop(child);
        // The only owner writes without a copy.
        let live = frame::tests::live();
        space.write_u64(at + 50 * KIB4, 79).unwrap();
        assert_eq!(frame::tests::live(), live);
        accounting::check(&space);
    });
}

#[test]
fn advice_about_forks_is_followed() {
    use linux_base::abi::general::{MADV_DONTFORK, MADV_WIPEONFORK};
    let space = space();
    let at = anonymous(&space, 3);
    space.write_bytes(at, &[1; 3 * 4096]).unwrap();
    space.madvise(at, KIB4, MADV_DONTFORK).unwrap();
    space.madvise(at + KIB4, KIB4, MADV_WIPEONFORK).unwrap();
    let child = space.fork().unwrap();
    assert_eq!(child.read_array::<1>(at), Err(linux_base::Errno::EFAULT));
    assert_eq!(child.read_array(at + KIB4), Ok([0]));
    assert_eq!(child.read_array(at + 2 * KIB4), Ok([1]));
    accounting::check(&child);
}

std::thread_local! {
    /// Pages of files, mapped or not.
    static KEPT: core::cell::Cell<alloc::vec::Vec<Frame>> = const { core::cell::Cell::new(alloc::vec::Vec::new()) };
}

fn keep(frame: Frame) {
    let mut kept = KEPT.take();
    kept.push(frame);
    KEPT.set(kept);
}

/// A file of so many pages, each of which begins with its number. They are kept until the reclaimer finds them unmapped.
struct Cached(u64);

impl Pager for Cached {
    fn page(&self, index: u64, _: bool) -> linux_base::Result<Option<Frame>> {
        if index >= self.0 {
            return Ok(None);
        }
        let frame = Frame::zeroed_for_file()?;
        frame.write(0, &index.to_le_bytes());
        keep(frame.clone());
        Ok(Some(frame))
    }
    fn page_now(&self, _: u64) -> Option<Frame> {
        None
    }
    fn identity(&self) -> (u64, u64) {
        (0, 0)
    }
}

/// Has memory pressure free one page for each page of a file that nobody has mapped any more, and maps a file.
fn map_cached(space: &AddressSpace, pages: u64) -> u64 {
    let free = |_, most| {
        let (mut kept, mut freed) = (KEPT.take(), 0);
        kept.retain(|frame| {
            let goes = frame.is_unique() && freed < most;
            freed += usize::from(goes);
            !goes
        });
        KEPT.set(kept);
        freed
    };
    let clean = || {
        let kept = KEPT.take();
        let len = kept.len();
        KEPT.set(kept);
        len
    };
    set_reclaimer(Reclaimer { free, clean });
    let object = MapObject {
        pager: Arc::new(Cached(pages)),
        offset: 0,
        may_write: false,
        may_execute: true,
        name: Name::None,
    };
    space.mmap(MapRequest::private(0, pages * KIB4, RW, 0, object)).unwrap()
}

#[test]
fn mapped_pages_go_though_there_are_others_to_take() {
    const PAGES: u64 = if cfg!(miri) { 32 } else { 100 };
    leaves_no_page(|| {
        let space = space();
        let at = map_cached(&space, PAGES);
        let read_all = || (0..PAGES).for_each(|page| assert_eq!(space.read_u64(at + page * KIB4), Ok(page)));
        read_all();
        assert_eq!(space.totals().resident, PAGES);
        frame::tests::limit(2 * PAGES as usize);
        (0..4 * PAGES).for_each(|_| keep(Frame::zeroed_for_file().unwrap()));
        assert!(space.totals().resident < PAGES / 2, "{} pages are still mapped", space.totals().resident);
        read_all();
        accounting::check(&space);
        frame::tests::limit(usize::MAX);
        drop(space);
        KEPT.take();
    });
}

#[test]
fn pages_of_files_are_taken_back_when_memory_is_short() {
    let (pages, memory, rounds) = if cfg!(miri) { (60, 30, 2) } else { (1000, 200, 3) };
    leaves_no_page(|| {
        let space = space();
        let at = map_cached(&space, pages);
        frame::tests::limit(memory);
        for round in 0..rounds {
            for index in 0..pages {
                assert_eq!(space.read_u64(at + index * KIB4), Ok(index), "round {round}");
            }
        }
        accounting::check(&space);
        frame::tests::limit(usize::MAX);
        drop(space);
        KEPT.take();
    });
}

#[test]
fn the_last_pages_of_files_are_left_to_the_programs_that_run_from_them() {
    leaves_no_page(|| {
        let space = space();
        let at = map_cached(&space, 500);
        let read_all = |pages: u64| {
            (0..pages).for_each(|page| assert_eq!(space.read_u64(at + page * KIB4), Ok(page)));
        };
        read_all(500);
        frame::tests::limit(100);
        let mut others = alloc::vec::Vec::new();
        while let Ok(frame) = Frame::zeroed() {
            others.push(frame);
            // The program goes on meanwhile.
            read_all(20);
        }
        assert!((200..=400).contains(&others.len()), "{} pages", others.len());
        assert!(space.totals().resident > 0);
        // Where nothing else is free, pages of the file take each other's place.
        read_all(500);
        accounting::check(&space);
        frame::tests::limit(usize::MAX);
        drop((space, others));
        KEPT.take();
    });
}

#[test]
fn pages_that_an_object_has_no_more_are_unmapped_everywhere() {
    let (space, file) = (space(), TestFile::new(8, 8));
    let mut request = MapRequest::private(0, 8 * KIB4, RW, 0, file.object(0));
    let private = space.mmap(request.clone()).unwrap();
    request.flags = MAP_SHARED;
    request.len = 6 * KIB4;
    request.object = Some(file.object(2 * KIB4));
    let shared = space.mmap(request).unwrap();
    space.write_bytes(private + 5 * KIB4, &[9]).unwrap();
    let child = space.fork().unwrap();
    for page in 0..8 {
        space.read_array::<1>(private + page * KIB4).unwrap();
        child.read_array::<1>(private + page * KIB4).unwrap();
    }
    for page in 0..6 {
        space.read_array::<1>(shared + page * KIB4).unwrap();
    }
    let resident = || (space.totals().resident, child.totals().resident);
    assert_eq!(resident(), (14, 8));
    unmap_pages(&*file, 3, 2, Copies::Kept);
    assert_eq!(resident(), (12, 8));
    unmap_pages(&*file, 4, u64::MAX, Copies::Dropped);
    assert_eq!(resident(), (5, 4));
    assert_eq!(space.read_array(private + 5 * KIB4), Ok([6]));
    let (other, before) = (TestFile::new(1, 0), resident());
    unmap_pages(&*other, 0, u64::MAX, Copies::Dropped);
    assert_eq!(resident(), before);
    accounting::check(&space);
}
