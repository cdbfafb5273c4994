//! What is shared with the back end while it is connected: the ring, the event channel, the bounce pages.

use alloc::vec::Vec;

use xen::{
    Access, DomId, EventPort, Front, GrantError, PAGE_SIZE, PeerMisbehaved, Platform, SharedMemory,
    SharedPage,
};
use xen_sys::io::blkif::{self, MAX_SEGMENTS_PER_REQUEST, Segment};

use crate::disk::WIRE_SECTOR;

/// A request on the ring.
pub(crate) struct Piece {
    id: u64,
    operation: u8,
    pub job: u64,
    /// First byte of the disk.
    pub start: u64,
    /// Bytes, whole sectors.
    pub len: usize,
    pages: [u16; MAX_SEGMENTS_PER_REQUEST],
    used: u8,
}

impl Piece {
    pub fn is(&self, operation: u8) -> bool {
        self.operation == operation
    }

    fn pages(&self) -> &[u16] {
        &self.pages[..self.used.into()]
    }
}

/// What a piece is to do.
pub(crate) struct Plan {
    pub job: u64,
    pub operation: u8,
    pub start: u64,
    pub len: usize,
}

/// Why a piece can not be put on the ring now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stall {
    Ring,
    Pool,
}

pub(crate) struct Link<P: Platform> {
    // The ring goes first: the back end unmaps it last.
    ring: Front<SharedPage<P>, blkif::Request, blkif::Response>,
    port: EventPort<P>,
    pool: Pool<P>,
    pieces: Vec<Option<Piece>>,
    serial: u64,
    handle: u16,
}

impl<P: Platform> Link<P> {
    pub fn new(platform: &P, peer: DomId, device: u32, pool_pages: usize) -> Result<Self, LinkError> {
        let page = SharedPage::new(platform, peer, Access::ReadWrite).map_err(LinkError::Grant)?;
        let ring = Front::new(page);
        let port = EventPort::alloc(platform, peer).map_err(LinkError::Event)?;
        let mut pool = Pool {
            platform: platform.clone(),
            peer,
            pages: Vec::new(),
            free: Vec::new(),
            limit: pool_pages.max(1),
        };
        // One page is enough to get on; the rest come when they are needed.
        pool.grow().map_err(LinkError::Grant)?;
        let mut pieces = Vec::new();
        let slots = ring.capacity() as usize;
        pieces.try_reserve_exact(slots).map_err(|_| LinkError::Grant(GrantError::OutOfMemory))?;
        pieces.resize_with(slots, || None);
        // The low 16 bits of the device number, which is what the wire has room for.
        Ok(Self { ring, port, pool, pieces, serial: 0, handle: device as u16 })
    }

    pub fn port(&self) -> &EventPort<P> {
        &self.port
    }

    pub fn ring_gref(&self) -> xen::GrantRef {
        self.ring.memory().gref()
    }

    pub fn in_flight(&self) -> u32 {
        self.ring.in_flight()
    }

    /// Can a request of `len` bytes begin now?
    pub fn room_for(&mut self, len: usize) -> Result<(), Stall> {
        if self.ring.free() == 0 {
            return Err(Stall::Ring);
        }
        if len > 0 && self.pool.available(len) == 0 {
            return Err(Stall::Pool);
        }
        Ok(())
    }

    /// Puts as much of the plan on the ring as one request takes; `data` is what to write. Gives the bytes it covers.
    pub fn push(&mut self, plan: Plan, data: Option<&[u8]>) -> Result<usize, Stall> {
        self.room_for(plan.len)?;
        let Some(slot) = self.pieces.iter().position(Option::is_none) else { return Err(Stall::Ring) };
        let wanted = plan.len.div_ceil(PAGE_SIZE).min(MAX_SEGMENTS_PER_REQUEST);
        let pages = if wanted == 0 { 0 } else { self.pool.available(plan.len) };
        let len = plan.len.min(pages * PAGE_SIZE);
        self.serial += 1;
        let mut piece = Piece {
            id: self.serial * self.pieces.len() as u64 + slot as u64,
            operation: plan.operation,
            job: plan.job,
            start: plan.start,
            len,
            pages: [0; MAX_SEGMENTS_PER_REQUEST],
            used: pages as u8,
        };
        let mut request = blkif::Request {
            operation: plan.operation,
            nr_segments: pages as u8,
            handle: self.handle,
            id: piece.id,
            sector_number: plan.start / WIRE_SECTOR,
            ..Default::default()
        };
        for index in 0..pages {
            let Some(page) = self.pool.free.pop() else { return Err(Stall::Pool) };
            piece.pages[index] = page;
            let at = index * PAGE_SIZE;
            let bytes = (len - at).min(PAGE_SIZE);
            let memory = &self.pool.pages[usize::from(page)];
            if let Some(data) = data {
                memory.copy_in(0, &data[at..at + bytes]);
            }
            let last_sect = (bytes / WIRE_SECTOR as usize - 1) as u8;
            request.seg[index] = Segment { gref: memory.gref().raw(), first_sect: 0, last_sect, pad: 0 };
        }
        if self.ring.push(request).is_err() {
            self.pool.free.extend(piece.pages().iter().rev());
            return Err(Stall::Ring);
        }
        self.pieces[slot] = Some(piece);
        Ok(len)
    }

    /// Shows the back end what was pushed. `true`: it was notified.
    pub fn publish(&mut self) -> bool {
        let ring = self.ring.publish() == xen::Doorbell::Ring;
        if ring {
            self.port.notify();
        }
        ring
    }

    /// Takes the next response, which must be the answer to a request on the ring.
    pub fn pop(&mut self) -> Result<Option<(Piece, i16)>, PeerMisbehaved> {
        let Some(response) = self.ring.pop()? else { return Ok(None) };
        let slot = (response.id % self.pieces.len() as u64) as usize;
        let Some(piece) = self.pieces[slot].take_if(|piece| piece.id == response.id) else {
            return Err(PeerMisbehaved { what: "response id", value: response.id });
        };
        if piece.operation != response.operation {
            return Err(PeerMisbehaved { what: "response operation", value: response.operation.into() });
        }
        Ok(Some((piece, response.status)))
    }

    /// Copies the bytes of the piece from `skip` on into `into`.
    pub fn copy_out(&self, piece: &Piece, skip: usize, into: &mut [u8]) {
        let mut done = 0;
        while done < into.len() {
            let at = skip + done;
            let bytes = (PAGE_SIZE - at % PAGE_SIZE).min(into.len() - done);
            let page = &self.pool.pages[usize::from(piece.pages()[at / PAGE_SIZE])];
            page.copy_out(at % PAGE_SIZE, &mut into[done..done + bytes]);
            done += bytes;
        }
    }

    /// Gives the pages of an answered piece back to the pool.
    pub fn recycle(&mut self, piece: &Piece) {
        self.pool.free.extend(piece.pages().iter().rev());
    }

    /// Asks for an event. `true`: look again first.
    pub fn arm(&mut self) -> bool {
        self.ring.arm()
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum LinkError {
    Grant(GrantError),
    Event(xen::EventError),
}

/// Bounce pages: granted once, zeroed before, kept until the link ends. The free ones are a stack, so that a back end
/// that keeps pages mapped sees the same ones again.
struct Pool<P: Platform> {
    platform: P,
    peer: DomId,
    pages: Vec<SharedPage<P>>,
    free: Vec<u16>,
    limit: usize,
}

impl<P: Platform> Pool<P> {
    fn grow(&mut self) -> Result<(), GrantError> {
        self.pages.try_reserve(1).map_err(|_| GrantError::OutOfMemory)?;
        // So that recycling never allocates.
        self.free.try_reserve(self.pages.len() + 1 - self.free.len()).map_err(|_| GrantError::OutOfMemory)?;
        self.pages.push(SharedPage::new(&self.platform, self.peer, Access::ReadWrite)?);
        self.free.push((self.pages.len() - 1) as u16);
        Ok(())
    }

    /// Pages that a request for `len` bytes gets now: all that it wants, or all there will ever be, or none yet.
    fn available(&mut self, len: usize) -> usize {
        let wanted = len.div_ceil(PAGE_SIZE).min(MAX_SEGMENTS_PER_REQUEST);
        while self.free.len() < wanted && self.pages.len() < self.limit.min(u16::MAX.into()) {
            if self.grow().is_err() {
                self.limit = self.pages.len();
            }
        }
        let wanted = wanted.min(self.limit);
        if self.free.len() < wanted { 0 } else { wanted }
    }
}
