use std::sync::Arc;
use std::vec::Vec;

use linux_base::file::{MapKind, Mapping};
use linux_base::{Errno, File, Result};

use super::open;
use crate::fake::{FakeMemory, TARGET, facts};
use crate::gntalloc::MAX_PAGES;
use crate::{Device, Gntalloc};

const AT: u64 = FakeMemory::BASE;
const T: u64 = TARGET as u64;
const ALLOC: u32 = 0x0018_4705;
const DEALLOC: u32 = 0x0010_4706;
const NOTIFY: u32 = 0x0010_4707;

fn alloc(
    file: &Arc<dyn File>,
    memory: &FakeMemory,
    domain: u64,
    flags: u64,
    count: u64,
) -> Result<(u64, Vec<u32>)> {
    memory.put(AT, &[(domain, 2), (flags, 2), (count, 4), (0, 8)]);
    file.ioctl(ALLOC, AT, memory)?;
    Ok((memory.u64(AT + 8), (0..count).map(|index| memory.u32(AT + 16 + index * 4)).collect()))
}

fn dealloc(file: &Arc<dyn File>, memory: &FakeMemory, index: u64, count: u64) -> Result<i64> {
    memory.put(AT, &[(index, 8), (count, 4)]);
    file.ioctl(DEALLOC, AT, memory)
}

fn mapping(offset: u64, pages: u64) -> Mapping {
    Mapping { offset, len: pages * 4096, is_shared: true, is_writable: true }
}

#[test]
fn pages_are_granted_and_mapped() {
    let (host, _, file) = open(Device::Gntalloc);
    let memory = FakeMemory::new(4096);
    assert_eq!(alloc(&file, &memory, 0, 1, 2), Ok((0, [101, 102].to_vec())));
    assert_eq!(alloc(&file, &memory, T, 0, 1), Ok((8192, [103].to_vec())));
    assert_eq!(host.calls(), ["grant 0 true", "grant 0 true", "grant 7 false"]);
    for (wanted, expected) in [
        (mapping(0, 3), Ok(MapKind::Pages)),
        (mapping(4096, 1), Ok(MapKind::Pages)),
        (mapping(8192, 2), Err(Errno::ENOENT)),
        (mapping(1 << 40, 1), Err(Errno::ENOENT)),
        (Mapping { is_shared: false, ..mapping(0, 1) }, Err(Errno::EINVAL)),
    ] {
        assert_eq!(file.mmap(&wanted), expected);
    }
    let device = file.as_any().downcast_ref::<Gntalloc>().expect("it is one");
    let pager = device.pager(4096, 8192).expect("they are there");
    let frame = pager.page(1, true).expect("at hand").expect("in the mapping");
    frame.write(0, b"shared");
    // The same page, whoever maps it.
    let again = device.pager(0, 8192).expect("they are there").page_now(1).expect("in the mapping");
    let mut bytes = [0; 6];
    again.read(0, &mut bytes);
    assert_eq!(&bytes, b"shared");
    assert!(pager.page_now(0).is_none() && pager.page_now(3).is_none());
}

#[test]
fn a_grant_ends_when_neither_file_nor_mapping_has_it() {
    let (host, _, file) = open(Device::Gntalloc);
    let memory = FakeMemory::new(4096);
    alloc(&file, &memory, T, 1, 3).expect("granted");
    let device = file.as_any().downcast_ref::<Gntalloc>().expect("it is one");
    let pager = device.pager(4096, 4096).expect("there");
    assert_eq!(dealloc(&file, &memory, 0, 2), Ok(0));
    assert_eq!(host.grants(), [102, 103]);
    assert!(pager.page_now(1).is_some());
    assert_eq!(file.mmap(&mapping(4096, 1)), Err(Errno::ENOENT));
    drop(pager);
    assert_eq!(host.grants(), [103]);
    // Numbers are not used again.
    assert_eq!(alloc(&file, &memory, T, 1, 1).map(|(index, _)| index), Ok(12288));
    drop(file);
    assert!(host.grants().is_empty());
}

#[test]
fn what_is_not_there_is_not_freed() {
    let (host, _, file) = open(Device::Gntalloc);
    let memory = FakeMemory::new(4096);
    alloc(&file, &memory, T, 1, 2).expect("granted");
    for (index, count) in [(0, 3), (4096, 2), (1, 1), (8192, 1), (0, 0), (!4095, 1), (0, 0xffff_ffff)] {
        assert_eq!(dealloc(&file, &memory, index, count), Err(Errno::EINVAL));
    }
    assert_eq!(host.grants().len(), 2);
}

#[test]
fn others_and_too_many_are_refused() {
    let (host, devices, file) = open(Device::Gntalloc);
    let memory = FakeMemory::new(16 + 4 * MAX_PAGES);
    for domain in [1, 8, 0x7ff0, 0xffff] {
        assert_eq!(alloc(&file, &memory, domain, 1, 1), Err(Errno::EPERM));
    }
    let over = MAX_PAGES as u64 + 1;
    assert_eq!(alloc(&file, &memory, T, 1, over), Err(Errno::ENOSPC));
    assert_eq!(alloc(&file, &memory, T, 1, 0xffff_ffff), Err(Errno::ENOSPC));
    let other = devices.open(Device::Gntalloc, facts()).expect("it opens");
    alloc(&other, &memory, T, 1, over - 2).expect("one less than the limit");
    assert_eq!(alloc(&file, &memory, T, 1, 2), Err(Errno::ENOSPC));
    drop(other);
    assert_eq!(alloc(&file, &memory, T, 1, 2).map(|(_, grefs)| grefs.len()), Ok(2));
    // What Xen refuses half way leaves nothing, and counts for nothing.
    assert_eq!(host.grants().len(), 2);
    host.fail_after(3, Errno::ENOSPC);
    assert_eq!(alloc(&file, &memory, T, 1, 5), Err(Errno::ENOSPC));
    assert_eq!(host.grants().len(), 2);
    assert!(alloc(&file, &memory, T, 1, over - 3).is_ok());
}

#[test]
fn a_page_that_its_peer_keeps_counts_until_it_lets_go() {
    let (host, _, file) = open(Device::Gntalloc);
    let memory = FakeMemory::new(16 + 4 * MAX_PAGES);
    let (_, grefs) = alloc(&file, &memory, T, 1, 2).expect("granted");
    host.hold_grant(grefs[0]);
    dealloc(&file, &memory, 0, 2).expect("there");
    assert_eq!(alloc(&file, &memory, T, 1, MAX_PAGES as u64), Err(Errno::ENOSPC));
    assert!(alloc(&file, &memory, T, 1, MAX_PAGES as u64 - 2).is_ok());
    // Until it has let go.
    host.release_grant(grefs[0]);
    assert!(host.grants().contains(&grefs[0]));
    assert!(alloc(&file, &memory, T, 1, 2).is_ok());
    assert!(!host.grants().contains(&grefs[0]));
    assert_eq!(alloc(&file, &memory, T, 1, 1), Err(Errno::ENOSPC));
}

#[test]
fn a_guest_without_a_target_grants_to_anybody() {
    let (host, _, file) = open(Device::Gntalloc);
    host.without_target();
    let memory = FakeMemory::new(4096);
    assert!(alloc(&file, &memory, 0, 1, 1).is_ok() && alloc(&file, &memory, 8, 1, 1).is_ok());
    assert_eq!(alloc(&file, &memory, 0x7ff0, 1, 1), Err(Errno::EPERM));
}

#[test]
fn at_its_end_a_page_has_a_byte_cleared_and_its_peer_told() {
    let (host, devices, file) = open(Device::Gntalloc);
    let memory = FakeMemory::new(4096);
    alloc(&file, &memory, 0, 1, 1).expect("granted");
    let notify = |index: u64, action: u64, port: u64| {
        memory.put(AT, &[(index, 8), (action, 4), (port, 4)]);
        file.ioctl(NOTIFY, AT, &memory)
    };
    assert_eq!(notify(4096, 1, 0), Err(Errno::ENOENT));
    assert_eq!(notify(0, 8, 0), Err(Errno::EINVAL));
    assert_eq!(notify(0, 2, 7), Err(Errno::EINVAL));
    let channels = devices.open(Device::Evtchn, facts()).expect("it opens");
    memory.put(AT, &[(0, 4)]);
    assert_eq!(channels.ioctl(0x0004_4502, AT, &memory), Ok(1));
    assert_eq!(notify(2, 3, 1), Ok(0));
    let device = file.as_any().downcast_ref::<Gntalloc>().expect("it is one");
    let frame = device.pager(0, 4096).expect("there").page_now(0).expect("there");
    frame.write(0, b"abcd");
    drop(channels);
    host.calls();
    drop(file);
    assert_eq!((host.calls(), host.ports().len()), (["notify 1".into()].to_vec(), 0));
    let mut bytes = [0; 4];
    frame.read(0, &mut bytes);
    assert_eq!(&bytes, b"ab\0d");
}

#[test]
fn other_ioctls_are_those_of_no_device() {
    let (_, _, file) = open(Device::Gntalloc);
    let memory = FakeMemory::new(64);
    for command in [0x0018_4700, 0x4708, 0] {
        assert_eq!(file.ioctl(command, AT, &memory), Err(Errno::ENOTTY));
    }
    for command in [ALLOC, DEALLOC, NOTIFY] {
        assert_eq!(file.ioctl(command, 16, &memory), Err(Errno::EFAULT));
    }
}
