//! A back end of a further console on FakeXen: it follows the states as QEMU does, keeps what it reads, and types.

use std::cell::RefCell;
use std::rc::Rc;
use std::vec::Vec;

use xen::byte_ring::ByteRingLayout;
use xen::fake::{FakeDevice, MappedPage, PeerPort, Progress, World};
use xen::xenbus::{Device, State};
use xen::{ByteReader, ByteWriter, DomId};
use xen_sys::io::console as abi;

const OUTPUT: ByteReader = ByteReader::new(ByteRingLayout {
    data: abi::OUT,
    len: abi::OUT_LEN,
    cons: abi::OUT_CONS,
    prod: abi::OUT_PROD,
});
const INPUT: ByteWriter = ByteWriter::new(ByteRingLayout {
    data: abi::IN,
    len: abi::IN_LEN,
    cons: abi::IN_CONS,
    prod: abi::IN_PROD,
});

#[derive(Default)]
struct Inner {
    ring: Option<(MappedPage, PeerPort)>,
    seen: Vec<u8>,
    typed: Vec<u8>,
    /// Takes no more connections.
    is_away: bool,
    /// Reads nothing.
    is_stuck: bool,
    /// Has the ring, and was not told of what is in it.
    is_unaware: bool,
    connects: u32,
}

/// The back end. Clones are one.
#[derive(Clone)]
pub struct FakeBackend {
    device: FakeDevice,
    inner: Rc<RefCell<Inner>>,
}

impl FakeBackend {
    pub fn new(world: &World) -> (FakeDevice, Self) {
        let device = FakeDevice::new(world, "console/1", 1, DomId::DOM0);
        let back = Self { device: device.clone(), inner: Rc::default() };
        let (theirs, dom0) = (back.clone(), world.peer(DomId::DOM0));
        world.add_peer(move |_| theirs.step(|gref, port| Some((dom0.map_rw(gref).ok()?, dom0.bind(port)?))));
        (device, back)
    }

    fn step(&self, map: impl FnOnce(u32, u32) -> Option<(MappedPage, PeerPort)>) -> Progress {
        let inner = &mut *self.inner.borrow_mut();
        let state = self.device.backend_state().unwrap_or(State::Unknown);
        match (self.device.front_state(), state) {
            (State::Initialised, State::InitWait) if !inner.is_away && inner.ring.is_none() => {
                let number = |key| self.device.front_number(key).unwrap_or_default();
                inner.ring = map(number("ring-ref"), number("port"));
                if inner.ring.is_none() {
                    return Progress::None;
                }
                inner.connects += 1;
                inner.is_unaware = false;
                self.device.set_back_state(State::Connected);
                Progress::Made
            }
            (State::Closed, State::Closing) => {
                inner.ring = None;
                self.device.set_back_state(State::Closed);
                Progress::Made
            }
            (State::Initialising, State::Closed) if !inner.is_away => {
                inner.ring = None;
                self.device.set_back_state(State::InitWait);
                Progress::Made
            }
            (State::Connected, State::InitWait) if !inner.is_away => {
                self.device.set_back_state(State::Connected);
                Progress::Made
            }
            _ => inner.serve(),
        }
    }

    /// Goes to a state; in those of its end the ring is let go, but for `Closing`, where that waits for the front end.
    pub fn leave(&self, state: State) {
        self.inner.borrow_mut().is_away = false;
        if state != State::Closing {
            self.inner.borrow_mut().ring = None;
        }
        self.device.set_back_state(state);
    }

    pub fn set_away(&self, is_away: bool) {
        self.inner.borrow_mut().is_away = is_away;
    }

    pub fn set_stuck(&self, is_stuck: bool) {
        self.inner.borrow_mut().is_stuck = is_stuck;
    }

    /// Ends without a word, and begins anew: with the ring that is there, once it is told of it, or with none.
    pub fn start_anew(&self, goes_on: bool) {
        {
            let inner = &mut *self.inner.borrow_mut();
            if !goes_on {
                inner.ring = None;
            }
            if let Some((_, port)) = &inner.ring {
                port.take_pending();
            }
            (inner.is_away, inner.is_stuck, inner.is_unaware) = (!goes_on, false, true);
        }
        self.device.set_back_state(State::InitWait);
    }

    pub fn type_in(&self, bytes: &[u8]) {
        self.inner.borrow_mut().typed.extend_from_slice(bytes);
    }

    pub fn take_seen(&self) -> Vec<u8> {
        std::mem::take(&mut self.inner.borrow_mut().seen)
    }

    pub fn connects(&self) -> u32 {
        self.inner.borrow().connects
    }

    /// The ring page, for lies; `None` while there is none.
    pub fn with_ring(&self, lie: impl FnOnce(&MappedPage)) {
        if let Some((page, port)) = &self.inner.borrow().ring {
            lie(page);
            port.notify();
        }
    }
}

impl Inner {
    fn serve(&mut self) -> Progress {
        let Some((page, port)) = self.ring.as_ref().filter(|_| !self.is_stuck) else { return Progress::None };
        self.is_unaware &= !port.take_pending();
        if self.is_unaware {
            return Progress::None;
        }
        let mut bytes = [0; 700];
        // Its own lies confuse it, too.
        let read = OUTPUT.read(page, &mut bytes).unwrap_or(0);
        self.seen.extend_from_slice(&bytes[..read]);
        let typed = INPUT.write(page, &self.typed).unwrap_or(0);
        self.typed.drain(..typed);
        if read + typed == 0 {
            return Progress::None;
        }
        port.notify();
        Progress::Made
    }
}
