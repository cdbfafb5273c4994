//! The vifs: connected when they come, reconnected when their back ends come back, taken away when they go.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use minios::Xen;
use net::IfIndex;
use netfront::{Config, Link, NetFront};
use xenstore::{News, Step, next_step};

use super::start::{NETWORK, Network};
use super::{Device, Presence, interface_name, options, raw};
use crate::hotplug::Workers;
use crate::store::{self, Device as _, DeviceError, State, XenbusDevice};
use crate::thread;
use crate::time::Duration;

/// A vif that XenStore has.
pub(super) struct Vif {
    id: u32,
    /// Which options of the command line are for it: of the vifs that there are it is the n-th.
    number: usize,
    /// Its interface, once it was connected.
    interface: Option<IfIndex>,
    /// Keys as they were when last looked at.
    mtu: Option<String>,
    carrier: bool,
}

// smoltcp makes an interface, 17 KiB, on the stack, and copies it.
static WORKERS: Workers = Workers::new(64 * 1024, |id| {
    if let Some(network) = NETWORK.get() {
        network.tend(id);
    }
});

/// Where there is no key that says otherwise.
const DEFAULT_MTU: usize = 1500;
/// How long to leave a back end alone that can not be connected again.
const PAUSE: Duration = Duration::from_secs(1);

/// Takes the news of a vif.
pub(super) fn news(id: u32, news: News) {
    let Some(network) = NETWORK.get().filter(|_| !raw::is_aside(id)) else { return };
    let name = interface_name(id);
    match news {
        News::Malformed(error) => log::error!("{name}: {error}"),
        _ => WORKERS.run(id, name, || network.is_to_be_tended(id)),
    }
}

impl Network {
    /// Connects the vifs that are there when the network comes up, of which this was told.
    pub(super) fn connect_first(&self, mut told: Vec<(u32, News)>) {
        told.retain(|(id, _)| !raw::is_aside(*id));
        // Each counts, whatever becomes of it.
        told.iter().for_each(|(id, _)| self.with_vif(*id, |_| ()));
        for (id, news) in told {
            match news {
                News::Malformed(error) => log::error!("{}: {error}", interface_name(id)),
                News::Appeared => self.connect(id),
                _ => {}
            }
        }
    }

    /// A vif, entered with the lowest number that no other has.
    fn with_vif<R>(&self, id: u32, f: impl FnOnce(&mut Vif) -> R) -> R {
        let mut vifs = self.vifs.lock();
        let at = vifs.iter().position(|vif| vif.id == id).unwrap_or_else(|| {
            let is_free = |number: &usize| vifs.iter().all(|vif| vif.number != *number);
            let number = (0..=vifs.len()).find(is_free).unwrap_or_default();
            vifs.push(Vif { id, number, interface: None, mtu: None, carrier: true });
            vifs.len() - 1
        });
        f(&mut vifs[at])
    }

    fn interface(&self, id: u32) -> Option<IfIndex> {
        self.vifs.lock().iter().find(|vif| vif.id == id)?.interface
    }

    /// What is to be done about a vif.
    fn next_step(&self, id: u32) -> Result<(Step, XenbusDevice), DeviceError> {
        let missing = || DeviceError::Missing { path: alloc::format!("device/vif/{id}") };
        let device = XenbusDevice::new(store::store().ok_or_else(missing)?, "vif", id)?;
        let step = next_step(&device, self.interface(id).is_some())?;
        Ok((step, device))
    }

    /// Whether there is something to do that takes a thread of its own.
    fn is_to_be_tended(&self, id: u32) -> bool {
        match self.next_step(id) {
            Ok((Step::Rest, device)) => self.another_mtu(id, &device).is_some(),
            Ok(_) => true,
            Err(DeviceError::Missing { .. }) if self.interface(id).is_none() => {
                self.vifs.lock().retain(|vif| vif.id != id);
                false
            }
            Err(DeviceError::Missing { .. }) => true,
            Err(error) => {
                complain(id, &error);
                false
            }
        }
    }

    /// The `mtu` key if it has changed. Whoever changes the MTU, a hotplug script for instance, changes the key that is on this side.
    /// Tells of the carrier by the way.
    fn another_mtu(&self, id: u32, device: &XenbusDevice) -> Option<Option<String>> {
        let interface = self.interface(id)?;
        let (carrier, mtu) = (device.backend_number("carrier", 1).ok()? != 0, device.read("mtu").ok()?);
        // A hotplug script that only says what was taken for granted changes nothing.
        let applied = self.stack.lock().device_mut(interface).map(|device| device.mtu());
        let is_applied = mtu.as_ref().map_or(Some(DEFAULT_MTU), |mtu| mtu.trim().parse().ok()) == applied;
        self.with_vif(id, |vif| {
            if core::mem::replace(&mut vif.carrier, carrier) != carrier {
                let what = if carrier { "there is a carrier" } else { "there is no carrier" };
                log::info!("{}: {what}", interface_name(id));
            }
            if is_applied {
                vif.mtu.clone_from(&mtu);
            }
            (vif.mtu != mtu).then_some(mtu)
        })
    }

    /// Does what is to be done about a vif.
    fn tend(&self, id: u32) {
        let name = interface_name(id);
        loop {
            match self.next_step(id) {
                Ok((Step::Rest, device)) => {
                    if let Some(mtu) = self.another_mtu(id, &device) {
                        self.with_vif(id, |vif| vif.mtu = mtu);
                        self.change_mtu(id, &name);
                    }
                    return;
                }
                Ok((Step::Connect, _)) => {
                    self.connect(id);
                    return self.tell(id, Presence::Here);
                }
                Ok((Step::Close, device)) => {
                    if let Err(error) = device.publish(&[], State::Closed) {
                        complain(id, &error);
                    }
                    return;
                }
                // The new device is none of the old driver's business.
                Ok((Step::Renew, _)) => drop(self.take_out(id)),
                Ok((Step::Remove, device)) => return self.remove(id, &name, &device),
                Ok((Step::Reconnect, device)) => return self.reconnect(id, &name, &device),
                Err(DeviceError::Missing { .. }) => {
                    drop(self.take_out(id));
                    self.vifs.lock().retain(|vif| vif.id != id);
                    return;
                }
                Err(error) => return complain(id, &error),
            }
        }
    }

    /// Connects a vif and gives it an interface; an error is logged.
    fn connect(&self, id: u32) {
        if let Err(reason) = self.try_connect(id) {
            log::error!("{}: {reason}", interface_name(id));
        }
    }

    fn try_connect(&self, id: u32) -> Result<(), String> {
        let store = store::store().ok_or("there is no XenStore")?;
        let device = XenbusDevice::new(store, "vif", id).map_err(|error| error.to_string())?;
        let mtu = device.read("mtu").map_err(|error| error.to_string())?;
        let number = self.with_vif(id, |vif| vif.number);
        let config = device_config(number, self.vifs.lock().len());
        let front = NetFront::connect(&Xen, device, config).map_err(|error| error.to_string())?;
        let (mac, name) = (front.mac(), interface_name(id));
        log::debug!("{name}: {}", front.info());
        let config = options::config(number);
        let mut stack = self.stack.lock();
        if let Err(error) = stack.would_add(&front, mac, &config) {
            drop(stack);
            // What is shared has to come back; the first error is the one to tell.
            let _ = front.close();
            return Err(error.to_string());
        }
        let interface = stack.add_interface(&name, front, mac, config).map_err(|error| error.to_string())?;
        self.note_fresh(interface);
        drop(stack);
        self.with_vif(id, |vif| (vif.interface, vif.mtu, vif.carrier) = (Some(interface), mtu, true));
        self.kick();
        Ok(())
    }

    /// Takes a vif's interface away from the stack, and gives its driver if that has one.
    fn take_out(&self, id: u32) -> Option<Device> {
        self.tell(id, Presence::Going);
        let interface = self.with_vif(id, |vif| vif.interface.take())?;
        let front = self.stack.lock().remove_interface(interface);
        self.kick();
        log::info!("{}: the interface is gone", interface_name(id));
        front.ok().flatten()
    }

    /// Tells who wants to know that a vif's interface has come or is about to go.
    fn tell(&self, id: u32, presence: Presence) {
        let (Some(tell), Some(interface)) = (super::ON_CHANGE.get(), self.interface(id)) else { return };
        let found = self.stack.lock().interfaces().into_iter().find(|status| status.index == interface);
        if let Some(status) = found {
            tell(&status, presence);
        }
    }

    /// The toolstack detaches the vif.
    fn remove(&self, id: u32, name: &str, device: &XenbusDevice) {
        let state = device.backend_state().unwrap_or(State::Unknown);
        log::info!("{name}: the back end is {state:?}");
        if let Some(mut front) = self.take_out(id)
            && let Err(error) = front.backend_changed(state)
        {
            complain(id, &error);
        }
    }

    /// The back end went away, and may come back; sockets and addresses stay meanwhile.
    fn reconnect(&self, id: u32, name: &str, device: &XenbusDevice) {
        let state = device.backend_state().unwrap_or(State::Unknown);
        log::info!("{name}: the back end is {state:?}");
        let Some(interface) = self.interface(id) else { return };
        let Some(mut front) = self.stack.lock().remove_device(interface) else { return };
        self.kick();
        if let Err(error) = front.backend_changed(state) {
            log::warn!("{name}: {error}");
        }
        while let Err(error) = front.reconnect() {
            log::debug!("{name}: {error}");
            if is_leaving(front.device()) || front.link() == Ok(Link::Failed) {
                log::warn!("{name}: {error}");
                drop(self.take_out(id));
                return;
            }
            // What fails at once, a broken XenStore too, must not keep the others from running.
            thread::sleep(PAUSE);
        }
        let mac = front.mac();
        match self.stack.lock().replace_device(interface, front, mac) {
            Ok(()) => log::info!("{name}: connected again"),
            Err(error) => log::error!("{name}: {error}"),
        }
        self.kick();
    }

    /// Has a vif's driver ask for its MTU, and the stack for the driver's.
    fn change_mtu(&self, id: u32, name: &str) {
        let Some(interface) = self.interface(id) else { return };
        let Some(mut front) = self.stack.lock().remove_device(interface) else { return };
        match front.link() {
            Ok(_) => log::info!("{name}: the MTU is {}", front.mtu()),
            Err(error) => log::warn!("{name}: {error}"),
        }
        let mac = front.mac();
        if let Err(error) = self.stack.lock().replace_device(interface, front, mac) {
            log::error!("{name}: {error}");
        }
        self.kick();
    }
}

/// Tells of an error; one about a device that is gone by now is nothing unusual, for the toolstack does not wait until this side is done.
fn complain(id: u32, error: &dyn core::fmt::Display) {
    let level = match store::store().map(|store| XenbusDevice::new(store, "vif", id)) {
        Some(Err(DeviceError::Missing { .. })) => log::Level::Debug,
        _ => log::Level::Warn,
    };
    log::log!(level, "{}: {error}", interface_name(id));
}

/// Whether the toolstack wants the device to go, or has removed it.
fn is_leaving(device: &XenbusDevice) -> bool {
    let online = device.read_backend("online").ok().flatten();
    device.backend_state() == Ok(State::Unknown) || online.is_some_and(|online| online.trim() == "0")
}

/// As many buffers as the ring has slots, but in all no more than an eighth of the free memory.
fn device_config(number: usize, count: usize) -> Config {
    let pages = (minios::memory::usage().free / 8 / count.max(1)).clamp(64, 512);
    let buffers = pages / 2;
    let queues = options::queues(number);
    Config { rx_buffers: buffers, tx_buffers: buffers, queues, multicast_control: true, ..Config::default() }
}
