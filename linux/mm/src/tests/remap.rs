//! `mremap`, `mincore` and `msync`.

use linux_base::Errno;
use linux_base::abi::general::{MAP_ANONYMOUS, MAP_SHARED, MREMAP_DONTUNMAP, MREMAP_MAYMOVE};

use super::*;

#[test]
fn a_mapping_grows_in_place_or_moves() {
    let space = space();
    let block = anonymous(&space, 8);
    space.munmap(block + 4 * KIB4, 2 * KIB4).unwrap();
    space.write_u32(block, 5).unwrap();
    assert_eq!(space.mremap(block, 4 * KIB4, 6 * KIB4, 0, 0), Ok(block));
    assert_eq!(space.areas().unwrap().len(), 1);
    assert_eq!(space.mremap(block, 4 * KIB4, 5 * KIB4, 0, 0), Err(Errno::ENOMEM));
    let moved = space.mremap(block, 4 * KIB4, 5 * KIB4, MREMAP_MAYMOVE, 0).unwrap();
    assert_eq!((space.read_u32(moved), space.read_u32(block)), (Ok(5), Err(Errno::EFAULT)));
    assert_eq!(space.read_u32(block + 4 * KIB4), Ok(0));
    accounting::check(&space);
}

#[test]
fn a_shared_mapping_can_be_doubled_and_a_private_one_emptied() {
    let space = space();
    let mut request = MapRequest::anonymous(0, 2 * KIB4, RW, 0);
    request.flags = MAP_SHARED | MAP_ANONYMOUS;
    let at = space.mmap(request).unwrap();
    let second = space.mremap(at + KIB4, 0, KIB4, MREMAP_MAYMOVE, 0).unwrap();
    space.write_u32(at + KIB4, 9).unwrap();
    assert_eq!(space.read_u32(second), Ok(9));
    let private = anonymous(&space, 1);
    assert_eq!(space.mremap(private, 0, KIB4, MREMAP_MAYMOVE, 0), Err(Errno::EINVAL));
    space.write_u32(private, 4).unwrap();
    let moved = space.mremap(private, KIB4, KIB4, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0).unwrap();
    assert_eq!((space.read_u32(moved), space.read_u32(private)), (Ok(4), Ok(0)));
    accounting::check(&space);
}

#[test]
fn bad_moves_are_refused() {
    let space = space();
    let at = anonymous(&space, 4);
    assert_eq!(space.mremap(at + 1, KIB4, KIB4, 0, 0), Err(Errno::EINVAL));
    assert_eq!(space.mremap(at, KIB4, 0, 0, 0), Err(Errno::EINVAL));
    assert_eq!(space.mremap(at, KIB4, KIB4, 8, 0), Err(Errno::EINVAL));
    assert_eq!(space.mremap(at, KIB4, KIB4, 2, at), Err(Errno::EINVAL));
    assert_eq!(space.mremap(at, 4 * KIB4, KIB4, 3, at + KIB4), Err(Errno::EINVAL));
    assert_eq!(space.mremap(at, 5 * KIB4, 6 * KIB4, 1, 0), Err(Errno::EFAULT));
    assert_eq!(space.mremap(0x2000_0000, KIB4, KIB4, 0, 0), Err(Errno::EFAULT));
    assert_eq!(space.mremap(at, KIB4, 1 << 47, 1, 0), Err(Errno::EINVAL));
    assert_eq!(space.mremap(at, KIB4, USER_END, 1, 0), Err(Errno::ENOMEM));
    assert_eq!(space.mremap(at, u64::MAX, KIB4, 1, 0), Err(Errno::EFAULT));
}

#[test]
fn mincore_says_what_is_in_memory() {
    let space = space();
    let (at, into) = (anonymous(&space, 600), anonymous(&space, 1));
    space.write_u32(at + 2 * KIB4, 1).unwrap();
    space.write_u32(at + 599 * KIB4, 1).unwrap();
    space.mincore(at, 600 * KIB4, into).unwrap();
    let bytes: [u8; 600] = space.read_array(into).unwrap();
    let there: alloc::vec::Vec<_> = (0..600).filter(|page| bytes[*page] == 1).collect();
    assert_eq!(there, [2, 599]);
    assert_eq!(space.mincore(at, 601 * KIB4, into), Err(Errno::ENOMEM));
    assert_eq!(space.mincore(at, KIB4, 0), Err(Errno::EFAULT));
    assert_eq!(space.msync(at, KIB4, 4), Ok(()));
    assert_eq!(space.msync(at, KIB4, 5), Err(Errno::EINVAL));
    assert_eq!(space.msync(at, 700 * KIB4, 4), Err(Errno::ENOMEM));
}
