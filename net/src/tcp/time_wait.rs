//! Connections that are over on both sides: the peer may still miss our last acknowledgement.
//!
//! A whole socket would hold its buffers for that, which a busy server cannot afford. One entry here is all that stays.
//! What the peer sends again is acknowledged from its own numbers: it knows ours, or it would not be done.

use alloc::collections::{BTreeMap, VecDeque};
use smoltcp::phy::{DeviceCapabilities, Medium, TxToken};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{EthernetFrame, IpProtocol, IpRepr, TcpControl, TcpPacket, TcpRepr, TcpSeqNumber};

use super::FlowKey;
use crate::frame::{self, Seen};

const STAY: Duration = Duration::from_secs(10);
/// The oldest go first when there are more.
const MOST: usize = 4096;

/// The connections in TIME-WAIT.
#[derive(Default)]
pub(crate) struct TimeWait {
    until: BTreeMap<FlowKey, Instant>,
    order: VecDeque<(Instant, FlowKey)>,
}

impl TimeWait {
    pub(crate) fn insert(&mut self, key: FlowKey, now: Instant) {
        self.purge(now);
        if self.order.len() >= MOST
            && let Some((at, oldest)) = self.order.pop_front()
            && self.until.get(&oldest) == Some(&at)
        {
            self.until.remove(&oldest);
        }
        self.until.insert(key, now + STAY);
        self.order.push_back((now + STAY, key));
    }

    pub(crate) fn contains(&mut self, key: &FlowKey, now: Instant) -> bool {
        if self.until.is_empty() {
            return false;
        }
        self.purge(now);
        self.until.contains_key(key)
    }

    pub(crate) fn remove(&mut self, key: &FlowKey) {
        self.until.remove(key);
    }

    pub(crate) fn len(&self) -> usize {
        self.until.len()
    }

    fn purge(&mut self, now: Instant) {
        while let Some((at, key)) = self.order.front().copied()
            && at <= now
        {
            self.order.pop_front();
            if self.until.get(&key) == Some(&at) {
                self.until.remove(&key);
            }
        }
    }
}

/// Answers a segment of a connection in TIME-WAIT with an acknowledgement.
pub(crate) fn acknowledge<T: TxToken>(received: &[u8], caps: &DeviceCapabilities, tx: T) {
    let Seen::Ip(ip) = frame::look(received, caps.medium) else { return };
    let Some(segment) = frame::look_tcp(ip.payload) else { return };
    if !segment.has_ack() {
        return;
    }
    let tcp = TcpRepr {
        src_port: segment.dst_port,
        dst_port: segment.src_port,
        control: TcpControl::None,
        seq_number: TcpSeqNumber(segment.ack as i32),
        ack_number: Some(TcpSeqNumber(segment.seq.wrapping_add(segment.len) as i32)),
        window_len: 0,
        window_scale: None,
        max_seg_size: None,
        sack_permitted: false,
        sack_ranges: [None, None, None],
        timestamp: None,
        payload: &[],
    };
    let repr = IpRepr::new(ip.dst, ip.src, IpProtocol::Tcp, tcp.buffer_len(), 64);
    let link_len = if caps.medium == Medium::Ethernet { EthernetFrame::<&[u8]>::header_len() } else { 0 };
    tx.consume(link_len + repr.buffer_len(), |out| {
        let (link, packet) = out.split_at_mut(link_len);
        if let (Some(to), Some(from), Some(kind)) =
            (received.get(6..12), received.get(..6), received.get(12..14))
            && !link.is_empty()
        {
            link[..6].copy_from_slice(to);
            link[6..12].copy_from_slice(from);
            link[12..].copy_from_slice(kind);
        }
        repr.emit(&mut *packet, &caps.checksum);
        let mut transport = TcpPacket::new_unchecked(&mut packet[repr.header_len()..]);
        tcp.emit(&mut transport, &ip.dst, &ip.src, &caps.checksum);
    });
}
