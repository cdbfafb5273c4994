//! smoltcp on top, and two guests on one wire.

use core::net::{Ipv4Addr, Ipv6Addr};

use smoltcp::iface::{Config as InterfaceConfig, Interface, SocketHandle, SocketSet};
use smoltcp::phy;
use smoltcp::socket::{tcp, udp};
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr, Ipv4Packet, TcpPacket};
use xen::{Clock, DomId};
use xen_sys::io::netif::{RXF_CSUM_BLANK, RXF_DATA_VALIDATED, TXF_CSUM_BLANK, TXF_DATA_VALIDATED};

use super::*;
use crate::checksum::{Verdict, verify};
use crate::fake::ToGuest;

/// Time between two polls.
const STEP_NS: u64 = 20_000_000;

struct Guest {
    front: Front,
    back: FakeNetback,
    interface: Interface,
    sockets: SocketSet<'static>,
}

/// The device as it shows itself to smoltcp's interface, which makes long segments over IPv6 and then drops them for want of
/// fragmentation. `net` has connections of its own.
struct Shy<'f>(&'f mut Front);

impl phy::Device for Shy<'_> {
    type RxToken<'a>
        = <Front as phy::Device>::RxToken<'a>
    where
        Self: 'a;
    type TxToken<'a>
        = <Front as phy::Device>::TxToken<'a>
    where
        Self: 'a;

    fn receive(&mut self, now: Instant) -> Option<(Self::RxToken<'_>, Self::TxToken<'_>)> {
        self.0.receive(now)
    }

    fn transmit(&mut self, now: Instant) -> Option<Self::TxToken<'_>> {
        self.0.transmit(now)
    }

    fn capabilities(&self) -> phy::DeviceCapabilities {
        let mut capabilities = self.0.capabilities();
        capabilities.segmentation.tcpv6 = None;
        capabilities
    }
}

impl Guest {
    /// Number `id` of this world; `keys` are the back end's.
    fn new(world: &World, id: u8, keys: &[(&str, &str)], config: Config) -> Self {
        let device = FakeDevice::new(world, "vif/0", 0, DomId::DOM0);
        let back = FakeNetback::new(world, &device);
        device.set_front("mac", &format!("00:16:3e:00:00:0{id}"));
        keys.iter().for_each(|(key, value)| device.set_back(key, value));
        let mut front = Front::connect(world, device, config).expect("the back end is willing");
        let mac = EthernetAddress(front.mac());
        let mut interface = Interface::new(InterfaceConfig::new(mac.into()), &mut Shy(&mut front), NOW);
        interface.update_ip_addrs(|addresses| {
            for address in [four(id), six(id)] {
                addresses.push(IpCidr::new(address, 24)).expect("room for two");
            }
        });
        Self { front, back, interface, sockets: SocketSet::new(Vec::new()) }
    }

    fn poll(&mut self, world: &World) {
        let now = Instant::from_micros((world.now_ns() / 1_000) as i64);
        self.interface.poll(now, &mut self.front, &mut self.sockets);
        self.front.flush();
    }

    fn add_tcp(&mut self) -> SocketHandle {
        let buffer = || tcp::SocketBuffer::new(vec![0; 200_000]);
        self.sockets.add(tcp::Socket::new(buffer(), buffer()))
    }

    fn add_udp(&mut self) -> SocketHandle {
        let buffer = || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 8], vec![0; 8192]);
        self.sockets.add(udp::Socket::new(buffer(), buffer()))
    }
}

fn four(id: u8) -> IpAddress {
    Ipv4Addr::new(10, 0, 0, id).into()
}

fn six(id: u8) -> IpAddress {
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, id.into()).into()
}

/// Back ends that complete all checksums, none, those of IPv4 only; and one that divides long segments.
const BACK_ENDS: [&[(&str, &str)]; 4] = [
    &[],
    &[("feature-no-csum-offload", "1"), ("feature-ipv6-csum-offload", "0")],
    &[("feature-ipv6-csum-offload", "0")],
    &[("feature-gso-tcpv4", "1"), ("feature-gso-tcpv6", "1")],
];

/// Sends `len` bytes from the first guest to the second, which sends them back.
fn echo_tcp(one: &mut Guest, two: &mut Guest, world: &World, target: IpAddress, len: usize) {
    let (client, server) = (one.add_tcp(), two.add_tcp());
    two.sockets.get_mut::<tcp::Socket>(server).listen(7).expect("a port");
    let socket = one.sockets.get_mut::<tcp::Socket>(client);
    socket.connect(one.interface.context(), (target, 7), 49_152).expect("an address");
    let data: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
    let (mut sent, mut got) = (0, Vec::new());
    for _ in 0..1_000 {
        world.advance_ns(STEP_NS);
        one.poll(world);
        world.run_peers();
        two.poll(world);
        world.run_peers();
        let socket = two.sockets.get_mut::<tcp::Socket>(server);
        if socket.can_recv() && socket.can_send() {
            let bytes = socket.recv(|bytes| (bytes.len(), bytes.to_vec())).expect("checked");
            assert_eq!(socket.send_slice(&bytes), Ok(bytes.len()), "the buffer holds all there is");
        }
        let socket = one.sockets.get_mut::<tcp::Socket>(client);
        if socket.can_send() && sent < len {
            sent += socket.send_slice(&data[sent..]).expect("checked");
        }
        if socket.can_recv() {
            socket.recv(|bytes| (bytes.len(), got.extend_from_slice(bytes))).expect("checked");
        }
        if got.len() == len {
            break;
        }
    }
    let (one_stats, two_stats) = (one.front.stats(), two.front.stats());
    assert!(
        got == data,
        "{} of {len} bytes came back from {target}: {one_stats:?}, {two_stats:?}",
        got.len()
    );
    one.sockets.remove(client);
    two.sockets.remove(server);
}

#[test]
fn tcp_and_udp_cross_the_wire_between_two_guests_whatever_their_back_ends_can() {
    let len = if cfg!(miri) { 3_000 } else { 150_000 };
    for first in BACK_ENDS {
        for second in BACK_ENDS.into_iter().filter(|second| !cfg!(miri) || first.len() > second.len()) {
            let world = World::new();
            let config = Config { rx_buffers: 64, tx_buffers: 64, rx_segments: true, ..config() };
            let mut one = Guest::new(&world, 1, first, config);
            let mut two = Guest::new(&world, 2, second, config);
            one.back.wire(&two.back);
            for target in [four(2), six(2)] {
                echo_tcp(&mut one, &mut two, &world, target, len);
                echo_udp(&mut one, &mut two, &world, target);
            }
            for guest in [&one, &two] {
                let rx = guest.front.stats().rx;
                assert_eq!((rx.bad_checksums, rx.errors, rx.runts, guest.front.error()), (0, 0, 0, None));
            }
        }
    }
}

fn echo_udp(one: &mut Guest, two: &mut Guest, world: &World, target: IpAddress) {
    let (client, server) = (one.add_udp(), two.add_udp());
    one.sockets.get_mut::<udp::Socket>(client).bind(5000).expect("a port");
    two.sockets.get_mut::<udp::Socket>(server).bind(7).expect("a port");
    for len in [0, 1, 2, 777, 1452] {
        let data = vec![len as u8; len];
        one.sockets.get_mut::<udp::Socket>(client).send_slice(&data, (target, 7)).expect("room");
        let mut back = None;
        for _ in 0..100 {
            world.advance_ns(STEP_NS);
            one.poll(world);
            world.run_peers();
            two.poll(world);
            world.run_peers();
            let socket = two.sockets.get_mut::<udp::Socket>(server);
            if let Ok((bytes, from)) = socket.recv() {
                let bytes = bytes.to_vec();
                socket.send_slice(&bytes, from.endpoint).expect("room");
            }
            if let Ok((bytes, _)) = one.sockets.get_mut::<udp::Socket>(client).recv() {
                back = Some(bytes.to_vec());
                break;
            }
        }
        assert_eq!(back, Some(data), "{len} bytes to {target}");
    }
    one.sockets.remove(client);
    two.sockets.remove(server);
}

/// The TCP and UDP frames that a guest sends over IPv4 and IPv6, as its back end sees them.
fn four_frames(keys: &[(&str, &str)]) -> Vec<crate::fake::FromGuest> {
    let world = World::new();
    let mut guest = Guest::new(&world, 1, keys, config());
    let mut other = Guest::new(&world, 2, &[], config());
    guest.back.wire(&other.back);
    let (client, ignored) = (guest.add_udp(), other.add_udp());
    other.sockets.get_mut::<udp::Socket>(ignored).bind(9).expect("a port");
    guest.sockets.get_mut::<udp::Socket>(client).bind(5000).expect("a port");
    for round in 0..40 {
        world.advance_ns(100_000_000);
        if round % 20 == 0 {
            // The first finds out who the neighbour is; the second goes nowhere and is looked at.
            for target in [four(2), six(2)] {
                guest.sockets.get_mut::<udp::Socket>(client).send_slice(b"hello", (target, 9)).expect("room");
            }
        }
        if round == 20 {
            guest.back.unwire();
            for target in [four(2), six(2)] {
                let handle = guest.add_tcp();
                let socket = guest.sockets.get_mut::<tcp::Socket>(handle);
                socket.connect(guest.interface.context(), (target, 80), 50_000).expect("an address");
            }
        }
        guest.poll(&world);
        world.run_peers();
        other.poll(&world);
        world.run_peers();
    }
    guest.back.take_sent()
}

#[test]
fn checksums_are_left_to_back_ends_that_complete_them_and_filled_in_for_others() {
    let blank = TXF_CSUM_BLANK | TXF_DATA_VALIDATED;
    for (keys, four, six) in [(BACK_ENDS[0], blank, blank), (BACK_ENDS[1], 0, 0), (BACK_ENDS[2], blank, 0)] {
        let sent = four_frames(keys);
        let of = |ethertype: [u8; 2], protocol_at: usize, protocol: u8| {
            let wanted = |frame: &[u8]| frame[12..14] == ethertype && frame[protocol_at] == protocol;
            sent.iter().find(|sent| wanted(&sent.frame)).expect("one of each was sent")
        };
        for protocol in [6, 17] {
            for (frame, flags) in [(of([8, 0], 23, protocol), four), (of([0x86, 0xdd], 20, protocol), six)] {
                assert_eq!(frame.flags, flags);
                assert_eq!(verify(&frame.frame) == Verdict::Good, flags == 0);
            }
        }
        let packet = Ipv4Packet::new_checked(&of([8, 0], 23, 6).frame[14..]).expect("a packet");
        assert!(packet.verify_checksum(), "the header's own checksum is always there");
    }
}

#[test]
fn received_checksums_are_verified_unless_the_back_end_vouches_for_them() {
    let world = World::new();
    let (mut front, back) = connected(&world, config());
    let mut frame = vec![0; 14 + 20 + 20 + 100];
    frame[12..14].copy_from_slice(&[8, 0]);
    frame[14..34].copy_from_slice(&[0x45, 0, 0, 140, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 2, 10, 0, 0, 1]);
    frame[46] = 0x50;
    for (right, flags, accepted) in [
        (true, 0, true),
        (false, 0, false),
        (false, RXF_CSUM_BLANK, true),
        (false, RXF_DATA_VALIDATED, true),
        (false, RXF_CSUM_BLANK | RXF_DATA_VALIDATED, true),
    ] {
        let mut segment = TcpPacket::new_unchecked(&mut frame[34..]);
        segment.fill_checksum(&Ipv4Addr::new(10, 0, 0, 2).into(), &Ipv4Addr::new(10, 0, 0, 1).into());
        frame[50] ^= u8::from(!right);
        back.send_as(ToGuest { flags, ..ToGuest::new(&frame) });
        world.run_peers();
        assert_eq!(receive(&mut front), accepted.then(|| frame.clone()), "{right} {flags}");
    }
    assert_eq!((front.stats().rx.bad_checksums, front.stats().rx.packets), (1, 4));
}

#[test]
fn long_segments_are_handed_to_a_back_end_that_divides_them() {
    let world = World::new();
    let config = Config { rx_buffers: 64, tx_buffers: 64, rx_segments: true, ..config() };
    let mut one = Guest::new(&world, 1, BACK_ENDS[3], config);
    let mut two = Guest::new(&world, 2, &[], config);
    one.back.wire(&two.back);
    echo_tcp(&mut one, &mut two, &world, four(2), 150_000);
    let (long, short) = (one.front.stats().tx, two.front.stats().tx);
    assert!(long.packets < short.packets, "{long:?} {short:?}");
    assert!(long.bytes / long.packets > 1514, "{long:?}");
    let (size, kind, len) = one.back.longest_segmentation().expect("there was one");
    assert!((1400..=1460).contains(&size) && kind == 1 && len > 10_000, "{len} bytes in pieces of {size}");
}
