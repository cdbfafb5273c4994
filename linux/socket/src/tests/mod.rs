//! Tests over the loopback interface of a stack that is polled by hand, in a time of its own.

mod cost;
mod ioctl;
mod netlink;
mod nonsense;
mod options;
mod oracle;
mod packets;
mod tcp;
mod udp;
mod unix;

use std::any::Any;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use linux_base::cred::Ids;
use linux_base::io::{SliceSink, SliceSource};
use linux_base::{Credentials, Errno, File, OpenFile, OpenFlags, PollEvents, Result, Watch, Watcher};
use net::Stack;
use net::smoltcp::phy::{Device, DeviceCapabilities, RxToken, TxToken};
use net::smoltcp::time::Instant;

use crate::address::Address;
use crate::caller::{Caller, UnixName};
use crate::network::{Net, NetHost};
use crate::socket::Socket;
use crate::sockets::Sockets;

pub const INET: u32 = 2;
pub const INET6: u32 = 10;
pub const UNIX: u32 = 1;
pub const STREAM: u32 = 1;
pub const DGRAM: u32 = 2;
pub const SEQPACKET: u32 = 5;

/// No device at all: everything goes over loopback.
pub enum None_ {}

impl RxToken for None_ {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, _: F) -> R {
        match self {}
    }
}

impl TxToken for None_ {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, _: usize, _: F) -> R {
        match self {}
    }
}

impl Device for None_ {
    type RxToken<'a> = None_;
    type TxToken<'a> = None_;

    fn receive(&mut self, _: Instant) -> Option<(None_, None_)> {
        match *self {}
    }

    fn transmit(&mut self, _: Instant) -> Option<None_> {
        match *self {}
    }

    fn capabilities(&self) -> DeviceCapabilities {
        match *self {}
    }
}

/// The stack and its time.
pub struct Wire(Mutex<(Stack<None_>, u64)>);

impl NetHost for Wire {
    fn with(&self, f: &mut dyn FnMut(&mut dyn Net)) {
        f(&mut self.0.lock().unwrap().0);
    }
}

/// A guest with processes that are but names.
pub struct Guest {
    pub sockets: Arc<Sockets>,
    wire: Arc<Wire>,
}

pub fn guest() -> Guest {
    let wire = Arc::new(Wire(Mutex::new((Stack::new(7), 0))));
    Guest { sockets: Sockets::new(wire.clone()), wire }
}

impl Guest {
    /// Lets time pass.
    pub fn run(&self, ms: u64) {
        let mut wire = self.wire.0.lock().unwrap();
        for _ in 0..ms.max(1) {
            wire.1 += 1_000_000;
            let now = wire.1;
            wire.0.poll(now);
        }
    }

    /// Lets a tenth of a millisecond pass.
    pub fn poll_once(&self) {
        let mut wire = self.wire.0.lock().unwrap();
        wire.1 += 100_000;
        let now = wire.1;
        wire.0.poll(now);
    }

    pub fn socket(&self, domain: u32, kind: u32) -> Arc<Socket> {
        self.sockets.socket(&root(), domain, kind, 0).unwrap()
    }

    /// A connected pair of TCP sockets.
    pub fn tcp_pair(&self) -> (Arc<Socket>, Arc<Socket>) {
        let (listener, port) = self.listener();
        let client = self.socket(INET, STREAM);
        assert_eq!(client.connect(&root(), &v4(port)), Err(Errno::EINPROGRESS));
        self.run(5);
        assert_eq!(client.connected(), Some(Ok(())));
        (client, listener.accept().unwrap().0)
    }

    /// A listener and its port.
    pub fn listener(&self) -> (Arc<Socket>, u16) {
        let listener = self.socket(INET, STREAM);
        listener.bind(&root(), &v4(0)).unwrap();
        listener.listen(&root(), 16).unwrap();
        let port = port_of(&listener.name().unwrap());
        (listener, port)
    }
}

pub fn inet(text: &str) -> Vec<u8> {
    let address: SocketAddr = text.parse().unwrap();
    Address::inet(if address.is_ipv4() { 2 } else { 10 }, address).as_bytes().to_vec()
}

pub fn v4(port: u16) -> Vec<u8> {
    inet(&format!("127.0.0.1:{port}"))
}

pub fn port_of(address: &Address) -> u16 {
    u16::from_be_bytes(address.as_bytes()[2..4].try_into().unwrap())
}

pub fn path(name: &str) -> Vec<u8> {
    let mut bytes = vec![1, 0];
    bytes.extend_from_slice(name.as_bytes());
    bytes
}

/// A process.
pub struct Process {
    pub credentials: Credentials,
    pub pid: u32,
    pub files: RefCell<Vec<Arc<OpenFile>>>,
    pub most_files: usize,
}

pub fn root() -> Process {
    Process { credentials: Credentials::root(), pid: 100, files: RefCell::default(), most_files: 100 }
}

pub fn user(uid: u32) -> Process {
    let credentials =
        Credentials { uid: Ids::all(uid), gid: Ids::all(uid), effective: 0, ..Credentials::root() };
    Process { credentials, pid: 1000 + uid, ..root() }
}

thread_local! {
    /// The inodes of sockets, by path.
    static NAMES: RefCell<BTreeMap<Vec<u8>, u64>> = RefCell::default();
}

impl Caller for Process {
    fn credentials(&self) -> Credentials {
        self.credentials.clone()
    }

    fn pid(&self) -> u32 {
        self.pid
    }

    fn file(&self, fd: i32) -> Result<Arc<OpenFile>> {
        self.files.borrow().get(fd as usize).cloned().ok_or(Errno::EBADF)
    }

    fn install(&self, file: Arc<OpenFile>, _: bool) -> Result<i32> {
        let mut files = self.files.borrow_mut();
        if files.len() >= self.most_files {
            return Err(Errno::EMFILE);
        }
        files.push(file);
        Ok(files.len() as i32 - 1)
    }

    fn make_name(&self, path: &[u8]) -> Result<UnixName> {
        NAMES.with_borrow_mut(|names| {
            let next = names.len() as u64 + 1;
            if names.contains_key(path) {
                return Err(Errno::EADDRINUSE);
            }
            names.insert(path.to_vec(), next);
            Ok(UnixName { id: (1, next), inode: inode() })
        })
    }

    fn find_name(&self, path: &[u8]) -> Result<UnixName> {
        let found = NAMES.with_borrow(|names| names.get(path).copied());
        found.map(|ino| UnixName { id: (1, ino), inode: inode() }).ok_or(Errno::ENOENT)
    }
}

fn inode() -> Arc<dyn Any + Send + Sync> {
    Arc::new(())
}

pub fn send(socket: &Socket, bytes: &[u8]) -> Result<usize> {
    socket.send(&root(), &mut SliceSource::new(bytes), None, &[], 0)
}

pub fn receive(socket: &Socket, room: usize) -> Result<Vec<u8>> {
    receive_with(socket, room, 0)
}

pub fn receive_with(socket: &Socket, room: usize, flags: u32) -> Result<Vec<u8>> {
    let mut bytes = vec![0; room];
    let received = socket.receive(&root(), &mut SliceSink::new(&mut bytes), 0, flags)?;
    bytes.truncate(received.len);
    Ok(bytes)
}

pub fn open(guest: &Guest, socket: &Arc<Socket>) -> Arc<OpenFile> {
    guest.sockets.open(socket, OpenFlags::empty())
}

/// Collects what a queue tells.
#[derive(Default)]
pub struct Log(Mutex<Vec<PollEvents>>);

impl Watcher for Log {
    fn notify(&self, events: PollEvents) {
        self.0.lock().unwrap().push(events);
    }
}

impl Log {
    pub fn of(socket: &Socket) -> (Arc<Self>, Watch) {
        let log = Arc::new(Self::default());
        let watch = socket.queue().unwrap().watch(log.clone());
        (log, watch)
    }

    pub fn take(&self) -> Vec<PollEvents> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}
