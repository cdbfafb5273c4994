//! What the open devices of a guest have together.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicUsize, Ordering};

use linux_base::stat::Facts;
use linux_base::{Errno, File, Mutex, Result};
use linux_mm::Frame;
use xen_sys::sched::POLL_MAX_PORTS;

use crate::gntalloc::Attic;
use crate::refuse::refused;
use crate::{DOM0, Evtchn, FIRST_RESERVED, Gntalloc, Gntdev, Host, Privcmd, Xenbus};

/// Event channels that the kernel keeps for itself: its consoles, its connection to XenStore, the channel to libxl, and a disk or a
/// network interface that comes later.
const KERNEL_PORTS: usize = 48;
/// Event channels that all programs have together: a sleep names no more ports than that and the kernel's.
pub const MAX_PORTS: usize = POLL_MAX_PORTS - KERNEL_PORTS;

/// A device of `/dev/xen`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Device {
    /// `privcmd`
    Privcmd,
    /// `evtchn`
    Evtchn,
    /// `xenbus`
    Xenbus,
    /// `gntdev`
    Gntdev,
    /// `gntalloc`
    Gntalloc,
}

impl Device {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Evtchn, Self::Gntdev, Self::Gntalloc, Self::Xenbus, Self::Privcmd];

    /// Its name, below `/dev`.
    pub fn path(self) -> &'static str {
        match self {
            Self::Privcmd => "xen/privcmd",
            Self::Evtchn => "xen/evtchn",
            Self::Xenbus => "xen/xenbus",
            Self::Gntdev => "xen/gntdev",
            Self::Gntalloc => "xen/gntalloc",
        }
    }
}

/// The devices of a guest.
pub struct Devices {
    host: Arc<dyn Host>,
    /// Event channels of programs, and how many hold each.
    ports: Mutex<BTreeMap<u32, u32>>,
    /// How many there are, those included that are being bound.
    port_count: AtomicUsize,
    /// Pages that are granted to others.
    granted: AtomicUsize,
    /// Pages of others in all maps of grants.
    mapped: AtomicUsize,
    attic: Mutex<Attic>,
}

impl Devices {
    /// The devices on this host.
    pub fn new(host: Arc<dyn Host>) -> Arc<Self> {
        Arc::new(Self {
            host,
            ports: Mutex::new(BTreeMap::new()),
            port_count: AtomicUsize::new(0),
            granted: AtomicUsize::new(0),
            mapped: AtomicUsize::new(0),
            attic: Mutex::new(Attic::default()),
        })
    }

    /// Opens one. `facts` are those of its node.
    pub fn open(self: &Arc<Self>, device: Device, facts: Arc<dyn Facts>) -> Result<Arc<dyn File>> {
        let this = self.clone();
        Ok(match device {
            Device::Privcmd => Arc::new(Privcmd::new(this, facts)),
            Device::Evtchn => Evtchn::new(this, facts),
            Device::Xenbus => Xenbus::new(this.host(), facts)?,
            Device::Gntdev => Arc::new(Gntdev::new(this, facts)),
            Device::Gntalloc => Arc::new(Gntalloc::new(this, facts)),
        })
    }

    pub(crate) fn host(&self) -> &dyn Host {
        &*self.host
    }

    /// Whether this guest may ask for what a domain grants or offers. A device model may ask its target alone; others ask whom they
    /// like, as from Linux, and Xen looks whether they were invited.
    pub(crate) fn may_ask(&self, domain: u16) -> bool {
        match self.host.target() {
            Some(target) => domain == target,
            None => domain < FIRST_RESERVED,
        }
    }

    /// Whether this guest may grant or offer something to a domain: also a device model to the control domain, whose libxenvchan
    /// takes it.
    pub(crate) fn may_offer(&self, domain: u16) -> bool {
        domain == DOM0 || self.may_ask(domain)
    }

    /// Binds a port for a program. `ENOSPC`, as from Xen, if programs have [`MAX_PORTS`] already.
    pub(crate) fn bind_port(self: &Arc<Self>, bind: impl FnOnce() -> Result<u32>) -> Result<PortHold> {
        let more = |count: usize| count.checked_add(1).filter(|count| *count <= MAX_PORTS);
        if self.port_count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_err() {
            return Err(refused(format_args!("more than {MAX_PORTS} event channels"), Errno::ENOSPC));
        }
        let port = bind().inspect_err(|_| self.uncount_port())?;
        self.ports.lock().insert(port, 1);
        Ok(PortHold { devices: self.clone(), port })
    }

    fn uncount_port(&self) {
        self.port_count.fetch_sub(1, Ordering::Relaxed);
    }

    /// Holds a port that a program has bound, so that it outlives its own open file. `EINVAL` for others.
    pub(crate) fn hold(self: &Arc<Self>, port: u32) -> Result<PortHold> {
        let mut ports = self.ports.lock();
        let holders = ports.get_mut(&port).ok_or(Errno::EINVAL)?;
        *holders = holders.checked_add(1).ok_or(Errno::EINVAL)?;
        Ok(PortHold { devices: self.clone(), port })
    }

    /// Counts pages that are about to be granted. `ENOSPC` if they were more than `limit`.
    pub(crate) fn count_granted(&self, count: usize, limit: usize) -> Result<()> {
        self.sweep_attic();
        let all = self.granted.load(Ordering::Relaxed).checked_add(count).filter(|all| *all <= limit);
        self.granted.store(all.ok_or(Errno::ENOSPC)?, Ordering::Relaxed);
        Ok(())
    }

    /// Counts pages of a new map of grants. `ENOMEM` if all maps had more than `limit`.
    pub(crate) fn count_mapped(&self, count: usize, limit: usize) -> Result<()> {
        let more = |all: usize| all.checked_add(count).filter(|all| *all <= limit);
        let counted = self.mapped.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        counted.map(drop).map_err(|_| Errno::ENOMEM)
    }

    /// The pages of a map that is gone.
    pub(crate) fn uncount_mapped(&self, count: usize) {
        self.mapped.fetch_sub(count, Ordering::Relaxed);
    }

    /// Ends a grant, now or as soon as the peer has let go of the page; that is looked at when pages are granted or given up.
    pub(crate) fn end_grant(&self, gref: u32, frame: Frame) {
        self.sweep_attic();
        if self.host.revoke(gref) {
            self.uncount_granted(1);
        } else {
            self.attic.lock().put(gref, frame);
        }
    }

    fn sweep_attic(&self) {
        let ended = self.attic.lock().sweep(self.host());
        self.uncount_granted(ended);
    }

    pub(crate) fn uncount_granted(&self, count: usize) {
        self.granted.fetch_sub(count, Ordering::Relaxed);
    }
}

/// Keeps a port from being closed.
pub(crate) struct PortHold {
    devices: Arc<Devices>,
    port: u32,
}

impl PortHold {
    pub fn port(&self) -> u32 {
        self.port
    }

    pub fn notify(&self) {
        self.devices.host.notify(self.port);
    }
}

impl Drop for PortHold {
    fn drop(&mut self) {
        let is_last = {
            let mut ports = self.devices.ports.lock();
            let holders = ports.get_mut(&self.port).map(|holders| {
                *holders -= 1;
                *holders
            });
            if holders == Some(0) {
                ports.remove(&self.port);
            }
            holders == Some(0)
        };
        if is_last {
            self.devices.host.close(self.port);
            self.devices.uncount_port();
        }
    }
}
