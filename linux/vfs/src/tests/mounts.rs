//! Mounts, roots, and walks that may not go everywhere.

use alloc::sync::Arc;

use linux_base::{Errno, OpenFlags};

use super::World;
use crate::tree::Tree;
use crate::{Follow, MountFlags, Resolve};

#[test]
fn a_mount_covers_and_uncovers() {
    let world = World::new();
    world.mkdir("/m").unwrap();
    world.write("/m/below", "");
    let point = world.place("/m");
    world.vfs.mount(&point, Tree::tmpfs().unwrap(), b"tmpfs", MountFlags::default()).unwrap();
    world.write("/m/f", "x");
    assert_eq!(world.list("/m").unwrap(), ["f"]);
    assert_eq!(world.list("/m/..").unwrap(), ["m"]);
    assert_eq!(world.rmdir("/m"), Err(Errno::EBUSY));
    assert_eq!(world.rename("/m", "/n"), Err(Errno::EBUSY));
    assert_eq!(world.rename("/m/f", "/f"), Err(Errno::EXDEV));
    assert_eq!(world.place("/m/f").path(world.vfs.root()), b"/m/f");
    assert_ne!(world.stat("/m").unwrap().dev, world.stat("/").unwrap().dev);
    let file = world.open("/m/f", OpenFlags::empty()).unwrap();
    assert_eq!(world.vfs.unmount(&world.place("/m"), false), Err(Errno::EBUSY));
    drop(file);
    assert_eq!(world.vfs.unmount(&world.place("/m/f"), false), Err(Errno::EINVAL));
    // A second mount on the same place covers the first.
    world.vfs.mount(&point, Tree::tmpfs().unwrap(), b"tmpfs", MountFlags::READ_ONLY).unwrap();
    assert_eq!(world.list("/m").unwrap(), [""; 0]);
    assert_eq!(world.mkdir("/m/x"), Err(Errno::EROFS));
    for _ in 0..2 {
        assert_eq!(world.vfs.unmount(&world.place("/m"), false), Ok(()));
    }
    assert_eq!(world.list("/m").unwrap(), ["below"]);
    assert_eq!(world.vfs.mounts().len(), 1);
}

#[test]
fn a_changed_root_is_not_left() {
    let world = World::new();
    world.mkdir("/jail").unwrap();
    world.mkdir("/jail/d").unwrap();
    world.write("/jail/f", "inside");
    world.write("/f", "outside");
    world.symlink("/f", "/jail/d/link");
    let (root, cwd) = (world.place("/jail"), world.place("/jail/d"));
    let context = crate::Context { root: &root, cwd: &cwd, ..world.context() };
    for path in ["../../../f", "/../f", "link"] {
        let place = context.walk(None, path.as_bytes(), Follow::Yes).unwrap();
        assert!(place == world.place("/jail/f"), "{path}");
    }
    assert_eq!(cwd.working_path(&root).unwrap(), b"/d");
    assert_eq!(world.place("/").working_path(&root).unwrap(), b"(unreachable)/");
}

#[test]
fn a_restricted_walk_says_why_it_ends() {
    let world = World::new();
    world.mkdir("/d").unwrap();
    world.mkdir("/d/m").unwrap();
    world.write("/d/f", "");
    world.symlink("/d/f", "/d/absolute");
    world.symlink("f", "/d/relative");
    world.vfs.mount(&world.place("/d/m"), Tree::tmpfs().unwrap(), b"", MountFlags::default()).unwrap();
    let base = world.place("/d");
    let walk = |path: &str, resolve| {
        world.context().walk_restricted(Some(&base), path.as_bytes(), Follow::Yes, resolve).err()
    };
    assert_eq!(walk("relative", Resolve::BENEATH), None);
    assert_eq!(walk("absolute", Resolve::BENEATH), Some(Errno::EXDEV));
    assert_eq!(walk("../d/f", Resolve::BENEATH), Some(Errno::EXDEV));
    assert_eq!(walk("/f", Resolve::IN_ROOT), None);
    assert_eq!(walk("../f", Resolve::IN_ROOT), None);
    assert_eq!(walk("relative", Resolve::NO_SYMLINKS), Some(Errno::ELOOP));
    assert_eq!(walk("m", Resolve::NO_XDEV), Some(Errno::EXDEV));
    assert_eq!(walk("f", Resolve::all()), None);
}

#[test]
fn long_chains_of_directories_go_without_deep_recursion() {
    let mut world = World::new();
    let root = world.cwd.clone();
    for _ in 0..100_000 {
        world.mkdir("d").unwrap();
        world.cwd = world.place("d");
    }
    assert_eq!(world.cwd.path(&root).len(), 200_000);
    assert_eq!(world.cwd.working_path(&root), Err(Errno::ENAMETOOLONG));
    world.cwd = root;
    let vfs = Arc::new(world);
    drop(vfs);
}

#[test]
fn mounts_are_told_as_proc_tells_them() {
    let world = World::new();
    world.mkdir("/a b").unwrap();
    let flags = MountFlags::READ_ONLY | MountFlags::NO_SUID;
    let mount = world.vfs.mount(&world.place("/a b"), Tree::tmpfs().unwrap(), b"", flags).unwrap();
    let root = world.vfs.root();
    let text = String::from_utf8(world.vfs.mounts_text(root)).unwrap();
    assert_eq!(text, "test / tmpfs rw,relatime 0 0\nnone /a\\040b tmpfs ro,nosuid,relatime 0 0\n");
    let text = String::from_utf8(world.vfs.mountinfo_text(root)).unwrap();
    let ends = " / /a\\040b ro,nosuid,relatime - tmpfs none ro\n";
    assert!(
        text.ends_with(ends) && text.contains(&format!("\n{} {} 0:", mount.id(), root.mount().id())),
        "{text}"
    );
    // Who lives in the mount sees it as the root, and what is beside it not at all.
    assert_eq!(world.vfs.mounts_text(&world.place("/a b")), b"none / tmpfs ro,nosuid,relatime 0 0\n");
}
