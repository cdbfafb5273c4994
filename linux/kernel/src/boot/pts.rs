//! `/dev/pts`: a node for each pseudo-terminal.

use alloc::format;

use linux_base::stat::DeviceNumber;
use linux_base::{Errno, Mode, Result};
use linux_vfs::pseudo::{Directory, Item, Listed};

use crate::console::ptys;

/// The directory.
pub struct Entries;

const MAJOR: u32 = 136;

impl Directory for Entries {
    fn lookup(&self, name: &[u8]) -> Result<Item> {
        if name == b"ptmx" {
            return Ok(Item::device(Mode::CHARACTER, DeviceNumber { major: 5, minor: 2 }.encode(), 0o666));
        }
        let index: u32 =
            core::str::from_utf8(name).ok().and_then(|name| name.parse().ok()).ok_or(Errno::ENOENT)?;
        let node = ptys().get(index).ok_or(Errno::ENOENT)?.node();
        let number = DeviceNumber { major: MAJOR, minor: index }.encode();
        Ok(Item::device(Mode::CHARACTER, number, node.permissions)
            .owner(node.uid, node.gid)
            .number(u64::from(index) + 3))
    }

    fn next(&self, from: u64) -> Option<Listed> {
        let index = ptys().indices().into_iter().map(u64::from).filter(|index| *index >= from).min();
        match index {
            Some(index) => {
                Some(Listed { cookie: index, name: format!("{index}").into_bytes(), kind: Mode::CHARACTER })
            }
            None if from <= u64::from(u32::MAX) => {
                Some(Listed { cookie: u64::from(u32::MAX), name: b"ptmx".to_vec(), kind: Mode::CHARACTER })
            }
            None => None,
        }
    }
}
