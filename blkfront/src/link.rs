//! What is shared with the back end while it is connected: the rings, their event channels, the bounce pages.

use alloc::vec::Vec;

use xen::{DomId, EventSeq, GrantError, PAGE_SIZE, PeerMisbehaved, Platform, Port, SharedMemory};
use xen_sys::io::blkif::{self, MAX_SEGMENTS_PER_REQUEST, Segment};

use crate::disk::WIRE_SECTOR;
use crate::lane::{Lane, Part, Piece};
use crate::pool::{Chain, Pool, SEGMENTS_PER_PAGE, descriptors};
use crate::terms::{QUEUES_MOST, Rendezvous, Terms};

/// Why a request can not be put on the ring now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stall {
    /// Every slot is taken.
    Ring,
    /// Too few pages are free.
    Pool,
    /// It is larger than any request can be by now.
    TooLarge,
}

/// Pages for a request that is about to go out. They are lost if it does not.
pub(crate) struct Stage {
    lane: usize,
    chain: Chain,
    segments: usize,
    descriptors: usize,
}

/// The ports to wait for, with their counts.
#[derive(Clone, Copy)]
pub(crate) struct Ports {
    list: [(Port, EventSeq); QUEUES_MOST],
    len: usize,
}

impl Ports {
    pub fn none() -> Self {
        Self { list: [(Port::new(0), EventSeq(0)); QUEUES_MOST], len: 0 }
    }

    pub fn as_slice(&self) -> &[(Port, EventSeq)] {
        self.list.get(..self.len).unwrap_or_default()
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum LinkError {
    Grant(GrantError),
    Event(xen::EventError),
}

pub(crate) struct Link<P: Platform> {
    // The rings go first: the back end unmaps them last.
    lanes: Vec<Lane<P>>,
    pool: Pool<P>,
    terms: Terms,
    /// Most segments that the back end takes.
    offered: usize,
    handle: u16,
}

impl<P: Platform> Link<P> {
    pub fn new(
        platform: &P,
        peer: DomId,
        device: u32,
        terms: Terms,
        pool_pages: usize,
    ) -> Result<Self, LinkError> {
        let mut lanes = Vec::new();
        lanes.try_reserve_exact(terms.queues).map_err(|_| LinkError::Grant(GrantError::OutOfMemory))?;
        for _ in 0..terms.queues {
            lanes.push(Lane::new(platform, peer, terms.ring_order)?);
        }
        let pool = Pool::new(platform, peer, pool_pages).map_err(LinkError::Grant)?;
        // The low 16 bits of the device number, which is what the wire has room for.
        Ok(Self { lanes, pool, terms, offered: MAX_SEGMENTS_PER_REQUEST, handle: device as u16 })
    }

    /// The back end takes so many segments, and this side wants to use them.
    pub fn offer_segments(&mut self, segments: usize) {
        self.offered = segments;
    }

    pub fn terms(&self) -> Terms {
        self.terms
    }

    pub fn rendezvous(&self) -> Vec<Rendezvous> {
        self.lanes.iter().map(Lane::rendezvous).collect()
    }

    pub fn events(&self) -> Ports {
        let mut ports = Ports::none();
        for (place, lane) in ports.list.iter_mut().zip(&self.lanes) {
            *place = (lane.port().port(), lane.port().seq());
            ports.len += 1;
        }
        ports
    }

    pub fn slots(&self) -> u32 {
        self.lanes.iter().map(Lane::slots).sum()
    }

    pub fn in_flight(&self) -> u32 {
        self.lanes.iter().map(Lane::in_flight).sum()
    }

    /// Segments of the largest request.
    pub fn segments(&self) -> usize {
        self.pool.segments(self.offered)
    }

    /// Bytes of the largest request.
    pub fn largest(&self) -> u64 {
        (self.segments() * PAGE_SIZE) as u64
    }

    /// Can the beginning of a request of `len` bytes go out now?
    pub fn room_for(&mut self, len: u64) -> Result<(), Stall> {
        self.lane().ok_or(Stall::Ring)?;
        loop {
            let largest = self.largest();
            let segments = len.min(largest).div_ceil(PAGE_SIZE as u64) as usize;
            if self.pool.has(segments + descriptors(segments)) {
                return Ok(());
            }
            // Asking may have shown that there are fewer pages than was thought.
            if self.largest() == largest {
                return Err(Stall::Pool);
            }
        }
    }

    /// The emptiest ring, if it has room.
    fn lane(&self) -> Option<usize> {
        let free = |at: &usize| self.lanes.get(*at).map_or(0, Lane::free);
        // The first of equals.
        (0..self.lanes.len()).rev().max_by_key(free).filter(|at| free(at) > 0)
    }

    /// Takes what a request of `len` bytes needs.
    pub fn stage(&mut self, len: u64) -> Result<Stage, Stall> {
        let lane = self.lane().ok_or(Stall::Ring)?;
        let segments = len.div_ceil(PAGE_SIZE as u64) as usize;
        let descriptors = descriptors(segments);
        match self.pool.take(segments + descriptors) {
            Some(chain) => Ok(Stage { lane, chain, segments, descriptors }),
            None if segments > self.segments() => Err(Stall::TooLarge),
            None => Err(Stall::Pool),
        }
    }

    /// Writes data of a request, `at` bytes from its beginning.
    pub fn copy_in(&self, stage: &Stage, at: usize, data: &[u8]) {
        self.pool.copy_in(stage.chain, stage.descriptors, at, data);
    }

    /// Puts a read or write on the ring.
    pub fn transfer(
        &mut self,
        stage: Stage,
        operation: u8,
        start: u64,
        len: u64,
        first: Part,
        more: Vec<Part>,
    ) {
        let Stage { lane, chain, segments, descriptors } = stage;
        let pages = self.pool.pages(chain, descriptors);
        let segment = |(at, page): (usize, &xen::SharedPage<P>)| {
            let bytes = (len - (at * PAGE_SIZE) as u64).min(PAGE_SIZE as u64);
            Segment {
                gref: page.gref().raw(),
                first_sect: 0,
                last_sect: (bytes / WIRE_SECTOR).saturating_sub(1) as u8,
                pad: 0,
            }
        };
        let sector_number = start / WIRE_SECTOR;
        let piece = Piece { id: 0, operation, start, len, chain, descriptors, first, more };
        let Some(lane) = self.lanes.get_mut(lane) else { return };
        if descriptors == 0 {
            let mut request = blkif::Request {
                operation,
                nr_segments: segments as u8,
                handle: self.handle,
                sector_number,
                ..Default::default()
            };
            for (place, segment) in request.seg.iter_mut().zip(pages.take(segments).enumerate().map(segment))
            {
                *place = segment;
            }
            lane.push(piece, |id| {
                request.id = id;
                request
            });
            return;
        }
        let mut request = blkif::IndirectRequest {
            operation: blkif::OP_INDIRECT,
            indirect_op: operation,
            nr_segments: segments as u16,
            handle: self.handle,
            sector_number,
            ..Default::default()
        };
        let mut tables = self.pool.pages(chain, 0).take(descriptors);
        let mut table = None;
        for (at, segment) in pages.take(segments).enumerate().map(|page| (page.0, segment(page))) {
            if at % SEGMENTS_PER_PAGE == 0 {
                table = tables.next();
                let gref = table.map_or(0, |page| page.gref().raw());
                if let Some(place) = request.indirect_grefs.get_mut(at / SEGMENTS_PER_PAGE) {
                    *place = gref;
                }
            }
            if let Some(table) = table {
                table.write_slot(at % SEGMENTS_PER_PAGE * size_of::<Segment>(), segment);
            }
        }
        lane.push(piece, |id| {
            request.id = id;
            request
        });
    }

    /// Puts a flush or barrier without data on the ring.
    pub fn flush(&mut self, operation: u8, part: Part) -> Result<(), Stall> {
        let (stage, handle) = (self.stage(0)?, self.handle);
        let Some(lane) = self.lanes.get_mut(stage.lane) else { return Err(Stall::Ring) };
        let mut request = blkif::Request { operation, handle, ..Default::default() };
        lane.push(bare(operation, part), |id| {
            request.id = id;
            request
        });
        Ok(())
    }

    /// Puts a discard on the ring.
    pub fn discard(&mut self, flag: u8, part: Part) -> Result<(), Stall> {
        let (stage, handle) = (self.stage(0)?, self.handle);
        let Some(lane) = self.lanes.get_mut(stage.lane) else { return Err(Stall::Ring) };
        let mut request = blkif::DiscardRequest {
            operation: blkif::OP_DISCARD,
            flag,
            handle,
            sector_number: part.start / WIRE_SECTOR,
            nr_sectors: part.len / WIRE_SECTOR,
            ..Default::default()
        };
        lane.push(bare(blkif::OP_DISCARD, part), |id| {
            request.id = id;
            request
        });
        Ok(())
    }

    /// Shows the back end what was pushed. Gives the number of notifications.
    pub fn publish(&mut self) -> u64 {
        self.lanes.iter_mut().map(|lane| u64::from(lane.publish())).sum()
    }

    /// Takes the next response of any ring.
    pub fn pop(&mut self) -> Result<Option<(Piece, i16)>, PeerMisbehaved> {
        for lane in &mut self.lanes {
            if let Some(answer) = lane.pop()? {
                return Ok(Some(answer));
            }
        }
        Ok(None)
    }

    /// Copies the bytes of the piece from `skip` on into `into`.
    pub fn copy_out(&self, piece: &Piece, skip: usize, into: &mut [u8]) {
        self.pool.copy_out(piece.chain, piece.descriptors, skip, into);
    }

    /// Gives the pages of an answered piece back to the pool.
    pub fn recycle(&mut self, piece: &Piece) {
        self.pool.give(piece.chain);
    }

    /// What was not answered. The link is of no more use afterwards.
    pub fn abandon(&mut self) -> impl Iterator<Item = Piece> {
        self.lanes.iter_mut().flat_map(Lane::abandon)
    }

    /// Asks for events. `true`: look again first.
    pub fn arm(&mut self) -> bool {
        self.lanes.iter_mut().fold(false, |again, lane| lane.arm() | again)
    }
}

/// A request without data.
fn bare(operation: u8, first: Part) -> Piece {
    let Part { start, len, .. } = first;
    Piece { id: 0, operation, start, len, chain: Chain::EMPTY, descriptors: 0, first, more: Vec::new() }
}
