//! What a guest never reads, left out of its root.
//!
//! Three rules, each of which `root.keep` overrides: paths (documentation, package databases, init scripts), packages that are
//! there for maintainer scripts alone, and shared libraries that nothing left asks for.

use std::collections::{BTreeMap, BTreeSet};

use super::libraries;
use super::tree::{Node, Tree};

/// Left out unless `root.docs` is true.
const DOCS: &[&str] = &[
    "usr/share/applications",
    "usr/share/bash-completion",
    "usr/share/bug",
    "usr/share/common-licenses",
    "usr/share/doc",
    "usr/share/doc-base",
    "usr/share/fish",
    "usr/share/gtk-doc",
    "usr/share/i18n",
    "usr/share/icons",
    "usr/share/info",
    "usr/share/lintian",
    "usr/share/locale",
    "usr/share/man",
    "usr/share/menu",
    "usr/share/pixmaps",
    "usr/share/vim",
    "usr/share/zsh",
];

/// Left out of every root: what describes or manages packages, services of an init system, and what is for compiling.
const UNREAD: &[&str] = &[
    "boot/*",
    "dev/*",
    "etc/apparmor.d",
    "etc/apt",
    "etc/cron*",
    "etc/default",
    "etc/dpkg",
    "etc/init.d",
    "etc/insserv.conf.d",
    "etc/kernel",
    "etc/logcheck",
    "etc/logrotate.d",
    "etc/motd",
    "etc/profile.d",
    "etc/rc?.d",
    "etc/skel",
    "etc/systemd",
    "etc/ufw",
    "etc/update-motd.d",
    "lib32",
    "libx32",
    "proc/*",
    "sys/*",
    "usr/include",
    "usr/lib/dpkg",
    "usr/lib/init",
    "usr/lib/modules-load.d",
    "usr/lib/pkgconfig",
    "usr/lib/systemd",
    "usr/lib/sysusers.d",
    "usr/lib/tmpfiles.d",
    "usr/lib/udev",
    "usr/lib/valgrind",
    "usr/lib32",
    "usr/libx32",
    "usr/lib/*/*.a",
    "usr/lib/*/audit",
    "usr/lib/*/gconv",
    "usr/lib/*/pkgconfig",
    "usr/share/apport",
    "usr/share/base-files",
    "usr/share/debconf",
    "usr/share/dpkg",
    "usr/share/gdb",
    "usr/share/perl5",
    "usr/share/pkgconfig",
    "var/cache/*",
    "var/lib/apt",
    "var/lib/dpkg",
    "var/lib/systemd",
    "var/log/*.log",
    "var/log/apt",
];

/// Packages that others depend on for their maintainer scripts or out of a system's habit; left out unless asked for.
const UNASKED: &[&str] = &[
    "adduser",
    "apt",
    "debconf",
    "debian-archive-keyring",
    "debianutils",
    "dpkg",
    "gpgv",
    "init-system-helpers",
    "libaudit-common",
    "libcap2-bin",
    "libpam-modules",
    "libpam-modules-bin",
    "libpam-runtime",
    "libperl5.*",
    "libsasl2-modules-db",
    "libsemanage-common",
    "libtirpc-common",
    "lsb-base",
    "mawk",
    "passwd",
    "perl",
    "perl-base",
    "perl-modules-*",
    "readline-common",
    "sensible-utils",
    "sysvinit-utils",
    "tar",
    "ucf",
];

/// What is told otherwise.
pub struct Wishes<'a> {
    pub docs: bool,
    pub keep: Vec<&'a str>,
    pub drop: Vec<&'a str>,
    /// The packages that were asked for by name.
    pub asked: Vec<&'a str>,
    pub without: Vec<&'a str>,
}

/// What was left out.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Trimmed {
    /// Bytes of files.
    pub bytes: u64,
    /// Packages of which nothing is left.
    pub packages: BTreeSet<String>,
}

/// Leaves out of `tree` what its guest never reads.
pub fn trim(tree: &mut Tree, wishes: &Wishes<'_>) -> Trimmed {
    let before = tree.content_len();
    let is_link = |node: &Node| matches!(node.kind, super::tree::Kind::Symlink(_));
    let links = tree.iter().filter(|(path, node)| is_link(node) && tree.resolve(path).is_some());
    let links: Vec<String> = links.map(|(path, _)| path.to_owned()).collect();
    let packages = super::unpack::packages(tree);
    let kept = |path: &str| wishes.keep.iter().any(|pattern| covers(pattern, path));
    let unwanted_package = |name: &str| {
        let unasked = UNASKED.iter().any(|pattern| matches(pattern, name)) && !wishes.asked.contains(&name);
        unasked || wishes.without.contains(&name)
    };
    let unread = |path: &str, node: &Node| {
        let mut patterns = UNREAD.iter().chain(if wishes.docs { &[][..] } else { DOCS });
        patterns.any(|pattern| covers(pattern, path))
            || wishes.drop.iter().any(|pattern| covers(pattern, path))
            || node.package.as_deref().is_some_and(unwanted_package)
    };
    retain(tree, |path, node| kept(path) || !unread(path, node));
    // A root without packages was made by hand: what is in it is wanted.
    if !packages.is_empty() {
        let needed = libraries::needed(tree, |path, node| {
            kept(path) || node.package.as_deref().is_none_or(|name| wishes.asked.contains(&name))
        });
        retain(tree, |path, node| match &node.package {
            Some(package) if needed.idle_packages.contains(package) => kept(path),
            _ => !libraries::is_library(path) || needed.libraries.contains(path),
        });
    }
    // Links into what is gone lead nowhere.
    let lost: BTreeSet<String> = links.into_iter().filter(|path| tree.resolve(path).is_none()).collect();
    retain(tree, |path, _| kept(path) || !lost.contains(path));
    let left = super::unpack::packages(tree);
    Trimmed { bytes: before - tree.content_len(), packages: packages.difference(&left).cloned().collect() }
}

/// Keeps what `wanted` says yes to, and no directory that this has emptied.
fn retain(tree: &mut Tree, wanted: impl Fn(&str, &Node) -> bool) {
    let mut children: BTreeMap<String, ()> = BTreeMap::new();
    for (path, _) in tree.iter() {
        if let Some((parent, _)) = path.rsplit_once('/') {
            children.insert(parent.to_owned(), ());
        }
    }
    tree.retain(|path, node| wanted(path, node) && !(node.is_directory() && children.contains_key(path)));
}

/// Whether `pattern` matches `path` or a directory above it.
pub fn covers(pattern: &str, path: &str) -> bool {
    let pattern = pattern.trim_matches('/');
    let ends = path.match_indices('/').map(|(end, _)| end).chain([path.len()]);
    ends.into_iter().any(|end| matches(pattern, &path[..end]))
}

/// `*` stands for anything but a slash, `**` for anything, `?` for one character that is not a slash.
fn matches(pattern: &str, text: &str) -> bool {
    if let Some(rest) = pattern.strip_prefix("**") {
        let mut starts = text.char_indices().map(|(at, _)| at).chain([text.len()]);
        return starts.any(|at| matches(rest, &text[at..]));
    }
    if let Some(rest) = pattern.strip_prefix('*') {
        let len = text.find('/').unwrap_or(text.len());
        let mut starts = text[..len].char_indices().map(|(at, _)| at).chain([len]);
        return starts.any(|at| matches(rest, &text[at..]));
    }
    let (mut pattern, mut text) = (pattern.chars(), text.chars());
    match (pattern.next(), text.next()) {
        (None, None) => true,
        (Some(wanted), Some(found)) if wanted == found || (wanted == '?' && found != '/') => {
            matches(pattern.as_str(), text.as_str())
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stops_at_a_slash_and_two_do_not() {
        assert!(matches("usr/lib/*/gconv", "usr/lib/x86_64-linux-gnu/gconv"));
        assert!(!matches("usr/*/gconv", "usr/lib/x86_64-linux-gnu/gconv"));
        assert!(matches("**/test", "usr/lib/python3/test") && !matches("**/test", "usr/lib/tests"));
        assert!(matches("etc/rc?.d", "etc/rc0.d") && !matches("etc/rc?.d", "etc/rc/.d"));
        assert!(matches("", "") && matches("*", "") && !matches("a", ""));
    }

    #[test]
    fn a_pattern_covers_what_lies_below() {
        assert!(covers("/usr/share/doc", "usr/share/doc/a/b") && covers("usr/share/doc/", "usr/share/doc"));
        assert!(!covers("usr/share/doc", "usr/share/docs"));
        assert!(covers("dev/*", "dev/null") && !covers("dev/*", "dev"));
    }
}
