//! Copies between kernel and user, and futex words.

use linux_base::file::UserMemory;
use linux_base::{Errno, Sink, Source};

use super::pager::TestFile;
use super::*;

#[test]
fn strings_end_with_a_zero_byte_or_fail() {
    let space = space();
    let at = anonymous(&space, 2);
    space.munmap(at + KIB4, KIB4).unwrap();
    space.write_bytes(at + 4090, b"ab\0def").unwrap();
    assert_eq!(space.read_cstr(at + 4090, 100), Ok(b"ab".to_vec()));
    assert_eq!(space.read_cstr(at + 4090, 3), Ok(b"ab".to_vec()));
    assert_eq!(space.read_cstr(at + 4090, 2), Err(Errno::ENAMETOOLONG));
    assert_eq!(space.read_cstr(at + 4093, 100), Err(Errno::EFAULT));
    assert_eq!(space.read_cstr(at + 4093, 3), Err(Errno::ENAMETOOLONG));
    assert_eq!(space.read_cstr(u64::MAX, 100), Err(Errno::EFAULT));
    assert_eq!(space.read_cstr(0, 100), Err(Errno::EFAULT));
}

#[test]
fn a_vector_of_buffers_is_filled_in_order() {
    let space = space();
    let (vector, at) = (anonymous(&space, 1), anonymous(&space, 4));
    for (index, (offset, len)) in [(0u64, 3u64), (100, 0), (4094, 4), (200, 10)].into_iter().enumerate() {
        space.write_u64(vector + 16 * index as u64, at + offset).unwrap();
        space.write_u64(vector + 16 * index as u64 + 8, len).unwrap();
    }
    let mut sink = UserSink::vector(&space, vector, 4).unwrap();
    assert_eq!(sink.room(), 17);
    assert_eq!(sink.push(b"abcdefgh"), Ok(8));
    assert_eq!(sink.push_zeroes(1), Ok(1));
    assert_eq!(sink.push(b"ijklmnopqrst"), Ok(8));
    assert_eq!(space.read_array(at), Ok(*b"abc"));
    assert_eq!(space.read_array(at + 4094), Ok(*b"defg"));
    assert_eq!(space.read_array(at + 200), Ok(*b"h\0ijklmnop"));
    let mut source = UserSource::vector(&space, vector, 4).unwrap();
    let mut bytes = [0; 12];
    assert_eq!(source.pull(&mut bytes), Ok(12));
    assert_eq!(&bytes, b"abcdefgh\0ijk");
    source.unpull(7);
    assert_eq!(source.left(), 12);
    assert_eq!(source.pull(&mut bytes[..7]), Ok(7));
    assert_eq!(&bytes[..7], b"fgh\0ijk");
}

#[test]
fn bad_buffers_are_refused() {
    let space = space();
    let vector = anonymous(&space, 8);
    assert_eq!(UserSink::new(&space, 0, usize::MAX).err(), Some(Errno::EINVAL));
    assert_eq!(UserSink::new(&space, USER_END, 1).err(), Some(Errno::EFAULT));
    assert!(UserSink::new(&space, 0, 0).is_ok());
    assert_eq!(UserSink::vector(&space, vector, 1025).err(), Some(Errno::EINVAL));
    assert_eq!(UserSink::vector(&space, 0, 1).err(), Some(Errno::EFAULT));
    space.write_u64(vector + 8, 1 << 63).unwrap();
    assert_eq!(UserSink::vector(&space, vector, 1).err(), Some(Errno::EINVAL));
    // Two that are too long together are cut.
    for at in [0, 16] {
        space.write_u64(vector + at, vector).unwrap();
        space.write_u64(vector + at + 8, 0x7000_0000).unwrap();
    }
    assert_eq!(UserSink::vector(&space, vector, 2).map(|sink| sink.room()), Ok(0x7fff_f000));
    let mut sink = UserSink::new(&space, vector + 7 * KIB4, 2 * 4096).unwrap();
    assert_eq!(sink.prepare(4097), Ok(()));
    space.munmap(vector + 7 * KIB4, KIB4).unwrap();
    assert_eq!(sink.prepare(1), Err(Errno::EFAULT));
    assert_eq!(sink.push(b"x"), Err(Errno::EFAULT));
}

#[test]
fn a_large_copy_into_fresh_memory_is_few_hypercalls() {
    let space = space();
    let calls = if cfg!(miri) { 2 } else { 4 };
    let at = anonymous(&space, calls as u64 * 64);
    let before = hypercalls(&space);
    space.write_bytes(at, &alloc::vec![1; calls * 64 * 4096]).unwrap();
    assert_eq!(hypercalls(&space) - before, calls);
}

#[test]
fn what_may_not_wait_sees_only_what_is_in_memory() {
    let (space, file) = (space(), TestFile::new(2, 1));
    let at = space.mmap(MapRequest::private(0, 2 * KIB4, RW, 0, file.object(0))).unwrap();
    let memory: &dyn UserMemory = &*space;
    assert_eq!(memory.read_u32(at), Err(Errno::EFAULT));
    assert_eq!(memory.read_u32(at + KIB4), Ok(2));
    assert_eq!(space.make_present(at, 100, Access::Read), Ok(100));
    assert_eq!(memory.read_u32(at), Ok(1));
    assert_eq!(space.make_present(at, 3 * 4096, Access::Read), Ok(2 * 4096));
    let mut sink = UserSink::new(&space, at, 100).unwrap();
    assert_eq!(sink.push(b"x"), Ok(1));
}

#[test]
fn a_translation_is_forgotten_when_its_page_changes() {
    let space = space();
    let at = anonymous(&space, 1);
    space.write_u32(at, 1).unwrap();
    space.mprotect(at, KIB4, 1).unwrap();
    assert_eq!(space.write_u32(at, 2), Err(Errno::EFAULT));
    space.mprotect(at, KIB4, 0).unwrap();
    assert_eq!(space.read_u32(at), Err(Errno::EFAULT));
    space.mprotect(at, KIB4, 3).unwrap();
    assert_eq!(space.read_u32(at), Ok(1));
    let child = space.fork().unwrap();
    space.write_u32(at, 3).unwrap();
    assert_eq!((space.read_u32(at), child.read_u32(at)), (Ok(3), Ok(1)));
    space.munmap(at, KIB4).unwrap();
    assert_eq!(space.read_u32(at), Err(Errno::EFAULT));
}

#[test]
fn words_change_atomically_and_have_an_identity() {
    let space = space();
    let at = anonymous(&space, 1);
    assert_eq!(space.load_u32(at + 2), Err(Errno::EINVAL));
    assert_eq!(space.load_u32(0), Err(Errno::EFAULT));
    assert_eq!(space.compare_exchange_u32(at, 0, 5), Ok(Ok(0)));
    assert_eq!(space.compare_exchange_u32(at, 0, 6), Ok(Err(5)));
    assert_eq!(space.fetch_update_u32(at, |old| old + 1), Ok(5));
    assert_eq!(space.load_u32_now(at), Ok(6));
    let child = space.fork().unwrap();
    assert_ne!(space.futex_key(at, true), child.futex_key(at, true));
    assert_eq!(space.futex_key(at, true), space.futex_key(at, false));
    let mut request = MapRequest::anonymous(0, 2 * KIB4, RW, 0);
    request.flags = linux_base::abi::general::MAP_SHARED | linux_base::abi::general::MAP_ANONYMOUS;
    let shared = space.mmap(request).unwrap();
    let child = space.fork().unwrap();
    assert_eq!(space.futex_key(shared + 4, true), child.futex_key(shared + 4, true));
    assert_ne!(space.futex_key(shared + 4, true), child.futex_key(shared + 8, true));
    assert_ne!(space.futex_key(shared + 4, true), space.futex_key(shared + 4, false));
    assert_eq!(space.futex_key(0x3000, true), Err(Errno::EFAULT));
}

#[test]
fn where_nothing_is_copied_no_address_is_wrong() {
    let space = space();
    assert_eq!(space.write_bytes(u64::MAX, &[]), Ok(()));
    assert_eq!(space.read_bytes(USER_END, &mut []), Ok(()));
    assert_eq!(space.write_bytes(USER_END, b"x"), Err(Errno::EFAULT));
}

#[test]
fn memory_that_nobody_can_write_has_no_futex_to_share() {
    let space = space();
    let at = space.mmap(MapRequest::anonymous(0, KIB4, Prot::READ, 0)).unwrap();
    assert_eq!(space.futex_key(at, true), Err(Errno::EFAULT));
    assert!(space.futex_key(at, false).is_ok());
}

#[test]
fn advice_on_what_is_not_the_programs_finds_nothing_mapped() {
    let space = space();
    assert_eq!(space.madvise(USER_END, KIB4, 0), Err(Errno::ENOMEM));
    assert_eq!(space.madvise(0u64.wrapping_sub(KIB4), 2 * KIB4, 0), Err(Errno::EINVAL));
}
