//! Debian packages fetched and unpacked (not configured) by mmdebstrap, from the mirror this machine's apt uses.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::host;

/// Used only where apt names no Debian mirror.
const DEFAULT_MIRROR: &str = "http://deb.debian.org/debian";
pub(crate) const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Unpacks `packages` of `suite`, with all they depend on, into the tar archive `out`.
///
/// mmdebstrap's `extract` variant runs no maintainer script: a tenth of the time, and nothing needs root or a chroot.
pub(crate) fn extract(suite: &str, packages: &[&str], out: &Path) -> Result<()> {
    let mut command = host::as_owner("mmdebstrap");
    command.arg(if host::is_root() { "--mode=root" } else { "--mode=chrootless" });
    command.args(["--quiet", "--variant=extract", "--format=tar"]);
    command.arg(format!("--include={}", packages.join(",")));
    command.arg("--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr");
    command.arg(format!("--keyring={KEYRING}"));
    for option in download_options(&host::run(host::command("apt-config").arg("dump")).unwrap_or_default()) {
        command.arg(format!("--aptopt={option}"));
    }
    command.arg(suite).arg(out).arg(mirror());
    host::run(&mut command).with_context(|| format!("cannot fetch packages of Debian {suite}"))?;
    Ok(())
}

/// The Debian mirror in this machine's apt configuration.
pub(crate) fn mirror() -> String {
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
    fn only_what_concerns_downloads_is_handed_on() {
        let dump = "APT::Architecture \"amd64\";\nAcquire::http::Proxy \"http://proxy.example:3128\";\n\
                    Acquire::https::Verify-Peer \"\";\nAcquire::Languages \"none\";\nAcquire::Retries \"3\";\n";
        assert_eq!(
            download_options(dump),
            ["Acquire::http::Proxy \"http://proxy.example:3128\"", "Acquire::Retries \"3\""]
        );
    }
}
