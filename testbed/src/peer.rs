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
    ("initramfs.sh", INITRAMFS),
    ("initramfs-init", include_str!("../peer/initramfs-init")),
    ("nginx.conf", include_str!("../peer/nginx.conf")),
];

/// Makes an initramfs out of dom0's root disk.
const INITRAMFS: &str = include_str!("../peer/initramfs.sh");
const PACKED_INIT: &str = include_str!("../peer/packed-init");
const ROUTER_INIT: &str = include_str!("../peer/router-init");
const STUBDOM_INIT: &str = include_str!("../peer/stubdom-init");
const ROUTER_MODULES: [&str; 1] = ["xen-netfront"];
const STUBDOM_MODULES: [&str; 8] = [
    "xen-evtchn",
    "xen-gntdev",
    "xen-gntalloc",
    "xen-privcmd",
    "xen-blkfront",
    "xen-netfront",
    "tun",
    "bridge",
];
const PACKED_MODULES: [&str; 5] = ["crc32c_generic", "xen-blkfront", "xen-netfront", "ext4", "overlay"];
/// Where dom0 has its own kernel as an ELF.
pub const KERNEL: &str = "/boot/vmlinux";
/// Where dom0 has its own kernel as Debian ships it, packed, which libxl unpacks at each `xl create`.
pub const DEBIAN_KERNEL: &str = "/boot/vmlinuz";

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

/// The initramfs with which dom0's kernel runs a root that `minios pack` has made; built now if the cache has none for that
/// kernel. It reads the same command line as our kernel does: [`packed_config`] makes the xl.cfg.
pub fn packed(version: XenVersion, progress: Progress) -> Result<PathBuf> {
    initramfs(version, "packed", PACKED_INIT, &PACKED_MODULES, progress)
}

/// The initramfs with which dom0's kernel is a router between two vifs, without filter: 10.11.0.1 and fd00:11::1, 10.12.0.1 and
/// fd00:12::1. Built now if the cache has none for that kernel.
pub fn router(version: XenVersion, progress: Progress) -> Result<PathBuf> {
    initramfs(version, "router", ROUTER_INIT, &ROUTER_MODULES, progress)
}

/// What dom0's kernel needs to be the kernel of a device model's domain, beside the ramdisk of `minios pack --stubdom`, which has QEMU:
/// a second cpio archive, to be put behind that one. Built now if the cache has none for that kernel.
pub fn stubdom(version: XenVersion, progress: Progress) -> Result<PathBuf> {
    const LIBRARIES: &str = "/usr/lib/x86_64-linux-gnu";
    let proxy = format!("/usr/lib/xen-{version}/bin/vchan-socket-proxy=/bin/vchan-socket-proxy");
    let library = format!("{LIBRARIES}/libxenvchan.so.{version}.0={LIBRARIES}/libxenvchan.so.{version}");
    let mut files = STUBDOM_MODULES.to_vec();
    files.extend([&*proxy, &*library]);
    files.extend(["/usr/bin/xenstore-read=/bin/xenstore-read", "/usr/bin/xenstore-list=/bin/xenstore-list"]);
    initramfs(version, "stubdom", STUBDOM_INIT, &files, progress)
}

/// An initramfs with this script as `/init` and these modules of dom0's kernel, or files of its disk (SOURCE=TARGET).
fn initramfs(
    version: XenVersion,
    name: &str,
    script: &str,
    modules: &[&str],
    progress: Progress,
) -> Result<PathBuf> {
    let dom0 = image::dom0(version, progress)?;
    let kernel = kernel_identity(&dom0.kernel)?;
    let recipe = format!("kernel {kernel}\nmodules {}\n{INITRAMFS}{script}", modules.join(" "));
    let entry = Cache::open()?.get_or_build(&format!("{name}-{version}"), &recipe, |dir| {
        progress(&format!("Linux guest, {name}: make its initramfs"));
        let (maker, init) = (dir.join("initramfs.sh"), dir.join("init"));
        fs::write(&maker, INITRAMFS)?;
        fs::write(&init, script)?;
        let mut command = host::as_owner("sh");
        command.arg(&maker).arg(&dom0.root).arg(&init).arg(dir.join("initramfs")).args(modules);
        host::run(&mut command).context("cannot make the initramfs of the Linux guest")?;
        Ok(())
    })?;
    Ok(entry.join("initramfs"))
}

/// The xl.cfg of a packed guest (whose root is a disk), changed so that Linux runs it: with another name, memory in MiB, a kernel
/// of dom0's ([`KERNEL`] or [`DEBIAN_KERNEL`]), and the initramfs of [`packed`] at the path `initramfs` in dom0. Disks, vifs and command line stay.
pub fn packed_config(config: &str, name: &str, memory: u32, kernel: &str, initramfs: &str) -> String {
    let mut text =
        format!("name = \"{name}\"\nkernel = \"{kernel}\"\nramdisk = \"{initramfs}\"\nmemory = {memory}\n");
    for line in config.lines() {
        let key = line.split(' ').next().unwrap_or("");
        match (key, line.strip_prefix("cmdline = \"")) {
            (_, Some(rest)) => text += &format!("cmdline = \"console=hvc0 quiet {rest}\n"),
            ("name" | "kernel" | "ramdisk" | "memory", _) => {}
            _ => text += &format!("{line}\n"),
        }
    }
    text
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
            assert!(recipes[0].contains(&text) || [PACKED_INIT, ROUTER_INIT, STUBDOM_INIT].contains(&&*text));
        }
    }

    #[test]
    fn a_configuration_keeps_all_but_what_is_linuxs_own() {
        let config = "# a\nname = \"web\"\ntype = \"pv\"\nkernel = \"linux.gz\"\nmemory = 8\n\
                      cmdline = \"root=xvda -- a\"\ndisk = [\n    \"x\",\n]\n";
        let expected = "name = \"peer\"\nkernel = \"/boot/vmlinux\"\nramdisk = \"/i\"\nmemory = 64\n# a\n\
                        type = \"pv\"\ncmdline = \"console=hvc0 quiet root=xvda -- a\"\ndisk = [\n    \"x\",\n]\n";
        assert_eq!(packed_config(config, "peer", 64, KERNEL, "/i"), expected);
    }
}
