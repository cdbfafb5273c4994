use linux_base::file::{MapKind, Mapping, UserMemory};
use linux_base::{Errno, Result};
use std::format;
use std::sync::Arc;

use super::open;
use crate::Device;
use crate::fake::{FakeMemory, TARGET};

const AT: u64 = FakeMemory::BASE;
const BATCH: u32 = 0x0018_5003;
const BATCH_V2: u32 = 0x0020_5004;
const DM_OP: u32 = 0x0010_5005;
const RESTRICT: u32 = 0x0002_5006;
const RESOURCE: u32 = 0x0020_5007;

const T: u64 = TARGET as u64;

#[test]
fn unknown_ioctls_are_those_of_no_device() {
    let (_, _, file) = open(Device::Privcmd);
    let memory = FakeMemory::new(64);
    // How the libraries find out what error that is; and the mapping by ranges, which none of them uses.
    for command in [0x50ff, 0x0010_5002, 0x5401, 0xffff_ffff, 0x0010_5004] {
        assert_eq!(file.ioctl(command, AT, &memory), Err(Errno::ENOTTY));
    }
    assert_eq!(file.stat().map(|stat| stat.rdev), Ok(0xa2a));
}

#[test]
fn it_is_mapped_as_an_empty_area() {
    let (_, _, file) = open(Device::Privcmd);
    let wanted = Mapping { offset: 0, len: 8192, is_shared: true, is_writable: true };
    assert_eq!(file.mmap(&wanted), Ok(MapKind::Foreign));
    assert_eq!(file.mapped(0x1000, &wanted), Ok(()));
}

#[test]
fn what_the_guest_wrote_is_on_its_disks_before_anybody_hears_that_it_has_ended() {
    let (host, _, file) = open(Device::Privcmd);
    let memory = FakeMemory::new(8192);
    // `XEN_DMOP_remote_shutdown`, for another reason than power-off; then one more that is none.
    for (operation, calls) in [(16, &["settle", "dm_op 7 [8]"][..]), (8, &["dm_op 7 [8]"])] {
        memory.put(AT + 4096, &[(operation, 4), (1, 4)]);
        memory.put(AT + 64, &[(AT + 4096, 8), (8, 8)]);
        memory.put(AT, &[(T, 2), (1, 2), (0, 4), (AT + 64, 8)]);
        assert_eq!(file.ioctl(DM_OP, AT, &memory).map(drop), Ok(()));
        assert_eq!(host.calls(), calls);
    }
}

#[test]
fn a_device_model_operation_has_its_buffers_copied_in_and_out() {
    let (host, _, file) = open(Device::Privcmd);
    let memory = FakeMemory::new(4096);
    memory.put(AT, &[(T, 2), (2, 2), (0, 4), (AT + 64, 8)]);
    memory.put(AT + 64, &[(AT + 128, 8), (32, 8), (AT + 256, 8), (4, 8)]);
    memory.put(AT + 256, &[(0x0102_0304, 4), (0x99, 1)]);
    assert_eq!(file.ioctl(DM_OP, AT, &memory), Ok(0));
    assert_eq!(host.calls(), ["dm_op 7 [32, 4]"]);
    assert_eq!((memory.u32(AT + 256), memory.u32(AT + 260)), (0x0203_0405, 0x99));
    // Xen's error is the call's, and what it has filled in is copied all the same.
    host.fail(Errno::ESRCH);
    assert_eq!(file.ioctl(DM_OP, AT, &memory), Err(Errno::ESRCH));
    assert_eq!(memory.u32(AT + 256), 0x0304_0506);
}

#[test]
fn the_probe_of_the_library_is_answered_for_any_domain() {
    let (host, _, file) = open(Device::Privcmd);
    let memory = FakeMemory::new(64);
    memory.put(AT, &[(0x7ff4, 2), (0, 2), (0, 4), (0, 8)]);
    assert_eq!(file.ioctl(DM_OP, AT, &memory), Ok(0));
    assert!(host.calls().is_empty());
}

#[test]
fn a_device_model_operation_is_refused_for_other_domains_and_too_much() {
    let (host, _, file) = open(Device::Privcmd);
    let memory = FakeMemory::new(4096);
    let call = |domain: u64, count: u64, address: u64, len: u64| {
        memory.put(AT, &[(domain, 2), (count, 2), (0, 4), (AT + 64, 8)]);
        memory.put(AT + 64, &[(address, 8), (len, 8)]);
        file.ioctl(DM_OP, AT, &memory)
    };
    assert_eq!(call(0, 1, AT, 8), Err(Errno::EPERM));
    assert_eq!(call(8, 1, AT, 8), Err(Errno::EPERM));
    assert_eq!(call(0x7ff0, 1, AT, 8), Err(Errno::EPERM));
    assert_eq!(call(T, 17, AT, 8), Err(Errno::E2BIG));
    assert_eq!(call(T, 1, AT, 4097), Err(Errno::E2BIG));
    assert_eq!(call(T, 1, AT, u64::MAX), Err(Errno::E2BIG));
    assert_eq!(call(T, 1, 0, 8), Err(Errno::EFAULT));
    assert_eq!(call(T, 1, u64::MAX, 8), Err(Errno::EFAULT));
    assert_eq!(file.ioctl(DM_OP, 8, &memory), Err(Errno::EFAULT));
    assert!(host.calls().is_empty());
}

fn batch_v2(
    file: &Arc<dyn linux_base::File>,
    memory: &FakeMemory,
    count: u64,
    domain: u64,
    address: u64,
) -> Result<i64> {
    memory.put(AT, &[(count, 4), (domain, 2), (0, 2), (address, 8), (AT + 4096, 8), (AT + 64, 8)]);
    file.ioctl(BATCH_V2, AT, memory)
}

#[test]
fn frames_are_mapped_and_each_has_its_error() {
    let (host, _, file) = open(Device::Privcmd);
    let memory = FakeMemory::new(8192);
    memory.put(AT + 4096, &[(10, 8), (11, 8), (12, 8)]);
    memory.put(AT + 64, &[(9, 4), (9, 4), (9, 4), (9, 4)]);
    host.set_bad_frame(11, 22);
    assert_eq!(batch_v2(&file, &memory, 3, T, 0x7000_0000), Ok(0));
    assert_eq!(host.calls(), ["map 0x70000000 7 guest 3 from Some(10)"]);
    let errors = [0, 4, 8, 12].map(|at| memory.u32(AT + 64 + at) as i32);
    assert_eq!(errors, [0, -22, 0, 9]);
    // A page that is paged out is an error of the whole call as well.
    host.set_bad_frame(12, -2);
    assert_eq!(batch_v2(&file, &memory, 3, T, 0x7000_0000), Err(Errno::ENOENT));
    assert_eq!(memory.u32(AT + 72) as i32, -2);
}

#[test]
fn many_frames_are_mapped_by_parts() {
    let (host, _, file) = open(Device::Privcmd);
    let memory = FakeMemory::new(4096 + 8 * 1100);
    for index in 0..1100 {
        memory.put(AT + 4096 + index * 8, &[(1000 + index, 8)]);
    }
    memory.put(AT, &[(1100, 4), (T, 2), (0, 2), (0x10000, 8), (AT + 4096, 8)]);
    assert_eq!(file.ioctl(BATCH, AT, &memory), Ok(0));
    let expected = [(0x10000, 512, 1000), (0x21_0000, 512, 1512), (0x41_0000, 76, 2024)]
        .map(|(address, count, first)| format!("map {address:#x} 7 guest {count} from Some({first})"));
    assert_eq!(host.calls(), expected);
}

#[test]
fn the_old_ioctl_marks_the_frames_that_were_not_mapped() {
    let (host, _, file) = open(Device::Privcmd);
    let memory = FakeMemory::new(8192);
    memory.put(AT + 4096, &[(10, 8), (11, 8), (12, 8)]);
    memory.put(AT, &[(3, 4), (T, 2), (0, 2), (0x10000, 8), (AT + 4096, 8)]);
    host.set_bad_frame(11, 22);
    host.set_bad_frame(12, 2);
    assert_eq!(file.ioctl(BATCH, AT, &memory), Err(Errno::ENOENT));
    let frames = [0, 8, 16].map(|at| memory.u64(AT + 4096 + at));
    assert_eq!(frames, [10, 0xf000_000b, 0x8000_000c]);
}

#[test]
fn mapping_is_refused_for_other_domains_and_nonsense() {
    let (host, _, file) = open(Device::Privcmd);
    let memory = FakeMemory::new(8192);
    assert_eq!(batch_v2(&file, &memory, 1, 0, 0x1000), Err(Errno::EPERM));
    assert_eq!(batch_v2(&file, &memory, 1, 0x7ff0, 0x1000), Err(Errno::EPERM));
    assert_eq!(batch_v2(&file, &memory, 0, T, 0x1000), Err(Errno::EINVAL));
    assert_eq!(batch_v2(&file, &memory, 0x8000_0000, T, 0x1000), Err(Errno::EINVAL));
    assert_eq!(batch_v2(&file, &memory, 1, T, 0x1001), Err(Errno::EINVAL));
    assert!(host.calls().is_empty());
    // The array ends before its time; where it is to be mapped there is nothing made for it.
    assert_eq!(batch_v2(&file, &memory, 0x7fff_ffff, T, 0x1000), Err(Errno::EFAULT));
    assert_eq!(batch_v2(&file, &memory, 1, T, !4095), Ok(0));
    host.fail(Errno::EINVAL);
    assert_eq!(batch_v2(&file, &memory, 1, T, 0x1000), Err(Errno::EINVAL));
}

fn resource(memory: &FakeMemory, domain: u64, kind: u64, count: u64, address: u64) {
    memory.put(AT, &[(domain, 2), (0, 2), (kind, 4), (5, 4), (1, 4), (count, 8), (address, 8)]);
}

#[test]
fn an_ioreq_server_is_mapped_by_machine_frames() {
    let (host, _, file) = open(Device::Privcmd);
    let memory = FakeMemory::new(4096);
    resource(&memory, T, 0, 2, 0x1000);
    assert_eq!(file.ioctl(RESOURCE, AT, &memory), Ok(0));
    assert_eq!(host.calls(), ["acquire 7 0 5 1 2", "map 0x1000 7 machine 2 from Some(900)"]);
    // Without a place it is the question how many there are.
    resource(&memory, T, 0, 0, 0);
    assert_eq!(file.ioctl(RESOURCE, AT, &memory), Ok(0));
    assert_eq!((host.calls(), memory.u64(AT + 16)), (["size 7 0 5".into()].to_vec(), 3));
    host.set_bad_frame(901, 12);
    resource(&memory, T, 0, 2, 0x1000);
    assert_eq!(file.ioctl(RESOURCE, AT, &memory), Err(Errno::ENOMEM));
    host.fail(Errno::ENOENT);
    assert_eq!(file.ioctl(RESOURCE, AT, &memory), Err(Errno::ENOENT));
}

#[test]
fn other_resources_and_nonsense_are_refused() {
    let (host, _, file) = open(Device::Privcmd);
    let memory = FakeMemory::new(4096);
    for (domain, kind, count, address, errno) in [
        (0, 0, 1, 0x1000, Errno::EPERM),
        (T, 1, 1, 0x1000, Errno::EPERM),
        (T, 0, 1, 0, Errno::EINVAL),
        (T, 0, 0, 0x1000, Errno::EINVAL),
        (T, 0, 1, 0x1001, Errno::EINVAL),
        (T, 0, 257, 0x1000, Errno::E2BIG),
        (T, 0, u64::MAX, 0x1000, Errno::E2BIG),
    ] {
        resource(&memory, domain, kind, count, address);
        assert_eq!(file.ioctl(RESOURCE, AT, &memory), Err(errno));
    }
    assert!(host.calls().is_empty());
}

#[test]
fn a_restricted_file_has_one_domain_and_no_hypercalls() {
    let (host, _, file) = open(Device::Privcmd);
    let memory = FakeMemory::new(8192);
    let restrict = |domain: u16| {
        memory.put(AT, &[(domain.into(), 2)]);
        file.ioctl(RESTRICT, AT, &memory)
    };
    // No domain is no restriction.
    assert_eq!(restrict(0x7ff4), Ok(0));
    assert_eq!(restrict(TARGET), Ok(0));
    assert_eq!(restrict(TARGET), Ok(0));
    assert_eq!(restrict(3), Err(Errno::EINVAL));
    assert_eq!(file.ioctl(RESTRICT, 0, &memory), Err(Errno::EFAULT));
    memory.put(AT, &[(17, 8), (0, 8)]);
    assert_eq!(file.ioctl(0x0030_5000, AT, &memory), Err(Errno::EPERM));
    memory.put(AT, &[(0x7ff4, 2), (0, 2)]);
    assert_eq!(file.ioctl(DM_OP, AT, &memory), Err(Errno::EPERM));
    assert_eq!(batch_v2(&file, &memory, 1, T, 0x1000), Ok(0));
    assert_eq!(host.calls().len(), 1);
}

#[test]
fn a_buffer_that_cannot_be_written_is_a_fault() {
    struct ReadOnly(FakeMemory);
    impl UserMemory for ReadOnly {
        fn read(&self, address: u64, into: &mut [u8]) -> Result<()> {
            self.0.read(address, into)
        }
        fn write(&self, _: u64, _: &[u8]) -> Result<()> {
            Err(Errno::EFAULT)
        }
    }
    let (_, _, file) = open(Device::Privcmd);
    let memory = FakeMemory::new(8192);
    memory.put(AT, &[(T, 2), (1, 2), (0, 4), (AT + 64, 8)]);
    memory.put(AT + 64, &[(AT + 128, 8), (32, 8), (AT + 128, 8), (32, 8)]);
    let memory = ReadOnly(memory);
    // The first buffer is not filled, so it need not be writable.
    assert_eq!(file.ioctl(DM_OP, AT, &memory), Ok(0));
    memory.0.put(AT, &[(T, 2), (2, 2)]);
    assert_eq!(file.ioctl(DM_OP, AT, &memory), Err(Errno::EFAULT));
}
