//! The back end's side of the rings: takes frames apart into slots, and puts them together.

use std::collections::VecDeque;
use std::vec;
use std::vec::Vec;

use xen::fake::{FakeDevice, MappedPage, Peer, PeerPort};
use xen::{Access, Back, Doorbell, PAGE_SIZE, SharedMemory};
use xen_sys::io::netif::{
    EXTRA_FLAG_MORE, EXTRA_TYPE_GSO, ExtraInfo, RSP_NULL, RXF_EXTRA_INFO, RXF_MORE_DATA, RxRequest,
    RxResponse, TXF_EXTRA_INFO, TXF_MORE_DATA, TxRequest, TxResponse,
};

use super::{FromGuest, Knobs, ToGuest};

/// The ring of frames from the guest.
pub type TxRing = Back<MappedPage, TxRequest, TxResponse>;
/// The ring of frames for the guest.
pub type RxRing = Back<MappedPage, RxRequest, RxResponse>;

/// What a connected back end has of its front end.
pub struct BackRings {
    /// Frames from the guest.
    pub tx: TxRing,
    /// Frames for the guest.
    pub rx: RxRing,
    /// The event channel.
    pub event: PeerPort,
    /// Requests of the guest taken and not used yet.
    spare: VecDeque<RxRequest>,
}

impl BackRings {
    /// Maps and binds what the front end has published. Panics if that is not what Linux would accept.
    pub fn map(device: &FakeDevice, peer: &Peer) -> Self {
        let number =
            |key| device.front_number(key).unwrap_or_else(|| panic!("the front end published no {key}"));
        assert_eq!(number("request-rx-copy"), 1, "the front end does not want rx-copy");
        assert_eq!(number("feature-rx-notify"), 1);
        let tx = Back::new(peer.map_rw(number("tx-ring-ref")).expect("tx ring is granted"));
        let rx = Back::new(peer.map_rw(number("rx-ring-ref")).expect("rx ring is granted"));
        let event = peer.bind(number("event-channel")).expect("the event channel exists");
        Self { tx, rx, event, spare: VecDeque::new() }
    }

    /// Takes all whole frames and answers their requests.
    pub(super) fn take_frames(&mut self, peer: &Peer, knobs: &Knobs) -> Vec<FromGuest> {
        let (mut frames, mut responses) = (Vec::new(), Vec::new());
        while let Some(first) = self.tx.pop().expect("the front end is honest") {
            frames.push(self.take_frame(first, peer, knobs.tx_status, &mut responses));
        }
        if knobs.reversed {
            responses.reverse();
        }
        for response in responses {
            self.tx.push(response).expect("a response per request");
        }
        if self.tx.publish() == Doorbell::Ring {
            self.event.notify();
        }
        frames
    }

    fn take_frame(
        &mut self,
        first: TxRequest,
        peer: &Peer,
        status: i16,
        responses: &mut Vec<TxResponse>,
    ) -> FromGuest {
        assert!(first.size >= 14, "Linux ends a device that sends {} bytes", first.size);
        let mut segmentation = None;
        let mut requests = vec![first];
        responses.push(TxResponse { id: first.id, status });
        if first.flags & TXF_EXTRA_INFO != 0 {
            let extra: ExtraInfo = self.tx.pop_slot().expect("honest").expect("a frame is published whole");
            assert_eq!((extra.kind, extra.flags), (EXTRA_TYPE_GSO, 0));
            assert_ne!(extra.gso_size, 0);
            segmentation = Some((extra.gso_size, extra.gso_type));
            responses.push(TxResponse { id: 0xdead, status: RSP_NULL });
        }
        while requests.last().is_some_and(|request| request.flags & TXF_MORE_DATA != 0) {
            let next = self.tx.pop().expect("honest").expect("a frame is published whole");
            responses.push(TxResponse { id: next.id, status });
            requests.push(next);
        }
        assert!(requests.len() <= 18, "Linux ends a device whose frame has {} slots", requests.len());
        let rest: usize = requests[1..].iter().map(|request| usize::from(request.size)).sum();
        let first_len =
            usize::from(first.size).checked_sub(rest).expect("the first size is that of the frame");
        let mut frame = Vec::new();
        for (index, request) in requests.iter().enumerate() {
            let len = if index == 0 { first_len } else { request.size.into() };
            assert!(
                usize::from(request.offset) + len <= PAGE_SIZE,
                "Linux ends a device that crosses a page"
            );
            let page = peer.map(request.gref, Access::ReadOnly).expect("tx buffers are granted");
            let mut bytes = vec![0; len];
            page.copy_out(request.offset.into(), &mut bytes);
            frame.extend(bytes);
        }
        FromGuest { frame, flags: first.flags, segmentation, slots: requests.len() }
    }

    /// Gives the guest what it has posted buffers for.
    pub(super) fn give_frames(&mut self, peer: &Peer, frames: &mut VecDeque<ToGuest>) {
        while let Some(frame) = frames.front() {
            let needed = frame.frame.len().div_ceil(frame.slot_len).max(1) + frame.extras;
            while self.spare.len() < needed
                && let Some(request) = self.rx.pop().expect("the front end is honest")
            {
                self.spare.push_back(request);
            }
            if self.spare.len() < needed {
                break;
            }
            let frame = frames.pop_front().expect("looked at above");
            self.give_frame(peer, &frame);
        }
        if self.rx.publish() == Doorbell::Ring {
            self.event.notify();
        }
    }

    fn give_frame(&mut self, peer: &Peer, frame: &ToGuest) {
        let empty: &[u8] = &[];
        let mut slots: Vec<_> = frame.frame.chunks(frame.slot_len).collect();
        if slots.is_empty() {
            slots.push(empty);
        }
        for (index, bytes) in slots.iter().enumerate() {
            let request = self.spare.pop_front().expect("counted");
            let page = peer.map_rw(request.gref).expect("rx buffers are granted");
            page.copy_in(frame.offset, bytes);
            let mut flags = if index == 0 { frame.flags } else { 0 };
            flags |= if index + 1 < slots.len() { RXF_MORE_DATA } else { 0 };
            flags |= if index == 0 && frame.extras > 0 { RXF_EXTRA_INFO } else { 0 };
            let status = frame.error.unwrap_or(bytes.len() as i16);
            let response = RxResponse { id: request.id, offset: frame.offset as u16, flags, status };
            self.rx.push(response).expect("a response per request");
            for extra in (0..frame.extras).rev().filter(|_| index == 0) {
                self.spare.pop_front().expect("counted");
                let flags = if extra > 0 { EXTRA_FLAG_MORE } else { 0 };
                let extra = ExtraInfo { kind: 4, flags, gso_size: 0xffff, ..ExtraInfo::default() };
                self.rx.push_slot(extra).expect("a slot per request");
            }
        }
    }

    /// Asks for events. `true`: there is something to do already.
    pub(super) fn arm(&mut self, wants_tx: bool, wants_rx: bool) -> bool {
        let tx = wants_tx && self.tx.arm();
        let rx = wants_rx && self.rx.arm();
        tx || rx
    }
}
