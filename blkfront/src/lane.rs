//! One ring with its event channel, and the requests that are on it.

use alloc::vec::Vec;

use xen::{
    Access, DomId, Doorbell, EventPort, Front, GrantError, PeerMisbehaved, Platform, Scattered, SharedPage,
};
use xen_sys::io::blkif;

use crate::link::LinkError;
use crate::pool::Chain;
use crate::terms::Rendezvous;

/// What a request on the ring does for one job.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Part {
    pub job: u64,
    /// First byte of the disk.
    pub start: u64,
    /// Bytes, whole sectors.
    pub len: u64,
}

/// A request on the ring.
pub(crate) struct Piece {
    pub id: u64,
    pub operation: u8,
    /// First byte of the disk.
    pub start: u64,
    pub len: u64,
    /// The pages of its segments, then those of its data.
    pub chain: Chain,
    pub descriptors: usize,
    pub first: Part,
    /// The parts of other jobs; empty, and then no memory, in most.
    pub more: Vec<Part>,
}

impl Piece {
    pub fn parts(&self) -> impl Iterator<Item = &Part> {
        core::iter::once(&self.first).chain(&self.more)
    }
}

pub(crate) struct Lane<P: Platform> {
    // The ring goes first: the back end unmaps it last.
    ring: Front<Scattered<SharedPage<P>>, blkif::Request, blkif::Response>,
    port: EventPort<P>,
    pieces: Vec<Option<Piece>>,
    free: Vec<u16>,
    serial: u64,
}

impl<P: Platform> Lane<P> {
    pub fn new(platform: &P, peer: DomId, order: u32) -> Result<Self, LinkError> {
        let no_memory = |_| LinkError::Grant(GrantError::OutOfMemory);
        let mut pages = Vec::new();
        pages.try_reserve_exact(1 << order).map_err(no_memory)?;
        for _ in 0..1 << order {
            pages.push(SharedPage::new(platform, peer, Access::ReadWrite).map_err(LinkError::Grant)?);
        }
        let ring = Front::new(Scattered::new(pages));
        let port = EventPort::alloc(platform, peer).map_err(LinkError::Event)?;
        let slots = ring.capacity();
        let (mut pieces, mut free) = (Vec::new(), Vec::new());
        pieces.try_reserve_exact(slots as usize).map_err(no_memory)?;
        pieces.resize_with(slots as usize, || None);
        free.try_reserve_exact(slots as usize).map_err(no_memory)?;
        free.extend((0..slots as u16).rev());
        Ok(Self { ring, port, pieces, free, serial: 0 })
    }

    pub fn rendezvous(&self) -> Rendezvous {
        let grefs = self.ring.memory().pages().iter().map(SharedPage::gref).collect();
        Rendezvous { grefs, port: self.port.port() }
    }

    pub fn port(&self) -> &EventPort<P> {
        &self.port
    }

    pub fn slots(&self) -> u32 {
        self.ring.capacity()
    }

    pub fn in_flight(&self) -> u32 {
        self.ring.in_flight()
    }

    pub fn free(&self) -> u32 {
        self.ring.free().min(self.free.len() as u32)
    }

    /// Puts a request on the ring, which has a free slot; `write` makes it of its id.
    pub fn push<T: xen::memory::Slot>(&mut self, mut piece: Piece, write: impl FnOnce(u64) -> T) {
        let Some(slot) = self.free.pop() else { return };
        self.serial += 1;
        piece.id = self.serial * self.pieces.len() as u64 + u64::from(slot);
        // There is a slot for each piece, and the caller has asked.
        let _ = self.ring.push_slot(write(piece.id));
        self.pieces[usize::from(slot)] = Some(piece);
    }

    /// Shows the back end what was pushed. `true`: it was notified.
    pub fn publish(&mut self) -> bool {
        let ring = self.ring.publish() == Doorbell::Ring;
        if ring {
            self.port.notify();
        }
        ring
    }

    /// Takes the next response, which must be the answer to a request on the ring.
    pub fn pop(&mut self) -> Result<Option<(Piece, i16)>, PeerMisbehaved> {
        let Some(response) = self.ring.pop()? else { return Ok(None) };
        let slot = (response.id % self.pieces.len() as u64) as usize;
        let Some(piece) = self.pieces[slot].as_ref().filter(|piece| piece.id == response.id) else {
            return Err(PeerMisbehaved { what: "response id", value: response.id });
        };
        // Linux answers an indirect request by the operation that it wraps.
        let wrapped = piece.descriptors > 0 && response.operation == blkif::OP_INDIRECT;
        if piece.operation != response.operation && !wrapped {
            return Err(PeerMisbehaved { what: "response operation", value: response.operation.into() });
        }
        let Some(piece) = self.pieces[slot].take() else { return Ok(None) };
        self.free.push(slot as u16);
        Ok(Some((piece, response.status)))
    }

    /// What was not answered. The ring is of no more use afterwards.
    pub fn abandon(&mut self) -> impl Iterator<Item = Piece> {
        self.pieces.iter_mut().filter_map(Option::take)
    }

    /// Asks for an event. `true`: look again first.
    pub fn arm(&mut self) -> bool {
        self.ring.arm()
    }
}
