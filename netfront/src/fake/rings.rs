//! The back end's side of the rings: takes frames apart into slots, and puts them together.

use std::collections::VecDeque;
use std::format;
use std::string::String;
use std::vec;
use std::vec::Vec;

use xen::fake::{FakeDevice, MappedPage, Peer, PeerPort};
use xen::xenbus::Device;
use xen::{Access, Back, Doorbell, PAGE_SIZE, SharedMemory};
use xen_sys::io::netif::{
    EXTRA_FLAG_MORE, EXTRA_TYPE_GSO, EXTRA_TYPE_MCAST_ADD, EXTRA_TYPE_MCAST_DEL, ExtraInfo, GSO_TYPE_TCPV4,
    GSO_TYPE_TCPV6, RSP_NULL, RSP_OKAY, RXF_EXTRA_INFO, RXF_MORE_DATA, RxRequest, RxResponse, TXF_CSUM_BLANK,
    TXF_EXTRA_INFO, TXF_MORE_DATA, TxRequest, TxResponse,
};

use super::{FromGuest, Knobs, ToGuest};

/// The ring of frames from the guest.
pub type TxRing = Back<MappedPage, TxRequest, TxResponse>;
/// The ring of frames for the guest.
pub type RxRing = Back<MappedPage, RxRequest, RxResponse>;

/// What a connected back end has of a queue of its front end.
pub struct BackRings {
    /// Frames from the guest.
    pub tx: TxRing,
    /// Frames for the guest.
    pub rx: RxRing,
    /// The event channel, of frames from the guest if there are two.
    pub event: PeerPort,
    /// The event channel of frames for the guest, if it is another.
    pub rx_event: Option<PeerPort>,
    /// Groups that the guest has joined (`true`) or left since they were last looked at.
    pub(super) groups: Vec<([u8; 6], bool)>,
    /// Which versions of IP long segments may have, by what the back end has offered.
    segmentation: [bool; 2],
    /// Requests of the guest taken and not used yet.
    spare: VecDeque<RxRequest>,
}

impl BackRings {
    /// Maps and binds what the front end has published: a queue each. Panics if that is not what Linux would accept.
    pub fn map_all(device: &FakeDevice, peer: &Peer) -> Vec<Self> {
        let key = |key| device.front_number(key);
        assert_eq!(key("request-rx-copy"), Some(1), "the front end does not want rx-copy");
        assert_eq!(key("feature-rx-notify"), Some(1));
        let queues = key("multi-queue-num-queues").unwrap_or(1);
        let offered =
            |key| device.read_backend(key).expect("a table never fails").is_some_and(|text| text != "0");
        let max = device.read_backend("multi-queue-max-queues").expect("a table never fails");
        let max = max.map_or(1, |max| max.parse().expect("a number")).max(1);
        assert!((1..=max).contains(&queues), "{queues} queues of {max}");
        let flat = ["tx-ring-ref", "rx-ring-ref", "event-channel", "event-channel-tx", "event-channel-rx"];
        assert!(queues == 1 || flat.iter().all(|flat| key(flat).is_none()), "keys of one queue and of many");
        (0..queues)
            .map(|queue| {
                let prefix = if queues > 1 { format!("queue-{queue}/") } else { String::new() };
                Self::map(device, peer, &prefix, offered("feature-split-event-channels"), offered)
            })
            .collect()
    }

    fn map(
        device: &FakeDevice,
        peer: &Peer,
        prefix: &str,
        may_split: bool,
        offered: impl Fn(&'static str) -> bool,
    ) -> Self {
        let find = |key: &str| device.front_number(&format!("{prefix}{key}"));
        let number =
            |key: &str| find(key).unwrap_or_else(|| panic!("the front end published no {prefix}{key}"));
        let bind = |key: &str| peer.bind(number(key)).expect("the event channel exists");
        let tx = Back::new(peer.map_rw(number("tx-ring-ref")).expect("tx ring is granted"));
        let rx = Back::new(peer.map_rw(number("rx-ring-ref")).expect("rx ring is granted"));
        let (event, rx_event) = match find("event-channel") {
            Some(_) => (bind("event-channel"), None),
            None => (bind("event-channel-tx"), Some(bind("event-channel-rx"))),
        };
        assert!(rx_event.is_none() || may_split, "split event channels were not offered");
        let segmentation = ["feature-gso-tcpv4", "feature-gso-tcpv6"].map(offered);
        Self { tx, rx, event, rx_event, groups: Vec::new(), segmentation, spare: VecDeque::new() }
    }

    /// Whether the guest has raised an event since the last call.
    pub(super) fn take_pending(&mut self) -> bool {
        let rx = self.rx_event.as_ref().is_some_and(PeerPort::take_pending);
        self.event.take_pending() || rx
    }

    fn notify_rx(&self) {
        self.rx_event.as_ref().unwrap_or(&self.event).notify();
    }

    /// Takes all whole frames and answers their requests.
    pub(super) fn take_frames(&mut self, peer: &Peer, knobs: &Knobs) -> Vec<FromGuest> {
        let (mut frames, mut responses) = (Vec::new(), Vec::new());
        while let Some(first) = self.tx.pop().expect("the front end is honest") {
            frames.extend(self.take_frame(first, peer, knobs.tx_status, &mut responses));
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
    ) -> Option<FromGuest> {
        let mut segmentation = None;
        let mut requests = vec![first];
        if first.flags & TXF_EXTRA_INFO != 0 {
            let extra: ExtraInfo = self.tx.pop_slot().expect("honest").expect("a frame is published whole");
            if [EXTRA_TYPE_MCAST_ADD, EXTRA_TYPE_MCAST_DEL].contains(&extra.kind) {
                let ([a, b], [e, f]) = (extra.gso_size.to_ne_bytes(), extra.gso_features.to_ne_bytes());
                self.groups
                    .push(([a, b, extra.gso_type, extra.pad, e, f], extra.kind == EXTRA_TYPE_MCAST_ADD));
                responses.push(TxResponse { id: first.id, status: RSP_OKAY });
                responses.push(TxResponse { id: 0xbeef, status: RSP_NULL });
                return None;
            }
            assert_eq!((extra.kind, extra.flags), (EXTRA_TYPE_GSO, 0));
            assert_ne!(extra.gso_size, 0, "Linux ends a device that divides into nothing");
            let version = [GSO_TYPE_TCPV4, GSO_TYPE_TCPV6].iter().position(|kind| *kind == extra.gso_type);
            let offered = version.is_some_and(|version| self.segmentation[version]);
            assert!(offered && first.flags & TXF_CSUM_BLANK != 0, "{extra:?} was not offered");
            segmentation = Some((extra.gso_size, extra.gso_type));
            responses.push(TxResponse { id: first.id, status });
            responses.push(TxResponse { id: 0xdead, status: RSP_NULL });
        } else {
            responses.push(TxResponse { id: first.id, status });
        }
        assert!(first.size >= 14, "Linux ends a device that sends {} bytes", first.size);
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
        Some(FromGuest { frame, flags: first.flags, segmentation, slots: requests.len(), queue: 0 })
    }

    /// Gives the guest what it has posted buffers for.
    pub(super) fn give_frames(&mut self, peer: &Peer, frames: &mut VecDeque<ToGuest>) {
        while let Some(frame) = frames.front() {
            let needed = frame.frame.len().div_ceil(frame.slot_len).max(1) + frame.extras.len();
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
            self.notify_rx();
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
            flags |= if index == 0 && !frame.extras.is_empty() { RXF_EXTRA_INFO } else { 0 };
            let status = frame.error.unwrap_or(bytes.len() as i16);
            let response = RxResponse { id: request.id, offset: frame.offset as u16, flags, status };
            self.rx.push(response).expect("a response per request");
            for (number, extra) in frame.extras.iter().enumerate().filter(|_| index == 0) {
                self.spare.pop_front().expect("counted");
                let more = if number + 1 < frame.extras.len() { EXTRA_FLAG_MORE } else { 0 };
                let extra = ExtraInfo { flags: extra.flags | more, ..*extra };
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
