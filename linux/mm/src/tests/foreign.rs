//! Frames of other domains, and grants.

use alloc::sync::Arc;
use alloc::vec::Vec;

use linux_base::abi::general::{
    MADV_DODUMP, MADV_DOFORK, MADV_DONTNEED, MADV_POPULATE_READ, MADV_REMOVE, MAP_FIXED, MAP_PRIVATE,
    MAP_SHARED, MREMAP_FIXED, MREMAP_MAYMOVE,
};
use linux_base::{Errno, Sink, Source};

use super::*;

const TARGET: u16 = 7;
const EPERM: i32 = 1;
const ESRCH: i32 = 3;
const EBUSY: i32 = 16;
const EINVAL: i32 = 22;

/// A request for a foreign area.
pub fn area(at: u64, pages: u64, prot: Prot, flags: u32) -> MapRequest {
    let object = MapObject {
        pager: Arc::new(ForeignArea::new((5, 60))),
        offset: 0,
        may_write: true,
        may_execute: true,
        name: Name::Text(Arc::from(&b"/dev/xen/privcmd"[..])),
    };
    let mut request = MapRequest::private(at, pages * KIB4, prot, flags, object);
    request.flags = flags | MAP_SHARED;
    request
}

/// Gives a space a domain whose frames have their number plus `first` in the first byte. Returns the frames.
pub fn add_target(space: &AddressSpace, domain: u16, frames: u64, first: u8) -> Vec<Frame> {
    let frame = |number: u64| {
        let frame = Frame::zeroed().unwrap();
        frame.write(0, &[(number as u8).wrapping_add(first)]);
        frame
    };
    let frames: Vec<Frame> = (0..frames).map(frame).collect();
    space.with_tables(|tables| tables.others().add_target(domain, (0..).zip(frames.iter().cloned())));
    frames
}

fn mapped(space: &AddressSpace) -> usize {
    space.with_tables(|tables| tables.others().count())
}

/// A space with a target of so many frames, all mapped for writing.
fn with_mapped(pages: u64) -> (Arc<AddressSpace>, Vec<Frame>, u64) {
    let space = space();
    let frames = add_target(&space, TARGET, pages, 1);
    let at = space.mmap(area(0, pages, RW, 0)).unwrap();
    assert_eq!(map(&space, at, &(0..pages).collect::<Vec<_>>()), alloc::vec![0; pages as usize]);
    (space, frames, at)
}

fn map(space: &AddressSpace, at: u64, frames: &[u64]) -> Vec<i32> {
    let mut errors = alloc::vec![-1; frames.len()];
    space.map_foreign(at, TARGET, Frames::Guest(frames), &mut errors).unwrap();
    errors
}

fn byte(frame: &Frame, offset: usize) -> u8 {
    let mut byte = [0];
    frame.read(offset, &mut byte);
    byte[0]
}

#[test]
fn what_a_program_reads_and_writes_there_is_the_other_domains() {
    leaves_no_page(|| {
        let (space, frames, at) = with_mapped(9);
        assert_eq!(space.read_array(at + 3 * KIB4), Ok([4]));
        space.write_bytes(at + 4095, &[9; 3 * 4096]).unwrap();
        let seen: Vec<u8> = frames.iter().map(|frame| byte(frame, 0)).collect();
        assert_eq!(seen, [1, 9, 9, 9, 5, 6, 7, 8, 9]);
        assert_eq!((byte(&frames[0], 4095), byte(&frames[3], 4094), byte(&frames[3], 4095)), (9, 9, 0));
        space.zero_bytes(at + KIB4, 8 * 4096).unwrap();
        assert!(frames[1..].iter().all(|frame| byte(frame, 0) == 0));
        frames[8].write(4090, b"string\0");
        assert_eq!(space.read_cstr(at + 8 * KIB4 + 4090, 10), Err(Errno::EFAULT));
        frames[7].write(4090, b"string");
        assert_eq!(space.read_cstr(at + 7 * KIB4 + 4090, 10), Ok(b"string".to_vec()));
    });
}

#[test]
fn buffers_lie_across_own_and_foreign_pages() {
    let (space, frames, at) = with_mapped(2);
    let own = space.mmap(MapRequest::anonymous(at - KIB4, KIB4, RW, MAP_FIXED)).unwrap();
    let mut sink = UserSink::new(&space, own + 4000, 4096 + 200).unwrap();
    assert_eq!(sink.prepare(4296), Ok(()));
    assert_eq!(sink.push(&[7; 4290]), Ok(4290));
    assert_eq!(sink.push_zeroes(6), Ok(6));
    assert_eq!((byte(&frames[0], 0), byte(&frames[0], 4095), byte(&frames[1], 97)), (7, 7, 7));
    let mut source = UserSource::new(&space, own + 4000, 3 * 4096).unwrap();
    let mut bytes = [0; 3 * 4096];
    assert_eq!(source.pull(&mut bytes), Ok(96 + 2 * 4096));
    assert_eq!((bytes[96 + 4095], bytes[96 + 4096 + 97], bytes[96 + 4096 + 98]), (7, 7, 0));
}

#[test]
fn a_copy_ends_where_the_next_area_may_not_be_written() {
    let (space, frames, at) = with_mapped(2);
    let next = space.mmap(area(at + 2 * KIB4, 1, Prot::READ, MAP_FIXED)).unwrap();
    assert_eq!(map(&space, next, &[0]), [0]);
    let mut sink = UserSink::new(&space, at, 3 * 4096).unwrap();
    assert_eq!(sink.push(&[8; 3 * 4096]), Ok(2 * 4096));
    assert_eq!((byte(&frames[1], 4095), space.read_array(next)), (8, Ok([8])));
}

#[test]
fn a_frame_that_is_refused_stops_no_other() {
    let space = space();
    add_target(&space, TARGET, 3, 1);
    let at = space.mmap(area(0, 6, Prot::READ, 0)).unwrap();
    assert_eq!(map(&space, at, &[0, 9, 2, 8, 1]), [0, EINVAL, 0, EINVAL, 0]);
    let faults: Vec<_> = (0..6).map(|page| space.fault(at + page * KIB4, Access::Read)).collect();
    use FaultOutcome::{Bus, Handled};
    assert_eq!(faults, [Handled, Bus, Handled, Bus, Handled, Bus]);
    assert_eq!(space.read_array(at + 2 * KIB4), Ok([3]));
    assert_eq!(space.read_array::<1>(at + KIB4), Err(Errno::EFAULT));
    assert_eq!(space.write_bytes(at, &[1]), Err(Errno::EFAULT));
    assert_eq!(space.fault(at, Access::Write), FaultOutcome::Segv(SegvCode::AccErr));
    assert_eq!(space.fault(at, Access::Execute), FaultOutcome::Segv(SegvCode::AccErr));
    // What is there stays, what was missing can be mapped later.
    assert_eq!(map(&space, at, &[1, 1]), [EBUSY, 0]);
    assert_eq!((space.read_array(at), space.read_array(at + KIB4)), (Ok([1]), Ok([2])));
    let mut there = [0; 6];
    let into = anonymous(&space, 1);
    space.mincore(at, 6 * KIB4, into).unwrap();
    space.read_bytes(into, &mut there).unwrap();
    assert_eq!(there, [1, 1, 1, 0, 1, 0]);
}

#[test]
fn machine_frames_are_not_guest_frames() {
    let space = space();
    add_target(&space, TARGET, 2, 1);
    let at = space.mmap(area(0, 2, RW, 0)).unwrap();
    let mut errors = [0; 2];
    let machine = FakeForeign::MACHINE;
    space.map_foreign(at, TARGET, Frames::Machine(&[1, machine + 1]), &mut errors).unwrap();
    assert_eq!(errors, [EINVAL, 0]);
    assert_eq!(space.read_array(at + KIB4), Ok([2]));
}

#[test]
fn a_domain_that_is_not_ours_is_refused() {
    let space = space();
    space.with_tables(|tables| tables.others().add_grant(8, 1, Frame::zeroed().unwrap()));
    let mut errors = [0; 2];
    for (domain, errno) in [(8, EPERM), (9, ESRCH)] {
        let at = space.mmap(area(0, 2, RW, 0)).unwrap();
        space.map_foreign(at, domain, Frames::Guest(&[0, 1]), &mut errors).unwrap();
        assert_eq!(errors, [errno; 2]);
    }
}

#[test]
fn requests_that_fit_no_area_are_refused() {
    let (space, _frames, at) = with_mapped(2);
    let own = anonymous(&space, 2);
    let request = |at, domain, frames: &[u64], errors: usize| {
        space.map_foreign(at, domain, Frames::Guest(frames), &mut alloc::vec![0; errors])
    };
    assert_eq!(request(own, TARGET, &[0], 1), Err(Errno::EINVAL));
    assert_eq!(request(at + 1, TARGET, &[0], 1), Err(Errno::EINVAL));
    assert_eq!(request(at + KIB4, TARGET, &[0, 1], 2), Err(Errno::EINVAL));
    assert_eq!(request(at, TARGET, &[0], 2), Err(Errno::EINVAL));
    assert_eq!(request(at, 8, &[0], 1), Err(Errno::EINVAL), "there are another domain's");
    assert_eq!(request(u64::MAX - 4095, TARGET, &[0], 1), Err(Errno::EINVAL));
    assert_eq!(request(at, TARGET, &[], 0), Ok(()));
    assert_eq!(space.map_grants(at, &[(8, 1)], &mut [0]), Err(Errno::EINVAL));
    let none = space.mmap(area(0, 1, Prot::empty(), 0)).unwrap();
    assert_eq!(space.map_foreign(none, TARGET, Frames::Guest(&[0]), &mut [0]), Err(Errno::EACCES));
    let private = MapRequest { flags: MAP_PRIVATE, ..area(0, 1, RW, 0) };
    assert_eq!(space.mmap(private), Err(Errno::EINVAL));
    assert_eq!(space.mmap(area(0, 1, RW | Prot::EXEC, 0)), Err(Errno::EACCES));
}

#[test]
fn a_mapping_has_frames_of_several_domains_side_by_side() {
    leaves_no_page(|| {
        let space = space();
        let others = [(TARGET, 10), (8, 20), (9, 30)];
        let frames = others.map(|(domain, first)| add_target(&space, domain, 6, first));
        let granted = Frame::zeroed().unwrap();
        granted.write(0, &[40]);
        space.with_tables(|tables| tables.others().add_grant(3, 5, granted.clone()));
        let at = space.mmap(area(0, 6, RW, 0)).unwrap();
        let map = |page, domain, count: u64| {
            let (wanted, mut errors): (Vec<u64>, _) = ((0..count).collect(), alloc::vec![-1; count as usize]);
            space.map_foreign(at + page * KIB4, domain, Frames::Guest(&wanted), &mut errors).map(|()| errors)
        };
        assert_eq!(map(1, TARGET, 1), Ok(alloc::vec![0]));
        assert_eq!(map(2, 8, 2), Ok(alloc::vec![0, 0]));
        assert_eq!(map(0, 9, 1), Ok(alloc::vec![0]));
        assert_eq!(map(5, TARGET, 1), Ok(alloc::vec![0]));
        let mut status = [1];
        assert_eq!(space.map_grants(at + 4 * KIB4, &[(3, 5)], &mut status), Ok(()));
        // Not where another's are, nor beyond a part.
        assert_eq!((map(1, 9, 1), map(2, 9, 2)), (Err(Errno::EINVAL), Err(Errno::EINVAL)));
        assert_eq!(map(1, TARGET, 2), Err(Errno::EINVAL));
        assert_eq!((map(1, TARGET, 0), map(2, 9, 0)), (Ok(alloc::vec![]), Ok(alloc::vec![])));
        let first = |page| space.read_array(at + page * KIB4).map(|[byte]: [u8; 1]| byte);
        let seen: Vec<u8> = (0..6).map(|page| first(page).unwrap()).collect();
        assert_eq!(seen, [30, 10, 20, 21, 40, 10]);
        let mut all = alloc::vec![0; 6 * 4096];
        space.read_bytes(at, &mut all).unwrap();
        assert_eq!((all[0], all[4096], all[3 * 4096], all[5 * 4096]), (30, 10, 21, 10));
        accounting::check(&space);
        space.munmap(at, 6 * KIB4).unwrap();
        assert_eq!(mapped(&space), 0);
        drop(space);
        assert!(frames.iter().flatten().chain([&granted]).all(Frame::is_unique));
    });
}

#[test]
fn many_pages_are_one_hypercall_and_so_are_they_unmapped() {
    const PAGES: u64 = if cfg!(miri) { 64 } else { 256 };
    let space = space();
    add_target(&space, TARGET, PAGES, 1);
    let at = space.mmap(area(0, PAGES, RW, 0)).unwrap();
    let before = hypercalls(&space);
    map(&space, at, &(0..PAGES).collect::<Vec<_>>());
    assert_eq!(hypercalls(&space) - before, 1);
    assert_eq!((mapped(&space) as u64, space.totals().resident), (PAGES, 0));
    space.munmap(at, PAGES * KIB4).unwrap();
    assert_eq!((mapped(&space), hypercalls(&space) - before), (0, 2));
    accounting::check(&space);
}

/// Four are shown at once here.
#[test]
fn a_copy_looks_each_run_of_pages_up_once() {
    let (space, _frames, at) = with_mapped(8);
    let looks = || space.with_tables(|tables| tables.looks());
    let before = looks();
    space.read_bytes(at, &mut [0; 8 * 4096]).unwrap();
    assert_eq!(looks() - before, 2);
    space.write_bytes(at + 100, &[1; 4096]).unwrap();
    assert_eq!(looks() - before, 3);
}

#[test]
fn they_go_with_the_area_or_with_what_takes_its_place() {
    let (space, frames, at) = with_mapped(6);
    assert_eq!(frames[0].references(), 3);
    space.munmap(at + KIB4, KIB4).unwrap();
    assert_eq!(space.read_array::<1>(at + KIB4), Err(Errno::EFAULT));
    // The kernel has looked at the page before.
    assert_eq!(space.read_array(at + 2 * KIB4), Ok([3]));
    space.mmap(MapRequest::anonymous(at + 2 * KIB4, KIB4, RW, MAP_FIXED)).unwrap();
    assert_eq!(space.read_array(at + 2 * KIB4), Ok([0]));
    space.write_bytes(at + 2 * KIB4, &[99]).unwrap();
    assert_eq!(byte(&frames[2], 0), 3);
    let other = space.mmap(area(at + 3 * KIB4, 1, RW, MAP_FIXED)).unwrap();
    assert_eq!(space.fault(other, Access::Read), FaultOutcome::Bus);
    assert_eq!(space.mremap(at + 4 * KIB4, 2 * KIB4, KIB4, 0, 0), Ok(at + 4 * KIB4));
    assert_eq!((space.read_array(at), space.read_array(at + 4 * KIB4)), (Ok([1]), Ok([5])));
    assert_eq!(mapped(&space), 2);
    accounting::check(&space);
    drop(space);
    assert!(frames.iter().all(Frame::is_unique));
}

#[test]
fn a_child_gets_none() {
    let (space, _frames, at) = with_mapped(2);
    let own = anonymous(&space, 1);
    space.write_u32(own, 5).unwrap();
    assert_eq!(space.madvise(at, 2 * KIB4, MADV_DOFORK), Err(Errno::EINVAL));
    let child = space.fork().unwrap();
    assert_eq!((child.fault(at, Access::Read), mapped(&child)), (FaultOutcome::Segv(SegvCode::MapErr), 0));
    assert_eq!(child.read_u32(own), Ok(5));
    drop(child);
    assert_eq!(space.read_array(at), Ok([1]));
}

#[test]
fn nothing_else_can_be_done_to_them() {
    let (space, _frames, at) = with_mapped(4);
    assert_eq!(space.mprotect(at, KIB4, 1), Err(Errno::EACCES));
    assert_eq!(space.mprotect(at, KIB4, 3), Ok(()));
    let moves = MREMAP_MAYMOVE | MREMAP_FIXED;
    assert_eq!(space.mremap(at, 4 * KIB4, 5 * KIB4, MREMAP_MAYMOVE, 0), Err(Errno::EFAULT));
    assert_eq!(space.mremap(at, 4 * KIB4, 4 * KIB4, moves, 0x10_0000), Err(Errno::EFAULT));
    assert_eq!(space.mremap(at, 0, 4 * KIB4, MREMAP_MAYMOVE, 0), Err(Errno::EFAULT));
    for advice in [MADV_DONTNEED, MADV_REMOVE, MADV_DODUMP] {
        assert_eq!(space.madvise(at, KIB4, advice), Err(Errno::EINVAL), "{advice}");
    }
    assert_eq!(space.madvise(at, 4 * KIB4, MADV_POPULATE_READ), Ok(()));
    assert_eq!(space.mlock(at, 4 * KIB4, true, true), Ok(()));
    assert_eq!(space.mlock(at, 4 * KIB4, false, true), Ok(()));
    assert_eq!(evict::evict(100), 0);
    assert_eq!(space.futex_key(at, true), Err(Errno::EFAULT));
    assert_eq!((space.load_u32(at), space.load_u32_now(at)), (Err(Errno::EFAULT), Err(Errno::EFAULT)));
    assert_eq!(space.compare_exchange_u32(at, 1, 2), Err(Errno::EFAULT));
    assert_eq!((mapped(&space), space.read_array(at)), (4, Ok([1])));
}

#[test]
fn what_is_mapped_needs_no_memory_of_ours() {
    let space = space();
    let pages = 2 * frame::total_pages() as u64;
    assert!(space.mmap(area(0, pages, RW, 0)).is_ok());
    assert_eq!(space.mmap(MapRequest::anonymous(0, pages * KIB4, RW, 0)), Err(Errno::ENOMEM));
}

#[test]
fn areas_do_not_merge_and_say_what_they_are() {
    let (space, _frames, at) = with_mapped(2);
    let pager = Arc::new(ForeignArea::new((5, 60)));
    for (page, offset) in [(2, 0), (3, KIB4)] {
        let mut request = area(at + page * KIB4, 1, RW, MAP_FIXED);
        request.object = request.object.map(|object| MapObject { pager: pager.clone(), offset, ..object });
        space.mmap(request).unwrap();
    }
    let areas = space.areas().unwrap();
    assert_eq!(areas.len(), 3);
    let first = &areas[0];
    assert_eq!((first.identity, first.is_shared, first.is_not_forked), ((5, 60), true, true));
    assert_eq!(first.name, Name::Text(Arc::from(&b"/dev/xen/privcmd"[..])));
    assert_eq!(space.area_after(at).map(|area| (area.resident, area.unshared)), Some((0, 0)));
}

#[test]
fn grants_are_mapped_and_ended() {
    leaves_no_page(|| {
        let space = space();
        let frames: Vec<Frame> = (0..3).map(|_| Frame::zeroed().unwrap()).collect();
        for (gref, frame) in (8..).zip(&frames) {
            space.with_tables(|tables| tables.others().add_grant(3, gref, frame.clone()));
        }
        let at = space.mmap(area(0, 5, RW, 0)).unwrap();
        let mut status = [1; 5];
        let grants = [(3, 8), (3, 7), (3, 9), (4, 8), (3, 10)];
        assert_eq!(space.map_grants(at, &grants, &mut status), Ok(()));
        assert_eq!(status, [0, -3, 0, -2, 0]);
        let grants = |space: &AddressSpace| space.with_tables(|tables| tables.others().grants());
        assert_eq!(grants(&space), 3);
        assert_eq!(space.fault(at, Access::Write), FaultOutcome::Handled);
        space.write_bytes(at + 4090, b"granted").unwrap_err();
        assert_eq!((byte(&frames[0], 4090), space.read_array(at + 4090)), (b'g', Ok(*b"grante")));
        assert_eq!(space.fault(at + KIB4, Access::Read), FaultOutcome::Bus);
        let child = space.fork().unwrap();
        assert_eq!(grants(&child), 0);
        space.munmap(at + 2 * KIB4, 2 * KIB4).unwrap();
        assert_eq!(grants(&space), 2);
        space.mmap(MapRequest::anonymous(at, KIB4, RW, MAP_FIXED)).unwrap();
        assert_eq!(grants(&space), 1);
        drop(space);
        drop(child);
        assert!(frames.iter().all(Frame::is_unique));
    });
}

#[test]
fn broken_tables_map_no_more_and_let_go_of_all() {
    space::zero_frame().unwrap();
    let (space, frames, at) = with_mapped(2);
    let own = anonymous(&space, 1);
    let before = frame::tests::live_numbers();
    space.with_tables(|tables| tables.refuse_after(0));
    assert_eq!(space.fault(own, Access::Write), FaultOutcome::OutOfMemory);
    let mut errors = [0];
    assert_eq!(space.map_foreign(at, TARGET, Frames::Guest(&[0]), &mut errors), Err(Errno::ENOMEM));
    assert_eq!(space.read_array::<1>(at), Err(Errno::EFAULT));
    drop(space);
    assert!(frames.iter().all(Frame::is_unique));
    for lost in frame::tests::live_numbers().difference(&before) {
        // SAFETY: the page that was to be mapped, whose reference is lost.
        drop(unsafe { Frame::from_number(*lost) });
    }
}
