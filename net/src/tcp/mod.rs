//! TCP: connections, listeners with a real backlog, and what lingers after a close.
//!
//! A connection is a flow with a smoltcp socket. A listener owns no socket: each SYN that its backlog admits gets a
//! fresh one. Connections that nobody holds any more linger until the peer has acknowledged the end; those in TIME-WAIT
//! shrink to an entry of [`time_wait::TimeWait`].

#[expect(dead_code, unused_imports, reason = "the connections still use smoltcp's socket")]
mod engine;
mod listener;
mod settle;
mod stream;
pub(crate) mod time_wait;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::task::Waker;
use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp::{CongestionControl, Socket, SocketBuffer, State};
use smoltcp::time::Instant;
use smoltcp::wire::IpAddress;

use crate::config::TcpOptions;
use crate::core_::{Core, Flow, Kind, duration};
use crate::error::{Error, Result};
use crate::observe::{Change, Observed};
use crate::slab::{Id, Slab};
pub(crate) use listener::{Listener, spread};
use time_wait::TimeWait;

/// Names the kind of [`TcpId`].
#[derive(Debug)]
pub enum TcpKind {}
/// Names the kind of [`ListenerId`].
#[derive(Debug)]
pub enum ListenerKind {}
/// A TCP connection.
pub type TcpId = Id<TcpKind>;
/// A TCP listener.
pub type ListenerId = Id<ListenerKind>;

/// What a connection can do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpState {
    /// The handshake is still going on.
    pub connecting: bool,
    /// There is something to read.
    pub can_read: bool,
    /// There is room to write.
    pub can_write: bool,
    /// The peer has ended its side and all of it was read.
    pub eof: bool,
    /// The connection is over.
    pub closed: bool,
    /// Bytes waiting to be read.
    pub readable: usize,
    /// Bytes written and not yet acknowledged.
    pub unsent: usize,
    /// Bytes that can be written now.
    pub room: usize,
    /// Neither we nor a failure have ended our side.
    pub may_write: bool,
    /// The peer has ended its side, though there may be something left to read, or a failure since.
    pub peer_done: bool,
    /// The connection failed; [`crate::Stack::tcp_error`] says why.
    pub failed: bool,
}

/// Both ends of a connection; ports first, since they differ most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FlowKey {
    pub(crate) remote: (u16, IpAddress),
    pub(crate) local: (u16, IpAddress),
}

/// In whose hands a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// We called and the peer has not answered.
    Opening,
    /// The peer called and has not confirmed; belongs to this listener.
    HalfOpen(u32),
    /// Established and not accepted yet.
    Queued(u32),
    /// Held by the application.
    Open,
    /// Let go by the application.
    Lingering,
}

pub(crate) struct Tcp {
    pub(crate) key: FlowKey,
    pub(crate) phase: Phase,
    /// The state when last looked at.
    seen: State,
    /// Why the connection ended, if not in good order.
    error: Option<Error>,
    /// A router reported trouble; the reason, should the attempt time out.
    soft_error: Option<Error>,
    rx_waker: Option<Waker>,
    tx_waker: Option<Waker>,
    observer: Observed,
    /// Somebody found no room to write.
    wants_room: bool,
    /// Bytes received that wait to be read, when last looked at.
    queued: usize,
    /// The peer has ended its side.
    ended: bool,
    /// Once our side has ended too, what still comes in is answered with a reset.
    refuses: bool,
    /// Small segments are held back.
    corked: bool,
    options: TcpOptions,
    /// When we give up, whatever smoltcp thinks.
    pub(crate) limit: Option<Instant>,
    /// Bytes written and not acknowledged when last looked at.
    unsent: usize,
    /// Bytes thrown away since the application let go.
    discarded: usize,
}

/// All connections and listeners.
pub(crate) struct TcpTables {
    pub(crate) index: BTreeMap<FlowKey, u32>,
    listeners: Slab<Listener>,
    by_port: BTreeMap<u16, Vec<u32>>,
    pub(crate) time_wait: TimeWait,
    /// Bytes of buffers in use, and how many there may be.
    memory: usize,
    pub(crate) memory_limit: usize,
}

impl Default for TcpTables {
    fn default() -> Self {
        Self {
            index: BTreeMap::new(),
            listeners: Slab::new(),
            by_port: BTreeMap::new(),
            time_wait: TimeWait::default(),
            memory: 0,
            memory_limit: usize::MAX,
        }
    }
}

fn buffer(len: usize) -> Result<Vec<u8>> {
    if !(1..=1 << 30).contains(&len) {
        return Err(Error::InvalidInput("buffer size must be between 1 byte and 1 GiB"));
    }
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len).map_err(|_| Error::OutOfMemory)?;
    bytes.resize(len, 0);
    Ok(bytes)
}

/// The flow's smoltcp socket.
fn socket(flow: &mut Flow) -> &mut Socket<'static> {
    flow.set.get_mut(flow.handle)
}

/// A new connection gets at most these parts of the memory that is left, as long as that gives it [`LEAST`].
const RX_SHARE: usize = 256;
const TX_SHARE: usize = 64;
/// Bytes of a buffer that a connection gets, however little is left.
const LEAST: usize = 4 << 10;

impl Core {
    /// The options of a new connection, with buffers that leave something for others.
    fn afforded(&self, options: &TcpOptions) -> TcpOptions {
        let left = self.tcp.memory_limit.saturating_sub(self.tcp.memory);
        let part = |wanted: usize, share: usize| wanted.min((left / share).max(LEAST));
        TcpOptions {
            rx_buffer: part(options.rx_buffer, RX_SHARE),
            tx_buffer: part(options.tx_buffer, TX_SHARE),
            ..*options
        }
    }

    /// A socket with the buffers and timers asked for.
    fn make_socket(&mut self, options: &TcpOptions) -> Result<Socket<'static>> {
        let bytes = options.rx_buffer.saturating_add(options.tx_buffer);
        if self.tcp.memory.saturating_add(bytes) > self.tcp.memory_limit {
            return Err(Error::OutOfMemory);
        }
        let rx = SocketBuffer::new(buffer(options.rx_buffer)?);
        let mut socket = Socket::new(rx, SocketBuffer::new(buffer(options.tx_buffer)?));
        socket.set_nagle_enabled(!options.nodelay);
        socket.set_ack_delay(options.ack_delay_ns.map(duration));
        socket.set_keep_alive(options.keepalive_ns.map(duration));
        socket.set_hop_limit(Some(options.hop_limit.max(1)));
        // A new socket has the best that smoltcp was built with, and its window begins at 2 KiB.
        socket.set_congestion_control(if options.congestion_control {
            CongestionControl::Reno
        } else {
            CongestionControl::None
        });
        Ok(socket)
    }

    /// Enters a socket in the tables.
    fn add_tcp(
        &mut self,
        link: usize,
        key: FlowKey,
        phase: Phase,
        options: &TcpOptions,
        socket: Socket<'static>,
    ) -> Result<u32> {
        let seen = socket.state();
        let tcp = Tcp {
            key,
            phase,
            seen,
            error: None,
            soft_error: None,
            rx_waker: None,
            tx_waker: None,
            observer: Observed::default(),
            wants_room: false,
            queued: 0,
            ended: false,
            refuses: false,
            corked: false,
            options: *options,
            limit: None,
            unsent: 0,
            discarded: 0,
        };
        let index = self.add_flow(link, socket, Kind::Tcp(tcp))?;
        self.tcp.memory += options.rx_buffer + options.tx_buffer;
        self.tcp.index.insert(key, index);
        Ok(index)
    }

    /// Forgets a connection at once.
    fn free_tcp(&mut self, index: u32) {
        let Some(Flow { kind: Kind::Tcp(tcp), .. }) = self.flows.get(index) else { return };
        let (key, options, phase) = (tcp.key, tcp.options, tcp.phase);
        self.leave_listener(index, phase);
        if self.tcp.index.get(&key) == Some(&index) {
            self.tcp.index.remove(&key);
        }
        self.tcp.memory = self.tcp.memory.saturating_sub(options.rx_buffer + options.tx_buffer);
        if let Some(Flow { kind: Kind::Tcp(mut tcp), .. }) = self.remove_flow(index) {
            tcp.wake_all();
            tcp.observer.tell(Change::State);
        }
    }

    /// The place, flow and state of a connection that the application holds.
    fn tcp_flow(&mut self, id: TcpId) -> Result<(u32, SocketHandle)> {
        let index = self.flows.resolve(id).ok_or(Error::BadHandle)?;
        match self.flows.get(index) {
            Some(Flow { kind: Kind::Tcp(tcp), handle, .. })
                if matches!(tcp.phase, Phase::Opening | Phase::Open) =>
            {
                Ok((index, *handle))
            }
            _ => Err(Error::BadHandle),
        }
    }

    /// Runs `f` on a connection's socket and entry.
    fn with_tcp<R>(
        &mut self,
        id: TcpId,
        f: impl FnOnce(&mut Socket<'static>, &mut Tcp) -> Result<R>,
    ) -> Result<R> {
        let (index, handle) = self.tcp_flow(id)?;
        match self.flows.get_mut(index) {
            Some(Flow { kind: Kind::Tcp(tcp), set, .. }) => f(set.get_mut(handle), tcp),
            _ => Err(Error::BadHandle),
        }
    }
}

impl Tcp {
    /// Has smoltcp watch for a silent peer only when an answer is due: its time-out counts any silence.
    fn watch(&self, socket: &mut Socket<'static>) {
        let timeout = match self.phase {
            Phase::Opening => self.options.connect_timeout_ns,
            _ if socket.send_queue() > 0 || self.options.keepalive_ns.is_some() => {
                self.options.user_timeout_ns
            }
            _ => None,
        };
        socket.set_timeout(timeout.map(duration));
    }

    fn wake_rx(&mut self) {
        if let Some(waker) = self.rx_waker.take() {
            waker.wake();
        }
    }

    fn wake_tx(&mut self) {
        if let Some(waker) = self.tx_waker.take() {
            waker.wake();
        }
    }

    fn wake_all(&mut self) {
        self.wake_rx();
        self.wake_tx();
    }
}
