//! Disk images made by mke2fs and debugfs, without root.

use super::Noise;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

/// A directory that goes away with the value.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    pub(super) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("minios-fs-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).expect("a temporary directory can be made");
        Self(path)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs a program of e2fsprogs.
pub(super) fn run(program: &str, arguments: &[&str]) -> String {
    let places = ["/sbin", "/usr/sbin", "/usr/bin"];
    let found = places.iter().map(|dir| Path::new(dir).join(program)).find(|path| path.exists());
    let output =
        Command::new(found.unwrap_or_else(|| program.into())).args(arguments).output().unwrap_or_else(
            |error| panic!("this test needs `{program}` of e2fsprogs (apt install e2fsprogs): {error}"),
        );
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "{program} {arguments:?} failed: {said}");
    said
}

/// Makes an image of `mebibytes` with the content of `from`.
pub(super) fn make(scratch: &Scratch, mebibytes: u32, options: &[&str], from: &Path) -> Vec<u8> {
    let image = scratch.path("image");
    let _ = fs::remove_file(&image);
    let size = format!("{mebibytes}M");
    let mut arguments = vec!["-q", "-F"];
    arguments.extend_from_slice(options);
    arguments.extend(["-d", from.to_str().expect("UTF-8"), image.to_str().expect("UTF-8"), &size]);
    run("mke2fs", &arguments);
    fs::read(&image).expect("mke2fs made the image")
}

/// Fills a directory with files of many shapes.
pub(super) fn populate(root: &Path) {
    let mut noise = Noise(42);
    fs::create_dir_all(root.join("deep/er/est")).unwrap();
    fs::write(root.join("empty"), b"").unwrap();
    fs::write(root.join("small.txt"), b"hello\n").unwrap();
    fs::write(root.join("block"), noise.bytes(4096)).unwrap();
    fs::write(root.join("deep/er/est/file"), noise.bytes(100_001)).unwrap();
    fs::write(root.join("large"), noise.bytes(1_300_000)).unwrap();
    // Holes at the start, in the middle and at the end.
    let sparse = fs::File::create(root.join("sparse")).unwrap();
    for (index, at) in [70_000u64, 200_000, 400_000].into_iter().enumerate() {
        std::os::unix::fs::FileExt::write_all_at(&sparse, &noise.bytes(5000 + index), at).unwrap();
    }
    sparse.set_len(500_000).unwrap();
    std::os::unix::fs::symlink("small.txt", root.join("link")).unwrap();
    std::os::unix::fs::symlink("/deep/er/../er/est", root.join("absolute")).unwrap();
    std::os::unix::fs::symlink("a/".repeat(60) + "end", root.join("long-link")).unwrap();
    std::os::unix::fs::symlink("loop-b", root.join("loop-a")).unwrap();
    std::os::unix::fs::symlink("loop-a", root.join("loop-b")).unwrap();
    fs::create_dir(root.join("many")).unwrap();
    for index in 0..400 {
        fs::write(root.join(format!("many/a-rather-long-name-to-fill-blocks-{index:04}")), [index as u8; 3])
            .unwrap();
    }
}
