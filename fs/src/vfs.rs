//! One tree out of several file systems.
//!
//! A path is walked name by name. Where the walked path is a mount point, the walk goes on at the root of
//! what is mounted there; the directory below need not exist. Links are followed over mounts, from the root
//! of the tree if absolute.

use crate::{
    DirEntry, Error, FileSystem, Inode, Kind, Metadata, Result, Times,
    error::text,
    filesystem::expect_file,
    path::{self, NAME_MAX, PATH_MAX},
};
use alloc::{borrow::Cow, sync::Arc, vec::Vec};
use core::{fmt, ops::ControlFlow};

/// The most symbolic links on one walk.
const SYMLINKS_MAX: usize = 40;

struct Mount {
    /// Normalised; the root is the empty string.
    point: Vec<u8>,
    fs: Arc<dyn FileSystem>,
}

/// A mount table and the walk over it.
#[derive(Default)]
pub struct Vfs {
    mounts: Vec<Mount>,
}

/// Where a walk stands.
#[derive(Clone, Copy)]
enum Node<'a> {
    Real(&'a Arc<dyn FileSystem>, Inode),
    /// A directory that exists only because something is mounted below it.
    Virtual,
}

/// What to do with a link at the end of a path.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    Follow,
    Keep,
}

impl Vfs {
    /// A tree with nothing in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts `fs` at `point`, an absolute path.
    pub fn mount(&mut self, point: impl AsRef<[u8]>, fs: Arc<dyn FileSystem>) -> Result<()> {
        path::check(point.as_ref())?;
        let point = path::normalise(point.as_ref());
        if self.mounts.iter().any(|mount| mount.point == point) {
            return Err(Error::AlreadyMounted { path: text(&point) });
        }
        self.mounts.push(Mount { point, fs });
        Ok(())
    }

    /// Opens a regular file.
    pub fn open(&self, path: impl AsRef<[u8]>) -> Result<File> {
        let path = path.as_ref();
        match self.walk(path, Last::Follow)?.0 {
            Node::Virtual => Err(Error::IsADirectory { path: text(path) }),
            Node::Real(fs, inode) => {
                let metadata = fs.metadata(inode)?;
                expect_file(&metadata, path)?;
                Ok(File { fs: fs.clone(), metadata })
            }
        }
    }

    /// Facts about what `path` leads to, links followed.
    pub fn metadata(&self, path: impl AsRef<[u8]>) -> Result<Metadata> {
        Self::node_metadata(self.walk(path.as_ref(), Last::Follow)?.0)
    }

    /// Facts about `path` itself: of the link if it is one.
    pub fn symlink_metadata(&self, path: impl AsRef<[u8]>) -> Result<Metadata> {
        Self::node_metadata(self.walk(path.as_ref(), Last::Keep)?.0)
    }

    /// The path with links, `.` and `..` resolved.
    pub fn canonicalize(&self, path: impl AsRef<[u8]>) -> Result<Vec<u8>> {
        let (_, mut real) = self.walk(path.as_ref(), Last::Follow)?;
        if real.is_empty() {
            real.push(b'/');
        }
        Ok(real)
    }

    /// Where the link at `path` points to.
    pub fn read_link(&self, path: impl AsRef<[u8]>) -> Result<Vec<u8>> {
        let path = path.as_ref();
        match self.walk(path, Last::Keep)?.0 {
            Node::Virtual => Err(Error::NotASymlink { path: text(path) }),
            Node::Real(fs, inode) => fs.read_link(inode).map_err(|error| error.at(path)),
        }
    }

    /// The names in a directory, mount points included.
    pub fn read_dir(&self, path: impl AsRef<[u8]>) -> Result<Vec<DirEntry>> {
        let path = path.as_ref();
        let (node, real) = self.walk(path, Last::Follow)?;
        let mut entries = Vec::new();
        if let Node::Real(fs, inode) = node {
            fs.read_dir(inode, &mut |name, inode, kind| {
                entries.push(DirEntry { name: name.to_vec(), inode, kind });
                ControlFlow::Continue(())
            })
            .map_err(|error| error.at(path))?;
        }
        for mount in &self.mounts {
            let Some(name) = path::child_towards(&real, &mount.point) else { continue };
            let inode =
                if mount.point.len() == real.len() + 1 + name.len() { mount.fs.root() } else { Inode(0) };
            match entries.iter_mut().find(|entry| entry.name == name) {
                Some(entry) => entry.kind = Some(Kind::Directory),
                None => entries.push(DirEntry { name: name.to_vec(), inode, kind: Some(Kind::Directory) }),
            }
        }
        Ok(entries)
    }

    fn node_metadata(node: Node<'_>) -> Result<Metadata> {
        match node {
            Node::Real(fs, inode) => fs.metadata(inode),
            Node::Virtual => Ok(Metadata {
                inode: Inode(0),
                kind: Kind::Directory,
                len: 0,
                mode: 0o555,
                uid: 0,
                gid: 0,
                mtime: 0,
                format: 0o040_000,
                links: 2,
                device: (0, 0),
                blocks: 0,
                times: Times::default(),
            }),
        }
    }

    /// Walks `whole`; returns where it ends and its real path (the root being empty).
    fn walk(&self, whole: &[u8], last: Last) -> Result<(Node<'_>, Vec<u8>)> {
        path::check(whole)?;
        let Some(root) = self.mounted_at(b"") else {
            return Err(Error::not_found(whole));
        };
        let must_be_directory = whole.ends_with(b"/") || whole.ends_with(b"/.");
        // The path from here on, which a link replaces; where we stand, with every step that led there.
        let mut rest = Cow::Borrowed(whole);
        let mut at = 0;
        let mut steps = Vec::with_capacity(8);
        steps.push(root);
        let mut real: Vec<u8> = Vec::with_capacity(whole.len());
        let mut links = 0;
        loop {
            at += rest[at..].iter().take_while(|byte| **byte == b'/').count();
            let end = rest[at..].iter().position(|byte| *byte == b'/').map_or(rest.len(), |len| at + len);
            let name = &rest[at..end];
            at = end;
            if name.is_empty() {
                break;
            }
            if name == b"." {
                continue;
            }
            let here = *steps.last().unwrap_or(&root);
            if name == b".." {
                if steps.len() > 1 {
                    steps.pop();
                    real.truncate(real.iter().rposition(|byte| *byte == b'/').unwrap_or(0));
                }
                continue;
            }
            if name.len() > NAME_MAX {
                return Err(Error::NameTooLong { len: name.len(), limit: NAME_MAX });
            }
            let parent_len = real.len();
            real.push(b'/');
            real.extend_from_slice(name);
            if let Some(mounted) = self.mounted_at(&real) {
                steps.push(mounted);
                continue;
            }
            let (fs, inode, metadata) = match Self::step(here, name) {
                Ok(found) => found,
                Err(Error::NotFound { .. } | Error::NotADirectory { .. }) if self.leads_to_mount(&real) => {
                    steps.push(Node::Virtual);
                    continue;
                }
                // Say which component is no directory, or the whole path that does not exist.
                Err(error @ Error::NotADirectory { .. }) => return Err(error.at(&real[..parent_len])),
                Err(error) => return Err(error.at(whole)),
            };
            let is_last = path::components(&rest[end..]).next().is_none();
            if metadata.kind == Kind::Symlink && !(is_last && last == Last::Keep && !must_be_directory) {
                links += 1;
                if links > SYMLINKS_MAX {
                    return Err(Error::TooManySymlinks { path: text(whole) });
                }
                let mut target = fs.read_link(inode)?;
                target.extend_from_slice(&rest[end..]);
                if real.len() + target.len() > PATH_MAX {
                    return Err(Error::NameTooLong { len: real.len() + target.len(), limit: PATH_MAX });
                }
                real.truncate(parent_len);
                if target.first() == Some(&b'/') {
                    real.clear();
                    steps.truncate(1);
                }
                (rest, at) = (Cow::Owned(target), 0);
                continue;
            }
            steps.push(Node::Real(fs, inode));
            if metadata.kind != Kind::Directory && (!is_last || must_be_directory) {
                return Err(Error::not_a_directory(&real));
            }
        }
        Ok((*steps.last().unwrap_or(&root), real))
    }

    fn step<'a>(here: Node<'a>, name: &[u8]) -> Result<(&'a Arc<dyn FileSystem>, Inode, Metadata)> {
        match here {
            Node::Virtual => Err(Error::not_found(name)),
            Node::Real(fs, dir) => {
                let inode = fs.lookup(dir, name)?;
                Ok((fs, inode, fs.metadata(inode)?))
            }
        }
    }

    fn mounted_at(&self, real: &[u8]) -> Option<Node<'_>> {
        match self.mounts.iter().find(|mount| mount.point == real) {
            Some(mount) => Some(Node::Real(&mount.fs, mount.fs.root())),
            None if real.is_empty() && !self.mounts.is_empty() => Some(Node::Virtual),
            None => None,
        }
    }

    fn leads_to_mount(&self, real: &[u8]) -> bool {
        self.mounts.iter().any(|mount| path::child_towards(real, &mount.point).is_some())
    }
}

impl fmt::Debug for Vfs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.mounts.iter().map(|mount| text(&mount.point))).finish()
    }
}

/// An open regular file.
#[derive(Clone)]
pub struct File {
    fs: Arc<dyn FileSystem>,
    metadata: Metadata,
}

impl File {
    /// Its length in bytes.
    #[expect(clippy::len_without_is_empty, reason = "a file is not a collection")]
    pub fn len(&self) -> u64 {
        self.metadata.len
    }

    /// Facts about it, as of its opening.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Reads at `offset` and returns how many bytes: all of `buf` unless the file ends.
    pub fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        self.fs.read_at(self.metadata.inode, offset, buf)
    }

    /// The whole content where it lies in memory already.
    pub fn bytes(&self) -> Option<&[u8]> {
        self.fs.bytes(self.metadata.inode)
    }

    /// The whole content, if it has at most `limit` bytes.
    pub fn read_all(&self, limit: usize) -> Result<Vec<u8>> {
        let too_large = Error::TooLarge { len: self.len(), limit: limit as u64 };
        let len = usize::try_from(self.len()).ok().filter(|len| *len <= limit).ok_or(too_large)?;
        let mut data = alloc::vec![0; len];
        let read = self.read_at(0, &mut data)?;
        data.truncate(read);
        Ok(data)
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File").field("metadata", &self.metadata).finish_non_exhaustive()
    }
}
