//! Segments that answer one without a connection: a refusal, an acknowledgement, a cookie.

use smoltcp::phy::{DeviceCapabilities, Medium, TxToken};
use smoltcp::wire::{
    EthernetFrame, IpAddress, IpProtocol, IpRepr, TcpControl, TcpPacket, TcpRepr, TcpSeqNumber,
};

/// A segment of nothing, from who received `segment` to who sent it.
pub(super) fn blank(segment: &TcpRepr<'_>) -> TcpRepr<'static> {
    TcpRepr {
        src_port: segment.dst_port,
        dst_port: segment.src_port,
        control: TcpControl::None,
        seq_number: TcpSeqNumber(0),
        ack_number: None,
        window_len: 0,
        window_scale: None,
        max_seg_size: None,
        sack_permitted: false,
        sack_ranges: [None, None, None],
        timestamp: None,
        payload: &[],
    }
}

/// What comes after a segment.
fn after(segment: &TcpRepr<'_>) -> TcpSeqNumber {
    segment.seq_number + segment.segment_len()
}

/// Tells the sender that there is no such connection (RFC 9293 section 3.5.2).
pub(super) fn refusal(segment: &TcpRepr<'_>) -> Option<TcpRepr<'static>> {
    if segment.control == TcpControl::Rst {
        return None;
    }
    let (seq_number, ack_number) = match segment.ack_number {
        Some(ack) => (ack, None),
        None => (TcpSeqNumber(0), Some(after(segment))),
    };
    Some(TcpRepr { control: TcpControl::Rst, seq_number, ack_number, ..blank(segment) })
}

/// Acknowledges what a peer sends again after the end: it knows our numbers, or it would not be done.
pub(super) fn acknowledgement(segment: &TcpRepr<'_>) -> Option<TcpRepr<'static>> {
    let seq_number = segment.ack_number?;
    Some(TcpRepr { seq_number, ack_number: Some(after(segment)), ..blank(segment) })
}

/// Sends a segment back to where the frame came from.
pub(super) fn send<T: TxToken>(
    frame: &[u8],
    (from, to): (IpAddress, IpAddress),
    tcp: &TcpRepr<'_>,
    caps: &DeviceCapabilities,
    tx: T,
) {
    let repr = IpRepr::new(from, to, IpProtocol::Tcp, tcp.buffer_len(), 64);
    let link_len = if caps.medium == Medium::Ethernet { EthernetFrame::<&[u8]>::header_len() } else { 0 };
    tx.consume(link_len + repr.buffer_len(), |out| {
        let (link, packet) = out.split_at_mut(link_len);
        if let (Some(to), Some(from), Some(kind)) = (frame.get(6..12), frame.get(..6), frame.get(12..14))
            && !link.is_empty()
        {
            link[..6].copy_from_slice(to);
            link[6..12].copy_from_slice(from);
            link[12..].copy_from_slice(kind);
        }
        repr.emit(&mut *packet, &caps.checksum);
        let mut transport = TcpPacket::new_unchecked(&mut packet[repr.header_len()..]);
        tcp.emit(&mut transport, &from, &to, &caps.checksum);
    });
}
