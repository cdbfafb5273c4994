//! Inodes: what a file is and where the map of its blocks begins.

use super::{crc::crc32c, superblock::Superblock};
use crate::{
    Error, Inode, Kind, Metadata, Result, Times,
    bytes::{join, le16, le32},
};

const FLAG_ENCRYPTED: u32 = 0x800;
const FLAG_HUGE_FILE: u32 = 0x4_0000;
const FLAG_EXTENTS: u32 = 0x8_0000;
const FLAG_INLINE_DATA: u32 = 0x1000_0000;
/// The inode number of the root directory.
pub(super) const ROOT: Inode = Inode(2);

/// An inode, parsed and checked.
#[derive(Clone, Debug)]
pub(super) struct InodeData {
    pub(super) metadata: Metadata,
    /// The root of the extent tree, the block pointers, or a short link's target.
    pub(super) root: [u8; 60],
    pub(super) has_extents: bool,
    /// The checksum seed of its own extent and directory blocks.
    pub(super) seed: u32,
    flags: u32,
}

impl InodeData {
    pub(super) fn parse(superblock: &Superblock, number: u32, raw: &[u8]) -> Result<Self> {
        let seed = crc32c(superblock.checksum_seed, &number.to_le_bytes());
        let seed = crc32c(seed, raw.get(0x64..0x68).unwrap_or_default());
        let extra = if raw.len() > 128 { usize::from(le16(raw, 0x80)) } else { 0 };
        if superblock.has_checksums {
            verify(seed, raw, extra >= 4, number)?;
        }
        let mode = le16(raw, 0);
        let kind =
            Kind::from_mode(u32::from(mode)).ok_or(Error::corrupt("ext4 mode of an inode in use", mode))?;
        let mut root = [0; 60];
        root.copy_from_slice(raw.get(0x28..0x64).ok_or(Error::corrupt("ext4 inode length", raw.len()))?);
        let flags = le32(raw, 0x20);
        // Two bits of seconds and thirty of nanoseconds stand in the part of a large inode.
        let moment = |at: usize, more: usize| {
            let seconds = i64::from(le32(raw, at) as i32);
            let more = if extra + 128 >= more + 4 { le32(raw, more) } else { 0 };
            (seconds + (i64::from(more & 3) << 32), (more >> 2).min(999_999_999))
        };
        let modified = moment(0x10, 0x88);
        let changed = moment(0xc, 0x84);
        let born = if extra >= 24 { moment(0x90, 0x94) } else { changed };
        let metadata = Metadata {
            inode: Inode(u64::from(number)),
            kind,
            len: join(le32(raw, 0x6c), le32(raw, 0x4)),
            mode: mode & 0o7777,
            uid: u32::from(le16(raw, 0x78)) << 16 | u32::from(le16(raw, 0x2)),
            gid: u32::from(le16(raw, 0x7a)) << 16 | u32::from(le16(raw, 0x18)),
            mtime: modified.0,
            format: mode & 0o170_000,
            links: u32::from(le16(raw, 0x1a)),
            device: if kind == Kind::Special { device(&root) } else { (0, 0) },
            blocks: blocks(superblock, raw, flags),
            times: Times { accessed: moment(0x8, 0x8c), modified, changed, born },
        };
        if metadata.len > i64::MAX as u64 {
            return Err(Error::corrupt("ext4 file length", metadata.len));
        }
        Ok(Self { metadata, root, has_extents: flags & FLAG_EXTENTS != 0, seed, flags })
    }

    /// Fails if the data is stored in a way that is not supported.
    pub(super) fn check_readable(&self) -> Result<()> {
        if self.flags & FLAG_ENCRYPTED != 0 {
            return Err(Error::Unsupported { feature: "encrypted ext4 inode", value: self.metadata.inode.0 });
        }
        if self.flags & FLAG_INLINE_DATA != 0 {
            return Err(Error::Unsupported {
                feature: "inline data of ext4 inode",
                value: self.metadata.inode.0,
            });
        }
        Ok(())
    }
}

/// The space taken, in units of 512 bytes.
fn blocks(superblock: &Superblock, raw: &[u8], flags: u32) -> u64 {
    let count = join(u32::from(le16(raw, 0x74)), le32(raw, 0x1c));
    let unit = if flags & FLAG_HUGE_FILE != 0 { superblock.block_size as u64 / 512 } else { 1 };
    count.saturating_mul(unit)
}

/// The device of a node: 8 bits for each number in the first word, or more of them in the second.
fn device(root: &[u8; 60]) -> (u32, u32) {
    match (le32(root, 0), le32(root, 4)) {
        (0, new) => ((new >> 8) & 0xfff, (new & 0xff) | ((new >> 12) & 0xf_ff00)),
        (old, _) => ((old >> 8) & 0xff, old & 0xff),
    }
}

/// The checksum is over the whole inode with its own two halves zero.
fn verify(seed: u32, raw: &[u8], has_high: bool, number: u32) -> Result<()> {
    let part = |from: usize, to: usize| raw.get(from..to).unwrap_or_default();
    let mut crc = crc32c(seed, part(0, 0x7c));
    crc = crc32c(crc, &[0, 0]);
    let mut stored = u32::from(le16(raw, 0x7c));
    if has_high {
        crc = crc32c(crc, part(0x7e, 0x82));
        crc = crc32c(crc, &[0, 0]);
        crc = crc32c(crc, part(0x84, raw.len()));
        stored |= u32::from(le16(raw, 0x82)) << 16;
    } else {
        crc = crc32c(crc, part(0x7e, raw.len())) & 0xffff;
    }
    if crc != stored {
        return Err(Error::corrupt("ext4 checksum of inode", number));
    }
    Ok(())
}
