//! The client: the ring page, the event port, and threads that wait.
//!
//! Every waiter does the same: it reads the port's event count, pumps the ring for all, looks for what it waits for, and
//! only then waits for the count to move. xenstored raises an event after all that it writes or reads; so if another
//! thread took our reply off the ring after we had looked, the event of that reply comes after our count, and wakes us.
//! Nothing is borrowed across a wait.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::ops::Deref;

use xen::byte_ring::ByteRingLayout;
use xen::{ByteReader, ByteWriter, EventPort, EventSeq, PeerMisbehaved, Platform, Port, SharedMemory, Wake};
use xen_sys::io::xs_wire as abi;

use crate::connection::Connection;
use crate::{Error, Tree};

const REQUESTS: ByteWriter = ByteWriter::new(ByteRingLayout {
    data: abi::REQ,
    len: abi::RING_LEN,
    cons: abi::REQ_CONS,
    prod: abi::REQ_PROD,
});
const REPLIES: ByteReader = ByteReader::new(ByteRingLayout {
    data: abi::RSP,
    len: abi::RING_LEN,
    cons: abi::RSP_CONS,
    prod: abi::RSP_PROD,
});

/// How long a call waits for xenstored, unless told otherwise.
const DEFAULT_TIMEOUT_NS: u64 = 10_000_000_000;
/// The ring page has an error field (`XENSTORE_SERVER_FEATURE_ERROR`).
const SERVER_FEATURE_ERROR: u32 = 2;
/// Chunks read in one go, so that a xenstored that writes for ever does not keep us for ever.
const MAX_CHUNKS: usize = 64;

/// The connection to xenstored. Clones share it; threads may use it at once. Its operations are those of [`Tree`],
/// [`XenStore::watch`] and [`XenStore::transaction`].
pub struct XenStore<P: Platform, M: SharedMemory>(Tree<P, M>);

impl<P: Platform, M: SharedMemory> XenStore<P, M> {
    /// A client on the ring page and the port of `start_info`.
    pub fn new(platform: &P, memory: M, port: EventPort<P>) -> Self {
        let shared = Shared {
            platform: platform.clone(),
            port,
            memory,
            timeout_ns: Cell::new(Some(DEFAULT_TIMEOUT_NS)),
            connection: RefCell::new(Connection::default()),
        };
        Self(Tree { shared: Rc::new(shared), tx_id: 0 })
    }

    /// How long each call from now on waits for xenstored; `None` waits for ever. At first it is 10 s.
    pub fn set_timeout_ns(&self, timeout_ns: Option<u64>) {
        self.0.shared.timeout_ns.set(timeout_ns);
    }

    /// The port and its event count, for a thread that waits for a watch and for other ports at once. Read it before
    /// [`crate::Watch::try_next`].
    pub fn event(&self) -> (Port, EventSeq) {
        (self.0.shared.port.port(), self.0.shared.port.seq())
    }

    /// Takes what has come off the ring and sends what waits for room there. For who is told of the port's events by a
    /// listener; whoever waits does it himself.
    pub fn pump(&self) {
        self.0.shared.pump_all();
    }

    pub(crate) fn tree(&self) -> &Tree<P, M> {
        &self.0
    }
}

impl<P: Platform, M: SharedMemory> Clone for XenStore<P, M> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<P: Platform, M: SharedMemory> Deref for XenStore<P, M> {
    type Target = Tree<P, M>;
    fn deref(&self) -> &Tree<P, M> {
        &self.0
    }
}

pub(crate) struct Shared<P: Platform, M: SharedMemory> {
    pub(crate) platform: P,
    port: EventPort<P>,
    memory: M,
    timeout_ns: Cell<Option<u64>>,
    pub(crate) connection: RefCell<Connection>,
}

/// Whether there may be more to read at once.
#[derive(PartialEq, Eq)]
enum Pumped {
    All,
    MoreToRead,
}

impl<P: Platform, M: SharedMemory> Shared<P, M> {
    /// The deadline of a call that begins now.
    pub(crate) fn deadline(&self) -> Option<u64> {
        self.timeout_ns.get().map(|timeout| self.platform.now_ns().saturating_add(timeout))
    }

    /// Waits until `look` finds something, pumping for everybody. `Ok(None)` after the deadline.
    pub(crate) fn wait_for<T>(
        &self,
        deadline_ns: Option<u64>,
        mut look: impl FnMut(&mut Connection) -> Result<Option<T>, Error>,
    ) -> Result<Option<T>, Error> {
        let mut last = false;
        loop {
            let seen = self.port.seq();
            let pumped = self.pump();
            if let Some(found) = self.change(&mut look)? {
                return Ok(Some(found));
            }
            if last || deadline_ns.is_some_and(|deadline| deadline <= self.platform.now_ns()) {
                return Ok(None);
            }
            if pumped == Pumped::All {
                last = self.port.wait(seen, deadline_ns) == Wake::TimedOut;
            } else {
                // A xenstored that writes without end must not keep the other threads from running.
                self.platform.wait(&[], Some(self.platform.now_ns()));
            }
        }
    }

    /// Reads and files all replies, writes what fits of the requests, tells xenstored.
    pub(crate) fn pump_once(&self) {
        self.pump();
    }

    /// As often as there is something to read, within reason: who comes by an event comes once.
    pub(crate) fn pump_all(&self) {
        const ROUNDS: usize = 16;
        for _ in 0..ROUNDS {
            if self.pump() == Pumped::All {
                break;
            }
        }
    }

    fn pump(&self) -> Pumped {
        let mut pumped = Pumped::All;
        self.change(|connection| {
            if connection.ended().is_none() {
                let mut moved = false;
                if let Err(why) = self.exchange(connection, &mut moved, &mut pumped) {
                    connection.end(why);
                }
                if moved {
                    self.port.notify();
                }
            }
        });
        pumped
    }

    /// Changes the connection, and wakes the sessions that it has news or room for.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Connection) -> T) -> T {
        let (value, woken) = {
            let connection = &mut *self.connection.borrow_mut();
            (change(connection), connection.take_woken())
        };
        // Without the borrow: who is woken may look at once.
        woken.iter().for_each(|wake| wake());
        value
    }

    fn exchange(
        &self,
        connection: &mut Connection,
        moved: &mut bool,
        pumped: &mut Pumped,
    ) -> Result<(), PeerMisbehaved> {
        *pumped = Pumped::MoreToRead;
        let mut chunk = [0; 512];
        for _ in 0..MAX_CHUNKS {
            let len = REPLIES.read(&self.memory, &mut chunk)?;
            if len == 0 {
                *pumped = Pumped::All;
                break;
            }
            *moved = true;
            connection.accept(&chunk[..len]);
        }
        while let Some(bytes) = connection.to_send().filter(|_| connection.ended().is_none()) {
            let len = REQUESTS.write(&self.memory, bytes)?;
            if len == 0 {
                break;
            }
            *moved = true;
            connection.sent(len);
        }
        if self.memory.load_u32(abi::SERVER_FEATURES) & SERVER_FEATURE_ERROR == 0 {
            return Ok(());
        }
        match self.memory.load_u32(abi::ERROR) {
            0 => Ok(()),
            value => Err(PeerMisbehaved {
                what: "xenstored ended the connection with ring error",
                value: value.into(),
            }),
        }
    }
}

/// A request under way; dropped, its reply is thrown away when it comes.
pub struct Pending<P: Platform, M: SharedMemory> {
    shared: Rc<Shared<P, M>>,
    id: u32,
    since_ns: u64,
    deadline_ns: Option<u64>,
}

impl<P: Platform, M: SharedMemory> Pending<P, M> {
    /// Queues a request and sends as much of it as fits.
    pub(crate) fn new(
        shared: &Rc<Shared<P, M>>,
        kind: u32,
        tx_id: u32,
        parts: &[&[u8]],
    ) -> Result<Self, Error> {
        let id = shared.connection.borrow_mut().queue(kind, tx_id, parts)?;
        shared.pump();
        let since_ns = shared.platform.now_ns();
        Ok(Self { shared: shared.clone(), id, since_ns, deadline_ns: shared.deadline() })
    }

    /// The reply's payload, if it has come.
    pub fn try_reply(&mut self) -> Option<Result<Vec<u8>, Error>> {
        self.shared.pump();
        self.shared.change(|connection| connection.take_reply(self.id))
    }

    /// Waits for the reply.
    pub fn wait(self) -> Result<Vec<u8>, Error> {
        let reply = self
            .shared
            .wait_for(self.deadline_ns, |connection| connection.take_reply(self.id).transpose())?;
        let waited_ms = (self.shared.platform.now_ns() - self.since_ns) / 1_000_000;
        reply.ok_or(Error::TimedOut { waited_ms })
    }

    /// Lets the request go on without anybody who waits for its reply.
    pub(crate) fn detach(self) {
        self.shared.change(|connection| connection.forget(self.id));
    }
}

impl<P: Platform, M: SharedMemory> Drop for Pending<P, M> {
    fn drop(&mut self) {
        self.shared.change(|connection| connection.abandon(self.id));
    }
}
