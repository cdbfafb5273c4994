//! Sums kept along the way against sums made anew.

use super::*;
use crate::area::AreaFlags;

/// Compares what an address space counts with what it has.
pub fn check(space: &AddressSpace) {
    let state = space.state.lock();
    let mut fresh = Totals::default();
    let mut end = 0;
    for (start, area) in &state.areas {
        assert_eq!(*start, area.start);
        assert!(end <= area.start && area.start < area.end, "areas overlap");
        end = area.end;
        fresh.add(area);
    }
    let zero = space::zero_number();
    state.tables.visit(0, USER_END, &mut |address, entry| {
        let area = state.area_at(address).expect("every page lies in an area");
        assert!(!area.prot.is_empty() && (area.prot.contains(Prot::WRITE) || !entry.rights.write));
        assert!(Some(entry.number) != zero || !entry.rights.write, "the page of zeroes is writable");
        assert!(area.is_shared() || !entry.rights.write || frame::references(entry.number) == 1);
        assert_eq!(entry.rights.execute, area.prot.contains(Prot::EXEC));
        let untouched = area.is_shared() || area.flags.contains(AreaFlags::TOUCHED);
        assert!(untouched || !entry.rights.write);
        fresh.resident += u64::from(Some(entry.number) != zero);
    });
    fresh.resident += state.hidden.len() as u64;
    assert!(state.hidden.keys().all(|page| state.area_at(*page).is_some()));
    let (mine, fresh) = (
        state.totals,
        Totals { peak_size: state.totals.peak_size, peak_resident: state.totals.peak_resident, ..fresh },
    );
    assert_eq!(mine, fresh);
}

#[test]
fn limits_hold() {
    let limits = Limits { address_space: 64 * KIB4, data: 32 * KIB4, stack: 8 * KIB4, locked: 4 * KIB4 };
    let space = AddressSpace::new(Randomize::No, limits).unwrap();
    let map = |pages, prot| space.mmap(MapRequest::anonymous(0, pages * KIB4, prot, 0));
    assert_eq!(map(65, Prot::READ), Err(linux_base::Errno::ENOMEM));
    assert_eq!(map(33, RW), Err(linux_base::Errno::ENOMEM));
    let at = map(33, Prot::READ).unwrap();
    assert_eq!(space.mprotect(at, 33 * KIB4, 3), Err(linux_base::Errno::ENOMEM));
    assert_eq!(space.mprotect(at, 32 * KIB4, 3), Ok(()));
    assert_eq!(space.mlock(at, 5 * KIB4, true, true), Err(linux_base::Errno::ENOMEM));
    assert_eq!(space.mlock(at, 4 * KIB4, true, true), Ok(()));
    assert_eq!((space.totals().locked, space.totals().resident), (4, 4));
    assert_eq!(space.mlock(at, 4 * KIB4, true, true), Ok(()));
    assert_eq!(space.mlock_all(false, false, false), Ok(()));
    assert_eq!(space.totals().locked, 0);
    check(&space);
}

#[test]
fn replacing_a_mapping_needs_no_room_for_both() {
    let limits = Limits { address_space: 64 * KIB4, ..Limits::default() };
    let space = AddressSpace::new(Randomize::No, limits).unwrap();
    let at = anonymous(&space, 60);
    let request = MapRequest::anonymous(at, 60 * KIB4, Prot::READ, linux_base::abi::general::MAP_FIXED);
    assert_eq!(space.mmap(request), Ok(at));
}

#[test]
fn the_heap_grows_and_shrinks_within_its_limit() {
    let limits = Limits { data: 8 * KIB4, ..Limits::default() };
    let space = AddressSpace::new(Randomize::No, limits).unwrap();
    let start = 0x60_0000;
    space.set_heap(start);
    assert_eq!(space.brk(0), start);
    assert_eq!(space.brk(start + 100), start + 100);
    space.write_u32(start + 96, 7).unwrap();
    assert_eq!(space.brk(start + 8 * KIB4), start + 8 * KIB4);
    assert_eq!(space.brk(start + 8 * KIB4 + 1), start + 8 * KIB4);
    assert_eq!(space.read_u32(start + 96), Ok(7));
    let areas = space.areas().unwrap();
    assert_eq!((areas.len(), &areas[0].name), (1, &Name::Special("[heap]")));
    assert_eq!(space.brk(start), start);
    assert_eq!(space.read_u32(start + 96), Err(linux_base::Errno::EFAULT));
    assert_eq!(space.totals().size, 0);
    check(&space);
}
