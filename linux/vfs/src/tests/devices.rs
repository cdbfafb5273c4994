//! `/dev`.

use alloc::sync::Arc;

use linux_base::io::{SliceSource, VecSink};
use linux_base::{Errno, Mode, Mutex, OpenFlags};

use super::World;
use crate::{DeviceKind, MountFlags, devtmpfs};

#[test]
fn the_simple_devices_do_what_they_are_called() {
    let world = World::new();
    let log = Arc::new(Mutex::new(Vec::new()));
    let sink = log.clone();
    devtmpfs::register(world.vfs.devices(), Arc::new(move |line| sink.lock().extend_from_slice(line)));
    world.mkdir("/dev").unwrap();
    let dev =
        devtmpfs::new(&[devtmpfs::disk("xvdb", 16)], &[("by-name/a", "../xvdb"), ("by-name/b", "../null")])
            .unwrap();
    world.vfs.mount(&world.place("/dev"), dev, b"devtmpfs", MountFlags::default()).unwrap();
    let read = |name: &str, len: usize| {
        let mut bytes = Vec::new();
        let file = world.open(&format!("/dev/{name}"), OpenFlags::RDWR)?;
        file.read(None, &mut VecSink::new(&mut bytes, len), 0)?;
        Ok(bytes)
    };
    let write = |name: &str| {
        world.open(&format!("/dev/{name}"), OpenFlags::RDWR)?.write(None, &mut SliceSource::new(b"text"), 0)
    };
    assert_eq!(read("null", 10), Ok(vec![]));
    assert_eq!(read("zero", 1000), Ok(vec![0; 1000]));
    assert_ne!(read("urandom", 32), read("urandom", 32));
    assert_eq!((write("null"), write("zero"), write("full")), (Ok(4), Ok(4), Err(Errno::ENOSPC)));
    assert_eq!(write("kmsg"), Ok(4));
    assert_eq!(*log.lock(), b"text");
    assert_eq!(read("xvdb", 1), Err(Errno::ENXIO));
    let about = world.stat("/dev/xvdb").unwrap();
    assert_eq!((about.mode, about.rdev), (Mode(Mode::BLOCK | 0o660), 0xca10));
    assert_eq!(world.context().read_link(None, b"/dev/stdin").unwrap(), b"/proc/self/fd/0");
    assert_eq!(world.context().read_link(None, b"/dev/by-name/a").unwrap(), b"../xvdb");
    assert_eq!(read("by-name/b", 10), Ok(vec![]));
}

#[test]
fn nodes_lead_to_who_is_registered() {
    let mut world = World::new();
    let opener = |_: &crate::inode::OpenRequest<'_>, number: linux_base::stat::DeviceNumber| {
        assert_eq!(number.minor, 42);
        Err(Errno::ENODEV)
    };
    world.vfs.devices().register(DeviceKind::Character, 60, None, Arc::new(opener));
    let rdev = linux_base::stat::DeviceNumber { major: 60, minor: 42 }.encode();
    world.context().mknod(None, b"/node", Mode::CHARACTER | 0o666, rdev).unwrap();
    assert_eq!(world.open("/node", OpenFlags::empty()).err(), Some(Errno::ENODEV));
    world.context().mknod(None, b"/socket", Mode::SOCKET | 0o777, 0).unwrap();
    assert_eq!(world.open("/socket", OpenFlags::empty()).err(), Some(Errno::ENXIO));
    world.become_user(5);
    let made = world.context().mknod(None, b"/x", Mode::CHARACTER, 0);
    assert_eq!(made.err(), Some(Errno::EPERM));
}
