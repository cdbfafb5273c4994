use std::sync::Arc;

use linux_base::file::{MapKind, Mapping};
use linux_base::{Errno, File, Result};
use linux_mm::Pager;

use super::{facts, open};
use crate::Device;
use crate::fake::{FakeMemory, TARGET};
use crate::gntdev::{Gntdev, MAX_PAGES};

const AT: u64 = FakeMemory::BASE;
const T: u64 = TARGET as u64;
const MAP: u32 = 0x0018_4700;
const UNMAP: u32 = 0x0010_4701;
const OFFSET: u32 = 0x0018_4702;
const NOTIFY: u32 = 0x0010_4707;
const COPY: u32 = 0x0010_4708;

fn map(file: &Arc<dyn File>, memory: &FakeMemory, domain: u64, grefs: &[u64]) -> Result<u64> {
    memory.put(AT, &[(grefs.len() as u64, 4), (0, 4), (99, 8)]);
    for (index, gref) in grefs.iter().enumerate() {
        memory.put(AT + 16 + index as u64 * 8, &[(domain, 4), (*gref, 4)]);
    }
    file.ioctl(MAP, AT, memory).map(|_| memory.u64(AT + 8))
}

fn mapping(offset: u64, pages: u64) -> Mapping {
    Mapping { offset, len: pages * 4096, is_shared: true, is_writable: true }
}

/// The area of a mapping, as the kernel has it made.
fn area(file: &Arc<dyn File>, wanted: &Mapping) -> Result<Arc<dyn Pager>> {
    file.as_any().downcast_ref::<Gntdev>().expect("it is one").pager(wanted, (1, 2))
}

#[test]
fn grants_of_the_target_are_mapped() {
    let (host, _, file) = open(Device::Gntdev);
    let memory = FakeMemory::new(4096);
    host.set_granted(5, b"five");
    host.set_granted(6, b"six");
    assert_eq!(map(&file, &memory, T, &[5, 6]), Ok(0));
    assert_eq!(map(&file, &memory, T, &[5]), Ok(8192));
    assert_eq!(file.mmap(&mapping(0, 2)), Ok(MapKind::Foreign));
    // Not before there is an area.
    assert_eq!(file.mapped(0x7000, &mapping(0, 2)), Err(Errno::EINVAL));
    let first = area(&file, &mapping(0, 2)).expect("it is whole");
    assert!(first.is_foreign() && first.identity() == (1, 2));
    assert_eq!(file.mapped(0x7000, &mapping(0, 2)), Ok(()));
    assert_eq!(host.calls(), ["map_grants 0x7000 [5, 6]"]);
    // Once, and whole.
    assert_eq!(file.mmap(&mapping(0, 2)), Err(Errno::EINVAL));
    assert_eq!(file.mapped(0x7000, &mapping(0, 2)), Err(Errno::EINVAL));
    assert!(area(&file, &mapping(0, 2)).is_err());
    for wanted in [mapping(8192, 2), mapping(4096, 1), mapping(12288, 1), mapping(8192, 0)] {
        assert_eq!(file.mmap(&wanted), Err(Errno::EINVAL));
    }
    let private = Mapping { is_shared: false, ..mapping(8192, 1) };
    assert_eq!(file.mmap(&private), Err(Errno::EINVAL));
    // By any address in it a map is found.
    for address in [0x7000, 0x8fff] {
        memory.put(AT, &[(address, 8), (99, 8), (99, 4)]);
        assert_eq!(file.ioctl(OFFSET, AT, &memory), Ok(0));
        assert_eq!((memory.u64(AT + 8), memory.u32(AT + 16)), (0, 2));
    }
    for address in [0, 0x6fff, 0x9000, u64::MAX] {
        memory.put(AT, &[(address, 8)]);
        assert_eq!(file.ioctl(OFFSET, AT, &memory), Err(Errno::EINVAL));
    }
    // When it was unmapped it is at no address, and may be mapped again.
    drop(first);
    memory.put(AT, &[(0x7000, 8)]);
    assert_eq!(file.ioctl(OFFSET, AT, &memory), Err(Errno::EINVAL));
    let _again = area(&file, &mapping(0, 2)).expect("it is free");
    assert_eq!(file.mapped(0xa000, &mapping(0, 2)), Ok(()));
}

#[test]
fn a_guest_without_a_target_maps_what_anybody_grants() {
    let (host, _, file) = open(Device::Gntdev);
    host.without_target();
    let memory = FakeMemory::new(4096);
    assert_eq!(map(&file, &memory, 0, &[5]), Ok(0));
    assert_eq!(map(&file, &memory, 8, &[5]), Ok(4096));
    for domain in [0x7ff0, 0x1_0007, 0xffff_ffff] {
        assert_eq!(map(&file, &memory, domain, &[5]), Err(Errno::EPERM));
    }
}

#[test]
fn a_grant_that_xen_refuses_fails_the_mapping() {
    let (host, _, file) = open(Device::Gntdev);
    let memory = FakeMemory::new(4096);
    host.set_granted(5, b"");
    assert_eq!(map(&file, &memory, T, &[5, 9]), Ok(0));
    let first = area(&file, &mapping(0, 2)).expect("it is whole");
    assert_eq!(file.mapped(0x7000, &mapping(0, 2)), Err(Errno::EINVAL));
    drop(first);
    // And it can be tried again.
    host.set_granted(9, b"");
    assert_eq!(file.mmap(&mapping(0, 2)), Ok(MapKind::Foreign));
    let _second = area(&file, &mapping(0, 2)).expect("it is whole");
    assert_eq!(file.mapped(0x7000, &mapping(0, 2)), Ok(()));
}

#[test]
fn pages_of_all_maps_are_bounded_and_count_until_they_have_left_memory() {
    let (_, devices, file) = open(Device::Gntdev);
    let memory = FakeMemory::new(16 + 8 * MAX_PAGES);
    let many = std::vec![1; MAX_PAGES];
    assert_eq!(map(&file, &memory, T, &many), Ok(0));
    let pager = area(&file, &mapping(0, MAX_PAGES as u64)).expect("it is whole");
    memory.put(AT, &[(0, 8), (MAX_PAGES as u64, 4), (0, 4)]);
    assert_eq!(file.ioctl(UNMAP, AT, &memory), Ok(0));
    let mut others = Vec::new();
    for _ in 1..4 {
        let other = devices.open(Device::Gntdev, facts()).expect("it opens");
        assert_eq!(map(&other, &memory, T, &many), Ok(0));
        others.push(other);
    }
    assert_eq!(map(&file, &memory, T, &[1]), Err(Errno::ENOMEM));
    drop(pager);
    assert_eq!(map(&file, &memory, T, &many), Ok(0));
    assert_eq!(map(&devices.open(Device::Gntdev, facts()).unwrap(), &memory, T, &[1]), Err(Errno::ENOMEM));
}

#[test]
fn grants_of_others_and_too_many_are_refused() {
    let (host, _, file) = open(Device::Gntdev);
    let memory = FakeMemory::new(16 + 8 * (MAX_PAGES + 1));
    for domain in [0, 8, 0x7ff0, 0x1_0007, 0xffff_ffff] {
        assert_eq!(map(&file, &memory, domain, &[5]), Err(Errno::EPERM));
    }
    assert_eq!(map(&file, &memory, T, &[]), Err(Errno::EINVAL));
    let many = std::vec![1; MAX_PAGES + 1];
    assert_eq!(map(&file, &memory, T, &many), Err(Errno::ENOMEM));
    assert_eq!(map(&file, &memory, T, &many[1..]), Ok(0));
    assert_eq!(map(&file, &memory, T, &[1]), Err(Errno::ENOMEM));
    memory.put(AT, &[(u32::MAX.into(), 4)]);
    assert_eq!(file.ioctl(MAP, AT, &memory), Err(Errno::ENOMEM));
    let (_, _, file) = open(Device::Gntdev);
    let memory = FakeMemory::new(64);
    memory.put(
        AT,
        &[(1000, 4), (0, 4), (0, 8), (T, 4), (1, 4), (T, 4), (1, 4), (T, 4), (1, 4), (T, 4), (1, 4), (T, 4)],
    );
    memory.put(AT + 56, &[(T, 4)]);
    assert_eq!(file.ioctl(MAP, AT, &memory), Err(Errno::EFAULT));
    assert!(host.calls().is_empty());
}

#[test]
fn an_unmapped_map_gives_its_place_to_the_next() {
    let (_, _, file) = open(Device::Gntdev);
    let memory = FakeMemory::new(4096);
    assert_eq!(map(&file, &memory, T, &[1, 2]), Ok(0));
    assert_eq!(map(&file, &memory, T, &[3]), Ok(8192));
    let unmap = |offset: u64, count: u64| {
        memory.put(AT, &[(offset, 8), (count, 4)]);
        file.ioctl(UNMAP, AT, &memory)
    };
    assert_eq!(
        (unmap(0, 1), unmap(4096, 1), unmap(0, 3)),
        (Err(Errno::ENOENT), Err(Errno::ENOENT), Err(Errno::ENOENT))
    );
    assert_eq!((unmap(0, 2), unmap(0, 2)), (Ok(0), Err(Errno::ENOENT)));
    assert_eq!(map(&file, &memory, T, &[4, 5, 6]), Ok(12288));
    assert_eq!(map(&file, &memory, T, &[7, 8]), Ok(0));
}

#[test]
fn at_its_end_a_map_clears_a_byte_and_tells_its_peer() {
    let (host, devices, file) = open(Device::Gntdev);
    let memory = FakeMemory::new(4096);
    host.set_granted(5, b"abcd");
    assert_eq!(map(&file, &memory, T, &[9, 5]), Ok(0));
    let notify = |index: u64, action: u64, port: u64| {
        memory.put(AT, &[(index, 8), (action, 4), (port, 4)]);
        file.ioctl(NOTIFY, AT, &memory)
    };
    assert_eq!(notify(0, 4, 0), Err(Errno::EINVAL));
    assert_eq!(notify(8192, 1, 0), Err(Errno::ENOENT));
    // A port that is not bound by a program: the kernel's own, say.
    assert_eq!(notify(4097, 3, 1), Err(Errno::EINVAL));
    let channels = devices.open(Device::Evtchn, crate::fake::facts()).expect("it opens");
    memory.put(AT, &[(T, 4), (44, 4)]);
    assert_eq!(channels.ioctl(0x0008_4501, AT, &memory), Ok(1));
    assert_eq!(notify(4097, 3, 1), Ok(0));
    // The port outlives its own file, and the map the file that it came from.
    drop(channels);
    assert_eq!(host.ports(), [1]);
    let area = area(&file, &mapping(0, 2)).expect("it is whole");
    host.calls();
    drop(file);
    assert!(host.calls().is_empty());
    drop(area);
    assert_eq!((host.calls(), host.ports()), (["notify 1".into()].to_vec(), [].to_vec()));
    assert_eq!(&host.granted(5)[..4], b"a\0cd");
}

#[test]
fn pages_are_copied_from_and_to_grants() {
    let (host, _, file) = open(Device::Gntdev);
    let memory = FakeMemory::new(4096);
    host.set_granted(5, b"0123456789");
    host.set_granted(6, b"----------");
    let segments = AT + 256;
    memory.put(AT, &[(4, 4), (0, 4), (segments, 8)]);
    memory.put(AT + 1024, &[(0x6463_6261, 4)]);
    // From a grant, to a grant, between two, and of one that is not there.
    memory.put(segments, &[(5, 4), (2, 2), (T, 2), (AT + 2048, 8), (3, 2), (1, 2), (9, 2)]);
    memory.put(segments + 24, &[(AT + 1024, 8), (6, 4), (4, 2), (T, 2), (4, 2), (2, 2), (9, 2)]);
    memory.put(segments + 48, &[(5, 4), (8, 2), (T, 2), (6, 4), (0, 2), (T, 2), (2, 2), (3, 2), (9, 2)]);
    memory.put(segments + 72, &[(7, 4), (0, 2), (T, 2), (6, 4), (0, 2), (T, 2), (2, 2), (3, 2), (9, 2)]);
    assert_eq!(file.ioctl(COPY, AT, &memory), Ok(0));
    assert_eq!(memory.u32(AT + 2048), u32::from_le_bytes(*b"234\0"));
    assert_eq!(&host.granted(6)[..10], b"89--abcd--");
    let status = [20, 44, 68, 92].map(|at| memory.u32(segments + at) as u16 as i16);
    assert_eq!(status, [0, 0, 0, -3]);
    // How QEMU finds out that there is this ioctl.
    memory.put(AT, &[(0, 4), (0, 4), (0, 8)]);
    assert_eq!(file.ioctl(COPY, AT, &memory), Ok(0));
}

#[test]
fn a_copy_beyond_a_page_of_anothers_or_without_a_grant_is_refused() {
    let (host, _, file) = open(Device::Gntdev);
    let memory = FakeMemory::new(4096);
    host.set_granted(5, b"");
    let segment = AT + 256;
    memory.put(AT, &[(1, 4), (0, 4), (segment, 8)]);
    for (gref, offset, domain, len, flags, errno) in [
        (5, 4095, T, 2, 1, Errno::EINVAL),
        (5, 0, T, 4097, 1, Errno::EINVAL),
        (5, 0, T, 65535, 1, Errno::EINVAL),
        (5, 0, T, 16, 0, Errno::EINVAL),
        (5, 0, 0, 16, 1, Errno::EPERM),
        (5, 0, 0x7ff0, 16, 1, Errno::EPERM),
    ] {
        memory.put(segment, &[(gref, 4), (offset, 2), (domain, 2), (AT + 2048, 8), (len, 2), (flags, 2)]);
        assert_eq!(file.ioctl(COPY, AT, &memory), Err(errno));
    }
    memory.put(segment, &[(5, 4), (0, 2), (T, 2), (8, 8), (16, 2), (1, 2)]);
    assert_eq!(file.ioctl(COPY, AT, &memory), Err(Errno::EFAULT));
    memory.put(AT, &[(u32::MAX.into(), 4), (0, 4), (AT + 4000, 8)]);
    assert_eq!(file.ioctl(COPY, AT, &memory), Err(Errno::EINVAL));
}

#[test]
fn other_ioctls_are_those_of_no_device() {
    let (_, _, file) = open(Device::Gntdev);
    let memory = FakeMemory::new(64);
    // SET_MAX_GRANTS, and those for DMA buffers.
    for command in [0x0004_4703, 0x0018_4709, 0x0010_470a, 0x0018_470b, 0x0008_470c, 0] {
        assert_eq!(file.ioctl(command, AT, &memory), Err(Errno::ENOTTY));
    }
    for command in [MAP, UNMAP, OFFSET, NOTIFY, COPY] {
        assert_eq!(file.ioctl(command, u64::MAX - 3, &memory), Err(Errno::EFAULT));
    }
}
