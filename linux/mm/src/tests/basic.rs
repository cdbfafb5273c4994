//! `mmap` and `munmap`.

use linux_base::Errno;
use linux_base::abi::general::{
    MAP_32BIT, MAP_ANONYMOUS, MAP_FIXED, MAP_FIXED_NOREPLACE, MAP_POPULATE, MAP_SHARED, MAP_SHARED_VALIDATE,
    MAP_SYNC,
};

use super::pager::TestFile;
use super::*;

#[test]
fn fresh_memory_is_zero_and_keeps_what_is_written() {
    leaves_no_page(|| {
        let space = space();
        let at = anonymous(&space, 3);
        assert_eq!(space.read_u64(at), Ok(0));
        space.write_bytes(at + 4090, b"across pages").unwrap();
        assert_eq!(space.read_array(at + 4090), Ok(*b"across pages"));
    });
}

#[test]
fn bad_requests_are_refused_as_linux_does() {
    let space = space();
    let request = |address, len, flags| MapRequest { flags, ..MapRequest::anonymous(address, len, RW, 0) };
    let anonymous = |address, len, flags| space.mmap(request(address, len, flags | MAP_ANONYMOUS));
    assert_eq!(anonymous(0, 0, 2), Err(Errno::EINVAL));
    assert_eq!(anonymous(0, 1, 0), Err(Errno::EINVAL));
    assert_eq!(anonymous(0, u64::MAX, 2), Err(Errno::ENOMEM));
    assert_eq!(anonymous(0, 1 << 47, 2), Err(Errno::ENOMEM));
    assert_eq!(anonymous(0x10_0001, 1, 2 | MAP_FIXED), Err(Errno::EINVAL));
    assert_eq!(anonymous(USER_END, KIB4, 2 | MAP_FIXED), Err(Errno::ENOMEM));
    assert_eq!(anonymous(0xffff_8000_0000_0000, KIB4, 2 | MAP_FIXED), Err(Errno::ENOMEM));
    assert_eq!(anonymous(KIB4, KIB4, 2 | MAP_FIXED), Err(Errno::EPERM));
    assert_eq!(anonymous(0, KIB4, MAP_SHARED_VALIDATE), Err(Errno::EINVAL));
    assert_eq!(space.munmap(1, 1), Err(Errno::EINVAL));
    assert_eq!(space.munmap(0, 0), Err(Errno::EINVAL));
    assert_eq!(space.munmap(USER_END, KIB4), Err(Errno::EINVAL));
    assert_eq!(space.munmap(KIB4, 1 << 40), Ok(()));
    let file = TestFile::new(1, 0);
    let object = MapObject { may_write: false, ..file.object(0) };
    let mut request = MapRequest::private(0, KIB4, RW, 0, object);
    assert!(space.mmap(request.clone()).is_ok());
    request.flags = MAP_SHARED;
    assert_eq!(space.mmap(request.clone()), Err(Errno::EACCES));
    request.prot = 1;
    let at = space.mmap(request.clone()).unwrap();
    assert_eq!(space.mprotect(at, KIB4, 3), Err(Errno::EACCES));
    assert_eq!(file.writers.load(core::sync::atomic::Ordering::Relaxed), 0);
    request.flags = MAP_SHARED_VALIDATE | MAP_SYNC;
    assert_eq!(space.mmap(request.clone()), Err(Errno::EOPNOTSUPP));
    request.flags = MAP_SHARED_VALIDATE;
    assert!(space.mmap(request.clone()).is_ok());
    request.object = Some(file.object(5));
    assert_eq!(space.mmap(request.clone()), Err(Errno::EINVAL));
    request.object = Some(file.object(!4095));
    assert_eq!(space.mmap(request), Err(Errno::EOVERFLOW));
}

#[test]
fn places_are_from_the_top_and_adjacent_ones_merge() {
    let space = space();
    let top = space.layout().mmap_base;
    let first = anonymous(&space, 2);
    assert_eq!(first, top - 2 * KIB4);
    assert_eq!(anonymous(&space, 1), first - KIB4);
    assert_eq!(space.areas().unwrap().len(), 1);
    // A hole is used again, a larger one if need be.
    space.munmap(first, KIB4).unwrap();
    assert_eq!(anonymous(&space, 2), first - 3 * KIB4);
    assert_eq!(anonymous(&space, 1), first);
    assert_eq!(space.areas().unwrap().len(), 1);
}

#[test]
fn hints_are_taken_where_there_is_room() {
    let space = space();
    let map = |address, flags| space.mmap(MapRequest::anonymous(address, KIB4, RW, flags));
    assert_eq!(map(0x1234_5000, 0), Ok(0x1234_5000));
    assert_eq!(map(0x1234_4001, MAP_FIXED_NOREPLACE), Err(Errno::EINVAL));
    assert_eq!(map(0x1234_5000, MAP_FIXED_NOREPLACE), Err(Errno::EEXIST));
    assert_eq!(map(0x1234_4000, MAP_FIXED_NOREPLACE), Ok(0x1234_4000));
    assert_eq!(map(0x1234_5000, 0), Ok(space.layout().mmap_base - KIB4));
    let low = map(0, MAP_32BIT).unwrap();
    assert!((0x4000_0000..0x8000_0000).contains(&low));
    assert_eq!(map(1, 0), Ok(0x1_0000));
}

#[test]
fn a_place_is_random_unless_that_is_off() {
    let places: alloc::vec::Vec<_> =
        (0..4).map(|_| AddressSpace::new(Randomize::Yes, Limits::default()).unwrap().layout()).collect();
    assert!(places.iter().all(|place| place.mmap_base % KIB4 == 0 && place.stack_top <= USER_END));
    assert!(places.iter().any(|place| place.mmap_base != places[0].mmap_base));
    assert_eq!(space().layout(), space().layout());
}

#[test]
fn a_populated_mapping_is_there_at_once() {
    let space = space();
    let at = space.mmap(MapRequest::anonymous(0, 20 * KIB4, RW, MAP_POPULATE)).unwrap();
    assert_eq!(space.totals().resident, 20);
    let before = hypercalls(&space);
    space.write_bytes(at, &[1; 20 * 4096]).unwrap();
    assert_eq!(hypercalls(&space), before);
}

#[test]
fn shared_memory_is_shared_with_children_and_ends_with_the_last() {
    leaves_no_page(|| {
        let space = space();
        let mut request = MapRequest::anonymous(0, 2 * KIB4, RW, 0);
        request.flags = MAP_SHARED | MAP_ANONYMOUS;
        let at = space.mmap(request).unwrap();
        let child = space.fork().unwrap();
        child.write_u32(at + KIB4, 5).unwrap();
        assert_eq!(space.read_u32(at + KIB4), Ok(5));
        drop(space);
        child.write_u32(at, 6).unwrap();
        assert_eq!(child.read_u32(at + KIB4), Ok(5));
    });
}

#[test]
fn a_writable_shared_mapping_is_told_to_its_file_once_per_area() {
    let (space, file) = (space(), TestFile::new(4, 0));
    let writers = || file.writers.load(core::sync::atomic::Ordering::Relaxed);
    let mut request = MapRequest::private(0, 4 * KIB4, RW, 0, file.object(0));
    let private = space.mmap(request.clone()).unwrap();
    assert_eq!(writers(), 0);
    request.flags = MAP_SHARED;
    let at = space.mmap(request).unwrap();
    assert_eq!(writers(), 1);
    space.munmap(at + KIB4, KIB4).unwrap();
    assert_eq!(writers(), 2);
    let child = space.fork().unwrap();
    assert_eq!(writers(), 4);
    drop(space);
    assert_eq!(writers(), 2);
    child.munmap(at, 4 * KIB4).unwrap();
    assert_eq!(writers(), 0);
    assert_eq!(child.read_array(private + KIB4), Ok([2]));
}
