//! Where a tree comes from: the archive that mmdebstrap has made, or a directory.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::tree::{Data, Kind, Node, Tree};

/// The bytes of one file, at most; what an archive says of its length is not believed.
const FILE_MAX: u64 = 4 << 30;

/// Reads an archive of [`debian::packages::extract_listed`].
pub fn archive(file: impl Read) -> Result<Tree> {
    let mut tree = Tree::default();
    let mut links = Vec::new();
    let mut listing = String::new();
    let mut archive = tar::Archive::new(file);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = String::from_utf8(entry.path_bytes().into_owned())
            .ok()
            .context("a file of the archive has a name that is not UTF-8")?;
        let path = path.trim_start_matches("./").trim_end_matches('/').to_owned();
        let header = entry.header();
        let kind = header.entry_type();
        let mut node = Node::new(Kind::Directory, header.mode()? & 0o7777);
        (node.uid, node.gid) = (u32::try_from(header.uid()?)?, u32::try_from(header.gid()?)?);
        let target = |entry: &tar::Entry<'_, _>| -> Result<String> {
            let target = entry.link_name_bytes().context("a link of the archive has no target")?;
            Ok(String::from_utf8(target.into_owned())?)
        };
        node.kind = if kind.is_dir() {
            Kind::Directory
        } else if kind.is_symlink() {
            Kind::Symlink(target(&entry)?)
        } else if kind.is_hard_link() {
            links.push((path, target(&entry)?));
            continue;
        } else if kind.is_file() {
            node.mtime = Some(header.mtime()?);
            let mut bytes = Vec::new();
            entry.by_ref().take(FILE_MAX).read_to_end(&mut bytes).with_context(|| path.clone())?;
            if path == debian::packages::LISTING {
                listing = String::from_utf8_lossy(&bytes).into_owned();
                continue;
            }
            Kind::File(Data::Bytes(bytes))
        } else {
            // The guest's kernel makes its device nodes itself.
            continue;
        };
        tree.insert(&path, node);
    }
    for (path, target) in links {
        // One content with two names becomes a name and a link to it, which every form of a root can hold.
        let target = tree.through_links(target.trim_start_matches("./"));
        tree.insert(&path, Node::new(Kind::Symlink(format!("/{target}")), 0o777));
    }
    attribute(&mut tree, &listing);
    // What mmdebstrap itself leaves is about the machine that it ran on.
    tree.retain(|_, node| {
        node.is_directory() || node.package.is_some() || matches!(node.kind, Kind::Symlink(_))
    });
    Ok(tree)
}

/// Notes of each node which package it comes from.
fn attribute(tree: &mut Tree, listing: &str) {
    let mut owners: BTreeMap<String, String> = BTreeMap::new();
    for (package, path) in listing.lines().filter_map(|line| line.split_once(' ')) {
        // A directory of a package may be a link here, as /lib is, and then belongs to nobody.
        if path.ends_with('/') {
            continue;
        }
        let path = tree.through_links(path.trim_start_matches("./"));
        owners.insert(path, package.to_owned());
    }
    tree.for_each(|path, node| {
        if !node.is_directory() {
            node.package = owners.remove(path);
        }
    });
}

/// The packages that files of the tree come from.
pub fn packages(tree: &Tree) -> BTreeSet<String> {
    tree.iter().filter_map(|(_, node)| node.package.clone()).collect()
}

/// Adds what is in `directory` below `to`. Everything is root's: who owns the files here says nothing of the guest.
pub fn directory(tree: &mut Tree, directory: &Path, to: &str) -> Result<()> {
    let entries = fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else {
            bail!("{} is not UTF-8", entry.path().display());
        };
        let path = super::tree::join(to, name);
        if let Some(node) = host_node(&entry.path())? {
            let is_directory = node.is_directory();
            tree.insert(&path, node);
            if is_directory {
                self::directory(tree, &entry.path(), &path)?;
            }
        }
    }
    Ok(())
}

/// A file of the host as a node; `None` for sockets, devices and the like.
pub fn host_node(path: &Path) -> Result<Option<Node>> {
    let meta = path.symlink_metadata().with_context(|| format!("cannot read {}", path.display()))?;
    let kind = if meta.is_dir() {
        Kind::Directory
    } else if meta.is_symlink() {
        let target = fs::read_link(path)?;
        let target =
            target.to_str().with_context(|| format!("the target of {} is not UTF-8", path.display()))?;
        Kind::Symlink(target.to_owned())
    } else if meta.is_file() {
        Kind::File(Data::Host(path.to_owned(), meta.len()))
    } else {
        return Ok(None);
    };
    let mut node = Node::new(kind, meta.mode() & 0o7777);
    if !node.is_directory() {
        node.mtime = u64::try_from(meta.mtime()).ok();
    }
    Ok(Some(node))
}
