//! Owners, permissions, times, extended attributes: who may change what.

use linux_base::io::SliceSource;
use linux_base::{Errno, OpenFlags, Timespec};

use super::World;
use crate::Follow;
use crate::ops::{Moment, Times};
use crate::regular::limit_write;
use crate::xattr::Setting;

fn mode(world: &World, path: &str) -> u32 {
    world.stat(path).unwrap().mode.permissions()
}

#[test]
fn owners_change_what_is_theirs_and_not_who_owns_it() {
    let mut world = World::new();
    world.context().chmod(&world.place("/"), 0o777).unwrap();
    world.become_user(10);
    world.write("/f", "x");
    let place = world.place("/f");
    assert_eq!(world.context().chown(&place, Some(11), None), Err(Errno::EPERM));
    assert_eq!(world.context().chown(&place, None, Some(20)), Err(Errno::EPERM));
    world.credentials.groups = vec![20].into();
    assert_eq!(world.context().chown(&place, None, Some(20)), Ok(()));
    world.context().chmod(&place, 0o6755).unwrap();
    assert_eq!(mode(&world, "/f"), 0o6755);
    assert_eq!(world.context().chown(&place, Some(10), None), Ok(()));
    assert_eq!(mode(&world, "/f"), 0o755);
    world.credentials.groups = vec![].into();
    world.context().chmod(&place, 0o2755).unwrap();
    assert_eq!(mode(&world, "/f"), 0o755, "not a member of the group");
    world.context().chmod(&place, 0o4777).unwrap();
    world.become_user(11);
    assert_eq!(world.context().chmod(&place, 0), Err(Errno::EPERM));
    let writer = world.open("/f", OpenFlags::WRONLY).unwrap();
    writer.write(None, &mut SliceSource::new(b"y"), 0).unwrap();
    assert_eq!(mode(&world, "/f"), 0o777, "written by another");
}

#[test]
fn a_set_group_id_directory_gives_its_group() {
    let mut world = World::new();
    world.mkdir("/d").unwrap();
    let place = world.place("/d");
    world.context().chown(&place, None, Some(50)).unwrap();
    world.context().chmod(&place, 0o2777).unwrap();
    world.become_user(10);
    world.mkdir("/d/s").unwrap();
    world.write("/d/f", "");
    let (directory, file) = (world.stat("/d/s").unwrap(), world.stat("/d/f").unwrap());
    assert_eq!((directory.gid, directory.mode.permissions()), (50, 0o2755));
    assert_eq!((file.gid, file.uid, file.mode.permissions()), (50, 10, 0o644));
}

#[test]
fn times_are_set_by_the_owner_or_to_now_by_who_may_write() {
    let mut world = World::new();
    world.write("/f", "");
    let place = world.place("/f");
    let long_ago = Timespec { seconds: 77, nanos: 5 };
    let times = Times { accessed: Moment::Keep, modified: Moment::At(long_ago) };
    world.context().set_times(&place, Some(times)).unwrap();
    assert_eq!(world.stat("/f").unwrap().mtime, long_ago);
    world.context().chmod(&place, 0o666).unwrap();
    world.become_user(5);
    assert_eq!(world.context().set_times(&place, Some(times)), Err(Errno::EPERM));
    assert_eq!(world.context().set_times(&place, None), Ok(()));
    assert!(world.stat("/f").unwrap().mtime > long_ago);
    assert_eq!(world.open("/f", OpenFlags::NOATIME).err(), Some(Errno::EPERM));
}

#[test]
fn extended_attributes_of_users_are_kept_and_others_answered() {
    let mut world = World::new();
    world.write("/f", "");
    world.symlink("/f", "/l");
    let place = world.place("/f");
    let context = world.context();
    let set = |name: &[u8], value: &[u8], setting| context.set_xattr(&place, name, value, setting);
    assert_eq!(context.get_xattr(&place, b"user.a"), Err(Errno::ENODATA));
    assert_eq!(set(b"user.a", b"1", Setting::Replace), Err(Errno::ENODATA));
    assert_eq!(set(b"user.a", b"1", Setting::Create), Ok(()));
    assert_eq!(set(b"user.a", b"2", Setting::Create), Err(Errno::EEXIST));
    assert_eq!(set(b"user.b", b"", Setting::Any), Ok(()));
    assert_eq!(context.get_xattr(&place, b"user.a"), Ok(b"1".to_vec()));
    assert_eq!(context.list_xattr(&place), Ok(b"user.a\0user.b\0".to_vec()));
    assert_eq!(set(b"user.", b"", Setting::Any), Err(Errno::EINVAL));
    assert_eq!(set(b"mine.a", b"", Setting::Any), Err(Errno::EOPNOTSUPP));
    assert_eq!(set(b"user.c", &[0; 70_000], Setting::Any), Err(Errno::E2BIG));
    assert_eq!(context.get_xattr(&place, b"system.posix_acl_access"), Err(Errno::EOPNOTSUPP));
    assert_eq!(context.get_xattr(&place, b"security.capability"), Err(Errno::ENODATA));
    let link = context.walk(None, b"/l", Follow::No).unwrap();
    assert_eq!(context.set_xattr(&link, b"user.a", b"", Setting::Any), Err(Errno::EPERM));
    assert_eq!(context.remove_xattr(&place, b"user.a"), Ok(()));
    assert_eq!(context.remove_xattr(&place, b"user.a"), Err(Errno::ENODATA));
    world.become_user(3);
    assert_eq!(world.context().set_xattr(&place, b"user.a", b"", Setting::Any), Err(Errno::EACCES));
    assert_eq!(world.context().set_xattr(&place, b"trusted.a", b"", Setting::Any), Err(Errno::EPERM));
}

#[test]
fn a_file_does_not_grow_over_its_limit() {
    let world = World::new();
    world.write("/f", "0123456789");
    let context = crate::Context { file_size_limit: 8, ..world.context() };
    assert_eq!(context.truncate(None, b"/f", 20), Err(Errno::EFBIG));
    assert_eq!(context.truncate(None, b"/f", 9), Ok(()));
    let file = world.open("/f", OpenFlags::RDWR).unwrap();
    assert_eq!(context.truncate_file(&file, 10), Err(Errno::EFBIG));
    assert_eq!(context.fallocate(&file, 0, 0, 10), Err(Errno::EFBIG));
    assert_eq!(
        (limit_write(5, 10, 8), limit_write(8, 1, 8), limit_write(9, 0, 8)),
        (Ok(3), Err(Errno::EFBIG), Ok(0))
    );
    assert_eq!(context.fallocate(&file, 2, 0, 10), Err(Errno::EOPNOTSUPP));
    assert_eq!(context.fallocate(&file, 0, -1, 10), Err(Errno::EINVAL));
}

#[test]
fn a_path_alone_gives_no_access() {
    let mut world = World::new();
    world.write("/f", "x");
    world.symlink("/f", "/l");
    world.context().chmod(&world.place("/f"), 0).unwrap();
    world.become_user(3);
    let file = world.open("/f", OpenFlags::PATH | OpenFlags::RDWR | OpenFlags::TRUNC).unwrap();
    assert_eq!(file.read(None, &mut linux_base::io::SliceSink::new(&mut [0; 4]), 0), Err(Errno::EBADF));
    assert_eq!(file.file().stat().unwrap().size, 1);
    assert_eq!(world.context().truncate_file(&file, 0), Err(Errno::EBADF));
    let link = world.open("/l", OpenFlags::PATH | OpenFlags::NOFOLLOW).unwrap();
    assert!(link.file().stat().unwrap().mode.is_symlink());
    let place = file.place::<crate::Location>().unwrap();
    assert_eq!(world.context().open_place(place, OpenFlags::empty()).err(), Some(Errno::EACCES));
    // Names of files that one could not write are not given to them.
    assert_eq!(world.context().link(None, b"/f", Follow::No, None, b"/g"), Err(Errno::EPERM));
}
