//! The sending side: frames that the stack writes where the back end reads them, requests published in batches.
//!
//! The buffer is one run of pages, granted read-only for as long as the device is connected, so what stands in it is what was
//! written and a frame needs no copy of its own. Behind a frame's end a page still holds what was sent in it before; the same
//! back end has seen that already.

use xen::ring::RingFull;
use xen::{
    Access, DomId, Doorbell, Front, GrantError, PAGE_SIZE, PeerMisbehaved, Platform, ReadablePages,
    SharedPage,
};
use xen_sys::io::netif::{
    EXTRA_TYPE_GSO, ExtraInfo, GSO_TYPE_TCPV4, GSO_TYPE_TCPV6, RSP_DROPPED, RSP_NULL, TXF_CSUM_BLANK,
    TXF_DATA_VALIDATED, TXF_EXTRA_INFO, TXF_MORE_DATA, TxRequest, TxResponse,
};

use crate::checksum::{Payload, Version, locate};
use crate::info::Offload;
use crate::pool::{MAX_PAGES, PagePool};
use crate::stats::TxStats;
use crate::{ETHERNET_HEADER, MAX_TX_FRAME};

pub(crate) struct TxQueue<P: Platform> {
    ring: Front<SharedPage<P>, TxRequest, TxResponse>,
    buffer: ReadablePages<P>,
    pool: PagePool,
    /// Ring slots that carry no request: their responses have no id.
    extras_in_flight: u32,
    offload: Offload,
    max_frame: usize,
    /// Pages that the longest frame takes.
    slots: usize,
    /// Somebody could not send: the next response is worth an event.
    starved: bool,
}

impl<P: Platform> TxQueue<P> {
    /// Grants the ring and about `pages` pages. The longest frame has `max_frame` bytes.
    pub fn new(
        platform: &P,
        peer: DomId,
        pages: usize,
        max_frame: usize,
        offload: Offload,
        start: u32,
    ) -> Result<Self, GrantError> {
        let ring = Front::starting_at(SharedPage::new(platform, peer, Access::ReadWrite)?, start);
        let slots = slots(max_frame);
        let buffer = readable(platform, peer, pages.clamp(slots, MAX_PAGES), slots)?;
        let pool = PagePool::new(buffer.pages());
        Ok(Self { ring, buffer, pool, extras_in_flight: 0, offload, max_frame, slots, starved: false })
    }

    pub fn ring_page(&self) -> &SharedPage<P> {
        self.ring.memory()
    }

    /// Whether the longest frame may be sent now. Takes responses only if that is needed.
    pub fn ready(&mut self, stats: &mut TxStats) -> Result<bool, PeerMisbehaved> {
        if self.room(self.slots).is_none() {
            self.reap(stats)?;
        }
        self.starved = self.room(self.slots).is_none();
        stats.ring_full += u64::from(self.starved);
        Ok(!self.starved)
    }

    /// Lets the caller write a frame and puts it into the ring. Only after [`TxQueue::ready`] said yes.
    pub fn send<R>(
        &mut self,
        len: usize,
        segment_len: Option<u16>,
        write: impl FnOnce(&mut [u8]) -> R,
        stats: &mut TxStats,
    ) -> R {
        let fits = (ETHERNET_HEADER..=self.max_frame).contains(&len);
        let Some(first) = self.room(slots(len)).filter(|_| fits) else {
            // The stack was told how long frames may be. It still needs something to write to.
            stats.bad_lengths += 1;
            return write(&mut alloc::vec![0; len]);
        };
        let result = write(self.buffer.bytes_mut(first, len));
        if self.push(first, len, segment_len).is_ok() {
            stats.packets += 1;
            stats.bytes += len as u64;
        } else {
            stats.bad_lengths += 1;
        }
        result
    }

    /// Shows the back end what was sent since.
    pub fn publish(&mut self) -> Doorbell {
        self.ring.publish()
    }

    /// Whether somebody waits for room; nobody else is interested in completions.
    pub fn starved(&self) -> bool {
        self.starved
    }

    /// Asks for an event when a good part of what is in flight is answered; `true`: it is already. What comes back page by page
    /// is not worth an event each.
    pub fn arm(&mut self) -> bool {
        self.ring.arm_after(self.ring.in_flight() / 4)
    }

    /// Takes all responses.
    pub fn reap(&mut self, stats: &mut TxStats) -> Result<(), PeerMisbehaved> {
        while let Some(response) = self.ring.pop()? {
            if response.status == RSP_NULL && self.extras_in_flight > 0 {
                self.extras_in_flight -= 1;
                continue;
            }
            if !self.pool.give_back(response.id.into()) {
                return Err(PeerMisbehaved { what: "tx response for buffer", value: response.id.into() });
            }
            match response.status {
                0.. => {}
                RSP_DROPPED => stats.dropped += 1,
                _ => stats.errors += 1,
            }
        }
        Ok(())
    }

    /// Where a frame of so many pages may lie, if the ring has room for it too.
    fn room(&self, pages: usize) -> Option<usize> {
        // One slot more for the extra info of a frame to be segmented.
        let extra = usize::from(self.slots > 1);
        self.pool.run(pages).filter(|_| self.ring.free() as usize >= pages + extra)
    }

    /// Puts the frame that lies from page `first` into the ring.
    fn push(&mut self, first: usize, len: usize, segment_len: Option<u16>) -> Result<(), RingFull> {
        let (flags, gso_type) = self.prepare(first, len);
        let segmentation = segment_len.map(|size| ExtraInfo {
            kind: EXTRA_TYPE_GSO,
            gso_size: size,
            gso_type,
            ..ExtraInfo::default()
        });
        let pages = slots(len);
        if (self.ring.free() as usize) < pages + usize::from(segmentation.is_some()) {
            return Err(RingFull);
        }
        for page in 0..pages {
            let rest = len - page * PAGE_SIZE;
            // The first request's size is that of the whole frame, the others' is their own.
            let size = if page == 0 { len } else { rest.min(PAGE_SIZE) };
            let mut flags = if page == 0 { flags } else { 0 };
            flags |= if rest > PAGE_SIZE { TXF_MORE_DATA } else { 0 };
            flags |= if page == 0 && segmentation.is_some() { TXF_EXTRA_INFO } else { 0 };
            let (id, gref) = (first + page, self.buffer.gref(first + page).raw());
            self.ring.push(TxRequest { gref, offset: 0, flags, id: id as u16, size: size as u16 })?;
            self.pool.take(id);
            if let Some(extra) = segmentation.filter(|_| page == 0) {
                self.ring.push_slot(extra)?;
                self.extras_in_flight += 1;
            }
        }
        Ok(())
    }

    /// Puts into the frame's checksum field what the back end expects there; the request's flags, and the kind of TCP.
    fn prepare(&mut self, first: usize, len: usize) -> (u16, u8) {
        let frame = self.buffer.bytes_mut(first, len);
        let Payload::Transport(transport) = locate(frame) else {
            // Of a fragment the stack left the field 0: no checksum, as UDP over IPv4 allows.
            return (0, 0);
        };
        let (offload, gso_type) = match transport.version {
            Version::V4 => (self.offload.ipv4, GSO_TYPE_TCPV4),
            Version::V6 => (self.offload.ipv6, GSO_TYPE_TCPV6),
        };
        if offload {
            transport.fill_partial(frame);
            (TXF_CSUM_BLANK | TXF_DATA_VALIDATED, gso_type)
        } else {
            transport.fill(frame);
            (0, gso_type)
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
