//! The journal (jbd2): what a crash left committed but not written to its place.
//!
//! Nothing is written: the replay gives a map from each block to its newest committed copy in the journal.
//! Layout: Linux, Documentation/filesystems/ext4/journal.rst. All of it is big-endian.

use super::{
    crc::crc32c,
    inode::InodeData,
    map,
    volume::{Replacement, Volume},
};
use crate::{
    BlockRead, Error, Inode, Result,
    bytes::{be32, join},
};
use alloc::{collections::BTreeMap, vec::Vec};

/// Blocks that are replayed or revoked, at most: what a log holds is kept in memory, at some 70 bytes each.
const REPLAY_LIMIT: usize = 32 * 1024;
pub(super) const MAGIC: u32 = 0xc03b_3998;

const DESCRIPTOR: u32 = 1;
const COMMIT: u32 = 2;
const REVOKE: u32 = 5;
const HEADER: usize = 12;

const INCOMPAT_64BIT: u32 = 0x2;
const INCOMPAT_CSUM_V2: u32 = 0x8;
const INCOMPAT_CSUM_V3: u32 = 0x10;
/// Revocation, 64 bit, asynchronous commits, checksums 2 and 3. (Fast commits are not.)
const INCOMPAT_KNOWN: u32 = 0x1f;

const TAG_ESCAPED: u32 = 1;
const TAG_SAME_UUID: u32 = 2;
const TAG_LAST: u32 = 8;

/// The journal's own superblock.
struct Journal {
    blocks: u32,
    first: u32,
    incompat: u32,
    seed: u32,
}

/// Reads the journal and returns where the newest copy of each block lies that it holds.
pub(super) fn replay<D: BlockRead>(volume: &Volume<D>) -> Result<BTreeMap<u64, Replacement>> {
    let number = volume.superblock.journal_inode;
    if number == 0 {
        return Err(Error::Unsupported { feature: "unclean ext4 with its journal elsewhere", value: 0 });
    }
    let inode = volume.inode(Inode(u64::from(number)))?;
    let head = read(volume, &inode, 0)?;
    if be32(&head, 0) != MAGIC {
        return Err(Error::corrupt("ext4 journal magic", be32(&head, 0)));
    }
    let is_version_2 = be32(&head, 4) == 4;
    let incompat = if is_version_2 { be32(&head, 0x28) } else { 0 };
    if incompat & !INCOMPAT_KNOWN != 0 {
        return Err(Error::Unsupported { feature: "ext4 journal feature", value: u64::from(incompat) });
    }
    let journal = Journal {
        blocks: be32(&head, 0x10),
        first: be32(&head, 0x14),
        incompat,
        seed: crc32c(!0, head.get(0x30..0x40).unwrap_or_default()),
    };
    let length = inode.metadata.len / volume.superblock.block_size as u64;
    if be32(&head, 0xc) as usize != volume.superblock.block_size
        || u64::from(journal.blocks) > length
        || journal.first == 0
        || journal.first >= journal.blocks
    {
        return Err(Error::corrupt("ext4 journal geometry; blocks", journal.blocks));
    }
    let start = be32(&head, 0x1c);
    if start == 0 {
        return Ok(BTreeMap::new());
    }
    if start < journal.first || start >= journal.blocks {
        return Err(Error::corrupt("ext4 journal start", start));
    }
    journal.walk(volume, &inode, start, be32(&head, 0x18))
}

/// Reads block `index` of the journal.
fn read<D: BlockRead>(volume: &Volume<D>, inode: &InodeData, index: u32) -> Result<Vec<u8>> {
    volume.read_block(locate(volume, inode, index)?)
}

fn locate<D: BlockRead>(volume: &Volume<D>, inode: &InodeData, index: u32) -> Result<u64> {
    map::find(volume, inode, u64::from(index))?
        .start
        .ok_or(Error::corrupt("ext4 hole in the journal at block", index))
}

/// What a transaction holds so far; it counts once its commit block is found.
#[derive(Default)]
struct Transaction {
    copies: Vec<(u64, Replacement)>,
    revoked: Vec<u64>,
}

impl Journal {
    fn has_checksums(&self) -> bool {
        self.incompat & (INCOMPAT_CSUM_V2 | INCOMPAT_CSUM_V3) != 0
    }

    /// Walks transaction after transaction until something is not the next part of the log.
    fn walk<D: BlockRead>(
        &self,
        volume: &Volume<D>,
        inode: &InodeData,
        start: u32,
        first_sequence: u32,
    ) -> Result<BTreeMap<u64, Replacement>> {
        let mut committed: Vec<Transaction> = Vec::new();
        let mut open = Transaction::default();
        let (mut at, mut sequence) = (start, first_sequence);
        let mut known = 0;
        let mut count = |more: usize| {
            known += more;
            if known > REPLAY_LIMIT {
                return Err(Error::Unsupported {
                    feature: "ext4 journal with more blocks to replay (run e2fsck) than",
                    value: REPLAY_LIMIT as u64,
                });
            }
            Ok(())
        };
        // The log is a ring: one round is the most that can be of this mount.
        let mut left = self.blocks - self.first;
        while left > 0 {
            let block = read(volume, inode, at)?;
            if be32(&block, 0) != MAGIC || be32(&block, 8) != sequence {
                break;
            }
            (at, left) = (self.after(at), left - 1);
            match be32(&block, 4) {
                DESCRIPTOR => {
                    if !self.tail_is_good(&block) {
                        break;
                    }
                    for (target, is_escaped) in self.tags(&block) {
                        if left == 0 {
                            return Err(Error::corrupt(
                                "ext4 journal transaction longer than the log",
                                sequence,
                            ));
                        }
                        if target >= volume.superblock.blocks {
                            return Err(Error::corrupt("ext4 journal block number", target));
                        }
                        count(1)?;
                        let block = locate(volume, inode, at)?;
                        open.copies.push((target, Replacement { block, is_escaped }));
                        (at, left) = (self.after(at), left - 1);
                    }
                }
                REVOKE => {
                    if !self.tail_is_good(&block) {
                        break;
                    }
                    let revoked = self.revoked(&block);
                    count(revoked.len())?;
                    open.revoked.extend(revoked);
                }
                COMMIT => {
                    if self.has_checksums() && !self.commit_is_good(&block) {
                        break;
                    }
                    committed.push(core::mem::take(&mut open));
                    sequence = sequence.wrapping_add(1);
                }
                _ => break,
            }
        }
        // A revocation cancels the copies of its own and all earlier transactions.
        let mut newest = BTreeMap::new();
        for transaction in committed {
            newest.extend(transaction.copies);
            for block in transaction.revoked {
                newest.remove(&block);
            }
        }
        Ok(newest)
    }

    fn after(&self, at: u32) -> u32 {
        if at + 1 >= self.blocks { self.first } else { at + 1 }
    }

    /// The last four bytes are a checksum over the block with themselves as zero.
    fn tail_is_good(&self, block: &[u8]) -> bool {
        let (covered, tail) = block.split_at(block.len() - 4);
        !self.has_checksums() || crc32c(crc32c(self.seed, covered), &[0; 4]) == be32(tail, 0)
    }

    fn commit_is_good(&self, block: &[u8]) -> bool {
        let (before, rest) = block.split_at(0x10);
        let (stored, after) = rest.split_at(4);
        crc32c(crc32c(crc32c(self.seed, before), &[0; 4]), after) == be32(stored, 0)
    }

    /// The blocks that a descriptor block names, and whether each was escaped.
    fn tags(&self, block: &[u8]) -> Vec<(u64, bool)> {
        let is_64 = self.incompat & INCOMPAT_64BIT != 0;
        let is_v3 = self.incompat & INCOMPAT_CSUM_V3 != 0;
        let is_v2 = self.incompat & INCOMPAT_CSUM_V2 != 0;
        let tag_len = if is_v3 { 16 } else { 8 + if is_v2 { 2 } else { 0 } + if is_64 { 4 } else { 0 } };
        let end = block.len() - if self.has_checksums() { 4 } else { 0 };
        let mut at = HEADER;
        let mut tags = Vec::new();
        while at + tag_len <= end {
            let flags = if is_v3 { be32(block, at + 4) } else { be32(block, at + 4) & 0xffff };
            let high = if is_64 { be32(block, at + 8) } else { 0 };
            tags.push((join(high, be32(block, at)), flags & TAG_ESCAPED != 0));
            if flags & TAG_LAST != 0 {
                break;
            }
            at += tag_len + if flags & TAG_SAME_UUID == 0 { 16 } else { 0 };
        }
        tags
    }

    fn revoked(&self, block: &[u8]) -> Vec<u64> {
        let is_64 = self.incompat & INCOMPAT_64BIT != 0;
        let end = (be32(block, HEADER) as usize).min(block.len());
        let Some(list) = block.get(HEADER + 4..end) else { return Vec::new() };
        list.chunks_exact(if is_64 { 8 } else { 4 })
            .map(|entry| if is_64 { join(be32(entry, 0), be32(entry, 4)) } else { u64::from(be32(entry, 0)) })
            .collect()
    }
}
