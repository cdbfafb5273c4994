//! Brings the interfaces up, and keeps them going: a thread that polls the stack, and one per vif that watches its back end.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use minios::Xen;
use minios::entropy::random_u64;
use minios::sync::{CpuLocal, Mutex};
use minios::thread::{self, Builder, Thread};
use net::{IfIndex, NextPoll};
use netfront::{Config, Link, NetFront, Patience};
use spin::Once;
use xen::{EventSeq, Events, Port};

use super::{Device, DeviceStats, Error, Result, Stack, interface_name, options};
use crate::store::{self, Device as _, DeviceError, State, XenbusDevice};
use crate::time::Duration;

/// The guest's network.
pub(super) struct Network {
    pub stack: Mutex<CpuLocal<Stack>>,
    poller: Once<Arc<Thread>>,
    /// Until when the poller waits if nothing happens.
    waits_until: AtomicU64,
    /// The vifs: number in XenStore and interface.
    interfaces: Vec<(u32, IfIndex)>,
}

impl Network {
    /// Has the stack polled soon.
    pub fn kick(&self) {
        if let Some(poller) = self.poller.get() {
            poller.unpark();
        }
    }

    /// Whether the poller would sleep on when the stack wants to be polled.
    pub fn comes_too_late(&self, next: NextPoll) -> bool {
        match next {
            NextPoll::Now => true,
            NextPoll::At(time) => time < self.waits_until.load(Ordering::Relaxed),
            NextPoll::Idle => false,
        }
    }
}

static NETWORK: Once<Box<Network>> = Once::new();
/// Connecting waits for back ends; the second thread to come waits for the first.
static STARTING: Mutex<()> = Mutex::new(());

/// Brings the interfaces up, if they are not yet. An interface that can not be connected is logged and left out; an error
/// means that there is no network at all.
pub fn up() -> Result<()> {
    network().map(drop)
}

pub(super) fn network() -> Result<&'static Network> {
    if let Some(network) = NETWORK.get().filter(|network| network.poller.get().is_some()) {
        return Ok(network);
    }
    let _starting = STARTING.lock();
    if let Some(network) = NETWORK.get().filter(|network| network.poller.get().is_some()) {
        return Ok(network);
    }
    let network = NETWORK.call_once(|| Box::new(connect()));
    let poller = Builder::new("net").stack_len(24 * 1024).spawn(poll_forever).map_err(out_of_memory)?;
    network.poller.call_once(|| poller.thread().clone());
    for (id, interface) in &network.interfaces {
        let (id, interface) = (*id, *interface);
        // smoltcp makes an interface, 17 KiB, on the stack when a device comes back.
        let watcher = Builder::new(interface_name(id)).stack_len(40 * 1024);
        watcher.spawn(move || watch(id, interface)).map_err(out_of_memory)?;
    }
    Ok(network)
}

fn out_of_memory(error: thread::SpawnError) -> Error {
    log::error!("network: {error}");
    Error::OutOfMemory
}

fn connect() -> Network {
    let mut stack = Stack::new(random_u64());
    // Connections in the backlog, and closed ones whose peer does not acknowledge, count here too.
    stack.set_tcp_memory_limit(minios::memory::usage().free * 4096 / 2);
    let mut interfaces = Vec::new();
    let ids = store::devices("vif").unwrap_or_else(|error| {
        log::error!("network: {error}");
        Vec::new()
    });
    for (number, id) in ids.iter().copied().enumerate() {
        match connect_one(&mut stack, number, id, ids.len()) {
            Ok(index) => interfaces.push((id, index)),
            Err(reason) => log::error!("{}: {reason}", interface_name(id)),
        }
    }
    Network {
        stack: Mutex::new(CpuLocal::new(stack)),
        poller: Once::new(),
        waits_until: AtomicU64::new(0),
        interfaces,
    }
}

fn connect_one(
    stack: &mut Stack,
    number: usize,
    id: u32,
    count: usize,
) -> core::result::Result<IfIndex, String> {
    use alloc::string::ToString;
    let store = store::store().ok_or("there is no XenStore")?;
    let device = XenbusDevice::new(store, "vif", id).map_err(|error| error.to_string())?;
    let device =
        NetFront::connect(&Xen, device, device_config(number, count)).map_err(|error| error.to_string())?;
    let mac = device.mac();
    log::debug!("{}: {}", interface_name(id), device.info());
    stack
        .add_interface(&interface_name(id), device, mac, options::config(number))
        .map_err(|error| error.to_string())
}

/// As many buffers as the ring has slots, but in all no more than an eighth of the free memory.
fn device_config(number: usize, count: usize) -> Config {
    let pages = (minios::memory::usage().free / 8 / count.max(1)).clamp(64, 512);
    let buffers = pages / 2;
    let queues = options::queues(number);
    Config { rx_buffers: buffers, tx_buffers: buffers, queues, multicast_control: true, ..Config::default() }
}

/// Polls the stack whenever there is a reason to.
fn poll_forever() {
    let Some(network) = NETWORK.get() else { return };
    let mut ports: Vec<(Port, EventSeq)> = Vec::new();
    let mut patience = Patience::default();
    let mut groups = Groups::default();
    loop {
        let mut stack = network.stack.lock();
        ports.clear();
        let mut received = false;
        for_each_device(network, &mut stack, |device| {
            ports.extend(device.events());
            received |= device.has_received();
        });
        if received {
            patience.found();
        }
        let next = stack.poll(minios::time::now_ns());
        groups.tell(network, &mut stack);
        for_each_device(network, &mut stack, Device::flush);
        // What others want of the stack while it is looked for frames has to end the sleep that is reckoned from `next`.
        network.waits_until.store(if next == NextPoll::Now { 0 } else { u64::MAX }, Ordering::Relaxed);
        drop(stack);
        if next == NextPoll::Now || comes_soon(network, patience.looks()) {
            thread::yield_now();
            continue;
        }
        let mut stack = network.stack.lock();
        let (mut more, mut quiet) = (stack.needs_poll(), u64::MAX);
        for_each_device(network, &mut stack, |device| {
            more |= device.arm();
            quiet = quiet.min(device.quiet_until().unwrap_or(u64::MAX));
        });
        let until = match next {
            NextPoll::At(deadline) => deadline.min(quiet),
            _ => quiet,
        };
        network.waits_until.store(if more { 0 } else { until }, Ordering::Relaxed);
        drop(stack);
        if more {
            thread::yield_now();
        } else {
            patience.slept();
            Xen.wait(&ports, Some(until).filter(|until| *until < u64::MAX));
        }
    }
}

/// The multicast groups that each vif's driver was told of.
#[derive(Default)]
struct Groups(Vec<Vec<[u8; 6]>>);

impl Groups {
    /// Tells the drivers whose back ends hold back other groups what has changed.
    fn tell(&mut self, network: &Network, stack: &mut Stack) {
        self.0.resize_with(network.interfaces.len(), Vec::new);
        for (told, (_, interface)) in self.0.iter_mut().zip(&network.interfaces) {
            let filters = stack.device_mut(*interface).is_some_and(|device| device.info().multicast_control);
            if !filters || stack.multicast_macs(*interface).eq(told.iter().copied()) {
                continue;
            }
            let wanted: Vec<_> = stack.multicast_macs(*interface).collect();
            let Some(device) = stack.device_mut(*interface) else { continue };
            // One that comes twice is joined twice, and left twice.
            wanted.iter().for_each(|group| device.join(*group));
            told.iter().for_each(|group| device.leave(*group));
            *told = wanted;
        }
    }
}

fn for_each_device(network: &Network, stack: &mut Stack, mut act: impl FnMut(&mut Device)) {
    for (_, interface) in &network.interfaces {
        if let Some(device) = stack.device_mut(*interface) {
            act(device);
        }
    }
}

/// Looks so many times whether there is something to do, with the other threads running in between.
fn comes_soon(network: &Network, looks: u32) -> bool {
    (0..looks).any(|_| {
        thread::yield_now();
        let mut stack = network.stack.lock();
        let mut found = stack.needs_poll();
        for_each_device(network, &mut stack, |device| found |= device.has_received());
        found
    })
}

const GONE: [State; 3] = [State::Closing, State::Closed, State::Unknown];

/// Waits for a vif's back end to go, and meanwhile passes on what is said of the carrier and the MTU.
fn attend(
    network: &Network,
    device: &XenbusDevice,
    interface: IfIndex,
    name: &str,
) -> core::result::Result<State, DeviceError> {
    use alloc::string::ToString;
    let path = device.backend_path();
    let failed = |error: xenstore::Error| DeviceError::Store { path: path.into(), error: error.to_string() };
    // Whoever changes the MTU, a hotplug script for instance, changes the key that is on this side too.
    let changes = device.store().watch(path).map_err(failed)?;
    let (mut carrier, mut mtu) = (true, device.read("mtu")?);
    loop {
        // Drained before the look, so that a change after it leaves an event.
        while changes.try_next().map_err(failed)?.is_some() {}
        let state = device.backend_state()?;
        if GONE.contains(&state) {
            return Ok(state);
        }
        if (device.backend_number("carrier", 1)? != 0) != carrier {
            carrier = !carrier;
            log::info!("{name}: {}", if carrier { "there is a carrier" } else { "there is no carrier" });
        }
        let now = device.read("mtu")?;
        if now != mtu {
            mtu = now;
            change_mtu(network, interface, name);
        }
        changes.next(None).map_err(failed)?;
    }
}

/// Has a vif's driver ask for its MTU, and the stack for the driver's.
fn change_mtu(network: &Network, interface: IfIndex, name: &str) {
    let Some(mut front) = network.stack.lock().remove_device(interface) else { return };
    match front.link() {
        Ok(_) => log::info!("{name}: the MTU is {}", front.mtu()),
        Err(error) => log::warn!("{name}: {error}"),
    }
    let mac = front.mac();
    if let Err(error) = network.stack.lock().replace_device(interface, front, mac) {
        log::error!("{name}: {error}");
    }
    network.kick();
}

/// Reacts when a vif's back end goes away, and reconnects when it comes back.
fn watch(id: u32, interface: IfIndex) {
    let name = interface_name(id);
    let (Some(network), Some(store)) = (NETWORK.get(), store::store()) else { return };
    loop {
        let device = XenbusDevice::new(store, "vif", id);
        let state = match device.and_then(|device| attend(network, &device, interface, &name)) {
            Ok(state) => state,
            // The toolstack has taken the device away.
            Err(DeviceError::Missing { .. }) => return,
            Err(error) => {
                log::warn!("{name}: {error}");
                thread::sleep(Duration::from_secs(5));
                continue;
            }
        };
        log::info!("{name}: the back end is {state:?}");
        let Some(mut front) = network.stack.lock().remove_device(interface) else { return };
        network.kick();
        if let Err(error) = front.backend_changed(state) {
            log::warn!("{name}: {error}");
        }
        if state == State::Unknown {
            return;
        }
        while let Err(error) = front.reconnect() {
            log::debug!("{name}: {error}");
            if front.link() == Ok(Link::Failed) || front.device().backend_state() == Ok(State::Unknown) {
                return log::warn!("{name}: {error}");
            }
            // What fails at once, a broken XenStore too, must not keep the others from running.
            thread::sleep(Duration::from_secs(1));
        }
        let mac = front.mac();
        match network.stack.lock().replace_device(interface, front, mac) {
            Ok(()) => log::info!("{name}: connected again"),
            Err(error) => return log::error!("{name}: {error}"),
        }
        network.kick();
    }
}

/// The counters of the interfaces' devices.
pub fn device_stats() -> Result<Vec<DeviceStats>> {
    let network = network()?;
    let mut stack = network.stack.lock();
    let devices = network.interfaces.iter();
    Ok(devices
        .filter_map(|(_, interface)| stack.device_mut(*interface).map(|device: &mut Device| *device.stats()))
        .collect())
}
