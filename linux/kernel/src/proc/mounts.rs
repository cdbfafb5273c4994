//! `/proc/PID/mounts` and `mountinfo`.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

use linux_base::stat::DeviceNumber;
use linux_vfs::{Mount, MountFlags};

use crate::file::vfs;

/// A path with blanks and backslashes as octal numbers.
fn escape(path: &[u8]) -> String {
    let mut text = String::new();
    for character in String::from_utf8_lossy(path).chars() {
        match character {
            ' ' | '\t' | '\n' | '\\' => {
                let _ = write!(text, "\\{:03o}", u32::from(character));
            }
            other => text.push(other),
        }
    }
    text
}

fn place_of(mount: &Mount) -> String {
    mount.place().map_or_else(|| "/".into(), |place| escape(&place.path(vfs().root())))
}

fn options(mount: &Mount) -> String {
    let flags = mount.flags();
    let mut text = String::from(if flags.contains(MountFlags::READ_ONLY) { "ro" } else { "rw" });
    for (flag, name) in [
        (MountFlags::NO_SUID, "nosuid"),
        (MountFlags::NO_DEV, "nodev"),
        (MountFlags::NO_EXEC, "noexec"),
        (MountFlags::NO_ATIME, "noatime"),
    ] {
        if flags.contains(flag) {
            text.push(',');
            text += name;
        }
    }
    if !flags.contains(MountFlags::NO_ATIME) {
        text += ",relatime";
    }
    text
}

/// `/proc/PID/mounts`.
pub fn mounts() -> Vec<u8> {
    let mut text = String::new();
    for mount in vfs().mounts() {
        let (source, kind) = (escape(mount.source()), mount.filesystem().kind());
        let _ = writeln!(text, "{source} {} {kind} {} 0 0", place_of(&mount), options(&mount));
    }
    text.into_bytes()
}

/// `/proc/PID/mountinfo`.
pub fn mountinfo() -> Vec<u8> {
    let mut text = String::new();
    for mount in vfs().mounts() {
        let device = mount.root().inode().map_or(0, |inode| inode.stat().dev);
        let device = DeviceNumber::decode(device);
        let above = mount.place().map_or(1, |place| place.mount().id());
        let read_only = if mount.filesystem().is_read_only() { "ro" } else { "rw" };
        let _ = writeln!(
            text,
            "{} {above} {}:{} / {} {} - {} {} {read_only}",
            mount.id(),
            device.major,
            device.minor,
            place_of(&mount),
            options(&mount),
            mount.filesystem().kind(),
            escape(mount.source()),
        );
    }
    text.into_bytes()
}

/// `/proc/filesystems`.
pub fn filesystems() -> Vec<u8> {
    let mut text = String::new();
    for kind in ["sysfs", "tmpfs", "proc", "devtmpfs", "devpts", "overlay"] {
        text += &format!("nodev\t{kind}\n");
    }
    text += "\text4\n";
    text.into_bytes()
}
