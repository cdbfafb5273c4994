//! What does a disk or an image hold? Told by content.

use crate::{
    Archive, BlockRead, Cache, Error, Ext4, FileSystem, Result,
    archive::{cpio_magic, tar_header},
    ext4::superblock,
};
use alloc::{sync::Arc, vec};

/// A file system that this crate reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// ext2, ext3 or ext4.
    Ext4,
    /// A cpio archive in the newc format.
    Cpio,
    /// A tar archive.
    Tar,
}

/// As much of a device as decides: btrfs has its mark the furthest behind.
const HEAD: usize = 68 * 1024;

/// Says what `device` holds; the error says what it holds instead of a supported file system.
pub fn probe(device: &dyn BlockRead) -> Result<Found> {
    let len = device.size_bytes().min(HEAD as u64) as usize;
    let mut head = vec![0; len];
    device.read(0, &mut head)?;
    if let Some(found) = archive(&head) {
        return Ok(found);
    }
    if superblock::is_superblock(head.get(superblock::OFFSET as usize..).unwrap_or_default()) {
        return Ok(Found::Ext4);
    }
    Err(Error::UnknownFileSystem { found: describe(&head) })
}

/// Mounts whatever `device` holds, with a cache of its own. `memory_bytes` bounds that cache, or the size of an archive, which is
/// read into memory whole.
pub fn mount_device<D: BlockRead + 'static>(device: D, memory_bytes: usize) -> Result<Arc<dyn FileSystem>> {
    mount_cached(Cache::new(device, memory_bytes), memory_bytes)
}

/// As [`mount_device`], from a [`Cache`] that others may use too. `memory_bytes` bounds the size of an archive.
pub fn mount_cached<D: BlockRead + 'static>(cached: D, memory_bytes: usize) -> Result<Arc<dyn FileSystem>> {
    match probe(&cached)? {
        Found::Ext4 => Ok(Arc::new(Ext4::mount_cached(cached)?)),
        Found::Cpio | Found::Tar => {
            let size = cached.size_bytes();
            if size > memory_bytes as u64 {
                return Err(Error::TooLarge { len: size, limit: memory_bytes as u64 });
            }
            let mut data = vec![0; size as usize];
            cached.read(0, &mut data)?;
            Ok(Arc::new(Archive::open(Arc::<[u8]>::from(data))?))
        }
    }
}

/// The archive format that `head` begins, if any.
pub(crate) fn archive(head: &[u8]) -> Option<Found> {
    if cpio_magic(head) {
        return Some(Found::Cpio);
    }
    tar_header(head).then_some(Found::Tar)
}

/// A name for content that is not supported.
pub(crate) fn describe(head: &[u8]) -> &'static str {
    const MARKS: &[(usize, &[u8], &str)] = &[
        (0, b"\x1f\x8b", "gzip-compressed data"),
        (0, b"\xfd7zXZ\0", "xz-compressed data"),
        (0, b"\x28\xb5\x2f\xfd", "zstd-compressed data"),
        (0, b"BZh", "bzip2-compressed data"),
        (0, b"070707", "an old (odc) cpio archive"),
        (0, b"\xc7\x71", "a binary cpio archive"),
        (0, b"XFSB", "xfs"),
        (0, b"hsqs", "squashfs"),
        (0, b"QFI\xfb", "a qcow2 image (attach it as such)"),
        (1024, b"\xe2\xe1\xf5\xe0", "erofs"),
        (0x1_0040, b"_BHRfS_M", "btrfs"),
        (0x8001, b"CD001", "an ISO 9660 image"),
        (4086, b"SWAPSPACE2", "swap space"),
        (512, b"EFI PART", "a GPT partition table (attach the partition)"),
        (3, b"NTFS", "ntfs"),
        (0x36, b"FAT", "a FAT file system"),
        (0x52, b"FAT32", "a FAT file system"),
        (510, b"\x55\xaa", "an MBR partition table (attach the partition)"),
    ];
    let has_mark = |at: usize, mark: &[u8]| head.get(at..at + mark.len()) == Some(mark);
    if let Some((_, _, name)) = MARKS.iter().find(|(at, mark, _)| has_mark(*at, mark)) {
        return name;
    }
    if head.is_empty() {
        "an empty device"
    } else if head.iter().all(|byte| *byte == 0) {
        "only zeros"
    } else {
        "unknown data"
    }
}
