//! What Linux says in the corners of path operations.

use linux_base::{Errno, OpenFlags};

use super::World;
use crate::Follow;
use crate::inode::FileSystem;
use crate::ops::RenameFlags;
use crate::tree::{Options, Tree};

#[test]
fn files_keep_what_is_written() {
    let world = World::new();
    world.mkdir("/a").unwrap();
    world.write("/a/b", "hello");
    assert_eq!(world.read("a/../a/./b").unwrap(), "hello");
    assert_eq!(world.list("/a").unwrap(), ["b"]);
    let file = world.open("/a/b", OpenFlags::WRONLY | OpenFlags::APPEND).unwrap();
    file.write(None, &mut linux_base::io::SliceSource::new(b" world"), 0).unwrap();
    assert_eq!(world.read("/a/b").unwrap(), "hello world");
    assert_eq!(world.stat("/a/b").unwrap().size, 11);
}

#[test]
fn a_directory_does_not_move_into_itself() {
    let world = World::new();
    world.mkdir("/a").unwrap();
    world.mkdir("/a/b").unwrap();
    assert_eq!(world.rename("/a", "/a/b/c"), Err(Errno::EINVAL));
    assert_eq!(world.rename("/a", "/a"), Ok(()));
    assert_eq!(world.rename("/a/b", "/a"), Err(Errno::ENOTEMPTY));
    assert_eq!(world.rename("/a/.", "/x"), Err(Errno::EBUSY));
}

#[test]
fn what_is_a_directory_and_what_is_not_is_told_apart() {
    let world = World::new();
    world.mkdir("/d").unwrap();
    world.write("/f", "x");
    assert_eq!(world.unlink("/d"), Err(Errno::EISDIR));
    assert_eq!(world.rmdir("/f"), Err(Errno::ENOTDIR));
    assert_eq!(world.unlink("/f/"), Err(Errno::ENOTDIR));
    assert_eq!(world.unlink("/f/x"), Err(Errno::ENOTDIR));
    assert_eq!(world.rmdir("/d/."), Err(Errno::EINVAL));
    assert_eq!(world.rmdir("/d/.."), Err(Errno::ENOTEMPTY));
    assert_eq!(world.rmdir("/"), Err(Errno::EBUSY));
    assert_eq!(world.rename("/f", "/d"), Err(Errno::EISDIR));
    assert_eq!(world.rename("/d", "/f"), Err(Errno::ENOTDIR));
    assert_eq!(world.rename("/f", "/g/"), Err(Errno::ENOTDIR));
    let link = world.context().link(None, b"/d", Follow::No, None, b"/e");
    assert_eq!(link, Err(Errno::EPERM));
    assert_eq!(world.open("/d", OpenFlags::WRONLY).err(), Some(Errno::EISDIR));
    assert_eq!(world.open("/d", OpenFlags::CREAT).err(), Some(Errno::EISDIR));
    assert_eq!(world.open("/f/", OpenFlags::empty()).err(), Some(Errno::ENOTDIR));
    assert_eq!(world.open("/n/", OpenFlags::CREAT | OpenFlags::WRONLY).err(), Some(Errno::EISDIR));
    assert_eq!(world.open("/f", OpenFlags::DIRECTORY).err(), Some(Errno::ENOTDIR));
    assert_eq!(world.open("", OpenFlags::empty()).err(), Some(Errno::ENOENT));
    world.write("/d/x", "");
    assert_eq!(world.rmdir("/d"), Err(Errno::ENOTEMPTY));
}

#[test]
fn links_are_followed_so_far_and_no_further() {
    let world = World::new();
    world.mkdir("/d").unwrap();
    world.write("/d/f", "content");
    world.symlink("d", "/link");
    world.symlink("loop-b", "/loop-a");
    world.symlink("loop-a", "/loop-b");
    assert_eq!(world.read("/link/f").unwrap(), "content");
    assert_eq!(world.open("/loop-a", OpenFlags::empty()).err(), Some(Errno::ELOOP));
    assert_eq!(world.open("/link", OpenFlags::NOFOLLOW).err(), Some(Errno::ELOOP));
    assert!(world.stat("/link").unwrap().mode.is_symlink());
    assert!(world.stat("/link/").unwrap().mode.is_directory());
    assert_eq!(world.mkdir("/link"), Err(Errno::EEXIST));
    for depth in 0..45 {
        let target = if depth == 0 { "/d/f".to_string() } else { format!("/l{}", depth - 1) };
        world.symlink(&target, &format!("/l{depth}"));
    }
    assert_eq!(world.read("/l39").unwrap(), "content");
    assert_eq!(world.read("/l40").err(), Some(Errno::ELOOP));
    world.symlink("/new", "/dangling");
    world.write("/dangling", "made");
    assert_eq!(world.read("/new").unwrap(), "made");
    let exclusive = OpenFlags::CREAT | OpenFlags::EXCL;
    world.symlink("/nowhere", "/dangling-2");
    assert_eq!(world.open("/dangling-2", exclusive).err(), Some(Errno::EEXIST));
}

#[test]
fn a_sticky_directory_protects_what_others_own() {
    let mut world = World::new();
    world.mkdir("/tmp").unwrap();
    world.context().chmod(&world.place("/tmp"), 0o1777).unwrap();
    world.become_user(1000);
    world.write("/tmp/mine", "x");
    world.symlink("/tmp/mine", "/tmp/link");
    world.become_user(1001);
    assert_eq!(world.unlink("/tmp/mine"), Err(Errno::EPERM));
    assert_eq!(world.rename("/tmp/mine", "/tmp/yours"), Err(Errno::EPERM));
    assert_eq!(world.open("/tmp/mine", OpenFlags::RDWR).err(), Some(Errno::EACCES));
    assert_eq!(world.open("/tmp/link", OpenFlags::empty()).err(), Some(Errno::EACCES));
    assert_eq!(world.mkdir("/x"), Err(Errno::EACCES));
    world.become_user(1000);
    assert_eq!(world.unlink("/tmp/mine"), Ok(()));
}

#[test]
fn renaming_replaces_exchanges_or_refuses() {
    let world = World::new();
    world.write("/a", "a");
    world.write("/b", "b");
    world.mkdir("/d").unwrap();
    let rename = |old: &str, new: &str, flags| {
        world.context().rename(None, old.as_bytes(), None, new.as_bytes(), flags)
    };
    assert_eq!(rename("/a", "/b", RenameFlags::NOREPLACE), Err(Errno::EEXIST));
    assert_eq!(rename("/a", "/d", RenameFlags::EXCHANGE), Ok(()));
    assert!(world.stat("/a").unwrap().mode.is_directory());
    assert_eq!(world.read("/d").unwrap(), "a");
    assert_eq!(rename("/d", "/b", RenameFlags::empty()), Ok(()));
    assert_eq!(world.read("/b").unwrap(), "a");
    assert_eq!(world.list("/").unwrap(), ["a", "b"]);
    assert_eq!(rename("/a", "/gone", RenameFlags::EXCHANGE), Err(Errno::ENOENT));
}

#[test]
fn the_working_directory_has_a_path_until_it_is_removed() {
    let mut world = World::new();
    world.mkdir("/a").unwrap();
    world.mkdir("/a/b").unwrap();
    world.cwd = world.place("/a/b");
    let root = world.vfs.root().clone();
    assert_eq!(world.cwd.working_path(&root).unwrap(), b"/a/b");
    world.rename("/a", "/c").unwrap();
    assert_eq!(world.cwd.working_path(&root).unwrap(), b"/c/b");
    world.rmdir("/c/b").unwrap();
    assert_eq!(world.cwd.working_path(&root), Err(Errno::ENOENT));
    assert_eq!(world.cwd.path(&root), b"/c/b (deleted)");
    assert_eq!(world.open("x", OpenFlags::CREAT | OpenFlags::RDWR).err(), Some(Errno::ENOENT));
}

#[test]
fn what_a_renaming_replaces_is_deleted_and_its_space_comes_back() {
    let tree = Tree::new(Options { pages: 10, ..Options::default() }).unwrap();
    let world = World::over(tree.clone());
    world.write("/a", "a");
    world.write("/b", "b");
    let file = world.open("/b", OpenFlags::empty()).unwrap();
    world.rename("/a", "/b").unwrap();
    assert_eq!(world.vfs.place_of(&file).path(world.vfs.root()), b"/b (deleted)");
    assert_eq!(tree.usage().free, 8);
    drop(file);
    assert_eq!(tree.usage().free, 9);
    world.unlink("/b").unwrap();
    assert_eq!(tree.usage().free, 10);
}
