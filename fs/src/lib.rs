//! A small VFS with read-only ext4 and initramfs.
#![cfg_attr(not(test), no_std)]
