//! The receiving side: a pool of granted buffers, and packets put together from what the back end copied into them.
//!
//! Responses come in the order of the requests (`io/netif.h` demands it, since an extra info has no id), and each buffer
//! is posted again as soon as its slot is copied out. So the buffers go round in a fixed order, and there is no id to look up:
//! the back end's must be the one whose turn it is.

use alloc::collections::TryReserveError;
use alloc::vec::Vec;

use xen::{
    Access, DomId, Doorbell, Front, GrantError, PAGE_SIZE, PeerMisbehaved, Platform, SharedMemory, SharedPage,
};
use xen_sys::io::netif::{
    EXTRA_FLAG_MORE, ExtraInfo, RXF_CSUM_BLANK, RXF_DATA_VALIDATED, RXF_EXTRA_INFO, RXF_GSO_PREFIX,
    RXF_MORE_DATA, RxRequest, RxResponse,
};

use crate::checksum::{self, Payload, Verdict, Version};
use crate::extra::Extra;
use crate::info::Info;
use crate::stats::RxStats;
use crate::{ETHERNET_HEADER, MAX_FRAME};

/// The assembly buffer grows by this at least.
const GROWTH: usize = 2048;

/// A packet that is not whole yet.
#[derive(Clone, Copy, Default)]
struct Chain {
    slots: u32,
    len: usize,
    flags: u16,
    more_data: bool,
    more_extras: bool,
    dropped: bool,
    /// A TCP segment longer than the MTU, to be divided into pieces with so many bytes.
    segmented: Option<(Version, u16)>,
}

pub(crate) struct RxQueue<P: Platform> {
    ring: Front<SharedPage<P>, RxRequest, RxResponse>,
    buffers: Vec<SharedPage<P>>,
    /// The buffer whose response comes next.
    next: usize,
    chain: Chain,
    /// Private memory in which packets are put together and parsed.
    frame: Vec<u8>,
    /// Of the packet announced last: the pieces that it is to be divided into.
    segment_len: Option<u16>,
    /// Of the same packet: nobody has computed its checksum.
    is_blank: bool,
    /// Whether long TCP segments were asked for.
    segments: bool,
    /// Whether what the back end says of checksums is believed.
    trusted: bool,
}

/// Makes a buffer so long, with zeroes: a page at a time, as `resize` takes a step for each byte under Miri.
fn lengthen(buffer: &mut Vec<u8>, len: usize) -> Result<(), TryReserveError> {
    static ZEROES: [u8; PAGE_SIZE] = [0; PAGE_SIZE];
    buffer.try_reserve_exact(len.saturating_sub(buffer.len()))?;
    while let Some(missing) = len.checked_sub(buffer.len()).filter(|missing| *missing > 0) {
        buffer.extend_from_slice(&ZEROES[..missing.min(PAGE_SIZE)]);
    }
    Ok(())
}

impl<P: Platform> RxQueue<P> {
    /// Grants the ring and the buffers of one queue, and posts them all.
    pub fn new(platform: &P, peer: DomId, info: &Info, start: u32) -> Result<Self, GrantError> {
        let mut ring = Front::starting_at(SharedPage::new(platform, peer, Access::ReadWrite)?, start);
        let (count, longest) = (info.rx_buffers.min(ring.capacity() as usize), info.mtu + ETHERNET_HEADER);
        let (mut buffers, mut frame) = (Vec::new(), Vec::new());
        buffers.try_reserve_exact(count).map_err(|_| GrantError::OutOfMemory)?;
        lengthen(&mut frame, longest).map_err(|_| GrantError::OutOfMemory)?;
        for id in 0..count {
            let buffer = SharedPage::new(platform, peer, Access::ReadWrite)?;
            ring.push(request(id, &buffer)).expect("there are at most as many buffers as slots");
            buffers.push(buffer);
        }
        // The back end does not listen yet; it is notified when it does.
        let _ = ring.publish();
        let (segments, trusted) = (info.rx_segments, info.trusted);
        Ok(Self {
            ring,
            buffers,
            next: 0,
            chain: Chain::default(),
            frame,
            segment_len: None,
            is_blank: false,
            segments,
            trusted,
        })
    }

    pub fn ring_page(&self) -> &SharedPage<P> {
        self.ring.memory()
    }

    /// Takes responses until a good packet is whole; its length, for [`RxQueue::frame`]. After one ring's worth of slots it
    /// gives up for the time being, so that a back end can not hold the caller here.
    pub fn receive(&mut self, stats: &mut RxStats) -> Result<Option<usize>, PeerMisbehaved> {
        for _ in 0..self.ring.capacity() {
            let taken = if self.chain.more_extras { self.take_extra(stats)? } else { self.take_data(stats)? };
            if !taken {
                return Ok(None);
            }
            if self.chain.more_data || self.chain.more_extras {
                if self.chain.slots > self.ring.capacity() {
                    return Err(PeerMisbehaved {
                        what: "slots of one packet",
                        value: self.chain.slots.into(),
                    });
                }
                continue;
            }
            let packet = core::mem::take(&mut self.chain);
            if self.accept(&packet, stats) {
                self.segment_len = packet.segmented.map(|(_, size)| size);
                self.is_blank = packet.flags & RXF_CSUM_BLANK != 0;
                return Ok(Some(packet.len));
            }
        }
        Ok(None)
    }

    /// The packet that [`RxQueue::receive`] announced.
    pub fn frame(&self, len: usize) -> &[u8] {
        &self.frame[..len]
    }

    /// Of that packet, if it is a TCP segment longer than the MTU: bytes in each piece that it was to be divided into.
    pub fn segment_len(&self) -> Option<u16> {
        self.segment_len
    }

    /// Whether that packet's checksum is blank.
    pub fn is_blank(&self) -> bool {
        self.is_blank
    }

    /// Shows the back end the buffers posted since.
    pub fn publish(&mut self) -> Doorbell {
        self.ring.publish()
    }

    /// As [`Front::has_responses`].
    pub fn has_responses(&self) -> bool {
        self.ring.has_responses()
    }

    /// As [`Front::arm`].
    pub fn arm(&mut self) -> bool {
        self.ring.arm()
    }

    fn take_data(&mut self, stats: &mut RxStats) -> Result<bool, PeerMisbehaved> {
        let Some(response) = self.ring.pop()? else { return Ok(false) };
        stats.slots += 1;
        if usize::from(response.id) != self.next {
            return Err(PeerMisbehaved { what: "rx response for buffer", value: response.id.into() });
        }
        if self.chain.slots == 0 {
            self.chain.flags = response.flags;
            self.chain.more_extras = response.flags & RXF_EXTRA_INFO != 0;
            if response.flags & RXF_GSO_PREFIX != 0 {
                self.drop_chain(&mut stats.bad_extras);
            }
        }
        self.chain.more_data = response.flags & RXF_MORE_DATA != 0;
        match usize::try_from(response.status) {
            Ok(len) => {
                let offset = usize::from(response.offset);
                if offset + len > PAGE_SIZE {
                    return Err(PeerMisbehaved {
                        what: "rx response reaches in its buffer to",
                        value: (offset + len) as u64,
                    });
                }
                self.append(offset, len, stats);
            }
            Err(_) => self.drop_chain(&mut stats.errors),
        }
        self.repost();
        Ok(true)
    }

    fn take_extra(&mut self, stats: &mut RxStats) -> Result<bool, PeerMisbehaved> {
        let Some(info) = self.ring.pop_slot::<ExtraInfo>()? else { return Ok(false) };
        stats.slots += 1;
        match Extra::parse(&info) {
            Some(Extra::Segmented(version, size)) if self.segments && self.chain.segmented.is_none() => {
                self.chain.segmented = Some((version, size));
            }
            Some(Extra::Other) => {}
            _ => self.drop_chain(&mut stats.bad_extras),
        }
        self.chain.more_extras = info.flags & EXTRA_FLAG_MORE != 0;
        self.repost();
        Ok(true)
    }

    /// The one copy of a received byte.
    fn append(&mut self, offset: usize, len: usize, stats: &mut RxStats) {
        let from = self.chain.len;
        let end = from + len;
        if self.chain.dropped {
            return;
        }
        if end > MAX_FRAME {
            return self.drop_chain(&mut stats.oversized);
        }
        if end > self.frame.len() {
            let wanted = end.max(self.frame.len() + GROWTH);
            if lengthen(&mut self.frame, wanted).is_err() {
                return self.drop_chain(&mut stats.no_memory);
            }
        }
        self.buffers[self.next].copy_out(offset, &mut self.frame[from..end]);
        self.chain.len = end;
    }

    fn drop_chain(&mut self, counter: &mut u64) {
        if !core::mem::replace(&mut self.chain.dropped, true) {
            *counter += 1;
        }
    }

    fn repost(&mut self) {
        self.chain.slots += 1;
        let posted = self.ring.push(request(self.next, &self.buffers[self.next]));
        posted.expect("the slot of the response just taken is free");
        self.next = (self.next + 1) % self.buffers.len();
    }

    fn accept(&self, packet: &Chain, stats: &mut RxStats) -> bool {
        if packet.dropped {
            return false;
        }
        if packet.len < ETHERNET_HEADER {
            stats.runts += 1;
            return false;
        }
        let frame = self.frame(packet.len);
        if let Some((version, _)) = packet.segmented {
            let Payload::Transport(transport) = checksum::locate(frame) else {
                stats.bad_extras += 1;
                return false;
            };
            if !transport.is_tcp() || transport.version != version {
                stats.bad_extras += 1;
                return false;
            }
        }
        // Blank: it comes from this machine and never was on a wire. Validated: the back end's network card has checked it.
        let blank = packet.flags & RXF_CSUM_BLANK != 0;
        let validated = packet.flags & RXF_DATA_VALIDATED != 0 && self.trusted;
        if !blank && !validated && checksum::verify(frame) == Verdict::Bad {
            stats.bad_checksums += 1;
            return false;
        }
        stats.packets += 1;
        stats.segmented += u64::from(packet.segmented.is_some());
        stats.bytes += packet.len as u64;
        true
    }
}

fn request<P: Platform>(id: usize, buffer: &SharedPage<P>) -> RxRequest {
    RxRequest { id: id as u16, pad: 0, gref: buffer.gref().raw() }
}
