//! A root file system in memory: what every later step reads and changes.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// A file's place, without a slash at its start; the root itself is the empty path.
pub type Path = str;

/// Everything below a root, by path.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    nodes: BTreeMap<String, Node>,
}

/// A file, directory or the like.
#[derive(Clone, Debug)]
pub struct Node {
    pub kind: Kind,
    /// Permission bits alone.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// Seconds since 1970; `None` takes the time of the whole.
    pub mtime: Option<u64>,
    /// The Debian package that it comes from.
    pub package: Option<String>,
}

/// What a node is.
#[derive(Clone, Debug)]
pub enum Kind {
    Directory,
    File(Data),
    Symlink(String),
}

/// The content of a file.
#[derive(Clone, Debug)]
pub enum Data {
    Bytes(Vec<u8>),
    /// A file of the host with so many bytes.
    Host(PathBuf, u64),
}

impl Data {
    pub fn len(&self) -> u64 {
        match self {
            Data::Bytes(bytes) => bytes.len() as u64,
            Data::Host(_, len) => *len,
        }
    }

    /// The content itself.
    pub fn read(&self) -> std::io::Result<std::borrow::Cow<'_, [u8]>> {
        match self {
            Data::Bytes(bytes) => Ok(bytes.into()),
            Data::Host(path, _) => std::fs::read(path).map(Into::into),
        }
    }
}

impl Node {
    /// A node of root's.
    pub fn new(kind: Kind, mode: u32) -> Node {
        Node { kind, mode, uid: 0, gid: 0, mtime: None, package: None }
    }

    pub fn is_directory(&self) -> bool {
        matches!(self.kind, Kind::Directory)
    }
}

impl Tree {
    /// Every node, parents before children.
    pub fn iter(&self) -> impl Iterator<Item = (&Path, &Node)> {
        // A name may hold what sorts before a slash; a parent is still a prefix of its children.
        self.nodes.iter().map(|(path, node)| (path.as_str(), node))
    }

    /// Changes every node.
    pub fn for_each(&mut self, mut change: impl FnMut(&Path, &mut Node)) {
        self.nodes.iter_mut().for_each(|(path, node)| change(path, node));
    }

    pub fn get(&self, path: &Path) -> Option<&Node> {
        self.nodes.get(path)
    }

    /// The bytes of all files.
    pub fn content_len(&self) -> u64 {
        self.files().map(|(_, data)| data.len()).sum()
    }

    /// Every file.
    pub fn files(&self) -> impl Iterator<Item = (&Path, &Data)> {
        self.iter().filter_map(|(path, node)| match &node.kind {
            Kind::File(data) => Some((path, data)),
            _ => None,
        })
    }

    /// Puts a node there as it is named; one that was there goes, but a directory keeps what is in it. Links on the way
    /// are followed, and directories that are missing on the way are made.
    pub fn insert(&mut self, path: &Path, node: Node) {
        let path = self.through_links(path);
        self.insert_here(&path, node);
    }

    fn insert_here(&mut self, path: &Path, node: Node) {
        if path.is_empty() {
            return;
        }
        let mut at = 0;
        while let Some(slash) = path[at..].find('/') {
            at += slash;
            let parent = &path[..at];
            if !self.nodes.get(parent).is_some_and(Node::is_directory) {
                self.nodes.insert(parent.to_owned(), Node::new(Kind::Directory, 0o755));
            }
            at += 1;
        }
        if !node.is_directory() {
            self.remove(path);
        }
        self.nodes.insert(path.to_owned(), node);
    }

    /// Puts a node there unless something is.
    pub fn insert_if_absent(&mut self, path: &Path, node: Node) {
        if self.get(&self.through_links(path)).is_none() {
            self.insert(path, node);
        }
    }

    /// Removes a node and all below it.
    pub fn remove(&mut self, path: &Path) {
        self.nodes.remove(path);
        let start = format!("{path}/");
        // A slash is followed by `0`.
        let end = format!("{path}0");
        let below: Vec<String> = self.nodes.range(start..end).map(|(path, _)| path.clone()).collect();
        for path in below {
            self.nodes.remove(&path);
        }
    }

    /// Keeps what `wanted` says yes to; a directory goes only when it says no to it and nothing in it is left.
    pub fn retain(&mut self, mut wanted: impl FnMut(&Path, &Node) -> bool) {
        let mut left = BTreeMap::new();
        // From the end, so that children are judged before their directory.
        while let Some((path, node)) = self.nodes.pop_last() {
            if (node.is_directory() && left_below(&left, &path)) || wanted(&path, &node) {
                left.insert(path, node);
            }
        }
        self.nodes = left;
    }

    /// The path of what `path` names after all symbolic links; `None` where nothing is there or they go in circles.
    pub fn resolve(&self, path: &Path) -> Option<String> {
        let mut path = self.through_links(path);
        for _ in 0..40 {
            match self.nodes.get(&path).map(|node| &node.kind) {
                Some(Kind::Symlink(target)) => path = self.through_links(&beside(&path, target)),
                Some(_) => return Some(path),
                None => return None,
            }
        }
        None
    }

    /// `path` normalised, with the symbolic links among its directories followed; its last part stays as it is.
    pub fn through_links(&self, path: &Path) -> String {
        let mut done = String::new();
        let mut left: Vec<String> = parts(path).rev().map(str::to_owned).collect();
        let mut links = 0;
        while let Some(part) = left.pop() {
            if part == ".." {
                done.truncate(done.rfind('/').unwrap_or(0));
                continue;
            }
            let here = join(&done, &part);
            match self.nodes.get(&here).map(|node| &node.kind) {
                Some(Kind::Symlink(target)) if !left.is_empty() && links < 40 => {
                    links += 1;
                    if target.starts_with('/') {
                        done.clear();
                    }
                    left.extend(parts(target).rev().map(str::to_owned));
                }
                _ => done = here,
            }
        }
        done
    }
}

fn left_below(left: &BTreeMap<String, Node>, path: &str) -> bool {
    left.range(format!("{path}/")..).next().is_some_and(|(next, _)| is_below(next, path))
}

/// Whether `path` lies within the directory `above`.
pub fn is_below(path: &Path, above: &Path) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.starts_with('/'))
}

/// `name` in the directory `path`.
pub fn join(path: &Path, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") }
}

/// What a symbolic link at `path` leads to.
fn beside(path: &Path, target: &str) -> String {
    match path.rfind('/') {
        Some(end) if !target.starts_with('/') => format!("{}/{target}", &path[..end]),
        _ => target.to_owned(),
    }
}

fn parts(path: &str) -> impl DoubleEndedIterator<Item = &str> {
    path.split('/').filter(|part| !part.is_empty() && *part != ".")
}
