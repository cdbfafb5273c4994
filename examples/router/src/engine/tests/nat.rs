use super::frames::{Carries, Datagram, Seen, answer, ask, tcp, udp};
use super::*;
use counters::Reason;

const MASQUERADE: &str = "interface 0 10.1.0.1/24 fd00:1::1/64\ninterface 1 10.2.0.1/24 fd00:2::1/64\n\
    route 0.0.0.0/0 via 10.2.0.2\nmasquerade out 1\nmasquerade out 1 from fd00:1::/64\n\
    forward in 1 tcp port 8080 to 10.1.0.2 port 80\nforward in 1 udp port 53 to fd00:1::2\n\
    accept in 0 out 1\naccept in 1 tcp port 80\naccept in 1 udp port 53\n";

fn reversed(datagram: &Datagram, seen: &Seen) -> Datagram {
    let (src, dst) = (seen.dst, seen.src);
    match datagram.carries {
        Carries::Ask => {
            Datagram { carries: Carries::Answer, src, dst, ports: (seen.ports.0, 0), ..datagram.clone() }
        }
        Carries::Tcp(_) => Datagram {
            carries: Carries::Tcp(18),
            src,
            dst,
            ports: (seen.ports.1, seen.ports.0),
            ..datagram.clone()
        },
        _ => Datagram { src, dst, ports: (seen.ports.1, seen.ports.0), ..datagram.clone() },
    }
}

#[test]
fn the_outside_sees_the_router_and_answers_find_their_way_back() {
    for (src, dst, own) in [("10.1.0.2", "10.2.0.2", "10.2.0.1"), ("fd00:1::2", "fd00:2::2", "fd00:2::1")] {
        for datagram in [udp(src, dst, (5000, 5353)), tcp(src, dst, (5001, 80), 2), ask(src, dst, 77)] {
            let mut net = Net::new(MASQUERADE);
            let (output, out) = net.pass(0, &datagram).expect("it goes out");
            assert_eq!(
                (output, out.src, out.dst, out.ports.0),
                (1, own.parse().unwrap(), datagram.dst, datagram.ports.0)
            );
            let (input, back) = net.pass(1, &reversed(&datagram, &out)).expect("the answer comes back");
            assert_eq!((input, back.ends(), back.to), (0, (datagram.dst, datagram.src), HOST[0]));
            assert_eq!((net.router.flows().len(), net.router.flows().translated()), (1, 1));
        }
    }
}

#[test]
fn two_machines_with_the_same_port_get_different_ones() {
    let mut net = Net::new(MASQUERADE);
    let mut seen = alloc::collections::BTreeMap::new();
    for host in 2..100u8 {
        let src = alloc::format!("10.1.0.{host}");
        net.router.neighbours.learn(0, addr(&src), HOST[0], true, net.now);
        for datagram in [udp(&src, "10.2.0.2", (4000, 53)), ask(&src, "10.2.0.2", 4000)] {
            let (_, out) = net.pass(0, &datagram).expect("it goes out");
            let before = seen.insert((out.protocol, out.ports.0), src.clone());
            assert_eq!(before, None, "a port that another has");
            let (_, back) = net.pass(1, &reversed(&datagram, &out)).expect("the answer comes back");
            assert_eq!((back.dst, back.to), (datagram.src, HOST[0]));
            let port = if datagram.carries == Carries::Udp { back.ports.1 } else { back.ports.0 };
            assert_eq!(port, 4000);
        }
    }
}

#[test]
fn a_stranger_does_not_get_in_by_a_port_that_is_in_use() {
    let mut net = Net::new(MASQUERADE);
    let (_, out) = net.pass(0, &udp("10.1.0.2", "10.2.0.2", (4000, 53))).expect("it goes out");
    let stranger = udp("10.2.0.3", "10.2.0.1", (53, out.ports.0));
    let answer = net.pass(1, &stranger).expect("an error");
    assert_eq!((answer.0, answer.1.icmp), (1, (3, 3)));
    // And a connection from outside to inside needs a rule.
    assert_eq!(net.pass(1, &udp("10.2.0.2", "10.1.0.2", (1, 2))), None);
    assert_eq!(net.drops(Reason::Filtered), 1);
}

#[test]
fn a_port_is_forwarded_to_a_machine_inside() {
    let mut net = Net::new(MASQUERADE);
    let (output, inside) = net.pass(1, &tcp("10.2.0.2", "10.2.0.1", (6000, 8080), 2)).expect("it goes in");
    assert_eq!(
        (output, inside.ends(), inside.ports),
        (0, ("10.2.0.2".parse().unwrap(), "10.1.0.2".parse().unwrap()), (6000, 80))
    );
    let (output, back) = net.pass(0, &tcp("10.1.0.2", "10.2.0.2", (80, 6000), 18)).expect("the answer");
    assert_eq!(
        (output, back.ends(), back.ports),
        (1, ("10.2.0.1".parse().unwrap(), "10.2.0.2".parse().unwrap()), (8080, 6000))
    );
    let (_, inside) = net.pass(1, &udp("fd00:2::2", "fd00:2::1", (6000, 53))).expect("it goes in");
    assert_eq!(inside.dst, "fd00:1::2".parse::<core::net::IpAddr>().unwrap());
    // Not from the other side, nor to another address.
    assert_eq!(net.pass(0, &tcp("10.1.0.2", "10.2.0.1", (6001, 8080), 2)).expect("an error").1.icmp, (3, 3));
}

/// An ICMP error of a router behind `input`, about a frame that it got.
fn error_about(frame: &[u8], from: &str, kind: u8, code: u8) -> Vec<u8> {
    let version = if frame[12] == 8 { 4 } else { 6 };
    let mut message = vec![kind, code, 0, 0, 0, 0, 5, 0x14];
    message.extend_from_slice(&frame[14..]);
    let packet = Seen::read(frame);
    let mut shell = ask(from, &packet.src.to_string(), 0);
    shell.payload = message[8..].to_vec();
    let mut bytes = shell.frame([2, 9, 9, 9, 9, 9], [0; 6]);
    let at = if version == 4 { 34 } else { 54 };
    bytes[at..at + 8].copy_from_slice(&message[..8]);
    if let (core::net::IpAddr::V6(src), core::net::IpAddr::V6(dst)) = (shell.src, shell.dst) {
        smoltcp::wire::Icmpv6Packet::new_unchecked(&mut bytes[at..]).fill_checksum(&src, &dst);
    } else {
        smoltcp::wire::Icmpv4Packet::new_unchecked(&mut bytes[at..]).fill_checksum();
    }
    bytes
}

#[test]
fn an_error_from_outside_reaches_the_machine_that_caused_it_in_its_own_words() {
    for (src, dst, far, code) in
        [("10.1.0.2", "10.2.0.2", "10.2.0.77", (3, 4)), ("fd00:1::2", "fd00:2::2", "fd00:2::77", (2, 0))]
    {
        for datagram in [udp(src, dst, (5000, 53)), ask(src, dst, 77), tcp(src, dst, (5000, 80), 2)] {
            let mut net = Net::new(MASQUERADE);
            let original = datagram.frame(HOST[0], ROUTER[0]);
            let out = net.give(0, &original).pop().expect("it goes out").1;
            let mut error = error_about(&out, far, code.0, code.1);
            error[..6].copy_from_slice(&ROUTER[1]);
            let back = net.give(1, &error).pop().expect("the error comes in");
            let seen = Seen::read(&back.1);
            assert_eq!((back.0, seen.to, seen.icmp, seen.ports.1), (0, HOST[0], code, 0x514));
            assert_eq!(seen.ends(), (far.parse().unwrap(), datagram.src));
            // What it quotes is the packet as it was sent, but for the hops.
            let mut frame = original[..14].to_vec();
            frame.extend_from_slice(&seen.payload);
            let quoted = Seen::read(&frame);
            assert_eq!(
                (quoted.src, quoted.dst, quoted.ports),
                (datagram.src, datagram.dst, Seen::read(&original).ports)
            );
        }
    }
}

#[test]
fn an_error_from_inside_leaves_under_the_routers_address() {
    let mut net = Net::new(MASQUERADE);
    let asked = udp("10.1.0.2", "10.2.0.2", (5000, 53));
    let (_, out) = net.pass(0, &asked).expect("it goes out");
    let answer = reversed(&asked, &out).frame(HOST[1], ROUTER[1]);
    let inside = net.give(1, &answer).pop().expect("the answer comes in").1;
    // The machine has closed its port meanwhile.
    let mut error = error_about(&inside, "10.1.0.2", 3, 3);
    error[..6].copy_from_slice(&ROUTER[0]);
    let (output, bytes) = net.give(0, &error).pop().expect("the error goes out");
    let seen = Seen::read(&bytes);
    assert_eq!((output, seen.ends()), (1, ("10.2.0.1".parse().unwrap(), "10.2.0.2".parse().unwrap())));
    let mut frame = answer[..14].to_vec();
    frame.extend_from_slice(&seen.payload);
    assert_eq!(Seen::read(&frame).ends(), ("10.2.0.2".parse().unwrap(), "10.2.0.1".parse().unwrap()));
}

#[test]
fn an_error_about_nothing_known_or_with_a_wrong_checksum_stays_outside() {
    let mut net = Net::new(MASQUERADE);
    let out =
        net.give(0, &udp("10.1.0.2", "10.2.0.2", (5000, 53)).frame(HOST[0], ROUTER[0])).pop().unwrap().1;
    let mut error = error_about(&out, "10.2.0.77", 3, 1);
    error[..6].copy_from_slice(&ROUTER[1]);
    let mut wrong = error.clone();
    wrong[36] ^= 1;
    assert!(net.give(1, &wrong).is_empty());
    assert_eq!(net.drops(Reason::Malformed), 1);
    let other = udp("10.2.0.1", "10.2.0.2", (5001, 53)).frame(HOST[0], ROUTER[0]);
    let mut unknown = error_about(&other, "10.2.0.77", 3, 1);
    unknown[..6].copy_from_slice(&ROUTER[1]);
    assert!(net.give(1, &unknown).is_empty());
    assert_eq!(net.drops(Reason::Local), 1);
    assert_eq!(net.give(1, &error).len(), 1);
}

#[test]
fn parts_of_a_packet_follow_the_first() {
    let mut net = Net::new(MASQUERADE);
    let whole = Datagram { whole_only: false, ..udp("10.1.0.2", "10.2.0.2", (5000, 53)) }.with_len(64);
    let frame = whole.frame(HOST[0], ROUTER[0]);
    // 40 bytes of the datagram in the first part, 32 in the second.
    let part = |from: usize, len: usize, more: bool| {
        let mut bytes = frame[..34].to_vec();
        bytes.extend_from_slice(&frame[34 + from..34 + from + len]);
        let mut packet = smoltcp::wire::Ipv4Packet::new_unchecked(&mut bytes[14..]);
        packet.set_total_len(20 + len as u16);
        packet.set_ident(77);
        packet.set_more_frags(more);
        packet.set_frag_offset(from as u16);
        packet.fill_checksum();
        bytes
    };
    assert!(net.give(0, &part(40, 32, false)).is_empty());
    assert_eq!(net.drops(Reason::NoFirstPart), 1);
    let first = net.give(0, &part(0, 40, true)).pop().expect("the first goes out").1;
    let second = net.give(0, &part(40, 32, false)).pop().expect("and the second").1;
    let mut together = first.clone();
    together.extend_from_slice(&second[34..]);
    let mut packet = smoltcp::wire::Ipv4Packet::new_unchecked(&mut together[14..]);
    packet.set_total_len(20 + 72);
    packet.set_more_frags(false);
    packet.fill_checksum();
    let seen = Seen::read(&together);
    assert_eq!((seen.src, seen.payload), ("10.2.0.1".parse().unwrap(), whole.payload));
    net.now += 20 * SECOND;
    assert!(net.give(0, &part(40, 32, false)).is_empty(), "the first part is forgotten");
}

#[test]
fn a_datagram_without_checksum_keeps_none() {
    let mut net = Net::new(MASQUERADE);
    let mut frame = udp("10.1.0.2", "10.2.0.2", (5000, 53)).frame(HOST[0], ROUTER[0]);
    frame[40..42].fill(0);
    let out = net.give(0, &frame).pop().expect("it goes out").1;
    assert_eq!(out[40..42], [0, 0]);
    let _ = answer("10.1.0.2", "10.2.0.2", 1);
}
