//! Read-only ext2, ext3 and ext4.
//!
//! [`Ext4`] is the [`FileSystem`]; below it `volume` (blocks, inodes, cache), `map` (extents and pointers),
//! `dir`, `journal` (replay in memory of what a crash left), `superblock`, `crc`.
//!
//! Why not the `ext4-view` crate, which the tests compare with: it hands out no block map, so that every
//! block is copied through its own cache; it holds a `RefCell` borrow while it reads the device, which panics
//! when a second thread comes along; it reads allocated but unwritten extents as data; and a broken extent
//! tree makes a read after a seek panic.

mod crc;
mod dir;
mod inode;
mod journal;
mod map;
mod names;
pub(crate) mod superblock;
mod volume;

use crate::{
    BlockRead, Cache, CacheStats, DirVisitor, Error, FileSystem, Inode, Kind, Metadata, Result, Usage,
    filesystem::expect_file, path::PATH_MAX,
};
use alloc::vec::Vec;
use core::ops::ControlFlow;
use inode::InodeData;
use names::Names;
use volume::Volume;

/// Targets shorter than this stand in the inode.
const SHORT_LINK: u64 = 60;

/// A read-only ext2, ext3 or ext4 on a device behind a cache.
pub struct Ext4<D> {
    volume: Volume<D>,
    names: Names,
}

impl<D: BlockRead> Ext4<Cache<D>> {
    /// Mounts `device` with a cache of its own, of at most `cache_bytes`.
    pub fn mount(device: D, cache_bytes: usize) -> Result<Self> {
        Self::mount_cached(Cache::new(device, cache_bytes))
    }

    /// What the cache did so far.
    pub fn cache_stats(&self) -> CacheStats {
        self.volume.device.stats()
    }
}

impl<D: BlockRead> Ext4<D> {
    /// Mounts what `cached` holds: a [`Cache`], which others may use too. An unclean journal is replayed in memory.
    pub fn mount_cached(cached: D) -> Result<Self> {
        let volume = Volume::open(cached)?;
        let this = Self { volume, names: Names::new() };
        let root = this.volume.inode(inode::ROOT)?;
        if root.metadata.kind != Kind::Directory {
            return Err(Error::corrupt("ext4 root is no directory; mode", root.metadata.mode));
        }
        Ok(this)
    }

    fn directory(&self, dir: Inode) -> Result<alloc::sync::Arc<InodeData>> {
        let inode = self.volume.inode(dir)?;
        match inode.metadata.kind {
            Kind::Directory => Ok(inode),
            _ => Err(Error::not_a_directory(b"")),
        }
    }

    /// Reads the data of any inode that has some.
    fn read_data(&self, inode: &InodeData, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let size = self.volume.superblock.block_size as u64;
        let left = inode.metadata.len.saturating_sub(offset);
        let len = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len());
        let mut done = 0;
        while done < len {
            let at = offset + done as u64;
            let within = at % size;
            let run = map::find(&self.volume, inode, at / size)?;
            let run_bytes = run.blocks.saturating_mul(size) - within;
            let part = usize::try_from(run_bytes).unwrap_or(usize::MAX).min(len - done);
            let part = &mut buf[done..done + part];
            match run.start {
                Some(start) => self.volume.read_run(start, within, part)?,
                None => part.fill(0),
            }
            done += part.len();
        }
        Ok(len)
    }
}

impl<D: BlockRead> FileSystem for Ext4<D> {
    fn root(&self) -> Inode {
        inode::ROOT
    }

    fn lookup(&self, dir: Inode, name: &[u8]) -> Result<Inode> {
        if let Some(known) = self.names.get(dir, name) {
            return known.ok_or_else(|| Error::not_found(name));
        }
        let mut found = None;
        dir::visit(&self.volume, &*self.directory(dir)?, &mut |entry, inode, _| {
            if entry == name {
                found = Some(inode);
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })?;
        self.names.insert(dir, name, found);
        found.ok_or_else(|| Error::not_found(name))
    }

    fn metadata(&self, inode: Inode) -> Result<Metadata> {
        Ok(self.volume.inode(inode)?.metadata)
    }

    fn read_at(&self, inode: Inode, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let inode = self.volume.inode(inode)?;
        expect_file(&inode.metadata, b"")?;
        self.read_data(&inode, offset, buf)
    }

    fn read_dir(&self, dir: Inode, visit: &mut DirVisitor<'_>) -> Result<()> {
        dir::visit(&self.volume, &*self.directory(dir)?, visit)
    }

    fn usage(&self) -> Usage {
        let superblock = &self.volume.superblock;
        Usage {
            block_size: superblock.block_size as u32,
            blocks: superblock.blocks,
            free_blocks: superblock.free_blocks,
            inodes: u64::from(superblock.inodes),
            free_inodes: u64::from(superblock.free_inodes),
        }
    }

    fn read_link(&self, inode: Inode) -> Result<Vec<u8>> {
        let inode = self.volume.inode(inode)?;
        if inode.metadata.kind != Kind::Symlink {
            return Err(Error::NotASymlink { path: Default::default() });
        }
        let len = inode.metadata.len;
        let target = if len < SHORT_LINK {
            inode.root[..len as usize].to_vec()
        } else if len < PATH_MAX as u64 {
            let mut target = alloc::vec![0; len as usize];
            self.read_data(&inode, 0, &mut target)?;
            target
        } else {
            return Err(Error::corrupt("ext4 symbolic link length", len));
        };
        if target.is_empty() || target.contains(&0) {
            return Err(Error::corrupt("ext4 target of symbolic link", inode.metadata.inode.0));
        }
        Ok(target)
    }
}
