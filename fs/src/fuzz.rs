//! Entry points for fuzz targets: any bytes, every operation, no panic.

use crate::{Archive, Ext4, FileSystem, Inode, Kind, Vfs};
use alloc::{sync::Arc, vec, vec::Vec};
use core::ops::ControlFlow;

/// How many files one run looks at.
const FILES_MAX: usize = 200;

/// A cpio archive.
pub fn cpio(data: &[u8]) {
    if let Ok(archive) = Archive::open_cpio(Arc::<[u8]>::from(data)) {
        exercise(Arc::new(archive));
    }
}

/// A tar archive.
pub fn tar(data: &[u8]) {
    if let Ok(archive) = Archive::open_tar(Arc::<[u8]>::from(data)) {
        exercise(Arc::new(archive));
    }
}

/// A disk with an ext4 on it.
pub fn ext4(data: &[u8]) {
    if let Ok(ext4) = Ext4::mount(data.to_vec(), 64 * 1024) {
        exercise(Arc::new(ext4));
    }
}

/// Walks the tree, reads a little of every file at several places; returns how many operations succeeded.
pub(crate) fn exercise(fs: Arc<dyn FileSystem>) -> usize {
    let mut good = 0;
    let mut pending = vec![(fs.root(), Vec::from(b"/"))];
    let mut paths = Vec::new();
    let mut buf = vec![0; 40_000];
    while let Some((inode, path)) = pending.pop() {
        if paths.len() >= FILES_MAX {
            break;
        }
        let Ok(metadata) = fs.metadata(inode) else { continue };
        good += 1;
        match metadata.kind {
            Kind::Directory => {
                let listed = fs.read_dir(inode, &mut |name, child, _| {
                    let child_path = [&path, b"/".as_slice(), name].concat();
                    pending.push((child, child_path));
                    if pending.len() < FILES_MAX { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
                });
                good += usize::from(listed.is_ok());
            }
            Kind::Symlink => good += usize::from(fs.read_link(inode).is_ok()),
            Kind::File | Kind::Special => {
                for offset in [0, 1, 4095, 70_000, metadata.len / 2, metadata.len, u64::MAX] {
                    good += usize::from(fs.read_at(inode, offset, &mut buf).is_ok());
                }
            }
        }
        paths.push(path);
    }
    let _ = fs.metadata(Inode(u64::MAX));
    let mut vfs = Vfs::new();
    if vfs.mount("/", fs).is_ok() {
        for path in paths {
            good += usize::from(vfs.metadata(&path).is_ok());
            good += usize::from(vfs.open(&path).is_ok());
        }
    }
    good
}
