use super::frames::{answer, ask, tcp, udp};
use super::*;
use counters::Reason;

const RULES: &str = "interface 0 10.1.0.1/24 fd00:1::1/64\ninterface 1 10.2.0.1/24 fd00:2::1/64\n\
    drop from 10.1.0.66\nreject in 0 tcp port 25\naccept in 0 out 1 tcp port 80-443\naccept udp from-port 68 port 67\n\
    accept in 0 icmp\ndrop udp\n";

const SYN: u8 = 2;
const ACK: u8 = 16;
const SYN_ACK: u8 = 18;

#[test]
fn the_first_rule_that_fits_decides() {
    for (a, b) in [("10.1.0.2", "10.2.0.2"), ("fd00:1::2", "fd00:2::2")] {
        let mut net = Net::new(RULES);
        assert!(net.pass(0, &tcp(a, b, (1, 80), SYN)).is_some());
        assert!(net.pass(0, &tcp(a, b, (1, 443), SYN)).is_some());
        assert!(net.pass(0, &tcp(a, b, (1, 444), SYN)).is_none());
        assert!(net.pass(1, &tcp(b, a, (1, 80), SYN)).is_none());
        assert!(net.pass(0, &udp(a, b, (1, 53))).is_none());
        assert!(net.pass(0, &udp(a, b, (68, 67))).is_some());
        assert!(net.pass(1, &udp(b, a, (68, 67))).is_none_or(|(output, _)| output == 0));
        assert!(net.pass(0, &ask(a, b, 1)).is_some());
        assert!(net.pass(1, &ask(b, a, 2)).is_none());
        let (output, seen) = net.pass(0, &tcp(a, b, (1, 25), SYN)).expect("it is told");
        assert_eq!((output, seen.icmp), (0, if a.contains(':') { (1, 1) } else { (3, 13) }));
        let hits: Vec<(usize, u64)> =
            net.router.rules().filter.iter().map(|rule| (rule.line, rule.hits)).collect();
        assert_eq!(hits, [(3, 0), (4, 1), (5, 2), (6, 2), (7, 1), (8, 1)]);
    }
    let mut net = Net::new(RULES);
    assert!(net.pass(0, &tcp("10.1.0.66", "10.2.0.2", (1, 80), SYN)).is_none());
    assert_eq!(net.drops(Reason::Filtered), 1);
}

#[test]
fn answers_pass_and_only_they() {
    for (a, b) in [("10.1.0.2", "10.2.0.2"), ("fd00:1::2", "fd00:2::2")] {
        let mut net = Net::new(RULES);
        assert!(net.pass(1, &tcp(b, a, (80, 5000), SYN_ACK)).is_none());
        assert!(net.pass(0, &tcp(a, b, (5000, 80), SYN)).is_some());
        assert!(net.pass(1, &tcp(b, a, (80, 5000), SYN_ACK)).is_some());
        assert!(net.pass(1, &tcp(b, a, (80, 5001), SYN_ACK)).is_none());
        assert!(net.pass(1, &tcp(b, a, (81, 5000), ACK)).is_none());
        assert!(net.pass(0, &tcp(a, b, (5000, 80), ACK)).is_some());
        assert!(net.pass(1, &answer(b, a, 7)).is_none());
        assert!(net.pass(0, &ask(a, b, 7)).is_some());
        assert!(net.pass(1, &answer(b, a, 7)).is_some());
        assert!(net.pass(1, &answer(b, a, 8)).is_none());
        assert_eq!(net.drops(Reason::NoConnection), 5);
    }
}

#[test]
fn a_segment_that_begins_nothing_begins_no_connection() {
    let mut net = Net::new(PLAIN);
    for flags in [0, ACK, SYN_ACK, 4, 1, SYN | 4, SYN | 1] {
        assert!(net.pass(0, &tcp("10.1.0.2", "10.2.0.2", (1, 80), flags)).is_none(), "flags {flags}");
    }
    assert_eq!(net.drops(Reason::NoConnection), 7);
}

#[test]
fn a_connection_ends_after_silence() {
    let mut net = Net::new(RULES);
    // Neighbours are asked for again meanwhile; that does not count.
    let passes = |net: &mut Net, input: usize, datagram: &frames::Datagram| {
        let sent = net.give(input, &datagram.frame(HOST[input], ROUTER[input]));
        sent.iter().any(|(output, frame)| *output != input && frame[12..14] == [8, 0])
    };
    let syn = tcp("10.1.0.2", "10.2.0.2", (5000, 80), SYN);
    let answer = |flags| tcp("10.2.0.2", "10.1.0.2", (80, 5000), flags);
    assert!(passes(&mut net, 0, &syn));
    net.now += 61 * SECOND;
    assert!(!passes(&mut net, 1, &answer(SYN_ACK)), "nobody waits for an answer that long");
    assert!(passes(&mut net, 0, &syn));
    assert!(passes(&mut net, 1, &answer(SYN_ACK)));
    net.now += 7000 * SECOND;
    assert!(passes(&mut net, 1, &answer(ACK)));
    net.now += 7500 * SECOND;
    assert!(!passes(&mut net, 1, &answer(ACK)), "more than two hours");
    assert_eq!(net.router.flows().len(), 1);
    for _ in 0..100 {
        net.now += SECOND / 10;
        net.poll();
    }
    assert_eq!(net.router.flows().len(), 0, "what has ended is swept out");
}
