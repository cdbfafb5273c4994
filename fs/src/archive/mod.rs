//! Archives in memory as file systems: an initramfs (cpio, newc) or a tar file.
//!
//! [`Archive`] indexes the names once; the content of files stays where it is. `tree` holds the index, `cpio`
//! and `tar` fill it.

mod cpio;
mod tar;
mod tree;

use crate::{
    DirVisitor, Error, FileSystem, Inode, Kind, Metadata, Result, Usage, filesystem::expect_file,
    path::PATH_MAX, probe,
};
use alloc::{sync::Arc, vec::Vec};
use tree::{Content, Node, Tree};

/// Whether `head` begins a cpio archive.
pub(crate) fn cpio_magic(head: &[u8]) -> bool {
    head.starts_with(cpio::MAGIC) || head.starts_with(cpio::MAGIC_SUM)
}

/// Whether `head` begins a tar archive.
pub(crate) fn tar_header(head: &[u8]) -> bool {
    tar::is_header(head)
}

/// The bytes of an archive.
#[derive(Clone, Debug)]
pub enum ArchiveBytes {
    /// Bytes that are always there, such as a boot module.
    Static(&'static [u8]),
    /// Bytes that were read from somewhere.
    Shared(Arc<[u8]>),
}

impl AsRef<[u8]> for ArchiveBytes {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Static(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
}

impl From<&'static [u8]> for ArchiveBytes {
    fn from(bytes: &'static [u8]) -> Self {
        Self::Static(bytes)
    }
}

impl From<Arc<[u8]>> for ArchiveBytes {
    fn from(bytes: Arc<[u8]>) -> Self {
        Self::Shared(bytes)
    }
}

/// A cpio or tar archive as a read-only file system.
pub struct Archive {
    bytes: ArchiveBytes,
    tree: Tree,
}

impl Archive {
    /// Indexes an archive of either format, told apart by content.
    pub fn open(bytes: impl Into<ArchiveBytes>) -> Result<Self> {
        let bytes = bytes.into();
        match probe::archive(bytes.as_ref()) {
            Some(probe::Found::Cpio) => Self::open_cpio(bytes),
            Some(probe::Found::Tar) => Self::open_tar(bytes),
            _ => Err(Error::UnknownFileSystem { found: probe::describe(bytes.as_ref()) }),
        }
    }

    /// Indexes a cpio archive in the newc format.
    pub fn open_cpio(bytes: impl Into<ArchiveBytes>) -> Result<Self> {
        let bytes = bytes.into();
        let tree = cpio::index(bytes.as_ref())?;
        Ok(Self { bytes, tree })
    }

    /// Indexes a tar archive (ustar, GNU or pax).
    pub fn open_tar(bytes: impl Into<ArchiveBytes>) -> Result<Self> {
        let bytes = bytes.into();
        let tree = tar::index(bytes.as_ref())?;
        Ok(Self { bytes, tree })
    }

    fn node(&self, inode: Inode) -> Result<&Node> {
        self.tree.node(inode).ok_or(Error::corrupt("archive inode number", inode.0))
    }

    fn content<'a>(&'a self, node: &'a Node) -> &'a [u8] {
        match &node.content {
            Content::Bytes(range) => self.bytes.as_ref().get(range.clone()).unwrap_or_default(),
            Content::Text(text) => text,
            Content::Names(_) => &[],
        }
    }
}

impl FileSystem for Archive {
    fn root(&self) -> Inode {
        tree::ROOT
    }

    fn lookup(&self, dir: Inode, name: &[u8]) -> Result<Inode> {
        match &self.node(dir)?.content {
            Content::Names(names) => names.get(name).copied().ok_or_else(|| Error::not_found(name)),
            _ => Err(Error::not_a_directory(b"")),
        }
    }

    fn metadata(&self, inode: Inode) -> Result<Metadata> {
        let node = self.node(inode)?;
        let len = self.content(node).len() as u64;
        Ok(Metadata { inode, len, blocks: len.div_ceil(512), ..node.metadata })
    }

    fn read_at(&self, inode: Inode, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let node = self.node(inode)?;
        expect_file(&node.metadata, b"")?;
        let rest = usize::try_from(offset).ok().and_then(|offset| self.content(node).get(offset..));
        let rest = rest.unwrap_or_default();
        let len = rest.len().min(buf.len());
        buf[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }

    fn read_dir(&self, dir: Inode, visit: &mut DirVisitor<'_>) -> Result<()> {
        let Content::Names(names) = &self.node(dir)?.content else {
            return Err(Error::not_a_directory(b""));
        };
        for (name, inode) in names {
            let kind = self.node(*inode)?.metadata.kind;
            if visit(name, *inode, Some(kind)).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn read_link(&self, inode: Inode) -> Result<Vec<u8>> {
        let node = self.node(inode)?;
        if node.metadata.kind != Kind::Symlink {
            return Err(Error::NotASymlink { path: Default::default() });
        }
        let target = self.content(node);
        if target.is_empty() || target.len() > PATH_MAX || target.contains(&0) {
            return Err(Error::corrupt("archive symbolic link length", target.len()));
        }
        Ok(target.to_vec())
    }

    fn usage(&self) -> Usage {
        let (block_size, blocks) = (4096, (self.bytes.as_ref().len() as u64).div_ceil(4096));
        Usage { block_size, blocks, free_blocks: 0, inodes: self.tree.len() as u64, free_inodes: 0 }
    }

    fn bytes(&self, inode: Inode) -> Option<&[u8]> {
        let node = self.tree.node(inode)?;
        (node.metadata.kind == Kind::File).then(|| self.content(node))
    }
}
