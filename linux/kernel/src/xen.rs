//! `/dev/xen`, for who asks for it (`xen=1`) and in a stub domain: what its devices need of Xen and of the program that calls.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::sync::Arc;
use alloc::vec::Vec;

use linux_base::{Errno, Mutex, PollEvents, Result, WaitQueue};
use linux_mm::{AddressSpace, Frame, Frames};
use linux_task::burst::Burst;
use linux_vfs::devtmpfs::DeviceNode;
use linux_vfs::{DeviceKind, DeviceRegistry};
use linux_xen::{Device, Devices, GrantedPage, Host, PortListener, Session};
use minios::Xen;
use minios::events::{self, AfterEvent};
use minios::foreign::{self, Domain};
use minios::grants::{self, MappedGrant};
use minios::hypercall;
use minios::sync::CpuLocal;
use minios_std::store;
use spin::Once;
use xen::memory::RawPage;
use xen::{Access, DomId, EventError, Events, GrantRef, Grants, Port, SharedMemory};
use xenstore::Submitted;
use xenstore::wire::Message;

use crate::options;

/// Major number of devices that have none of their own.
const MISC: u32 = 10;
/// Linux gives such devices these minor numbers, downwards.
const FIRST_MINOR: u32 = 127;

/// Whether this guest runs a device model (`stubdom=1`).
pub fn is_stub_domain() -> bool {
    is_set("stubdom")
}

fn is_set(option: &str) -> bool {
    options::get(option).is_some_and(|value| value != "0" && value != "false")
}

/// The domain that this one is for: `target`, which the toolstack writes.
pub fn target() -> Option<u16> {
    static TARGET: Once<Option<u16>> = Once::new();
    *TARGET.call_once(|| {
        let found = store::store()?.find("target");
        match found.as_ref().map(|target| target.as_deref().map(|text| text.trim().parse())) {
            Ok(Some(Ok(target))) => return Some(target),
            Ok(Some(Err(_))) => log::error!("target: {found:?} is not a domain's number"),
            Ok(None) => log::error!("target: there is none; this is nobody's stub domain"),
            Err(error) => log::error!("target: {error}"),
        }
        None
    })
}

/// Registers the devices, and says what their nodes are: none where nobody asks for them, or in a stub domain without a target.
pub fn register(registry: &DeviceRegistry) -> Vec<DeviceNode<'static>> {
    let target = if is_stub_domain() { target() } else { None };
    if target.is_none() && (is_stub_domain() || !is_set("xen")) {
        return Vec::new();
    }
    let devices = Devices::new(Arc::new(Guest { target, domain: Once::new() }));
    let mut nodes = Vec::new();
    for (device, minor) in Device::ALL.into_iter().zip((0..=FIRST_MINOR).rev()) {
        let devices = devices.clone();
        let opener = move |request: &linux_vfs::inode::OpenRequest<'_>, _| {
            let place = request.location.clone();
            devices.open(device, Arc::new(move || Ok(place.inode()?.stat())))
        };
        registry.register(DeviceKind::Character, MISC, Some(minor), Arc::new(opener));
        let (name, kind) = (device.path(), DeviceKind::Character);
        nodes.push(DeviceNode { name, kind, major: MISC, minor, permissions: 0o600, gid: 0 });
    }
    nodes
}

struct Guest {
    target: Option<u16>,
    domain: Once<Domain>,
}

fn errno(error: hypercall::Errno) -> Errno {
    Errno::from_number(u16::try_from(error.0).unwrap_or(Errno::EIO.number()))
}

/// An error of event channels, which is told: Xen's, or that there are too many.
fn event_errno(error: EventError) -> Errno {
    static BURST: Mutex<Burst> = Mutex::new(Burst::new());
    let told = BURST.lock().admit(minios::time::now_ns());
    if told.is_some() {
        log::warn!(target: "xen", "{error}");
    }
    Errno::from_number(u16::try_from(error.errno).unwrap_or(Errno::EIO.number()))
}

impl Guest {
    fn domain(&self, number: u16) -> Result<Domain> {
        if self.target != Some(number) {
            return Err(Errno::EPERM);
        }
        if let Some(domain) = self.domain.get() {
            return Ok(*domain);
        }
        let domain = Domain::new(number).map_err(errno)?;
        Ok(*self.domain.call_once(|| domain))
    }

    /// The address space of the program that calls.
    fn space(&self) -> Result<Arc<AddressSpace>> {
        crate::host::current().and_then(|thread| thread.process().space()).ok_or(Errno::ESRCH)
    }

    fn listen(&self, port: Port, listener: PortListener) -> u32 {
        let tell = move || {
            listener(port.raw());
            AfterEvent::Mute
        };
        events::listen(port, Some(Arc::new(tell)));
        port.raw()
    }

    fn with_grant(&self, page: GrantedPage, access: Access, copy: impl FnOnce(&MappedGrant)) -> i16 {
        const GENERAL_ERROR: i16 = -1;
        match MappedGrant::new(DomId::new(page.domain), page.gref, access) {
            Ok(mapped) => {
                copy(&mapped);
                0
            }
            Err(minios::grants::GrantMapError::Status { status, .. }) => status,
            Err(_) => GENERAL_ERROR,
        }
    }
}

impl Host for Guest {
    fn target(&self) -> Option<u16> {
        self.target
    }

    fn dm_op(&self, domain: u16, buffers: &mut [Vec<u8>]) -> Result<u64> {
        foreign::dm_op(self.domain(domain)?, buffers).map_err(errno)
    }

    fn populate_physmap(&self, domain: u16, extents: &mut [u64], order: u32, flags: u32) -> Result<u64> {
        foreign::populate_physmap(self.domain(domain)?, extents, order, flags).map_err(errno)
    }

    fn decrease_reservation(&self, domain: u16, extents: &mut [u64], order: u32) -> Result<u64> {
        foreign::decrease_reservation(self.domain(domain)?, extents, order).map_err(errno)
    }

    fn add_to_physmap(&self, domain: u16, space: u32, index: u64, gpfn: u64) -> Result<()> {
        foreign::add_to_physmap(self.domain(domain)?, space, index, gpfn).map_err(errno)
    }

    fn remove_from_physmap(&self, domain: u16, gpfn: u64) -> Result<()> {
        foreign::remove_from_physmap(self.domain(domain)?, gpfn).map_err(errno)
    }

    fn maximum_gpfn(&self, domain: u16) -> Result<u64> {
        foreign::maximum_gpfn(self.domain(domain)?).map_err(errno)
    }

    fn acquire_resource(
        &self,
        domain: u16,
        kind: u16,
        id: u32,
        first: u32,
        frames: &mut [u64],
    ) -> Result<()> {
        foreign::acquire_resource(self.domain(domain)?, kind, id, first.into(), frames).map_err(errno)
    }

    fn resource_size(&self, domain: u16, kind: u16, id: u32) -> Result<u64> {
        foreign::resource_size(self.domain(domain)?, kind, id).map(u64::from).map_err(errno)
    }

    fn hvm_param(&self, domain: u16, index: u32) -> Result<u64> {
        foreign::hvm_param(self.domain(domain)?, index).map_err(errno)
    }

    fn set_hvm_param(&self, domain: u16, index: u32, value: u64) -> Result<()> {
        foreign::set_hvm_param(self.domain(domain)?, index, value).map_err(errno)
    }

    fn settle(&self) {
        // Flushed or not: it outlives a reset, as in a drive.
        minios_std::block::sync_all();
    }

    fn remote_shutdown(&self, domain: u16, reason: u32) -> Result<()> {
        foreign::remote_shutdown(self.domain(domain)?, reason).map_err(errno)
    }

    fn xen_version(&self, operation: u32, buffer: &mut [u8]) -> Result<u64> {
        hypercall::version_info(operation, buffer).map_err(errno)
    }

    fn map_foreign(&self, address: u64, domain: u16, frames: Frames<'_>, errors: &mut [i32]) -> Result<()> {
        self.space()?.map_foreign(address, self.domain(domain)?.number(), frames, errors)
    }

    fn map_grants(&self, address: u64, pages: &[GrantedPage], status: &mut [i16]) -> Result<()> {
        let mut grants = Vec::new();
        grants.try_reserve_exact(pages.len())?;
        grants.extend(pages.iter().map(|page| (page.domain, page.gref)));
        self.space()?.map_grants(address, &grants, status)
    }

    fn read_grant(&self, page: GrantedPage, offset: usize, into: &mut [u8]) -> i16 {
        self.with_grant(page, Access::ReadOnly, |mapped| mapped.copy_out(offset, into))
    }

    fn write_grant(&self, page: GrantedPage, offset: usize, bytes: &[u8]) -> i16 {
        self.with_grant(page, Access::ReadWrite, |mapped| mapped.copy_in(offset, bytes))
    }

    fn grant(&self, domain: u16, frame: &Frame, is_writable: bool) -> Result<u32> {
        let access = if is_writable { Access::ReadWrite } else { Access::ReadOnly };
        // SAFETY: a page of its own that nobody makes a reference into; who asks for the grant gives the page up only when
        // `revoke` succeeded.
        let granted = unsafe { Xen.grant(DomId::new(domain), frame.as_ptr(), access) };
        granted.map(GrantRef::raw).map_err(|_| Errno::ENOSPC)
    }

    fn revoke(&self, gref: u32) -> bool {
        // SAFETY: who has asked for it ends it, and not again when it has ended.
        unsafe { grants::try_revoke(GrantRef::new(gref)) }
    }

    fn bind_interdomain(&self, domain: u16, remote: u32, listener: PortListener) -> Result<u32> {
        let port = Xen.bind_interdomain(DomId::new(domain), Port::new(remote)).map_err(event_errno)?;
        Ok(self.listen(port, listener))
    }

    fn bind_unbound(&self, domain: u16, listener: PortListener) -> Result<u32> {
        let port = Xen.alloc_unbound(DomId::new(domain)).map_err(event_errno)?;
        Ok(self.listen(port, listener))
    }

    fn unmask(&self, port: u32) {
        Xen.unmute(Port::new(port));
    }

    fn notify(&self, port: u32) {
        Xen.notify(Port::new(port));
    }

    fn close(&self, port: u32) {
        Xen.close(Port::new(port));
    }

    fn session(&self, told: WaitQueue) -> Result<Box<dyn Session>> {
        let store = store::store().ok_or(Errno::ENXIO)?;
        static LISTENS: Once<()> = Once::new();
        LISTENS.call_once(|| {
            let pump = || {
                if let Some(store) = store::store() {
                    store.pump();
                }
                AfterEvent::Listen
            };
            events::listen(store.event().0, Some(Arc::new(pump)));
        });
        let wake = Rc::new(move || told.wake(PollEvents::READABLE | PollEvents::WRITABLE));
        let session = store.session(wake).ok_or(Errno::ENFILE)?;
        Ok(Box::new(StoreSession(CpuLocal::new(session))))
    }
}

type RawSession = xenstore::Session<Xen, RawPage>;

struct StoreSession(CpuLocal<RawSession>);

/// A xenstored that breaks the protocol is told once, by who uses it for the guest; programs see an end.
fn store_errno(_: store::Error) -> Errno {
    Errno::EIO
}

impl Session for StoreSession {
    fn submit(&self, message: &Message) -> Result<()> {
        match self.0.submit(message).map_err(store_errno)? {
            Submitted::Yes => Ok(()),
            Submitted::NoRoom => Err(Errno::EAGAIN),
        }
    }

    fn take(&self) -> Result<Option<Vec<u8>>> {
        self.0.take().map_err(store_errno)
    }

    fn is_ready(&self) -> bool {
        self.0.is_ready()
    }

    fn has_room(&self) -> bool {
        self.0.has_room()
    }
}
