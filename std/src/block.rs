//! Disks: [`open`] gives the driver's, past any cache; [`cached`] the page cache that file systems and writers share; [`File`] reads and
//! writes a whole disk through that.

mod cached;
mod device;
mod file;
mod follow;
mod writer;
mod writes;

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use blkfront::BlkFront;
use minios::Xen;
use minios::sync::{CpuLocal, Mutex};

use crate::store::{self, DeviceError, XenbusDevice};

pub use cached::{cache_usage, cached, shrink, sync_all};
pub use file::File;

pub use crate::hotplug::Presence;
pub(crate) use cached::read_cached;

pub use blkfront::{Completion, Config, Discard, Error, FlushKind, OnLoss, Request, SubmitError, Token};

/// A connected disk. Clones are the same disk; threads share it.
pub type Disk = Arc<CpuLocal<BlkFront<Xen, XenbusDevice>>>;

static OPEN: Mutex<BTreeMap<String, Disk>> = Mutex::new(BTreeMap::new());

/// Why there is no such disk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OpenError {
    /// The domain has no disk of this name; it has these.
    NoSuchDisk {
        /// What was asked for.
        name: String,
        /// What there is.
        there_are: Vec<String>,
    },
    /// XenStore does not say what it should.
    Device(DeviceError),
    /// It could not be connected.
    Connect(Error),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchDisk { name, there_are } if there_are.is_empty() => {
                write!(f, "no disk {name}: this domain has none")
            }
            Self::NoSuchDisk { name, there_are } => {
                write!(f, "no disk {name}: this domain has {}", there_are.join(", "))
            }
            Self::Device(error) => error.fmt(f),
            Self::Connect(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for OpenError {}

/// The names of the disks that the domain has now, as `xvda`: those that `xl block-attach` has added, too.
pub fn names() -> Result<Vec<String>, DeviceError> {
    Ok(store::devices("vbd")?.into_iter().map(blkfront::device_name).collect())
}

/// Connects to a disk, `xvda` or `/dev/xvda`; to one that is connected already it is another handle.
pub fn open(name: &str) -> Result<Disk, OpenError> {
    open_with(name, config())
}

/// As [`open`], with settings of the caller's, which do not change a disk that is connected already.
pub fn open_with(name: &str, config: Config) -> Result<Disk, OpenError> {
    let name = name.strip_prefix("/dev/").unwrap_or(name);
    let mut open = OPEN.lock();
    if let Some(disk) = open.get(name) {
        return Ok(disk.clone());
    }
    let ids = store::devices("vbd").map_err(OpenError::Device)?;
    let Some(id) = ids.iter().copied().find(|id| blkfront::device_name(*id) == name) else {
        let there_are = ids.into_iter().map(blkfront::device_name).collect();
        return Err(OpenError::NoSuchDisk { name: name.to_string(), there_are });
    };
    let Some(store) = store::store() else {
        return Err(OpenError::NoSuchDisk { name: name.to_string(), there_are: Vec::new() });
    };
    let device = XenbusDevice::new(store, "vbd", id).map_err(OpenError::Device)?;
    let disk = BlkFront::connect(Xen, device, config).map_err(OpenError::Connect)?;
    let disk = Arc::new(CpuLocal::new(disk));
    open.insert(name.to_string(), disk.clone());
    drop(open);
    follow::start();
    Ok(disk)
}

/// Has `tell` called with the name of each disk that is there, that comes, and that has gone. The first call counts.
pub fn on_change(tell: fn(&str, Presence)) {
    follow::ON_CHANGE.call_once(|| tell);
    follow::start();
}

/// The settings of [`open`]: a share of the free memory, and a disk that went away is waited for, as Linux does.
pub fn config() -> Config {
    Config { on_loss: OnLoss::Reconnect, ..Config::for_memory(minios::memory::usage().free) }
}
