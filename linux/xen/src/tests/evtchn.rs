use std::sync::Arc;
use std::vec::Vec;

use linux_base::wait::Watcher;
use linux_base::{Errno, File, Mutex, PollEvents, Result};

use super::{open, read, write};
use crate::fake::{FakeMemory, TARGET};
use crate::{Device, MAX_PORTS};

const AT: u64 = FakeMemory::BASE;
const T: u64 = TARGET as u64;
const BIND_VIRQ: u32 = 0x0004_4500;
const BIND_INTERDOMAIN: u32 = 0x0008_4501;
const BIND_UNBOUND: u32 = 0x0004_4502;
const UNBIND: u32 = 0x0004_4503;
const NOTIFY: u32 = 0x0004_4504;
const RESET: u32 = 0x4505;
const RESTRICT: u32 = 0x0002_4506;

fn ioctl(file: &Arc<dyn File>, command: u32, words: &[u64]) -> Result<i64> {
    let memory = FakeMemory::new(64);
    let fields: Vec<_> = words.iter().map(|word| (*word, 4)).collect();
    memory.put(AT, &fields);
    file.ioctl(command, AT, &memory)
}

fn ports(bytes: Vec<u8>) -> Vec<u32> {
    bytes.chunks(4).map(|port| u32::from_le_bytes(port.try_into().expect("whole"))).collect()
}

#[derive(Default)]
struct Told(Mutex<Vec<PollEvents>>);

impl Watcher for Told {
    fn notify(&self, events: PollEvents) {
        self.0.lock().push(events);
    }
}

#[test]
fn an_event_is_read_once_until_its_port_is_written_back() {
    let (host, _, file) = open(Device::Evtchn);
    assert_eq!(ioctl(&file, BIND_INTERDOMAIN, &[T, 44]), Ok(1));
    assert_eq!(ioctl(&file, BIND_INTERDOMAIN, &[T, 45]), Ok(2));
    assert_eq!(host.calls(), ["bind 7 44", "bind 7 45"]);
    assert_eq!((read(&file, 64), file.poll()), (Err(Errno::EAGAIN), PollEvents::WRITABLE));
    let told = Arc::new(Told::default());
    let _watch = file.queue().expect("it waits").watch(told.clone());
    assert!(host.event(2) && host.event(1) && !host.event(2));
    assert_eq!(*told.0.lock(), [PollEvents::READABLE; 2]);
    assert_eq!(file.poll(), PollEvents::READABLE | PollEvents::WRITABLE);
    // In the order in which they came, as many as fit.
    assert_eq!(read(&file, 7).map(ports), Ok([2].to_vec()));
    assert_eq!(read(&file, 64).map(ports), Ok([1].to_vec()));
    assert!(read(&file, 64).is_err() && !host.event(1));
    assert_eq!(write(&file, &2u32.to_le_bytes()), Ok(4));
    assert!(host.event(2));
    assert_eq!(read(&file, 64).map(ports), Ok([2].to_vec()));
}

#[test]
fn ports_that_are_not_its_own_are_written_back_in_vain() {
    let (host, _, file) = open(Device::Evtchn);
    assert_eq!(ioctl(&file, BIND_INTERDOMAIN, &[T, 44]), Ok(1));
    assert!(host.event(1));
    // Twice, another's, none: the host would tell of a port that is not muted.
    let bytes: Vec<u8> =
        [1u32, 1, 9, u32::MAX].iter().flat_map(|port| port.to_le_bytes()).chain([1, 2, 3]).collect();
    assert_eq!(write(&file, &bytes), Ok(16));
    assert_eq!((write(&file, &[1, 0, 0]), write(&file, &[])), (Ok(0), Ok(0)));
    assert_eq!(read(&file, 3), Ok(Vec::new()));
}

#[test]
fn a_port_for_another_to_bind_is_for_the_target_or_the_control_domain() {
    let (host, _, file) = open(Device::Evtchn);
    assert_eq!(ioctl(&file, BIND_UNBOUND, &[T]), Ok(1));
    assert_eq!(ioctl(&file, BIND_UNBOUND, &[0]), Ok(2));
    assert_eq!(host.calls(), ["unbound 7", "unbound 0"]);
    for domain in [1, 8, 0x7ff0, 0x7ff4, 0xffff] {
        assert_eq!(ioctl(&file, BIND_UNBOUND, &[domain]), Err(Errno::EACCES));
    }
    assert_eq!(ioctl(&file, BIND_UNBOUND, &[0x1_0007]), Err(Errno::ESRCH));
    for domain in [0, 8, 0x7ff0] {
        assert_eq!(ioctl(&file, BIND_INTERDOMAIN, &[domain, 1]), Err(Errno::EACCES));
    }
    for virq in [0, 1, 3, 100] {
        assert_eq!(ioctl(&file, BIND_VIRQ, &[virq]), Err(Errno::EACCES));
    }
    assert!(host.calls().is_empty());
}

#[test]
fn what_xen_refuses_leaves_nothing() {
    let (host, _, file) = open(Device::Evtchn);
    host.fail(Errno::EINVAL);
    assert_eq!(ioctl(&file, BIND_INTERDOMAIN, &[T, 44]), Err(Errno::EINVAL));
    assert!(host.ports().is_empty());
    assert_eq!(ioctl(&file, NOTIFY, &[1]), Err(Errno::ENOTCONN));
}

#[test]
fn an_unbound_port_is_closed_and_unknown() {
    let (host, _, file) = open(Device::Evtchn);
    assert_eq!(ioctl(&file, BIND_INTERDOMAIN, &[T, 44]), Ok(1));
    assert_eq!(ioctl(&file, NOTIFY, &[1]), Ok(0));
    assert_eq!(host.calls(), ["bind 7 44", "notify 1"]);
    assert_eq!(ioctl(&file, UNBIND, &[1]), Ok(0));
    assert!(host.ports().is_empty());
    assert_eq!(ioctl(&file, UNBIND, &[1]), Err(Errno::ENOTCONN));
    assert_eq!(ioctl(&file, UNBIND, &[4096]), Err(Errno::EINVAL));
    assert_eq!(ioctl(&file, NOTIFY, &[1]), Err(Errno::ENOTCONN));
}

#[test]
fn closing_unbinds_all() {
    let (host, _, file) = open(Device::Evtchn);
    for remote in 0..5 {
        ioctl(&file, BIND_INTERDOMAIN, &[T, remote]).expect("bound");
    }
    assert_eq!(host.ports().len(), 5);
    assert!(host.event(3));
    drop(file);
    assert!(host.ports().is_empty());
}

#[test]
fn one_file_knows_nothing_of_anothers_ports() {
    let (host, devices, file) = open(Device::Evtchn);
    let other = devices.open(Device::Evtchn, crate::fake::facts()).expect("it opens");
    assert_eq!(ioctl(&file, BIND_INTERDOMAIN, &[T, 44]), Ok(1));
    for command in [NOTIFY, UNBIND] {
        assert_eq!(ioctl(&other, command, &[1]), Err(Errno::ENOTCONN));
    }
    assert!(host.event(1));
    assert_eq!(write(&other, &1u32.to_le_bytes()), Ok(4));
    assert!(!host.event(1), "it is muted still");
    assert_eq!(read(&other, 64), Err(Errno::EAGAIN));
    assert_eq!(read(&file, 64).map(ports), Ok([1].to_vec()));
}

/// A sleep of the kernel names 128 ports, its own included.
#[test]
fn all_programs_together_leave_the_kernel_ports_of_its_own() {
    assert!((64..=96).contains(&MAX_PORTS));
    let (host, devices, file) = open(Device::Evtchn);
    let other = devices.open(Device::Evtchn, crate::fake::facts()).expect("it opens");
    let bind = |file: &Arc<dyn File>, remote| ioctl(file, BIND_INTERDOMAIN, &[T, remote]);
    for remote in 0..MAX_PORTS as u64 {
        bind(if remote % 2 == 0 { &file } else { &other }, remote).expect("there is room");
    }
    for full in [&file, &other] {
        assert_eq!(bind(full, 128), Err(Errno::ENOSPC));
    }
    assert_eq!(host.ports().len(), MAX_PORTS);
    assert!((1..=MAX_PORTS as u32).all(|port| host.event(port)));
    assert_eq!(read(&file, 4096).map(|bytes| ports(bytes).len()), Ok(MAX_PORTS / 2));
    // What is closed, and what Xen refuses, is not counted.
    drop(other);
    host.fail_after(0, Errno::EINVAL);
    assert_eq!(bind(&file, 1), Err(Errno::EINVAL));
    for remote in 0..MAX_PORTS as u64 / 2 {
        bind(&file, remote).expect("there is room again");
    }
    assert_eq!(bind(&file, 128), Err(Errno::ENOSPC));
}

#[test]
fn too_many_pending_ports_are_an_overflow_until_the_reset() {
    let (host, _, file) = open(Device::Evtchn);
    // Ports that are gone again stay in the list until they are read.
    for _ in 0..=MAX_PORTS {
        let port = ioctl(&file, BIND_INTERDOMAIN, &[T, 1]).expect("bound");
        assert!(host.event(port as u32));
        ioctl(&file, UNBIND, &[port as u64]).expect("unbound");
    }
    assert_eq!((read(&file, 64), file.poll()), (Err(Errno::EFBIG), PollEvents::ERR));
    assert_eq!(ioctl(&file, RESET, &[]), Ok(0));
    assert_eq!((read(&file, 64), file.poll()), (Err(Errno::EAGAIN), PollEvents::WRITABLE));
}

#[test]
fn a_restricted_file_binds_to_its_domain_alone() {
    let (_, _, file) = open(Device::Evtchn);
    for domain in [0, 0x7ff0, 0xffff] {
        assert_eq!(ioctl(&file, RESTRICT, &[domain]), Err(Errno::EINVAL));
    }
    assert_eq!(ioctl(&file, RESTRICT, &[T]), Ok(0));
    assert_eq!(ioctl(&file, RESTRICT, &[T]), Err(Errno::EACCES));
    assert_eq!(ioctl(&file, BIND_UNBOUND, &[0]), Err(Errno::EACCES));
    assert_eq!(ioctl(&file, BIND_UNBOUND, &[T]), Ok(1));
    let (_, _, file) = open(Device::Evtchn);
    assert_eq!(ioctl(&file, RESTRICT, &[8]), Ok(0));
    assert_eq!(ioctl(&file, BIND_INTERDOMAIN, &[T, 1]), Err(Errno::EACCES));
}

#[test]
fn other_ioctls_are_not_there_and_bad_pointers_are_faults() {
    let (_, _, file) = open(Device::Evtchn);
    let memory = FakeMemory::new(64);
    assert_eq!(file.ioctl(0x4507, AT, &memory), Err(Errno::ENOSYS));
    for command in [BIND_VIRQ, BIND_INTERDOMAIN, BIND_UNBOUND, UNBIND, NOTIFY, RESTRICT] {
        assert_eq!(file.ioctl(command, 0, &memory), Err(Errno::EFAULT));
    }
}
