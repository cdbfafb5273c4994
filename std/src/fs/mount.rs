//! The mount table, from the options of the command line.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use fs::{Archive, Ext4, FileSystem, Vfs};
use minios::sync::Mutex;
use spin::Once;

use super::{Error, Result};
use crate::block;
use crate::env;

static TREE: Once<Result<Vfs>> = Once::new();
/// Mounting waits for disks; the second thread to come waits for the first.
static MOUNTING: Mutex<()> = Mutex::new(());

pub(super) fn vfs() -> Result<&'static Vfs> {
    if TREE.get().is_none() {
        let _mounting = MOUNTING.lock();
        if TREE.get().is_none() {
            let tree = build();
            TREE.call_once(|| tree);
        }
    }
    match TREE.get() {
        Some(Ok(tree)) => Ok(tree),
        Some(Err(error)) => Err(error.clone()),
        None => Err(fs::Error::NotFound { path: String::from("/") }.into()),
    }
}

/// An archive on a disk, which is read into memory, may have a sixteenth of what is free.
fn archive_bytes() -> usize {
    (minios::memory::usage().free * 4096 / 16).clamp(64 << 10, 16 << 20)
}

fn build() -> Result<Vfs> {
    let mut specs: Vec<String> = env::option_values("mount").map(ToString::to_string).collect();
    if specs.is_empty() {
        specs.extend(default_mount());
    }
    let mut tree = Vfs::new();
    for spec in &specs {
        mount(&mut tree, spec)?;
        log::debug!("mount={spec}");
    }
    Ok(tree)
}

fn default_mount() -> Option<String> {
    if let Some(first) = block::names().ok().and_then(|names| names.into_iter().next()) {
        return Some(format!("{first}:/"));
    }
    minios::boot::ramdisk().map(|_| String::from("initrd:/"))
}

fn mount(tree: &mut Vfs, spec: &str) -> Result<()> {
    let mut fields = spec.splitn(3, ':');
    let (device, path, kind) = (fields.next().unwrap_or(""), fields.next(), fields.next().unwrap_or("auto"));
    let bad = |reason: String| Error::Mount { spec: spec.to_string(), reason };
    let Some(path) = path.filter(|path| path.starts_with('/')) else {
        return Err(bad(String::from("it is not of the form DEVICE:/PATH[:TYPE]")));
    };
    let system =
        if device == "initrd" { open_ramdisk(kind) } else { open_disk(device, kind) }.map_err(bad)?;
    tree.mount(path, system).map_err(|error| bad(error.to_string()))
}

/// The file system of the ramdisk, of type `auto`, `cpio` or `tar`.
pub fn open_ramdisk(kind: &str) -> core::result::Result<Arc<dyn FileSystem>, String> {
    let ramdisk = minios::boot::ramdisk().ok_or("the domain has no ramdisk")?;
    let archive = match kind {
        "auto" => Archive::open(ramdisk),
        "cpio" => Archive::open_cpio(ramdisk),
        "tar" => Archive::open_tar(ramdisk),
        _ => return Err(format!("a ramdisk of type `{kind}` is unknown; there are auto, cpio, tar")),
    };
    Ok(Arc::new(archive.map_err(|error| error.to_string())?))
}

/// The file system of a disk, of type `auto` or `ext4`. It is read through the cache of the disk, and not written.
pub fn open_disk(device: &str, kind: &str) -> core::result::Result<Arc<dyn FileSystem>, String> {
    let open = || block::read_cached(device).map_err(|error| error.to_string());
    let mounted: fs::Result<Arc<dyn FileSystem>> = match kind {
        "auto" => fs::mount_cached(open()?, archive_bytes()),
        "ext4" => Ext4::mount_cached(open()?).map(|system| Arc::new(system) as Arc<dyn FileSystem>),
        _ => return Err(format!("a file system of type `{kind}` is unknown; there are auto, ext4")),
    };
    mounted.map_err(|error| error.to_string())
}
