//! `mount(2)` and `umount(2)`: file systems that need no disk, and changes of what a mount forbids.

use alloc::sync::Arc;
use alloc::vec::Vec;

use linux_base::{Credentials, Errno, Result};
use linux_vfs::tree::{Options, Tree};
use linux_vfs::{FileSystem, MountFlags};

use crate::boot::mounts;
use crate::file::{AT_FDCWD, vfs};
use crate::task::Task;

const MS_REMOUNT: u64 = 32;
const MS_BIND: u64 = 4096;
const MS_MOVE: u64 = 8192;
const MS_REC: u64 = 16384;
const MS_SILENT: u64 = 32768;
const MS_PROPAGATION: u64 = 1 << 17 | 1 << 18 | 1 << 19 | 1 << 20;
const MNT_DETACH: u32 = 2;
const MNT_EXPIRE: u32 = 4;
const UMOUNT_NOFOLLOW: u32 = 8;

fn check_admin(task: &Task) -> Result<()> {
    if task.thread.credentials().can(Credentials::CAP_SYS_ADMIN) { Ok(()) } else { Err(Errno::EPERM) }
}

fn optional(task: &Task, address: u64) -> Result<Vec<u8>> {
    if address == 0 { Ok(Vec::new()) } else { task.path(address) }
}

/// What a mount is told: a string in one page at most, which may end where the memory does.
fn options(task: &Task, address: u64) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    if address == 0 {
        return Ok(text);
    }
    for at in (address..).take(linux_mm::PAGE_SIZE - 1) {
        match task.space().read_array::<1>(at) {
            Ok([0]) => break,
            Ok([byte]) => text.push(byte),
            Err(_) if at > address => break,
            Err(errno) => return Err(errno),
        }
    }
    Ok(text)
}

pub fn mount(task: &mut Task, source: u64, target: u64, kind: u64, flags: u64, data: u64) -> Result<()> {
    let kind = optional(task, kind)?;
    let source = optional(task, source)?;
    let data = options(task, data)?;
    let target = task.path(target)?;
    let place = task.place(AT_FDCWD, &target, 0)?;
    check_admin(task)?;
    let forbids = MountFlags::from_bits_truncate(flags as u32);
    if flags & MS_REMOUNT != 0 {
        if !place.is_mount_root() {
            return Err(Errno::EINVAL);
        }
        place.mount().set_flags(forbids);
        return Ok(());
    }
    if flags & MS_PROPAGATION != 0 {
        // There is one namespace: nothing spreads.
        return if flags & !(MS_PROPAGATION | MS_REC | MS_SILENT) == 0 { Ok(()) } else { Err(Errno::EINVAL) };
    }
    if flags & (MS_BIND | MS_MOVE) != 0 {
        return Err(Errno::EINVAL);
    }
    let system: Arc<dyn FileSystem> = match kind.as_slice() {
        b"tmpfs" | b"ramfs" => {
            let text = alloc::string::String::from_utf8_lossy(&data).into_owned();
            let mut options = Options::default();
            mounts::tmpfs_settings(&mut options, &text).map_err(|_| Errno::EINVAL)?;
            Tree::new(options)?
        }
        b"proc" => mounts::proc(),
        b"sysfs" => mounts::sysfs(),
        b"devpts" => mounts::devpts(),
        b"" => return Err(Errno::EFAULT),
        _ => return Err(Errno::ENODEV),
    };
    vfs().mount(&place, system, &source, forbids).map(drop)
}

pub fn umount2(task: &mut Task, target: u64, flags: u32) -> Result<()> {
    const KNOWN: u32 = 1 | MNT_DETACH | MNT_EXPIRE | UMOUNT_NOFOLLOW;
    if flags & !KNOWN != 0 || flags & MNT_EXPIRE != 0 && flags & (1 | MNT_DETACH) != 0 {
        return Err(Errno::EINVAL);
    }
    let target = task.path(target)?;
    let follow = if flags & UMOUNT_NOFOLLOW != 0 { super::stat::AT_SYMLINK_NOFOLLOW } else { 0 };
    let place = task.place(AT_FDCWD, &target, follow)?;
    check_admin(task)?;
    vfs().unmount(&place, flags & MNT_DETACH != 0)
}
