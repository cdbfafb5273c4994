//! The index of an archive: nodes, and names in directories.
//!
//! A later entry of the same name takes the place of the earlier one, as when an archive is unpacked; a
//! directory only gets the new attributes.

use crate::{
    Error, Inode, Kind, Metadata, Result, Times,
    path::{NAME_MAX, PATH_MAX, components},
};
use alloc::{boxed::Box, collections::BTreeMap, vec::Vec};
use core::ops::Range;

pub(super) const ROOT: Inode = Inode(1);

/// What is in a file.
pub(super) enum Content {
    /// A part of the archive.
    Bytes(Range<usize>),
    /// Bytes that are not in the archive as they are.
    Text(Box<[u8]>),
    /// A directory.
    Names(BTreeMap<Box<[u8]>, Inode>),
}

pub(super) struct Node {
    pub(super) metadata: Metadata,
    pub(super) content: Content,
}

/// What an archive says about an entry.
pub(super) struct Entry {
    pub(super) kind: Kind,
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) mtime: i64,
    /// Major and minor number.
    pub(super) device: (u32, u32),
}

pub(super) struct Tree {
    /// Inode `n` is at `n - 1`.
    nodes: Vec<Node>,
    /// Most nodes.
    limit: usize,
}

impl Tree {
    /// The index of an archive of so many bytes. An honest one has a header of more than a hundred bytes for each node; one
    /// long name of many directories could else make a node of every other byte.
    pub(super) fn new(archive_len: usize) -> Self {
        let mut tree = Self { nodes: Vec::new(), limit: archive_len / 110 + 1024 };
        let root = tree.push_directory();
        tree.count_link(root);
        tree
    }

    /// How many nodes there are.
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(super) fn node(&self, inode: Inode) -> Option<&Node> {
        self.nodes.get(usize::try_from(inode.0.checked_sub(1)?).ok()?)
    }

    fn node_mut(&mut self, inode: Inode) -> Option<&mut Node> {
        self.nodes.get_mut(usize::try_from(inode.0.checked_sub(1)?).ok()?)
    }

    /// Adds an entry with its content (ignored for a directory).
    pub(super) fn add(&mut self, path: &[u8], entry: &Entry, content: Content) -> Result<Inode> {
        let Some((parent, name)) = self.parent_of(path)? else {
            self.set_attributes(ROOT, entry)?;
            return Ok(ROOT);
        };
        if entry.kind == Kind::Directory {
            let dir = self.directory_in(parent, name)?;
            self.set_attributes(dir, entry)?;
            return Ok(dir);
        }
        self.check_room()?;
        let inode = self.push(entry, content);
        self.bind(parent, name, inode)?;
        Ok(inode)
    }

    /// Gives an existing file one more name.
    pub(super) fn link(&mut self, path: &[u8], inode: Inode) -> Result<()> {
        match self.parent_of(path)? {
            Some((parent, name)) => self.bind(parent, name, inode),
            None => Err(Error::corrupt("archive links its root to inode", inode.0)),
        }
    }

    /// Gives an existing file its content.
    pub(super) fn set_content(&mut self, inode: Inode, content: Content) {
        if let Some(node) = self.node_mut(inode)
            && !matches!(node.content, Content::Names(_))
        {
            node.content = content;
        }
    }

    /// The file that is at `path` now; links are not followed.
    pub(super) fn find(&self, path: &[u8]) -> Option<Inode> {
        components(path).try_fold(ROOT, |dir, name| match &self.node(dir)?.content {
            Content::Names(names) => names.get(name).copied(),
            _ => None,
        })
    }

    /// The directory (made where missing) and the last name of `path`; `None` for the root.
    fn parent_of<'a>(&mut self, path: &'a [u8]) -> Result<Option<(Inode, &'a [u8])>> {
        if path.len() > PATH_MAX {
            return Err(Error::NameTooLong { len: path.len(), limit: PATH_MAX });
        }
        if path.contains(&0) {
            return Err(Error::corrupt("archive name with a NUL; length", path.len()));
        }
        let mut names = components(path).peekable();
        let mut dir = ROOT;
        while let Some(name) = names.next() {
            if name == b".." {
                return Err(Error::corrupt("archive name with `..`; length", path.len()));
            }
            if name.len() > NAME_MAX {
                return Err(Error::NameTooLong { len: name.len(), limit: NAME_MAX });
            }
            if names.peek().is_none() {
                return Ok(Some((dir, name)));
            }
            dir = self.directory_in(dir, name)?;
        }
        Ok(None)
    }

    /// The directory `name` in `dir`, made if missing; anything else there is an error.
    fn directory_in(&mut self, dir: Inode, name: &[u8]) -> Result<Inode> {
        let known = match self.node(dir).map(|node| &node.content) {
            Some(Content::Names(names)) => names.get(name).copied(),
            _ => None,
        };
        if let Some(known) = known {
            return match self.node(known).map(|node| node.metadata.kind) {
                Some(Kind::Directory) => Ok(known),
                _ => Err(Error::not_a_directory(name)),
            };
        }
        self.check_room()?;
        let inode = self.push_directory();
        self.bind(dir, name, inode)?;
        Ok(inode)
    }

    fn bind(&mut self, dir: Inode, name: &[u8], inode: Inode) -> Result<()> {
        let taken_by_directory = |tree: &Self, known: &Inode| {
            tree.node(*known).is_some_and(|node| node.metadata.kind == Kind::Directory)
        };
        let Some(Node { content: Content::Names(names), .. }) = self.node(dir) else {
            return Err(Error::not_a_directory(name));
        };
        if names.get(name).is_some_and(|known| taken_by_directory(self, known)) {
            return Err(Error::IsADirectory { path: crate::error::text(name) });
        }
        let replaced = match self.node_mut(dir) {
            Some(Node { content: Content::Names(names), .. }) => names.insert(name.into(), inode),
            _ => None,
        };
        if let Some(node) = replaced.and_then(|replaced| self.node_mut(replaced)) {
            node.metadata.links = node.metadata.links.saturating_sub(1);
        }
        self.count_link(inode);
        if taken_by_directory(self, &inode) {
            // Its `..`.
            self.count_link(dir);
        }
        Ok(())
    }

    /// A file has got one more name.
    fn count_link(&mut self, inode: Inode) {
        if let Some(node) = self.node_mut(inode) {
            node.metadata.links += 1;
        }
    }

    fn check_room(&self) -> Result<()> {
        if self.nodes.len() >= self.limit {
            return Err(Error::corrupt(
                "archive with more directories than its size allows; nodes",
                self.nodes.len(),
            ));
        }
        Ok(())
    }

    fn push(&mut self, entry: &Entry, content: Content) -> Inode {
        let inode = Inode(self.nodes.len() as u64 + 1);
        self.nodes.push(Node { metadata: metadata(inode, entry), content });
        inode
    }

    fn push_directory(&mut self) -> Inode {
        let entry =
            Entry { kind: Kind::Directory, mode: 0o040_755, uid: 0, gid: 0, mtime: 0, device: (0, 0) };
        let inode = self.push(&entry, Content::Names(BTreeMap::new()));
        self.count_link(inode);
        inode
    }

    fn set_attributes(&mut self, inode: Inode, entry: &Entry) -> Result<()> {
        if entry.kind != Kind::Directory {
            return Err(Error::not_a_directory(b"/"));
        }
        if let Some(node) = self.node_mut(inode) {
            node.metadata = Metadata { links: node.metadata.links, ..metadata(inode, entry) };
        }
        Ok(())
    }
}

fn metadata(inode: Inode, entry: &Entry) -> Metadata {
    Metadata {
        inode,
        kind: entry.kind,
        len: 0,
        mode: (entry.mode & 0o7777) as u16,
        uid: entry.uid,
        gid: entry.gid,
        mtime: entry.mtime,
        format: (entry.mode & 0o170_000) as u16,
        links: 0,
        device: entry.device,
        blocks: 0,
        times: Times::all(entry.mtime),
    }
}

/// `len` bytes at `at` of an archive, or an error that names `what`.
pub(super) fn slice<'a>(data: &'a [u8], at: usize, len: usize, what: &'static str) -> Result<&'a [u8]> {
    at.checked_add(len).and_then(|end| data.get(at..end)).ok_or(Error::corrupt(what, at))
}

/// `at` rounded up to a multiple of `to`.
pub(super) fn align(at: usize, to: usize) -> usize {
    at.checked_next_multiple_of(to).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_does_not_take_the_place_of_a_directory() {
        let mut tree = Tree::new(0);
        let file = Entry { kind: Kind::File, mode: 0, uid: 0, gid: 0, mtime: 0, device: (0, 0) };
        tree.add(b"a/b", &file, Content::Bytes(0..0)).unwrap();
        assert!(matches!(tree.add(b"a", &file, Content::Bytes(0..0)), Err(Error::IsADirectory { .. })));
        assert!(matches!(tree.add(b"a/b/c", &file, Content::Bytes(0..0)), Err(Error::NotADirectory { .. })));
        assert_eq!(tree.find(b"/a/./b"), Some(Inode(3)));
    }

    #[test]
    fn a_small_archive_does_not_make_a_large_index() {
        let mut tree = Tree::new(5000);
        let file = Entry { kind: Kind::File, mode: 0, uid: 0, gid: 0, mtime: 0, device: (0, 0) };
        let mut path = Vec::new();
        (0..2000).for_each(|_| path.extend(b"a/"));
        path.push(b'x');
        assert!(matches!(tree.add(&path, &file, Content::Bytes(0..0)), Err(Error::Corrupt { .. })));
    }
}
