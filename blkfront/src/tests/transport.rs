//! What the back end offers is used as far as it goes, and requests of every size go through each mix of it.

use super::*;
use crate::fake::Lie;
use crate::{OnLoss, Request};
use xen::xenbus::State;
use xen_sys::io::blkif::{OP_READ, OP_WRITE};

/// A front end that uses all that there is.
fn greedy() -> Config {
    Config { pool_pages: 700, max_segments: 600, ring_order: 4, queues: 4, ..config() }
}

#[test]
fn what_is_offered_and_wanted_is_used_and_no_more() {
    // Keys of the back end; ring pages, queues, segments.
    type Keys = &'static [(&'static str, &'static str)];
    let cases: &[(Keys, usize, usize, usize)] = &[
        (&[], 1, 1, 11),
        (&[("max-ring-page-order", "0")], 1, 1, 11),
        (&[("max-ring-page-order", "1")], 2, 1, 11),
        (&[("max-ring-page-order", "4")], 16, 1, 11),
        (&[("max-ring-page-order", "18446744073709551615")], 16, 1, 11),
        (&[("max-ring-pages", "4")], 4, 1, 11),
        (&[("max-ring-pages", "7"), ("max-ring-page-order", "1")], 4, 1, 11),
        (&[("max-ring-pages", "0")], 1, 1, 11),
        (&[("multi-queue-max-queues", "0")], 1, 1, 11),
        (&[("multi-queue-max-queues", "2")], 1, 2, 11),
        (&[("multi-queue-max-queues", "4294967297")], 1, 4, 11),
        (&[("feature-max-indirect-segments", "5")], 1, 1, 11),
        (&[("feature-max-indirect-segments", "12")], 1, 1, 12),
        (&[("feature-max-indirect-segments", "256")], 1, 1, 256),
        (&[("feature-max-indirect-segments", "18446744073709551615")], 1, 1, 600),
    ];
    for (keys, ring_pages, queues, max_segments) in cases {
        let bench = Bench::new(1 << 20, 512);
        for (key, value) in *keys {
            bench.disk.offer(key, value);
        }
        let front = bench.connect_with(greedy());
        let transport = front.transport();
        let found = (transport.ring_pages, transport.queues, transport.max_segments);
        assert_eq!(found, (*ring_pages, *queues, *max_segments), "{keys:?}");
        assert_eq!(transport.slots as usize, 32 * ring_pages * queues);
        front.write_at(0, &pattern(9000 / 512 * 512, 3)).expect("it works");
        bench.finish(front);

        // And a front end that wants nothing of it uses nothing.
        let bench = Bench::new(1 << 20, 512);
        keys.iter().for_each(|(key, value)| bench.disk.offer(key, value));
        let front = bench.connect_with(Config { max_segments: 11, ..config() });
        let transport = front.transport();
        assert_eq!((transport.ring_pages, transport.queues, transport.max_segments), (1, 1, 11));
        bench.finish(front);
    }
}

#[test]
fn grants_persist_only_when_both_want_it_and_the_toolstack_trusts_the_back_end() {
    for (offered, wanted, trusted, persists) in [
        ("1", true, None, true),
        ("1", true, Some("1"), true),
        ("1", true, Some("0"), false),
        ("0", true, None, false),
        ("1", false, None, false),
    ] {
        let bench = Bench::new(1 << 20, 512);
        bench.disk.offer("feature-persistent", offered);
        if let Some(trusted) = trusted {
            bench.device.set_front("trusted", trusted);
        }
        let front = bench.connect_with(Config { persistent: wanted, ..config() });
        assert_eq!(front.transport().persistent, persists);
        let said = bench.device.front("feature-persistent");
        assert_eq!(said.as_deref(), Some(if wanted && trusted != Some("0") { "1" } else { "0" }));
        let grants = |front: &Front| {
            front.write_at(0, &pattern(8192, 1)).expect("it works");
            bench.world.grants_in_use()
        };
        let after_one = grants(&front);
        assert_eq!(grants(&front), after_one, "no grant is made for a request");
        bench.finish(front);
    }
}

#[test]
fn what_is_wrong_about_the_transport_is_refused_with_key_and_value() {
    for (key, value) in [
        ("max-ring-page-order", "two"),
        ("max-ring-pages", "-1"),
        ("multi-queue-max-queues", ""),
        ("feature-max-indirect-segments", "many"),
        ("feature-persistent", "yes"),
    ] {
        let bench = Bench::new(65536, 512);
        bench.disk.offer(key, value);
        let error =
            bench.try_connect(greedy()).err().unwrap_or_else(|| panic!("{key} {value:?} was accepted"));
        assert!(error.to_string().contains(key), "{error}");
    }
}

#[test]
#[cfg_attr(miri, ignore = "moves too many bytes for an interpreter")]
fn every_mix_of_offers_passes_the_same_bytes() {
    for mix in 0..64u32 {
        let offers = |bit: u32| mix & 1 << bit != 0;
        let sector_size = if offers(5) { 4096 } else { 512 };
        let bench = Bench::new(512 << 10, sector_size);
        if offers(0) {
            bench.disk.offer("max-ring-page-order", "2");
        }
        if offers(1) {
            bench.disk.offer("multi-queue-max-queues", "2");
        }
        if offers(2) {
            bench.disk.offer("feature-max-indirect-segments", "256");
        }
        bench.disk.offer("feature-persistent", if offers(3) { "1" } else { "0" });
        bench.disk.offer("feature-flush-cache", if offers(4) { "1" } else { "0" });
        bench.disk.get().knobs.shuffle = Some(u64::from(mix) + 1);
        bench.disk.get().knobs.names_indirect = mix % 3 == 0;
        let front = bench.connect_with(greedy());
        let mut random = Random(u64::from(mix) + 99);
        let mut model = vec![0; 512 << 10];
        for round in 0..4 {
            let sectors = (512 << 10) / sector_size as u64;
            let first = random.below(sectors);
            let count = 1 + random.below((sectors - first).min(400 << 10 >> sector_size.ilog2()));
            let (offset, len) = (first as usize * sector_size, count as usize * sector_size);
            let data = pattern(len, round);
            model[offset..offset + len].copy_from_slice(&data);
            front.write_at(offset as u64, &data).expect("whole sectors");
            front.flush().expect("it flushes as it can");
            let mut back = vec![0; len + offset.min(1)];
            let from = offset - offset.min(1);
            front.read_at(from as u64, &mut back).expect("readable");
            assert!(back == model[from..offset + len], "mix {mix}, {len} bytes at {offset}");
        }
        assert!(bench.disk.get().content == model, "mix {mix}");
        assert_eq!(bench.is_durable(), offers(4), "mix {mix}");
        bench.finish(front);
    }
}

#[test]
#[cfg_attr(miri, ignore = "moves too many bytes for an interpreter")]
fn requests_of_every_number_of_segments_arrive_whole_and_as_one() {
    let size = 3 << 20;
    let bench = Bench::new(size, 512);
    bench.disk.offer("feature-max-indirect-segments", "4096");
    bench.disk.get().content = pattern(size, 1);
    let front = bench.connect_with(greedy());
    assert_eq!(front.transport().max_segments, 600);
    for segments in (1..40usize).chain([255, 256, 511, 512, 513, 599, 600, 601]) {
        // The last page is whole, or one sector of it, or all but one sector.
        for short in [0, 512, 3584].into_iter().take(if segments < 40 { 3 } else { 1 }) {
            let len = segments * 4096 - short;
            let pieces = segments.div_ceil(600);
            bench.disk.get().segments.clear();
            let data = pattern(len, segments as u8);
            front.write_at(1024, &data).expect("whole sectors");
            assert!(bench.disk.get().content[1024..1024 + len] == data, "{segments} segments less {short}");
            let mut back = vec![0; len];
            front.read_at(1024, &mut back).expect("readable");
            assert!(back == data, "{segments} segments less {short}");
            let seen = bench.disk.get().segments.clone();
            assert_eq!((seen.len(), seen.iter().sum::<usize>()), (2 * pieces, 2 * segments));
        }
    }
    bench.finish(front);
}

#[test]
#[cfg_attr(miri, ignore = "moves too many bytes for an interpreter")]
fn a_pool_that_can_not_grow_makes_requests_smaller() {
    for pages in 2..40 {
        let bench = Bench::new(1 << 20, 512);
        bench.disk.offer("feature-max-indirect-segments", "256");
        bench.world.limit_pages(Some(pages));
        let front = bench.connect_with(Config { max_segments: 64, ..greedy() });
        let data = pattern(300 * 1024, pages as u8);
        let token = front.submit(Request::Write { offset: 512, data: data.clone() }).expect("there is room");
        assert_eq!(front.wait(token).map(|done| done.result), Ok(Ok(())));
        let mut back = vec![0; data.len()];
        front.read_at(512, &mut back).expect("readable");
        assert!(back == data);
        let largest = front.transport().max_segments;
        assert!(largest < pages && largest + 2 >= pages - 1, "{largest} segments of {pages} pages");
        bench.finish(front);
    }
}

#[test]
#[cfg_attr(miri, ignore = "moves too many bytes for an interpreter")]
fn rings_of_several_pages_and_several_rings_are_filled_whole() {
    for (order, queues) in [(1, 1), (2, 1), (4, 1), (0, 2), (1, 3)] {
        let bench = Bench::new(1 << 20, 512);
        bench.disk.get().content = pattern(1 << 20, 4);
        bench.disk.offer("max-ring-page-order", &order.to_string());
        bench.disk.offer("multi-queue-max-queues", &queues.to_string());
        bench.disk.get().knobs.hold = true;
        bench.disk.get().knobs.shuffle = Some(3);
        let front = bench.connect_with(greedy());
        let slots = 32 * (1 << order) * queues;
        let mut expected = Vec::new();
        for at in 0..slots {
            let offset = at as u64 * 1024 + 512;
            expected.push((
                front.submit(Request::Read { offset, len: 512 }).expect("there is room"),
                offset as usize,
            ));
        }
        let refused = Request::Read { offset: 0, len: 512 };
        assert_eq!(front.submit(refused.clone()), Err(crate::SubmitError::Full(refused)));
        bench.world.run_peers();
        assert_eq!(bench.disk.get().most_pending, slots);
        let taken = bench.disk.get().taken.clone();
        assert!(
            taken.len() == queues && taken.iter().all(|taken| *taken == (slots / queues) as u64),
            "{taken:?}"
        );
        bench.disk.get().knobs.hold = false;
        for (token, offset) in expected {
            let done = front.wait(token).expect("known");
            assert!(done.data == bench.disk.get().content[offset..offset + 512]);
        }
        assert_eq!(front.stats().most_in_flight as usize, slots);
        let keys = ["ring-ref", "ring-ref0", "ring-page-order", "event-channel", "queue-0/event-channel"];
        assert!(keys.iter().any(|key| bench.device.front(key).is_some()));
        // Round and round, so that the indices pass the end of the array.
        let mut buf = vec![0; 100_000];
        for round in 0..40 {
            front.read_at(round, &mut buf).expect("readable");
            assert!(buf == bench.disk.get().content[round as usize..round as usize + 100_000]);
        }
        front.close().expect("it closes");
        assert!(keys.iter().all(|key| bench.device.front(key).is_none()), "keys are left");
        bench.finish(front);
    }
}

#[test]
#[cfg_attr(miri, ignore = "moves too many bytes for an interpreter")]
fn a_lie_about_any_kind_of_request_ends_the_disk_and_one_that_goes_loses_nothing() {
    for kind in 0..4 {
        for lie in [Lie::Id(7), Lie::Operation, Lie::Ahead(5)] {
            let bench = Bench::new(1 << 20, 512);
            bench.disk.offer("feature-max-indirect-segments", "64");
            bench.disk.offer("multi-queue-max-queues", "2");
            bench.disk.get().knobs.lie = Some(lie);
            let front = bench.connect_with(greedy());
            let outcome = match kind {
                0 => front.read_at(0, &mut [0; 200_000]),
                1 => front.write_at(0, &pattern(204_800, 1)),
                2 => front.read_at(0, &mut [0; 512]),
                _ => front.flush(),
            };
            assert!(matches!(outcome, Err(Error::Misbehaved { .. })), "{kind} {lie:?}: {outcome:?}");
            front.close().expect("the back end lets go");
            drop(front);
            assert_eq!(bench.world.pages_in_use(), 0);
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "moves too many bytes for an interpreter")]
fn a_back_end_that_goes_in_the_middle_of_anything_and_comes_back_does_each_part_once() {
    for dies_after in 1..7 {
        for indirect in ["0", "32"] {
            let bench = Bench::new(1 << 20, 512);
            bench.disk.offer("feature-max-indirect-segments", indirect);
            bench.disk.get().content = pattern(1 << 20, 3);
            bench.disk.get().knobs.batch = 2;
            let config =
                Config { on_loss: OnLoss::Hold, backlog: 64, pool_pages: 70, max_segments: 32, ..config() };
            let front = bench.connect_with(config);
            // A first life in which some is answered.
            bench.disk.get().knobs.dies_after = Some(dies_after);
            let data = pattern(400 * 1024, 8);
            let write = front.submit(Request::Write { offset: 0, data: data.clone() }).expect("accepted");
            let read = front.submit(Request::Read { offset: 500 * 1024, len: 300_000 }).expect("accepted");
            let flush = front.submit(Request::Flush).expect("accepted");
            let mut ended = Vec::new();
            for _ in 0..20 {
                bench.world.run_peers();
                ended.extend(front.poll());
                let _ = front.check_backend();
            }
            assert_eq!(xen::xenbus::Device::backend_state(&bench.device), Ok(State::Closed));
            assert!(ended.len() < 3);
            front.reconnect().expect("it came back");
            while let Some(done) = front.wait_any(None) {
                ended.push(done);
            }
            let end = |token| ended.iter().find(|done| done.token == token).expect("each ends once");
            assert!([write, read, flush].iter().all(|token| end(*token).result.is_ok()) && ended.len() == 3);
            assert!(end(read).data == pattern(1 << 20, 3)[500 * 1024..][..300_000]);
            assert!(bench.disk.get().content[..400 * 1024] == data);
            assert!(bench.is_durable());
            let done = |code| {
                let disk = bench.disk.get();
                let bytes =
                    disk.operations.iter().zip(&disk.segments).filter(|(operation, _)| **operation == code);
                bytes.map(|(_, segments)| *segments).sum::<usize>()
            };
            assert_eq!(done(OP_WRITE), 100, "after {dies_after} requests");
            assert_eq!(done(OP_READ), 300_000usize.div_ceil(4096), "after {dies_after} requests");
            bench.finish(front);
        }
    }
}
