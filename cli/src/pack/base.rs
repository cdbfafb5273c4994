//! What a root needs beyond the packages' files: the directories of every system, users, and the additions of `[[files]]`.

use std::path::Path;

use anyhow::{Context, Result};

use super::tree::{Data, Kind, Node, Tree, join};
use super::unpack;
use crate::cfg::packed::{Addition, Content, User};
use crate::cfg::read::Sink;

/// Directories, and their modes.
const DIRECTORIES: &[(&str, u32)] = &[
    ("dev", 0o755),
    ("etc", 0o755),
    ("proc", 0o555),
    ("root", 0o700),
    ("run", 0o755),
    ("sys", 0o555),
    ("tmp", 0o1777),
    ("var", 0o755),
    ("var/lib", 0o755),
    ("var/log", 0o755),
    ("var/tmp", 0o1777),
];
const LINKS: &[(&str, &str)] =
    &[("var/run", "/run"), ("var/lock", "/run/lock"), ("etc/mtab", "/proc/self/mounts")];
/// Where Debian has links since all programs and libraries are below /usr.
const MERGED: [&str; 4] = ["bin", "lib", "lib64", "sbin"];

/// Debian's own numbers.
const USERS: &[(&str, u32, &str)] = &[
    ("root", 0, "/root"),
    ("daemon", 1, "/usr/sbin"),
    ("www-data", 33, "/var/www"),
    ("nobody", 65534, "/nonexistent"),
];
const GROUPS: &[(&str, u32)] =
    &[("root", 0), ("daemon", 1), ("tty", 5), ("www-data", 33), ("users", 100), ("nogroup", 65534)];
const NSSWITCH: &str =
    "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nservices: files\nprotocols: files\n";

/// Adds what every root has and this one has not.
pub fn complete(tree: &mut Tree, users: &[User]) {
    for name in MERGED {
        if tree.get(&format!("usr/{name}")).is_some()
            && tree.get(name).is_none_or(|node| !node.is_directory())
        {
            tree.insert_if_absent(name, Node::new(Kind::Symlink(format!("usr/{name}")), 0o777));
        }
    }
    for (path, mode) in DIRECTORIES {
        tree.insert_if_absent(path, Node::new(Kind::Directory, *mode));
    }
    for (path, target) in LINKS {
        // Packages bring directories here, empty ones, where a running system has links.
        if !tree.iter().any(|(inside, _)| super::tree::is_below(inside, path)) {
            tree.remove(path);
        }
        tree.insert_if_absent(path, Node::new(Kind::Symlink((*target).to_owned()), 0o777));
    }
    tree.insert_if_absent("etc/nsswitch.conf", text(NSSWITCH));
    let mut passwd = read_text(tree, "etc/passwd").unwrap_or_else(|| {
        USERS.iter().map(|(name, id, home)| passwd_line(name, *id, gid_of(name, *id), home)).collect()
    });
    let mut group = read_text(tree, "etc/group")
        .unwrap_or_else(|| GROUPS.iter().map(|(name, id)| format!("{name}:x:{id}:\n")).collect());
    for user in users {
        let start = format!("{}:", user.name);
        let others = |lines: &str| -> String {
            lines.lines().filter(|line| !line.starts_with(&start)).map(|line| format!("{line}\n")).collect()
        };
        passwd = others(&passwd) + &passwd_line(&user.name, user.uid, user.gid, &user.home);
        if !group.lines().any(|line| line.split(':').nth(2) == Some(&user.gid.to_string())) {
            group = others(&group) + &format!("{}:x:{}:\n", user.name, user.gid);
        }
    }
    tree.insert("etc/passwd", text(&passwd));
    tree.insert("etc/group", text(&group));
}

fn gid_of(name: &str, uid: u32) -> u32 {
    GROUPS.iter().find(|(group, _)| *group == name).map_or(uid, |(_, gid)| *gid)
}

fn passwd_line(name: &str, uid: u32, gid: u32, home: &str) -> String {
    format!("{name}:x:{uid}:{gid}:{name}:{home}:/bin/sh\n")
}

fn text(content: &str) -> Node {
    Node::new(Kind::File(Data::Bytes(content.as_bytes().to_vec())), 0o644)
}

/// The text of a file of the tree.
pub fn read_text(tree: &Tree, path: &str) -> Option<String> {
    match &tree.get(&tree.resolve(path)?)?.kind {
        Kind::File(data) => String::from_utf8(data.read().ok()?.into_owned()).ok(),
        _ => None,
    }
}

/// Adds what `[[files]]` says; sources are looked for from `folder`.
pub fn add(tree: &mut Tree, additions: &[Addition], folder: &Path, sink: &mut Sink) -> Result<()> {
    for addition in additions {
        let path = tree.through_links(&addition.path.value);
        if path.is_empty() {
            sink.error(&addition.path.place, "the root itself cannot be replaced".to_owned());
            continue;
        }
        let mut node = match &addition.content {
            Content::Text(content) => text(content),
            Content::Random(len) => Node::new(Kind::File(Data::Bytes(random(*len))), 0o644),
            Content::Symlink(target) => Node::new(Kind::Symlink(target.clone()), 0o777),
            Content::Directory => Node::new(Kind::Directory, 0o755),
            Content::Source(source) => {
                let host = folder.join(&source.value);
                if !host.exists() {
                    sink.error(&source.place, format!("no file `{}`", host.display()));
                    continue;
                }
                let host = host.canonicalize().with_context(|| format!("cannot read {}", host.display()))?;
                let Some(node) = unpack::host_node(&host)? else {
                    let message = format!("`{}` is neither a file nor a directory", host.display());
                    sink.error(&source.place, message);
                    continue;
                };
                if node.is_directory() {
                    unpack::directory(tree, &host, &path)?;
                }
                node
            }
        };
        node.mode = addition.mode.unwrap_or(node.mode);
        if let Some(owner) = &addition.owner {
            let (user, group) = match owner.value.split_once(':') {
                Some((user, group)) => (user, Some(group)),
                None => (owner.value.as_str(), None),
            };
            match ids(tree, user, group) {
                Ok((uid, gid)) => (node.uid, node.gid) = (uid, gid),
                Err(message) => sink.error(&owner.place, message),
            }
        }
        tree.insert(&path, node);
    }
    Ok(())
}

/// The numbers of a user and a group, which are that user's own where none is named.
pub fn ids(tree: &Tree, user: &str, group: Option<&str>) -> Result<(u32, u32), String> {
    let passwd = read_text(tree, "etc/passwd").unwrap_or_default();
    let field = |line: &str, index: usize| line.split(':').nth(index).and_then(|id| id.parse().ok());
    let of_name = |text: &str, name: &str, index: usize| -> Option<u32> {
        text.lines().find(|line| line.split(':').next() == Some(name)).and_then(|line| field(line, index))
    };
    let own_group =
        |uid: u32| passwd.lines().find(|line| field(line, 2) == Some(uid)).and_then(|line| field(line, 3));
    let uid = user.parse().ok().or_else(|| of_name(&passwd, user, 2));
    let uid: u32 =
        uid.ok_or_else(|| format!("no user `{user}` in the root's /etc/passwd; root.users adds one"))?;
    let gid = match group {
        None => own_group(uid).unwrap_or(uid),
        Some(name) => {
            let groups = read_text(tree, "etc/group").unwrap_or_default();
            let gid = name.parse().ok().or_else(|| of_name(&groups, name, 2));
            gid.ok_or_else(|| format!("no group `{name}` in the root's /etc/group"))?
        }
    };
    Ok((uid, gid))
}

/// Always the same bytes (xorshift64*), which no disk or network path can confuse with zeros or repeat unseen.
fn random(len: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    while (bytes.len() as u64) < len {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        bytes.extend_from_slice(&state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
    }
    bytes.truncate(usize::try_from(len).unwrap_or(usize::MAX));
    bytes
}

/// The path of the program that a command names, as the guest will look for it.
pub fn program(tree: &Tree, name: &str, search: &str) -> Option<String> {
    let is_program = |path: &str| {
        let path = tree.resolve(path)?;
        let node = tree.get(&path)?;
        (matches!(node.kind, Kind::File(_)) && node.mode & 0o111 != 0).then_some(path)
    };
    if name.contains('/') {
        return is_program(name);
    }
    search.split(':').find_map(|directory| is_program(&join(directory, name)))
}
