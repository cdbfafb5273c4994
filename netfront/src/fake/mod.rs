//! A network back end on FakeXen, for tests of this crate and of what stands on it.
//!
//! [`FakeNetback`] is a handle: the back end itself runs as a peer of [`FakeXen`]. It looks at the rings only after an
//! event, as the real one does, so a front end that forgets to notify hangs in the test. What the guest sent is collected
//! ([`FakeNetback::take_sent`]) or goes over a [`FakeNetback::wire`] to another guest's device; [`FakeNetback::send`] queues a frame for
//! the guest. Knobs make it slow, failing or closed; for lies there is [`FakeNetback::with_rings`].

mod rings;

use std::cell::RefCell;
use std::collections::{BTreeSet, VecDeque};
use std::rc::{Rc, Weak};
use std::vec;
use std::vec::Vec;

use xen::DomId;
use xen::fake::{FakeDevice, FakeXen, Peer, Progress};
use xen::xenbus::{Device, State};
use xen_sys::io::netif::{
    EXTRA_TYPE_GSO, ExtraInfo, RSP_OKAY, RXF_CSUM_BLANK, RXF_DATA_VALIDATED, TXF_CSUM_BLANK,
    TXF_DATA_VALIDATED,
};

use crate::info::MAX_QUEUES;

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
    pub extras: Vec<ExtraInfo>,
    /// The queue it comes through; of those that there are.
    pub queue: usize,
    /// Instead of data, this negative status.
    pub error: Option<i16>,
}

impl ToGuest {
    /// A frame that came from a wire, its checksums not looked at, in as few slots as it takes.
    pub fn new(frame: &[u8]) -> Self {
        let (frame, slot_len) = (frame.to_vec(), xen::PAGE_SIZE);
        Self { frame, flags: 0, slot_len, offset: 0, extras: Vec::new(), queue: 0, error: None }
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
    /// The queue it came through.
    pub queue: usize,
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
    /// Of each queue; none while it is not connected.
    rings: Vec<BackRings>,
    to_guest: Vec<VecDeque<ToGuest>>,
    groups: BTreeSet<[u8; 6]>,
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
            rings: Vec::new(),
            to_guest: vec![VecDeque::new(); MAX_QUEUES],
            groups: BTreeSet::new(),
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
        let filtered = inner.device.front_number("request-multicast-control") == Some(1);
        let to_group =
            frame.frame.first().is_some_and(|first| first & 1 == 1) && frame.frame[..6] != [0xff; 6];
        if filtered && to_group && !inner.groups.contains(&frame.frame[..6]) {
            return;
        }
        let queue = frame.queue % inner.rings.len().max(1);
        inner.to_guest[queue].push_back(frame);
        inner.awake = true;
    }

    /// Frames queued and not yet delivered.
    pub fn queued(&self) -> usize {
        self.0.borrow().to_guest.iter().map(VecDeque::len).sum()
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
        inner.rings.clear();
        inner.groups.clear();
        inner.device.set_back_state(state);
    }

    /// What the back end has mapped of the first queue, to be lied in. `None` while it is not connected.
    pub fn with_rings<R>(&self, act: impl FnOnce(&mut BackRings, &Peer) -> R) -> Option<R> {
        self.with_queue(0, act)
    }

    /// As [`FakeNetback::with_rings`], of any queue.
    pub fn with_queue<R>(&self, queue: usize, act: impl FnOnce(&mut BackRings, &Peer) -> R) -> Option<R> {
        let inner = &mut *self.0.borrow_mut();
        Some(act(inner.rings.get_mut(queue)?, &inner.peer))
    }

    /// The groups that the guest has joined.
    pub fn groups(&self) -> Vec<[u8; 6]> {
        self.0.borrow().groups.iter().copied().collect()
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
                self.rings = BackRings::map_all(&self.device, &self.peer);
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
        self.rings.clear();
        self.groups.clear();
        self.device.set_back_state(state);
    }

    fn transfer(&mut self) -> bool {
        for rings in &mut self.rings {
            self.awake |= rings.take_pending();
        }
        if self.rings.is_empty() || !self.awake {
            return false;
        }
        if self.slept < self.knobs.delay {
            self.slept += 1;
            return true;
        }
        self.slept = 0;
        // Awake until there is nothing in any ring: only then it waits for an event.
        self.awake = false;
        for queue in 0..self.rings.len() {
            if self.knobs.takes_tx {
                let sent = self.rings[queue].take_frames(&self.peer, &self.knobs);
                self.hand_on(queue, sent);
            }
            let (rings, frames) = (&mut self.rings[queue], &mut self.to_guest[queue]);
            rings.give_frames(&self.peer, frames);
            self.awake |= rings.arm(self.knobs.takes_tx, !frames.is_empty());
        }
        true
    }

    fn hand_on(&mut self, queue: usize, sent: Vec<FromGuest>) {
        for (group, joined) in core::mem::take(&mut self.rings[queue].groups) {
            let changed = if joined { self.groups.insert(group) } else { self.groups.remove(&group) };
            assert!(changed, "{group:x?} was joined or left already");
        }
        for mut frame in sent {
            frame.queue = queue;
            if let Some((size, kind)) = frame.segmentation
                && self.longest_segmentation.is_none_or(|(.., len)| len < frame.frame.len())
            {
                self.longest_segmentation = Some((size, kind, frame.frame.len()));
            }
            match self.wire.as_ref().and_then(Weak::upgrade) {
                None => self.from_guest.push(frame),
                Some(other) => FakeNetback(other).send_as(on_the_wire(frame)),
            }
        }
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
    if let Some((gso_size, gso_type)) = sent.segmentation {
        frame.extras.push(ExtraInfo { kind: EXTRA_TYPE_GSO, gso_size, gso_type, ..ExtraInfo::default() });
    }
    frame.queue = sent.queue;
    frame
}
