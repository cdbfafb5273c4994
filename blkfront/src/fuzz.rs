//! Entry points of the fuzzers: each takes any bytes, and must neither panic nor hang nor leak.

use std::cell::RefCell;
use std::rc::Rc;
use std::string::String;
use std::vec;

use xen::fake::{FakeDevice, MappedPage, PeerPort, Progress, World};
use xen::xenbus::State;
use xen::{DomId, RingMemory, Scattered};
use xen_sys::io::blkif::Response;
use xen_sys::io::ring::{HEADER_LEN, REQ_PROD, RSP_PROD};

use crate::{BlkFront, Config, Discard, OnLoss, Request, device_name};

const SLOT_LEN: usize = 112;

/// The script: bytes until there are none.
struct Script<'a>(&'a [u8]);

impl Script<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn word(&mut self) -> u32 {
        (0..4).fold(0, |word, _| word << 8 | u32::from(self.byte().unwrap_or(0)))
    }
}

/// A back end that does as the second half of `data` says, and a front end that does as the first half says.
pub fn backend(data: &[u8]) {
    let (front, back) = data.split_at(data.len() / 2);
    let world = World::new();
    let device = FakeDevice::new(&world, "vbd/51712", 51712, DomId::DOM0);
    let mut front = Script(front);
    let _ = device_name(front.word());
    keys(&device, &mut front);
    let script = Rc::new(RefCell::new(back.to_vec()));
    let mut hostile = Hostile { device: device.clone(), ring: None, port: None, at: 0, script };
    world.add_peer(move |xen| hostile.step(xen.peer(DomId::DOM0)));
    let config = Config {
        pool_pages: usize::from(front.byte().unwrap_or(5)),
        answer_timeout_ns: Some(5_000_000_000),
        max_segments: usize::from(front.byte().unwrap_or(32)),
        ring_order: 2,
        queues: 2,
        on_loss: if front.byte().unwrap_or(0) & 1 == 0 { OnLoss::Fail } else { OnLoss::Hold },
        ..Config::default()
    };
    // Held requests wait until somebody reconnects, which here nobody else does.
    let blocking = config.on_loss == OnLoss::Fail;
    let Ok(disk) = BlkFront::connect(world.clone(), device, config) else { return };
    let mut buf = vec![0; 100_000];
    let mut plug = None;
    while let Some(action) = front.byte() {
        let word = u64::from(front.word());
        let len = front.byte().unwrap_or(0);
        // Somewhere on the disk, just outside, or at the end of all numbers.
        let offset = if len == u8::MAX { u64::MAX - word } else { word >> (action & 31) };
        let len = usize::from(len) << (action >> 5);
        if action & 15 == 15 {
            plug = if plug.is_none() { Some(disk.plug()) } else { None };
        }
        let kind = if action & 32 == 0 { Discard::Hint } else { Discard::Secure };
        match action & 15 {
            0 if blocking => drop(disk.read_at(offset, &mut buf[..len])),
            1 if blocking => drop(disk.write_at(offset & !511, &buf[..len & !511])),
            2 if blocking => drop(disk.flush()),
            3 => drop(disk.submit(Request::Read { offset, len })),
            4 => drop(disk.submit(Request::Write { offset: offset & !511, data: vec![action; len & !511] })),
            5 => drop(disk.submit(Request::Flush)),
            6 => drop(disk.reconnect()),
            8 if blocking => drop(disk.discard_at(offset & !511, len as u64 & !511, kind)),
            9 => drop(disk.submit(Request::Discard { offset, len: word, kind })),
            10 if blocking => drop(disk.write_durable_at(offset & !511, &buf[..len & !511])),
            11 => drop(
                disk.submit(Request::WriteDurable { offset: offset & !511, data: vec![action; len & !511] }),
            ),
            12 => drop(disk.submit(Request::ReadInto { offset, data: vec![action; len] })),
            13 => drop(disk.refresh()),
            _ => drop(disk.poll()),
        }
        let _ = disk.check_backend();
    }
    drop(plug);
    let _ = disk.close();
}

/// What the back end says about the disk.
fn keys(device: &FakeDevice, script: &mut Script<'_>) {
    device.set_back("sectors", "2048");
    for key in [
        "sectors",
        "sector-size",
        "info",
        "mode",
        "feature-flush-cache",
        "feature-barrier",
        "max-ring-page-order",
        "multi-queue-max-queues",
        "feature-max-indirect-segments",
        "feature-discard",
        "discard-granularity",
        "discard-secure",
    ] {
        match script.byte().unwrap_or(0) {
            kind @ 0..16 => device.set_back(key, &std::format!("{}", 1u64 << kind)),
            kind @ 16..32 => {
                let number = u64::from(script.word()) << (2 * (kind - 16));
                device.set_back(key, &std::format!("{number}"));
            }
            len @ 32..48 => {
                let bytes: vec::Vec<u8> = (32..len).filter_map(|_| script.byte()).collect();
                device.set_back(key, &String::from_utf8_lossy(&bytes));
            }
            _ => {}
        }
    }
}

struct Hostile {
    device: FakeDevice,
    /// The first of them.
    ring: Option<Scattered<MappedPage>>,
    port: Option<PeerPort>,
    at: usize,
    script: Rc<RefCell<vec::Vec<u8>>>,
}

impl Hostile {
    fn step(&mut self, xen: xen::fake::Peer) -> Progress {
        if self.ring.is_none() && self.device.front_state() == State::Initialised {
            let number = |key: &str| {
                let here = self.device.front_number(key);
                here.or_else(|| self.device.front_number(&std::format!("queue-0/{key}")))
            };
            let grefs = (0..16).map_while(|page| number(&std::format!("ring-ref{page}")));
            let pages = grefs.chain(number("ring-ref")).filter_map(|gref| xen.map_rw(gref).ok());
            let pages: vec::Vec<_> = pages.collect();
            self.ring = (!pages.is_empty()).then(|| Scattered::new(pages));
            self.port = number("event-channel").and_then(|port| xen.bind(port));
            self.device.set_back_state(State::Connected);
            return Progress::Made;
        }
        if self.device.front_state() == State::Closed && self.ring.take().is_some() {
            self.device.set_back_state(State::Closed);
            return Progress::Made;
        }
        let script = self.script.clone();
        let script = script.borrow();
        let mut bytes = Script(&script[self.at..]);
        let Some(action) = bytes.byte() else { return Progress::None };
        if let Some(ring) = &self.ring {
            self.act(action, ring, &mut bytes);
        } else if action < 64 {
            self.device.set_back_state(if action < 32 { State::InitWait } else { State::Closed });
        }
        if let Some(port) = &self.port {
            port.notify();
        }
        self.at = script.len() - bytes.0.len();
        Progress::Made
    }

    fn act(&self, action: u8, ring: &Scattered<MappedPage>, bytes: &mut Script<'_>) {
        let produced = ring.load_u32(RSP_PROD);
        let slots = xen::ring::capacity::<xen_sys::io::blkif::Request, Response>(ring.len());
        let slot = |index: u32| HEADER_LEN + (index % slots) as usize * SLOT_LEN;
        match action & 7 {
            // Mostly honest answers, so that the script gets somewhere.
            0..=4 => {
                if produced == ring.load_u32(REQ_PROD) {
                    return;
                }
                let request: xen_sys::io::blkif::Request = ring.read_slot(slot(produced));
                let status = if action & 8 == 0 { 0 } else { -i16::from(action >> 4) };
                let mut answer =
                    Response { id: request.id, operation: request.operation, status, ..Default::default() };
                if action & 16 != 0 && answer.operation == xen_sys::io::blkif::OP_INDIRECT {
                    answer.operation = request.nr_segments;
                }
                if action == 0xff {
                    answer.id = bytes.word().into();
                }
                ring.write_slot(slot(produced), answer);
                ring.store_u32(RSP_PROD, produced.wrapping_add(1));
            }
            5 if action > 200 => ring.store_u32((bytes.word() as usize % 1024) * 4, bytes.word()),
            6 if action > 200 => {
                ring.store_u32(RSP_PROD, produced.wrapping_add(bytes.word() >> (action & 31)))
            }
            7 if action > 200 => {
                let state = State::from_raw(u32::from(bytes.byte().unwrap_or(0)) % 9);
                self.device.set_back_state(state.unwrap_or(State::Closed));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn random_scripts_neither_panic_nor_hang_nor_leak() {
        let mut seed = 0x1234_5678_9abc_def1u64;
        let mut random = || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed
        };
        for _ in 0..if cfg!(miri) { 3 } else { 3_000 } {
            let len = random() % 500;
            let mut data: std::vec::Vec<u8> = (0..len).map(|_| random() as u8).collect();
            // Most with keys that are sound, or nothing but refusals would be tried.
            if random() % 4 != 0 {
                let sound = [0, 0, 0, 0, 50, 50, 50, 50, 0, 50, 1, 0, 5, 0, 50, 0];
                data.iter_mut().zip(sound).for_each(|(byte, sound)| *byte = sound);
            }
            // And most of what the back end does is to answer.
            for byte in data.iter_mut().skip(len as usize / 2) {
                *byte &= if random() % 8 == 0 { 0xff } else { 7 };
            }
            super::backend(&data);
        }
    }
}
