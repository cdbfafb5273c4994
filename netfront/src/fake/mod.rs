//! A network back end on FakeXen, for tests of this crate and of what stands on it.
//!
//! [`FakeNetback`] is a handle: the back end itself runs as a peer of [`FakeXen`]. It looks at the rings only after an
//! event, as the real one does, so a front end that forgets to notify hangs in the test. What the guest sent is collected
//! ([`FakeNetback::take_sent`]) or goes over a [`FakeNetback::wire`] to another guest's device; [`FakeNetback::send`] queues a frame for
//! the guest. Knobs make it slow, failing or closed; for lies there is [`FakeNetback::with_rings`].

mod rings;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use std::vec::Vec;

use xen::DomId;
use xen::fake::{FakeDevice, FakeXen, Peer, Progress};
use xen::xenbus::{Device, State};
use xen_sys::io::netif::{RSP_OKAY, RXF_CSUM_BLANK, RXF_DATA_VALIDATED, TXF_CSUM_BLANK, TXF_DATA_VALIDATED};

pub use rings::{BackRings, RxRing, TxRing};

/// A frame for the guest.
#[derive(Clone, Debug)]
pub struct ToGuest {
    /// Its bytes.
    pub frame: Vec<u8>,
    /// `RXF_*` of its first response.
    pub flags: u16,
    /// Bytes per slot, at most.
    pub slot_len: usize,
    /// Where in its buffer a slot's data begins.
    pub offset: usize,
    /// Extra infos after the first response.
    pub extras: usize,
    /// Instead of data, this negative status.
    pub error: Option<i16>,
}

impl ToGuest {
    /// A frame that came from a wire, its checksums not looked at, in as few slots as it takes.
    pub fn new(frame: &[u8]) -> Self {
        Self { frame: frame.to_vec(), flags: 0, slot_len: xen::PAGE_SIZE, offset: 0, extras: 0, error: None }
    }
}

/// A frame from the guest.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FromGuest {
    /// Its bytes.
    pub frame: Vec<u8>,
    /// `TXF_*` of its first request.
    pub flags: u16,
    /// The size that TCP is to be divided into, and `GSO_TYPE_*`.
    pub segmentation: Option<(u16, u8)>,
    /// Requests it took.
    pub slots: usize,
}

/// How the back end behaves; change it at any time.
#[derive(Clone, Debug)]
pub struct Knobs {
    /// Goes to `Connected` when the front end does.
    pub connects: bool,
    /// Goes back to `InitWait` when a front end that has closed is `Initialising` again.
    pub comes_back: bool,
    /// Takes requests of frames to send.
    pub takes_tx: bool,
    /// Answers them in reverse order per batch.
    pub reversed: bool,
    /// What it answers them.
    pub tx_status: i16,
    /// Rounds that it sleeps before it looks at an event.
    pub delay: u32,
}

struct Inner {
    device: FakeDevice,
    peer: Peer,
    rings: Option<BackRings>,
    to_guest: VecDeque<ToGuest>,
    from_guest: Vec<FromGuest>,
    wire: Option<Weak<RefCell<Inner>>>,
    longest_segmentation: Option<(u16, u8, usize)>,
    knobs: Knobs,
    awake: bool,
    slept: u32,
}

/// A handle to a back end.
#[derive(Clone)]
pub struct FakeNetback(Rc<RefCell<Inner>>);

impl FakeNetback {
    /// Makes the back end of `device`, as Linux has it, and adds it to the peers of `xen`. Sets the keys that the toolstack
    /// and the back end write.
    pub fn new(xen: &FakeXen, device: &FakeDevice) -> Self {
        device.set_front("mac", "00:16:3e:00:00:01");
        for feature in ["feature-rx-copy", "feature-sg", "feature-ipv6-csum-offload"] {
            device.set_back(feature, "1");
        }
        let knobs = Knobs {
            connects: true,
            comes_back: true,
            takes_tx: true,
            reversed: false,
            tx_status: RSP_OKAY,
            delay: 0,
        };
        let inner = Inner {
            device: device.clone(),
            peer: xen.peer(device.backend_domain()),
            rings: None,
            to_guest: VecDeque::new(),
            from_guest: Vec::new(),
            wire: None,
            longest_segmentation: None,
            knobs,
            awake: false,
            slept: 0,
        };
        let back = Self(Rc::new(RefCell::new(inner)));
        let handle = back.clone();
        xen.add_peer(move |_| handle.step());
        back
    }

    /// A device in domain 0 with its back end.
    pub fn with_device(xen: &FakeXen) -> (FakeDevice, Self) {
        let device = FakeDevice::new(xen, "vif/0", 0, DomId::DOM0);
        let back = Self::new(xen, &device);
        (device, back)
    }

    /// Queues a frame for the guest.
    pub fn send(&self, frame: &[u8]) {
        self.send_as(ToGuest::new(frame));
    }

    /// Queues a frame for the guest, in detail.
    pub fn send_as(&self, frame: ToGuest) {
        let mut inner = self.0.borrow_mut();
        inner.to_guest.push_back(frame);
        inner.awake = true;
    }

    /// Frames queued and not yet delivered.
    pub fn queued(&self) -> usize {
        self.0.borrow().to_guest.len()
    }

    /// What the guest has sent since the last call.
    pub fn take_sent(&self) -> Vec<FromGuest> {
        core::mem::take(&mut self.0.borrow_mut().from_guest)
    }

    /// Joins two back ends: what one guest sends, the other receives, with the checksum flags that Linux would give it.
    pub fn wire(&self, other: &Self) {
        self.0.borrow_mut().wire = Some(Rc::downgrade(&other.0));
        other.0.borrow_mut().wire = Some(Rc::downgrade(&self.0));
    }

    /// Changes the knobs and lets the back end look again.
    pub fn adjust(&self, change: impl FnOnce(&mut Knobs)) {
        let mut inner = self.0.borrow_mut();
        change(&mut inner.knobs);
        inner.awake = true;
    }

    /// Lets go of the rings and moves to `state`, as when the device is detached or the back end's domain dies.
    pub fn leave(&self, state: State) {
        let mut inner = self.0.borrow_mut();
        inner.rings = None;
        inner.device.set_back_state(state);
    }

    /// What the back end has mapped, to be lied in. `None` while it is not connected.
    pub fn with_rings<R>(&self, act: impl FnOnce(&mut BackRings, &Peer) -> R) -> Option<R> {
        let inner = &mut *self.0.borrow_mut();
        Some(act(inner.rings.as_mut()?, &inner.peer))
    }

    /// Cuts the wire: what the guest sends is collected again.
    pub fn unwire(&self) {
        self.0.borrow_mut().wire = None;
    }

    /// Of the longest frame that was to be divided: the size of the pieces, `GSO_TYPE_*`, and its length.
    pub fn longest_segmentation(&self) -> Option<(u16, u8, usize)> {
        self.0.borrow().longest_segmentation
    }

    fn step(&self) -> Progress {
        let inner = &mut *self.0.borrow_mut();
        let moved = inner.follow_states();
        let worked = inner.transfer();
        if moved || worked { Progress::Made } else { Progress::None }
    }
}

impl Inner {
    fn follow_states(&mut self) -> bool {
        let back = self.device.backend_state().expect("a table never fails");
        match (self.device.front_state(), back) {
            (State::Connected, State::InitWait) if self.knobs.connects => {
                self.rings = Some(BackRings::map(&self.device, &self.peer));
                self.awake = true;
                self.device.set_back_state(State::Connected);
            }
            (State::Closing, State::Connected) => self.close(State::Closing),
            (State::Closed, State::Connected | State::Closing) => self.close(State::Closed),
            (State::Initialising, State::Closed) if self.knobs.comes_back => {
                self.device.set_back_state(State::InitWait)
            }
            _ => return false,
        }
        true
    }

    fn close(&mut self, state: State) {
        self.rings = None;
        self.device.set_back_state(state);
    }

    fn transfer(&mut self) -> bool {
        let Some(rings) = &mut self.rings else { return false };
        self.awake |= rings.event.take_pending();
        if !self.awake {
            return false;
        }
        if self.slept < self.knobs.delay {
            self.slept += 1;
            return true;
        }
        self.slept = 0;
        if self.knobs.takes_tx {
            let sent = rings.take_frames(&self.peer, &self.knobs);
            for frame in &sent {
                if let Some((size, kind)) = frame.segmentation
                    && self.longest_segmentation.is_none_or(|(.., len)| len < frame.frame.len())
                {
                    self.longest_segmentation = Some((size, kind, frame.frame.len()));
                }
            }
            match self.wire.as_ref().and_then(Weak::upgrade) {
                None => self.from_guest.extend(sent),
                Some(other) => {
                    sent.into_iter().for_each(|frame| FakeNetback(other.clone()).send_as(on_the_wire(frame)))
                }
            }
        }
        rings.give_frames(&self.peer, &mut self.to_guest);
        // Awake until there is nothing in either ring: only then it waits for an event.
        self.awake = rings.arm(self.knobs.takes_tx, !self.to_guest.is_empty());
        true
    }
}

/// How Linux hands on a frame from one guest to another: a blank checksum stays blank.
fn on_the_wire(sent: FromGuest) -> ToGuest {
    let mut frame = ToGuest::new(&sent.frame);
    if sent.flags & TXF_CSUM_BLANK != 0 {
        frame.flags |= RXF_CSUM_BLANK | RXF_DATA_VALIDATED;
    } else if sent.flags & TXF_DATA_VALIDATED != 0 {
        frame.flags |= RXF_DATA_VALIDATED;
    }
    frame
}
