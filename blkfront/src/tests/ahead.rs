//! Reading ahead gives what reading gives, and only saves time.

use super::*;
use crate::{Discard, OnLoss, Request};
use xen::xenbus::State;
use xen_sys::io::blkif::RSP_ERROR;

fn ready() -> (Bench, Front) {
    let bench = Bench::new(128 << 10, 512);
    bench.disk.get().content = pattern(128 << 10, 5);
    let front = bench.connect_with(Config { on_loss: OnLoss::Hold, ..config() });
    (bench, front)
}

#[test]
fn what_was_fetched_is_read_without_another_request_whole_or_in_parts() {
    let (bench, front) = ready();
    let content = bench.disk.get().content.clone();
    for parts in [1, 2, 4] {
        let before = front.stats();
        front.read_ahead(4096, 8192);
        // It is under way: the same again is nothing.
        front.read_ahead(4096, 8192);
        let len = 8192 / parts;
        for part in 0..parts {
            let mut buf = vec![0; len];
            front.read_at((4096 + part * len) as u64, &mut buf).expect("readable");
            assert!(buf == content[4096 + part * len..][..len]);
        }
        let stats = front.stats();
        assert_eq!(stats.requests - before.requests, 1);
        assert_eq!(stats.read_ahead_hits - before.read_ahead_hits, parts as u64);
        // It is used up: the next read goes to the disk.
        front.read_at(4096, &mut [0; 512]).expect("readable");
        assert_eq!(front.stats().requests - before.requests, 2);
    }
    bench.finish(front);
}

#[test]
fn a_longer_read_takes_what_was_fetched_and_reads_the_rest() {
    let (bench, front) = ready();
    front.read_ahead(4096, 8192);
    let mut buf = vec![0; 20_000];
    front.read_at(5000, &mut buf).expect("readable");
    assert!(buf == bench.disk.get().content[5000..25_000]);
    assert_eq!(bench.disk.get().segments, [2, 4]);
    assert_eq!((front.stats().read_ahead_hits, front.stats().requests), (1, 2));
    bench.finish(front);
}

#[test]
fn what_is_written_or_discarded_later_is_what_is_read() {
    for kind in 0..4 {
        let (bench, front) = ready();
        bench.disk.offer("feature-discard", "1");
        front.close().expect("it closes");
        front.reconnect().expect("it can discard now");
        front.read_ahead(0, 8192);
        if kind % 2 == 0 {
            bench.world.run_peers();
        }
        match kind {
            0 | 1 => front.write_at(4096, &pattern(512, 9)).expect("writable"),
            2 => drop(front.submit(Request::WriteDurable { offset: 4096, data: pattern(512, 9) })),
            _ => front.discard_at(4096, 4096, Discard::Hint).expect("it can"),
        }
        front.flush().expect("it can");
        let mut buf = vec![0; 8192];
        front.read_at(0, &mut buf).expect("readable");
        assert!(buf == bench.disk.get().content[..8192]);
        assert_eq!(front.stats().read_ahead_hits, 0);
        front.poll();
        bench.finish(front);
    }
}

#[test]
fn while_something_is_written_nothing_is_fetched() {
    let (bench, front) = ready();
    bench.disk.get().knobs.hold = true;
    let token = front.submit(Request::Write { offset: 0, data: pattern(512, 1) }).expect("there is room");
    front.read_ahead(0, 4096);
    assert_eq!(front.in_flight(), 1);
    bench.disk.get().knobs.hold = false;
    assert_eq!(front.wait(token).map(|done| done.result), Ok(Ok(())));
    // Nor what is no range of the disk, or too much.
    for (offset, len) in [(0, 0), (128 << 10, 1), (u64::MAX, 4096), (0, 12 * 4096)] {
        front.read_ahead(offset, len);
    }
    assert_eq!(front.in_flight(), 0);
    bench.finish(front);
}

#[test]
fn what_could_not_be_fetched_is_read_as_ever() {
    let (bench, front) = ready();
    bench.disk.get().knobs.bad = vec![(0..1, RSP_ERROR)];
    front.read_ahead(0, 4096);
    assert!(matches!(front.read_at(0, &mut [0; 512]), Err(Error::Failed { .. })), "its own error");
    bench.disk.get().knobs.bad.clear();
    front.read_ahead(0, 4096);
    bench.world.run_peers();
    // A disk that was away may come back with other content.
    bench.disk.get().die(State::Closed);
    front.check_backend().expect("held");
    bench.disk.get().content.fill(3);
    front.reconnect().expect("it came back");
    let mut buf = [0; 512];
    front.read_at(0, &mut buf).expect("readable");
    assert_eq!(buf, [3; 512]);
    bench.finish(front);
}
