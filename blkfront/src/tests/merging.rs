//! Requests that touch go out as one, bursts are told once, and what waits goes out in its turn.

use super::*;
use crate::{Operation, Request, SubmitError};
use xen_sys::io::blkif::RSP_ERROR;

fn write(offset: usize, len: usize, seed: u8) -> Request {
    Request::Write { offset: offset as u64, data: pattern(len, seed) }
}

fn bench_with_indirect() -> Bench {
    let bench = Bench::new(400 << 10, 512);
    bench.disk.offer("feature-max-indirect-segments", "256");
    let some = if cfg!(miri) { 20 << 10 } else { 400 << 10 };
    bench.disk.get().content[..some].copy_from_slice(&pattern(some, 77));
    bench
}

fn roomy() -> Config {
    Config { backlog: 64, pool_pages: 300, max_segments: 64, ..config() }
}

#[test]
fn requests_under_a_plug_that_touch_are_one_on_the_ring_in_either_order() {
    for backwards in [false, true] {
        let bench = bench_with_indirect();
        let front = bench.connect_with(roomy());
        bench.world.run_peers();
        let before = front.stats();
        let plug = front.plug();
        let mut tokens = Vec::new();
        for at in 0..16 {
            let at = if backwards { 15 - at } else { at };
            tokens.push(front.submit(write(4096 + at * 1536, 1536, at as u8)).expect("accepted"));
        }
        assert_eq!(front.in_flight(), 0, "nothing goes out while it is collected");
        drop(plug);
        assert_eq!(front.in_flight(), 1);
        for token in tokens {
            assert_eq!(front.wait(token).map(|done| done.result), Ok(Ok(())));
        }
        for at in 0..16 {
            let place = 4096 + at * 1536;
            assert_eq!(bench.disk.get().content[place..place + 1536], pattern(1536, at as u8));
        }
        let stats = front.stats();
        assert_eq!(stats.requests - before.requests, 1);
        assert_eq!((stats.merged, stats.segments), (15, 6));
        assert_eq!(stats.notifications - before.notifications, 1);
        assert_eq!(bench.disk.get().segments, [6]);
        bench.finish(front);
    }
}

#[test]
fn reads_that_touch_are_one_and_each_gets_its_bytes() {
    let bench = bench_with_indirect();
    let front = bench.connect_with(roomy());
    let plug = front.plug();
    // Not aligned: the sectors touch, and of each as much as was asked for arrives.
    let wanted = [(0, 512), (512 + 5, 1000), (1536, 4608), (18_000, 100)];
    let tokens = wanted.map(|(offset, len)| {
        let data = vec![0xee; len];
        front.submit(Request::ReadInto { offset: offset as u64, data }).expect("accepted")
    });
    drop(plug);
    for ((offset, len), token) in wanted.into_iter().zip(tokens) {
        let done = front.wait(token).expect("known");
        assert_eq!(done.result, Ok(()));
        assert!(done.data == bench.disk.get().content[offset..offset + len], "{len} bytes at {offset}");
    }
    assert_eq!((front.stats().requests, front.stats().merged), (2, 2));
    bench.finish(front);
}

#[test]
fn what_does_not_touch_or_is_of_another_kind_or_would_pass_an_earlier_write_stays_apart() {
    let bench = bench_with_indirect();
    let front = bench.connect_with(roomy());
    let plug = front.plug();
    front.submit(write(0, 4096, 1)).expect("accepted");
    // Apart from the first by a sector.
    front.submit(write(4608, 512, 2)).expect("accepted");
    // Touches the first, but the disk is to have the later bytes in the end: it may not pass the next.
    front.submit(write(4096, 1024, 3)).expect("accepted");
    front.submit(Request::Read { offset: 8192, len: 512 }).expect("accepted");
    drop(plug);
    while let Some(done) = front.wait_any(None) {
        assert_eq!(done.result, Ok(()));
    }
    // The third would have touched the first, and stood behind the second, which it overlaps.
    assert_eq!(front.stats().requests, 4);
    assert_eq!(bench.disk.get().content[4096..5120], pattern(1024, 3));
    bench.finish(front);
}

#[test]
fn of_requests_that_went_as_one_only_the_guilty_fails() {
    let bench = bench_with_indirect();
    bench.disk.get().knobs.bad = vec![(3 * 4096..3 * 4096 + 1, RSP_ERROR)];
    let front = bench.connect_with(roomy());
    let plug = front.plug();
    let tokens: Vec<_> =
        (0..8).map(|at| front.submit(write(at * 4096, 4096, at as u8)).expect("accepted")).collect();
    drop(plug);
    for (at, token) in tokens.into_iter().enumerate() {
        let result = front.wait(token).expect("known").result;
        if at == 3 {
            let Err(Error::Failed { operation, offset, len, .. }) = result else { panic!("{result:?}") };
            assert_eq!((operation, offset, len), (Operation::Write, 3 * 4096, 4096));
        } else {
            assert_eq!(result, Ok(()), "request {at}");
            assert_eq!(bench.disk.get().content[at * 4096..][..4096], pattern(4096, at as u8));
        }
    }
    bench.finish(front);
}

#[test]
#[cfg_attr(miri, ignore = "moves too many bytes for an interpreter")]
fn what_the_ring_has_no_room_for_waits_up_to_the_backlog_and_is_merged() {
    let bench = bench_with_indirect();
    bench.disk.get().knobs.hold = true;
    let front = bench.connect_with(roomy());
    let mut tokens = Vec::new();
    for at in 0..32 + 64 {
        tokens.push(front.submit(write(at * 4096, 4096, at as u8)).expect("accepted"));
    }
    let one_more = write(0, 512, 0);
    assert_eq!(front.submit(one_more.clone()), Err(SubmitError::Full(one_more)));
    assert_eq!(front.in_flight(), 32);
    bench.world.run_peers();
    bench.disk.get().knobs.hold = false;
    for token in tokens {
        assert_eq!(front.wait(token).map(|done| done.result), Ok(Ok(())));
    }
    for at in 0..96 {
        assert_eq!(bench.disk.get().content[at * 4096..][..4096], pattern(4096, at as u8), "request {at}");
    }
    let stats = front.stats();
    assert!(stats.requests <= 32 + 3, "{stats:?}");
    assert_eq!((stats.merged, stats.ring_full_waits), (96 - stats.requests, 1));
    bench.finish(front);
}

#[test]
fn a_plug_does_not_keep_a_waiting_thread_from_its_answer() {
    let bench = bench_with_indirect();
    let front = bench.connect_with(roomy());
    let plug = front.plug();
    let token = front.submit(write(0, 512, 1)).expect("accepted");
    let mut buf = [0; 512];
    front.read_at(512, &mut buf).expect("readable");
    assert_eq!(front.wait(token).map(|done| done.result), Ok(Ok(())));
    drop(plug);
    bench.finish(front);
}
