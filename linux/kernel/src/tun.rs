//! `/dev/net/tun`: taps named `vifDOMAIN.N-emu`, as a device model makes one, each joined to our vif N.
//!
//! Such a vif is set aside for that (`taps=N`, or all of them in a stub domain): the stack does not know it. Two threads serve it. One
//! connects it, and again when its back end goes. The other, the pump, takes frames off its rings for the tap; those of the program go
//! out at once, on the program's thread.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::num::NonZeroU16;
use core::sync::atomic::{AtomicBool, Ordering};

use linux_base::{Errno, Result};
use linux_tun::port::{Outcome, Port, Ports, Received};
use linux_tun::{Tap, Tuns};
use linux_vfs::{DeviceKind, DeviceRegistry};
use minios::sync::{CpuLocal, SpinLock};
use minios::thread::{self, Thread};
use minios_std::net::raw::{self, Config, Device, EventSeq, Patience};
use smoltcp::phy::{Device as _, PacketMeta, RxToken as _, TxToken as _};
use smoltcp::time::Instant;
use spin::Once;

use crate::{host, options};

/// Major number of devices that have none of their own, and `tun`'s minor number.
pub const MISC: u32 = 10;
/// Minor number of `/dev/net/tun`.
pub const TUN: u32 = 200;

/// Pages for receiving and sending: a device model is short of memory, and has one reader.
const BUFFERS: (usize, usize) = (128, 64);
/// Frames that are taken off a ring before the reader is told.
const BATCH: usize = 64;
const ETHERNET: usize = 14;
const VLAN_TAG: usize = 4;

/// Keeps the vifs of `taps=` from the stack; in a stub domain all of them.
pub fn set_aside() {
    if crate::xen::is_stub_domain() {
        raw::set_aside(None);
    }
    for numbers in options::all("taps") {
        for number in numbers.split(',') {
            match number.parse() {
                Ok(id) => raw::set_aside(Some(id)),
                Err(_) if number == "all" => raw::set_aside(None),
                Err(_) => log::warn!("taps={numbers}: {number} is not the number of a vif, nor all"),
            }
        }
    }
}

/// Registers the device.
pub fn register(devices: &DeviceRegistry) {
    let tuns = Tuns::new(Arc::new(Vifs));
    devices.register(
        DeviceKind::Character,
        MISC,
        Some(TUN),
        Arc::new(move |request, _| Ok(tuns.open(crate::console::facts(request)))),
    );
}

/// The vifs that taps were made for.
struct Vifs;

static VIFS: SpinLock<BTreeMap<u32, Arc<Vif>>> = SpinLock::new(BTreeMap::new());

impl Ports for Vifs {
    fn find(&self, name: &str) -> Result<Arc<dyn Port>> {
        const CAP_NET_ADMIN: u32 = 12;
        if !host::current().is_none_or(|thread| thread.credentials().can(CAP_NET_ADMIN)) {
            return Err(Errno::EPERM);
        }
        let id = vif_named(name).ok_or_else(|| {
            log::warn!("{name:?}: there is no vif for a tap of that name");
            Errno::ENODEV
        })?;
        if !raw::is_aside(id) {
            log::warn!("{name:?}: vif{id} belongs to the network stack; taps={id} sets it aside");
            return Err(Errno::EBUSY);
        }
        let known = VIFS.lock().get(&id).cloned();
        let vif = match known {
            Some(vif) => vif,
            None => Vif::start(id)?,
        };
        Ok(vif)
    }
}

/// The vif of a tap: the toolstack gives both the same name, or names the tap after the vif's number.
fn vif_named(name: &str) -> Option<u32> {
    let ids = raw::ids().unwrap_or_default();
    let named = ids.iter().find(|id| raw::backend_name(**id).is_some_and(|known| known == name));
    named.copied().or_else(|| linux_tun::vif_of(name).filter(|id| ids.contains(id)))
}

/// A vif that is set aside.
struct Vif {
    id: u32,
    state: SpinLock<State>,
    pump: Once<Arc<Thread>>,
    /// It could not be started whole.
    is_given_up: AtomicBool,
}

#[derive(Default)]
struct State {
    /// Away while its back end is.
    device: Option<CpuLocal<Device>>,
    tap: Option<Arc<Tap>>,
    /// A program waits for room to send.
    wants_room: bool,
}

impl Vif {
    /// Serves a vif from now on.
    fn start(id: u32) -> Result<Arc<Self>> {
        let vif = Arc::new(Self {
            id,
            state: SpinLock::default(),
            pump: Once::new(),
            is_given_up: AtomicBool::new(false),
        });
        let (pumped, managed) = (vif.clone(), vif.clone());
        let builder = || thread::Builder::new(format!("vif{id}"));
        let failed = |error| {
            log::error!("vif{id}: {error}");
            Errno::ENOMEM
        };
        let pump = builder().stack_len(24 * 1024).spawn(move || pumped.pump()).map_err(failed)?;
        vif.pump.call_once(|| pump.thread().clone());
        if let Err(error) = builder().stack_len(40 * 1024).spawn(move || managed.manage()) {
            vif.is_given_up.store(true, Ordering::Relaxed);
            vif.kick();
            return Err(failed(error));
        }
        VIFS.lock().insert(id, vif.clone());
        Ok(vif)
    }

    /// Has the pump look.
    fn kick(&self) {
        if let Some(pump) = self.pump.get() {
            pump.unpark();
        }
    }

    /// Connects the vif, and again whenever its back end has gone.
    fn manage(&self) {
        let (rx_buffers, tx_buffers) = BUFFERS;
        let config = Config { rx_buffers, tx_buffers, vlan_tags: true, ..Config::default() };
        let mut device = None;
        loop {
            let connected = raw::connect_again(self.id, device.take(), config);
            log::info!("vif{}: connected to a tap; {}", self.id, connected.info());
            let tap = {
                let mut state = self.state.lock();
                state.device = Some(CpuLocal::new(connected));
                state.tap.clone()
            };
            self.kick();
            if let Some(tap) = tap {
                tap.room_to_send();
            }
            if let Err(error) = raw::wait_gone(self.id) {
                log::debug!("vif{}: {error}", self.id);
            }
            let (gone, tap) = {
                let mut state = self.state.lock();
                state.wants_room = false;
                (state.device.take(), state.tap.clone())
            };
            log::info!("vif{}: the back end is going", self.id);
            if let Some(tap) = tap {
                log::debug!("{}: {}", tap.name(), tap.stats());
                // What is written meanwhile is lost, and does not wait.
                tap.room_to_send();
            }
            device = gone.map(CpuLocal::into_inner);
        }
    }

    /// Takes frames off the rings.
    fn pump(&self) {
        let mut patience = Patience::default();
        let mut ports = Vec::new();
        while !self.is_given_up.load(Ordering::Relaxed) {
            let turn = self.turn(&mut ports);
            if turn.found {
                patience.found();
            }
            if turn.is_more || self.comes_soon(turn.is_held, patience.looks()) {
                thread::yield_now();
                continue;
            }
            // What came since is seen by the counts of events, or has the device not sleep.
            if self.arm(turn.is_held) {
                thread::yield_now();
                continue;
            }
            patience.slept();
            raw::wait(&ports, turn.until);
        }
    }

    /// Gives the tap what has come, up to a batch.
    fn turn(&self, ports: &mut Vec<(raw::Port, EventSeq)>) -> Turn {
        ports.clear();
        let mut turn = Turn::default();
        let mut state = self.state.lock();
        let State { device: Some(device), tap: Some(tap), wants_room } = &mut *state else { return turn };
        ports.extend(device.events());
        let now = minios::time::now_ns();
        // What waits in the tap must not take what the kernel itself needs.
        let has_memory = linux_mm::ensure_room().is_ok();
        let mut taken = 0;
        while taken < BATCH {
            if let Err(until) = tap.has_room(now) {
                (turn.is_held, turn.until) = (true, Some(until));
                break;
            }
            let Some((frame, _)) = device.receive(Instant::ZERO) else { break };
            let (is_blank, segment_len) = (frame.is_blank(), frame.segment_len());
            frame.consume(|bytes| {
                if has_memory {
                    tap.deliver(Received { bytes, is_blank, segment_len });
                }
            });
            taken += 1;
        }
        (turn.found, turn.is_more) = (taken > 0, taken == BATCH);
        device.flush();
        let has_room_again = *wants_room && device.transmit(Instant::ZERO).is_some();
        *wants_room &= !has_room_again;
        if let Some(quiet) = device.quiet_until() {
            turn.until = Some(turn.until.map_or(quiet, |until| until.min(quiet)));
        }
        let tap = tap.clone();
        // Who is woken looks at this vif.
        drop(state);
        if taken > 0 {
            tap.delivered();
        }
        if has_room_again {
            tap.room_to_send();
        }
        turn
    }

    /// Looks so many times whether something comes, while others run.
    fn comes_soon(&self, is_held: bool, looks: u32) -> bool {
        (0..looks).any(|_| {
            thread::yield_now();
            let state = self.state.lock();
            let is_here = state.tap.is_some() && !is_held;
            is_here && state.device.as_ref().is_some_and(|device| device.has_received())
        })
    }

    /// Asks for events; whether there is something already that may be taken.
    fn arm(&self, is_held: bool) -> bool {
        let mut state = self.state.lock();
        let State { device: Some(device), tap: Some(_), .. } = &mut *state else { return false };
        device.arm() && !is_held
    }
}

/// What a look at the rings has shown.
#[derive(Default)]
struct Turn {
    /// There were frames.
    found: bool,
    /// There may be more.
    is_more: bool,
    /// Frames have to wait for the reader.
    is_held: bool,
    /// Look again then.
    until: Option<u64>,
}

impl Port for Vif {
    fn attach(&self, tap: &Arc<Tap>) -> Result<()> {
        {
            let mut state = self.state.lock();
            if state.tap.is_some() {
                return Err(Errno::EBUSY);
            }
            state.tap = Some(tap.clone());
        }
        log::debug!("{}: joined to vif{}", tap.name(), self.id);
        self.kick();
        Ok(())
    }

    fn detach(&self) {
        let tap = {
            let mut state = self.state.lock();
            state.wants_room = false;
            state.tap.take()
        };
        if let Some(tap) = tap {
            log::debug!("{}: {}", tap.name(), tap.stats());
        }
    }

    fn mac(&self) -> Option<[u8; 6]> {
        self.state.lock().device.as_ref().map(|device| device.mac())
    }

    fn has_room(&self) -> bool {
        let has_room = {
            let mut state = self.state.lock();
            let State { device: Some(device), wants_room, .. } = &mut *state else { return true };
            let has_room = device.error().is_some() || device.transmit(Instant::ZERO).is_some();
            *wants_room |= !has_room;
            has_room
        };
        if !has_room {
            // It asks for an event.
            self.kick();
        }
        has_room
    }

    fn divides(&self, is_ipv6: bool) -> bool {
        let state = self.state.lock();
        state.device.as_ref().is_some_and(|device| {
            let segmentation = device.info().segmentation;
            if is_ipv6 { segmentation.ipv6 } else { segmentation.ipv4 }
        })
    }

    fn send(&self, frame: &[u8], segment_len: Option<u16>) -> Outcome {
        let mut state = self.state.lock();
        let Some(device) = &mut state.device else { return Outcome::Lost };
        if segment_len.is_none() && frame.len() > device.mtu() + ETHERNET + VLAN_TAG {
            return Outcome::Lost;
        }
        let Some(mut room) = device.transmit(Instant::ZERO) else { return Outcome::Lost };
        let mut meta = PacketMeta::default();
        meta.segmentation_offload_size = segment_len.and_then(NonZeroU16::new);
        room.set_meta(meta);
        room.consume(frame.len(), |bytes| bytes.copy_from_slice(frame));
        Outcome::Sent
    }

    fn flush(&self) {
        if let Some(device) = &mut self.state.lock().device {
            device.flush();
        }
    }

    fn has_read(&self) {
        self.kick();
    }
}
