//! What QEMU boots: Xen, dom0's kernel, an initramfs and dom0's root disk, made from Debian packages and kept in the cache.
//!
//! The recipe is `dom0/build.sh` and the files beside it; a change to any of them makes a new cache entry.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::cache::Cache;
use crate::{Progress, XenVersion, debian, host};

/// The packages of dom0; `VERSION` stands for Xen's. What they depend on comes with them.
#[rustfmt::skip]
const PACKAGES: &[&str] = &[
    // A system without its maintainer scripts: what Debian calls essential has to be named.
    "bash", "base-files", "coreutils", "dash", "debianutils", "diffutils", "findutils", "grep", "gzip", "hostname", "kmod", "less",
    "libc-bin", "mawk", "mount", "ncurses-base", "netbase", "procps", "psmisc", "sed", "tar", "util-linux", "zstd",
    "busybox-static", "e2fsprogs", "ca-certificates",
    // Xen, its tools and a kernel.
    "linux-image-amd64", "xen-hypervisor-VERSION-amd64", "xen-utils-VERSION", "xen-utils-common", "xenstore-utils",
    "bridge-utils",
    // The back end of consoles other than the first.
    "qemu-system-xen",
    // The network, and what tests and measures it.
    "curl", "dnsmasq-base", "ethtool", "iperf3", "iproute2", "iptables", "iputils-ping", "netcat-openbsd", "nftables",
    "redis-tools", "socat", "tcpdump", "wrk",
    "fio", "python3",
];

/// The recipe's files, by the path `build.sh` expects.
const FILES: &[(&str, &str)] = &[
    ("build.sh", include_str!("../dom0/build.sh")),
    ("init", include_str!("../dom0/init")),
    ("initramfs-init", include_str!("../dom0/initramfs-init")),
    ("quick/block", include_str!("../dom0/quick/block")),
    ("quick/quick-hotplug", include_str!("../dom0/quick/quick-hotplug")),
    ("quick/vif-bridge", include_str!("../dom0/quick/vif-bridge")),
    ("etc/bash.bashrc", include_str!("../dom0/etc/bash.bashrc")),
    ("etc/group", include_str!("../dom0/etc/group")),
    ("etc/hosts", include_str!("../dom0/etc/hosts")),
    ("etc/nsswitch.conf", include_str!("../dom0/etc/nsswitch.conf")),
    ("etc/passwd", include_str!("../dom0/etc/passwd")),
    ("etc/resolv.conf", include_str!("../dom0/etc/resolv.conf")),
    ("etc/testbed-dnsmasq.conf", include_str!("../dom0/etc/testbed-dnsmasq.conf")),
    ("etc/xen/xl.conf", include_str!("../dom0/etc/xen/xl.conf")),
];

/// The files of one dom0.
#[derive(Clone, Debug)]
pub struct Dom0 {
    /// Xen as a multiboot ELF.
    pub xen: PathBuf,
    /// dom0's kernel as an ELF.
    pub kernel: PathBuf,
    /// Loads the drivers of the root disk.
    pub initramfs: PathBuf,
    /// ext4 root disk; never written to.
    pub root: PathBuf,
}

impl Dom0 {
    fn in_dir(dir: &Path) -> Dom0 {
        Dom0 {
            xen: dir.join("xen"),
            kernel: dir.join("vmlinux"),
            initramfs: dir.join("initramfs"),
            root: dir.join("root.img"),
        }
    }
}

/// The dom0 of this Xen version, built now if the cache has none.
pub fn dom0(version: XenVersion, progress: Progress) -> Result<Dom0> {
    let entry = Cache::open()?.get_or_build(&dom0_name(version), &dom0_recipe(version), |dir| {
        build_dom0(version, dir, progress).with_context(|| format!("cannot make the dom0 of Xen {version}"))
    })?;
    Ok(Dom0::in_dir(&entry))
}

/// Xen itself: out of the dom0 if the cache has that, else only the hypervisor's package is fetched.
pub fn xen(version: XenVersion, progress: Progress) -> Result<PathBuf> {
    let cache = Cache::open()?;
    if let Some(entry) = cache.get(&dom0_name(version), &dom0_recipe(version)) {
        return Ok(Dom0::in_dir(&entry).xen);
    }
    let package = format!("xen-hypervisor-{version}-amd64");
    let entry = cache.get_or_build(&format!("xen-{version}"), &package, |dir| {
        progress(&format!("Xen {version}: fetch {package}"));
        let tar = dir.join("packages.tar");
        debian::extract(version.suite(), &[&package], &tar)?;
        host::run(host::command("tar").arg("-xf").arg(&tar).arg("-C").arg(dir).arg("./boot"))?;
        let unpack = "gzip -dc boot/xen-*.gz >xen && rm -r boot packages.tar";
        host::run(host::command("sh").args(["-c", unpack]).current_dir(dir))?;
        Ok(())
    })?;
    Ok(entry.join("xen"))
}

fn dom0_name(version: XenVersion) -> String {
    format!("dom0-{version}")
}

fn packages(version: XenVersion) -> Vec<String> {
    PACKAGES.iter().map(|name| name.replace("VERSION", version.as_str())).collect()
}

fn dom0_recipe(version: XenVersion) -> String {
    let mut recipe = format!("suite {}\npackages {}\n", version.suite(), packages(version).join(" "));
    for (path, text) in FILES {
        recipe += &format!("== {path}\n{text}");
    }
    recipe
}

fn build_dom0(version: XenVersion, dir: &Path, progress: Progress) -> Result<()> {
    let suite = version.suite();
    progress(&format!("dom0 of Xen {version} (1/2): fetch and unpack Debian {suite} packages, about 200 MB"));
    let tar = dir.join("packages.tar");
    let packages = packages(version);
    let packages: Vec<&str> = packages.iter().map(String::as_str).collect();
    debian::extract(suite, &packages, &tar)?;

    progress(&format!("dom0 of Xen {version} (2/2): make kernel, initramfs and root disk"));
    let files = dir.join("files");
    for (path, text) in FILES {
        let file = files.join(path);
        fs::create_dir_all(file.parent().expect("is below the files directory"))?;
        fs::write(&file, text)?;
    }
    host::run(host::as_owner("sh").arg(files.join("build.sh")).arg(&tar).arg(&files).arg(dir))?;
    fs::remove_file(tar)?;
    fs::remove_dir_all(files)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_has_a_recipe_of_its_own() {
        let [old, new] = XenVersion::ALL.map(dom0_recipe);
        assert!(old.contains("xen-utils-4.17 ") && old.contains("suite bookworm"));
        assert!(new.contains("xen-utils-4.20 ") && new.contains("suite trixie"));
        assert!(!new.contains("VERSION-amd64 ") && !new.contains("4.17"));
    }

    #[test]
    fn every_file_of_the_recipe_directory_is_part_of_the_recipe() {
        fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
            for entry in fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { walk(&path, found) } else { found.push(path) }
            }
        }
        let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("dom0");
        let mut found = Vec::new();
        walk(&base, &mut found);
        for path in &found {
            let name = path.strip_prefix(&base).unwrap().to_str().unwrap();
            assert!(FILES.iter().any(|(file, _)| *file == name), "{name} is not in FILES");
        }
        assert_eq!(found.len(), FILES.len());
    }
}
