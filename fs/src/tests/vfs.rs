//! Mounts, links over mounts, and what disks hold.

use super::archive::{Item, cpio};
use crate::{Archive, Error, Found, Kind, Vfs, mount_device, probe};
use std::sync::Arc;

fn archive(items: &[Item<'_>]) -> Arc<Archive> {
    Arc::new(Archive::open(Arc::<[u8]>::from(cpio(items))).unwrap())
}

fn read(vfs: &Vfs, path: &str) -> String {
    match vfs.open(path).and_then(|file| file.read_all(1000)) {
        Ok(data) => String::from_utf8(data).unwrap(),
        Err(error) => error.to_string(),
    }
}

fn names(vfs: &Vfs, path: &str) -> Vec<String> {
    let entries = vfs.read_dir(path).unwrap();
    entries.into_iter().map(|entry| String::from_utf8(entry.name).unwrap()).collect()
}

#[test]
fn the_longest_mount_point_wins_and_links_cross_mounts() {
    let mut vfs = Vfs::new();
    vfs.mount(
        "/",
        archive(&[
            Item::file("www/below", "hidden"),
            Item::file("etc/name", "root"),
            Item::link("to-site", "/www/site/index"),
            Item::link("etc/up", "../www/./site"),
        ]),
    )
    .unwrap();
    vfs.mount("/www/", archive(&[Item::file("index", "www"), Item::link("out", "/etc/name")])).unwrap();
    vfs.mount("/www/site", archive(&[Item::file("index", "site"), Item::link("dots", "../../etc/name")]))
        .unwrap();
    for (path, content) in [
        ("/etc/name", "root"),
        ("/www/index", "www"),
        ("//www//./index", "www"),
        ("/www/site/index", "site"),
        ("/www/site/../index", "www"),
        ("/../../www/site/../../etc/name", "root"),
        ("/to-site", "site"),
        ("/etc/up/index", "site"),
        ("/etc/up/../index", "www"),
        ("/www/out", "root"),
        ("/www/site/dots", "root"),
        ("/www/below", "`/www/below` does not exist"),
    ] {
        assert_eq!(read(&vfs, path), content, "{path}");
    }
    assert_eq!(names(&vfs, "/www"), ["index", "out", "site"]);
    assert_eq!(vfs.canonicalize("/etc/up/dots").unwrap(), b"/etc/name");
    assert_eq!(vfs.symlink_metadata("/to-site").unwrap().kind, Kind::Symlink);
    assert!(matches!(vfs.mount("/www", archive(&[])), Err(Error::AlreadyMounted { .. })));
    assert!(matches!(vfs.mount("www", archive(&[])), Err(Error::InvalidPath { .. })));
}

#[test]
fn a_mount_needs_no_directory_below_it() {
    let mut vfs = Vfs::new();
    assert_eq!(read(&vfs, "/x"), "`/x` does not exist");
    vfs.mount("/a/b/c", archive(&[Item::file("f", "here")])).unwrap();
    assert_eq!(read(&vfs, "/a/b/c/f"), "here");
    assert_eq!(read(&vfs, "/a/b/c/../c/f"), "here");
    assert_eq!(read(&vfs, "/a/x"), "`/a/x` does not exist");
    assert_eq!(read(&vfs, "/a/b"), "`/a/b` is a directory");
    assert_eq!(names(&vfs, "/"), ["a"]);
    assert_eq!(names(&vfs, "/a"), ["b"]);
    assert_eq!(vfs.metadata("/a/b").unwrap().kind, Kind::Directory);
}

#[test]
fn content_tells_what_a_disk_holds() {
    let image = cpio(&[Item::file("f", "x")]);
    assert_eq!(probe(&image), Ok(Found::Cpio));
    assert!(mount_device(image.clone(), 1 << 20).is_ok());
    assert!(matches!(mount_device(image, 10), Err(Error::TooLarge { limit: 10, .. })));
    let told = |place: usize, mark: &[u8]| {
        let mut data = vec![0; 70_000];
        data[place..place + mark.len()].copy_from_slice(mark);
        probe(&data).map_err(|error| error.to_string())
    };
    let no = |found| Err(format!("no supported file system (ext2/3/4, cpio, tar): found {found}"));
    assert_eq!(told(1024 + 0x38, &[0x53, 0xef]), Ok(Found::Ext4));
    assert_eq!(told(0, &[]), no("only zeros"));
    assert_eq!(told(9, &[1]), no("unknown data"));
    assert_eq!(told(0, b"XFSB"), no("xfs"));
    assert_eq!(told(512, b"EFI PART"), no("a GPT partition table (attach the partition)"));
    assert_eq!(told(0x1_0040, b"_BHRfS_M"), no("btrfs"));
    assert_eq!(probe(&vec![]).map_err(|e| e.to_string()), no("an empty device"));
}
