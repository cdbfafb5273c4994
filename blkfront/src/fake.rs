//! A block back end for tests, on FakeXen: a disk in memory that is strict with its front end, and that can be told to
//! be slow, wrong, dishonest or dead.

use std::cell::{RefCell, RefMut};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::string::{String, ToString};
use std::vec::Vec;
use std::{format, vec};

use xen::fake::{FakeDevice, FakeXen, MappedPage, Peer, PeerPort, Progress};
use xen::xenbus::{Device, State};
use xen::{Access, Back, SharedMemory};
use xen_sys::io::blkif::{self, MAX_SEGMENTS_PER_REQUEST, Request, Response};
use xen_sys::io::ring::{REQ_PROD, RSP_PROD};

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
    /// It tells the next answer's opposite.
    pub lie: Option<Lie>,
    /// It takes so many requests and then is gone.
    pub dies_after: Option<u64>,
    /// It never connects.
    pub never_connects: bool,
    /// It never lets go of what it maps.
    pub clings: bool,
    /// It raises so many more events without a reason.
    pub storm: u64,
}

struct Connection {
    ring: Back<MappedPage, Request, Response>,
    port: PeerPort,
    persistent: bool,
    mapped: BTreeMap<u32, MappedPage>,
    pending: Vec<Request>,
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
    /// Operations taken, in order.
    pub operations: Vec<u8>,
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
        let backend = Backend {
            peer: xen.peer(device.backend_domain()),
            device: device.clone(),
            connection: None,
            clung: Vec::new(),
            knobs: Knobs::default(),
            content: vec![0; size],
            durable: vec![0; size],
            operations: Vec::new(),
            most_pending: 0,
            complaints: Vec::new(),
            sector_size,
        };
        let disk = Self(Rc::new(RefCell::new(backend)));
        let stepped = disk.clone();
        xen.add_peer(move |_| stepped.0.borrow_mut().step());
        disk
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

    /// The words of the ring, for those who lie by hand.
    pub fn ring_memory(&self) -> Option<&MappedPage> {
        self.connection.as_ref().map(|connection| connection.ring.memory())
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
            (_, State::Connected) => self.serve(),
            _ => Progress::None,
        }
    }

    fn connect(&self) -> Result<Connection, String> {
        let number = |key: &str| self.device.front_number(key).ok_or_else(|| format!("no {key}"));
        let (gref, port) = (number("ring-ref")?, number("event-channel")?);
        let protocol = self.device.front("protocol");
        if protocol.as_deref() != Some("x86_64-abi") {
            return Err(format!("protocol {protocol:?}"));
        }
        let ring = self.peer.map_rw(gref).map_err(|error| format!("ring-ref: {error:?}"))?;
        let port = self.peer.bind(port).ok_or("the event channel can not be bound")?;
        let persistent = self.device.front("feature-persistent").as_deref() == Some("1");
        Ok(Connection {
            ring: Back::new(ring),
            port,
            persistent,
            mapped: BTreeMap::new(),
            pending: Vec::new(),
        })
    }

    fn serve(&mut self) -> Progress {
        let Some(mut connection) = self.connection.take() else { return Progress::None };
        let mut progress = Progress::None;
        if self.knobs.storm > 0 {
            self.knobs.storm -= 1;
            connection.port.notify();
            progress = Progress::Made;
        }
        loop {
            match connection.ring.pop() {
                Ok(Some(request)) => {
                    progress = Progress::Made;
                    self.operations.push(request.operation);
                    connection.pending.push(request);
                    if let Some(left) = &mut self.knobs.dies_after {
                        *left = left.saturating_sub(1);
                        if *left == 0 {
                            self.knobs.dies_after = None;
                            self.device.set_back_state(State::Closed);
                            return Progress::Made;
                        }
                    }
                }
                Ok(None) if connection.ring.arm() => {}
                Ok(None) => break,
                Err(lie) => {
                    self.complaints.push(lie.to_string());
                    break;
                }
            }
        }
        connection.port.take_pending();
        self.most_pending = self.most_pending.max(connection.pending.len());
        let ready = connection.pending.len() >= self.knobs.batch || progress == Progress::None;
        if ready && !self.knobs.hold && !connection.pending.is_empty() {
            progress = Progress::Made;
            self.answer(&mut connection);
        }
        self.connection = Some(connection);
        progress
    }

    fn answer(&mut self, connection: &mut Connection) {
        let mut pending = core::mem::take(&mut connection.pending);
        if let Some(seed) = &mut self.knobs.shuffle {
            for at in (1..pending.len()).rev() {
                *seed ^= *seed << 13;
                *seed ^= *seed >> 7;
                *seed ^= *seed << 17;
                pending.swap(at, (*seed % (at as u64 + 1)) as usize);
            }
        }
        for request in pending {
            let status = self.perform(connection, &request);
            let mut response =
                Response { id: request.id, operation: request.operation, status, ..Default::default() };
            match self.knobs.lie {
                Some(Lie::Id(id)) => response.id = id,
                Some(Lie::Stale) => response.id = response.id.wrapping_sub(32),
                Some(Lie::Operation) => response.operation ^= 1,
                Some(Lie::Twice) => {
                    let _ = connection.ring.push(response);
                }
                _ => {}
            }
            let _ = connection.ring.push(response);
        }
        let bell = connection.ring.publish();
        let lied = self.knobs.lie.is_some();
        if let Some(Lie::Ahead(by)) = self.knobs.lie {
            let memory = connection.ring.memory();
            memory.store_u32(RSP_PROD, memory.load_u32(REQ_PROD).wrapping_add(by));
        }
        if bell == xen::Doorbell::Ring || lied {
            connection.port.notify();
        }
    }

    fn perform(&mut self, connection: &mut Connection, request: &Request) -> i16 {
        match request.operation {
            blkif::OP_READ | blkif::OP_WRITE => {}
            blkif::OP_FLUSH_DISKCACHE if self.knobs.refuse_flush => return blkif::RSP_EOPNOTSUPP,
            blkif::OP_WRITE_BARRIER if self.knobs.refuse_barrier.is_some() => {
                return self.knobs.refuse_barrier.unwrap_or(blkif::RSP_EOPNOTSUPP);
            }
            blkif::OP_FLUSH_DISKCACHE | blkif::OP_WRITE_BARRIER => {
                if request.nr_segments != 0 {
                    self.complaints.push(format!("a flush with {} segments", request.nr_segments));
                }
                self.durable.clone_from(&self.content);
                return blkif::RSP_OKAY;
            }
            other => {
                self.complaints.push(format!("operation {other}"));
                return blkif::RSP_EOPNOTSUPP;
            }
        }
        match self.transfer(connection, request) {
            Ok(status) => status,
            Err(complaint) => {
                self.complaints.push(complaint);
                blkif::RSP_ERROR
            }
        }
    }

    fn transfer(&mut self, connection: &mut Connection, request: &Request) -> Result<i16, String> {
        let segments = usize::from(request.nr_segments);
        if segments == 0 || segments > MAX_SEGMENTS_PER_REQUEST {
            return Err(format!("{segments} segments"));
        }
        if request.handle != self.device.id() as u16 {
            return Err(format!("handle {}", request.handle));
        }
        let start = request.sector_number as usize * SECTOR;
        let mut at = start;
        for segment in &request.seg[..segments] {
            let (first, last) = (usize::from(segment.first_sect), usize::from(segment.last_sect));
            if first > last || last > 7 {
                return Err(format!("sectors {first} to {last} of a page"));
            }
            let (offset, len) = (first * SECTOR, (last + 1 - first) * SECTOR);
            if [at, offset, len].iter().any(|number| !number.is_multiple_of(self.sector_size)) {
                return Err(format!("{len} bytes at {at} for sectors of {}", self.sector_size));
            }
            if at + len > self.content.len() {
                return Err(format!("{len} bytes at {at} of a disk of {}", self.content.len()));
            }
            let access = match request.operation {
                blkif::OP_WRITE if !connection.persistent => Access::ReadOnly,
                _ => Access::ReadWrite,
            };
            let page = match connection.mapped.remove(&segment.gref) {
                Some(page) => page,
                None => self.peer.map(segment.gref, access).map_err(|error| format!("gref: {error:?}"))?,
            };
            let span = at as u64..(at + len) as u64;
            let bad =
                self.knobs.bad.iter().find(|(range, _)| range.start < span.end && span.start < range.end);
            if let Some((_, status)) = bad {
                return Ok(*status);
            }
            if request.operation == blkif::OP_READ {
                page.copy_in(offset, &self.content[at..at + len]);
            } else {
                page.copy_out(offset, &mut self.content[at..at + len]);
            }
            if connection.persistent {
                connection.mapped.insert(segment.gref, page);
            }
            at += len;
        }
        Ok(blkif::RSP_OKAY)
    }
}
