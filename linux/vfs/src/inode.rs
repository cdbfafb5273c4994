//! What every file system offers: inodes, and facts about the whole.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use core::ops::ControlFlow;

use linux_base::{Credentials, Errno, File, Mode, Mutex, OpenFlags, Result, Stat, Timespec};

use crate::hooks::Hooks;
use crate::path::Location;

/// The longest name, in bytes.
pub const NAME_MAX: usize = 255;
/// A path of this many bytes, its NUL not counted, is too long.
pub const PATH_MAX: usize = 4096;
/// The longest target of a symbolic link that can be made.
pub const SYMLINK_MAX: usize = 4095;

/// A file system that can be mounted.
pub trait FileSystem: Send + Sync {
    /// The root directory.
    fn root(&self) -> Arc<dyn Inode>;

    /// As `/proc/mounts` names it: `tmpfs`, `ext4`, `proc`.
    fn kind(&self) -> &'static str;

    /// How large and how full it is.
    fn usage(&self) -> Usage;

    /// Whether nothing of it can be changed, whatever the mount says.
    fn is_read_only(&self) -> bool {
        false
    }
}

/// How large and how full a file system is (`statfs(2)`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Usage {
    /// `f_type`, a number of `linux/magic.h`.
    pub magic: u64,
    /// Bytes of a block.
    pub block_size: u64,
    /// Blocks in all; 0 is no limit.
    pub blocks: u64,
    /// Blocks that are free.
    pub free: u64,
    /// Inodes in all.
    pub inodes: u64,
    /// Inodes that are free.
    pub free_inodes: u64,
}

/// What a name that is to be made will be.
#[derive(Clone, Copy, Debug)]
pub struct NewInode<'a> {
    /// Type and permissions; the umask has been applied.
    pub mode: Mode,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Device number of a device node.
    pub rdev: u64,
    /// Target of a symbolic link.
    pub target: &'a [u8],
}

/// Changes to the facts of an inode; what is `None` stays.
#[derive(Clone, Copy, Debug, Default)]
pub struct Changes {
    /// New permissions (`0o7777`).
    pub permissions: Option<u32>,
    /// New owner.
    pub uid: Option<u32>,
    /// New group.
    pub gid: Option<u32>,
    /// New moment of the last read.
    pub atime: Option<Timespec>,
    /// New moment of the last change of the content.
    pub mtime: Option<Timespec>,
}

/// A renaming within one file system.
pub struct Rename<'a> {
    /// The old name.
    pub name: &'a [u8],
    /// What it names.
    pub inode: &'a Arc<dyn Inode>,
    /// The directory of the new name.
    pub to: &'a Arc<dyn Inode>,
    /// The new name.
    pub to_name: &'a [u8],
    /// What the new name names now.
    pub to_inode: Option<&'a Arc<dyn Inode>>,
    /// Whether the two change places.
    pub is_exchange: bool,
}

/// A name in a directory.
#[derive(Clone, Copy, Debug)]
pub struct DirEntry<'a> {
    /// The name.
    pub name: &'a [u8],
    /// Number of what it names.
    pub ino: u64,
    /// Type of that (`DT_*`).
    pub kind: u8,
    /// The cookie to go on with behind this name.
    pub next: u64,
}

/// Takes the names of a directory; `Break` when it has had enough, and then it has not taken that name.
pub type Emit<'a> = dyn FnMut(DirEntry<'_>) -> ControlFlow<()> + 'a;

/// The first cookie that is a file system's own; those before it are `.` and `..`.
pub const FIRST_COOKIE: u64 = 2;

/// Where a symbolic link leads.
pub enum Link {
    /// To a path.
    Path(Vec<u8>),
    /// To a place directly, as the links of `/proc/self` do.
    Location(Location),
}

/// An opening of a file, as file systems and devices see it.
pub struct OpenRequest<'a> {
    /// Where it stands in the tree.
    pub location: &'a Location,
    /// Access mode and flags.
    pub flags: OpenFlags,
    /// Who opens it.
    pub credentials: &'a Credentials,
}

/// A file, directory, link or special file of a file system.
///
/// Names are given without slashes, never `.` or `..`, of at most [`NAME_MAX`] bytes; permissions have been checked. What changes
/// a directory names the inodes that the caller has seen: when the directory holds something else by now, it says `ESTALE`, and
/// the caller looks again. Only `lookup`, `read_dir`, `read_link`, `open`, `check_empty` and `resize` may wait for a disk.
pub trait Inode: Any + Send + Sync {
    /// Facts about it.
    fn stat(&self) -> Stat;

    /// Type and permissions, owner, group: what each step of a walk looks at.
    fn access(&self) -> (Mode, u32, u32) {
        let stat = self.stat();
        (stat.mode, stat.uid, stat.gid)
    }

    /// Changes its facts.
    fn change(&self, changes: &Changes) -> Result<()> {
        let _ = changes;
        Err(Errno::EPERM)
    }

    /// Cuts or extends the content of a regular file.
    fn resize(&self, len: u64) -> Result<()> {
        let _ = len;
        Err(Errno::EINVAL)
    }

    /// What a name in this directory names.
    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>> {
        let _ = name;
        Err(Errno::ENOTDIR)
    }

    /// Makes a new name for a new inode.
    fn create(&self, name: &[u8], new: &NewInode<'_>) -> Result<Arc<dyn Inode>> {
        let _ = (name, new);
        Err(Errno::EPERM)
    }

    /// Makes an inode without a name (`O_TMPFILE`), which may get one later or not.
    fn create_unnamed(&self, new: &NewInode<'_>, can_be_linked: bool) -> Result<Arc<dyn Inode>> {
        let _ = (new, can_be_linked);
        Err(Errno::EOPNOTSUPP)
    }

    /// Makes a new name for an inode of the same file system.
    fn link(&self, name: &[u8], inode: &Arc<dyn Inode>) -> Result<()> {
        let _ = (name, inode);
        Err(Errno::EPERM)
    }

    /// Takes the name of what is no directory away.
    fn unlink(&self, name: &[u8], inode: &Arc<dyn Inode>) -> Result<()> {
        let _ = (name, inode);
        Err(Errno::EPERM)
    }

    /// Takes the name of an empty directory away.
    fn rmdir(&self, name: &[u8], inode: &Arc<dyn Inode>) -> Result<()> {
        let _ = (name, inode);
        Err(Errno::EPERM)
    }

    /// Renames.
    fn rename(&self, rename: &Rename<'_>) -> Result<()> {
        let _ = rename;
        Err(Errno::EPERM)
    }

    /// Says `ENOTEMPTY` of a directory that has names. What is below on a disk has been looked at then.
    fn check_empty(&self) -> Result<()> {
        Ok(())
    }

    /// Lists the names from a cookie on, `.` and `..` left out.
    fn read_dir(&self, from: u64, emit: &mut Emit<'_>) -> Result<()> {
        let _ = (from, emit);
        Err(Errno::ENOTDIR)
    }

    /// The target of a symbolic link.
    fn read_link(&self) -> Result<Vec<u8>> {
        Err(Errno::EINVAL)
    }

    /// Where a walk goes on that meets this symbolic link.
    fn follow(&self) -> Result<Link> {
        Ok(Link::Path(self.read_link()?))
    }

    /// Opens a regular file, or another whose opening is this file system's matter.
    fn open(self: Arc<Self>, request: &OpenRequest<'_>) -> Result<Arc<dyn File>>;

    /// Whether names of this directory may be remembered: only this kernel changes them, through [`Inode`].
    fn remembers_names(&self) -> bool {
        true
    }

    /// Its extended attributes, if it can have some.
    fn xattrs(&self) -> Option<&crate::xattr::Xattrs> {
        None
    }

    /// What hangs on it from outside its file system.
    fn hooks(&self) -> &Hooks;

    /// For downcasting.
    fn as_any(&self) -> &dyn Any;

    /// As [`Inode::as_any`], shared.
    fn as_any_arc(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
}

impl dyn Inode {
    /// Type and permissions.
    pub fn mode(&self) -> Mode {
        self.access().0
    }

    /// Whether it is a directory.
    pub fn is_directory(&self) -> bool {
        self.mode().is_directory()
    }

    /// This inode, if it is of that type.
    pub fn downcast<T: Inode>(&self) -> Option<&T> {
        self.as_any().downcast_ref()
    }

    /// This inode shared, if it is of that type.
    pub fn downcast_arc<T: Inode>(self: &Arc<Self>) -> Option<Arc<T>> {
        self.clone().as_any_arc().downcast().ok()
    }
}

/// Whether two references are to the same inode.
pub fn is_same(one: &Arc<dyn Inode>, other: &Arc<dyn Inode>) -> bool {
    core::ptr::addr_eq(Arc::as_ptr(one), Arc::as_ptr(other))
}

/// A new number for a file system without a device (`st_dev`): major 0, and minors in the order of asking.
pub fn anonymous_device() -> u64 {
    static NEXT: Mutex<u32> = Mutex::new(20);
    let mut next = NEXT.lock();
    *next += 1;
    linux_base::stat::DeviceNumber { major: 0, minor: *next }.encode()
}

/// The time, for stamps on files.
pub fn now() -> Timespec {
    Timespec::from_ns(linux_base::host::host().wall_ns())
}
