//! The root and what is mounted in it.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use core::ptr::NonNull;

use linux_mm::{Frame, PAGE_SIZE};
use linux_vfs::tree::{Lower, Options, Tree};
use linux_vfs::{MountFlags, Vfs};

use crate::file::set_vfs;
use crate::options;

type Outcome<T> = Result<T, String>;

/// Mounts everything.
pub fn mount_all() -> Outcome<()> {
    let spec = options::get("root").map_or_else(default_root, |spec| Ok(String::from(spec)))?;
    let (device, kind) = spec.split_once(':').unwrap_or((&spec, "auto"));
    let (lower, source) = lower(device, kind).map_err(|reason| format!("root={spec}: {reason}"))?;
    let is_overlaid = match options::get("overlay") {
        None | Some("tmpfs") => true,
        Some("none") => false,
        Some(other) => return Err(format!("overlay={other}: there are tmpfs and none")),
    };
    let options = Options {
        kind: if is_overlaid { "overlay" } else { "ext4" },
        mode: 0o755,
        is_read_only: !is_overlaid,
        lower: Some(lower),
        ..Options::default()
    };
    let root = Tree::new(options).map_err(|errno| format!("root={spec}: {errno}"))?;
    let flags = if is_overlaid { MountFlags::empty() } else { MountFlags::READ_ONLY };
    let memory = Tree::tmpfs().map_err(|errno| format!("memory files: {errno}"))?;
    set_vfs(Vfs::new(root, source.as_bytes(), flags, memory));
    Ok(())
}

fn default_root() -> Outcome<String> {
    let disks = minios_std::block::names().map_err(|error| error.to_string())?;
    if disks.iter().any(|name| name == "xvda") {
        return Ok("xvda".into());
    }
    match minios::boot::ramdisk() {
        Some(_) => Ok("initrd".into()),
        None => Err("there is no root: neither a disk xvda nor a ramdisk".into()),
    }
}

/// A read-only file system, and how `/proc/mounts` names its device.
fn lower(device: &str, kind: &str) -> Outcome<(Lower, String)> {
    if device == "initrd" {
        let system = minios_std::fs::open_ramdisk(kind)?;
        return Ok((Lower::new(system, Some(Arc::new(ramdisk_page))), "initrd".into()));
    }
    let system = minios_std::fs::open_disk(device, kind)?;
    Ok((Lower::new(system, None), format!("/dev/{device}")))
}

/// A page of the ramdisk, to be mapped where it lies; `None` for bytes that are no whole page of it.
fn ramdisk_page(bytes: &[u8]) -> Option<Frame> {
    let (ramdisk, page) = (minios::boot::ramdisk()?.as_ptr_range(), bytes.as_ptr_range());
    let is_page = bytes.len() == PAGE_SIZE && page.start.addr().is_multiple_of(PAGE_SIZE);
    if !is_page || page.start < ramdisk.start || page.end > ramdisk.end {
        return None;
    }
    // SAFETY: a page of the ramdisk, which stays where it is and is mapped for the kernel. It is never written: the VFS copies a
    // static page before a file's write, and programs get copies of a page whose count is never one.
    Some(unsafe { Frame::from_static(NonNull::from(bytes).cast()) })
}
