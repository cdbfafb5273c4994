//! What becomes of a frame behind the back end, worked out plainly: long segments divided, checksums completed, as Linux does it.
//! What comes out is judged by smoltcp's parsers.

use smoltcp::wire::{Ipv4Packet, Ipv6Packet, TcpPacket, UdpPacket};
use xen_sys::io::netif::{GSO_TYPE_TCPV4, GSO_TYPE_TCPV6, TXF_CSUM_BLANK};

use crate::fake::FromGuest;

/// Header bytes of the frames made here: Ethernet, IP, TCP without options.
pub fn header_len(six: bool) -> usize {
    if six { 14 + 40 + 20 } else { 14 + 20 + 20 }
}

/// A TCP (6) or UDP (17) frame as the stack hands it over: its transport checksum is not filled in.
pub fn frame(six: bool, protocol: u8, ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
    let transport = if protocol == 6 { 20 } else { 8 };
    let len = transport + payload.len();
    let mut frame = vec![0x02, 0, 0, 0, 0, 2, 0x02, 0, 0, 0, 0, 1];
    if six {
        frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
        frame.extend((len as u16).to_be_bytes());
        frame.extend([protocol, 64]);
        frame.extend([0xfd; 16]);
        frame.extend([0xfc; 16]);
    } else {
        frame.extend([8, 0, 0x45, 0]);
        frame.extend((len as u16 + 20).to_be_bytes());
        frame.extend([0x12, 0x34, 0x40, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        let sum = complement(&frame[14..34]);
        frame[24..26].copy_from_slice(&sum.to_be_bytes());
    }
    frame.extend(ports.0.to_be_bytes());
    frame.extend(ports.1.to_be_bytes());
    if protocol == 6 {
        // Sequence number near its wrap; PSH, ACK and FIN.
        frame.extend([0xff, 0xff, 0xf0, 0, 0, 0, 0, 9, 0x50, 0x19, 0x20, 0, 0, 0, 0, 0]);
    } else {
        frame.extend((len as u16).to_be_bytes());
        frame.extend([0, 0]);
    }
    frame.extend(payload);
    frame
}

/// The frames that leave a network card for what the guest has sent.
pub fn on_the_wire(sent: &FromGuest) -> Vec<Vec<u8>> {
    let frame = &sent.frame;
    let six = frame[12..14] == [0x86, 0xdd];
    let Some((size, kind)) = sent.segmentation else {
        return vec![complete(frame.clone(), sent.flags)];
    };
    assert_eq!(kind, if six { GSO_TYPE_TCPV6 } else { GSO_TYPE_TCPV4 });
    let header = header_len(six);
    let pieces = frame[header..].chunks(size.into()).count();
    let divided = frame[header..].chunks(size.into()).enumerate().map(|(number, payload)| {
        let mut piece = frame[..header].to_vec();
        piece.extend(payload);
        let lost = frame.len() - piece.len();
        let len_at = if six { 18 } else { 16 };
        let len = be16(&piece, len_at) - lost as u16;
        piece[len_at..len_at + 2].copy_from_slice(&len.to_be_bytes());
        let tcp = header - 20;
        if !six {
            let ident = be16(&piece, 18).wrapping_add(number as u16);
            piece[18..20].copy_from_slice(&ident.to_be_bytes());
            piece[24..26].fill(0);
            let sum = complement(&piece[14..34]);
            piece[24..26].copy_from_slice(&sum.to_be_bytes());
        }
        let sequence = u32::from_be_bytes(piece[tcp + 4..tcp + 8].try_into().expect("four bytes"));
        let sequence = sequence.wrapping_add((number * usize::from(size)) as u32);
        piece[tcp + 4..tcp + 8].copy_from_slice(&sequence.to_be_bytes());
        if number + 1 < pieces {
            // FIN and PSH belong to the last byte.
            piece[tcp + 13] &= !0x09;
        }
        // The sum of the pseudo-header that stands there counts the length of the whole.
        let partial = ones(u32::from(be16(&piece, tcp + 16)) + u32::from(!(lost as u16)));
        piece[tcp + 16..tcp + 18].copy_from_slice(&partial.to_be_bytes());
        complete(piece, sent.flags)
    });
    divided.collect()
}

/// The payload of a frame; all its checksums and lengths have to be right.
pub fn judged(frame: &[u8]) -> Vec<u8> {
    let (source, target, protocol, packet) = if frame[12..14] == [0x86, 0xdd] {
        let packet = Ipv6Packet::new_checked(&frame[14..]).expect("an IPv6 packet");
        (packet.src_addr().into(), packet.dst_addr().into(), packet.next_header(), packet.payload().to_vec())
    } else {
        let packet = Ipv4Packet::new_checked(&frame[14..]).expect("an IPv4 packet");
        assert!(packet.verify_checksum(), "the header's checksum");
        (packet.src_addr().into(), packet.dst_addr().into(), packet.next_header(), packet.payload().to_vec())
    };
    if u8::from(protocol) == 6 {
        let segment = TcpPacket::new_checked(&packet[..]).expect("a segment");
        assert!(segment.verify_checksum(&source, &target), "TCP's checksum");
        segment.payload().to_vec()
    } else {
        let datagram = UdpPacket::new_checked(&packet[..]).expect("a datagram");
        assert!(datagram.verify_checksum(&source, &target), "UDP's checksum");
        datagram.payload().to_vec()
    }
}

/// A network card that was told where the checksum goes adds up what stands from there on, the field included.
fn complete(mut frame: Vec<u8>, flags: u16) -> Vec<u8> {
    if flags & TXF_CSUM_BLANK != 0 {
        let six = frame[12..14] == [0x86, 0xdd];
        let start = header_len(six) - 20;
        let protocol = frame[if six { 20 } else { 23 }];
        let field = start + if protocol == 6 { 16 } else { 6 };
        let sum = complement(&frame[start..]);
        let sum = if sum == 0 && protocol == 17 { 0xffff } else { sum };
        frame[field..field + 2].copy_from_slice(&sum.to_be_bytes());
    }
    frame
}

fn be16(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

fn ones(sum: u32) -> u16 {
    let sum = (sum & 0xffff) + (sum >> 16);
    ((sum & 0xffff) + (sum >> 16)) as u16
}

/// The internet checksum, two bytes at a time.
fn complement(bytes: &[u8]) -> u16 {
    let word = |pair: &[u8]| u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u32::from(*low));
    !bytes.chunks(2).fold(0, |sum, pair| ones(u32::from(sum) + word(pair)))
}
