//! Names looked up lately, with what came of it.
//!
//! A directory is a list, and each of its blocks has a checksum over it: a server that opens the same files
//! again and again would spend its time there. One entry per slot; a new name displaces the old.

use crate::Inode;
use alloc::{boxed::Box, vec::Vec};
use spin::Mutex;

const SLOTS: usize = 256;

struct Entry {
    dir: Inode,
    name: Box<[u8]>,
    /// `None` says that there is no such name, which never changes on a read-only file system.
    found: Option<Inode>,
}

pub(super) struct Names {
    slots: Mutex<Vec<Option<Entry>>>,
}

impl Names {
    pub(super) fn new() -> Self {
        Self { slots: Mutex::new((0..SLOTS).map(|_| None).collect()) }
    }

    /// What a lookup gave, if it is still known.
    pub(super) fn get(&self, dir: Inode, name: &[u8]) -> Option<Option<Inode>> {
        let slots = self.slots.lock();
        let entry = slots.get(slot(dir, name))?.as_ref()?;
        (entry.dir == dir && *entry.name == *name).then_some(entry.found)
    }

    pub(super) fn insert(&self, dir: Inode, name: &[u8], found: Option<Inode>) {
        let entry = Entry { dir, name: name.into(), found };
        if let Some(place) = self.slots.lock().get_mut(slot(dir, name)) {
            *place = Some(entry);
        }
    }
}

/// FNV-1a over directory and name.
fn slot(dir: Inode, name: &[u8]) -> usize {
    let bytes = dir.0.to_le_bytes();
    let hash = bytes
        .iter()
        .chain(name)
        .fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3));
    (hash >> 32) as usize % SLOTS
}
