//! A Linux PV guest with Debian's nginx: what a web server guest of ours is measured beside.
//!
//! Its kernel is dom0's (`/boot/vmlinux` in dom0, an ELF, which saves `xl create` the seconds that a bzImage takes to unpack),
//! its modules and packages are those of the same Debian suite. xvda is [`Peer::root`], xvdb the site, both read-only; its address is
//! 10.0.0.3/24. The recipe is `peer/build.sh` and the files beside it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::{Context, Result};

use crate::cache::Cache;
use crate::{Progress, XenVersion, debian, host, image};

const PACKAGES: &[&str] =
    &["bash", "busybox-static", "coreutils", "dash", "iproute2", "libc-bin", "netbase", "nginx"];

const FILES: &[(&str, &str)] = &[
    ("build.sh", include_str!("../peer/build.sh")),
    ("init", include_str!("../peer/init")),
    ("initramfs-init", include_str!("../peer/initramfs-init")),
    ("nginx.conf", include_str!("../peer/nginx.conf")),
];

/// The files of the guest, but for its kernel.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Loads the Xen drivers.
    pub initramfs: PathBuf,
    /// ext4 root disk, to be attached read-only.
    pub root: PathBuf,
}

/// The guest of the suite that `version` belongs to, built now if the cache has none for that dom0's kernel.
pub fn nginx(version: XenVersion, progress: Progress) -> Result<Peer> {
    let dom0 = image::dom0(version, progress)?;
    let recipe = recipe(version, &kernel_identity(&dom0.kernel)?);
    let entry = Cache::open()?.get_or_build(&format!("peer-{version}"), &recipe, |dir| {
        progress(&format!("Linux guest with nginx: fetch and unpack Debian {} packages", version.suite()));
        build(version, &dom0.root, dir).context("cannot make the Linux guest")
    })?;
    Ok(Peer { initramfs: entry.join("initramfs"), root: entry.join("root.img") })
}

fn recipe(version: XenVersion, kernel: &str) -> String {
    let mut recipe = format!("suite {}\nkernel {kernel}\npackages {}\n", version.suite(), PACKAGES.join(" "));
    for (path, text) in FILES {
        recipe += &format!("== {path}\n{text}");
    }
    recipe
}

/// Modules fit one kernel only, and a dom0 built anew may bring another.
fn kernel_identity(kernel: &Path) -> Result<String> {
    let meta = fs::metadata(kernel).with_context(|| format!("no kernel {}", kernel.display()))?;
    let made = meta.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(format!("{} bytes of {}", meta.len(), made.as_secs()))
}

fn build(version: XenVersion, dom0_root: &Path, dir: &Path) -> Result<()> {
    let tar = dir.join("packages.tar");
    debian::extract(version.suite(), PACKAGES, &tar)?;
    let files = dir.join("files");
    fs::create_dir_all(&files)?;
    for (path, text) in FILES {
        fs::write(files.join(path), text)?;
    }
    let script = files.join("build.sh");
    host::run(host::as_owner("sh").arg(script).arg(&tar).arg(&files).arg(dom0_root).arg(dir))?;
    fs::remove_file(tar)?;
    fs::remove_dir_all(files)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_suite_kernel_or_file_is_another_recipe() {
        let recipes =
            [recipe(XenVersion::V4_17, "1"), recipe(XenVersion::V4_20, "1"), recipe(XenVersion::V4_17, "2")];
        assert!(recipes[0] != recipes[1] && recipes[0] != recipes[2]);
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("peer");
        for entry in fs::read_dir(dir).unwrap() {
            let text = fs::read_to_string(entry.unwrap().path()).unwrap();
            assert!(recipes[0].contains(&text));
        }
    }
}
