//! Network devices without the stack: whole Ethernet frames, for who routes, bridges or measures them.
//!
//! A vif is either connected here or belongs to the stack, whose functions connect all of them at their first use, but for those that
//! were set aside before ([`set_aside`]).
//!
//! ```ignore
//! let ids = raw::ids()?;
//! let mut device = raw::connect(ids[0], raw::config(ids.len()))?;
//! loop {
//!     let events: Vec<_> = device.events().collect();
//!     while let Some((frame, answer)) = device.receive(Instant::ZERO) { /* smoltcp's `phy` tokens */ }
//!     if !device.arm() {
//!         raw::wait(&events, None);
//!     }
//! }
//! ```

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

use minios::Xen;
use minios::sync::SpinLock;
use netfront::NetFront;
use xen::Events;

pub use netfront::{Config, Info, Link, Patience, RxFrame, TxFrame};
pub use xen::{EventSeq, Port};

pub use super::Device;
use crate::store::{self, Device as _, XenbusDevice};
pub use crate::store::{DeviceError, State};
use crate::thread;
use crate::time::Duration;

/// What [`Device`] is a driver for.
pub type Platform = Xen;

/// The numbers of this guest's vifs in XenStore.
pub fn ids() -> Result<Vec<u32>, DeviceError> {
    store::devices("vif")
}

/// Buffers for one of so many devices: up to 256 pages for each direction, in all a quarter of the free memory.
pub fn config(devices: usize) -> Config {
    let pages = (minios::memory::usage().free / 4 / devices.max(1)).clamp(64, 512);
    Config { rx_buffers: pages / 2, tx_buffers: pages / 2, ..Config::default() }
}

/// Connects a vif, whose back end has some seconds to come up.
pub fn connect(id: u32, config: Config) -> Result<Device, String> {
    let device = open(id)?;
    let device = NetFront::connect(&Xen, device, config).map_err(|error| error.to_string())?;
    log::debug!("vif{id}: {}", device.info());
    Ok(device)
}

/// Whether a vif's back end divides long TCP segments, over IPv4 and IPv6, as it says itself before it is connected.
pub fn divides_segments(id: u32) -> Result<bool, String> {
    let device = open(id)?;
    let timeout = crate::time::Instant::now() + crate::time::Duration::from_secs(10);
    let settled = [State::InitWait, State::Connected];
    let ready = device.wait_backend(&settled, "back end in InitWait", Some(timeout.as_nanos()));
    ready.map_err(|error| error.to_string())?;
    let mut all = true;
    for feature in ["feature-sg", "feature-gso-tcpv4", "feature-gso-tcpv6", "feature-ipv6-csum-offload"] {
        all &= device.backend_feature(feature).map_err(|error| error.to_string())?;
    }
    Ok(all)
}

/// Waits until a vif's back end closes or is taken away. Its owner then asks [`Device::link`] and may call [`Device::reconnect`].
pub fn wait_gone(id: u32) -> Result<State, String> {
    let gone = [State::Closing, State::Closed, State::Unknown];
    open(id)?.wait_backend(&gone, "back end closing", None).map_err(|error| error.to_string())
}

/// Vifs that the stack is to leave alone.
static ASIDE: SpinLock<Vec<u32>> = SpinLock::new(Vec::new());
static ALL_ASIDE: AtomicBool = AtomicBool::new(false);

/// Keeps a vif, or all of them, from the stack. To be said before the stack is used.
pub fn set_aside(id: Option<u32>) {
    match id {
        Some(id) => ASIDE.lock().push(id),
        None => ALL_ASIDE.store(true, Ordering::Relaxed),
    }
}

/// Whether a vif was set aside.
pub fn is_aside(id: u32) -> bool {
    ALL_ASIDE.load(Ordering::Relaxed) || ASIDE.lock().contains(&id)
}

/// The name that the toolstack gives the back end's interface of a vif, if it does.
pub fn backend_name(id: u32) -> Option<String> {
    open(id).ok()?.read_backend("vifname").ok().flatten()
}

/// Connects a vif however long that takes: its own driver again if that is given and the device has stayed, else the next that the
/// toolstack attaches by that number. Waits.
pub fn connect_again(id: u32, device: Option<Device>, config: Config) -> Device {
    let device = device.and_then(|device| meet_again(id, device));
    device.unwrap_or_else(|| await_another(id, config))
}

/// Between two looks for a back end.
const PAUSE: Duration = Duration::from_secs(1);

/// The device, with its back end again; `None` when it is taken away for good.
fn meet_again(id: u32, mut device: Device) -> Option<Device> {
    loop {
        if let Err(error) = device.link() {
            log::warn!("vif{id}: {error}");
        }
        let back = device.device();
        let stays = back.backend_number("online", 1).is_ok_and(|online| online != 0);
        if !stays || !back.backend_state().is_ok_and(|state| state != State::Unknown) {
            return None;
        }
        match device.reconnect() {
            Ok(()) => return Some(device),
            Err(error) => log::warn!("vif{id}: {error}"),
        }
        thread::sleep(PAUSE);
    }
}

/// The vif of that number that the toolstack attaches next.
fn await_another(id: u32, config: Config) -> Device {
    loop {
        // Says only what a back end that waits for us offers.
        if ids().is_ok_and(|ids| ids.contains(&id)) && divides_segments(id).is_ok() {
            match connect(id, config) {
                Ok(device) => return device,
                Err(error) => log::warn!("vif{id}: {error}"),
            }
        }
        thread::sleep(PAUSE);
    }
}

/// Waits until one of the event channels has had an event past its count, or until a time.
pub fn wait(ports: &[(Port, EventSeq)], until: Option<u64>) {
    Xen.wait(ports, until);
}

/// A number that nobody can guess.
pub fn random() -> u64 {
    minios::entropy::random_u64()
}

fn open(id: u32) -> Result<XenbusDevice, String> {
    let store = store::store().ok_or("there is no XenStore")?;
    XenbusDevice::new(store, "vif", id).map_err(|error| error.to_string())
}
