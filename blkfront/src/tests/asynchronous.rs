use std::rc::Rc;

use super::*;
use crate::{Operation, Request, SubmitError};
use xen::fake::Progress;
use xen_sys::io::blkif::{RSP_ERROR, RSP_OKAY};

const LARGEST: usize = 11 * 4096;

fn read(offset: usize, len: usize) -> Request {
    Request::Read { offset: offset as u64, len }
}

#[test]
#[cfg_attr(miri, ignore = "moves too many bytes for an interpreter")]
fn the_ring_is_filled_to_its_depth_with_the_largest_requests() {
    let size = 33 * LARGEST;
    let bench = Bench::new(size, 512);
    bench.disk.get().content = pattern(size, 9);
    bench.disk.get().knobs.hold = true;
    let front = bench.connect_with(Config { pool_pages: 32 * 11, ..config() });
    let tokens: Vec<_> =
        (0..32).map(|at| front.submit(read(at * LARGEST, LARGEST)).expect("there is room")).collect();
    let one_more = read(32 * LARGEST, 512);
    assert_eq!(front.submit(one_more.clone()), Err(SubmitError::Full(one_more)));
    assert_eq!(front.in_flight(), 32);
    bench.world.run_peers();
    assert_eq!(bench.disk.get().most_pending, 32);
    assert_eq!(front.poll(), None);
    bench.disk.get().knobs.hold = false;
    let content = bench.disk.get().content.clone();
    for (at, token) in tokens.into_iter().enumerate().rev() {
        let done = front.wait(token).expect("known");
        assert_eq!((done.token, done.result), (token, Ok(())));
        assert!(done.data == content[at * LARGEST..][..LARGEST], "request {at}");
    }
    assert_eq!(front.stats().most_in_flight, 32);
    bench.finish(front);
}

#[test]
#[cfg_attr(miri, ignore = "moves too many bytes for an interpreter")]
fn answers_out_of_order_reach_their_requests() {
    let size = 1 << 20;
    let bench = Bench::new(size, 512);
    bench.disk.get().knobs.shuffle = Some(77);
    bench.disk.get().knobs.batch = 32;
    let front = bench.connect_with(Config { pool_pages: 64, ..config() });
    let mut random = Random(5);
    let mut model = pattern(size, 3);
    bench.disk.get().content = model.clone();
    for round in 0..30 {
        let mut expected = Vec::new();
        // Requests of one batch do not overlap: their order is the back end's to choose.
        for at in 0..32 {
            let offset = at * size / 32 + 512 * random.below(20) as usize;
            let len = 512 * (1 + random.below(if at % 4 == 0 { 30 } else { 3 })) as usize;
            let request = if random.below(2) == 0 {
                let data = pattern(len, round + at as u8);
                model[offset..offset + len].copy_from_slice(&data);
                Request::Write { offset: offset as u64, data }
            } else {
                read(offset, len)
            };
            match front.submit(request.clone()) {
                Ok(token) => expected.push((token, offset, len)),
                Err(SubmitError::Full(back)) => {
                    assert_eq!(back, request);
                    if let Request::Write { data, .. } = request {
                        front.write_at(offset as u64, &data).expect("it waits for room");
                    }
                }
                Err(error) => panic!("{error:?}"),
            }
        }
        while let Some(done) = front.wait_any(None) {
            let at = expected.iter().position(|(token, ..)| *token == done.token).expect("submitted once");
            let (_, offset, len) = expected.remove(at);
            assert_eq!(done.result, Ok(()));
            assert!(done.data == model[offset..offset + len]);
        }
        assert!(expected.is_empty());
    }
    assert!(bench.disk.get().content == model);
    bench.finish(front);
}

#[test]
#[cfg_attr(miri, ignore = "moves too many bytes for an interpreter")]
fn a_pool_of_any_size_serves_requests_of_any_size() {
    for pool_pages in [0, 1, 2, 5, 11, 12, 44] {
        let size = 600 * 1024;
        let bench = Bench::new(size, 512);
        let front = bench.connect_with(Config { pool_pages, ..config() });
        let data = pattern(size - 1024, 1);
        let written =
            front.submit(Request::Write { offset: 512, data: data.clone() }).expect("there is room");
        let mut back = vec![0; 1000];
        front.read_at(0, &mut back).expect("readable beside the write");
        let done = front.wait(written).expect("known");
        assert_eq!((done.result, done.data.len()), (Ok(()), data.len()));
        assert!(bench.disk.get().content[512..size - 512] == data);
        let token = front.submit(read(1, size - 2)).expect("there is room");
        assert!(front.wait(token).expect("known").data == bench.disk.get().content[1..size - 1]);
        // The ring, and one at least.
        assert!(bench.world.pages_in_use() <= 1 + pool_pages.max(1));
        assert_eq!(front.stats().pool_waits > 0, pool_pages < 44 || front.stats().ring_full_waits == 0);
        bench.finish(front);
    }
}

#[test]
#[cfg_attr(miri, ignore = "moves too many bytes for an interpreter")]
fn a_full_ring_makes_a_blocking_caller_wait() {
    let bench = Bench::new(1 << 20, 512);
    bench.disk.get().knobs.hold = true;
    let front = bench.connect_with(Config { pool_pages: 100, ..config() });
    for at in 0..32 {
        front.submit(read(at * 512, 512)).expect("there is room");
    }
    let disk = bench.disk.clone();
    bench.world.add_peer(move |_| {
        let held = core::mem::take(&mut disk.get().knobs.hold);
        if held { Progress::Made } else { Progress::None }
    });
    front.write_at(0, &pattern(512, 0)).expect("the ring empties");
    assert_eq!(front.stats().ring_full_waits, 1);
    while let Some(done) = front.wait_any(None) {
        assert_eq!(done.result, Ok(()));
    }
    bench.finish(front);
}

#[test]
#[cfg_attr(miri, ignore = "moves too many bytes for an interpreter")]
fn an_answer_that_another_thread_takes_reaches_its_reader() {
    let bench = Bench::new(1 << 20, 512);
    bench.disk.get().content = pattern(1 << 20, 5);
    let content = bench.disk.get().content.clone();
    let front = Rc::new(bench.connect());
    let token = front.submit(read(5, 100)).expect("there is room");
    // Runs while this thread waits, as another thread would.
    let (other, weak) = (Rc::new(core::cell::RefCell::new(None)), Rc::downgrade(&front));
    let seen = other.clone();
    bench.world.add_peer(move |_| {
        let polled = weak.upgrade().and_then(|front| front.poll());
        match polled {
            Some(done) => {
                *seen.borrow_mut() = Some(done);
                Progress::Made
            }
            None => Progress::None,
        }
    });
    let mut buf = vec![0; 300_000];
    front.read_at(777, &mut buf).expect("readable");
    assert!(buf == content[777..777 + 300_000]);
    let done = other.borrow_mut().take().expect("it polled");
    assert_eq!((done.token, done.result), (token, Ok(())));
    assert_eq!(done.data, content[5..105]);
    assert!(matches!(front.wait(token), Err(Error::UnknownToken { .. })));
    bench.finish(Rc::into_inner(front).expect("the peer's is weak"));
}

#[test]
#[cfg_attr(miri, ignore = "moves too many bytes for an interpreter")]
fn a_partial_failure_says_which_part_and_what_is_intact() {
    let bench = Bench::new(1 << 20, 512);
    bench.disk.get().content = pattern(1 << 20, 5);
    bench.disk.get().knobs.shuffle = Some(4);
    let bad = (3 * LARGEST + 5000) as u64;
    bench.disk.get().knobs.bad = vec![(bad..bad + 1, RSP_ERROR), (bad + 90_000..bad + 90_001, 7)];
    let front = bench.connect_with(Config { pool_pages: 100, ..config() });
    let mut buf = vec![0; 8 * LARGEST];
    let failed = |operation, offset: usize, intact: usize, len: usize, status| {
        let disk = "xvda (vbd/51712)".into();
        Err(Error::Failed {
            disk,
            operation,
            offset: offset as u64,
            len: len as u64,
            intact: intact as u64,
            status,
        })
    };
    let result = front.read_at(0, &mut buf);
    assert_eq!(result, failed(Operation::Read, 3 * LARGEST, 3 * LARGEST, LARGEST, RSP_ERROR));
    assert!(buf[..3 * LARGEST] == bench.disk.get().content[..3 * LARGEST]);
    assert_eq!(
        result.map_err(|error| error.to_string()),
        Err("xvda (vbd/51712): read of 45056 bytes at 135168 failed with an I/O error".into())
    );
    let token =
        front.submit(Request::Write { offset: bad / 512 * 512, data: pattern(512, 0) }).expect("room");
    let done = front.wait(token).expect("known");
    assert_eq!(done.result, failed(Operation::Write, bad as usize / 512 * 512, 0, 512, RSP_ERROR));
    assert_eq!(
        front.read_at(bad + 90_000, &mut [0]).map_err(|error| error.to_string().contains("status 7")),
        Err(true)
    );
    front.read_at(0, &mut buf[..LARGEST]).expect("the disk lives on");
    assert!(front.stats().errors >= 3);
    assert_ne!(RSP_OKAY, RSP_ERROR);
    bench.finish(front);
}

#[test]
#[cfg_attr(miri, ignore = "moves too many bytes for an interpreter")]
fn an_idle_back_end_is_told_once_of_a_burst() {
    let bench = Bench::new(1 << 20, 512);
    let front = bench.connect();
    bench.world.run_peers();
    for at in 0..20 {
        front.submit(read(at * 512, 512)).expect("there is room");
    }
    assert_eq!(front.stats().notifications, 1);
    while let Some(done) = front.wait_any(None) {
        assert_eq!(done.result, Ok(()));
    }
    bench.finish(front);
}

#[test]
fn an_empty_request_ends_at_once() {
    let bench = Bench::new(4096, 512);
    let front = bench.connect();
    front.read_at(4096, &mut []).expect("empty");
    front.write_at(0, &[]).expect("empty");
    let token = front.submit(Request::Write { offset: 0, data: Vec::new() }).expect("empty");
    assert_eq!(front.poll().map(|done| (done.token, done.result)), Some((token, Ok(()))));
    assert_eq!(front.stats().requests, 0);
    bench.finish(front);
}
