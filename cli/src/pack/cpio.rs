//! A root as an initramfs: cpio in the newc format, not compressed, in which the content of every file of a page or more starts at
//! a multiple of 4096 bytes from the archive's start.
//!
//! Xen puts a ramdisk on a page boundary, so the guest can map whole pages of such a file where they lie, without a copy; the last
//! page of a file is followed by other bytes and has to be copied. What moves a file to its boundary is what
//! Documentation/driver-api/early-userspace/buffer-format.rst allows between archives: a trailer, zeros, and a new archive. So
//! Linux takes it as well.

use std::io::{Result, Write};

use super::tree::{Kind, Node, Tree};

const PAGE: u64 = 4096;
const HEADER: u64 = 110;
const TRAILER: &str = "TRAILER!!!";

/// Writes `tree` to `out`; all times that no node tells are `time`.
pub fn write(tree: &Tree, time: u64, out: &mut impl Write) -> Result<()> {
    let mut writer = Writer { out, at: 0 };
    for (number, (path, node)) in (1..).zip(tree.iter()) {
        writer.node(number, path, node, time)?;
    }
    writer.trailer()
}

struct Writer<'a, W> {
    out: &'a mut W,
    at: u64,
}

impl<W: Write> Writer<'_, W> {
    fn node(&mut self, number: u32, path: &str, node: &Node, time: u64) -> Result<()> {
        let (kind, content) = match &node.kind {
            Kind::Directory => (0o040_000, Vec::new().into()),
            Kind::Symlink(target) => (0o120_000, target.as_bytes().into()),
            Kind::File(data) => (0o100_000, data.read()?),
        };
        let len = content.len() as u64;
        if kind == 0o100_000 && len >= PAGE {
            let start = |at: u64| (at + HEADER + path.len() as u64 + 1).next_multiple_of(4);
            if !start(self.at).is_multiple_of(PAGE) {
                self.trailer()?;
                let start = start(self.at);
                self.zeros(start.next_multiple_of(PAGE) - start)?;
            }
        }
        let mtime = node.mtime.unwrap_or(time);
        self.header(number, kind | node.mode, (node.uid, node.gid), mtime, len, path)?;
        self.bytes(&content)?;
        self.align()
    }

    fn trailer(&mut self) -> Result<()> {
        self.header(0, 0, (0, 0), 0, 0, TRAILER)
    }

    fn header(
        &mut self,
        inode: u32,
        mode: u32,
        owner: (u32, u32),
        mtime: u64,
        len: u64,
        name: &str,
    ) -> Result<()> {
        let len = u32::try_from(len).map_err(|_| {
            std::io::Error::other(format!("{name}: {len} bytes are more than a cpio archive can hold"))
        })?;
        let mtime = u32::try_from(mtime).unwrap_or(u32::MAX);
        let name_len = name.len() as u32 + 1;
        let links = 1;
        let fields = [inode, mode, owner.0, owner.1, links, mtime, len, 0, 0, 0, 0, name_len, 0];
        let mut header = String::from("070701");
        for field in fields {
            header += &format!("{field:08x}");
        }
        self.bytes(header.as_bytes())?;
        self.bytes(name.as_bytes())?;
        self.bytes(&[0])?;
        self.align()
    }

    fn align(&mut self) -> Result<()> {
        self.zeros(self.at.next_multiple_of(4) - self.at)
    }

    fn zeros(&mut self, count: u64) -> Result<()> {
        let zeros = [0; PAGE as usize];
        self.bytes(&zeros[..count as usize])
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.at += bytes.len() as u64;
        self.out.write_all(bytes)
    }
}
