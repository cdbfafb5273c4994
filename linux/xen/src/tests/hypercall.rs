use linux_base::Errno;
use std::sync::Arc;
use std::vec::Vec;

use super::open;
use crate::Device;
use crate::fake::{FakeMemory, TARGET};
use linux_base::{File, Result};

const AT: u64 = FakeMemory::BASE;
const HYPERCALL: u32 = 0x0030_5000;
const T: u64 = TARGET as u64;
/// Where arguments are put.
const ARG: u64 = AT + 1024;

fn call(file: &Arc<dyn File>, memory: &FakeMemory, number: u64, first: u64, second: u64) -> Result<i64> {
    memory.put(AT, &[(number, 8), (first, 8), (second, 8), (0, 8), (0, 8), (0, 8)]);
    file.ioctl(HYPERCALL, AT, memory)
}

#[test]
fn memory_of_the_target_is_populated_and_freed() {
    let (host, _, file) = open(Device::Privcmd);
    let memory = FakeMemory::new(8192);
    memory.put(ARG, &[(AT + 4096, 8), (3, 8), (0, 4), (6, 4), (T, 2)]);
    memory.put(AT + 4096, &[(50, 8), (51, 8), (52, 8)]);
    assert_eq!(call(&file, &memory, 12, 6, ARG), Ok(3));
    assert_eq!(call(&file, &memory, 12, 1, ARG), Ok(3));
    assert_eq!(host.calls(), ["populate 7 3 from Some(50) order 0 flags 6", "decrease 7 3 order 0"]);
    // Pages that come when they are touched are not a device model's.
    memory.put(ARG, &[(AT + 4096, 8), (3, 8), (0, 4), (1 << 16, 4), (T, 2)]);
    assert_eq!(call(&file, &memory, 12, 6, ARG), Err(Errno::EPERM));
    memory.put(ARG, &[(AT + 4096, 8), (3, 8), (0, 4), (6, 4), (T, 2)]);
    // Fewer than asked for is what Xen says.
    host.set_bad_frame(51, 12);
    assert_eq!(call(&file, &memory, 12, 6, ARG), Ok(1));
    host.fail(Errno::EINVAL);
    assert_eq!(call(&file, &memory, 12, 6, ARG), Err(Errno::EINVAL));
}

#[test]
fn many_extents_go_by_parts_and_what_was_done_before_an_error_counts() {
    let (host, _, file) = open(Device::Privcmd);
    let memory = FakeMemory::new(4096 + 8 * 3000);
    for index in 0..3000 {
        memory.put(AT + 4096 + index * 8, &[(index, 8)]);
    }
    memory.put(ARG, &[(AT + 4096, 8), (3000, 8), (0, 4), (0, 4), (T, 2)]);
    assert_eq!(call(&file, &memory, 12, 6, ARG), Ok(3000));
    assert_eq!(host.calls().len(), 3);
    host.set_bad_frame(1500, 12);
    assert_eq!(call(&file, &memory, 12, 6, ARG), Ok(1500));
    assert_eq!(host.calls().len(), 2);
    // The array has no more than 3000.
    host.set_bad_frame(1500, 0);
    memory.put(ARG, &[(AT + 4096 + 8 * 1500, 8), (3000, 8)]);
    assert_eq!(call(&file, &memory, 12, 1, ARG), Ok(1024));
}

#[test]
fn places_of_the_targets_memory_are_changed() {
    let (host, _, file) = open(Device::Privcmd);
    let memory = FakeMemory::new(8192);
    memory.put(ARG, &[(T, 2), (0, 2), (2, 4), (70, 8), (80, 8)]);
    assert_eq!(call(&file, &memory, 12, 7, ARG), Ok(0));
    memory.put(ARG, &[(T, 2), (0, 6), (81, 8)]);
    assert_eq!(call(&file, &memory, 12, 15, ARG), Ok(0));
    assert_eq!(call(&file, &memory, 12, 14, ARG), Ok(0x1_0000_0001));
    let list = AT + 4096;
    memory.put(ARG, &[(T, 2), (2, 2), (2, 2), (0, 2), (list, 8), (list + 16, 8), (list + 32, 8)]);
    memory.put(list, &[(1, 8), (2, 8), (3, 8), (4, 8), (9, 4), (9, 4), (9, 4)]);
    host.calls();
    host.fail(Errno::ESRCH);
    assert_eq!(call(&file, &memory, 12, 23, ARG), Ok(0));
    assert_eq!(host.calls(), ["add 7 2 1 3", "add 7 2 2 4"]);
    assert_eq!([32, 36, 40].map(|at| memory.u32(list + at) as i32), [-3, 0, 9]);
    // Other spaces, and operations for who builds domains.
    memory.put(ARG, &[(T, 2), (0, 2), (1, 4), (70, 8), (80, 8)]);
    assert_eq!(call(&file, &memory, 12, 7, ARG), Err(Errno::EPERM));
    for operation in [0, 3, 4, 5, 9, 11, 17, 25, 26, 27, 28, u64::MAX] {
        assert_eq!(call(&file, &memory, 12, operation, ARG), Err(Errno::EPERM), "{operation}");
    }
    assert!(host.calls().is_empty());
}

#[test]
fn no_operation_gets_at_another_domain() {
    let (host, _, file) = open(Device::Privcmd);
    let memory = FakeMemory::new(8192);
    for domain in [0, 6, 8, 0x7ff0, 0x7ff1, 0x7ff4, 0xffff] {
        // In each structure the domain has its own place.
        for (number, operation, offset) in [
            (12, 6, 24),
            (12, 1, 24),
            (12, 7, 0),
            (12, 15, 0),
            (12, 14, 0),
            (12, 23, 0),
            (34, 0, 0),
            (34, 1, 0),
            (29, 4, 0),
        ] {
            memory.put(ARG, &[(0, 8), (0, 8), (0, 8), (0, 8)]);
            memory.put(ARG + offset, &[(domain, 2)]);
            assert_eq!(
                call(&file, &memory, number, operation, ARG),
                Err(Errno::EPERM),
                "{number} {operation}"
            );
        }
        assert_eq!(call(&file, &memory, 41, domain, 1), Err(Errno::EPERM));
    }
    assert!(host.calls().is_empty());
}

#[test]
fn parameters_are_read_and_set() {
    let (host, _, file) = open(Device::Privcmd);
    let memory = FakeMemory::new(8192);
    memory.put(ARG, &[(T, 2), (0, 2), (14, 4), (99, 8)]);
    assert_eq!(call(&file, &memory, 34, 0, ARG), Ok(0));
    assert_eq!(call(&file, &memory, 34, 1, ARG), Ok(0));
    assert_eq!(host.calls(), ["set_param 7 14 99", "get_param 7 14"]);
    assert_eq!(memory.u64(ARG + 8), 0xabcd_0000_1234);
    for operation in [2, 3, 9, 24, 1 << 32] {
        assert_eq!(call(&file, &memory, 34, operation, ARG), Err(Errno::EPERM));
    }
}

#[test]
fn the_target_is_shut_down() {
    let (host, _, file) = open(Device::Privcmd);
    let memory = FakeMemory::new(8192);
    memory.put(ARG, &[(T, 2), (0, 2), (3, 4)]);
    assert_eq!(call(&file, &memory, 29, 4, ARG), Ok(0));
    assert_eq!(host.calls(), ["settle", "shutdown 7 3"]);
    for operation in [0, 1, 2, 3, 5, 6] {
        assert_eq!(call(&file, &memory, 29, operation, ARG), Err(Errno::EPERM));
    }
}

#[test]
fn the_version_is_told_but_not_the_command_line() {
    let (host, _, file) = open(Device::Privcmd);
    let memory = FakeMemory::new(8192);
    assert_eq!(call(&file, &memory, 17, 0, 0), Ok(0x4_0011));
    assert_eq!(call(&file, &memory, 17, 1, ARG), Ok(0x4_0011));
    assert_eq!((memory.u32(ARG + 12), memory.u32(ARG + 16)), (0x7676_7676, 0));
    assert_eq!(call(&file, &memory, 17, 1, 0), Err(Errno::EFAULT));
    assert_eq!(host.calls(), ["version 0 0", "version 1 16", "version 1 16"]);
    for operation in [9, 10, 11, u64::MAX] {
        assert_eq!(call(&file, &memory, 17, operation, ARG), Err(Errno::EPERM));
    }
}

#[test]
fn a_multicall_has_a_result_for_each_call() {
    let (host, _, file) = open(Device::Privcmd);
    let memory = FakeMemory::new(8192);
    let list = AT + 4096;
    memory.put(ARG, &[(AT + 512, 8), (1, 8), (0, 4), (0, 4), (T, 2)]);
    memory.put(list, &[(12, 8), (55, 8), (6, 8), (ARG, 8)]);
    memory.put(list + 64, &[(12, 8), (55, 8), (27, 8), (ARG, 8)]);
    memory.put(list + 128, &[(13, 8), (55, 8), (list, 8), (1, 8)]);
    assert_eq!(call(&file, &memory, 13, list, 3), Ok(0));
    let results = [8, 72, 136].map(|at| memory.u64(list + at) as i64);
    // None in another.
    assert_eq!(results, [1, -1, -1]);
    assert_eq!(host.calls().len(), 1);
    assert_eq!(call(&file, &memory, 13, list, 65), Err(Errno::E2BIG));
    assert_eq!(call(&file, &memory, 13, 0, 1), Err(Errno::EFAULT));
    assert_eq!(call(&file, &memory, 13, u64::MAX - 32, 2), Err(Errno::EFAULT));
}

#[test]
fn a_device_model_operation_is_made_as_a_hypercall_too() {
    let (host, _, file) = open(Device::Privcmd);
    let memory = FakeMemory::new(8192);
    memory.put(AT, &[(41, 8), (T, 8), (1, 8), (ARG, 8)]);
    memory.put(ARG, &[(AT + 4096, 8), (24, 8)]);
    assert_eq!(file.ioctl(HYPERCALL, AT, &memory), Ok(0));
    assert_eq!(host.calls(), ["dm_op 7 [24]"]);
    memory.put(AT, &[(41, 8), (T + (1 << 16), 8)]);
    assert_eq!(file.ioctl(HYPERCALL, AT, &memory), Err(Errno::ESRCH));
}

#[test]
fn every_other_hypercall_is_refused() {
    let (host, _, file) = open(Device::Privcmd);
    let memory = FakeMemory::new(8192);
    let allowed: Vec<u64> = [12, 13, 17, 29, 34, 41].to_vec();
    for number in (0..64).chain([u64::MAX, 1 << 32 | 12]).filter(|number| !allowed.contains(number)) {
        assert_eq!(call(&file, &memory, number, 0, ARG), Err(Errno::EPERM), "{number}");
    }
    assert!(host.calls().is_empty());
    assert_eq!(file.ioctl(HYPERCALL, 0, &memory), Err(Errno::EFAULT));
}

#[test]
fn a_hypercall_on_what_is_not_there_is_a_fault() {
    let (_, _, file) = open(Device::Privcmd);
    let memory = FakeMemory::new(8192);
    for (number, operation) in [(12, 6), (12, 7), (12, 14), (12, 15), (12, 23), (29, 4), (34, 0), (34, 1)] {
        for address in [0, u64::MAX, AT + 8191] {
            assert_eq!(call(&file, &memory, number, operation, address), Err(Errno::EFAULT));
        }
    }
    memory.put(ARG, &[(0, 8), (u64::MAX, 8), (0, 4), (0, 4), (T, 2)]);
    assert_eq!(call(&file, &memory, 12, 6, ARG), Err(Errno::E2BIG));
    memory.put(ARG, &[(0, 8), (1, 8)]);
    assert_eq!(call(&file, &memory, 12, 6, ARG), Err(Errno::EFAULT));
}
