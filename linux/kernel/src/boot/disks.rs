//! `/dev/xvdb` and so on, of disks that come and go while the guest runs (`xl block-attach`).

use alloc::format;

use linux_base::stat::DeviceNumber;
use linux_base::{Errno, Mode};
use linux_vfs::devtmpfs::{self, DeviceNode};
use minios_std::block::Presence;

use super::mounts::as_root;

/// Keeps `/dev` as the disks are.
pub fn follow() {
    minios_std::block::on_change(changed);
}

/// The node of a disk by its name there: the minor number follows from it.
pub fn node(name: &str) -> Option<DeviceNode<'_>> {
    Some(devtmpfs::disk(name, linux_vfs::block::minor(name)?))
}

fn changed(name: &str, presence: Presence) {
    let Some(node_name) = linux_vfs::block::node_name(name) else { return };
    let path = format!("/dev/{node_name}");
    let offer = || super::stubdom::disk_changed(name, presence);
    let done = as_root(|context| match presence {
        Presence::Here => {
            let node = node(&node_name).ok_or(Errno::ENOENT)?;
            let number = DeviceNumber { major: node.major, minor: node.minor }.encode();
            let place = context.mknod(None, path.as_bytes(), Mode::BLOCK | node.permissions, number)?;
            context.chmod(&place, node.permissions)?;
            context.chown(&place, None, Some(node.gid))
        }
        Presence::Going => context.unlink(None, path.as_bytes()),
    });
    match done {
        // The disks of the start have theirs; a program may have removed one.
        Ok(()) | Err(Errno::EEXIST | Errno::ENOENT) => offer(),
        Err(errno) => log::warn!("{path}: {errno}"),
    }
}
