//! What is behind device nodes and FIFOs: openers that other parts of the system register.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;

use linux_base::stat::DeviceNumber;
use linux_base::{Errno, File, Mode, Mutex, OpenFile, OpenFlags, Result};

use crate::inode::OpenRequest;

/// Kind of a device node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum DeviceKind {
    /// A character device.
    Character,
    /// A block device.
    Block,
}

/// Opens a device.
pub type Opener = Arc<dyn Fn(&OpenRequest<'_>, DeviceNumber) -> Result<Arc<dyn File>> + Send + Sync>;

/// Opens a FIFO: the pipe is kept with [`crate::hooks::Hooks::attachment_or`] at the inode of the place. May wait for the other
/// end, interruptibly.
pub type FifoOpener = Arc<dyn Fn(&OpenRequest<'_>) -> Result<Arc<dyn File>> + Send + Sync>;

/// Opens again, with other flags, what has no place in the tree, by a link of `/proc/self/fd`: a pipe's other end.
pub type Reopener = Arc<dyn Fn(&Arc<OpenFile>, OpenFlags) -> Result<Arc<OpenFile>> + Send + Sync>;

type Key = (DeviceKind, u32, Option<u32>);

/// The openers.
#[derive(Default)]
pub struct DeviceRegistry {
    openers: Mutex<BTreeMap<Key, Opener>>,
    fifo: Mutex<Option<FifoOpener>>,
    reopen: Mutex<Option<Reopener>>,
}

impl DeviceRegistry {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers a device; without a minor number, all of the major that have no opener of their own.
    pub fn register(&self, kind: DeviceKind, major: u32, minor: Option<u32>, opener: Opener) {
        let old = self.openers.lock().insert((kind, major, minor), opener);
        drop(old);
    }

    /// Sets what opens FIFOs.
    pub fn set_fifo(&self, opener: FifoOpener) {
        *self.fifo.lock() = Some(opener);
    }

    /// Sets what opens files without a place again.
    pub fn set_reopen(&self, reopener: Reopener) {
        *self.reopen.lock() = Some(reopener);
    }

    /// Opens a special file by its type; `ENXIO` where nobody is behind it.
    pub(crate) fn open(&self, mode: Mode, rdev: u64, request: &OpenRequest<'_>) -> Result<Arc<dyn File>> {
        let kind = match mode.kind() {
            Mode::CHARACTER => DeviceKind::Character,
            Mode::BLOCK => DeviceKind::Block,
            Mode::FIFO => {
                let opener = self.fifo.lock().clone();
                return opener.ok_or(Errno::ENXIO)?(request);
            }
            _ => return Err(Errno::ENXIO),
        };
        let number = DeviceNumber::decode(rdev);
        let opener = {
            let openers = self.openers.lock();
            let exact = openers.get(&(kind, number.major, Some(number.minor)));
            exact.or_else(|| openers.get(&(kind, number.major, None))).cloned()
        };
        opener.ok_or(Errno::ENXIO)?(request, number)
    }

    pub(crate) fn reopen(&self, file: &Arc<OpenFile>, flags: OpenFlags) -> Result<Arc<OpenFile>> {
        let reopener = self.reopen.lock().clone();
        reopener.ok_or(Errno::ENXIO)?(file, flags)
    }
}
