//! `/dev/xen/privcmd`

mod dm_op;
mod hypercall;
mod map;
mod memory;

use alloc::sync::Arc;
use core::any::Any;

use linux_base::file::{MapKind, Mapping, UserMemory};
use linux_base::stat::Facts;
use linux_base::{Errno, File, Mutex, Result, Stat};

use crate::refuse::refused;
use crate::request::{Fields, ioctl};
use crate::{DOMID_INVALID, Devices};

const HYPERCALL: u32 = ioctl(b'P', 0, 48);
const MMAP_BATCH: u32 = ioctl(b'P', 3, 24);
const MMAP_BATCH_V2: u32 = ioctl(b'P', 4, 32);
const DM_OP: u32 = ioctl(b'P', 5, 16);
const RESTRICT: u32 = ioctl(b'P', 6, 2);
const MMAP_RESOURCE: u32 = ioctl(b'P', 7, 32);

/// The open device.
pub struct Privcmd {
    devices: Arc<Devices>,
    facts: Arc<dyn Facts>,
    /// The only domain that is left to it, if it has restricted itself.
    restricted: Mutex<Option<u16>>,
}

impl Privcmd {
    /// Opens it.
    pub(crate) fn new(devices: Arc<Devices>, facts: Arc<dyn Facts>) -> Self {
        Self { devices, facts, restricted: Mutex::new(None) }
    }

    fn host(&self) -> &dyn crate::Host {
        self.devices.host()
    }

    /// Whether a call on a domain is for this open file to make at all.
    fn check_restriction(&self, domain: u16) -> Result<()> {
        match *self.restricted.lock() {
            Some(only) if only != domain => Err(Errno::EPERM),
            _ => Ok(()),
        }
    }

    /// A device model gets at its target alone; who is none, at no domain.
    fn check_target(&self, domain: u16, what: &str) -> Result<()> {
        if self.host().target() == Some(domain) {
            return Ok(());
        }
        Err(refused(format_args!("{what} on domain {domain}, which is not the target"), Errno::EPERM))
    }

    fn restrict(&self, argument: u64, memory: &dyn UserMemory) -> Result<i64> {
        let domain = Fields::<2>::read(memory, argument)?.u16(0);
        let mut restricted = self.restricted.lock();
        match *restricted {
            None => *restricted = Some(domain).filter(|domain| *domain != DOMID_INVALID),
            Some(only) if only == domain => {}
            Some(_) => return Err(Errno::EINVAL),
        }
        Ok(0)
    }
}

impl File for Privcmd {
    fn stat(&self) -> Result<Stat> {
        self.facts.stat()
    }

    fn ioctl(&self, command: u32, argument: u64, memory: &dyn UserMemory) -> Result<i64> {
        match command {
            HYPERCALL => self.hypercall(argument, memory),
            MMAP_BATCH => self.mmap_batch(argument, memory),
            MMAP_BATCH_V2 => self.mmap_batch_v2(argument, memory),
            DM_OP => self.dm_op(argument, memory),
            RESTRICT => self.restrict(argument, memory),
            MMAP_RESOURCE => self.mmap_resource(argument, memory),
            _ => Err(Errno::ENOTTY),
        }
    }

    /// An area that stays empty until an ioctl fills it.
    fn mmap(&self, _: &Mapping) -> Result<MapKind> {
        Ok(MapKind::Foreign)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_arc(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}
