//! The superblock: geometry and features, checked before anything relies on them.
//!
//! Layout: Linux, Documentation/filesystems/ext4/super.rst.

use super::crc::crc32c;
use crate::{
    Error, Result,
    bytes::{join, le16, le32},
};

/// Where it lies on the device, and how long it is.
pub(crate) const OFFSET: u64 = 1024;
pub(crate) const LEN: usize = 1024;
const MAGIC: u16 = 0xef53;

mod incompat {
    pub(super) const RECOVER: u32 = 0x4;
    pub(super) const META_BG: u32 = 0x10;
    pub(super) const BITS_64: u32 = 0x80;
    pub(super) const CSUM_SEED: u32 = 0x2000;
    /// File types, recovery, meta groups, extents, 64 bit, multi-mount protection, flexible groups,
    /// attributes in inodes, checksum seed, large directories, inline data, encryption, case folding. The
    /// last three are refused where an inode uses them.
    pub(super) const KNOWN: u32 = 0x2 | 0x4 | 0x10 | 0x40 | 0x80 | 0x100 | 0x200 | 0x400 | 0x2000 | 0x3_c000;
}
const RO_COMPAT_METADATA_CSUM: u32 = 0x400;
const COMPAT_HAS_JOURNAL: u32 = 0x4;

/// What of the superblock is needed later.
#[derive(Clone, Debug)]
pub(super) struct Superblock {
    pub(super) block_size: usize,
    pub(super) blocks: u64,
    pub(super) first_data_block: u64,
    pub(super) blocks_per_group: u32,
    pub(super) inodes: u32,
    pub(super) inodes_per_group: u32,
    pub(super) inode_size: usize,
    pub(super) descriptor_size: usize,
    /// First group whose descriptor lies in its own meta group.
    pub(super) first_meta_group: Option<u32>,
    pub(super) has_checksums: bool,
    pub(super) checksum_seed: u32,
    pub(super) needs_recovery: bool,
    pub(super) journal_inode: u32,
    pub(super) free_blocks: u64,
    pub(super) free_inodes: u32,
}

/// Whether `data`, the device from [`OFFSET`], looks like a superblock.
pub(crate) fn is_superblock(data: &[u8]) -> bool {
    le16(data, 0x38) == MAGIC
}

impl Superblock {
    pub(super) fn parse(data: &[u8], device_bytes: u64) -> Result<Self> {
        if !is_superblock(data) {
            return Err(Error::corrupt("ext4 superblock magic", le16(data, 0x38)));
        }
        let incompat = le32(data, 0x60);
        let ro_compat = le32(data, 0x64);
        if incompat & !incompat::KNOWN != 0 {
            return Err(Error::Unsupported {
                feature: "incompatible ext4 feature",
                value: u64::from(incompat & !incompat::KNOWN),
            });
        }
        let has_checksums = ro_compat & RO_COMPAT_METADATA_CSUM != 0;
        if has_checksums && crc32c(!0, data.get(..1020).unwrap_or_default()) != le32(data, 1020) {
            return Err(Error::corrupt("ext4 superblock checksum", le32(data, 1020)));
        }
        let log_block_size = le32(data, 0x18);
        if log_block_size > 6 {
            return Err(Error::corrupt("ext4 block size exponent", log_block_size));
        }
        let block_size = 1024usize << log_block_size;
        let is_64 = incompat & incompat::BITS_64 != 0;
        let blocks = join(if is_64 { le32(data, 0x150) } else { 0 }, le32(data, 0x4));
        if blocks == 0 || blocks > device_bytes / block_size as u64 {
            return Err(Error::corrupt("ext4 is larger than its device; blocks", blocks));
        }
        let inode_size = if le32(data, 0x4c) == 0 { 128 } else { usize::from(le16(data, 0x58)) };
        if !inode_size.is_power_of_two() || !(128..=block_size).contains(&inode_size) {
            return Err(Error::corrupt("ext4 inode size", inode_size));
        }
        let descriptor_size = if is_64 { usize::from(le16(data, 0xfe)) } else { 32 };
        if !descriptor_size.is_power_of_two() || !(32..=block_size).contains(&descriptor_size) {
            return Err(Error::corrupt("ext4 group descriptor size", descriptor_size));
        }
        let blocks_per_group = le32(data, 0x20);
        let inodes_per_group = le32(data, 0x28);
        if blocks_per_group == 0 || inodes_per_group == 0 {
            return Err(Error::corrupt("ext4 group of no blocks or inodes", blocks_per_group));
        }
        let checksum_seed = if incompat & incompat::CSUM_SEED != 0 {
            le32(data, 0x270)
        } else {
            crc32c(!0, data.get(0x68..0x78).unwrap_or_default())
        };
        let has_journal = le32(data, 0x5c) & COMPAT_HAS_JOURNAL != 0;
        Ok(Self {
            block_size,
            blocks,
            first_data_block: u64::from(le32(data, 0x14)),
            blocks_per_group,
            inodes: le32(data, 0x0),
            inodes_per_group,
            inode_size,
            descriptor_size,
            first_meta_group: (incompat & incompat::META_BG != 0).then(|| le32(data, 0x104)),
            has_checksums,
            checksum_seed,
            free_blocks: join(if is_64 { le32(data, 0x158) } else { 0 }, le32(data, 0xc)),
            free_inodes: le32(data, 0x10),
            needs_recovery: incompat & incompat::RECOVER != 0,
            journal_inode: if has_journal { le32(data, 0xe0) } else { 0 },
        })
    }

    /// The block and the offset in it of the descriptor of `group`.
    pub(super) fn descriptor_at(&self, group: u32) -> (u64, usize) {
        let per_block = (self.block_size / self.descriptor_size) as u32;
        let index = group / per_block;
        let offset = (group % per_block) as usize * self.descriptor_size;
        let block = match self.first_meta_group {
            // Every block of descriptors starts the meta group it describes, behind a superblock copy if any.
            Some(first) if index >= first => {
                let group = index.saturating_mul(per_block);
                let start = u64::from(group) * u64::from(self.blocks_per_group) + self.first_data_block;
                start + u64::from(Self::has_backup(group))
            }
            _ => self.first_data_block + 1 + u64::from(index),
        };
        (block, offset)
    }

    /// Whether `group` has a copy of the superblock: 0, 1 and the powers of 3, 5 and 7.
    fn has_backup(group: u32) -> bool {
        let is_power = |base: u32| {
            let mut power = base;
            while power < group {
                power = power.saturating_mul(base);
            }
            power == group
        };
        group <= 1 || is_power(3) || is_power(5) || is_power(7)
    }
}
