//! Brings the interfaces up, and keeps them going: a thread that polls the stack. `vifs` looks after the devices.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use minios::Xen;
use minios::entropy::random_u64;
use minios::sync::{CpuLocal, Mutex};
use minios::thread::{self, Builder, Thread};
use net::{IfIndex, NextPoll};
use netfront::Patience;
use spin::Once;
use xen::{EventSeq, Events, Port};

use super::vifs::{self, Vif};
use super::{Device, DeviceStats, Error, Result, Stack};
use crate::hotplug::{self, Follower};
use crate::store;

/// The guest's network.
pub(super) struct Network {
    pub stack: Mutex<CpuLocal<Stack>>,
    poller: Once<Arc<Thread>>,
    /// Until when the poller waits if nothing happens.
    waits_until: AtomicU64,
    /// What XenStore has.
    pub vifs: Mutex<Vec<Vif>>,
    /// Interfaces that have been added, of whose multicast groups the driver has not been told.
    fresh: Mutex<Vec<IfIndex>>,
    has_fresh: AtomicBool,
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

    /// An interface was added.
    pub fn note_fresh(&self, interface: IfIndex) {
        self.fresh.lock().push(interface);
        self.has_fresh.store(true, Ordering::Relaxed);
    }

    fn take_fresh(&self) -> Vec<IfIndex> {
        let is_there = self.has_fresh.swap(false, Ordering::Relaxed);
        if is_there { core::mem::take(&mut *self.fresh.lock()) } else { Vec::new() }
    }
}

pub(super) static NETWORK: Once<Box<Network>> = Once::new();
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
    let network = NETWORK.call_once(|| Box::new(Network::new()));
    let follower = network.connect_vifs();
    let poller = Builder::new("net").stack_len(24 * 1024).spawn(poll_forever).map_err(out_of_memory)?;
    network.poller.call_once(|| poller.thread().clone());
    if let Some(follower) = follower {
        hotplug::follow(follower, vifs::news).map_err(out_of_memory)?;
    }
    Ok(network)
}

fn out_of_memory(error: thread::SpawnError) -> Error {
    log::error!("network: {error}");
    Error::OutOfMemory
}

impl Network {
    fn new() -> Self {
        let mut stack = Stack::new(random_u64());
        // Connections in the backlog, and closed ones whose peer does not acknowledge, count here too.
        stack.set_tcp_memory_limit(minios::memory::usage().free * 4096 / 2);
        Self {
            stack: Mutex::new(CpuLocal::new(stack)),
            poller: Once::new(),
            waits_until: AtomicU64::new(0),
            vifs: Mutex::new(Vec::new()),
            fresh: Mutex::new(Vec::new()),
            has_fresh: AtomicBool::new(false),
        }
    }

    /// Connects the vifs that are there, and gives what tells of others.
    fn connect_vifs(&self) -> Option<Follower> {
        let mut told = Vec::new();
        let follower = Follower::new(store::store()?, "vif")
            .and_then(|mut follower| follower.poll(|id, news| told.push((id, news))).map(|()| follower));
        self.connect_first(told);
        follower.inspect_err(|error| log::error!("network: {error}")).ok()
    }
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
        for_each_device(&mut stack, |device| {
            ports.extend(device.events());
            received |= device.has_received();
        });
        if received {
            patience.found();
        }
        let next = stack.poll(minios::time::now_ns());
        groups.tell(network, &mut stack);
        for_each_device(&mut stack, Device::flush);
        // What others want of the stack while it is looked for frames has to end the sleep that is reckoned from `next`.
        network.waits_until.store(if next == NextPoll::Now { 0 } else { u64::MAX }, Ordering::Relaxed);
        drop(stack);
        if next == NextPoll::Now || comes_soon(network, patience.looks()) {
            thread::yield_now();
            continue;
        }
        let mut stack = network.stack.lock();
        let (mut more, mut quiet) = (stack.needs_poll(), u64::MAX);
        for_each_device(&mut stack, |device| {
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

/// The multicast groups that each vif's driver was told of, by the number of the interface.
#[derive(Default)]
struct Groups(Vec<Vec<[u8; 6]>>);

impl Groups {
    /// Tells the drivers whose back ends hold back other groups what has changed.
    fn tell(&mut self, network: &Network, stack: &mut Stack) {
        for interface in network.take_fresh() {
            if let Some(told) = self.0.get_mut(interface.get()) {
                told.clear();
            }
        }
        let interfaces = stack.devices_mut().map(|(interface, _)| interface.get() + 1).max().unwrap_or(0);
        // What a driver was told of stays told while it is away.
        self.0.resize_with(interfaces.max(self.0.len()), Vec::new);
        for (number, told) in self.0.iter_mut().enumerate() {
            let Some(interface) = stack.interface(number) else { continue };
            let filters = stack.device_mut(interface).is_some_and(|device| device.info().multicast_control);
            if !filters || stack.multicast_macs(interface).eq(told.iter().copied()) {
                continue;
            }
            let wanted: Vec<_> = stack.multicast_macs(interface).collect();
            let Some(device) = stack.device_mut(interface) else { continue };
            // One that comes twice is joined twice, and left twice.
            wanted.iter().for_each(|group| device.join(*group));
            told.iter().for_each(|group| device.leave(*group));
            *told = wanted;
        }
    }
}

fn for_each_device(stack: &mut Stack, mut act: impl FnMut(&mut Device)) {
    stack.devices_mut().for_each(|(_, device)| act(device));
}

/// Looks so many times whether there is something to do, with the other threads running in between.
fn comes_soon(network: &Network, looks: u32) -> bool {
    (0..looks).any(|_| {
        thread::yield_now();
        let mut stack = network.stack.lock();
        let mut found = stack.needs_poll();
        for_each_device(&mut stack, |device| found |= device.has_received());
        found
    })
}

/// The counters of an interface's device; none for loopback, and while it has no device.
pub fn device_stats_of(interface: IfIndex) -> Option<DeviceStats> {
    let mut stack = network().ok()?.stack.lock();
    stack.device_mut(interface).map(|device| *device.stats())
}

/// The counters of the interfaces' devices.
pub fn device_stats() -> Result<Vec<DeviceStats>> {
    let mut stack = network()?.stack.lock();
    Ok(stack.devices_mut().map(|(_, device)| *device.stats()).collect())
}
