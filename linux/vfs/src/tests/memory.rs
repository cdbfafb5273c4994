//! memfd, shared memory, and what can be done with the space of files.

use linux_base::io::{SliceSource, VecSink};
use linux_base::{Errno, OpenFlags};
use linux_mm::PAGE_SIZE;

use super::World;
use crate::inode::FileSystem;
use crate::memory::{add_seals, seal, seals};
use crate::ops::{Whence, seek};
use crate::regular::{pager, read_pages};
use crate::tree::{Options, Tree};

const PAGE: i64 = PAGE_SIZE as i64;

#[test]
fn seals_forbid_what_they_say() {
    let world = World::new();
    let file = world.vfs.memfd(b"name", true, true, &world.credentials).unwrap();
    let write = |offset, bytes: &[u8]| file.write(Some(offset), &mut SliceSource::new(bytes), 0);
    assert_eq!(write(0, b"0123456789"), Ok(10));
    assert_eq!(seals(&file), Ok(0));
    add_seals(&file, seal::SHRINK | seal::GROW).unwrap();
    assert_eq!(world.context().truncate_file(&file, 5), Err(Errno::EPERM));
    assert_eq!(world.context().truncate_file(&file, 50), Err(Errno::EPERM));
    assert_eq!(write(8, b"abc"), Err(Errno::EPERM));
    assert_eq!(write(8, b"ab"), Ok(2));
    let memory = pager(&file).unwrap();
    memory.mapped_for_write(true);
    assert_eq!(add_seals(&file, seal::WRITE), Err(Errno::EBUSY));
    memory.mapped_for_write(false);
    add_seals(&file, seal::WRITE | seal::SEAL).unwrap();
    assert_eq!(write(0, b"x"), Err(Errno::EPERM));
    assert_eq!(add_seals(&file, 0), Err(Errno::EPERM));
    assert_eq!(file.place::<crate::Location>().unwrap().path(world.vfs.root()), b"/memfd:name (deleted)");
    let plain = world.vfs.memfd(b"", false, true, &world.credentials).unwrap();
    assert_eq!((seals(&plain), add_seals(&plain, seal::GROW)), (Ok(seal::SEAL), Err(Errno::EPERM)));
}

#[test]
fn a_mapping_and_the_file_are_the_same_bytes() {
    let world = World::new();
    world.write("/f", "hello");
    let file = world.open("/f", OpenFlags::RDWR).unwrap();
    let memory = pager(&file).unwrap();
    let page = memory.page(0, true).unwrap().unwrap();
    page.write(1, b"a");
    assert_eq!(world.read("/f").unwrap(), "hallo");
    // What a mapping writes behind the end does not come to light when the file grows.
    page.write(5, b"junk");
    world.context().truncate_file(&file, 10).unwrap();
    assert_eq!(world.read("/f").unwrap(), "hallo\0\0\0\0\0");
    page.write(10, b"junk");
    file.write(Some(12), &mut SliceSource::new(b"!"), 0).unwrap();
    assert_eq!(world.read("/f").unwrap(), "hallo\0\0\0\0\0\0\0!");
    assert!(memory.page(1, false).unwrap().is_none());
    let shared = world.vfs.shared_memory(2 * PAGE_SIZE as u64).unwrap();
    let first = shared.page(1, false).unwrap().unwrap();
    assert_eq!(shared.page(1, true).unwrap().unwrap().number(), first.number());
}

#[test]
fn space_is_counted_and_given_back() {
    let tree = Tree::new(Options { pages: 4, inodes: 3, ..Options::default() }).unwrap();
    let world = World::over(tree.clone());
    let free = || (tree.usage().free, tree.usage().free_inodes);
    world.write("/f", &"x".repeat(3 * PAGE_SIZE));
    assert_eq!(free(), (1, 1));
    let file = world.open("/f", OpenFlags::RDWR).unwrap();
    let two = [1; 2 * PAGE_SIZE];
    assert_eq!(file.write(Some(3 * PAGE as u64), &mut SliceSource::new(&two), 0), Ok(PAGE_SIZE));
    assert_eq!(file.write(Some(4 * PAGE as u64), &mut SliceSource::new(&two), 0), Err(Errno::ENOSPC));
    assert_eq!(world.context().fallocate(&file, 0, 0, 5 * PAGE), Err(Errno::ENOSPC));
    world.context().fallocate(&file, 3, 100, 2 * PAGE).unwrap();
    assert_eq!(free(), (1, 1));
    assert_eq!(file.file().stat().unwrap().blocks, 24);
    assert_eq!(
        (seek(&file, 0, Whence::Hole), seek(&file, PAGE, Whence::Data)),
        (Ok(PAGE as u64), Ok(2 * PAGE as u64))
    );
    assert_eq!(seek(&file, 4 * PAGE, Whence::Data), Err(Errno::ENXIO));
    let mut bytes = Vec::new();
    file.read(Some(0), &mut VecSink::new(&mut bytes, 3 * PAGE_SIZE), 0).unwrap();
    assert!(
        bytes[..100].iter().all(|byte| *byte == b'x')
            && bytes[100..100 + 2 * PAGE_SIZE].iter().all(|byte| *byte == 0)
    );
    assert!(bytes[100 + 2 * PAGE_SIZE..].iter().all(|byte| *byte == b'x'));
    world.mkdir("/d").unwrap();
    assert_eq!(world.mkdir("/e"), Err(Errno::ENOSPC));
    world.unlink("/f").unwrap();
    assert_eq!(free(), (1, 0));
    drop(file);
    assert_eq!(free(), (4, 1));
}

#[test]
fn a_program_that_runs_is_not_written_and_one_that_is_written_does_not_run() {
    let world = World::new();
    world.write("/f", "x");
    let inode = world.place("/f").inode().unwrap().clone();
    let running = crate::regular::Executing::new(inode.clone()).unwrap();
    assert_eq!(world.open("/f", OpenFlags::WRONLY).err(), Some(Errno::ETXTBSY));
    assert_eq!(world.context().truncate(None, b"/f", 0), Err(Errno::ETXTBSY));
    drop(running);
    let writer = world.open("/f", OpenFlags::WRONLY).unwrap();
    assert_eq!(crate::regular::Executing::new(inode).err(), Some(Errno::ETXTBSY));
    drop(writer);
}

#[test]
fn a_file_without_a_name_may_get_one() {
    let world = World::new();
    let unnamed = OpenFlags::TMPFILE | OpenFlags::DIRECTORY | OpenFlags::RDWR;
    let file = world.open("/", unnamed).unwrap();
    file.write(None, &mut SliceSource::new(b"x"), 0).unwrap();
    let place = file.place::<crate::Location>().unwrap();
    world.context().link_place(place, None, b"/named").unwrap();
    assert_eq!(world.read("/named").unwrap(), "x");
    assert_eq!(world.stat("/named").unwrap().nlink, 1);
    let file = world.open("/", unnamed | OpenFlags::EXCL).unwrap();
    let place = file.place::<crate::Location>().unwrap();
    assert_eq!(world.context().link_place(place, None, b"/other"), Err(Errno::ENOENT));
}

#[test]
fn a_file_that_shrinks_and_grows_is_still_what_is_mapped() {
    let world = World::new();
    world.write("/f", &"x".repeat(3 * PAGE_SIZE));
    let file = world.open("/f", OpenFlags::RDWR).unwrap();
    let memory = pager(&file).unwrap();
    let mapped = memory.page(2, true).unwrap().unwrap();
    world.context().truncate_file(&file, 10).unwrap();
    assert!(memory.page(2, false).unwrap().is_none());
    mapped.write(0, b"junk");
    world.context().truncate_file(&file, 3 * PAGE_SIZE as u64).unwrap();
    assert_eq!(memory.page(2, false).unwrap().unwrap().number(), mapped.number());
    assert_eq!(world.read("/f").unwrap(), "x".repeat(10) + &"\0".repeat(3 * PAGE_SIZE - 10));
    world.context().truncate_file(&file, 10).unwrap();
    mapped.write(0, b"junk");
    file.write(Some(2 * PAGE as u64 + 2), &mut SliceSource::new(b"!"), 0).unwrap();
    mapped.write(3, b"?");
    assert_eq!(world.read("/f").unwrap()[2 * PAGE_SIZE..], *"\0\0!");
    world.context().fallocate(&file, 3, 0, 3 * PAGE).unwrap();
    let mut bytes = [1; 4];
    mapped.read(0, &mut bytes);
    assert_eq!(bytes, [0; 4]);
    mapped.write(0, b"seen");
    let mut bytes = Vec::new();
    file.read(Some(2 * PAGE as u64), &mut VecSink::new(&mut bytes, 3), 0).unwrap();
    assert_eq!(bytes, b"see");
}

#[test]
fn a_file_is_read_by_its_pages_as_far_as_they_are_at_hand() {
    let world = World::new();
    let file = world.vfs.memfd(b"name", true, false, &world.credentials).unwrap();
    let bytes: Vec<u8> = (0..10_000u32).map(|at| (at * 7) as u8).collect();
    file.write(Some(0), &mut SliceSource::new(&bytes), 0).unwrap();
    let read = |offset, len| {
        let (mut read, mut pieces) = (Vec::new(), Vec::new());
        let count = read_pages(&file, offset, len, |frame, start, len| {
            let mut piece = vec![0; len];
            frame.read(start, &mut piece);
            read.extend(piece);
            pieces.push((start, len));
            Ok(())
        });
        assert_eq!(count, read.len());
        (read, pieces)
    };
    assert_eq!(read(0, 1 << 20), (bytes.clone(), vec![(0, 4096), (0, 4096), (0, 1808)]));
    assert_eq!(read(4090, 8), (bytes[4090..4098].to_vec(), vec![(4090, 6), (0, 2)]));
    assert_eq!(read(9_999, 8).0, bytes[9_999..]);
    assert_eq!((read(10_000, 8).0, read(u64::MAX, 8).0), (vec![], vec![]));
    // A hole has no page: that a read has to find out.
    world.context().truncate_file(&file, 20_000).unwrap();
    assert_eq!(read(8192, 10_000).1, vec![(0, 4096)]);
    let full = read_pages(&file, 0, 100, |_, _, _| Err(Errno::ENOMEM));
    assert_eq!(full, 0);
}
