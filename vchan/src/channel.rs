//! What both ends do: read and write as far as there is something, and notify who asked for it.

use alloc::vec::Vec;

use xen::{EventPort, EventSeq, Events, PeerMisbehaved, Port, SharedMemory};
use xen_sys::io::libxenvchan as abi;

use crate::Error;
use crate::ring::{Indices, Ring};
use crate::wire::{self, Orders, Side};

const LEFT: Indices = Indices { cons: abi::LEFT_CONS, prod: abi::LEFT_PROD };
const RIGHT: Indices = Indices { cons: abi::RIGHT_CONS, prod: abi::RIGHT_PROD };

/// One end of a connection.
pub struct Channel<E: Events, M: SharedMemory> {
    side: Side,
    input: Ring<M>,
    output: Ring<M>,
    page: M,
    port: EventPort<E>,
    lie: Option<PeerMisbehaved>,
}

impl<E: Events + Clone, M: SharedMemory> Channel<E, M> {
    /// An end on its pages. Our own indices go on where the page says.
    pub fn new(side: Side, port: EventPort<E>, page: M, orders: Orders, left: Vec<M>, right: Vec<M>) -> Self {
        let ring = |indices: Indices, order, pages, own| Ring::new(indices, order, pages, page.load_u32(own));
        let (input, output) = match side {
            Side::Server => {
                (ring(LEFT, orders.left, left, LEFT.cons), ring(RIGHT, orders.right, right, RIGHT.prod))
            }
            Side::Client => {
                (ring(RIGHT, orders.right, right, RIGHT.cons), ring(LEFT, orders.left, left, LEFT.prod))
            }
        };
        Self { side, input, output, page, port, lie: None }
    }

    /// What the client's byte says.
    pub fn client(&self) -> u8 {
        wire::live(&self.page, Side::Client)
    }

    /// Whether the other end is there; a server's client that has not come yet counts.
    pub fn is_open(&self) -> bool {
        self.lie.is_none() && wire::live(&self.page, self.side.other()) != 0
    }

    pub fn point(&self) -> (Port, EventSeq) {
        (self.port.port(), self.port.seq())
    }

    pub fn read(&mut self, into: &mut [u8]) -> Result<usize, Error> {
        let ready = self.ready(into.len())?;
        let Some(into) = into.get_mut(..ready).filter(|into| !into.is_empty()) else { return Ok(0) };
        self.input.take(&self.page, into);
        self.tell(wire::READ);
        Ok(ready)
    }

    pub fn write(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        let room = self.room(bytes.len())?;
        let Some(bytes) = bytes.get(..room).filter(|bytes| !bytes.is_empty()) else { return Ok(0) };
        self.output.put(&self.page, bytes);
        self.tell(wire::WRITTEN);
        Ok(room)
    }

    /// Bytes to read, at most `wanted`. If there are fewer, the other end will notify us of more.
    pub fn ready(&mut self, wanted: usize) -> Result<usize, Error> {
        if let Some(lie) = self.lie {
            return Err(lie.into());
        }
        let mut ready = self.input.filled(&self.page);
        if ready.is_ok_and(|ready| ready < wanted) {
            wire::ask(&self.page, self.side, wire::WRITTEN);
            // It may have written between our look and our wish; and it may have written and gone.
            let is_open = self.is_open();
            ready = self.input.filled(&self.page);
            if ready == Ok(0) && !is_open {
                return Err(Error::Closed);
            }
        }
        Ok(self.judge(ready)?.min(wanted))
    }

    /// Bytes that can be written, at most `wanted`. If it is fewer, the other end will notify us when it has read some.
    pub fn room(&mut self, wanted: usize) -> Result<usize, Error> {
        if let Some(lie) = self.lie {
            return Err(lie.into());
        }
        if !self.is_open() {
            return Err(Error::Closed);
        }
        let mut room = self.output.free(&self.page);
        if room.is_ok_and(|room| room < wanted) {
            wire::ask(&self.page, self.side, wire::READ);
            room = self.output.free(&self.page);
        }
        Ok(self.judge(room)?.min(wanted))
    }

    /// Whether the other end has read all that we wrote; if not, it will notify us when it reads. One that is gone
    /// reads no more.
    pub fn is_drained(&mut self) -> bool {
        let whole = self.output.len();
        self.room(whole).map_or(true, |room| room == whole)
    }

    /// A lie ends the connection.
    fn judge(&mut self, result: Result<usize, PeerMisbehaved>) -> Result<usize, Error> {
        result.map_err(|lie| {
            self.lie = Some(lie);
            self.hang_up();
            Error::Peer(lie)
        })
    }

    fn tell(&self, what: u8) {
        if wire::take_wish(&self.page, self.side.other(), what) {
            self.port.notify();
        }
    }

    /// Tells the other end that we are there.
    pub fn arrive(&self) {
        wire::arrive(&self.page, self.side);
        wire::ask(&self.page, self.side, wire::WRITTEN);
        self.port.notify();
    }

    /// Tells the other end that we are gone. What it wrote before can still be read.
    pub fn hang_up(&self) {
        if wire::live(&self.page, self.side) != 0 {
            wire::leave(&self.page, self.side);
            self.port.notify();
        }
    }

    /// Ends it, and lets go of the pages before the other end is told.
    pub fn close(self) {
        wire::leave(&self.page, self.side);
        let Self { input, output, page, port, .. } = self;
        drop((input, output, page));
        port.notify();
    }

    /// Ends it, and gives back its pages, which the other end may still map.
    pub fn retire(self) -> Vec<M> {
        self.hang_up();
        let mut pages = self.input.into_pages();
        pages.extend(self.output.into_pages());
        pages.push(self.page);
        pages
    }
}
