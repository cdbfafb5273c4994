use super::frames::{answer, ask, tcp, udp};
use super::*;
use counters::Reason;

const V4: (&str, &str) = ("10.1.0.2", "10.2.0.2");
const V6: (&str, &str) = ("fd00:1::2", "fd00:2::2");

#[test]
fn a_packet_goes_on_with_new_hardware_addresses_and_a_hop_less() {
    for (src, dst) in [V4, V6] {
        let mut net = Net::new(PLAIN);
        for datagram in [udp(src, dst, (5000, 53)), tcp(src, dst, (5001, 80), 2), ask(src, dst, 77)] {
            let (output, seen) = net.pass(0, &datagram).expect("it goes on");
            assert_eq!((output, seen.from, seen.to), (1, ROUTER[1], HOST[1]));
            assert_eq!((seen.src, seen.dst, seen.ttl), (datagram.src, datagram.dst, 63));
            assert_eq!(seen.payload, datagram.payload);
        }
        assert_eq!(net.router.counters().forwarded.packets, 3);
        assert_eq!((net.router.interface(0).received.packets, net.router.interface(1).sent.packets), (3, 3));
    }
}

#[test]
fn padding_behind_a_packet_is_not_sent_on() {
    let mut net = Net::new(PLAIN);
    let mut frame = udp(V4.0, V4.1, (1, 2)).with_len(1).frame(HOST[0], ROUTER[0]);
    let len = frame.len();
    frame.resize(60, 0xee);
    let sent = net.give(0, &frame);
    assert_eq!(sent[0].1.len(), len);
}

#[test]
fn the_most_special_route_leads() {
    let text = alloc::format!("{PLAIN}route 0.0.0.0/0 via 10.2.0.2\nroute 192.168.0.0/16 via 10.1.0.2\n");
    let mut net = Net::new(&text);
    let (output, seen) = net.pass(0, &udp("10.1.0.2", "8.8.8.8", (1, 2))).expect("it goes on");
    assert_eq!((output, seen.to), (1, HOST[1]));
    let (output, seen) = net.pass(1, &udp("10.2.0.2", "192.168.7.7", (1, 2))).expect("it goes on");
    assert_eq!((output, seen.to), (0, HOST[0]));
}

#[test]
fn a_packet_that_has_come_too_far_is_answered_with_time_exceeded() {
    for ((src, dst), own, code) in [(V4, "10.1.0.1", (11, 0)), (V6, "fd00:1::1", (3, 0))] {
        let mut net = Net::new(PLAIN);
        let datagram = udp(src, dst, (40_000, 33_434)).with_ttl(1);
        let (output, seen) = net.pass(0, &datagram).expect("an error");
        assert_eq!((output, seen.to, seen.icmp), (0, HOST[0], code));
        assert_eq!(seen.ends(), (own.parse().unwrap(), datagram.src));
        let original = datagram.frame(HOST[0], ROUTER[0]);
        assert_eq!(seen.payload, original[14..], "the packet that it is about");
        assert_eq!(net.drops(Reason::TtlExceeded), 1);
        assert_eq!(net.router.flows().len(), 0);
    }
}

#[test]
fn a_packet_too_long_for_the_next_link_is_answered_with_its_mtu() {
    let text = PLAIN.replace("fd00:2::1/64", "fd00:2::1/64 mtu 1300");
    for ((src, dst), code) in [(V4, (3, 4)), (V6, (2, 0))] {
        let mut net = Net::new(&text);
        let datagram = udp(src, dst, (1, 2)).with_len(1400);
        let (output, seen) = net.pass(0, &datagram).expect("an error");
        assert_eq!((output, seen.icmp, seen.ports), (0, code, (0, 1300)));
        let fits = 1300 - if src == V4.0 { 28 } else { 48 };
        let (output, _) = net.pass(0, &udp(src, dst, (1, 2)).with_len(fits)).expect("it goes on");
        assert_eq!(output, 1);
    }
}

#[test]
fn errors_are_not_sent_about_errors_groups_or_too_many() {
    let mut net = Net::new(PLAIN);
    let expired = net.pass(0, &udp(V4.0, V4.1, (1, 2)).with_ttl(1)).expect("an error").1;
    assert_eq!(expired.icmp, (11, 0));
    let mut frames = 0;
    for port in 0..1000 {
        frames += usize::from(net.pass(0, &udp(V4.0, V4.1, (port, 2)).with_ttl(1)).is_some());
    }
    assert_eq!(frames, 49, "a burst is 50");
    net.now += SECOND / 10;
    let later =
        (0..100).filter(|port| net.pass(0, &udp(V4.0, V4.1, (*port, 2)).with_ttl(1)).is_some()).count();
    assert_eq!(later, 20, "and then 200 a second");
    assert!(net.router.counters().errors_held_back > 900);
}

#[test]
fn a_long_segment_goes_on_whole_if_its_pieces_fit() {
    for (src, dst) in [V4, V6] {
        let mut net = Net::new(PLAIN);
        assert!(net.pass(0, &tcp(src, dst, (9, 80), 2)).is_some());
        let header = if src == V4.0 { 40 } else { 60 };
        let mut segment = tcp(src, dst, (9, 80), 16);
        segment.payload = alloc::vec![7; 30_000];
        let frame = segment.frame(HOST[0], ROUTER[0]);
        let sent = net.give_segment(0, &frame, Some(1500 - header));
        assert_eq!((sent[0].0, sent[0].1.len(), sent[0].2), (1, frame.len(), Some(1500 - header)));
        let sent = net.give_segment(0, &frame, Some(1500 - header + 1));
        assert_eq!(sent[0].0, 0, "an error about pieces that are too long");
        // A device that does not divide gets none.
        net.router.set_link(1, Link { mac: ROUTER[1], mtu: 1500, divides_v4: false, divides_v6: false });
        assert!(net.give_segment(0, &frame, Some(1440)).is_empty());
    }
}

#[test]
fn what_has_no_route_or_a_false_sender_goes_nowhere() {
    let mut net = Net::new(PLAIN);
    assert_eq!(net.pass(0, &udp(V4.0, "9.9.9.9", (1, 2))).expect("an error").1.icmp, (3, 0));
    assert_eq!(net.pass(0, &udp(V6.0, "fd00:9::9", (1, 2))).expect("an error").1.icmp, (1, 0));
    assert_eq!(net.drops(Reason::NoRoute), 2);
    for src in ["127.0.0.1", "10.1.0.1", "224.0.0.5", "0.0.0.0", "255.255.255.255"] {
        assert_eq!(net.pass(0, &udp(src, V4.1, (1, 2))), None, "from {src}");
    }
    for src in ["::1", "fe80::5", "ff02::1", "::"] {
        assert_eq!(net.pass(0, &udp(src, V6.1, (1, 2))), None, "from {src}");
    }
    assert_eq!(net.drops(Reason::Martian), 9);
    for dst in ["10.2.0.255", "10.2.0.0", "224.0.0.1", "255.255.255.255"] {
        assert_eq!(net.pass(0, &udp(V4.0, dst, (1, 2))), None, "to {dst}");
    }
    assert_eq!(net.drops(Reason::Multicast), 4);
}

#[test]
fn the_router_answers_pings_and_has_no_services() {
    for ((src, _), own, closed) in [(V4, "10.2.0.1", (3, 3)), (V6, "fd00:2::1", (1, 4))] {
        let mut net = Net::new(PLAIN);
        let (output, seen) = net.pass(0, &ask(src, own, 99)).expect("an answer");
        assert_eq!((output, seen.to, seen.ttl), (0, HOST[0], 64));
        assert_eq!((seen.ends(), seen.ports.0), ((own.parse().unwrap(), src.parse().unwrap()), 99));
        assert!(matches!(seen.icmp, (0 | 129, 0)));
        assert_eq!(seen.payload, ask(src, own, 99).payload);
        assert_eq!(net.pass(0, &udp(src, own, (9, 53))).expect("an error").1.icmp, closed);
        assert_eq!(net.pass(0, &tcp(src, own, (9, 80), 2)).expect("an error").1.icmp, closed);
        assert_eq!(net.pass(0, &tcp(src, own, (9, 80), 4)), None);
        assert_eq!(net.pass(0, &answer(src, own, 9)), None);
    }
}

#[test]
fn a_device_without_room_drops_and_counts() {
    let mut net = Net::new(PLAIN);
    net.sent.full[1] = true;
    assert_eq!(net.pass(0, &udp(V4.0, V4.1, (1, 2))), None);
    assert_eq!(net.drops(Reason::NoRoom), 1);
    net.sent.full[1] = false;
    assert!(net.pass(0, &udp(V4.0, V4.1, (1, 2))).is_some());
}
