//! A socket of any kind, and the calls on it.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use core::net::IpAddr;

use linux_base::abi::ioctl;
use linux_base::file::{IoFlags, UserMemory};
use linux_base::{Errno, File, Mode, PollEvents, Result, Sink, Source, Stat, WaitQueue};
use net::{Change, Observer};

use crate::address::Address;
use crate::caller::Caller;
use crate::netlink::Netlink;
use crate::numbers::*;
use crate::options::{Kind, Options, special::Peer};
use crate::sockets::Sockets;
use crate::tcp::Tcp;
use crate::udp::Udp;
use crate::unix::End;

/// A socket.
pub struct Socket {
    sockets: Arc<Sockets>,
    number: u64,
    domain: u16,
    socket_type: u32,
    protocol: u32,
    kind: Kind,
    options: Options,
    queue: WaitQueue,
    inner: Inner,
}

/// By what a socket is served.
pub(crate) enum Inner {
    Tcp(Tcp),
    Udp(Udp),
    Unix(Arc<End>),
    Netlink(Netlink),
}

/// What `recvmsg` gives.
pub struct Received {
    /// What the call returns: bytes received; with `MSG_TRUNC` asked for, of a datagram its whole length.
    pub len: usize,
    /// Who sent it, where that is told.
    pub address: Option<Address>,
    /// Control messages, to be stored as they are.
    pub control: Vec<u8>,
    /// `msg_flags`.
    pub flags: u32,
}

impl Received {
    pub(crate) fn bytes(len: usize) -> Self {
        Self { len, address: None, control: Vec::new(), flags: 0 }
    }
}

/// Tells those who wait for a socket what the stack tells of it.
pub(crate) struct Told(pub WaitQueue);

impl Observer for Told {
    fn changed(&self, change: Change) {
        self.0.wake(match change {
            Change::Readable => PollEvents::READABLE,
            Change::Writable => PollEvents::WRITABLE,
            Change::State => ANYTHING,
        });
    }
}

/// Told when everything may have changed.
pub(crate) const ANYTHING: PollEvents = PollEvents::READABLE
    .union(PollEvents::WRITABLE)
    .union(PollEvents::RDHUP)
    .union(PollEvents::HUP)
    .union(PollEvents::ERR);

impl Socket {
    pub(crate) fn new(
        sockets: &Arc<Sockets>,
        domain: u16,
        socket_type: u32,
        protocol: u32,
        kind: Kind,
        inner: Inner,
    ) -> Arc<Self> {
        Self::with_options(
            sockets,
            domain,
            socket_type,
            protocol,
            Options::new(kind),
            kind,
            inner,
            WaitQueue::new(),
        )
    }

    #[expect(clippy::too_many_arguments, reason = "all that a socket is")]
    pub(crate) fn with_options(
        sockets: &Arc<Sockets>,
        domain: u16,
        socket_type: u32,
        protocol: u32,
        options: Options,
        kind: Kind,
        inner: Inner,
        queue: WaitQueue,
    ) -> Arc<Self> {
        // An end of AF_UNIX is woken by its peer: the queue is its own.
        let queue = if let Inner::Unix(end) = &inner { end.queue().clone() } else { queue };
        let number = sockets.next_number();
        Arc::new(Self {
            sockets: sockets.clone(),
            number,
            domain,
            socket_type,
            protocol,
            kind,
            options,
            queue,
            inner,
        })
    }

    /// A socket that `accept` returns: as its listener, but for the connection.
    pub(crate) fn accepted(&self, inner: Inner, queue: WaitQueue) -> Arc<Self> {
        let (domain, socket_type) = (self.domain, self.socket_type);
        let options = self.options.inherit();
        Self::with_options(
            &self.sockets,
            domain,
            socket_type,
            self.protocol,
            options,
            self.kind,
            inner,
            queue,
        )
    }

    pub(crate) fn sockets(&self) -> &Arc<Sockets> {
        &self.sockets
    }

    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.inner
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn wait_queue(&self) -> &WaitQueue {
        &self.queue
    }

    pub(crate) fn told(&self) -> Arc<dyn Observer> {
        Arc::new(Told(self.queue.clone()))
    }

    pub(crate) fn is_inet(&self) -> bool {
        self.kind.intersects(Kind::TCP | Kind::UDP)
    }

    /// Its family (`AF_*`).
    pub fn domain(&self) -> u16 {
        self.domain
    }

    /// Its type (`SOCK_*`).
    pub fn socket_type(&self) -> u32 {
        self.socket_type
    }

    /// Whether it carries a stream of bytes: `SOCK_STREAM`, of any family.
    pub fn is_stream(&self) -> bool {
        self.socket_type == SOCK_STREAM
    }

    /// Its protocol (`IPPROTO_*`).
    pub fn protocol(&self) -> u32 {
        self.protocol
    }

    /// Its inode number.
    pub fn number_of(&self) -> u64 {
        self.number
    }

    /// Whether `EPIPE` of a write comes with `SIGPIPE`, unless the call says `MSG_NOSIGNAL`.
    pub fn signals_broken_pipe(&self) -> bool {
        matches!(self.socket_type, SOCK_STREAM | SOCK_SEQPACKET)
    }

    /// `bind(2)`.
    pub fn bind(&self, caller: &dyn Caller, address: &[u8]) -> Result<()> {
        match &self.inner {
            Inner::Tcp(tcp) => tcp.bind(self, caller, address),
            Inner::Udp(udp) => udp.bind(self, caller, address),
            Inner::Unix(end) => end.bind(caller, address),
            Inner::Netlink(netlink) => netlink.bind(self, caller, address),
        }
    }

    /// `listen(2)`.
    pub fn listen(&self, caller: &dyn Caller, backlog: i32) -> Result<()> {
        match &self.inner {
            Inner::Tcp(tcp) => tcp.listen(self, caller, backlog),
            Inner::Unix(end) => end.listen(caller, backlog),
            _ => Err(Errno::EOPNOTSUPP),
        }
    }

    /// `accept4(2)`: the socket of a caller, and the caller's address. `EAGAIN` when nobody calls.
    pub fn accept(&self) -> Result<(Arc<Socket>, Address)> {
        match &self.inner {
            Inner::Tcp(tcp) => tcp.accept(self),
            Inner::Unix(end) => {
                let (end, address) = end.accept()?;
                Ok((self.accepted(Inner::Unix(end), WaitQueue::new()), address))
            }
            _ => Err(Errno::EOPNOTSUPP),
        }
    }

    /// `connect(2)`. `EINPROGRESS` when it goes on in the background, `EALREADY` when it does since an earlier call; who
    /// waits does so until [`PollEvents::OUT`], [`PollEvents::ERR`] or [`PollEvents::HUP`] and then asks
    /// [`Socket::connected`]. `EAGAIN`, of AF_UNIX, when the listener's backlog is full: try again.
    pub fn connect(&self, caller: &dyn Caller, address: &[u8]) -> Result<()> {
        match &self.inner {
            Inner::Tcp(tcp) => tcp.connect(self, caller, address),
            Inner::Udp(udp) => udp.connect(self, caller, address),
            Inner::Unix(end) => end.connect(caller, address),
            Inner::Netlink(netlink) => netlink.connect(self, caller, address),
        }
    }

    /// What became of [`Socket::connect`]; `None` while it goes on.
    pub fn connected(&self) -> Option<Result<()>> {
        match &self.inner {
            Inner::Tcp(tcp) => tcp.connected(self),
            _ => Some(Ok(())),
        }
    }

    /// `getsockname(2)`.
    pub fn name(&self) -> Result<Address> {
        match &self.inner {
            Inner::Tcp(tcp) => Ok(tcp.name(self)),
            Inner::Udp(udp) => Ok(udp.name(self)),
            Inner::Unix(end) => Ok(end.name()),
            Inner::Netlink(netlink) => Ok(netlink.name()),
        }
    }

    /// The number of its state, as `/proc/net` has it: of an internet socket a state of TCP's (1 is connected, 7 closed, 10
    /// listening), of another 1 or, connected, 3.
    pub fn state(&self) -> u8 {
        match &self.inner {
            Inner::Tcp(tcp) => tcp.info(self)[0],
            Inner::Udp(udp) => {
                if udp.peer().is_some() {
                    1
                } else {
                    7
                }
            }
            _ => {
                if self.peer_name().is_ok() {
                    3
                } else {
                    1
                }
            }
        }
    }

    /// Whether it takes callers.
    pub fn is_listening(&self) -> bool {
        match &self.inner {
            Inner::Tcp(tcp) => tcp.is_listening(),
            Inner::Unix(end) => end.is_listening(),
            _ => false,
        }
    }

    /// Bytes that wait to be read, where that can be said.
    pub fn unread(&self) -> usize {
        if self.is_listening() { 0 } else { self.readable().unwrap_or(0) }
    }

    /// `getpeername(2)`.
    pub fn peer_name(&self) -> Result<Address> {
        match &self.inner {
            Inner::Tcp(tcp) => tcp.peer_name(self),
            Inner::Udp(udp) => udp.peer_name(self),
            Inner::Unix(end) => end.peer_name(),
            Inner::Netlink(netlink) => Ok(netlink.peer_name()),
        }
    }

    /// `sendmsg(2)`: `to` and `control` as the program passes them. `EPIPE` is to raise `SIGPIPE` if
    /// [`Socket::signals_broken_pipe`]. Of a stream as many bytes as there is room for, of a datagram all or `EAGAIN`.
    pub fn send(
        &self,
        caller: &dyn Caller,
        from: &mut dyn Source,
        to: Option<&[u8]>,
        control: &[u8],
        flags: u32,
    ) -> Result<usize> {
        if flags & MSG_OOB != 0 {
            return Err(Errno::EOPNOTSUPP);
        }
        match &self.inner {
            Inner::Tcp(tcp) => tcp.send(self, from, flags),
            Inner::Udp(udp) => udp.send(self, caller, from, to, control, flags),
            Inner::Unix(end) => end.send(self, caller, from, to, control),
            Inner::Netlink(netlink) => netlink.send(self, caller, from, to),
        }
    }

    /// `recvmsg(2)`: `control_room` is how many bytes of control messages the program takes. Of a stream what is there,
    /// though the program says `MSG_WAITALL`.
    pub fn receive(
        &self,
        caller: &dyn Caller,
        into: &mut dyn Sink,
        control_room: usize,
        flags: u32,
    ) -> Result<Received> {
        if flags & MSG_ERRQUEUE != 0 {
            return Err(Errno::EAGAIN);
        }
        if flags & MSG_OOB != 0 {
            return Err(if self.kind.contains(Kind::TCP) { Errno::EINVAL } else { Errno::EOPNOTSUPP });
        }
        match &self.inner {
            Inner::Tcp(tcp) => tcp.receive(self, into, flags).map(Received::bytes),
            Inner::Udp(udp) => udp.receive(self, into, control_room, flags),
            Inner::Unix(end) => end.receive(self, Some(caller), into, control_room, flags),
            Inner::Netlink(netlink) => netlink.receive(self, into, control_room, flags),
        }
    }

    /// `shutdown(2)`.
    pub fn shutdown(&self, how: u32) -> Result<()> {
        if how > SHUT_RDWR {
            return Err(Errno::EINVAL);
        }
        match &self.inner {
            Inner::Tcp(tcp) => tcp.shutdown(self, how),
            Inner::Udp(udp) => udp.shutdown(self, how),
            Inner::Unix(end) => end.shutdown(how),
            Inner::Netlink(_) => Err(Errno::EOPNOTSUPP),
        }
    }

    /// `SO_ERROR`: what went wrong since it was asked last.
    pub(crate) fn take_error(&self) -> Option<Errno> {
        match &self.inner {
            Inner::Tcp(tcp) => tcp.take_error(self),
            Inner::Udp(udp) => udp.take_error(self),
            Inner::Unix(end) => end.take_error(),
            Inner::Netlink(_) => None,
        }
    }

    pub(crate) fn is_bound(&self) -> bool {
        match &self.inner {
            Inner::Tcp(tcp) => tcp.is_bound(),
            Inner::Udp(udp) => udp.is_bound(),
            _ => false,
        }
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.peer_name().is_ok()
    }

    pub(crate) fn peer_ip(&self) -> Option<IpAddr> {
        match &self.inner {
            Inner::Tcp(tcp) => tcp.peer().map(|peer| peer.ip()),
            Inner::Udp(udp) => udp.peer().map(|peer| peer.ip()),
            _ => None,
        }
    }

    pub(crate) fn peer_credentials(&self) -> Peer {
        match &self.inner {
            Inner::Unix(end) => end.peer_credentials(),
            _ => Peer::nobody(),
        }
    }

    /// An option that is a number was set: what has to be done at once.
    pub(crate) fn option_changed(&self, level: u32, name: u32, value: i32) {
        if let Inner::Tcp(tcp) = &self.inner {
            tcp.option_changed(self, level, name, value);
        }
    }

    /// Bytes that can be read now.
    fn readable(&self) -> Result<usize> {
        match &self.inner {
            Inner::Tcp(tcp) => tcp.readable(self),
            Inner::Udp(udp) => Ok(udp.readable(self)),
            Inner::Unix(end) => end.readable(),
            Inner::Netlink(netlink) => Ok(netlink.readable()),
        }
    }

    /// Bytes sent that have not arrived.
    fn unsent(&self) -> usize {
        match &self.inner {
            Inner::Tcp(tcp) => tcp.unsent(self),
            Inner::Udp(_) | Inner::Netlink(_) => 0,
            Inner::Unix(end) => end.unsent(),
        }
    }
}

impl File for Socket {
    fn read(&self, _offset: u64, into: &mut dyn Sink, _flags: IoFlags) -> Result<usize> {
        match &self.inner {
            Inner::Tcp(tcp) => tcp.receive(self, into, 0),
            Inner::Udp(udp) => udp.receive(self, into, 0, 0).map(|received| received.len),
            Inner::Unix(end) => end.receive(self, None, into, 0, 0).map(|received| received.len),
            Inner::Netlink(netlink) => netlink.receive(self, into, 0, 0).map(|received| received.len),
        }
    }

    fn write(&self, _offset: u64, from: &mut dyn Source, _flags: IoFlags) -> Result<usize> {
        match &self.inner {
            Inner::Tcp(tcp) => tcp.send(self, from, 0),
            Inner::Udp(udp) => udp.send_connected(self, from),
            Inner::Unix(end) => end.write(self, from),
            Inner::Netlink(netlink) => netlink.answer(self, from),
        }
    }

    fn stat(&self) -> Result<Stat> {
        let mode = Mode(Mode::SOCKET | 0o777);
        Ok(Stat { dev: 8, ino: self.number, mode, nlink: 1, blksize: 4096, ..Stat::default() })
    }

    fn poll(&self) -> PollEvents {
        match &self.inner {
            Inner::Tcp(tcp) => tcp.poll(self),
            Inner::Udp(udp) => udp.poll(self),
            Inner::Unix(end) => end.poll(),
            Inner::Netlink(netlink) => netlink.poll(),
        }
    }

    fn queue(&self) -> Option<&WaitQueue> {
        Some(&self.queue)
    }

    fn ioctl(&self, command: u32, argument: u64, memory: &dyn UserMemory) -> Result<i64> {
        /// The same as `SIOCOUTQ`.
        const TIOCOUTQ: u32 = 0x5411;
        match command {
            ioctl::FIONREAD => memory.write_u32(argument, self.readable()? as u32)?,
            TIOCOUTQ => memory.write_u32(argument, self.unsent() as u32)?,
            ioctl::SIOCATMARK if self.kind.contains(Kind::TCP) => memory.write_u32(argument, 0)?,
            _ => return crate::ioctl::interfaces(self, command, argument, memory),
        }
        Ok(0)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_arc(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        match &self.inner {
            Inner::Tcp(tcp) => tcp.close(self),
            Inner::Udp(udp) => udp.close(self),
            Inner::Unix(end) => end.close(),
            Inner::Netlink(netlink) => netlink.close(self),
        }
    }
}
