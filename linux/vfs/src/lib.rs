//! Files of the Linux personality: names, mounts, inodes and their content.
//!
//! | module | what it has |
//! |---|---|
//! | [`inode`] | [`Inode`] and [`FileSystem`]: what each file system offers |
//! | [`path`] | [`Location`], [`Dentry`], [`Mount`]; how a path leads to a place |
//! | [`context`] | [`Vfs`], all of it, and [`Context`], who asks: system calls begin here |
//! | [`ops`] | operations on paths: open, make, rename, remove, change |
//! | [`tree`] | tmpfs; with something read-only below it (ext4, an archive) an overlay or a read-only mount |
//! | [`regular`], [`directory`] | open files and directories |
//! | [`memory`] | memfd with seals, shared anonymous memory |
//! | [`reclaim`] | giving clean pages back |
//! | [`locks`] | `flock`, POSIX and open-file-description locks |
//! | [`inotify`] | events |
//! | [`block`] | disks as files, through their page cache |
//! | [`device`], [`devtmpfs`] | what is behind device nodes; `/dev` |
//! | [`pseudo`] | file systems whose content is made when asked for: `/proc`, `/sys` |
//!
//! No lock is held over a read of a disk, nor over a call into another file system or file.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod block;
pub mod context;
pub mod device;
pub mod devtmpfs;
pub mod directory;
pub mod hooks;
pub mod inode;
pub mod inotify;
pub mod locks;
pub mod memory;
pub mod ops;
pub mod path;
pub mod pseudo;
pub mod reclaim;
pub mod regular;
pub mod special;
pub mod tree;
pub mod xattr;

#[cfg(test)]
mod tests;

pub use context::{Context, Vfs};
pub use device::{DeviceKind, DeviceRegistry};
pub use inode::{FileSystem, Inode};
pub use ops::OpenHow;
pub use path::{Dentry, Follow, Location, Mount, MountFlags, Resolve};
