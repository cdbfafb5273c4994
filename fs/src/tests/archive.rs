//! cpio and tar archives, good and hostile.

use super::{Noise, image::Scratch};
use crate::{Archive, Error, FileSystem, Kind, Vfs, fuzz};
use std::{fs, process::Command, sync::Arc};

/// An entry of a cpio archive to make.
pub(super) struct Item<'a> {
    pub(super) name: &'a str,
    pub(super) mode: u32,
    pub(super) content: &'a str,
    pub(super) inode: u32,
    pub(super) links: u32,
}

impl<'a> Item<'a> {
    pub(super) fn file(name: &'a str, content: &'a str) -> Self {
        Self { name, mode: 0o100644, content, inode: 0, links: 1 }
    }

    pub(super) fn link(name: &'a str, content: &'a str) -> Self {
        Self { name, mode: 0o120777, content, inode: 0, links: 1 }
    }
}

pub(super) fn cpio(items: &[Item<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    let trailer = Item { name: "TRAILER!!!", mode: 0, content: "", inode: 0, links: 1 };
    for (index, item) in items.iter().chain([&trailer]).enumerate() {
        let inode = if item.inode == 0 { 1000 + index as u32 } else { item.inode };
        let (len, name_len) = (item.content.len(), item.name.len() + 1);
        out.extend_from_slice(b"070701");
        for field in [inode, item.mode, 1, 2, item.links, 77, len as u32, 0, 0, 0, 0, name_len as u32, 0] {
            out.extend_from_slice(format!("{field:08x}").as_bytes());
        }
        out.extend_from_slice(item.name.as_bytes());
        out.push(0);
        out.resize(out.len().next_multiple_of(4), 0);
        out.extend_from_slice(item.content.as_bytes());
        out.resize(out.len().next_multiple_of(4), 0);
    }
    out
}

fn open(data: Vec<u8>) -> Result<Vfs, Error> {
    let mut vfs = Vfs::new();
    vfs.mount("/", Arc::new(Archive::open(Arc::<[u8]>::from(data))?))?;
    Ok(vfs)
}

fn content(vfs: &Vfs, path: &str) -> Vec<u8> {
    vfs.open(path).unwrap().read_all(1 << 20).unwrap()
}

#[test]
fn hard_links_of_cpio_share_the_content_wherever_it_stands() {
    let link = |name, content| Item { inode: 7, links: 3, ..Item::file(name, content) };
    let vfs = open(cpio(&[link("a", ""), link("d/b", "shared"), link("c", "")])).unwrap();
    for path in ["/a", "/d/b", "/c"] {
        assert_eq!(content(&vfs, path), b"shared");
    }
    assert_eq!(vfs.metadata("/a").unwrap().inode, vfs.metadata("/c").unwrap().inode);
}

#[test]
fn several_cpio_archives_in_a_row_are_one_and_the_last_wins() {
    let mut data = cpio(&[Item::file("./a", "old"), Item::file("b", "kept")]);
    data.resize(data.len() + 512, 0);
    data.extend(cpio(&[Item::file("/a", "new")]));
    let vfs = open(data).unwrap();
    assert_eq!(content(&vfs, "/a"), b"new");
    assert_eq!(content(&vfs, "/b"), b"kept");
    let about = vfs.metadata("/b").unwrap();
    assert_eq!((about.mtime, about.uid, about.gid, about.mode), (77, 1, 2, 0o644));
}

#[test]
fn content_is_used_in_place() {
    let data: Arc<[u8]> = cpio(&[Item::file("a", "in place")]).into();
    let archive = Archive::open(data.clone()).unwrap();
    let bytes = archive.bytes(archive.lookup(archive.root(), b"a").unwrap()).unwrap();
    assert!(data.as_ptr_range().contains(&bytes.as_ptr()));
    assert_eq!(bytes, b"in place");
}

#[test]
fn a_hostile_cpio_is_refused_with_a_reason() {
    let good = cpio(&[Item::file("name", "content")]);
    let error = |data: Vec<u8>| Archive::open_cpio(Arc::<[u8]>::from(data)).err().unwrap().to_string();
    let with = |at: usize, text: &str| {
        let mut data = good.clone();
        data[at..at + text.len()].copy_from_slice(text.as_bytes());
        error(data)
    };
    assert_eq!(
        with(54, "ffffffff"),
        "corrupt file system: cpio ends within the file of the header at (0x74)"
    );
    assert_eq!(with(94, "0000ffff"), "corrupt file system: cpio name length (0xffff)");
    assert_eq!(with(94, "00000000"), "corrupt file system: cpio name length (0x0)");
    assert_eq!(with(14, "zz"), "corrupt file system: cpio number at offset (0xe)");
    assert_eq!(with(110, "../x"), "corrupt file system: archive name with `..`; length (0x4)");
    let packed = [good.clone(), vec![0x1f, 0x8b], vec![1; 200]].concat();
    assert_eq!(error(packed), format!("unsupported: compressed part of cpio at offset ({:#x})", good.len()));
    assert_eq!(error(good[..50].to_vec()), "corrupt file system: cpio ends within a header at offset (0x0)");
    assert_eq!(error(cpio(&[Item::file("a", ""), Item::file("a/b", "")])), "`a` is not a directory");
}

fn tar(scratch: &Scratch, options: &[&str]) -> Vec<u8> {
    let archive = scratch.path("archive.tar");
    let status = Command::new("tar")
        .args(options)
        .args(["--exclude=archive.tar", "-cf"])
        .arg(&archive)
        .arg("-C")
        .arg(scratch.path(""))
        .arg(".")
        .status()
        .expect("this test needs `tar`");
    assert!(status.success());
    fs::read(archive).unwrap()
}

#[test]
fn every_dialect_of_tar_reads_as_it_was_written() {
    for format in ["--format=ustar", "--format=gnu", "--format=pax", "--format=v7"] {
        let scratch = Scratch::new();
        let long = format!("{}/{}", "d".repeat(90), "n".repeat(if format.contains("v7") { 5 } else { 99 }));
        fs::create_dir(scratch.path(&"d".repeat(90))).unwrap();
        fs::write(scratch.path(&long), Noise(8).bytes(3000)).unwrap();
        fs::write(scratch.path("first"), b"text").unwrap();
        fs::hard_link(scratch.path("first"), scratch.path("second")).unwrap();
        std::os::unix::fs::symlink("first", scratch.path("link")).unwrap();
        if format.contains("gnu") || format.contains("pax") {
            fs::write(scratch.path(&"long".repeat(60)), b"long").unwrap();
        }
        let vfs = open(tar(&scratch, &[format])).unwrap();
        assert_eq!(content(&vfs, &format!("/{long}")), Noise(8).bytes(3000), "{format}");
        assert_eq!(content(&vfs, "/second"), b"text");
        assert_eq!(content(&vfs, "/link"), b"text");
        assert_eq!(vfs.metadata("/first").unwrap().inode, vfs.metadata("/second").unwrap().inode);
        assert_eq!(vfs.symlink_metadata("/link").unwrap().kind, Kind::Symlink);
        if format.contains("gnu") || format.contains("pax") {
            assert_eq!(content(&vfs, &format!("/{}", "long".repeat(60))), b"long");
        }
    }
}

#[test]
fn flipped_bytes_in_archives_never_panic() {
    let scratch = Scratch::new();
    fs::write(scratch.path(&"long".repeat(60)), b"long").unwrap();
    fs::write(scratch.path("b"), [5; 700]).unwrap();
    let archives = [
        cpio(&[Item::file("a/b", "text"), Item::link("l", "a"), Item { links: 2, ..Item::file("h", "") }]),
        tar(&scratch, &["--format=gnu"]),
        tar(&scratch, &["--format=pax"]),
    ];
    for (index, good) in archives.iter().enumerate() {
        for seed in 1..3000 {
            let mut noise = Noise(seed);
            let mut broken = good.clone();
            let text = b"0123456789abcdef/.\0x";
            for _ in 0..=noise.below(3) {
                let at = noise.below(broken.len());
                broken[at] = text[noise.below(text.len())];
            }
            if index > 0 {
                mend_tar(&mut broken);
            }
            broken.truncate(noise.below(broken.len() * 2));
            fuzz::cpio(&broken);
            fuzz::tar(&broken);
        }
    }
}

/// Puts right the checksum of every block that was a header, so that the parser sees what is in it.
fn mend_tar(data: &mut [u8]) {
    for header in data.chunks_exact_mut(512).filter(|block| block[257..262] == *b"ustar") {
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
}

#[test]
fn noise_is_refused() {
    for seed in 1..500 {
        let data = Noise(seed).bytes(Noise(seed).below(3000));
        fuzz::cpio(&data);
        fuzz::tar(&data);
        fuzz::ext4(&data);
        assert!(Archive::open(Arc::<[u8]>::from(data)).is_err());
    }
}

#[test]
fn names_are_counted_and_a_replaced_one_counts_no_more() {
    let link = |name| Item { inode: 7, links: 2, ..Item::file(name, "x") };
    let dir = |name| Item { mode: 0o040755, ..Item::file(name, "") };
    let mut data = cpio(&[dir("d"), dir("d/e"), link("d/a"), link("b")]);
    data.extend(cpio(&[Item::file("b", "another")]));
    let vfs = open(data).unwrap();
    let links = |path| vfs.metadata(path).unwrap().links;
    assert_eq!([links("/"), links("/d"), links("/d/e"), links("/d/a"), links("/b")], [3, 3, 2, 1, 1]);
}
