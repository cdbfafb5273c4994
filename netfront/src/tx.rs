//! The sending side: frames that the stack writes where the back end reads them, requests published in batches.
//!
//! The buffer is one run of pages, granted read-only for as long as the device is connected, so what stands in it is what was
//! written and a frame needs no copy of its own. It serves all queues: which ring a frame goes into is known when it is
//! written. Behind a frame's end a page still holds what was sent in it before; the same back end has seen that already.

use alloc::vec::Vec;

use xen::ring::RingFull;
use xen::{
    Access, DomId, Doorbell, Front, GrantError, PAGE_SIZE, PeerMisbehaved, Platform, ReadablePages,
    SharedPage,
};
use xen_sys::io::netif::{
    ExtraInfo, RSP_DROPPED, RSP_NULL, TXF_CSUM_BLANK, TXF_DATA_VALIDATED, TXF_EXTRA_INFO, TXF_MORE_DATA,
    TxRequest, TxResponse,
};

use crate::checksum::{Payload, Transport, Version, locate};
use crate::extra::{self, Membership};
use crate::flow;
use crate::info::{Info, Offload};
use crate::pool::{MAX_PAGES, PagePool};
use crate::stats::TxStats;
use crate::{ETHERNET_HEADER, MAX_TX_FRAME};

/// The id of requests that carry no frame.
const MESSAGE: u16 = u16::MAX;

struct TxRing<P: Platform> {
    ring: Front<SharedPage<P>, TxRequest, TxResponse>,
    /// Slots that carry no request: their responses have no id.
    extras_in_flight: u32,
    messages_in_flight: u32,
}

pub(crate) struct Sender<P: Platform> {
    rings: Vec<TxRing<P>>,
    buffer: ReadablePages<P>,
    pool: PagePool,
    /// For each page in flight the ring it went into.
    ring_of: [u8; MAX_PAGES],
    checksum: Offload,
    segmentation: Offload,
    /// Bytes of the longest frame that is not to be divided.
    whole: usize,
    max_frame: usize,
    /// Pages that the longest frame takes.
    slots: usize,
    /// Somebody could not send: the next responses are worth an event.
    starved: bool,
    /// There is not even room for an answer.
    speechless: bool,
}

/// What goes into a frame's first request, and where.
struct Plan {
    ring: usize,
    flags: u16,
    extra: Option<ExtraInfo>,
}

impl<P: Platform> Sender<P> {
    /// Grants the rings and about `pages` pages.
    pub fn new(platform: &P, peer: DomId, pages: usize, info: &Info, start: u32) -> Result<Self, GrantError> {
        let mut rings = Vec::new();
        rings.try_reserve_exact(info.queues).map_err(|_| GrantError::OutOfMemory)?;
        for _ in 0..info.queues {
            let ring = Front::starting_at(SharedPage::new(platform, peer, Access::ReadWrite)?, start);
            rings.push(TxRing { ring, extras_in_flight: 0, messages_in_flight: 0 });
        }
        let least = slots(info.max_frame);
        let buffer = readable(platform, peer, pages.clamp(least, MAX_PAGES), least)?;
        let mut sender = Self {
            rings,
            pool: PagePool::new(buffer.pages()),
            buffer,
            ring_of: [0; MAX_PAGES],
            checksum: info.checksum,
            segmentation: info.segmentation,
            whole: 0,
            max_frame: 0,
            slots: 0,
            starved: false,
            speechless: false,
        };
        sender.limit(info);
        Ok(sender)
    }

    /// Takes over how long frames may be; no longer than [`Sender::bytes`].
    pub fn limit(&mut self, info: &Info) {
        self.segmentation = info.segmentation;
        self.whole = info.whole_frame();
        self.max_frame = info.max_frame.max(self.whole);
        self.slots = slots(self.max_frame);
    }

    /// Bytes of the buffer.
    pub fn bytes(&self) -> usize {
        self.buffer.pages() * PAGE_SIZE
    }

    pub fn ring_page(&self, queue: usize) -> &SharedPage<P> {
        self.rings[queue].ring.memory()
    }

    /// Whether the longest frame may be sent now. Takes responses only if that is needed.
    pub fn ready(&mut self, stats: &mut TxStats) -> Result<bool, PeerMisbehaved> {
        self.starved = !self.make_room(self.slots, stats)?;
        Ok(!self.starved)
    }

    /// Whether an answer to a received frame may be sent now: one that is not to be divided. Long segments that fill the buffer
    /// do not keep the acknowledgements out that make room for them.
    pub fn can_answer(&mut self, stats: &mut TxStats) -> Result<bool, PeerMisbehaved> {
        self.speechless = !self.make_room(slots(self.whole), stats)?;
        self.starved &= self.room(self.slots).is_none();
        Ok(!self.speechless)
    }

    fn make_room(&mut self, pages: usize, stats: &mut TxStats) -> Result<bool, PeerMisbehaved> {
        if self.room(pages).is_none() {
            self.reap(stats)?;
        }
        let has_room = self.room(pages).is_some();
        stats.ring_full += u64::from(!has_room);
        Ok(has_room)
    }

    /// Lets the caller write a frame, to be divided into pieces of `segment_len` bytes if that is given, and puts it into a ring.
    /// Only after [`Sender::ready`] said yes.
    pub fn send<R>(
        &mut self,
        len: usize,
        segment_len: Option<u16>,
        write: impl FnOnce(&mut [u8]) -> R,
        stats: &mut TxStats,
    ) -> R {
        let longest = if segment_len.is_some() { self.max_frame } else { self.whole };
        let fits = (ETHERNET_HEADER..=longest).contains(&len);
        let Some(first) = self.room(slots(len)).filter(|_| fits) else {
            // The stack was told how long frames may be. It still needs something to write to.
            stats.bad_lengths += 1;
            return write(&mut alloc::vec![0; len]);
        };
        let result = write(self.buffer.bytes_mut(first, len));
        match self.plan(first, len, segment_len) {
            Some(plan) if self.push(first, len, &plan).is_ok() => {
                stats.packets += 1;
                stats.bytes += len as u64;
                stats.segmented += u64::from(plan.extra.is_some());
            }
            _ => stats.bad_segments += 1,
        }
        result
    }

    /// Names a group to the back end whose frames are wanted, or no longer. `false`: there is no room now.
    pub fn tell(&mut self, membership: Membership, group: [u8; 6]) -> bool {
        let Some(first) = self.rings.first_mut().filter(|first| first.ring.free() >= 2) else { return false };
        let request = TxRequest { flags: TXF_EXTRA_INFO, id: MESSAGE, ..TxRequest::default() };
        let pushed =
            first.ring.push(request).and_then(|()| first.ring.push_slot(extra::multicast(membership, group)));
        first.extras_in_flight += 1;
        first.messages_in_flight += 1;
        pushed.is_ok()
    }

    /// Shows the back end what was sent since through a queue.
    pub fn publish(&mut self, queue: usize) -> Doorbell {
        self.rings[queue].ring.publish()
    }

    /// Whether somebody waits for room; nobody else is interested in completions.
    pub fn starved(&self) -> bool {
        self.starved || self.speechless
    }

    /// Whether received frames have to wait because they could not be answered.
    pub fn speechless(&self) -> bool {
        self.speechless
    }

    /// Asks for an event when a good part of what is in flight is answered; `true`: it is already. What comes back page by page
    /// is not worth an event each.
    pub fn arm(&mut self) -> bool {
        let mut more = false;
        for TxRing { ring, .. } in &mut self.rings {
            more |= ring.arm_after(ring.in_flight() / 4);
        }
        more
    }

    /// Takes all responses.
    pub fn reap(&mut self, stats: &mut TxStats) -> Result<(), PeerMisbehaved> {
        for (number, from) in self.rings.iter_mut().enumerate() {
            while let Some(response) = from.ring.pop()? {
                stats.responses += 1;
                if response.status == RSP_NULL && from.extras_in_flight > 0 {
                    from.extras_in_flight -= 1;
                    continue;
                }
                if response.id == MESSAGE && from.messages_in_flight > 0 {
                    from.messages_in_flight -= 1;
                    stats.groups_refused += u64::from(response.status < 0);
                    continue;
                }
                let page = usize::from(response.id);
                let sent_here = self.ring_of.get(page).is_some_and(|ring| usize::from(*ring) == number);
                if !sent_here || !self.pool.give_back(page) {
                    return Err(PeerMisbehaved { what: "tx response for buffer", value: response.id.into() });
                }
                match response.status {
                    0.. => {}
                    RSP_DROPPED => stats.dropped += 1,
                    _ => stats.errors += 1,
                }
            }
        }
        Ok(())
    }

    /// Where a frame of so many pages may lie, if each ring has room for it too.
    fn room(&self, pages: usize) -> Option<usize> {
        // One slot more for the extra info of a frame to be divided.
        let needed = pages + usize::from(self.max_frame > self.whole);
        let has_room = |ring: &TxRing<P>| ring.ring.free() as usize >= needed;
        self.pool.run(pages).filter(|_| self.rings.iter().all(has_room))
    }

    /// Puts the frame that lies from page `first` into its ring.
    fn push(&mut self, first: usize, len: usize, plan: &Plan) -> Result<(), RingFull> {
        let pages = slots(len);
        let into = &mut self.rings[plan.ring];
        if (into.ring.free() as usize) < pages + usize::from(plan.extra.is_some()) {
            return Err(RingFull);
        }
        for page in 0..pages {
            let rest = len - page * PAGE_SIZE;
            // The first request's size is that of the whole frame, the others' is their own.
            let size = if page == 0 { len } else { rest.min(PAGE_SIZE) };
            let mut flags = if page == 0 { plan.flags } else { 0 };
            flags |= if rest > PAGE_SIZE { TXF_MORE_DATA } else { 0 };
            let (id, gref) = (first + page, self.buffer.gref(first + page).raw());
            into.ring.push(TxRequest { gref, offset: 0, flags, id: id as u16, size: size as u16 })?;
            self.pool.take(id);
            self.ring_of[id] = plan.ring as u8;
            if let Some(extra) = plan.extra.filter(|_| page == 0) {
                into.ring.push_slot(extra)?;
                into.extras_in_flight += 1;
            }
        }
        Ok(())
    }

    /// Puts into the frame's checksum field what the back end expects there, and decides how the frame goes. `None` for a frame
    /// that can not be divided as it was to be.
    fn plan(&mut self, first: usize, len: usize, segment_len: Option<u16>) -> Option<Plan> {
        let frame = self.buffer.bytes_mut(first, len);
        let payload = locate(frame);
        let ring = flow::queue(frame, &payload, self.rings.len());
        let Payload::Transport(transport) = payload else {
            // Of a fragment the stack left the field 0: no checksum, as UDP over IPv4 allows.
            return Some(Plan { ring, flags: 0, extra: None }).filter(|_| segment_len.is_none());
        };
        let size = segment_len.filter(|size| transport.tcp_payload_len(frame) > usize::from(*size));
        let extra = match size {
            Some(size) if divides(self.segmentation, &transport, size) => {
                Some(extra::divide(transport.version, size))
            }
            None if len <= self.whole => None,
            _ => return None,
        };
        let flags = if self.checksum.over(transport.version) {
            transport.fill_partial(frame);
            TXF_CSUM_BLANK | TXF_DATA_VALIDATED
        } else {
            transport.fill(frame);
            0
        };
        let flags = flags | if extra.is_some() { TXF_EXTRA_INFO } else { 0 };
        Some(Plan { ring, flags, extra })
    }
}

fn divides(segmentation: Offload, transport: &Transport, size: u16) -> bool {
    size > 0 && transport.is_tcp() && segmentation.over(transport.version)
}

impl Offload {
    fn over(self, version: Version) -> bool {
        match version {
            Version::V4 => self.ipv4,
            Version::V6 => self.ipv6,
        }
    }
}

/// Pages, and so slots, of a frame.
fn slots(len: usize) -> usize {
    len.div_ceil(PAGE_SIZE).max(1)
}

/// A run of `pages` pages, or of fewer if memory is in pieces, but not fewer than `least`.
fn readable<P: Platform>(
    platform: &P,
    peer: DomId,
    pages: usize,
    least: usize,
) -> Result<ReadablePages<P>, GrantError> {
    let mut pages = pages;
    loop {
        match ReadablePages::new(platform, peer, pages) {
            Err(GrantError::OutOfMemory) if pages > least => pages = (pages / 2).max(least),
            result => return result,
        }
    }
}

const _: () = assert!(
    MAX_TX_FRAME.div_ceil(PAGE_SIZE) <= 18,
    "every back end takes packets of 18 slots (XEN_NETIF_NR_SLOTS_MIN)"
);
