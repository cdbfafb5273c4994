//! Each feature agreed on and refused, alone and with all others.

use xen_sys::io::netif::{RXF_CSUM_BLANK, RXF_DATA_VALIDATED, TxResponse};

use super::oracle;
use super::*;
use crate::fake::ToGuest;
use crate::{Link, Offload};

const OFFERS: [&str; 7] = [
    "feature-no-csum-offload",
    "feature-ipv6-csum-offload",
    "feature-gso-tcpv4",
    "feature-gso-tcpv6",
    "feature-sg",
    "feature-split-event-channels",
    "feature-multicast-control",
];

#[test]
fn every_mix_of_offers_and_wishes_is_agreed_on_and_carries_frames() {
    let mut seed = 0xf00d;
    for mix in (0..1u32 << OFFERS.len()).step_by(if cfg!(miri) { 61 } else { 1 }) {
        let world = World::new();
        let (device, back) = FakeNetback::with_device(&world);
        let offered = |feature: usize| mix >> feature & 1 == 1;
        for (number, key) in OFFERS.iter().enumerate() {
            device.set_back(key, if offered(number) { "1" } else { "0" });
        }
        let max_queues = random(&mut seed) as usize % 4;
        if max_queues > 0 {
            device.set_back("multi-queue-max-queues", &max_queues.to_string());
        }
        let wishes = random(&mut seed);
        let wish = |number: usize| wishes >> number & 1 == 1;
        let config = Config {
            rx_buffers: 120,
            tx_buffers: 64,
            queues: wishes as usize >> 8 & 3,
            split_events: wish(0),
            tx_segmentation: wish(1),
            rx_segments: wish(2),
            multicast_control: wish(3),
            ..Config::default()
        };
        let mut front = Front::connect(&world, device.clone(), config).expect("the back end is willing");

        let info = *front.info();
        let queues = config.queues.max(1).min(max_queues.max(1));
        let checksum = Offload { ipv4: !offered(0), ipv6: offered(1) };
        let divides = wish(1) && offered(4);
        let segmentation = Offload {
            ipv4: divides && checksum.ipv4 && offered(2),
            ipv6: divides && checksum.ipv6 && offered(3),
        };
        assert_eq!((info.queues, info.checksum, info.segmentation), (queues, checksum, segmentation));
        assert_eq!(info.split_events, wish(0) && offered(5));
        assert_eq!((info.rx_segments, info.multicast_control), (wish(2), wish(3) && offered(6)));
        assert_eq!(front.events().count(), queues * if info.split_events { 2 } else { 1 });

        for port in 0..if cfg!(miri) { 1 } else { 20 } {
            for six in [false, true] {
                let frame = oracle::frame(six, 6, (port, 7), &[port as u8; 700]);
                assert!(send(&mut front, &frame));
                front.flush();
                world.run_peers();
                let sent = back.take_sent();
                assert_eq!(oracle::judged(&oracle::on_the_wire(&sent[0])[0]), [port as u8; 700]);
                assert!(sent[0].queue < queues);
            }
            let flags = RXF_CSUM_BLANK | RXF_DATA_VALIDATED;
            let frame = oracle::frame(false, 6, (7, port), &[port as u8; 300]);
            back.send_as(ToGuest { flags, queue: port.into(), ..ToGuest::new(&frame) });
            world.run_peers();
            assert_eq!(receive(&mut front), Some(frame));
        }
        assert_eq!((front.link(), front.error()), (Ok(Link::Up), None));
        front.close().expect("the back end answers");
        assert_eq!((world.grants_in_use(), world.pages_in_use()), (0, 0));
        for key in [
            "event-channel",
            "event-channel-tx",
            "queue-0/tx-ring-ref",
            "tx-ring-ref",
            "multi-queue-num-queues",
        ] {
            assert_eq!(device.front(key), None, "{key} is left");
        }
    }
}

fn many_queues(world: &World, queues: usize, config: Config) -> (Front, FakeNetback) {
    let (device, back) = FakeNetback::with_device(world);
    device.set_back("multi-queue-max-queues", &queues.to_string());
    device.set_back("feature-split-event-channels", "1");
    (Front::connect(world, device, Config { queues, ..config }).expect("the back end is willing"), back)
}

#[test]
fn a_flow_keeps_its_queue_and_flows_are_spread_over_all() {
    for queues in if cfg!(miri) { &[2][..] } else { &[2, 3, 8] }.iter().copied() {
        let world = World::new();
        let (mut front, back) = many_queues(&world, queues, config());
        let mut flows = vec![0; queues];
        for port in 0..if cfg!(miri) { 12 } else { 400 } {
            for six in [false, true] {
                let mut used = Vec::new();
                for len in [0, 10, 1000] {
                    assert!(send(&mut front, &oracle::frame(six, 6, (40_000 + port, 80), &vec![1; len])));
                    front.flush();
                    world.run_peers();
                    used.extend(back.take_sent().into_iter().map(|sent| sent.queue));
                }
                assert!(used.len() == 3 && used.iter().all(|queue| *queue == used[0]), "{used:?}");
                flows[used[0]] += 1;
            }
        }
        let fair = flows.iter().sum::<usize>() / queues;
        assert!(flows.iter().all(|flows| (fair / 2..fair * 2).contains(flows)), "{flows:?}");
    }
}

#[test]
fn no_queue_starves_another_of_being_heard() {
    let world = World::new();
    let (mut front, back) = many_queues(&world, 2, Config { rx_buffers: 16, ..config() });
    for round in 0..50 {
        for queue in [0, 1] {
            back.send_as(ToGuest { queue, ..ToGuest::new(&opaque(100 + queue, round)) });
        }
    }
    for _ in 0..4 {
        world.run_peers();
        let heard: Vec<usize> = (0..8).map(|_| receive(&mut front).expect("both have more").len()).collect();
        assert_eq!(heard.iter().filter(|len| **len == 100).count(), 4, "{heard:?}");
        front.flush();
    }
}

#[test]
fn an_answer_in_another_queue_than_the_request_is_caught() {
    let world = World::new();
    let (mut front, back) = many_queues(&world, 2, config());
    back.adjust(|knobs| knobs.takes_tx = false);
    assert!(send(&mut front, &opaque(60, 0)), "a frame of no flow goes through the first");
    assert!(send(&mut front, &opaque(60, 1)));
    front.flush();
    world.run_peers();
    let mut port = 0;
    // Something has to be in flight in the second for an answer to be possible there.
    while back.with_queue(1, |rings, _| rings.tx.pop().expect("honest").is_none()).expect("connected") {
        assert!(send(&mut front, &oracle::frame(false, 6, (port, 80), &[1])));
        front.flush();
        port += 1;
    }
    back.with_queue(1, |rings, _| {
        rings.tx.push(TxResponse { id: 0, status: 0 }).expect("one was taken");
        let _ = rings.tx.publish();
    });
    while send(&mut front, &opaque(60, 2)) {}
    let error = front.error().expect("it was a lie");
    assert_eq!((error.what, error.value), ("tx response for buffer", 0));
}

#[test]
fn more_queues_than_the_back_end_has_are_not_asked_for() {
    let world = World::new();
    for (max, asked, queues) in [("1", 4, 1), ("3", 4, 3), ("4000000000", 100, 8), ("0", 2, 1), ("8", 0, 1)] {
        let (device, _back) = FakeNetback::with_device(&world);
        device.set_back("multi-queue-max-queues", max);
        let front = Front::connect(&world, device.clone(), Config { queues: asked, ..config() });
        let front = front.expect("the back end is willing");
        assert_eq!(front.info().queues, queues, "{asked} of {max}");
        front.close().expect("the back end answers");
    }
    let (device, _back) = FakeNetback::with_device(&world);
    device.set_back("multi-queue-max-queues", "two");
    assert!(Front::connect(&world, device, config()).is_err());
}

#[test]
fn a_reconnect_with_other_offers_leaves_no_key_of_the_old_ones() {
    let world = World::new();
    let (device, back) = FakeNetback::with_device(&world);
    device.set_back("multi-queue-max-queues", "2");
    let mut front =
        Front::connect(&world, device.clone(), Config { queues: 2, ..config() }).expect("willing");
    assert!(device.front("queue-1/rx-ring-ref").is_some());
    device.set_back("multi-queue-max-queues", "1");
    device.set_back("feature-split-event-channels", "1");
    back.leave(xen::xenbus::State::Closing);
    assert_eq!(front.link(), Ok(Link::Closed));
    front.reconnect().expect("the back end comes back");
    assert_eq!(front.info().queues, 1);
    let keys = ["queue-0/tx-ring-ref", "queue-1/rx-ring-ref", "multi-queue-num-queues", "event-channel"];
    assert!(keys.iter().all(|key| device.front(key).is_none()));
    assert!(device.front("event-channel-rx").is_some());
}

#[test]
fn the_mtu_changes_while_frames_flow() {
    let world = World::new();
    let (mut front, back) = connected(&world, config());
    let carries = |front: &mut Front, len: usize| {
        assert!(send(front, &opaque(len, 3)));
        front.flush();
        world.run_peers();
        back.take_sent().pop().is_some_and(|sent| sent.frame == opaque(len, 3))
    };
    assert!(carries(&mut front, 1_514) && !carries(&mut front, 1_515));
    for (mtu, longest) in [("9000", 9_000), ("600", 600), ("65521", 8 * 4_096 - 14), ("1500", 1_500)] {
        front.device().set_front("mtu", mtu);
        assert_eq!(
            (front.link(), front.mtu()),
            (Ok(Link::Up), longest),
            "as far as the pages for sending go"
        );
        assert_eq!(front.capabilities().max_transmission_unit, longest + 14);
        assert!(carries(&mut front, longest + 14) && !carries(&mut front, longest + 15), "{mtu}");
    }
    front.device().set_front("mtu", "none");
    assert!(front.link().is_err());
    assert!(carries(&mut front, 1_514), "it goes on with what it had");
}

#[test]
fn a_back_end_that_is_not_trusted_does_not_vouch_for_checksums() {
    for (trusted, believed) in [(None, true), (Some("1"), true), (Some("0"), false)] {
        let world = World::new();
        let (device, back) = FakeNetback::with_device(&world);
        if let Some(trusted) = trusted {
            device.set_front("trusted", trusted);
        }
        let mut front = Front::connect(&world, device, config()).expect("the back end is willing");
        assert_eq!(front.info().trusted, believed);
        let wrong = oracle::frame(false, 6, (1, 2), b"never summed up");
        for (flags, accepted) in [(RXF_DATA_VALIDATED, believed), (RXF_CSUM_BLANK, true), (0, false)] {
            back.send_as(ToGuest { flags, ..ToGuest::new(&wrong) });
            world.run_peers();
            assert_eq!(receive(&mut front).is_some(), accepted, "{trusted:?} {flags}");
        }
    }
    let world = World::new();
    let (device, _back) = FakeNetback::with_device(&world);
    device.set_front("trusted", "maybe");
    assert!(Front::connect(&world, device, config()).is_err());
}
