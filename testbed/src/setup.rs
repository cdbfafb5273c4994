//! What the host needs: Debian packages and Rust's target for guests. Idempotent, and quick when nothing is missing.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::{Progress, XenVersion, accel, debian, host, image};

/// A program or file, and the Debian package that brings it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tool {
    /// Name of a program, or an absolute path.
    pub file: &'static str,
    /// Debian package.
    pub package: &'static str,
}

const fn tool(file: &'static str, package: &'static str) -> Tool {
    Tool { file, package }
}

/// What the testbed itself uses.
pub const TOOLS: &[Tool] = &[
    tool(QEMU, QEMU_PACKAGE),
    tool("mmdebstrap", "mmdebstrap"),
    tool(debian::KEYRING, "debian-archive-keyring"),
    tool("mke2fs", "e2fsprogs"),
    tool("cpio", "cpio"),
    tool("depmod", "kmod"),
    tool("fakeroot", "fakeroot"),
    tool("gzip", "gzip"),
    tool("xz", "xz-utils"),
    tool("zstd", "zstd"),
    tool("lz4", "lz4"),
    tool("setpriv", "util-linux"),
];

const QEMU: &str = "qemu-system-x86_64";
const QEMU_PACKAGE: &str = "qemu-system-x86";
const BACKPORTS_SOURCE: &str = "/etc/apt/sources.list.d/testbed-backports.sources";

/// Everything: `tools`, the Rust target for guests, the dom0s of `versions`, and the probe for hardware acceleration.
pub fn setup(tools: &[Tool], versions: &[XenVersion], progress: Progress) -> Result<()> {
    install(tools, progress)?;
    rust_target("x86_64-unknown-none", progress)?;
    for &version in versions {
        image::dom0(version, progress)?;
        accel::Accel::choose(version, progress)?;
    }
    Ok(())
}

/// Installs the packages of the tools that are missing; without root it fails with the command to run.
pub fn install(tools: &[Tool], progress: Progress) -> Result<()> {
    let missing = missing(tools);
    if missing.is_empty() {
        return Ok(());
    }
    let (qemu, plain): (Vec<&str>, Vec<&str>) = missing.iter().partition(|package| **package == QEMU_PACKAGE);
    let backports = if qemu.is_empty() { None } else { qemu_backports() };
    let mut steps: Vec<Vec<String>> = Vec::new();
    let install = |suite: Option<&str>, packages: &[&str]| {
        let mut words = vec!["apt-get", "install", "-y", "--no-install-recommends"];
        words.extend(suite.map(|suite| ["-t", suite]).into_iter().flatten());
        words.extend(packages);
        words.iter().map(|word| word.to_string()).collect::<Vec<String>>()
    };
    match &backports {
        Some(suite) => {
            steps.push(install(Some(suite), &qemu));
            if !plain.is_empty() {
                steps.push(install(None, &plain));
            }
        }
        None => steps.push(install(None, &missing)),
    }

    if host::find("apt-get").is_none() {
        bail!("these Debian packages (or your system's like of them) are needed: {}", missing.join(" "));
    }
    if !host::is_root() {
        let mut by_hand: Vec<String> = Vec::new();
        if let Some(suite) = backports.as_deref().filter(|suite| !suite_is_reachable(suite)) {
            by_hand.push(format!(
                "printf '{}' | sudo tee {BACKPORTS_SOURCE}",
                backports_source(suite).replace('\n', "\\n")
            ));
        }
        by_hand.push("sudo apt-get update".into());
        by_hand.extend(steps.iter().map(|step| format!("sudo {}", step.join(" "))));
        bail!("packages are missing and only root can install them; run:\n  {}", by_hand.join("\n  "));
    }

    progress(&format!("install Debian packages: {}", missing.join(" ")));
    apt(&["apt-get".into(), "update".into()]).ok();
    if let Some(suite) = backports.as_deref().filter(|suite| !suite_is_reachable(suite)) {
        fs::write(BACKPORTS_SOURCE, backports_source(suite))
            .with_context(|| format!("cannot write {BACKPORTS_SOURCE}"))?;
        apt(&["apt-get".into(), "update".into()])?;
    }
    for step in &steps {
        apt(step)?;
    }
    Ok(())
}

/// Adds a Rust target to the active toolchain if it is missing.
pub fn rust_target(target: &str, progress: Progress) -> Result<()> {
    let Ok(installed) = host::run(host::command("rustup").args(["target", "list", "--installed"])) else {
        // Without rustup (a distribution's Rust) only the sysroot can tell.
        let sysroot =
            host::run(host::command("rustc").args(["--print", "sysroot"])).context("no Rust compiler")?;
        if Path::new(sysroot.trim()).join("lib/rustlib").join(target).is_dir() {
            return Ok(());
        }
        bail!("Rust's target {target} is missing and there is no rustup to install it");
    };
    if installed.lines().any(|line| line == target) {
        return Ok(());
    }
    progress(&format!("install Rust target {target}"));
    host::run(host::command("rustup").args(["target", "add", target]))
        .context("cannot install a Rust target")?;
    Ok(())
}

/// The packages of the tools that are not here.
fn missing(tools: &[Tool]) -> Vec<&'static str> {
    let is_here = |tool: &Tool| {
        if tool.file.starts_with('/') {
            Path::new(tool.file).exists()
        } else {
            host::find(tool.file).is_some()
        }
    };
    let mut packages: Vec<&str> =
        tools.iter().filter(|tool| !is_here(tool)).map(|tool| tool.package).collect();
    packages.dedup();
    packages
}

fn apt(words: &[String]) -> Result<()> {
    let mut command = host::command(&words[0]);
    command.args(["-q", "-o", "DPkg::Lock::Timeout=300"]).args(&words[1..]);
    host::run(command.env("DEBIAN_FRONTEND", "noninteractive")).map(drop)
}

/// The backports suite that QEMU must come from, where qemu-utils comes from it: the two versions have to agree.
fn qemu_backports() -> Option<String> {
    let version =
        host::run(host::command("dpkg-query").args(["-W", "-f", "${Version}", "qemu-utils"])).ok()?;
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    backports_suite(&version, &release)
}

fn backports_suite(qemu_utils_version: &str, os_release: &str) -> Option<String> {
    let codename = os_release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="))?;
    qemu_utils_version.contains("~bpo").then(|| format!("{}-backports", codename.trim_matches('"')))
}

fn suite_is_reachable(suite: &str) -> bool {
    let targets =
        host::run(host::command("apt-get").args(["indextargets", "--format", "$(RELEASE) $(CODENAME)"]));
    targets.is_ok_and(|text| text.split_whitespace().any(|word| word == suite))
}

fn backports_source(suite: &str) -> String {
    let mirror = debian::mirror();
    format!("Types: deb\nURIs: {mirror}\nSuites: {suite}\nComponents: main\nSigned-By: {}\n", debian::KEYRING)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOKWORM: &str = "ID=debian\nVERSION_CODENAME=bookworm\n";

    #[test]
    fn qemu_follows_qemu_utils_into_backports_and_only_then() {
        let suite = backports_suite("1:10.0.2+ds-2+deb13u1~bpo12+1", BOOKWORM);
        assert_eq!(suite.as_deref(), Some("bookworm-backports"));
        assert_eq!(backports_suite("1:7.2+dfsg-7", BOOKWORM), None);
        assert_eq!(backports_suite("", BOOKWORM), None);
    }

    #[test]
    fn only_what_is_not_here_is_missing() {
        let tools = [tool("sh", "dash"), tool("/etc", "base"), tool("no-such-program", "some-package")];
        assert_eq!(missing(&tools), ["some-package"]);
    }
}
