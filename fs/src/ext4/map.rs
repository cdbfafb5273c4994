//! Where on the device the blocks of a file lie: extent trees (ext4) and block pointers (ext2, ext3).

use super::{crc::crc32c, inode::InodeData, volume::Volume};
use crate::{
    BlockRead, Error, Result,
    bytes::{join, le16, le32},
};
use alloc::vec::Vec;

const EXTENT_MAGIC: u16 = 0xf30a;
const ENTRY: usize = 12;
const DEPTH_MAX: u16 = 5;
/// An extent longer than this is allocated but not written: it reads as zeros.
const WRITTEN_MAX: u16 = 0x8000;
/// Pointers looked at in one step when runs of an ext2 file are joined.
const POINTERS: usize = 64;

/// Consecutive blocks of a file that lie together on the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// The first block, or `None` for a hole.
    pub(super) start: Option<u64>,
    /// How many blocks; at least one.
    pub(super) blocks: u64,
}

impl Run {
    fn hole(blocks: u64) -> Self {
        Self { start: None, blocks: blocks.max(1) }
    }
}

/// Finds the run that begins with block `block` of the file.
pub(super) fn find<D: BlockRead>(volume: &Volume<D>, inode: &InodeData, block: u64) -> Result<Run> {
    inode.check_readable()?;
    let run = if inode.has_extents { extent(volume, inode, block)? } else { pointer(volume, inode, block)? };
    if let Some(start) = run.start {
        let end = start.checked_add(run.blocks);
        if start == 0 || end.is_none_or(|end| end > volume.superblock.blocks) {
            return Err(Error::corrupt("ext4 block outside the file system", start));
        }
    }
    Ok(run)
}

fn extent<D: BlockRead>(volume: &Volume<D>, inode: &InodeData, block: u64) -> Result<Run> {
    let Ok(wanted) = u32::try_from(block) else {
        return Err(Error::corrupt("ext4 file block", block));
    };
    let mut node: Vec<u8> = inode.root.to_vec();
    let mut depth = check_node(&node, None)?;
    // The first file block that certainly is described elsewhere in the tree.
    let mut limit = 1u64 << 32;
    loop {
        let count = usize::from(le16(&node, 2));
        let first_block = |index: usize| le32(&node, ENTRY * (index + 1));
        let after = partition(count, |index| first_block(index) <= wanted);
        if after < count {
            limit = limit.min(u64::from(first_block(after)));
        }
        let hole = Run::hole(limit.saturating_sub(block));
        let Some(index) = after.checked_sub(1) else { return Ok(hole) };
        let entry = node.get(ENTRY * (index + 1)..ENTRY * (index + 2)).unwrap_or_default();
        if depth == 0 {
            let len = le16(entry, 4);
            let is_written = len <= WRITTEN_MAX;
            let len = u64::from(if is_written { len } else { len - WRITTEN_MAX });
            let into = block - u64::from(le32(entry, 0));
            if into >= len {
                return Ok(hole);
            }
            let start = join(u32::from(le16(entry, 6)), le32(entry, 8)) + into;
            return Ok(Run { start: is_written.then_some(start), blocks: len - into });
        }
        let child = join(u32::from(le16(entry, 8)), le32(entry, 4));
        node = volume.read_block(child)?;
        depth = check_node(&node, Some(depth - 1))?;
        if volume.superblock.has_checksums {
            let tail = ENTRY * (usize::from(le16(&node, 4)) + 1);
            let Some(covered) = node.get(..tail).filter(|_| tail + 4 <= node.len()) else {
                return Err(Error::corrupt("ext4 extent node size", tail));
            };
            if crc32c(inode.seed, covered) != le32(&node, tail) {
                return Err(Error::corrupt("ext4 checksum of extent block", child));
            }
        }
    }
}

/// Checks the header of an extent node and returns its depth.
fn check_node(node: &[u8], expected_depth: Option<u16>) -> Result<u16> {
    if le16(node, 0) != EXTENT_MAGIC {
        return Err(Error::corrupt("ext4 extent node magic", le16(node, 0)));
    }
    let (count, max, depth) = (le16(node, 2), le16(node, 4), le16(node, 6));
    if count > max || (usize::from(max) + 1) * ENTRY > node.len() {
        return Err(Error::corrupt("ext4 extent node entries", count));
    }
    if depth > DEPTH_MAX || expected_depth.is_some_and(|expected| expected != depth) {
        return Err(Error::corrupt("ext4 extent tree depth", depth));
    }
    Ok(depth)
}

/// How many leading indices satisfy `is_before`, given that they come first.
fn partition(count: usize, is_before: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = (low + high) / 2;
        if is_before(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

fn pointer<D: BlockRead>(volume: &Volume<D>, inode: &InodeData, block: u64) -> Result<Run> {
    const DIRECT: u64 = 12;
    if block < DIRECT {
        return Ok(join_pointers(&inode.root[4 * block as usize..48]));
    }
    let per_block = (volume.superblock.block_size / 4) as u64;
    let mut rest = block - DIRECT;
    let mut span = per_block;
    let mut level = 0;
    while rest >= span {
        rest -= span;
        level += 1;
        if level == 3 {
            return Err(Error::corrupt("ext2 file block", block));
        }
        span *= per_block;
    }
    let mut table = u64::from(le32(&inode.root, 48 + 4 * level));
    loop {
        // `span` blocks hang below `table`; each of its pointers leads to `below` of them.
        let below = span / per_block;
        if table == 0 {
            return Ok(Run::hole(span - rest));
        }
        let offset = (rest / below) as usize * 4;
        if below == 1 {
            let mut pointers = [0; 4 * POINTERS];
            let len = pointers.len().min(volume.superblock.block_size - offset);
            volume.read_in_block(table, offset, &mut pointers[..len])?;
            return Ok(join_pointers(&pointers[..len]));
        }
        let mut next = [0; 4];
        volume.read_in_block(table, offset, &mut next)?;
        table = u64::from(u32::from_le_bytes(next));
        rest %= below;
        span = below;
    }
}

/// The run that the first of these pointers begins.
fn join_pointers(pointers: &[u8]) -> Run {
    let first = le32(pointers, 0);
    let mut blocks = 1;
    while (blocks as usize) < pointers.len() / 4 {
        let expected = if first == 0 { 0 } else { first.wrapping_add(blocks) };
        if le32(pointers, 4 * blocks as usize) != expected {
            break;
        }
        blocks += 1;
    }
    Run { start: (first != 0).then_some(u64::from(first)), blocks: u64::from(blocks) }
}
