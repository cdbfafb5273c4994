//! ext4 against the directory an image was made from, against another reader, and against broken images.

use super::{
    Noise,
    image::{Scratch, make, populate, run},
};
use crate::{BlockError, BlockRead, Cache, Error, Ext4, FileSystem, Kind, Vfs, fuzz};
use std::{
    fs,
    path::Path,
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

fn mount(image: Vec<u8>) -> Vfs {
    let mut vfs = Vfs::new();
    vfs.mount("/", Arc::new(Ext4::mount(image, 256 * 1024).unwrap())).unwrap();
    vfs
}

/// Compares the tree at `host` with the one at `path`; returns how many files it met.
fn compare(vfs: &Vfs, host: &Path, path: &str) -> usize {
    let mut met = 0;
    let mut names: Vec<_> = vfs.read_dir(path).unwrap();
    names.retain(|entry| entry.name != b"lost+found");
    names.sort_by(|a, b| a.name.cmp(&b.name));
    let mut wanted: Vec<_> = fs::read_dir(host).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    wanted.sort();
    let found: Vec<_> = names.iter().map(|entry| String::from_utf8(entry.name.clone()).unwrap()).collect();
    assert_eq!(found, wanted.iter().map(|name| name.to_str().unwrap()).collect::<Vec<_>>());
    for entry in names {
        met += 1;
        let name = String::from_utf8(entry.name).unwrap();
        let (host, path) = (host.join(&name), format!("{}/{name}", path.trim_end_matches('/')));
        let about = vfs.symlink_metadata(&path).unwrap();
        let host_about = fs::symlink_metadata(&host).unwrap();
        assert_eq!(Some(about.kind), entry.kind);
        assert_eq!(about.mtime, std::os::unix::fs::MetadataExt::mtime(&host_about), "{path}");
        assert_eq!(u32::from(about.mode), std::os::unix::fs::MetadataExt::mode(&host_about) & 0o7777);
        let mode = u32::from(about.format) | u32::from(about.mode);
        assert_eq!(mode, std::os::unix::fs::MetadataExt::mode(&host_about), "{path}");
        // Host file systems count the links of directories in ways of their own.
        let links = if about.kind == Kind::Directory { 2 } else { 1 };
        assert!(about.links >= links && about.blocks <= about.len / 512 + 200, "{path}: {about:?}");
        match about.kind {
            Kind::Directory => met += compare(vfs, &host, &path),
            Kind::Symlink => {
                let target = fs::read_link(&host).unwrap();
                assert_eq!(vfs.read_link(&path).unwrap(), target.to_str().unwrap().as_bytes());
            }
            Kind::File => {
                let content = fs::read(&host).unwrap();
                let file = vfs.open(&path).unwrap();
                assert_eq!(file.len(), content.len() as u64);
                assert!(file.read_all(usize::MAX).unwrap() == content, "{path} differs");
                let mut noise = Noise(7);
                for _ in 0..20 {
                    let at = noise.below(content.len() + 10);
                    let mut buf = vec![0; noise.below(50_000)];
                    let read = file.read_at(at as u64, &mut buf).unwrap();
                    let rest = content.get(at..).unwrap_or_default();
                    assert!(buf[..read] == rest[..rest.len().min(buf.len())], "{path} differs at {at}");
                }
            }
            Kind::Special => panic!("{path} is special"),
        }
    }
    met
}

#[test]
fn every_file_reads_as_it_was_written_in_all_layouts() {
    let scratch = Scratch::new();
    let root = scratch.path("root");
    populate(&root);
    for options in [
        ["-t", "ext4", "-b", "4096", "-O", "metadata_csum,64bit"].as_slice(),
        &["-t", "ext4", "-b", "1024", "-O", "metadata_csum"],
        &["-t", "ext4", "-b", "1024", "-O", "^metadata_csum,^64bit,meta_bg,^resize_inode"],
        &["-t", "ext4", "-b", "1024", "-O", "metadata_csum,64bit,meta_bg,^resize_inode", "-g", "1024"],
        &["-t", "ext4", "-b", "4096", "-O", "metadata_csum_seed"],
        &["-t", "ext3", "-b", "1024"],
        &["-t", "ext2", "-b", "1024"],
        &["-t", "ext2", "-b", "4096", "-I", "128"],
    ] {
        let image = make(&scratch, 24, options, &root);
        assert_eq!(compare(&mount(image), &root, "/"), 415, "{options:?}");
    }
}

#[test]
fn another_reader_sees_the_same_bytes() {
    let scratch = Scratch::new();
    let root = scratch.path("root");
    populate(&root);
    let image = make(&scratch, 24, &["-t", "ext4", "-b", "1024"], &root);
    let other = ext4_view::Ext4::load(Box::new(image.clone())).unwrap();
    let ours = mount(image);
    for path in ["/small.txt", "/large", "/sparse", "/deep/er/est/file", "/absolute/file", "/link"] {
        assert!(
            other.read(path).unwrap() == ours.open(path).unwrap().read_all(usize::MAX).unwrap(),
            "{path}"
        );
        assert_eq!(other.metadata(path).unwrap().modified().seconds(), ours.metadata(path).unwrap().mtime);
    }
}

#[test]
fn paths_that_lead_nowhere_are_told_by_name() {
    let scratch = Scratch::new();
    let root = scratch.path("root");
    populate(&root);
    let vfs = mount(make(&scratch, 24, &["-t", "ext4"], &root));
    let text = |path: &str| vfs.open(path).unwrap_err().to_string();
    assert_eq!(text("/deep/nothing"), "`/deep/nothing` does not exist");
    assert_eq!(text("/small.txt/x"), "`/small.txt` is not a directory");
    assert_eq!(text("/deep"), "`/deep` is a directory");
    assert_eq!(text("/loop-a"), "`/loop-a` passes too many symbolic links");
    assert_eq!(text("/small.txt/"), "`/small.txt` is not a directory");
    assert_eq!(text("small.txt"), "`small.txt` is not an absolute path without NUL");
    assert!(matches!(vfs.open(format!("/{}", "x".repeat(256))), Err(Error::NameTooLong { len: 256, .. })));
    assert!(matches!(vfs.open("/x".repeat(3000)), Err(Error::NameTooLong { len: 6000, .. })));
    assert!(matches!(vfs.open("/long-link"), Err(Error::NotFound { .. })));
}

#[test]
fn an_allocated_but_unwritten_extent_reads_as_zeros() {
    let scratch = Scratch::new();
    let root = scratch.path("root");
    fs::create_dir(&root).unwrap();
    fs::write(root.join("file"), [7; 8192]).unwrap();
    make(&scratch, 8, &["-t", "ext4", "-b", "4096"], &root);
    let image = scratch.path("image");
    // Blocks 4..10 are allocated without being written, then the length covers them.
    run("debugfs", &["-w", "-R", "fallocate /file 4 9", image.to_str().unwrap()]);
    run("debugfs", &["-w", "-R", "set_inode_field /file size 40960", image.to_str().unwrap()]);
    // What lay in those blocks before must not show.
    let mut data = fs::read(&image).unwrap();
    for block in 4..10 {
        let said = run("debugfs", &["-R", &format!("bmap /file {block}"), image.to_str().unwrap()]);
        let at: usize = said.split_whitespace().next().unwrap().parse().unwrap();
        assert!(at > 0 && said.contains("uninit"), "{said}");
        data[at * 4096..(at + 1) * 4096].fill(0xee);
    }
    let file = mount(data).open("/file").unwrap();
    let mut expected = vec![7; 8192];
    expected.resize(40960, 0);
    assert!(file.read_all(1 << 20).unwrap() == expected);
}

#[test]
fn what_an_unfinished_journal_holds_is_seen_and_what_it_revokes_is_not() {
    let scratch = Scratch::new();
    let root = scratch.path("root");
    fs::create_dir(&root).unwrap();
    fs::write(root.join("file"), [7; 8192]).unwrap();
    for features in ["metadata_csum,64bit", "^metadata_csum,^64bit", "^metadata_csum,64bit"] {
        make(&scratch, 24, &["-t", "ext4", "-b", "4096", "-O", features], &root);
        let image = scratch.path("image");
        let said = run("debugfs", &["-R", "blocks /file", image.to_str().unwrap()]);
        let blocks: Vec<&str> = said.lines().next().unwrap().split_whitespace().collect();
        // The second block begins with the journal's magic and so is escaped.
        let mut second = vec![9; 4096];
        second[..4].copy_from_slice(&[0xc0, 0x3b, 0x39, 0x98]);
        fs::write(scratch.path("new"), [vec![8; 4096], second.clone()].concat()).unwrap();
        let new = scratch.path("new");
        let open = if features.starts_with('^') { "jo" } else { "jo -c" };
        let script = scratch.path("script");
        let feed = |text: String| {
            fs::write(&script, text).unwrap();
            run("debugfs", &["-w", "-f", script.to_str().unwrap(), image.to_str().unwrap()]);
        };
        feed(format!("{open}\njw -b {} {}\njc\n", blocks[..2].join(","), new.to_str().unwrap()));
        let content = mount(fs::read(&image).unwrap()).open("/file").unwrap().read_all(1 << 20).unwrap();
        assert!(content == [vec![8; 4096], second].concat(), "{features}: {:?}", &content[..8]);
        feed(format!("{open}\njw -r {}\njc\n", blocks[0]));
        let content = mount(fs::read(&image).unwrap()).open("/file").unwrap().read_all(1 << 20).unwrap();
        assert_eq!((content[0], content[8000]), (7, 9), "{features}");
    }
}

/// A device that counts.
struct Counting(Vec<u8>, Arc<AtomicU64>);

impl BlockRead for Counting {
    fn read(&self, offset: u64, buf: &mut [u8]) -> Result<(), BlockError> {
        assert!(offset.is_multiple_of(4096), "request at {offset} is not aligned");
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.read(offset, buf)
    }

    fn size_bytes(&self) -> u64 {
        self.0.len() as u64
    }
}

#[test]
fn a_large_file_streams_in_requests_as_large_as_the_buffer() {
    let scratch = Scratch::new();
    let root = scratch.path("root");
    fs::create_dir(&root).unwrap();
    fs::write(root.join("large"), Noise(3).bytes(32 << 20)).unwrap();
    let image = make(&scratch, 64, &["-t", "ext4", "-b", "4096"], &root);
    for (chunk, requests_max) in [(64 << 10, 16 * 32), (256 << 10, 4 * 32 + 4), (1000, 17 * 32)] {
        let count = Arc::new(AtomicU64::new(0));
        let mut vfs = Vfs::new();
        let device = Counting(image.clone(), count.clone());
        vfs.mount("/", Arc::new(Ext4::mount(device, 512 * 1024).unwrap())).unwrap();
        let file = vfs.open("/large").unwrap();
        count.store(0, Ordering::Relaxed);
        let (mut buf, mut at) = (vec![0; chunk], 0);
        while at < file.len() {
            at += file.read_at(at, &mut buf).unwrap() as u64;
        }
        let requests = count.load(Ordering::Relaxed);
        println!("32 MiB in reads of {chunk}: {requests} device requests");
        assert!(requests <= requests_max + 8, "{requests} requests for reads of {chunk}");
    }
}

#[test]
fn flipped_bits_give_errors_and_never_a_panic() {
    let scratch = Scratch::new();
    let root = scratch.path("root");
    fs::create_dir_all(root.join("d/e")).unwrap();
    fs::write(root.join("d/file"), Noise(1).bytes(60_000)).unwrap();
    std::os::unix::fs::symlink("x".repeat(100), root.join("d/e/long")).unwrap();
    std::os::unix::fs::symlink("d", root.join("short")).unwrap();
    for index in 0..30 {
        fs::write(root.join(format!("d/e/{index}")), [1]).unwrap();
    }
    let mut undisturbed = 0;
    for options in [
        ["-t", "ext4", "-b", "1024", "-O", "^metadata_csum,^has_journal,^resize_inode"].as_slice(),
        &["-t", "ext4", "-b", "1024", "-O", "metadata_csum,^has_journal,^resize_inode"],
        &["-t", "ext2", "-b", "1024", "-O", "^resize_inode"],
    ] {
        let image = make(&scratch, 1, options, &root);
        undisturbed += fuzz::exercise(Arc::new(Ext4::mount(image.clone(), 65536).unwrap()));
        // Bits of the content of files are of no interest; metadata begins where something is not zero.
        let places: Vec<usize> = (1024..image.len()).filter(|at| image[*at] != 0).take(6000).collect();
        for seed in 1..=1500 {
            let mut noise = Noise(seed * 0x9e37_79b9);
            let mut broken = image.clone();
            for _ in 0..=noise.below(12) {
                let at = (places[noise.below(places.len())] + noise.below(4)).min(image.len() - 1);
                broken[at] =
                    if seed % 3 == 0 { noise.next() as u8 } else { broken[at] ^ 1 << noise.below(8) };
            }
            fuzz::ext4(&broken);
        }
    }
    assert!(undisturbed > 300, "the undisturbed images must work: {undisturbed}");
}

#[test]
fn a_truncated_device_is_refused_with_its_size() {
    let scratch = Scratch::new();
    let root = scratch.path("root");
    fs::create_dir(&root).unwrap();
    let mut image = make(&scratch, 8, &["-t", "ext4", "-b", "4096"], &root);
    image.truncate(4 << 20);
    let error = Ext4::mount(image.clone(), 0).err().unwrap();
    assert_eq!(error.to_string(), "corrupt file system: ext4 is larger than its device; blocks (0x800)");
    for len in [0, 100, 1024, 1500, 2048, 5000] {
        assert!(Ext4::mount(image[..len].to_vec(), 0).is_err());
    }
}

#[test]
fn a_failing_device_is_an_error_of_the_file_and_not_the_end() {
    struct Failing(Vec<u8>);
    impl BlockRead for Failing {
        fn read(&self, offset: u64, buf: &mut [u8]) -> Result<(), BlockError> {
            if buf.len() >= 65536 {
                return Err(BlockError::Failed { offset, len: buf.len() as u64, reason: "medium error" });
            }
            self.0.read(offset, buf)
        }
        fn size_bytes(&self) -> u64 {
            self.0.len() as u64
        }
    }
    let scratch = Scratch::new();
    let root = scratch.path("root");
    fs::create_dir(&root).unwrap();
    fs::write(root.join("f"), [1; 100_000]).unwrap();
    let ext4 = Ext4::mount(Failing(make(&scratch, 8, &["-t", "ext4"], &root)), 65536).unwrap();
    let inode = ext4.lookup(ext4.root(), b"f").unwrap();
    let error = ext4.read_at(inode, 0, &mut [0; 100_000]).unwrap_err();
    assert!(error.to_string().ends_with("failed: medium error"), "{error}");
    assert_eq!(ext4.read_at(inode, 0, &mut [0; 100]).unwrap(), 100);
}

#[test]
fn a_name_looked_up_again_is_not_searched_for_again() {
    let scratch = Scratch::new();
    let root = scratch.path("root");
    populate(&root);
    let ext4 = Ext4::mount(make(&scratch, 24, &["-t", "ext4"], &root), 1 << 20).unwrap();
    let dir = ext4.lookup(ext4.root(), b"many").unwrap();
    for name in ["a-rather-long-name-to-fill-blocks-0399", "missing"] {
        let first = ext4.lookup(dir, name.as_bytes());
        let before = ext4.cache_stats();
        assert_eq!(ext4.lookup(dir, name.as_bytes()), first);
        assert_eq!(ext4.cache_stats(), before, "{name}");
    }
    // More names than are kept: each is still found as itself.
    for round in 0..3 {
        for index in 0..400 {
            let inode =
                ext4.lookup(dir, format!("a-rather-long-name-to-fill-blocks-{index:04}").as_bytes()).unwrap();
            let mut content = [0; 4];
            assert_eq!(ext4.read_at(inode, 0, &mut content), Ok(3), "round {round}");
            assert_eq!(content[..3], [index as u8; 3]);
        }
    }
}

#[test]
fn no_lock_is_held_while_the_device_reads() {
    /// A device during whose reads another thread, as it were, uses the same file system.
    struct Busy {
        image: Vec<u8>,
        user: Arc<OnceLock<Weak<Ext4<Cache<Busy>>>>>,
        is_inside: AtomicBool,
    }
    impl BlockRead for Busy {
        fn read(&self, offset: u64, buf: &mut [u8]) -> Result<(), BlockError> {
            if let Some(ext4) = self.user.get().and_then(Weak::upgrade)
                && !self.is_inside.swap(true, Ordering::Relaxed)
            {
                let inode = ext4.lookup(ext4.root(), b"large").unwrap();
                ext4.read_at(inode, 4000, &mut vec![0; 100_000]).unwrap();
                ext4.metadata(inode).unwrap();
                ext4.cache_stats();
                self.is_inside.store(false, Ordering::Relaxed);
            }
            self.image.read(offset, buf)
        }
        fn size_bytes(&self) -> u64 {
            self.image.len() as u64
        }
    }
    let scratch = Scratch::new();
    let root = scratch.path("root");
    populate(&root);
    let user = Arc::new(OnceLock::new());
    let image = make(&scratch, 24, &["-t", "ext4", "-b", "4096"], &root);
    let device = Busy { image, user: user.clone(), is_inside: AtomicBool::new(false) };
    // The smallest cache: lines go while others read.
    let ext4 = Arc::new(Ext4::mount(device, 0).unwrap());
    user.set(Arc::downgrade(&ext4)).unwrap();
    let mut vfs = Vfs::new();
    vfs.mount("/", ext4).unwrap();
    assert_eq!(compare(&vfs, &root, "/"), 415);
}
