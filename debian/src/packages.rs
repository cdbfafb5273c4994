//! Debian packages fetched and unpacked (not configured) by mmdebstrap, from the mirror this machine's apt uses.

use std::fmt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::host;

/// Used only where apt names no Debian mirror.
const DEFAULT_MIRROR: &str = "http://deb.debian.org/debian";
/// What the archive is signed with.
pub const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// The file in an archive of [`extract_listed`] that says where each file comes from.
pub const LISTING: &str = "minios-packages";
/// Writes [`LISTING`]: `PACKAGE ./path` for every entry of every archive that apt has fetched.
const LIST: &str = r#"for deb in "$1"/var/cache/apt/archives/*.deb; do
name=$(dpkg-deb -f "$deb" Package) && dpkg-deb --fsys-tarfile "$deb" | tar -t | sed "s|^|$name |" || exit 1
done >"$1/minios-packages""#;

/// Names that the archive does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The suite that was asked.
    pub suite: String,
    /// The packages it does not have.
    pub packages: Vec<String>,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Debian {} has no package {}", self.suite, self.packages.join(", "))
    }
}

impl std::error::Error for Missing {}

/// Unpacks `packages` of `suite`, with all they depend on, into the tar archive `out`; a [`Missing`] among the causes of
/// the error names what is not there.
///
/// mmdebstrap's `extract` variant runs no maintainer script: a tenth of the time, and nothing needs root or a chroot.
pub fn extract(suite: &str, packages: &[&str], out: &Path) -> Result<()> {
    unpack(suite, packages, out, &[])
}

/// As [`extract`]; the archive also has the file [`LISTING`].
pub fn extract_listed(suite: &str, packages: &[&str], out: &Path) -> Result<()> {
    unpack(suite, packages, out, &["--extract-hook", LIST])
}

fn unpack(suite: &str, packages: &[&str], out: &Path, more: &[&str]) -> Result<()> {
    let mut command = host::as_owner("mmdebstrap");
    command.arg(if host::is_root() { "--mode=root" } else { "--mode=chrootless" });
    command.args(["--variant=extract", "--format=tar"]).args(more);
    command.arg(format!("--include={}", packages.join(",")));
    command.arg("--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr");
    command.arg(format!("--keyring={KEYRING}"));
    for option in download_options(&host::run(host::command("apt-config").arg("dump")).unwrap_or_default()) {
        command.arg(format!("--aptopt={option}"));
    }
    command.arg(suite).arg(out).arg(mirror());
    let result = host::run(&mut command).map_err(|error| match missing(&error.to_string()) {
        packages if packages.is_empty() => error,
        packages => Missing { suite: suite.to_owned(), packages }.into(),
    });
    result.with_context(|| format!("cannot fetch packages of Debian {suite}"))?;
    Ok(())
}

/// The packages that apt has complained of.
fn missing(said: &str) -> Vec<String> {
    let complaints = ["E: Unable to locate package ", "E: Couldn't find any package by regex '"];
    let mut found: Vec<String> = said
        .lines()
        .filter_map(|line| {
            let named = complaints.iter().find_map(|start| line.strip_prefix(start));
            let without = || {
                let name =
                    line.strip_prefix("E: Package '")?.strip_suffix("has no installation candidate")?;
                Some(name)
            };
            named.or_else(without).map(|name| name.trim().trim_matches('\'').to_owned())
        })
        .collect();
    found.sort();
    found.dedup();
    found
}

/// The Debian mirror in this machine's apt configuration.
pub fn mirror() -> String {
    let format = "$(ORIGIN)|$(LABEL)|$(REPO_URI)";
    let mut command: Command = host::command("apt-get");
    let targets = host::run(command.args(["indextargets", "--format", format, "Created-By: Packages"]));
    targets.ok().as_deref().and_then(mirror_in).unwrap_or(DEFAULT_MIRROR).to_owned()
}

fn mirror_in(targets: &str) -> Option<&str> {
    let mut urls = targets.lines().filter_map(|line| line.strip_prefix("Debian|Debian|"));
    urls.find(|url| url.starts_with("http")).map(|url| url.trim_end_matches('/'))
}

/// The lines of `apt-config dump` that say how to reach a mirror (proxies above all).
fn download_options(dump: &str) -> Vec<&str> {
    let wanted = ["Acquire::http::", "Acquire::https::", "Acquire::Retries", "Acquire::Check-"];
    dump.lines()
        .filter(|line| wanted.iter().any(|prefix| line.starts_with(prefix)) && !line.ends_with(" \"\";"))
        .map(|line| line.trim_end_matches(';'))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirror_is_the_one_of_the_main_archive() {
        let targets = "Node Source|Node|https://other.example/\n\
                       Debian|Debian-Security|http://mirror.example/debian-security/\n\
                       Debian|Debian|https://mirror.example/debian/\n\
                       Debian|Debian|http://second.example/debian/\n";
        assert_eq!(mirror_in(targets), Some("https://mirror.example/debian"));
        assert_eq!(mirror_in("Debian|Debian|cdrom:[x]/\n"), None);
        assert_eq!(mirror_in(""), None);
    }

    #[test]
    fn packages_that_apt_does_not_find_are_named_once() {
        let said = "Building dependency tree...\nE: Unable to locate package b-x\nE: Unable to locate package a\n\
                    E: Couldn't find any package by regex 'b-x'\nE: Package 'c' has no installation candidate\n";
        assert_eq!(missing(said), ["a", "b-x", "c"]);
        assert!(missing("E: apt download failed").is_empty());
    }

    #[test]
    fn only_what_concerns_downloads_is_handed_on() {
        let dump = "APT::Architecture \"amd64\";\nAcquire::http::Proxy \"http://proxy.example:3128\";\n\
                    Acquire::https::Verify-Peer \"\";\nAcquire::Languages \"none\";\nAcquire::Retries \"3\";\n";
        assert_eq!(
            download_options(dump),
            ["Acquire::http::Proxy \"http://proxy.example:3128\"", "Acquire::Retries \"3\""]
        );
    }
}
