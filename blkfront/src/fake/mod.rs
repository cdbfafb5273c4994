//! A block back end for tests, on FakeXen: a disk in memory that is strict with its front end, and that can be told to
//! be slow, wrong, dishonest or dead. What it offers is in its keys ([`FakeDisk::offer`]).

mod connect;
mod perform;
mod serve;

use std::cell::{RefCell, RefMut};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;

use xen::fake::{FakeDevice, FakeXen, MappedPage, Peer, PeerPort, Progress};
use xen::xenbus::{Device, State};
use xen::{Back, Scattered};
use xen_sys::io::blkif::{Request, Response};

const SECTOR: usize = 512;

/// How the back end breaks the protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lie {
    /// It answers a request that was never made.
    Id(u64),
    /// It answers the request that had the same slot before.
    Stale,
    /// It answers twice.
    Twice,
    /// It answers with another operation.
    Operation,
    /// It claims to have answered so many more requests than there are.
    Ahead(u32),
}

/// What the back end does wrong. All off by default.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Knobs {
    /// It takes requests and answers none.
    pub hold: bool,
    /// It answers only once it holds so many requests, or when no more come.
    pub batch: usize,
    /// It answers in random order, by this seed.
    pub shuffle: Option<u64>,
    /// Requests that touch one of these bytes get this status.
    pub bad: Vec<(core::ops::Range<u64>, i16)>,
    /// It has never heard of `FLUSH_DISKCACHE`, whatever its key says.
    pub refuse_flush: bool,
    /// The same for `WRITE_BARRIER`, with this status.
    pub refuse_barrier: Option<i16>,
    /// It refuses discards, whatever its keys say, with this status.
    pub refuse_discard: Option<i16>,
    /// It tells the next answer's opposite.
    pub lie: Option<Lie>,
    /// It takes so many requests and then is gone.
    pub dies_after: Option<u64>,
    /// It never connects.
    pub never_connects: bool,
    /// It never lets go of what it maps.
    pub clings: bool,
    /// It answers indirect requests as such, not by the operation that they wrap.
    pub names_indirect: bool,
    /// It raises so many more events without a reason.
    pub storm: u64,
}

/// A ring that the back end maps.
struct Lane {
    ring: Back<Scattered<MappedPage>, Request, Response>,
    port: PeerPort,
    pending: Vec<Request>,
}

struct Connection {
    lanes: Vec<Lane>,
    persistent: bool,
    mapped: BTreeMap<u32, MappedPage>,
}

/// The back end's state, for tests to look into and to turn the knobs of.
pub struct Backend {
    peer: Peer,
    device: FakeDevice,
    connection: Option<Connection>,
    /// What it misses; also for those that never unmap.
    clung: Vec<Connection>,
    /// What can go wrong.
    pub knobs: Knobs,
    /// The disk.
    pub content: Vec<u8>,
    /// The disk as it was when it was last flushed.
    pub durable: Vec<u8>,
    /// Operations taken, in order; of indirect requests the one that they wrap.
    pub operations: Vec<u8>,
    /// Segments of each read and write, in order.
    pub segments: Vec<usize>,
    /// What was discarded, and whether securely.
    pub discarded: Vec<(core::ops::Range<usize>, bool)>,
    /// Requests taken from each ring.
    pub taken: Vec<u64>,
    /// Most requests it held unanswered.
    pub most_pending: usize,
    /// What the front end did wrong.
    pub complaints: Vec<String>,
    sector_size: usize,
}

/// A handle to the back end.
#[derive(Clone)]
pub struct FakeDisk(Rc<RefCell<Backend>>);

impl FakeDisk {
    /// Puts a disk of `size` zero bytes behind `device`, with flush, writable.
    pub fn attach(xen: &FakeXen, device: &FakeDevice, size: usize, sector_size: usize) -> Self {
        device.set_back("sectors", &(size / SECTOR).to_string());
        device.set_back("sector-size", &sector_size.to_string());
        device.set_back("info", "0");
        device.set_back("mode", "w");
        device.set_back("feature-flush-cache", "1");
        device.set_back("feature-barrier", "0");
        device.set_back("feature-persistent", "1");
        let backend = Backend {
            peer: xen.peer(device.backend_domain()),
            device: device.clone(),
            connection: None,
            clung: Vec::new(),
            knobs: Knobs::default(),
            content: vec![0; size],
            durable: vec![0; size],
            operations: Vec::new(),
            segments: Vec::new(),
            discarded: Vec::new(),
            taken: Vec::new(),
            most_pending: 0,
            complaints: Vec::new(),
            sector_size,
        };
        let disk = Self(Rc::new(RefCell::new(backend)));
        let stepped = disk.clone();
        xen.add_peer(move |_| stepped.0.borrow_mut().step());
        disk
    }

    /// Sets a key of the back end's directory, before the front end looks.
    pub fn offer(&self, key: &str, value: &str) {
        self.get().device.set_back(key, value);
    }

    /// The back end.
    pub fn get(&self) -> RefMut<'_, Backend> {
        self.0.borrow_mut()
    }
}

impl Backend {
    /// Goes away as a back end domain does that dies: all is unmapped, and nobody says goodbye.
    pub fn die(&mut self, state: State) {
        self.connection = None;
        self.device.set_back_state(state);
    }

    /// The words of the first page of the first ring, for those who lie by hand.
    pub fn ring_memory(&self) -> Option<&MappedPage> {
        self.connection.as_ref()?.lanes.first()?.ring.memory().pages().first()
    }

    fn step(&mut self) -> Progress {
        let back = match self.device.backend_state() {
            Ok(state) => state,
            Err(_) => return Progress::None,
        };
        match (self.device.front_state(), back) {
            (State::Initialised, State::InitWait) if !self.knobs.never_connects => {
                match self.connect() {
                    Ok(connection) => {
                        self.connection = Some(connection);
                        self.device.set_back_state(State::Connected);
                    }
                    Err(complaint) => {
                        self.complaints.push(complaint);
                        self.device.set_back_state(State::Closed);
                    }
                }
                Progress::Made
            }
            (State::Closing, State::InitWait | State::Connected) => {
                self.device.set_back_state(State::Closing);
                Progress::Made
            }
            (State::Closed, State::Closing) => {
                let connection = self.connection.take();
                if self.knobs.clings {
                    self.clung.extend(connection);
                }
                self.device.set_back_state(State::Closed);
                Progress::Made
            }
            (State::Initialising, State::Closed) => {
                self.device.set_back_state(State::InitWait);
                Progress::Made
            }
            (_, State::Connected | State::Closing) => self.serve(),
            _ => Progress::None,
        }
    }
}
