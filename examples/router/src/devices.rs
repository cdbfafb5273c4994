//! The vifs: [`Devices`]. A frame is copied once into the memory where it is judged, and once out of it to where the other back end
//! reads it.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::num::NonZeroU16;
use core::sync::atomic::{AtomicBool, Ordering};

use minios_std::net::raw::{self, Config, Device, EventSeq, Port};
use minios_std::{log, thread};
use router::engine::{Frame, Link, Out, Router};
use smoltcp::phy::{Device as _, PacketMeta, RxToken, TxToken};
use smoltcp::time::Instant;

/// The driver reads no clock in `receive` and `transmit`.
const ANY_TIME: Instant = Instant::ZERO;
/// A device without room holds the others up for so long; then what is for it is dropped.
const PATIENCE: u64 = 100_000_000;

struct Vif {
    id: u32,
    device: Device,
    /// Since when there is no room; 0 if there is.
    full_since: u64,
    /// Whether frames can flow.
    up: bool,
    /// The back end is going.
    gone: &'static AtomicBool,
}

/// All vifs, in the order of their numbers: the first is interface 0.
pub struct Devices(Vec<Vif>);

impl Devices {
    /// Connects so many vifs.
    pub fn connect(count: usize) -> Result<Self, String> {
        let ids = raw::ids().map_err(|error| format!("{error}"))?;
        if ids.len() < count {
            return Err(format!("the rules name {count} interfaces, and the domain has {} vifs", ids.len()));
        }
        // A long segment can go on whole only if every back end can divide it.
        let mut divides = true;
        for id in ids.iter().take(count) {
            divides &= raw::divides_segments(*id).map_err(|error| format!("vif{id}: {error}"))?;
        }
        let config = Config { rx_segments: divides, ..raw::config(count) };
        let mut vifs = Vec::new();
        for id in ids.into_iter().take(count) {
            let device = raw::connect(id, config).map_err(|error| format!("vif{id}: {error}"))?;
            log::info!("vif{id}: {}", device.info());
            let gone: &AtomicBool = Box::leak(Box::default());
            let watcher = thread::Builder::new(format!("vif{id}")).stack_len(16 * 1024);
            watcher.spawn(move || watch(id, gone)).map_err(|error| format!("{error}"))?;
            vifs.push(Vif { id, device, full_since: 0, up: true, gone });
        }
        Ok(Self(vifs))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The number in XenStore of an interface's vif, and its driver.
    pub fn vifs(&self) -> impl Iterator<Item = (u32, &Device)> {
        self.0.iter().map(|vif| (vif.id, &vif.device))
    }

    /// Tells the router what the devices are like.
    pub fn tell(&self, router: &mut Router) {
        for (interface, vif) in self.0.iter().enumerate() {
            router.set_link(interface, vif.link());
        }
    }

    /// The event channels and their counts.
    pub fn events(&self, into: &mut Vec<(Port, EventSeq)>) {
        self.0.iter().for_each(|vif| into.extend(vif.device.events()));
    }

    /// Gives the router up to `batch` frames of each device; whether there was one.
    pub fn receive(&mut self, router: &mut Router, batch: usize, now: u64) -> bool {
        let mut any = false;
        for input in 0..self.0.len() {
            for _ in 0..batch {
                if !self.have_room(now) || !self.receive_one(input, router, now) {
                    break;
                }
                any = true;
            }
        }
        any
    }

    fn receive_one(&mut self, input: usize, router: &mut Router, now: u64) -> bool {
        let Some((before, rest)) = self.0.split_at_mut_checked(input) else { return false };
        let Some((vif, after)) = rest.split_first_mut() else { return false };
        let Some((frame, answer)) = vif.device.receive(ANY_TIME) else { return false };
        let segment_len = frame.segment_len();
        let mut out = Others { before, after, input, answer: Some(answer) };
        frame.consume(|bytes| router.receive(&Frame { bytes, input, segment_len }, now, &mut out));
        true
    }

    /// Whether each device has room for a frame, or has had none for so long that it is not waited for.
    fn have_room(&mut self, now: u64) -> bool {
        let mut all = true;
        for vif in self.0.iter_mut().filter(|vif| vif.up) {
            if vif.device.transmit(ANY_TIME).is_some() {
                vif.full_since = 0;
            } else if vif.full_since == 0 {
                vif.full_since = now.max(1);
                all = false;
            } else {
                all &= now.saturating_sub(vif.full_since) > PATIENCE;
            }
        }
        all
    }

    /// Shows the back ends what was sent, and wakes those that sleep.
    pub fn flush(&mut self) {
        self.0.iter_mut().for_each(|vif| vif.device.flush());
    }

    fn are_held_up(&self, now: u64) -> bool {
        self.0.iter().any(|vif| vif.full_since != 0 && now.saturating_sub(vif.full_since) <= PATIENCE)
    }

    /// Whether there is a frame that may be taken.
    pub fn has_received(&self, now: u64) -> bool {
        !self.are_held_up(now) && self.0.iter().any(|vif| vif.device.has_received())
    }

    /// Asks for events; `true`: there is something already.
    pub fn arm(&mut self, now: u64) -> bool {
        let held_up = self.are_held_up(now);
        let mut more = false;
        // Who has no room asks to be told of it; until then the others' frames stay where they are.
        for vif in self.0.iter_mut().filter(|vif| !held_up || vif.full_since != 0) {
            more |= vif.device.arm();
        }
        more
    }

    /// Until when to sleep at most.
    pub fn quiet_until(&self, now: u64) -> u64 {
        let quiet = self.0.iter().filter_map(|vif| vif.device.quiet_until()).min().unwrap_or(u64::MAX);
        if self.are_held_up(now) { quiet.min(now + PATIENCE / 10) } else { quiet }
    }

    /// Gives up the connection to a back end that is going, and meets the one that comes.
    pub fn attend(&mut self, router: &mut Router) {
        for (interface, vif) in self.0.iter_mut().enumerate() {
            if vif.gone.swap(false, Ordering::Relaxed) {
                router.set_link(interface, Link::NONE);
                vif.meet_again();
                router.set_link(interface, vif.link());
            }
        }
    }
}

impl Vif {
    fn link(&self) -> Link {
        if !self.up {
            return Link::NONE;
        }
        let info = self.device.info();
        let (divides_v4, divides_v6) = (info.segmentation.ipv4, info.segmentation.ipv6);
        Link { mac: info.mac, mtu: info.mtu, divides_v4, divides_v6 }
    }

    fn meet_again(&mut self) {
        let Self { id, device, .. } = self;
        log::info!("vif{id}: the back end is going");
        let again = device.link().and_then(|_| device.reconnect());
        self.up = again.is_ok();
        self.full_since = 0;
        match again {
            Ok(()) => log::info!("vif{id}: connected again"),
            Err(error) => log::warn!("vif{id}: {error}"),
        }
    }
}

/// Says whenever the back end goes.
fn watch(id: u32, gone: &AtomicBool) {
    while raw::wait_gone(id).is_ok() {
        gone.store(true, Ordering::Relaxed);
        thread::sleep(minios_std::time::Duration::from_secs(1));
    }
}

/// Out of any device, between two received frames.
impl Out for Devices {
    fn send(
        &mut self,
        output: usize,
        len: usize,
        segment_len: Option<u16>,
        write: impl FnOnce(&mut [u8]),
    ) -> bool {
        send_on(self.0.get_mut(output), len, segment_len, write)
    }
}

/// Out of any device but the one whose frame is looked at, and one answer out of that.
struct Others<'a, T> {
    before: &'a mut [Vif],
    after: &'a mut [Vif],
    input: usize,
    answer: Option<T>,
}

impl<T: TxToken> Out for Others<'_, T> {
    fn send(
        &mut self,
        output: usize,
        len: usize,
        segment_len: Option<u16>,
        write: impl FnOnce(&mut [u8]),
    ) -> bool {
        if output == self.input {
            return send_with(self.answer.take(), len, segment_len, write);
        }
        let place = match output.checked_sub(self.input + 1) {
            Some(after) => self.after.get_mut(after),
            None => self.before.get_mut(output),
        };
        send_on(place, len, segment_len, write)
    }
}

fn send_on(
    vif: Option<&mut Vif>,
    len: usize,
    segment_len: Option<u16>,
    write: impl FnOnce(&mut [u8]),
) -> bool {
    let vif = vif.filter(|vif| vif.up);
    send_with(vif.and_then(|vif| vif.device.transmit(ANY_TIME)), len, segment_len, write)
}

fn send_with<T: TxToken>(
    token: Option<T>,
    len: usize,
    segment_len: Option<u16>,
    write: impl FnOnce(&mut [u8]),
) -> bool {
    let Some(mut token) = token else { return false };
    let mut meta = PacketMeta::default();
    meta.segmentation_offload_size = segment_len.and_then(NonZeroU16::new);
    token.set_meta(meta);
    token.consume(len, write);
    true
}
