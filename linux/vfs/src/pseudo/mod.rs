//! File systems whose content is made when it is asked for: `/proc`, `/sys`, `/dev/pts`.
//!
//! A [`Directory`] finds and lists [`Item`]s: further directories, files whose content is made at reading ([`Content`]), links,
//! links that lead to a place directly, device nodes. [`Fixed`] is a directory of items that are always there, with those of
//! another directory behind them.

mod fixed;
mod open;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;

use linux_base::{Errno, File, Mode, Result, Stat, Timespec};

use crate::hooks::Hooks;
use crate::inode::{
    Changes, DirEntry, Emit, FIRST_COOKIE, FileSystem, Inode, Link, NewInode, OpenRequest, Usage,
    anonymous_device, now,
};
use crate::path::Location;

pub use fixed::Fixed;
use open::PseudoFile;

/// `f_type` of `/proc`.
pub const PROC_MAGIC: u64 = 0x9fa0;
/// `f_type` of `/sys`.
pub const SYSFS_MAGIC: u64 = 0x6265_6572;

/// A directory whose names are made when asked for.
pub trait Directory: Send + Sync {
    /// What a name names; `ENOENT` for nothing.
    fn lookup(&self, name: &[u8]) -> Result<Item>;

    /// The first name whose cookie is `from` or more.
    fn next(&self, from: u64) -> Option<Listed>;

    /// Whether its names never change, so that they may be remembered.
    fn is_fixed(&self) -> bool {
        false
    }
}

/// A name in a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed {
    /// Where it stands in the list.
    pub cookie: u64,
    /// The name.
    pub name: Vec<u8>,
    /// The type (`Mode::DIRECTORY` and so on).
    pub kind: u32,
}

/// The content of a file.
pub trait Content: Send + Sync {
    /// All of it, as of now: asked for when a reader begins at the start.
    fn read(&self) -> Result<Vec<u8>>;

    /// Takes what one call has written.
    fn write(&self, bytes: &[u8], offset: u64) -> Result<usize> {
        let _ = (bytes, offset);
        Err(Errno::EIO)
    }

    /// Opens it in a way of its own, for what polls or streams.
    fn open(&self, request: &OpenRequest<'_>) -> Option<Result<Arc<dyn File>>> {
        let _ = request;
        None
    }
}

impl<F: Fn() -> Result<Vec<u8>> + Send + Sync> Content for F {
    fn read(&self) -> Result<Vec<u8>> {
        self()
    }
}

/// A link's text, made when asked for.
pub type Text = Arc<dyn Fn() -> Result<Vec<u8>> + Send + Sync>;
/// A place, found when asked for.
pub type Target = Arc<dyn Fn() -> Result<Location> + Send + Sync>;

/// What an [`Item`] is.
#[derive(Clone)]
pub enum What {
    /// A directory.
    Directory(Arc<dyn Directory>),
    /// A file.
    File(Arc<dyn Content>),
    /// A symbolic link.
    Link(Text),
    /// A symbolic link that shows a text and leads to a place.
    Magic(Text, Target),
    /// A device node: `Mode::CHARACTER` or `Mode::BLOCK`, and its number.
    Device(u32, u64),
}

/// What a name names.
#[derive(Clone)]
pub struct Item {
    /// What it is.
    pub what: What,
    /// Permissions.
    pub permissions: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Its number, if it is not to follow from the path. Of things that come and go by the same name, like processes, each needs a
    /// number of its own.
    pub ino: Option<u64>,
}

impl Item {
    fn new(what: What, permissions: u32) -> Self {
        Self { what, permissions, uid: 0, gid: 0, ino: None }
    }

    /// A directory that all may read (0555).
    pub fn directory(directory: impl Directory + 'static) -> Self {
        Self::new(What::Directory(Arc::new(directory)), 0o555)
    }

    /// A file that all may read (0444).
    pub fn file(content: impl Content + 'static) -> Self {
        Self::new(What::File(Arc::new(content)), 0o444)
    }

    /// A symbolic link.
    pub fn link(text: impl Fn() -> Result<Vec<u8>> + Send + Sync + 'static) -> Self {
        Self::new(What::Link(Arc::new(text)), 0o777)
    }

    /// A symbolic link that leads to a place.
    pub fn magic(
        text: impl Fn() -> Result<Vec<u8>> + Send + Sync + 'static,
        target: impl Fn() -> Result<Location> + Send + Sync + 'static,
    ) -> Self {
        Self::new(What::Magic(Arc::new(text), Arc::new(target)), 0o777)
    }

    /// A device node.
    pub fn device(kind: u32, rdev: u64, permissions: u32) -> Self {
        Self::new(What::Device(kind, rdev), permissions)
    }

    /// With other permissions.
    pub fn permissions(self, permissions: u32) -> Self {
        Self { permissions, ..self }
    }

    /// With an owner and group.
    pub fn owner(self, uid: u32, gid: u32) -> Self {
        Self { uid, gid, ..self }
    }

    /// With a number of its own.
    pub fn number(self, ino: u64) -> Self {
        Self { ino: Some(ino), ..self }
    }

    /// Its type (`Mode::DIRECTORY` and so on).
    pub fn kind(&self) -> u32 {
        match &self.what {
            What::Directory(_) => Mode::DIRECTORY,
            What::File(_) => Mode::REGULAR,
            What::Link(_) | What::Magic(..) => Mode::SYMLINK,
            What::Device(kind, _) => *kind,
        }
    }
}

/// A file system of items.
pub struct PseudoFileSystem {
    kind: &'static str,
    magic: u64,
    root: Arc<PseudoInode>,
}

impl PseudoFileSystem {
    /// A file system with this root: `kind` as `/proc/mounts` names it, `magic` as `statfs(2)` does.
    pub fn new(kind: &'static str, magic: u64, root: impl Directory + 'static) -> Arc<Self> {
        let root = Arc::new(PseudoInode {
            magic,
            device: anonymous_device(),
            ino: 1,
            item: Item::directory(root),
            made: now(),
            hooks: Hooks::new(),
        });
        Arc::new(Self { kind, magic, root })
    }
}

impl FileSystem for PseudoFileSystem {
    fn root(&self) -> Arc<dyn Inode> {
        self.root.clone()
    }

    fn kind(&self) -> &'static str {
        self.kind
    }

    fn usage(&self) -> Usage {
        Usage { magic: self.magic, block_size: 4096, ..Usage::default() }
    }
}

/// An inode of a [`PseudoFileSystem`].
pub struct PseudoInode {
    magic: u64,
    device: u64,
    ino: u64,
    item: Item,
    made: Timespec,
    hooks: Hooks,
}

impl PseudoInode {
    /// What it is.
    pub fn item(&self) -> &Item {
        &self.item
    }

    fn number_of(&self, name: &[u8], ino: Option<u64>) -> u64 {
        // The same name in the same directory has the same number (FNV-1a, in the range of dynamic numbers of /proc).
        let hash = name.iter().fold(0xcbf2_9ce4_8422_2325 ^ self.ino, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        ino.unwrap_or(0xf000_0000 | (hash ^ hash >> 32) & 0x0fff_ffff)
    }

    fn directory(&self) -> Result<&Arc<dyn Directory>> {
        match &self.item.what {
            What::Directory(directory) => Ok(directory),
            _ => Err(Errno::ENOTDIR),
        }
    }
}

impl Inode for PseudoInode {
    fn stat(&self) -> Stat {
        let item = &self.item;
        // Files of sysfs have a page, whatever they say; programs take that for how much there may be.
        let is_sysfs = self.magic == SYSFS_MAGIC;
        Stat {
            dev: self.device,
            ino: self.ino,
            mode: Mode(item.kind() | item.permissions),
            nlink: if item.kind() == Mode::DIRECTORY { 2 } else { 1 },
            uid: item.uid,
            gid: item.gid,
            rdev: if let What::Device(_, rdev) = item.what { rdev } else { 0 },
            size: if is_sysfs && self.item.kind() == Mode::REGULAR { 4096 } else { 0 },
            blksize: if is_sysfs { 4096 } else { 1024 },
            blocks: 0,
            atime: self.made,
            mtime: self.made,
            ctime: self.made,
            btime: self.made,
        }
    }

    fn access(&self) -> (Mode, u32, u32) {
        (Mode(self.item.kind() | self.item.permissions), self.item.uid, self.item.gid)
    }

    fn change(&self, _: &Changes) -> Result<()> {
        // What is made anew each time keeps nothing; terminals are given to users so, who have them already.
        Ok(())
    }

    fn resize(&self, _: u64) -> Result<()> {
        // `echo 1 > /proc/sys/...` cuts it off first.
        Ok(())
    }

    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>> {
        let item = self.directory()?.lookup(name)?;
        let ino = self.number_of(name, item.ino);
        Ok(Arc::new(Self {
            magic: self.magic,
            device: self.device,
            ino,
            item,
            made: now(),
            hooks: Hooks::new(),
        }))
    }

    fn create(&self, _: &[u8], new: &NewInode<'_>) -> Result<Arc<dyn Inode>> {
        // The lookups of /proc fail where others find that nothing is there.
        Err(match new.mode.kind() {
            _ if self.magic == PROC_MAGIC => Errno::ENOENT,
            Mode::REGULAR => Errno::EACCES,
            _ => Errno::EPERM,
        })
    }

    fn read_dir(&self, from: u64, emit: &mut Emit<'_>) -> Result<()> {
        let directory = self.directory()?;
        let mut from = from.saturating_sub(FIRST_COOKIE);
        while let Some(listed) = directory.next(from) {
            from = listed.cookie.saturating_add(1);
            let ino = self.number_of(&listed.name, None);
            let kind = Mode(listed.kind).dirent_type();
            let entry = DirEntry { name: &listed.name, ino, kind, next: from.saturating_add(FIRST_COOKIE) };
            if emit(entry).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn read_link(&self) -> Result<Vec<u8>> {
        match &self.item.what {
            What::Link(text) | What::Magic(text, _) => text(),
            _ => Err(Errno::EINVAL),
        }
    }

    fn follow(&self) -> Result<Link> {
        match &self.item.what {
            What::Magic(_, target) => Ok(Link::Location(target()?)),
            _ => Ok(Link::Path(self.read_link()?)),
        }
    }

    fn open(self: Arc<Self>, request: &OpenRequest<'_>) -> Result<Arc<dyn File>> {
        let What::File(content) = &self.item.what else { return Err(Errno::ENXIO) };
        match content.open(request) {
            Some(file) => file,
            None => Ok(PseudoFile::new(self.clone(), content.clone())),
        }
    }

    fn remembers_names(&self) -> bool {
        self.directory().is_ok_and(|directory| directory.is_fixed())
    }

    fn hooks(&self) -> &Hooks {
        &self.hooks
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_arc(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}
