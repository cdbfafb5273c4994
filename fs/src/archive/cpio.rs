//! cpio in the newc format, as Linux unpacks an initramfs.
//!
//! Several archives may follow one another with zeros between. Names with the same inode number and more than
//! one link are one file, whose content stands at one of them.
//! Format: Linux, Documentation/driver-api/early-userspace/buffer-format.rst.

use super::tree::{Content, Entry, Tree, align, slice};
use crate::{Error, Inode, Kind, Result, path::PATH_MAX};
use alloc::collections::BTreeMap;

pub(super) const MAGIC: &[u8; 6] = b"070701";
pub(super) const MAGIC_SUM: &[u8; 6] = b"070702";
const HEADER: usize = 110;
/// What an archive may begin with that is packed: gzip, xz, zstd, LZ4.
const COMPRESSED: &[&[u8]] = &[b"\x1f\x8b", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"\x02\x21\x4c\x18"];
const TRAILER: &[u8] = b"TRAILER!!!";

/// The fields of a header.
struct Header {
    inode: u32,
    mode: u32,
    uid: u32,
    gid: u32,
    links: u32,
    mtime: u32,
    file_len: u32,
    device: (u32, u32),
    special: (u32, u32),
    name_len: u32,
    /// Sum of the content's bytes, where the format has one.
    sum: Option<u32>,
}

impl Header {
    fn parse(raw: &[u8], at: usize) -> Result<Self> {
        let sum = match raw.get(..6) {
            Some(magic) if magic == MAGIC => false,
            Some(magic) if magic == MAGIC_SUM => true,
            _ if COMPRESSED.iter().any(|mark| raw.starts_with(mark)) => {
                return Err(Error::Unsupported {
                    feature: "compressed part of cpio at offset",
                    value: at as u64,
                });
            }
            _ => return Err(Error::corrupt("cpio magic at offset", at)),
        };
        let field = |index: usize| {
            let digits = raw.get(6 + 8 * index..14 + 8 * index).unwrap_or_default();
            hex(digits).ok_or(Error::corrupt("cpio number at offset", at + 6 + 8 * index))
        };
        Ok(Self {
            inode: field(0)?,
            mode: field(1)?,
            uid: field(2)?,
            gid: field(3)?,
            links: field(4)?,
            mtime: field(5)?,
            file_len: field(6)?,
            device: (field(7)?, field(8)?),
            special: (field(9)?, field(10)?),
            name_len: field(11)?,
            sum: if sum { Some(field(12)?) } else { None },
        })
    }
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0u32, |value, digit| Some(value << 4 | (*digit as char).to_digit(16)?))
}

/// Indexes all archives in `data`.
pub(super) fn index(data: &[u8]) -> Result<Tree> {
    let mut tree = Tree::new(data.len());
    let mut linked: BTreeMap<((u32, u32), u32), Inode> = BTreeMap::new();
    let mut at = 0;
    loop {
        // Between archives, and behind the last one, there may be zeros.
        at += data.get(at..).unwrap_or_default().iter().take_while(|byte| **byte == 0).count();
        if at >= data.len() {
            return Ok(tree);
        }
        let header = Header::parse(slice(data, at, HEADER, "cpio ends within a header at offset")?, at)?;
        let name_len = header.name_len as usize;
        if name_len == 0 || name_len > PATH_MAX {
            return Err(Error::corrupt("cpio name length", name_len));
        }
        let name = slice(data, at + HEADER, name_len, "cpio ends within a name at offset")?;
        let name = name.strip_suffix(b"\0").ok_or(Error::corrupt("cpio name without end at offset", at))?;
        let start = align(at + HEADER + name_len, 4);
        let content =
            slice(data, start, header.file_len as usize, "cpio ends within the file of the header at")?;
        let end = start + content.len();
        if name == TRAILER {
            linked.clear();
            at = end;
            continue;
        }
        if header
            .sum
            .is_some_and(|sum| sum != content.iter().fold(0u32, |sum, b| sum.wrapping_add(u32::from(*b))))
        {
            return Err(Error::corrupt("cpio checksum of the file at offset", at));
        }
        add(&mut tree, &mut linked, &header, name, start..end)?;
        at = align(end, 4).min(data.len());
    }
}

fn add(
    tree: &mut Tree,
    linked: &mut BTreeMap<((u32, u32), u32), Inode>,
    header: &Header,
    name: &[u8],
    range: core::ops::Range<usize>,
) -> Result<()> {
    let kind = Kind::from_mode(header.mode).ok_or(Error::corrupt("cpio file mode", header.mode))?;
    let entry = Entry {
        kind,
        mode: header.mode,
        uid: header.uid,
        gid: header.gid,
        mtime: i64::from(header.mtime),
        device: header.special,
    };
    let key = (header.device, header.inode);
    if kind == Kind::File && header.links > 1 {
        if let Some(known) = linked.get(&key) {
            if !range.is_empty() {
                tree.set_content(*known, Content::Bytes(range));
            }
            return tree.link(name, *known);
        }
        let inode = tree.add(name, &entry, Content::Bytes(range))?;
        linked.insert(key, inode);
        return Ok(());
    }
    tree.add(name, &entry, Content::Bytes(range)).map(drop)
}
