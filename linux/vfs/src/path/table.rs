//! The mounts as text: `/proc/PID/mounts` and `/proc/PID/mountinfo` (`proc_pid_mountinfo(5)`).

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use linux_base::stat::DeviceNumber;

use super::{Location, Mount, MountFlags};
use crate::context::Vfs;

impl Vfs {
    /// What `/proc/PID/mounts` shows to a process with this root.
    pub fn mounts_text(&self, root: &Location) -> Vec<u8> {
        let mut text = Vec::new();
        for mount in self.mounts() {
            let Some(place) = place_of(&mount, root) else { continue };
            text.extend(escaped(source_of(&mount)));
            text.push(b' ');
            text.extend(escaped(&place));
            text.extend(format!(" {} {} 0 0\n", mount.filesystem().kind(), options(&mount)).into_bytes());
        }
        text
    }

    /// What `/proc/PID/mountinfo` shows to a process with this root.
    pub fn mountinfo_text(&self, root: &Location) -> Vec<u8> {
        let mut text = Vec::new();
        for mount in self.mounts() {
            let Some(place) = place_of(&mount, root) else { continue };
            let parent = mount.place().map_or(mount.id(), |place| place.mount().id());
            let device = mount.root().inode().map_or(0, |inode| inode.stat().dev);
            let DeviceNumber { major, minor } = DeviceNumber::decode(device);
            let access = if mount.check_writable().is_ok() { "rw" } else { "ro" };
            text.extend(format!("{} {parent} {major}:{minor} / ", mount.id()).into_bytes());
            text.extend(escaped(&place));
            text.extend(format!(" {} - {} ", options(&mount), mount.filesystem().kind()).into_bytes());
            text.extend(escaped(source_of(&mount)));
            text.extend(format!(" {access}\n").into_bytes());
        }
        text
    }
}

fn source_of(mount: &Mount) -> &[u8] {
    if mount.source().is_empty() { b"none" } else { mount.source() }
}

/// Where it is mounted, as seen from a root; `None` if it is not to be seen.
fn place_of(mount: &Mount, root: &Location) -> Option<Vec<u8>> {
    if root.is_mount_root() && root.mount().id() == mount.id() {
        return Some(b"/".to_vec());
    }
    mount.place()?.working_path(root).ok().filter(|path| path.first() == Some(&b'/'))
}

fn options(mount: &Mount) -> String {
    let flags = mount.flags();
    let mut text = String::from(if mount.check_writable().is_ok() { "rw" } else { "ro" });
    let names =
        [(MountFlags::NO_SUID, ",nosuid"), (MountFlags::NO_DEV, ",nodev"), (MountFlags::NO_EXEC, ",noexec")];
    for (_, name) in names.into_iter().filter(|(flag, _)| flags.contains(*flag)) {
        text += name;
    }
    text += if flags.contains(MountFlags::NO_ATIME) { ",noatime" } else { ",relatime" };
    text
}

/// With spaces, tabs, line feeds and backslashes in octal.
fn escaped(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for byte in text {
        match byte {
            b' ' | b'\t' | b'\n' | b'\\' => bytes.extend(format!("\\{byte:03o}").into_bytes()),
            byte => bytes.push(*byte),
        }
    }
    bytes
}
