//! All pseudo-terminals: what `/dev/ptmx` makes and `/dev/pts` lists.

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;

use linux_base::stat::DeviceNumber;
use linux_base::{Errno, Facts, Mode, Mutex, OpenFlags, Result, Stat, Timespec, host};

use crate::job::JobControl;
use crate::pty::PtyMaster;
use crate::tty::{PtyState, Tty};
use crate::tty_file::{OpenedAs, TtyFile};

/// Pseudo-terminals at most, as in Linux.
const MAX: u32 = 4096;
/// The major device number of `/dev/pts/N`.
const MAJOR: u32 = 136;

/// The pseudo-terminals of the system.
pub struct Ptys {
    jobs: Arc<dyn JobControl>,
    table: Mutex<BTreeMap<u32, Arc<Pty>>>,
    myself: Weak<Self>,
}

/// An entry of `/dev/pts`.
pub struct Pty {
    tty: Arc<Tty>,
    index: u32,
    node: Mutex<Node>,
    created: Timespec,
}

/// What can be changed of an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Node {
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Permissions.
    pub permissions: u32,
}

impl Ptys {
    /// The device of `/dev/ptmx`.
    pub const MULTIPLEXER: DeviceNumber = DeviceNumber { major: 5, minor: 2 };

    /// None yet.
    pub fn new(jobs: Arc<dyn JobControl>) -> Arc<Self> {
        Arc::new_cyclic(|myself| Self { jobs, table: Mutex::default(), myself: myself.clone() })
    }

    /// Opens `/dev/ptmx`: a new pseudo-terminal, locked, with its entry of `/dev/pts`. `facts` are those of the inode that was
    /// opened. `ENOSPC` if there are too many.
    pub fn open_master(&self, node: Node, facts: Option<Arc<dyn Facts>>) -> Result<Arc<PtyMaster>> {
        let mut table = self.table.lock();
        let index = (0..MAX).find(|index| !table.contains_key(index)).ok_or(Errno::ENOSPC)?;
        let state = PtyState { has_master: true, is_locked: true, ..PtyState::default() };
        let device = DeviceNumber { major: MAJOR, minor: index };
        let tty = Arc::new(Tty::with(device, None, self.jobs.clone(), state));
        let created = Timespec::from_ns(host::host().wall_ns());
        table.insert(index, Arc::new(Pty { tty: tty.clone(), index, node: Mutex::new(node), created }));
        Ok(PtyMaster::new(tty, index, self.myself.clone(), facts))
    }

    /// Opens `/dev/pts/N`. `ENOENT` if it is not there.
    pub fn open_slave(&self, index: u32, flags: OpenFlags) -> Result<Arc<TtyFile>> {
        let pty = self.get(index).ok_or(Errno::ENOENT)?;
        pty.tty.open(flags, OpenedAs::Terminal, Some(pty.clone()))
    }

    /// The numbers in `/dev/pts`.
    pub fn indices(&self) -> Vec<u32> {
        self.table.lock().keys().copied().collect()
    }

    /// An entry of `/dev/pts`.
    pub fn get(&self, index: u32) -> Option<Arc<Pty>> {
        self.table.lock().get(&index).cloned()
    }

    pub(crate) fn remove(&self, index: u32) {
        let gone = self.table.lock().remove(&index);
        drop(gone);
    }
}

impl Pty {
    /// The terminal.
    pub fn tty(&self) -> &Arc<Tty> {
        &self.tty
    }

    /// Its number.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// Owner and permissions.
    pub fn node(&self) -> Node {
        *self.node.lock()
    }

    /// `chown` and `chmod`, permission for which the VFS has checked.
    pub fn set_node(&self, node: Node) {
        *self.node.lock() = node;
    }
}

impl Facts for Pty {
    fn stat(&self) -> Result<Stat> {
        let node = self.node();
        Ok(Stat {
            dev: 24,
            ino: u64::from(self.index) + 3,
            mode: Mode(Mode::CHARACTER | node.permissions & 0o7777),
            nlink: 1,
            uid: node.uid,
            gid: node.gid,
            rdev: self.tty.device().encode(),
            blksize: 1024,
            atime: self.created,
            mtime: self.created,
            ctime: self.created,
            btime: self.created,
            ..Stat::default()
        })
    }
}
