//! Frames made and read by smoltcp, checksums included.

use alloc::vec;
use alloc::vec::Vec;
use core::net::IpAddr;

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    EthernetAddress, EthernetFrame, EthernetProtocol, Icmpv4Packet, Icmpv6Packet, IpAddress, IpProtocol,
    Ipv4Packet, Ipv6Packet, TcpPacket, UdpPacket,
};

use super::super::address::Mac;

/// What a datagram carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Carries {
    Tcp(u8),
    Udp,
    Ask,
    Answer,
}

/// A datagram to be made.
#[derive(Clone, Debug)]
pub struct Datagram {
    pub carries: Carries,
    pub src: IpAddr,
    pub dst: IpAddr,
    pub ports: (u16, u16),
    pub ttl: u8,
    pub payload: Vec<u8>,
    pub whole_only: bool,
}

pub fn udp(src: &str, dst: &str, ports: (u16, u16)) -> Datagram {
    Datagram {
        carries: Carries::Udp,
        src: src.parse().unwrap(),
        dst: dst.parse().unwrap(),
        ports,
        ttl: 64,
        payload: b"payload of an odd length".to_vec(),
        whole_only: true,
    }
}

pub fn tcp(src: &str, dst: &str, ports: (u16, u16), flags: u8) -> Datagram {
    Datagram { carries: Carries::Tcp(flags), payload: Vec::new(), ..udp(src, dst, ports) }
}

pub fn ask(src: &str, dst: &str, ident: u16) -> Datagram {
    Datagram { carries: Carries::Ask, ..udp(src, dst, (ident, 0)) }
}

pub fn answer(src: &str, dst: &str, ident: u16) -> Datagram {
    Datagram { carries: Carries::Answer, ..udp(src, dst, (ident, 0)) }
}

fn smol(ip: IpAddr) -> IpAddress {
    ip.into()
}

impl Datagram {
    pub fn with_ttl(self, ttl: u8) -> Self {
        Self { ttl, ..self }
    }

    pub fn with_len(self, len: usize) -> Self {
        Self { payload: (0..len).map(|at| at as u8).collect(), ..self }
    }

    fn segment(&self) -> (IpProtocol, Vec<u8>) {
        let (src, dst) = (smol(self.src), smol(self.dst));
        let v4 = self.src.is_ipv4();
        match self.carries {
            Carries::Tcp(flags) => {
                let mut bytes = vec![0; 20 + self.payload.len()];
                bytes[20..].copy_from_slice(&self.payload);
                let mut packet = TcpPacket::new_unchecked(&mut bytes);
                packet.set_src_port(self.ports.0);
                packet.set_dst_port(self.ports.1);
                packet.set_header_len(20);
                packet.set_syn(flags & 2 != 0);
                packet.set_ack(flags & 16 != 0);
                packet.set_rst(flags & 4 != 0);
                packet.set_fin(flags & 1 != 0);
                packet.fill_checksum(&src, &dst);
                (IpProtocol::Tcp, bytes)
            }
            Carries::Udp => {
                let mut bytes = vec![0; 8 + self.payload.len()];
                bytes[8..].copy_from_slice(&self.payload);
                let len = bytes.len() as u16;
                let mut packet = UdpPacket::new_unchecked(&mut bytes);
                packet.set_src_port(self.ports.0);
                packet.set_dst_port(self.ports.1);
                packet.set_len(len);
                packet.fill_checksum(&src, &dst);
                (IpProtocol::Udp, bytes)
            }
            Carries::Ask | Carries::Answer => {
                let mut bytes = vec![0; 8 + self.payload.len()];
                bytes[8..].copy_from_slice(&self.payload);
                bytes[4..6].copy_from_slice(&self.ports.0.to_be_bytes());
                let asks = self.carries == Carries::Ask;
                bytes[0] = match (v4, asks) {
                    (true, true) => 8,
                    (true, false) => 0,
                    (false, true) => 128,
                    (false, false) => 129,
                };
                match (self.src, self.dst) {
                    (IpAddr::V6(src), IpAddr::V6(dst)) => {
                        Icmpv6Packet::new_unchecked(&mut bytes).fill_checksum(&src, &dst);
                        (IpProtocol::Icmpv6, bytes)
                    }
                    _ => {
                        Icmpv4Packet::new_unchecked(&mut bytes).fill_checksum();
                        (IpProtocol::Icmp, bytes)
                    }
                }
            }
        }
    }

    /// The frame, from and to these hardware addresses.
    pub fn frame(&self, from: Mac, to: Mac) -> Vec<u8> {
        let (protocol, segment) = self.segment();
        let header = if self.src.is_ipv4() { 20 } else { 40 };
        let mut bytes = vec![0; 14 + header + segment.len()];
        let mut ethernet = EthernetFrame::new_unchecked(&mut bytes);
        ethernet.set_src_addr(EthernetAddress(from));
        ethernet.set_dst_addr(EthernetAddress(to));
        let len = (header + segment.len()) as u16;
        match (self.src, self.dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                ethernet.set_ethertype(EthernetProtocol::Ipv4);
                let mut packet = Ipv4Packet::new_unchecked(ethernet.payload_mut());
                packet.set_version(4);
                packet.set_header_len(20);
                packet.set_total_len(len);
                packet.set_dont_frag(self.whole_only);
                packet.set_hop_limit(self.ttl);
                packet.set_next_header(protocol);
                packet.set_src_addr(src);
                packet.set_dst_addr(dst);
                packet.fill_checksum();
            }
            (IpAddr::V6(src), IpAddr::V6(dst)) => {
                ethernet.set_ethertype(EthernetProtocol::Ipv6);
                let mut packet = Ipv6Packet::new_unchecked(ethernet.payload_mut());
                packet.set_version(6);
                packet.set_payload_len(segment.len() as u16);
                packet.set_hop_limit(self.ttl);
                packet.set_next_header(protocol);
                packet.set_src_addr(src);
                packet.set_dst_addr(dst);
            }
            _ => panic!("two versions"),
        }
        bytes[14 + header..].copy_from_slice(&segment);
        bytes
    }
}

/// A frame as its receiver reads it; every checksum was right.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seen {
    pub from: Mac,
    pub to: Mac,
    pub src: IpAddr,
    pub dst: IpAddr,
    pub ttl: u8,
    pub protocol: IpProtocol,
    pub ports: (u16, u16),
    /// ICMP: type and code.
    pub icmp: (u8, u8),
    pub payload: Vec<u8>,
}

impl Seen {
    pub fn read(frame: &[u8]) -> Self {
        let ethernet = EthernetFrame::new_checked(frame).expect("a frame");
        let (from, to) = (ethernet.src_addr().0, ethernet.dst_addr().0);
        let (src, dst, ttl, protocol, segment) = match ethernet.ethertype() {
            EthernetProtocol::Ipv4 => {
                let packet = Ipv4Packet::new_checked(ethernet.payload()).expect("an IPv4 packet");
                assert!(packet.verify_checksum(), "the IPv4 header's checksum is wrong");
                let ends = (IpAddr::V4(packet.src_addr()), IpAddr::V4(packet.dst_addr()));
                let payload = packet.payload().to_vec();
                (ends.0, ends.1, packet.hop_limit(), packet.next_header(), payload)
            }
            EthernetProtocol::Ipv6 => {
                let packet = Ipv6Packet::new_checked(ethernet.payload()).expect("an IPv6 packet");
                let ends = (IpAddr::V6(packet.src_addr()), IpAddr::V6(packet.dst_addr()));
                (ends.0, ends.1, packet.hop_limit(), packet.next_header(), packet.payload().to_vec())
            }
            other => panic!("a frame with {other}"),
        };
        let (from_ip, to_ip) = (smol(src), smol(dst));
        let mut seen =
            Self { from, to, src, dst, ttl, protocol, ports: (0, 0), icmp: (0, 0), payload: Vec::new() };
        let _ = ChecksumCapabilities::default();
        match protocol {
            IpProtocol::Tcp => {
                let packet = TcpPacket::new_checked(&segment).expect("a TCP segment");
                assert!(packet.verify_checksum(&from_ip, &to_ip), "TCP's checksum is wrong");
                seen.ports = (packet.src_port(), packet.dst_port());
                seen.payload = packet.payload().to_vec();
            }
            IpProtocol::Udp => {
                let packet = UdpPacket::new_checked(&segment).expect("a UDP datagram");
                assert!(packet.verify_checksum(&from_ip, &to_ip), "UDP's checksum is wrong");
                seen.ports = (packet.src_port(), packet.dst_port());
                seen.payload = packet.payload().to_vec();
            }
            IpProtocol::Icmp => {
                let packet = Icmpv4Packet::new_checked(&segment).expect("an ICMP message");
                assert!(packet.verify_checksum(), "ICMP's checksum is wrong");
                seen.icmp(&segment);
            }
            IpProtocol::Icmpv6 => {
                let (IpAddr::V6(src), IpAddr::V6(dst)) = (src, dst) else { panic!("ICMPv6 over IPv4") };
                let packet = Icmpv6Packet::new_checked(&segment).expect("an ICMPv6 message");
                assert!(packet.verify_checksum(&src, &dst), "ICMPv6's checksum is wrong");
                seen.icmp(&segment);
            }
            _ => seen.payload = segment,
        }
        seen
    }

    fn icmp(&mut self, segment: &[u8]) {
        self.icmp = (segment[0], segment[1]);
        self.ports.0 = u16::from_be_bytes([segment[4], segment[5]]);
        self.ports.1 = u16::from_be_bytes([segment[6], segment[7]]);
        self.payload = segment[8..].to_vec();
    }

    pub fn ends(&self) -> (IpAddr, IpAddr) {
        (self.src, self.dst)
    }
}
