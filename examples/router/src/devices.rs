//! The vifs: [`Devices`]. A frame is copied once into the memory where it is judged, and once out of it to where the other back end
//! reads it.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::num::NonZeroU16;

use minios_std::net::raw::{self, Config, Device, EventSeq, Port};
use minios_std::sync::CpuLocal;
use minios_std::sync::channel::{self, Receiver, Sender};
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
    /// Away while its back end is.
    device: Option<Device>,
    /// Since when there is no room; 0 if there is.
    full_since: u64,
    /// Of the watcher: nothing when the back end goes, and the device when it is connected again.
    news: Receiver<Option<CpuLocal<Device>>>,
    watcher: Sender<CpuLocal<Device>>,
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
            let ((tell, news), (watcher, given)) = (channel::bounded(1), channel::bounded(1));
            let thread = thread::Builder::new(format!("vif{id}")).stack_len(40 * 1024);
            thread.spawn(move || watch(id, config, &tell, &given)).map_err(|error| format!("{error}"))?;
            vifs.push(Vif { id, device: Some(device), full_since: 0, news, watcher });
        }
        Ok(Self(vifs))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The number in XenStore of an interface's vif, and its driver if that is connected.
    pub fn vifs(&self) -> impl Iterator<Item = (u32, Option<&Device>)> {
        self.0.iter().map(|vif| (vif.id, vif.device.as_ref()))
    }

    fn drivers(&self) -> impl Iterator<Item = &Device> {
        self.0.iter().filter_map(|vif| vif.device.as_ref())
    }

    /// Tells the router what the devices are like.
    pub fn tell(&self, router: &mut Router) {
        for (interface, vif) in self.0.iter().enumerate() {
            router.set_link(interface, vif.link());
        }
    }

    /// The event channels and their counts.
    pub fn events(&self, into: &mut Vec<(Port, EventSeq)>) {
        self.drivers().for_each(|device| into.extend(device.events()));
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
        let Some((frame, answer)) = vif.device.as_mut().and_then(|device| device.receive(ANY_TIME)) else {
            return false;
        };
        let segment_len = frame.segment_len();
        let mut out = Others { before, after, input, answer: Some(answer) };
        frame.consume(|bytes| router.receive(&Frame { bytes, input, segment_len }, now, &mut out));
        true
    }

    /// Whether each device has room for a frame, or has had none for so long that it is not waited for.
    fn have_room(&mut self, now: u64) -> bool {
        let mut all = true;
        for vif in &mut self.0 {
            let Some(device) = &mut vif.device else { continue };
            if device.transmit(ANY_TIME).is_some() {
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
        self.0.iter_mut().filter_map(|vif| vif.device.as_mut()).for_each(|device| device.flush());
    }

    fn are_held_up(&self, now: u64) -> bool {
        self.0.iter().any(|vif| vif.full_since != 0 && now.saturating_sub(vif.full_since) <= PATIENCE)
    }

    /// Whether there is a frame that may be taken.
    pub fn has_received(&self, now: u64) -> bool {
        !self.are_held_up(now) && self.drivers().any(|device| device.has_received())
    }

    /// Asks for events; `true`: there is something already.
    pub fn arm(&mut self, now: u64) -> bool {
        let held_up = self.are_held_up(now);
        let mut more = false;
        // Who has no room asks to be told of it; until then the others' frames stay where they are.
        for vif in self.0.iter_mut().filter(|vif| !held_up || vif.full_since != 0) {
            more |= vif.device.as_mut().is_some_and(|device| device.arm());
        }
        more
    }

    /// Until when to sleep at most.
    pub fn quiet_until(&self, now: u64) -> u64 {
        let quiet = self.drivers().filter_map(|device| device.quiet_until()).min().unwrap_or(u64::MAX);
        if self.are_held_up(now) { quiet.min(now + PATIENCE / 10) } else { quiet }
    }

    /// Hands over what has lost its back end, and takes back what has met it again.
    pub fn attend(&mut self, router: &mut Router) {
        for (interface, vif) in self.0.iter_mut().enumerate() {
            while let Ok(news) = vif.news.receive_until(Some(0)) {
                if let Some(lost) = core::mem::replace(&mut vif.device, news.map(CpuLocal::into_inner)) {
                    _ = vif.watcher.send(CpuLocal::new(lost));
                }
                vif.full_since = 0;
                router.set_link(interface, vif.link());
            }
        }
    }
}

impl Vif {
    fn link(&self) -> Link {
        let Some(device) = &self.device else { return Link::NONE };
        let info = device.info();
        let (divides_v4, divides_v6) = (info.segmentation.ipv4, info.segmentation.ipv6);
        Link { mac: info.mac, mtu: info.mtu, divides_v4, divides_v6 }
    }
}

/// Takes a device whose back end goes, and brings it back connected; meanwhile the other interfaces go on.
fn watch(
    id: u32,
    config: Config,
    tell: &Sender<Option<CpuLocal<Device>>>,
    given: &Receiver<CpuLocal<Device>>,
) {
    loop {
        if let Err(error) = raw::wait_gone(id) {
            log::debug!("vif{id}: {error}");
        }
        if tell.send(None).is_err() {
            return;
        }
        let Ok(lost) = given.receive() else { return };
        log::info!("vif{id}: the back end is going");
        let device = raw::connect_again(id, Some(lost.into_inner()), config);
        log::info!("vif{id}: connected again");
        if tell.send(Some(CpuLocal::new(device))).is_err() {
            return;
        }
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
    let device = vif.and_then(|vif| vif.device.as_mut());
    send_with(device.and_then(|device| device.transmit(ANY_TIME)), len, segment_len, write)
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
