//! The volume: blocks through the journal and the cache, group descriptors, inodes.

use super::{crc::crc32c, inode::InodeData, journal, superblock, superblock::Superblock};
use crate::{
    BlockRead, Error, Inode, Result,
    bytes::{join, le16, le32},
};
use alloc::{collections::BTreeMap, sync::Arc, vec, vec::Vec};
use spin::Mutex;

/// How many parsed inodes are kept.
const INODES_KEPT: usize = 128;

/// Where the newest copy of a block lies that an unfinished journal holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Replacement {
    pub(super) block: u64,
    /// The journal zeroed its first four bytes because they looked like the journal's magic.
    pub(super) is_escaped: bool,
}

pub(super) struct Volume<D> {
    /// Behind a cache.
    pub(super) device: D,
    pub(super) superblock: Superblock,
    pub(super) replaced: BTreeMap<u64, Replacement>,
    inodes: Mutex<BTreeMap<u32, Arc<InodeData>>>,
}

impl<D: BlockRead> Volume<D> {
    pub(super) fn open(device: D) -> Result<Self> {
        let mut raw = [0; superblock::LEN];
        device.read(superblock::OFFSET, &mut raw)?;
        let superblock = Superblock::parse(&raw, device.size_bytes())?;
        let mut volume =
            Self { device, superblock, replaced: BTreeMap::new(), inodes: Mutex::new(BTreeMap::new()) };
        if volume.superblock.needs_recovery {
            volume.replaced = journal::replay(&volume)?;
            volume.inodes.lock().clear();
            // The journal may hold a newer superblock too.
            let block = superblock::OFFSET / volume.superblock.block_size as u64;
            if volume.replaced.contains_key(&block) {
                let within = (superblock::OFFSET % volume.superblock.block_size as u64) as usize;
                volume.read_in_block(block, within, &mut raw)?;
                volume.superblock = Superblock::parse(&raw, volume.device.size_bytes())?;
            }
        }
        Ok(volume)
    }

    /// Reads bytes that lie within one block.
    pub(super) fn read_in_block(&self, block: u64, offset: usize, buf: &mut [u8]) -> Result<()> {
        let replacement = self.replaced.get(&block).copied();
        let block = replacement.map_or(block, |replacement| replacement.block);
        if block >= self.superblock.blocks {
            return Err(Error::corrupt("ext4 block outside the file system", block));
        }
        self.device.read(block * self.superblock.block_size as u64 + offset as u64, buf)?;
        if replacement.is_some_and(|replacement| replacement.is_escaped) {
            for (index, byte) in journal::MAGIC.to_be_bytes().into_iter().enumerate().skip(offset) {
                if let Some(place) = buf.get_mut(index - offset) {
                    *place = byte;
                }
            }
        }
        Ok(())
    }

    pub(super) fn read_block(&self, block: u64) -> Result<Vec<u8>> {
        let mut data = vec![0; self.superblock.block_size];
        self.read_in_block(block, 0, &mut data)?;
        Ok(data)
    }

    /// Reads `buf` from `offset` bytes into the run of `blocks` that starts at `start`: in one piece if no
    /// block of it is replaced.
    pub(super) fn read_run(&self, start: u64, offset: u64, buf: &mut [u8]) -> Result<()> {
        let size = self.superblock.block_size as u64;
        let first = start + offset / size;
        let end = (start * size + offset + buf.len() as u64).div_ceil(size);
        if self.replaced.range(first..end).next().is_none() {
            return Ok(self.device.read(start * size + offset, buf)?);
        }
        let mut done = 0;
        while done < buf.len() {
            let at = offset + done as u64;
            let within = (at % size) as usize;
            let len = (size as usize - within).min(buf.len() - done);
            self.read_in_block(start + at / size, within, &mut buf[done..done + len])?;
            done += len;
        }
        Ok(())
    }

    /// The inode with this number, from memory or from disk.
    pub(super) fn inode(&self, inode: Inode) -> Result<Arc<InodeData>> {
        let number = u32::try_from(inode.0)
            .ok()
            .filter(|number| (1..=self.superblock.inodes).contains(number))
            .ok_or(Error::corrupt("ext4 inode number", inode.0))?;
        if let Some(known) = self.inodes.lock().get(&number) {
            return Ok(known.clone());
        }
        let superblock = &self.superblock;
        let (group, index) =
            ((number - 1) / superblock.inodes_per_group, (number - 1) % superblock.inodes_per_group);
        let at = u64::from(index) * superblock.inode_size as u64;
        let block = self
            .inode_table(group)?
            .checked_add(at / superblock.block_size as u64)
            .ok_or(Error::corrupt("ext4 inode table of group", group))?;
        let mut raw = vec![0; superblock.inode_size];
        self.read_in_block(block, (at % superblock.block_size as u64) as usize, &mut raw)?;
        let data = Arc::new(InodeData::parse(superblock, number, &raw)?);
        let mut inodes = self.inodes.lock();
        if inodes.len() >= INODES_KEPT {
            // Any victim will do: drop the one at a changing place, so that no order of use is the worst.
            let victim = inodes.range(number..).next().or(inodes.iter().next()).map(|(known, _)| *known);
            victim.map(|victim| inodes.remove(&victim));
        }
        inodes.insert(number, data.clone());
        Ok(data)
    }

    /// The first block of the inode table of `group`.
    fn inode_table(&self, group: u32) -> Result<u64> {
        let superblock = &self.superblock;
        let (block, offset) = superblock.descriptor_at(group);
        let mut raw = vec![0; superblock.descriptor_size];
        self.read_in_block(block, offset, &mut raw)?;
        if superblock.has_checksums {
            let mut crc = crc32c(superblock.checksum_seed, &group.to_le_bytes());
            crc = crc32c(crc, &raw[..0x1e]);
            crc = crc32c(crc, &[0, 0]);
            crc = crc32c(crc, &raw[0x20..]);
            if crc as u16 != le16(&raw, 0x1e) {
                return Err(Error::corrupt("ext4 checksum of group descriptor", group));
            }
        }
        Ok(join(if raw.len() >= 64 { le32(&raw, 0x28) } else { 0 }, le32(&raw, 0x8)))
    }
}
