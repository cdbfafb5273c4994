//! `/dev`: its nodes, and the simple devices behind some of them.

use alloc::sync::Arc;
use core::any::Any;

use linux_base::file::{IoFlags, UserMemory};
use linux_base::stat::DeviceNumber;
use linux_base::{Errno, File, Mode, Result, Sink, Source, Stat, host};

use crate::device::{DeviceKind, DeviceRegistry};
use crate::inode::{FileSystem, Inode, NewInode};
use crate::path::Location;
use crate::tree::{Options, Tree};

/// Major number of memory devices.
const MEM: u32 = 1;
/// Major number of `tty`, `console` and `ptmx`.
const TTY_AUX: u32 = 5;
/// Major number of Xen's disks.
pub const XVD: u32 = 202;
/// Group `tty` of Debian.
const TTY_GROUP: u32 = 5;

/// A node of `/dev`.
#[derive(Clone, Copy, Debug)]
pub struct DeviceNode<'a> {
    /// Its name, below `/dev`; `DIRECTORY/NAME` is one in a directory.
    pub name: &'a str,
    /// Character or block device.
    pub kind: DeviceKind,
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
    /// Permissions.
    pub permissions: u32,
    /// Group.
    pub gid: u32,
}

const fn character(name: &str, major: u32, minor: u32, permissions: u32) -> DeviceNode<'_> {
    DeviceNode { name, kind: DeviceKind::Character, major, minor, permissions, gid: 0 }
}

const NODES: [DeviceNode<'static>; 9] = [
    character("null", MEM, 3, 0o666),
    character("zero", MEM, 5, 0o666),
    character("full", MEM, 7, 0o666),
    character("random", MEM, 8, 0o666),
    character("urandom", MEM, 9, 0o666),
    character("kmsg", MEM, 11, 0o644),
    DeviceNode { gid: TTY_GROUP, ..character("tty", TTY_AUX, 0, 0o666) },
    character("console", TTY_AUX, 1, 0o600),
    DeviceNode { gid: TTY_GROUP, ..character("ptmx", TTY_AUX, 2, 0o666) },
];

const LINKS: [(&str, &str); 4] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
];

/// The block-device node of a Xen disk.
pub fn disk(name: &str, minor: u32) -> DeviceNode<'_> {
    let (kind, major) = (DeviceKind::Block, XVD);
    // Group `disk` of Debian.
    DeviceNode { name, kind, major, minor, permissions: 0o660, gid: 6 }
}

/// A tmpfs with the nodes of `/dev`, the directories `pts` and `shm` to mount on, and `more` nodes: disks, terminals, `net/tun`;
/// and with links to them, each by its name or `DIRECTORY/NAME`, and what it says.
pub fn new(more: &[DeviceNode<'_>], links: &[(&str, &str)]) -> Result<Arc<Tree>> {
    let tree = Tree::new(Options { kind: "devtmpfs", mode: 0o755, ..Options::default() })?;
    let root = tree.root();
    for node in NODES.iter().chain(more) {
        add(&root, node)?;
    }
    for (path, target) in LINKS.iter().chain(links) {
        let mode = Mode(Mode::SYMLINK | 0o777);
        let (place, name) = place_in(&root, path)?;
        place.create(
            name.as_bytes(),
            &NewInode { mode, uid: 0, gid: 0, rdev: 0, target: target.as_bytes() },
        )?;
    }
    for (name, permissions) in [("pts", 0o755), ("shm", 0o1777), ("mqueue", 0o1777)] {
        let mode = Mode(Mode::DIRECTORY | permissions);
        root.create(name.as_bytes(), &NewInode { mode, uid: 0, gid: 0, rdev: 0, target: b"" })?;
    }
    Ok(tree)
}

/// Where `NAME` or `DIRECTORY/NAME` belongs, and its last part.
fn place_in<'a>(root: &Arc<dyn Inode>, path: &'a str) -> Result<(Arc<dyn Inode>, &'a str)> {
    match path.rsplit_once('/') {
        Some((directory, name)) => Ok((directory_in(root, directory)?, name)),
        None => Ok((root.clone(), path)),
    }
}

/// A directory of the root, which is made if it is not there.
fn directory_in(root: &Arc<dyn Inode>, name: &str) -> Result<Arc<dyn Inode>> {
    match root.lookup(name.as_bytes()) {
        Err(Errno::ENOENT) => {
            let mode = Mode(Mode::DIRECTORY | 0o755);
            root.create(name.as_bytes(), &NewInode { mode, uid: 0, gid: 0, rdev: 0, target: b"" })
        }
        found => found,
    }
}

fn add(root: &Arc<dyn Inode>, node: &DeviceNode<'_>) -> Result<()> {
    let kind = match node.kind {
        DeviceKind::Character => Mode::CHARACTER,
        DeviceKind::Block => Mode::BLOCK,
    };
    let rdev = DeviceNumber { major: node.major, minor: node.minor }.encode();
    let new = NewInode { mode: Mode(kind | node.permissions), uid: 0, gid: node.gid, rdev, target: b"" };
    let (place, name) = place_in(root, node.name)?;
    place.create(name.as_bytes(), &new).map(drop)
}

/// Takes what programs write to `/dev/kmsg`.
pub type KernelLog = Arc<dyn Fn(&[u8]) + Send + Sync>;

/// Registers `null`, `zero`, `full`, `random`, `urandom` and `kmsg`.
pub fn register(devices: &DeviceRegistry, log: KernelLog) {
    for minor in [3, 5, 7, 8, 9, 11] {
        let log = log.clone();
        let opener = Arc::new(move |request: &crate::inode::OpenRequest<'_>, number: DeviceNumber| {
            let (place, log) = (request.location.clone(), log.clone());
            Ok(Arc::new(MemoryDevice { place, minor: number.minor, log }) as Arc<dyn File>)
        });
        devices.register(DeviceKind::Character, MEM, Some(minor), opener);
    }
}

/// One of the devices of major number 1.
pub struct MemoryDevice {
    place: Location,
    minor: u32,
    log: KernelLog,
}

impl MemoryDevice {
    /// Whether it is `/dev/zero`: a private mapping of it is anonymous memory.
    pub fn is_zero(&self) -> bool {
        self.minor == 5
    }
}

/// `RNDGETENTCNT`.
const GET_ENTROPY: u32 = 0x8004_5200;
/// A read of random bytes gives no more.
const RANDOM_MAX: usize = 32 << 20;
/// The longest line of the kernel's log.
const LINE_MAX: usize = 1024;

impl File for MemoryDevice {
    fn read(&self, _: u64, into: &mut dyn Sink, _: IoFlags) -> Result<usize> {
        match self.minor {
            5 | 7 => into.push_zeroes(into.room()),
            8 | 9 => {
                let mut done = 0;
                let mut bytes = [0; 256];
                // Nobody else runs meanwhile.
                while into.room() > 0 && done < RANDOM_MAX {
                    let step = into.room().min(bytes.len());
                    host::host().random(&mut bytes[..step]);
                    match into.push(&bytes[..step]) {
                        Ok(pushed) => done += pushed,
                        Err(errno) if done == 0 => return Err(errno),
                        Err(_) => break,
                    }
                }
                Ok(done)
            }
            11 => Err(Errno::EAGAIN),
            _ => Ok(0),
        }
    }

    fn write(&self, _: u64, from: &mut dyn Source, _: IoFlags) -> Result<usize> {
        match self.minor {
            7 => Err(Errno::ENOSPC),
            11 => {
                let mut line = [0; LINE_MAX];
                let all = from.left();
                let pulled = from.pull(&mut line)?;
                (self.log)(&line[..pulled]);
                Ok(all.max(pulled))
            }
            // The bytes are not looked at, wherever they are.
            _ => Ok(from.left()),
        }
    }

    fn stat(&self) -> Result<Stat> {
        Ok(self.place.inode()?.stat())
    }

    fn is_seekable(&self) -> bool {
        true
    }

    fn seek_end(&self) -> Result<u64> {
        Ok(0)
    }

    fn ioctl(&self, command: u32, argument: u64, memory: &dyn UserMemory) -> Result<i64> {
        if matches!(self.minor, 8 | 9) && command == GET_ENTROPY {
            memory.write_u32(argument, 256)?;
            return Ok(0);
        }
        Err(Errno::ENOTTY)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_arc(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}
