//! The sending side: a pool of granted buffers, frames copied into them, requests published in batches.
//!
//! Buffers stay granted, read-only, for as long as the device is connected. Behind a frame's end a buffer still holds what
//! was sent in it before; the same back end has seen that already.

use alloc::vec::Vec;

use xen::ring::RingFull;
use xen::{
    Access, DomId, Doorbell, Front, GrantError, PAGE_SIZE, PeerMisbehaved, Platform, SharedMemory, SharedPage,
};
use xen_sys::io::netif::{
    EXTRA_TYPE_GSO, ExtraInfo, GSO_TYPE_TCPV4, GSO_TYPE_TCPV6, RSP_DROPPED, RSP_NULL, TXF_CSUM_BLANK,
    TXF_DATA_VALIDATED, TXF_EXTRA_INFO, TXF_MORE_DATA, TxRequest, TxResponse,
};

use crate::checksum::{Payload, Version, locate};
use crate::info::Offload;
use crate::stats::TxStats;
use crate::{ETHERNET_HEADER, MAX_TX_FRAME};

pub(crate) struct TxQueue<P: Platform> {
    ring: Front<SharedPage<P>, TxRequest, TxResponse>,
    buffers: Vec<SharedPage<P>>,
    free: Vec<u16>,
    in_flight: Vec<bool>,
    /// Ring slots that carry no request: their responses have no id.
    extras_in_flight: u32,
    offload: Offload,
    /// Buffers that the longest frame takes.
    slots: usize,
    /// Somebody could not send: the next response is worth an event.
    starved: bool,
    /// Private memory in which the stack writes frames.
    frame: Vec<u8>,
}

impl<P: Platform> TxQueue<P> {
    /// Grants the ring and `count` buffers. The longest frame has `max_frame` bytes.
    pub fn new(
        platform: &P,
        peer: DomId,
        count: usize,
        max_frame: usize,
        offload: Offload,
        start: u32,
    ) -> Result<Self, GrantError> {
        let ring = Front::starting_at(SharedPage::new(platform, peer, Access::ReadWrite)?, start);
        let slots = max_frame.div_ceil(PAGE_SIZE).max(1);
        let count = count.clamp(slots, ring.capacity() as usize);
        let (mut buffers, mut free, mut in_flight, mut frame) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        buffers.try_reserve_exact(count).map_err(|_| GrantError::OutOfMemory)?;
        free.try_reserve_exact(count).map_err(|_| GrantError::OutOfMemory)?;
        in_flight.try_reserve_exact(count).map_err(|_| GrantError::OutOfMemory)?;
        frame.try_reserve_exact(max_frame).map_err(|_| GrantError::OutOfMemory)?;
        for _ in 0..count {
            buffers.push(SharedPage::new(platform, peer, Access::ReadOnly)?);
        }
        // The last freed is the next used: it is still in the cache.
        free.extend((0..count as u16).rev());
        in_flight.resize(count, false);
        frame.resize(max_frame, 0);
        Ok(Self {
            ring,
            buffers,
            free,
            in_flight,
            extras_in_flight: 0,
            offload,
            slots,
            starved: false,
            frame,
        })
    }

    pub fn ring_page(&self) -> &SharedPage<P> {
        self.ring.memory()
    }

    /// Whether the longest frame may be sent now. Takes responses only if that is needed.
    pub fn ready(&mut self, stats: &mut TxStats) -> Result<bool, PeerMisbehaved> {
        if !self.has_room() {
            self.reap(stats)?;
        }
        self.starved = !self.has_room();
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
        let max_frame = self.frame.len();
        if len < ETHERNET_HEADER || len > max_frame {
            // The stack was told how long frames may be. It still needs something to write to.
            stats.bad_lengths += 1;
            return write(&mut alloc::vec![0; len]);
        }
        let result = write(&mut self.frame[..len]);
        if self.push(len, segment_len).is_ok() {
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

    /// As [`Front::arm`].
    pub fn arm(&mut self) -> bool {
        self.ring.arm()
    }

    /// Takes all responses.
    pub fn reap(&mut self, stats: &mut TxStats) -> Result<(), PeerMisbehaved> {
        while let Some(response) = self.ring.pop()? {
            if response.status == RSP_NULL && self.extras_in_flight > 0 {
                self.extras_in_flight -= 1;
                continue;
            }
            let in_flight = self.in_flight.get_mut(usize::from(response.id)).filter(|in_flight| **in_flight);
            let lie = PeerMisbehaved { what: "tx response for buffer", value: response.id.into() };
            *in_flight.ok_or(lie)? = false;
            self.free.push(response.id);
            match response.status {
                0.. => {}
                RSP_DROPPED => stats.dropped += 1,
                _ => stats.errors += 1,
            }
        }
        Ok(())
    }

    fn has_room(&self) -> bool {
        // One slot more for the extra info of a frame to be segmented.
        let extra = usize::from(self.slots > 1);
        self.free.len() >= self.slots && self.ring.free() as usize >= self.slots + extra
    }

    fn push(&mut self, len: usize, segment_len: Option<u16>) -> Result<(), RingFull> {
        let (flags, gso_type) = self.prepare(len);
        let segmentation = segment_len.map(|size| ExtraInfo {
            kind: EXTRA_TYPE_GSO,
            gso_size: size,
            gso_type,
            ..ExtraInfo::default()
        });
        let pages = len.div_ceil(PAGE_SIZE);
        if self.free.len() < pages
            || (self.ring.free() as usize) < pages + usize::from(segmentation.is_some())
        {
            return Err(RingFull);
        }
        for page in 0..pages {
            let from = page * PAGE_SIZE;
            let end = len.min(from + PAGE_SIZE);
            let id = self.free.pop().ok_or(RingFull)?;
            let buffer = &self.buffers[usize::from(id)];
            buffer.copy_in(0, &self.frame[from..end]);
            let (first, last) = (page == 0, end == len);
            // The first request's size is that of the whole frame, the others' is their own.
            let size = if first { len } else { end - from };
            let mut flags = if first { flags } else { 0 };
            flags |= if last { 0 } else { TXF_MORE_DATA };
            flags |= if first && segmentation.is_some() { TXF_EXTRA_INFO } else { 0 };
            let request = TxRequest { gref: buffer.gref().raw(), offset: 0, flags, id, size: size as u16 };
            self.ring.push(request)?;
            self.in_flight[usize::from(id)] = true;
            if let Some(extra) = segmentation.filter(|_| first) {
                self.ring.push_slot(extra)?;
                self.extras_in_flight += 1;
            }
        }
        Ok(())
    }

    /// Puts into the frame's checksum field what the back end expects there; the request's flags, and the kind of TCP.
    fn prepare(&mut self, len: usize) -> (u16, u8) {
        let frame = &mut self.frame[..len];
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

const _: () = assert!(
    MAX_TX_FRAME.div_ceil(PAGE_SIZE) <= 18,
    "every back end takes packets of 18 slots (XEN_NETIF_NR_SLOTS_MIN)"
);
