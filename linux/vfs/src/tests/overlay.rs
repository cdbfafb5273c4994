//! A tree over something read-only.

use alloc::sync::Arc;

use linux_base::io::{SliceSource, VecSink};
use linux_base::{Errno, OpenFlags};
use linux_mm::{PAGE_SIZE, Pager};

use super::World;
use crate::ops::{Whence, seek};
use crate::tree::{Lower, Options, Tree};

/// An archive of files and directories (those with a slash behind them).
pub(super) fn cpio(items: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (index, (name, content)) in items.iter().chain([&("TRAILER!!!", "")]).enumerate() {
        let mode = if name.ends_with('/') { 0o040755 } else { 0o100644 };
        let name = name.trim_end_matches('/');
        out.extend_from_slice(b"070701");
        for field in [1000 + index, mode, 0, 0, 1, 77, content.len(), 0, 0, 0, 0, name.len() + 1, 0] {
            out.extend_from_slice(format!("{field:08x}").as_bytes());
        }
        out.extend_from_slice(name.as_bytes());
        out.push(0);
        out.resize(out.len().next_multiple_of(4), 0);
        out.extend_from_slice(content.as_bytes());
        out.resize(out.len().next_multiple_of(4), 0);
    }
    out
}

/// What is below: an archive that is used in place, or the same as if it were on a disk.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Where {
    Memory,
    Disk,
}

/// An archive whose bytes must be read.
struct OnDisk(fs::Archive);

impl fs::FileSystem for OnDisk {
    fn root(&self) -> fs::Inode {
        self.0.root()
    }

    fn lookup(&self, dir: fs::Inode, name: &[u8]) -> fs::Result<fs::Inode> {
        self.0.lookup(dir, name)
    }

    fn metadata(&self, inode: fs::Inode) -> fs::Result<fs::Metadata> {
        self.0.metadata(inode)
    }

    fn read_at(&self, inode: fs::Inode, offset: u64, buf: &mut [u8]) -> fs::Result<usize> {
        self.0.read_at(inode, offset, buf)
    }

    fn read_dir(&self, dir: fs::Inode, visit: &mut fs::DirVisitor<'_>) -> fs::Result<()> {
        self.0.read_dir(dir, visit)
    }

    fn read_link(&self, inode: fs::Inode) -> fs::Result<Vec<u8>> {
        self.0.read_link(inode)
    }

    fn usage(&self) -> fs::Usage {
        self.0.usage()
    }
}

pub(super) fn tree(items: &[(&str, &str)], is_read_only: bool, place: Where) -> Arc<Tree> {
    let archive = fs::Archive::open(Arc::<[u8]>::from(cpio(items))).unwrap();
    let filesystem: Arc<dyn fs::FileSystem> = match place {
        Where::Memory => Arc::new(archive),
        Where::Disk => Arc::new(OnDisk(archive)),
    };
    let lower = Some(Lower::new(filesystem, None));
    Tree::new(Options { lower, is_read_only, ..Options::default() }).unwrap()
}

fn world(items: &[(&str, &str)]) -> World {
    World::over(tree(items, false, Where::Disk))
}

#[test]
fn what_is_below_is_seen_until_it_is_changed() {
    let world = world(&[("etc/", ""), ("etc/passwd", "root"), ("etc/group", "wheel")]);
    assert_eq!(world.read("/etc/passwd").unwrap(), "root");
    world.write("/etc/passwd", "nobody");
    assert_eq!(world.read("/etc/passwd").unwrap(), "nobody");
    assert_eq!(world.list("/etc").unwrap(), ["group", "passwd"]);
    world.unlink("/etc/group").unwrap();
    assert_eq!(world.read("/etc/group").err(), Some(Errno::ENOENT));
    assert_eq!(world.list("/etc").unwrap(), ["passwd"]);
    assert_eq!(world.rmdir("/etc"), Err(Errno::ENOTEMPTY));
    world.unlink("/etc/passwd").unwrap();
    world.rmdir("/etc").unwrap();
    assert_eq!(world.list("/").unwrap(), [""; 0]);
    world.mkdir("/etc").unwrap();
    assert_eq!(world.list("/etc").unwrap(), [""; 0]);
}

#[test]
fn a_renamed_directory_takes_along_what_is_below_it() {
    let world = world(&[("a/", ""), ("a/b/", ""), ("a/b/f", "deep"), ("x/", "")]);
    let ino = world.stat("/a/b").unwrap().ino;
    world.rename("/a/b", "/x/c").unwrap();
    assert_eq!(world.read("/x/c/f").unwrap(), "deep");
    assert_eq!(world.stat("/x/c").unwrap().ino, ino);
    assert_eq!(world.list("/a").unwrap(), [""; 0]);
    world.write("/x/c/f", "changed");
    world.rename("/x", "/y").unwrap();
    assert_eq!(world.read("/y/c/f").unwrap(), "changed");
    assert_eq!(world.list("/").unwrap(), ["a", "y"]);
    assert_eq!((world.stat("/a").unwrap().nlink, world.stat("/y").unwrap().nlink), (2, 3));
}

#[test]
fn a_page_that_is_written_in_part_keeps_the_rest_from_below() {
    let text: String = (0..3 * PAGE_SIZE).map(|at| char::from(b'a' + (at % 26) as u8)).collect();
    let world = world(&[("f", &text)]);
    let file = world.open("/f", OpenFlags::RDWR).unwrap();
    file.write(Some(5000), &mut SliceSource::new(b"0123"), 0).unwrap();
    let mut expected = text.clone();
    expected.replace_range(5000..5004, "0123");
    assert!(world.read("/f").unwrap() == expected);
    world.context().truncate(None, b"/f", 6000).unwrap();
    world.context().truncate(None, b"/f", 8000).unwrap();
    let mut bytes = Vec::new();
    file.read(Some(5990), &mut VecSink::new(&mut bytes, 20), 0).unwrap();
    assert_eq!(bytes, [&expected.as_bytes()[5990..6000], &[0; 10][..]].concat());
    assert_eq!(seek(&file, 0, Whence::Hole), Ok(8000));
}

#[test]
fn changes_stay_though_nobody_uses_the_file() {
    let world = world(&[("d/", ""), ("d/f", "old")]);
    world.write("/d/f", "new");
    world.context().chmod(&world.place("/d"), 0o700).unwrap();
    world.vfs.names.purge(world.vfs.root().dentry());
    assert_eq!(world.vfs.names.len(), 0);
    assert_eq!(world.read("/d/f").unwrap(), "new");
    assert_eq!(world.stat("/d").unwrap().mode.permissions(), 0o700);
}

#[test]
fn nothing_changes_on_a_read_only_mount() {
    let mut world = World::over(tree(&[("d/", ""), ("d/f", "old")], true, Where::Disk));
    assert_eq!(world.read("/d/f").unwrap(), "old");
    assert_eq!(world.open("/d/f", OpenFlags::WRONLY).err(), Some(Errno::EROFS));
    assert_eq!(world.open("/d/n", OpenFlags::CREAT).err(), Some(Errno::EROFS));
    assert_eq!(world.mkdir("/d"), Err(Errno::EEXIST));
    assert_eq!(world.mkdir("/e"), Err(Errno::EROFS));
    assert_eq!(world.unlink("/d/f"), Err(Errno::EROFS));
    assert_eq!(world.rename("/d", "/e"), Err(Errno::EROFS));
    assert_eq!(world.context().chmod(&world.place("/d"), 0), Err(Errno::EROFS));
    world.become_user(7);
    assert_eq!(world.read("/d/f").unwrap(), "old");
}

#[test]
fn clean_pages_are_given_back_and_read_again() {
    let text = "x".repeat(40 * PAGE_SIZE);
    let world = world(&[("f", &text)]);
    assert!(world.read("/f").unwrap() == text);
    let file = world.open("/f", OpenFlags::empty()).unwrap();
    let node = file.downcast::<crate::regular::RegularFile>().unwrap().node().clone();
    let mapped = node.page(3, false).unwrap().unwrap();
    assert!((0..40).all(|index| node.page_now(index).is_some()));
    // Other tests have pages in the same line.
    while crate::reclaim::reclaim(1000) > 0 {}
    assert_eq!((0..40).filter(|index| node.page_now(*index).is_some()).collect::<Vec<_>>(), [3]);
    drop(mapped);
    assert!(world.read("/f").unwrap() == text);
}

#[repr(C, align(4096))]
struct Aligned([u8; 4 * PAGE_SIZE]);

#[test]
fn whole_pages_of_an_archive_are_used_in_place_until_they_are_written() {
    let text: String = (0..PAGE_SIZE + 100).map(|at| char::from(b'a' + (at % 26) as u8)).collect();
    let archive = cpio(&[("f", &text)]);
    let mut aligned = Box::new(Aligned([0; 4 * PAGE_SIZE]));
    // Header and name take 112 bytes; what follows the file must not be seen behind its end.
    aligned.0[PAGE_SIZE - 112..PAGE_SIZE - 112 + archive.len()].copy_from_slice(&archive);
    let bytes: &'static [u8] = &Box::leak(aligned).0;
    let made = Arc::new(linux_base::Mutex::new(Vec::new()));
    let kept = made.clone();
    // A copy stands for the page in place; how often one is asked for is what counts here.
    let in_place = move |page: &[u8]| {
        assert!(page.as_ptr().addr().is_multiple_of(PAGE_SIZE) && page.len() == PAGE_SIZE);
        let frame = linux_mm::Frame::zeroed().ok()?;
        frame.write(0, page);
        kept.lock().push(frame.clone());
        Some(frame)
    };
    let lower = Lower::new(Arc::new(fs::Archive::open_cpio(bytes).unwrap()), Some(Arc::new(in_place)));
    let world = World::over(Tree::new(Options { lower: Some(lower), ..Options::default() }).unwrap());
    let file = world.open("/f", OpenFlags::RDWR).unwrap();
    let memory = crate::regular::pager(&file).unwrap();
    let page = memory.page(0, false).unwrap().unwrap();
    assert_eq!(page.number(), made.lock()[0].number());
    let tail = memory.page(1, false).unwrap().unwrap();
    let mut bytes = [1; 200];
    tail.read(0, &mut bytes);
    assert_eq!(bytes, [&text.as_bytes()[PAGE_SIZE..], &[0; 100]].concat()[..]);
    assert_eq!(made.lock().len(), 1);
    file.write(Some(0), &mut SliceSource::new(b"XYZ"), 0).unwrap();
    assert_ne!(memory.page(0, false).unwrap().unwrap().number(), page.number());
    page.read(0, &mut bytes[..3]);
    assert_eq!(&bytes[..3], b"abc");
    assert!(world.read("/f").unwrap() == format!("XYZ{}", &text[3..]));
}

#[test]
fn names_that_come_and_go_leave_nothing_behind_but_those_below() {
    let world = world(&[("tmp/", ""), ("tmp/old", "old"), ("tmp/other", "other")]);
    let place = world.place("/tmp");
    let known = || place.inode().unwrap().downcast::<crate::tree::Node>().unwrap().known_names();
    for index in 0..100 {
        world.write(&format!("/tmp/{index}"), "x");
        world.rename(&format!("/tmp/{index}"), "/tmp/name").unwrap();
        world.unlink("/tmp/name").unwrap();
    }
    assert_eq!(known(), 0);
    world.write("/tmp/new", "new");
    world.rename("/tmp/new", "/tmp/old").unwrap();
    world.unlink("/tmp/old").unwrap();
    assert_eq!((known(), world.read("/tmp/old").err()), (1, Some(Errno::ENOENT)));
    world.write("/tmp/new", "new");
    let flags = crate::ops::RenameFlags::EXCHANGE;
    world.context().rename(None, b"/tmp/new", None, b"/tmp/other", flags).unwrap();
    world.unlink("/tmp/other").unwrap();
    world.vfs.names.purge(world.vfs.root().dentry());
    assert_eq!(
        (world.read("/tmp/new").unwrap(), world.read("/tmp/other").err()),
        ("other".into(), Some(Errno::ENOENT))
    );
    assert_eq!(world.list("/tmp").unwrap(), ["new"]);
}
