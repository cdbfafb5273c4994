use super::*;
use crate::{OnLoss, Request};
use xen::fake::Progress;
use xen::xenbus::{DeviceError, State};
use xen_sys::io::blkif::OP_WRITE;

#[test]
fn a_back_end_that_never_connects_is_named_with_the_time() {
    let bench = Bench::new(4096, 512);
    bench.disk.get().knobs.never_connects = true;
    let error = bench.try_connect(config()).err().expect("it never connects");
    assert_eq!(
        error.to_string(),
        "xvda (vbd/51712): vbd/51712: no Connected of the back end after 10000 ms, the back end is InitWait"
    );
    bench.device.set_back_state(State::Initialising);
    let error = bench.try_connect(config()).err().expect("it never gets ready");
    assert!(error.to_string().contains("no InitWait of the back end after 10000 ms"), "{error}");
}

#[test]
fn a_back_end_that_is_gone_is_no_time_out() {
    let bench = Bench::new(4096, 512);
    for state in [State::Closed, State::Closing, State::Unknown] {
        bench.device.set_back_state(state);
        let error = bench.try_connect(config()).err().expect("it is gone");
        assert!(matches!(error, Error::Device { error: DeviceError::BackendGone { .. }, .. }), "{error}");
    }
}

#[test]
fn a_refusing_store_leaves_nothing_behind() {
    let bench = Bench::new(4096, 512);
    bench.device.fail_publish(true);
    let error = bench.try_connect(config()).err().expect("the store refuses");
    assert!(error.to_string().contains("EACCES"), "{error}");
}

#[test]
#[cfg_attr(miri, ignore = "moves too many bytes for an interpreter")]
fn without_enough_pages_or_grants_there_is_an_error_or_a_slower_disk() {
    for limit in 0..8 {
        for grants in [false, true] {
            let bench = Bench::new(1 << 20, 512);
            if grants {
                bench.world.limit_grants(Some(limit))
            } else {
                bench.world.limit_pages(Some(limit))
            }
            match bench.try_connect(config()) {
                Ok(front) => {
                    assert!(limit >= 2, "a ring and one page at least");
                    let data = pattern(100 * 1024, limit as u8);
                    front.write_at(512, &data).expect("one page is enough");
                    let mut back = vec![0; data.len()];
                    front.read_at(512, &mut back).expect("one page is enough");
                    assert!(back == data);
                    bench.finish(front);
                }
                Err(error) => {
                    assert!(limit < 2, "{limit}: {error}");
                    assert!(matches!(error, Error::Grant { .. }), "{error}");
                }
            }
        }
    }
}

#[test]
fn a_back_end_that_goes_fails_what_is_outstanding_and_can_come_back() {
    for state in [State::Closing, State::Closed, State::InitWait] {
        let bench = Bench::new(1 << 20, 512);
        bench.disk.get().knobs.hold = true;
        let front = bench.connect();
        let token = front.submit(Request::Read { offset: 0, len: 512 }).expect("there is room");
        let disk = bench.disk.clone();
        let mut countdown = 3;
        bench.world.add_peer(move |_| {
            countdown -= i32::from(countdown >= 0);
            if countdown == 0 {
                disk.get().die(state);
                return Progress::Made;
            }
            Progress::None
        });
        let gone = Error::Gone { disk: "xvda (vbd/51712)".into(), state };
        bench.world.run_peers();
        bench.world.run_peers();
        assert_eq!(front.read_at(0, &mut [0; 7_000]), Err(gone.clone()));
        assert_eq!(front.wait(token).map(|done| done.result), Ok(Err(gone.clone())));
        assert_eq!(front.write_at(0, &[0; 512]), Err(gone));
        bench.disk.get().knobs.hold = false;
        front.reconnect().expect("it came back");
        front.write_at(0, &pattern(512, 9)).expect("it works again");
        assert_eq!(bench.disk.get().content[..512], pattern(512, 9));
        front.close().expect("it closes");
        drop(front);
        assert_eq!(bench.world.pages_in_use(), 0);
    }
}

#[test]
#[cfg_attr(miri, ignore = "moves too many bytes for an interpreter")]
fn requests_that_are_held_are_done_again_after_a_reconnection() {
    let bench = Bench::new(1 << 20, 512);
    bench.disk.get().content = pattern(1 << 20, 3);
    bench.disk.get().knobs.dies_after = Some(3);
    let front = bench.connect_with(Config { on_loss: OnLoss::Hold, ..config() });
    let written = Request::Write { offset: 0, data: pattern(204_800, 1) };
    let write = front.submit(written).expect("there is room");
    bench.world.run_peers();
    assert_eq!(bench.device.backend_state_now(), State::Closed);
    front.check_backend().expect("held, not failed");
    assert_eq!((front.in_flight(), front.poll()), (0, None));
    let flush = front.submit(Request::Flush);
    assert!(flush.is_err(), "what is held comes first");
    front.reconnect().expect("it came back");
    assert_eq!(front.wait(write).map(|done| done.result), Ok(Ok(())));
    assert!(bench.disk.get().content[..204_800] == pattern(204_800, 1));
    let performed = bench.disk.get().operations.iter().filter(|op| **op == OP_WRITE).count();
    assert_eq!(performed, 204_800usize.div_ceil(11 * 4096), "each part was done once");
    front.flush().expect("it works");
    // A held request fails when the disk is closed instead.
    bench.disk.get().die(State::Closed);
    front.check_backend().expect("held again");
    let read = front.submit(Request::Read { offset: 0, len: 512 }).expect("held");
    front.close().expect("it is gone already");
    assert_eq!(
        front.wait(read).map(|done| done.result),
        Ok(Err(Error::Closed { disk: "xvda (vbd/51712)".into() }))
    );
}

#[test]
#[cfg_attr(miri, ignore = "moves too many bytes for an interpreter")]
fn closing_finishes_what_is_outstanding() {
    let bench = Bench::new(1 << 20, 512);
    bench.disk.get().knobs.batch = 5;
    let front = bench.connect();
    let token = front
        .submit(Request::Write { offset: 0, data: pattern(307_200, 6) })
        .unwrap_or_else(|e| panic!("{e:?}"));
    front.close().expect("it closes");
    assert_eq!(
        (bench.device.front_state(), bench.device.backend_state_now()),
        (State::Closed, State::Closed)
    );
    assert_eq!(bench.device.front("ring-ref"), None);
    assert_eq!(bench.world.pages_in_use(), 0);
    assert_eq!(front.wait(token).map(|done| done.result), Ok(Ok(())));
    assert!(bench.disk.get().content[..307_200] == pattern(307_200, 6));
    let closed = Error::Closed { disk: "xvda (vbd/51712)".into() };
    assert_eq!(
        front.read_at(0, &mut [0; 1]).map_err(|error| error.to_string()),
        Err("xvda (vbd/51712) is closed".into())
    );
    assert_eq!(front.flush(), Err(closed));
    front.close().expect("again is nothing");
    front.reconnect().expect("it can be opened again");
    let mut back = [0; 512];
    front.read_at(0, &mut back).expect("readable");
    assert_eq!(back, pattern(512, 6)[..]);
    bench.finish(front);
}

#[test]
fn pages_that_the_back_end_clings_to_are_leaked_not_reused() {
    let bench = Bench::new(1 << 20, 512);
    bench.disk.get().knobs.clings = true;
    let front = bench.connect();
    front.write_at(0, &pattern(3 * 4096, 1)).expect("it works");
    front.close().expect("it says that it is closed");
    drop(front);
    assert_eq!(bench.world.pages_in_use(), 4, "the ring and three pages of data");
}

#[test]
fn a_back_end_that_does_not_close_is_left_after_a_while() {
    let bench = Bench::new(1 << 20, 512);
    let front = bench.connect();
    front.write_at(0, &pattern(512, 1)).expect("it works");
    bench.disk.get().knobs.hold = true;
    front.submit(Request::Flush).expect("there is room");
    let before = xen::Clock::now_ns(&*bench.world);
    front.close().expect("the wait for the flush ends, and the rest goes well");
    let waited = xen::Clock::now_ns(&*bench.world) - before;
    assert!(waited.abs_diff(Config::default().close_timeout_ns) < 100_000_000, "{waited} ns");
}

#[test]
fn without_persistent_grants_nothing_stays_mapped() {
    let bench = Bench::new(1 << 20, 512);
    let front = bench.connect_with(Config { persistent: false, ..config() });
    front.write_at(0, &pattern(3 * 4096, 1)).expect("it works");
    bench.disk.get().die(State::Closed);
    assert_eq!(
        front.check_backend(),
        Err(Error::Gone { disk: "xvda (vbd/51712)".into(), state: State::Closed })
    );
    front.close().expect("it is gone already");
    assert_eq!(bench.world.pages_in_use(), 0);
}

/// What `xl block-detach` and, a while later, `xl block-attach` do, once so many requests were taken.
fn detach_and_attach(bench: &Bench, after: u64, away_ns: u64) {
    let (disk, device, world) = (bench.disk.clone(), bench.device.clone(), (*bench.world).clone());
    let (mut gone_at, mut closing_at) = (None, 0);
    let mut done = false;
    bench.world.add_peer(move |_| {
        // Every answer comes at once, and yet time passes.
        world.advance_ns(200_000_000);
        let now = xen::Clock::now_ns(&world);
        let (front, back) = (device.front_state(), device.backend_state_now());
        let taken: u64 = disk.get().taken.iter().sum();
        match (back, gone_at) {
            _ if done => return Progress::None,
            (State::Connected, None) if taken >= after => {
                // What it has it answers, but not at once.
                disk.get().knobs.hold = true;
                closing_at = now;
                device.set_back_state(State::Closing);
            }
            (State::Closing, None) if disk.get().knobs.hold && now >= closing_at + 3_000_000_000 => {
                disk.get().knobs.hold = false;
            }
            (State::Closed, None) if front == State::Closed => {
                gone_at = Some(now);
                device.set_back_state(State::Unknown);
            }
            (State::Unknown, Some(since)) if now >= since + away_ns => {
                done = true;
                device.set_back_state(State::InitWait);
            }
            _ => return Progress::None,
        }
        Progress::Made
    });
}

#[test]
#[cfg_attr(miri, ignore = "moves too many bytes for an interpreter")]
fn a_disk_that_is_detached_and_attached_in_use_goes_on_and_nothing_is_done_twice() {
    for after in [1, 2, 5, 6] {
        for away_ns in [0, 3_000_000_000, 100_000_000_000] {
            let bench = Bench::new(1 << 20, 512);
            bench.disk.get().content = pattern(1 << 20, 3);
            let front = bench.connect_with(Config { on_loss: OnLoss::Reconnect, backlog: 8, ..config() });
            detach_and_attach(&bench, after, away_ns);
            let token = front.submit(Request::Read { offset: 700_000, len: 5_000 }).expect("accepted");
            let data = pattern(400 * 1024, 8);
            front.write_at(0, &data).expect("it comes back");
            let mut buf = vec![0; 200_000];
            front.read_at(512 * 1024, &mut buf).expect("it comes back");
            assert!(buf == pattern(1 << 20, 3)[512 * 1024..][..200_000]);
            assert!(bench.disk.get().content[..400 * 1024] == data);
            assert_eq!(front.wait(token).map(|done| done.result), Ok(Ok(())));
            let segments: usize = bench.disk.get().segments.iter().sum();
            assert_eq!(segments, 100 + 49 + 2, "each part once");
            assert_eq!(front.stats().connections, 2, "it was away for a while");
            let taken: u64 = bench.disk.get().taken.iter().sum();
            assert_eq!(
                taken,
                bench.disk.get().operations.len() as u64,
                "what it had it was left time to answer"
            );
            front.close().expect("it closes");
            drop(front);
            assert_eq!(bench.disk.get().complaints, Vec::<String>::new());
            assert_eq!(bench.world.pages_in_use(), 0, "pages are quarantined");
        }
    }
}

pub(super) trait StateNow {
    fn backend_state_now(&self) -> State;
}

impl StateNow for FakeDevice {
    fn backend_state_now(&self) -> State {
        xen::xenbus::Device::backend_state(self).expect("a table")
    }
}
