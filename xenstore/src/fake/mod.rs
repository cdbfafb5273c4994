//! An in-memory xenstored on FakeXen: the real protocol on a real ring page, for one guest.
//!
//! [`FakeXenstored::start`] gives the server and a client connected to it. The server runs inline, as all peers do,
//! whenever the code under test waits. The test's own side is dom0: it reads and writes the tree without permission
//! checks, and turns knobs that make the server slow, silent or a liar.

mod nodes;
mod serve;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::format;
use std::rc::Rc;
use std::string::{String, ToString};
use std::vec::Vec;

use xen::byte_ring::ByteRingLayout;
use xen::fake::{FakeXen, MappedPage, PeerPort, Progress};
use xen::xenbus::State;
use xen::{Access, ByteReader, ByteWriter, DomId, EventPort, SharedMemory, SharedPage};
use xen_sys::io::xs_wire as abi;

use crate::wire::Decoder;
use crate::{Permission, Rights, XenStore};
use serve::Server;
#[cfg(test)]
pub(crate) use serve::WATCHES_MAX;

/// A client on FakeXen.
pub type FakeStore = XenStore<FakeXen, SharedPage<FakeXen>>;

/// The guest's number.
pub const GUEST: DomId = DomId::new(5);

const REQUESTS: ByteReader = ByteReader::new(ByteRingLayout {
    data: abi::REQ,
    len: abi::RING_LEN,
    cons: abi::REQ_CONS,
    prod: abi::REQ_PROD,
});
const REPLIES: ByteWriter = ByteWriter::new(ByteRingLayout {
    data: abi::RSP,
    len: abi::RING_LEN,
    cons: abi::RSP_CONS,
    prod: abi::RSP_PROD,
});

/// The server, as the test sees it. Clones share it.
#[derive(Clone)]
pub struct FakeXenstored(Rc<RefCell<Inner>>);

struct Inner {
    server: Server,
    decoder: Decoder,
    /// Messages, the first of them perhaps sent in part.
    out: VecDeque<Vec<u8>>,
    sent: usize,
    /// Bytes that move in either direction at each step.
    fragment: usize,
    /// Steps for which each reply is kept back.
    delay: u32,
    delayed: u32,
    silent: bool,
    /// The guest has raised an event since all that it wrote was read.
    woken: bool,
    /// The ring of replies was full when last looked at, without an event since.
    full: bool,
    lies: Vec<(usize, u32)>,
    /// Then it may read nonsense itself.
    lied: bool,
    most_outstanding: usize,
    requests: u64,
}

impl FakeXenstored {
    /// Starts the server for a guest with the nodes that libxl makes, and connects a client.
    pub fn start(xen: &FakeXen) -> (Self, FakeStore) {
        Self::start_at(xen, 0)
    }

    /// As [`FakeXenstored::start`], with all ring indices at `index`.
    pub fn start_at(xen: &FakeXen, index: u32) -> (Self, FakeStore) {
        let page = SharedPage::new(xen, DomId::DOM0, Access::ReadWrite).expect("the fake has a page");
        for offset in [abi::REQ_CONS, abi::REQ_PROD, abi::RSP_CONS, abi::RSP_PROD] {
            page.store_u32(offset, index);
        }
        let port = EventPort::alloc(xen, DomId::DOM0).expect("the fake has a port");
        let theirs = xen.peer(DomId::DOM0).map_rw(page.gref().raw()).expect("granted to dom0");
        let end = xen.peer(DomId::DOM0).bind(port.port().raw()).expect("made for dom0");
        let fake = Self(Rc::new(RefCell::new(Inner {
            server: Server::new(GUEST),
            decoder: Decoder::default(),
            out: VecDeque::new(),
            sent: 0,
            fragment: usize::MAX,
            delay: 0,
            delayed: 0,
            silent: false,
            woken: false,
            full: false,
            lies: Vec::new(),
            lied: false,
            most_outstanding: 0,
            requests: 0,
        })));
        fake.make_guest_nodes();
        let inner = fake.0.clone();
        xen.add_peer(move |_| inner.borrow_mut().step(&theirs, &end));
        (fake, XenStore::new(xen, page, port))
    }

    fn make_guest_nodes(&self) {
        let home = format!("/local/domain/{GUEST}");
        self.set("/local/domain/0/backend", "");
        for path in ["", "/device", "/control", "/memory"] {
            self.set_with(&format!("{home}{path}"), "", &self.readable());
        }
        for path in ["/data", "/control/shutdown", "/control/feature-poweroff", "/control/feature-reboot"] {
            self.set_with(
                &format!("{home}{path}"),
                "",
                &[Permission { domain: GUEST, rights: Rights::None }],
            );
        }
    }

    /// Permissions of what dom0 owns and the guest may read.
    fn readable(&self) -> [Permission; 2] {
        [
            Permission { domain: DomId::DOM0, rights: Rights::None },
            Permission { domain: GUEST, rights: Rights::Read },
        ]
    }

    /// Makes a device whose back end is in dom0, both ends in the state that the toolstack leaves behind
    /// (`Initialising`), with further keys for each end.
    pub fn add_device(&self, kind: &str, id: u32, front: &[(&str, &str)], back: &[(&str, &str)]) {
        let (front_path, back_path) = (Self::front_path(kind, id), Self::back_path(kind, id));
        let owner = Permission { domain: GUEST, rights: Rights::None };
        let peer = Permission { domain: DomId::DOM0, rights: Rights::Read };
        self.set_with(&front_path, "", &[owner, peer]);
        self.set_with(&back_path, "", &self.readable());
        for (key, value) in
            [("backend", &*back_path), ("backend-id", "0"), ("state", "1")].iter().chain(front)
        {
            self.set(&format!("{front_path}/{key}"), value);
        }
        let guest = GUEST.to_string();
        for (key, value) in
            [("frontend", &*front_path), ("frontend-id", &guest), ("state", "1")].iter().chain(back)
        {
            self.set(&format!("{back_path}/{key}"), value);
        }
    }

    /// Sets the state of a device's back end.
    pub fn set_back_state(&self, kind: &str, id: u32, state: State) {
        self.set(&format!("{}/state", Self::back_path(kind, id)), &state.raw().to_string());
    }

    /// A key that the front end published.
    pub fn front(&self, kind: &str, id: u32, key: &str) -> Option<String> {
        self.get(&format!("{}/{key}", Self::front_path(kind, id)))
    }

    /// The front end's directory.
    pub fn front_path(kind: &str, id: u32) -> String {
        format!("/local/domain/{GUEST}/device/{kind}/{id}")
    }

    /// The back end's directory.
    pub fn back_path(kind: &str, id: u32) -> String {
        format!("/local/domain/0/backend/{kind}/{GUEST}/{id}")
    }

    /// Sets a node as dom0, and fires watches.
    pub fn set(&self, path: &str, value: &str) {
        let inner = &mut *self.0.borrow_mut();
        inner.server.nodes.write(path, Some(value.as_bytes()), DomId::DOM0).expect("dom0 may do all");
        inner.server.fire(path);
    }

    fn set_with(&self, path: &str, value: &str, permissions: &[Permission]) {
        self.set(path, value);
        let nodes = &mut self.0.borrow_mut().server.nodes;
        nodes.set_permissions(path, permissions.to_vec(), DomId::DOM0).expect("dom0 may do all");
    }

    /// A node's value.
    pub fn get(&self, path: &str) -> Option<String> {
        let inner = self.0.borrow();
        inner.server.nodes.peek(path).map(|node| String::from_utf8_lossy(&node.value).into_owned())
    }

    /// Removes a node and all below, and fires watches.
    pub fn remove(&self, path: &str) {
        let inner = &mut *self.0.borrow_mut();
        if inner.server.nodes.remove(path, DomId::DOM0) == Ok(true) {
            inner.server.fire(path);
        }
    }

    /// Moves at most so many bytes at a time in either direction.
    pub fn fragment(&self, bytes: usize) {
        self.0.borrow_mut().fragment = bytes;
    }

    /// Keeps each batch of replies back for so many steps.
    pub fn delay(&self, steps: u32) {
        self.0.borrow_mut().delay = steps;
    }

    /// Neither reads nor answers, until it is told `false`.
    pub fn silence(&self, silent: bool) {
        self.0.borrow_mut().silent = silent;
    }

    /// Sends bytes of the test's own to the client.
    pub fn inject(&self, bytes: &[u8]) {
        self.0.borrow_mut().out.push_back(bytes.to_vec());
    }

    /// Stores a number in the ring page, an index for example, and raises an event.
    pub fn lie(&self, offset: usize, value: u32) {
        self.0.borrow_mut().lies.push((offset, value));
    }

    /// Makes so many commits meet a conflict.
    pub fn conflict(&self, commits: u32) {
        self.0.borrow_mut().server.conflicts = commits;
    }

    /// Does not know `XS_DIRECTORY_PART`.
    pub fn without_directory_part(&self) {
        self.0.borrow_mut().server.without_directory_part = true;
    }

    /// Watches of the guest.
    pub fn watches(&self) -> usize {
        self.0.borrow().server.watches.len()
    }

    /// Open transactions of the guest.
    pub fn transactions(&self) -> usize {
        self.0.borrow().server.transactions.len()
    }

    /// The most messages that ever waited to be sent to the guest.
    pub fn most_outstanding(&self) -> usize {
        self.0.borrow().most_outstanding
    }

    /// Requests so far.
    pub fn requests(&self) -> u64 {
        self.0.borrow().requests
    }
}

impl Inner {
    fn step(&mut self, page: &MappedPage, end: &PeerPort) -> Progress {
        let mut moved = false;
        for (offset, value) in self.lies.drain(..) {
            page.store_u32(offset, value);
            self.lied = true;
            moved = true;
        }
        if !self.silent {
            // Like the real one, it looks only when it is told to.
            if end.take_pending() {
                self.woken = true;
                self.full = false;
            }
            if self.woken {
                self.woken = self.receive(page);
                moved |= self.woken;
            }
            self.out.extend(self.server.replies.drain(..));
            self.most_outstanding = self.most_outstanding.max(self.out.len());
            if self.delayed > 0 && !self.out.is_empty() {
                self.delayed -= 1;
                return Progress::Made;
            }
            moved |= !self.full && self.send(page);
        }
        if !moved {
            return Progress::None;
        }
        end.notify();
        Progress::Made
    }

    fn receive(&mut self, page: &MappedPage) -> bool {
        let mut chunk = [0; abi::RING_LEN];
        let most = self.fragment.min(chunk.len());
        // A client of whose index the test has lied is left alone.
        let len = REQUESTS.read(page, &mut chunk[..most]).unwrap_or(0);
        let mut bytes = &chunk[..len];
        loop {
            match self.decoder.feed(&mut bytes) {
                Ok(Some(request)) => {
                    self.requests += 1;
                    self.delayed = self.delay;
                    self.server.serve(&request);
                }
                Ok(None) => return len > 0,
                Err(why) => {
                    assert!(self.lied, "the client sends malformed requests: {why}");
                    self.silent = true;
                    return false;
                }
            }
        }
    }

    fn send(&mut self, page: &MappedPage) -> bool {
        let mut left = self.fragment;
        let mut moved = false;
        while let Some(message) = self.out.front() {
            let rest = &message[self.sent..];
            let wanted = rest.len().min(left);
            let len = REPLIES.write(page, &rest[..wanted]).unwrap_or(0);
            self.full = len < wanted;
            self.sent += len;
            left -= len;
            moved |= len > 0;
            if self.sent < message.len() {
                break;
            }
            self.out.pop_front();
            self.sent = 0;
        }
        moved
    }
}
