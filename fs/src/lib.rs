//! Disks behind a page cache that is written too, and read-only file systems behind a small VFS.
//!
//! - [`BlockRead`] and [`BlockWrite`] are the seam to a disk; [`Cache`] stands between it and all who use it: reads ahead, writes back
//!   in order, gives memory back. [`BlockFile`] is a disk that somebody has open, with the errors that are news to it.
//! - [`FileSystem`] is what each file system offers: inodes, names, bytes. [`Ext4`] reads ext2/3/4 from a
//!   disk, [`Archive`] serves a cpio (newc) or tar image in memory, in place.
//! - [`Vfs`] joins file systems into one tree: mounts, `..`, symbolic links. [`File`] is an open file.
//! - [`probe`] and [`mount_device`] find out by content what a disk holds.
//!
//! Nothing here trusts the bytes it reads: a broken or hostile image gives an [`Error`], never a panic, an
//! endless loop or an allocation that the image's own size does not bound.
//!
//! What is written is whole disks; the file systems are read only. No lock is held while a device is used, so cooperative threads may
//! share one file system and one cache.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod archive;
mod block;
mod bytes;
mod cache;
mod disk;
mod error;
mod ext4;
mod filesystem;
mod path;
mod probe;
mod vfs;

#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;

#[cfg(test)]
mod tests;

pub use archive::{Archive, ArchiveBytes};
pub use block::{BlockError, BlockRead, BlockWrite, Extent};
pub use cache::{
    Cache, CacheStats, CacheUsage, Host, LINE, Options as CacheOptions, Page, Tended, Watermark, Work,
};
pub use disk::{BlockFile, DiskCache};
pub use error::{Error, Result};
pub use ext4::Ext4;
pub use filesystem::{DirEntry, DirVisitor, FileSystem, Inode, Kind, Metadata, Times, Usage};
pub use probe::{Found, mount_cached, mount_device, probe};
pub use vfs::{File, Vfs};
