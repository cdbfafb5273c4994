//! TCP: connections, listeners with a real backlog, and what lingers after a close.
//!
//! A connection is a flow with a [`Connection`] of `engine`, which knows neither addresses nor devices; `ingress` and
//! `egress` carry its segments. A listener owns no connection: each SYN that its backlog admits gets a fresh one, and
//! under a flood of calls the answer is a cookie. Connections that nobody holds any more linger until the peer has acknowledged the end; those in TIME-WAIT
//! shrink to an entry of [`time_wait::TimeWait`].

mod egress;
mod engine;
mod ingress;
mod listener;
mod reply;
mod settle;
mod stream;
pub(crate) mod time_wait;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::task::Waker;
use smoltcp::time::Instant;
use smoltcp::wire::IpAddress;

use crate::config::TcpOptions;
use crate::core_::{Core, Flow, Kind};
use crate::error::{Error, Result};
use crate::observe::{Change, Observed};
use crate::slab::{Id, Slab};
pub(crate) use engine::Pool;
use engine::{CONNECTION, Connection, Keys, State};
pub use engine::{TcpCounts, TcpInfo};
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
    pub(crate) connection: Connection,
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
    /// When we give up, whatever the connection thinks.
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
    /// The memory of all connections.
    pub(crate) pool: Pool,
    keys: Keys,
}

impl TcpTables {
    /// No connections; `random` gives secrets.
    pub(crate) fn new(random: impl FnMut() -> u64) -> Self {
        Self {
            index: BTreeMap::new(),
            listeners: Slab::new(),
            by_port: BTreeMap::new(),
            time_wait: TimeWait::default(),
            pool: Pool::new(usize::MAX),
            keys: Keys::new(random),
        }
    }
}

/// Buffers that make sense.
fn check(options: &TcpOptions) -> Result<()> {
    match [options.rx_buffer, options.tx_buffer].iter().all(|len| (1..=1 << 30).contains(len)) {
        true => Ok(()),
        false => Err(Error::InvalidInput("buffer size must be between 1 byte and 1 GiB")),
    }
}

impl Core {
    /// Enters a connection in the tables.
    fn add_tcp(&mut self, link: usize, key: FlowKey, phase: Phase, connection: Connection) -> Result<u32> {
        if !self.tcp.pool.charge(CONNECTION) {
            return Err(Error::OutOfMemory);
        }
        let tcp = Tcp {
            key,
            phase,
            seen: connection.state(),
            connection,
            error: None,
            soft_error: None,
            rx_waker: None,
            tx_waker: None,
            observer: Observed::default(),
            wants_room: false,
            queued: 0,
            ended: false,
            refuses: false,
            limit: None,
            unsent: 0,
            discarded: 0,
        };
        let index = match self.add_bare_flow(link, Kind::Tcp(tcp)) {
            Ok(index) => index,
            Err(error) => {
                self.tcp.pool.release(CONNECTION);
                return Err(error);
            }
        };
        self.tcp.index.insert(key, index);
        Ok(index)
    }

    /// Forgets a connection at once.
    fn free_tcp(&mut self, index: u32) {
        let Some(Flow { kind: Kind::Tcp(tcp), .. }) = self.flows.get(index) else { return };
        let (key, phase) = (tcp.key, tcp.phase);
        self.leave_listener(index, phase);
        if self.tcp.index.get(&key) == Some(&index) {
            self.tcp.index.remove(&key);
        }
        if let Some(Flow { kind: Kind::Tcp(mut tcp), .. }) = self.remove_flow(index) {
            tcp.connection.release(&mut self.tcp.pool);
            self.tcp.pool.release(CONNECTION);
            tcp.wake_all();
            tcp.observer.tell(Change::State);
        }
    }

    /// The place of a connection that the application holds.
    fn tcp_flow(&self, id: TcpId) -> Result<u32> {
        let index = self.flows.resolve(id).ok_or(Error::BadHandle)?;
        match self.flows.get(index).map(|flow| &flow.kind) {
            Some(Kind::Tcp(tcp)) if matches!(tcp.phase, Phase::Opening | Phase::Open) => Ok(index),
            _ => Err(Error::BadHandle),
        }
    }

    /// Runs `f` on a connection's entry.
    fn with_tcp<R>(&mut self, id: TcpId, f: impl FnOnce(&mut Tcp, &mut Pool) -> Result<R>) -> Result<R> {
        let index = self.tcp_flow(id)?;
        match self.flows.get_mut(index) {
            Some(Flow { kind: Kind::Tcp(tcp), .. }) => f(tcp, &mut self.tcp.pool),
            _ => Err(Error::BadHandle),
        }
    }
}

impl Tcp {
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
