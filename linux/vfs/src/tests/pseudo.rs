//! File systems that are made when asked for.

use alloc::sync::Arc;

use linux_base::{Errno, Mode, Mutex, OpenFlags, Result};

use super::World;
use crate::pseudo::{Content, Directory, Fixed, Item, Listed, PseudoFileSystem};
use crate::{Follow, MountFlags};

/// Processes 3, 5 and 8, each with a directory.
struct Processes(Arc<Mutex<Vec<u64>>>);

impl Directory for Processes {
    fn lookup(&self, name: &[u8]) -> Result<Item> {
        let pid: u64 =
            core::str::from_utf8(name).ok().and_then(|name| name.parse().ok()).ok_or(Errno::ENOENT)?;
        if !self.0.lock().contains(&pid) {
            return Err(Errno::ENOENT);
        }
        let directory = Fixed::new().file("comm", move || Ok(format!("process {pid}\n").into_bytes()));
        Ok(Item::directory(directory).owner(7, 7).number(1000 + pid))
    }

    fn next(&self, from: u64) -> Option<Listed> {
        let cookie = self.0.lock().iter().copied().filter(|pid| *pid >= from).min()?;
        Some(Listed { cookie, name: cookie.to_string().into_bytes(), kind: Mode::DIRECTORY })
    }
}

struct Setting(Mutex<Vec<u8>>);

impl Content for Setting {
    fn read(&self) -> Result<Vec<u8>> {
        Ok(self.0.lock().clone())
    }

    fn write(&self, bytes: &[u8], _: u64) -> Result<usize> {
        *self.0.lock() = bytes.to_vec();
        Ok(bytes.len())
    }
}

#[test]
fn content_is_made_when_it_is_read_and_names_come_and_go() {
    let world = World::new();
    world.mkdir("/proc").unwrap();
    world.write("/secret", "found");
    let processes = Arc::new(Mutex::new(vec![3, 5, 8]));
    let place = world.place("/secret");
    let root = Fixed::new()
        .text("version", "Minios\n")
        .link("self", "5")
        .directory(
            "sys",
            Fixed::new().with("name", Item::file(Setting(Mutex::new(b"a".to_vec()))).permissions(0o644)),
        )
        .with("exe", Item::magic(|| Ok(b"/nowhere (deleted)".to_vec()), move || Ok(place.clone())))
        .behind(Processes(processes.clone()));
    let proc = PseudoFileSystem::new("proc", 0x9fa0, root);
    world.vfs.mount(&world.place("/proc"), proc, b"proc", MountFlags::default()).unwrap();
    assert_eq!(world.list("/proc").unwrap(), ["version", "self", "sys", "exe", "3", "5", "8"]);
    assert_eq!(world.read("/proc/self/comm").unwrap(), "process 5\n");
    assert_eq!(world.stat("/proc/5").unwrap().uid, 7);
    processes.lock().retain(|pid| *pid != 5);
    assert_eq!(world.read("/proc/self/comm").err(), Some(Errno::ENOENT));
    assert_eq!(world.read("/proc/version").unwrap(), "Minios\n");
    assert_eq!(world.stat("/proc/version").unwrap().size, 0);
    assert_eq!(world.read("/proc/exe").unwrap(), "found");
    assert_eq!(world.context().read_link(None, b"/proc/exe").unwrap(), b"/nowhere (deleted)");
    assert!(
        world.context().walk(None, b"/proc/exe", Follow::No).unwrap().inode().unwrap().mode().is_symlink()
    );
    world.write("/proc/sys/name", "changed");
    assert_eq!(world.read("/proc/sys/name").unwrap(), "changed");
    assert_eq!(world.open("/proc/new", OpenFlags::CREAT).err(), Some(Errno::ENOENT));
    assert_eq!(world.unlink("/proc/version"), Err(Errno::EPERM));
}

#[test]
fn a_mount_in_a_pseudo_file_system_is_found_again() {
    let world = World::new();
    let sys = PseudoFileSystem::new(
        "sysfs",
        0x6265_6572,
        Fixed::new().directory("fs", Fixed::new().directory("cgroup", Fixed::new())).text("type", "xen\n"),
    );
    world.mkdir("/sys").unwrap();
    world.vfs.mount(&world.place("/sys"), sys, b"sysfs", MountFlags::default()).unwrap();
    // A page each, as on Linux; xen-detect reads nothing of a file of no length.
    assert_eq!((world.stat("/sys/type").unwrap().size, world.stat("/sys/fs").unwrap().size), (4096, 0));
    assert_eq!(world.read("/sys/type").unwrap(), "xen\n");
    let tmpfs = crate::tree::Tree::tmpfs().unwrap();
    world.vfs.mount(&world.place("/sys/fs/cgroup"), tmpfs, b"tmpfs", MountFlags::default()).unwrap();
    world.write("/sys/fs/cgroup/x", "here");
    assert_eq!(world.read("/sys/fs/cgroup/x").unwrap(), "here");
}

#[test]
fn an_open_file_without_a_place_is_reached_by_a_link() {
    let world = World::new();
    let file = crate::inotify::Inotify::open(OpenFlags::empty());
    let place = world.vfs.place_of(&file);
    assert_eq!(place.path(world.vfs.root()), b"anon_inode:inotify");
    assert_eq!(place.inode().unwrap().mode(), Mode(0o600));
    assert_eq!(world.context().open_place(&place, OpenFlags::empty()).err(), Some(Errno::ENXIO));
}

#[test]
fn names_below_something_that_has_gone_do_not_keep_it() {
    let world = World::new();
    world.mkdir("/proc").unwrap();
    let alive = Arc::new(());
    let of = alive.clone();
    let comm = move || Ok(format!("{}\n", Arc::strong_count(&of)).into_bytes());
    let slot = Mutex::new(Some(Fixed::new().passing().file("comm", comm)));
    struct Once(Mutex<Option<Fixed>>);
    impl Directory for Once {
        fn lookup(&self, _: &[u8]) -> Result<Item> {
            Ok(Item::directory(self.0.lock().take().ok_or(Errno::ENOENT)?).number(7))
        }

        fn next(&self, _: u64) -> Option<Listed> {
            None
        }
    }
    let proc = PseudoFileSystem::new("proc", 0x9fa0, Fixed::new().behind(Once(slot)));
    world.vfs.mount(&world.place("/proc"), proc, b"proc", MountFlags::default()).unwrap();
    assert_eq!(world.read("/proc/7/comm").unwrap(), "2\n");
    assert_eq!(Arc::strong_count(&alive), 1);
}
