//! Hardware addresses: asking, answering, waiting.

use super::super::answers;
use super::frames::{Seen, udp};
use super::*;
use counters::Reason;
use smoltcp::wire::{ArpOperation, ArpPacket, EthernetFrame, Icmpv6Packet, NdiscRepr};

const V4: (&str, &str) = ("10.1.0.2", "10.2.0.2");
const V6: (&str, &str) = ("fd00:1::2", "fd00:2::2");

fn arp_of(frame: &[u8]) -> (Mac, ArpOperation, Vec<u8>, Vec<u8>) {
    let ethernet = EthernetFrame::new_checked(frame).unwrap();
    let arp = ArpPacket::new_checked(ethernet.payload()).expect("an ARP packet");
    let ends = (arp.source_protocol_addr().to_vec(), arp.target_protocol_addr().to_vec());
    (ethernet.dst_addr().0, arp.operation(), ends.0, ends.1)
}

fn answer_of(interface: usize, from: &str) -> Vec<u8> {
    let end = answers::End { mac: HOST[interface], ip: addr(from) };
    let mut frame =
        alloc::vec![0; if from.contains(':') { answers::NEIGHBOUR_LEN } else { answers::ARP_LEN }];
    if from.contains(':') {
        answers::advertise(&mut frame, end, addr("fd00:2::1"), ROUTER[interface]);
    } else {
        answers::arp(&mut frame, end, addr("10.2.0.1"), Some(ROUTER[interface]));
    }
    frame
}

#[test]
fn a_packet_waits_until_the_next_machine_is_known() {
    for (src, dst) in [V4, V6] {
        let mut net = Net::with_strangers(PLAIN);
        for port in 0..6 {
            let sent = net.give(0, &udp(src, dst, (port, 2)).frame(HOST[0], ROUTER[0]));
            assert_eq!(sent.len(), usize::from(port == 0), "one question is enough");
            for (output, question) in sent {
                assert_eq!(output, 1);
                if src == V4.0 {
                    let expected = (
                        [0xff; 6],
                        ArpOperation::Request,
                        alloc::vec![10, 2, 0, 1],
                        alloc::vec![10, 2, 0, 2],
                    );
                    assert_eq!(arp_of(&question), expected);
                } else {
                    let seen = Seen::read(&question);
                    assert_eq!((seen.icmp, seen.ttl, seen.to), ((135, 0), 255, [0x33, 0x33, 0xff, 0, 0, 2]));
                    assert_eq!(seen.dst, "ff02::1:ff00:2".parse::<core::net::IpAddr>().unwrap());
                }
            }
        }
        assert_eq!(net.drops(Reason::NoNeighbour), 2, "four may wait");
        assert!(net.give(1, &answer_of(1, dst)).is_empty());
        let sent = net.poll();
        assert_eq!(sent.len(), 4);
        for ((output, frame), port) in sent.iter().zip(0..) {
            let seen = Seen::read(frame);
            assert_eq!((*output, seen.to, seen.ports, seen.ttl), (1, HOST[1], (port, 2), 63));
        }
        assert!(net.poll().is_empty());
        assert_eq!(net.router.counters().connections, 6);
    }
}

#[test]
fn a_machine_that_does_not_answer_is_reported_as_unreachable() {
    for ((src, dst), code) in [(V4, (3, 1)), (V6, (1, 3))] {
        let mut net = Net::with_strangers(PLAIN);
        net.router.neighbours.learn(0, addr(src), HOST[0], true, net.now);
        let mut questions = net.give(0, &udp(src, dst, (1, 2)).frame(HOST[0], ROUTER[0])).len();
        let mut errors = Vec::new();
        for _ in 0..50 {
            net.now += SECOND / 10;
            for (output, frame) in net.poll() {
                match output {
                    0 => errors.push(Seen::read(&frame).icmp),
                    _ => questions += 1,
                }
            }
        }
        assert_eq!((questions, errors.len()), (3, 1));
        assert_eq!(errors[0], code);
        assert_eq!(net.drops(Reason::Unreachable), 1);
    }
}

#[test]
fn the_router_says_who_it_is() {
    let mut net = Net::with_strangers(PLAIN);
    let asker = answers::End { mac: HOST[0], ip: addr("10.1.0.2") };
    let mut frame = alloc::vec![0; answers::ARP_LEN];
    answers::arp(&mut frame, asker, addr("10.1.0.1"), None);
    let sent = net.give(0, &frame);
    let expected = (HOST[0], ArpOperation::Reply, alloc::vec![10, 1, 0, 1], alloc::vec![10, 1, 0, 2]);
    assert_eq!((sent.len(), arp_of(&sent[0].1)), (1, expected));
    // Who asks is known from then on.
    assert_eq!(net.router.neighbours().len(), 1);
    answers::arp(&mut frame, asker, addr("10.1.0.9"), None);
    assert!(net.give(0, &frame).is_empty());

    let asker = answers::End { mac: HOST[0], ip: addr("fd00:1::2") };
    let mut frame = alloc::vec![0; answers::NEIGHBOUR_LEN];
    for target in [addr("fd00:1::1"), Addr::link_local(ROUTER[0])] {
        answers::solicit(&mut frame, asker, target, None);
        let sent = net.give(0, &frame);
        let seen = Seen::read(&sent[0].1);
        assert_eq!((seen.icmp, seen.ttl, seen.src, seen.to), ((136, 0), 255, target.ip(), HOST[0]));
    }
    answers::solicit(&mut frame, asker, addr("fd00:2::1"), None);
    assert!(net.give(0, &frame).is_empty(), "an address of the other side");
    // A wrong checksum, or hops between.
    answers::solicit(&mut frame, asker, addr("fd00:1::1"), None);
    frame[60] ^= 1;
    assert!(net.give(0, &frame).is_empty());
    assert_eq!(net.drops(Reason::Malformed), 1);
}

#[test]
fn hosts_are_told_of_the_network_and_when_they_ask() {
    let text = PLAIN.replace("fd00:1::1/64", "fd00:1::1/64 advertise mtu 1400");
    let mut net = Net::with_strangers(&text);
    let announced = |sent: Vec<(usize, Vec<u8>)>| {
        assert_eq!((sent.len(), sent[0].0), (1, 0));
        let seen = Seen::read(&sent[0].1);
        assert_eq!((seen.to, seen.ttl, seen.icmp), ([0x33, 0x33, 0, 0, 0, 1], 255, (134, 0)));
        let packet = Icmpv6Packet::new_checked(&sent[0].1[54..]).unwrap();
        let NdiscRepr::RouterAdvert { mtu, prefix_info, lladdr, router_lifetime, .. } =
            NdiscRepr::parse(&packet).unwrap()
        else {
            panic!("no router advertisement");
        };
        let prefix = prefix_info.expect("a prefix");
        assert_eq!(
            (mtu, prefix.prefix_len, prefix.prefix.to_string()),
            (Some(1400), 64, "fd00:1::".to_string())
        );
        assert!(lladdr.is_some() && router_lifetime.secs() == 1800);
    };
    announced(net.poll());
    assert!(net.poll().is_empty());
    let mut ask = super::frames::ask("fe80::5", "ff02::2", 0).frame(HOST[0], [0x33, 0x33, 0, 0, 0, 2]);
    ask[21] = 255;
    ask[54..58].fill(0);
    ask[54] = 133;
    let (src, dst) = ("fe80::5".parse().unwrap(), "ff02::2".parse().unwrap());
    Icmpv6Packet::new_unchecked(&mut ask[54..]).fill_checksum(&src, &dst);
    assert!(net.give(0, &ask).is_empty());
    announced(net.poll());
    net.now += 61 * SECOND;
    announced(net.poll());
}

#[test]
fn asking_for_machines_that_do_not_exist_puts_out_few_that_do() {
    let mut net = Net::new(PLAIN);
    for host in 10..50 {
        net.router.neighbours.learn(1, addr(&alloc::format!("fd00:2::{host}")), HOST[1], true, net.now);
    }
    let known = net.router.neighbours().len();
    for host in 0..if cfg!(miri) { 100 } else { 5_000u32 } {
        net.now += SECOND / 1000;
        net.give(0, &udp(V6.0, &alloc::format!("fd00:2::ffff:{host:x}"), (1, 2)).frame(HOST[0], ROUTER[0]));
    }
    // Each of 64 sets may lose one.
    assert!(
        net.router.neighbours().len() + 12 >= known,
        "{} of {known} are left",
        net.router.neighbours().len()
    );
}
