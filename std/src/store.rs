//! XenStore.

use alloc::boxed::Box;

use minios::Xen;
use minios::sync::CpuLocal;
use spin::Once;
use xen::EventPort;
use xen::memory::RawPage;

pub use xen::DomId;
pub use xen::xenbus::{Device, DeviceError, State};
pub use xenstore::{Error, Permission, Watch};

/// The connection to xenstored.
pub type Store = xenstore::XenStore<Xen, RawPage>;
/// A device of this guest.
pub type XenbusDevice = xenstore::XenbusDevice<Xen, RawPage>;

static STORE: Once<Option<Box<CpuLocal<Store>>>> = Once::new();

pub(crate) fn start() {
    STORE.call_once(|| {
        let (port, page) = Xen.xenstore()?;
        Some(Box::new(CpuLocal::new(Store::new(&Xen, page, EventPort::from_existing(&Xen, port)))))
    });
}

/// The connection; `None` in the smoke boot, where there is no xenstored.
pub fn store() -> Option<&'static Store> {
    STORE.get()?.as_deref().map(|store| &**store)
}

/// The numbers of this guest's devices of a kind: `vif`, `vbd`.
pub(crate) fn devices(kind: &str) -> Result<alloc::vec::Vec<u32>, DeviceError> {
    store().map_or_else(|| Ok(alloc::vec::Vec::new()), |store| xenstore::enumerate(store, kind))
}
