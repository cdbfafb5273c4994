//! What the devices need of Xen, and of the address space of the program that makes a call.
//!
//! Errors are Xen's, which has Linux's numbers. Nothing here waits.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use linux_base::{Result, WaitQueue};
use linux_mm::{Frame, Frames};
use xenstore::wire::Message;

/// A grant of another domain.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct GrantedPage {
    /// Whose.
    pub domain: u16,
    /// Its reference there.
    pub gref: u32,
}

/// Is told of an event of a port, which lets no more in until it is unmasked. Called where nothing may wait, and not before the
/// port's number was returned.
pub type PortListener = Arc<dyn Fn(u32) + Send + Sync>;

/// Xen, with typed operations; the domains are checked already.
pub trait Host: Send + Sync {
    /// The domain whose device model this guest runs, if it is for one.
    fn target(&self) -> Option<u16>;

    /// `HYPERVISOR_dm_op`; the buffers are read and filled.
    fn dm_op(&self, domain: u16, buffers: &mut [Vec<u8>]) -> Result<u64>;
    /// `XENMEM_populate_physmap`: how many of the extents were populated.
    fn populate_physmap(&self, domain: u16, extents: &mut [u64], order: u32, flags: u32) -> Result<u64>;
    /// `XENMEM_decrease_reservation`: how many were freed.
    fn decrease_reservation(&self, domain: u16, extents: &mut [u64], order: u32) -> Result<u64>;
    /// `XENMEM_add_to_physmap`
    fn add_to_physmap(&self, domain: u16, space: u32, index: u64, gpfn: u64) -> Result<()>;
    /// `XENMEM_remove_from_physmap`
    fn remove_from_physmap(&self, domain: u16, gpfn: u64) -> Result<()>;
    /// `XENMEM_maximum_gpfn`
    fn maximum_gpfn(&self, domain: u16) -> Result<u64>;
    /// `XENMEM_acquire_resource`: fills in machine frames, from frame `first` of the resource.
    fn acquire_resource(&self, domain: u16, kind: u16, id: u32, first: u32, frames: &mut [u64])
    -> Result<()>;
    /// `XENMEM_acquire_resource` without frames: how many there are.
    fn resource_size(&self, domain: u16, kind: u16, id: u32) -> Result<u64>;
    /// `HVMOP_get_param`
    fn hvm_param(&self, domain: u16, index: u32) -> Result<u64>;
    /// `HVMOP_set_param`
    fn set_hvm_param(&self, domain: u16, index: u32, value: u64) -> Result<()>;
    /// Has what the target wrote reach its disks, and waits for it: it is about to end, and this guest with it.
    fn settle(&self);
    /// `SCHEDOP_remote_shutdown`
    fn remote_shutdown(&self, domain: u16, reason: u32) -> Result<()>;
    /// `HYPERVISOR_xen_version` with the buffer of that operation, empty for those without one.
    fn xen_version(&self, operation: u32, buffer: &mut [u8]) -> Result<u64>;

    /// Maps frames in an area of the calling program that was made for such. `EINVAL` if the range is not in one. `errors` gets for
    /// each page 0 or Xen's errno; a page that fails does not stop the others.
    fn map_foreign(&self, address: u64, domain: u16, frames: Frames<'_>, errors: &mut [i32]) -> Result<()>;
    /// Maps grants in such an area, for writing if it can be written; `status` gets `GNTST_*` for each.
    fn map_grants(&self, address: u64, pages: &[GrantedPage], status: &mut [i16]) -> Result<()>;
    /// Copies out of a granted page; `GNTST_*`.
    fn read_grant(&self, page: GrantedPage, offset: usize, into: &mut [u8]) -> i16;
    /// Copies into a granted page; `GNTST_*`.
    fn write_grant(&self, page: GrantedPage, offset: usize, bytes: &[u8]) -> i16;

    /// Grants a page of ours.
    fn grant(&self, domain: u16, frame: &Frame, is_writable: bool) -> Result<u32>;
    /// Ends a grant; `false` if it is mapped still: then the page must not be used for anything else until a later try has ended it.
    fn revoke(&self, gref: u32) -> bool;

    /// Binds a new port to one of `domain`.
    fn bind_interdomain(&self, domain: u16, remote: u32, listener: PortListener) -> Result<u32>;
    /// A new port that `domain` may bind to.
    fn bind_unbound(&self, domain: u16, listener: PortListener) -> Result<u32>;
    /// Lets events of a port in again.
    fn unmask(&self, port: u32);
    /// Raises an event at the other end.
    fn notify(&self, port: u32);
    /// Gives a port back.
    fn close(&self, port: u32);

    /// A session with xenstored; `told` is woken for something to read, or room. `ENXIO` where there is no xenstored.
    fn session(&self, told: WaitQueue) -> Result<Box<dyn Session>>;
}

/// A session with xenstored, as `xenstore::Session` is one.
pub trait Session: Send + Sync {
    /// Sends a message. `EAGAIN` if there is no room, `EIO` if the connection has ended.
    fn submit(&self, message: &Message) -> Result<()>;
    /// The next message, if there is one. `EIO` if the connection has ended.
    fn take(&self) -> Result<Option<Vec<u8>>>;
    /// Whether there is a message, or an end to be told.
    fn is_ready(&self) -> bool;
    /// Whether a message would be taken, or refused for good.
    fn has_room(&self) -> bool;
}
