//! Directories: every block is a list of records, hashed directories included (their index blocks look like
//! one empty record), so a walk over all blocks finds every name.

use super::{crc::crc32c, inode::InodeData, map, volume::Volume};
use crate::{
    BlockRead, DirVisitor, Error, Inode, Kind, Result,
    bytes::{le16, le32},
};
use core::ops::ControlFlow;

const HEADER: usize = 8;
/// The record of a checksum at the end of a block: no inode, 12 bytes, no name, type 0xde.
const TAIL: usize = 12;
const TAIL_MARK: [u8; 8] = [0, 0, 0, 0, 12, 0, 0, 0xde];

/// Visits every name but `.` and `..`.
pub(super) fn visit<D: BlockRead>(
    volume: &Volume<D>,
    inode: &InodeData,
    visitor: &mut DirVisitor<'_>,
) -> Result<()> {
    let size = volume.superblock.block_size as u64;
    let blocks = inode.metadata.len / size;
    if blocks > volume.superblock.blocks {
        return Err(Error::corrupt("ext4 directory length", inode.metadata.len));
    }
    let mut block = 0;
    while block < blocks {
        let run = map::find(volume, inode, block)?;
        let Some(start) = run.start else {
            return Err(Error::corrupt("ext4 hole in directory", inode.metadata.inode.0));
        };
        let in_run = run.blocks.min(blocks - block);
        for index in 0..in_run {
            let data = volume.read_block(start + index)?;
            if volume.superblock.has_checksums {
                verify(inode, &data)?;
            }
            if visit_block(&data, visitor)?.is_break() {
                return Ok(());
            }
        }
        block += in_run;
    }
    Ok(())
}

fn verify(inode: &InodeData, data: &[u8]) -> Result<()> {
    let Some((covered, tail)) = data.split_at_checked(data.len().saturating_sub(TAIL)) else {
        return Ok(());
    };
    // Index blocks of a hashed directory have no such tail.
    if tail.starts_with(&TAIL_MARK) && crc32c(inode.seed, covered) != le32(tail, HEADER) {
        return Err(Error::corrupt("ext4 checksum of a block of directory", inode.metadata.inode.0));
    }
    Ok(())
}

fn visit_block(data: &[u8], visitor: &mut DirVisitor<'_>) -> Result<ControlFlow<()>> {
    let mut at = 0;
    while at + HEADER <= data.len() {
        let number = le32(data, at);
        let record_len = match usize::from(le16(data, at + 4)) {
            // 64 KiB do not fit in 16 bits.
            0 | 0xffff if data.len() == 1 << 16 => data.len() - at,
            len => len,
        };
        let name_len = usize::from(data[at + 6]);
        let kind = data[at + 7];
        if record_len < HEADER || !record_len.is_multiple_of(4) || at + record_len > data.len() {
            return Err(Error::corrupt("ext4 directory record length", record_len));
        }
        if number != 0 {
            let Some(name) = data[at + HEADER..at + record_len].get(..name_len) else {
                return Err(Error::corrupt("ext4 directory name length", name_len));
            };
            if name.is_empty() || name.iter().any(|byte| matches!(byte, 0 | b'/')) {
                return Err(Error::corrupt("ext4 directory name at offset", at));
            }
            if name != b"." && name != b".." {
                let flow = visitor(name, Inode(u64::from(number)), kind_of(kind));
                if flow.is_break() {
                    return Ok(flow);
                }
            }
        }
        at += record_len;
    }
    Ok(ControlFlow::Continue(()))
}

fn kind_of(stored: u8) -> Option<Kind> {
    match stored {
        1 => Some(Kind::File),
        2 => Some(Kind::Directory),
        3..=6 => Some(Kind::Special),
        7 => Some(Kind::Symlink),
        _ => None,
    }
}
