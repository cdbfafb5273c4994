//! Writes that are durable when they end, and disks that grow.

use super::*;
use crate::{FlushKind, OnLoss, Request};
use xen::xenbus::State;
use xen_sys::io::blkif::{OP_FLUSH_DISKCACHE, OP_WRITE, OP_WRITE_BARRIER};

#[test]
#[cfg_attr(miri, ignore = "moves too many bytes for an interpreter")]
fn a_durable_write_ends_after_its_flush_whatever_kind_that_is() {
    for (flush, barrier, code) in
        [("1", "1", Some(OP_FLUSH_DISKCACHE)), ("0", "1", Some(OP_WRITE_BARRIER)), ("0", "0", None)]
    {
        let bench = Bench::new(1 << 20, 512);
        bench.disk.offer("feature-flush-cache", flush);
        bench.disk.offer("feature-barrier", barrier);
        bench.disk.get().knobs.batch = 2;
        let front = bench.connect_with(Config { backlog: 8, ..config() });
        let data = pattern(100 * 1024, 1);
        front.write_durable_at(512, &data).expect("writable");
        assert_eq!(bench.is_durable(), code.is_some());
        let mut operations = vec![OP_WRITE; 3];
        operations.extend(code);
        assert_eq!(bench.disk.get().operations, operations);
        let token = front.submit(Request::WriteDurable { offset: 0, data }).expect("accepted");
        let other =
            front.submit(Request::Write { offset: 1 << 19, data: pattern(512, 2) }).expect("accepted");
        assert_eq!(front.wait(token).map(|done| done.result), Ok(Ok(())));
        assert_eq!(front.wait(other).map(|done| done.result), Ok(Ok(())));
        assert!(bench.disk.get().content[..100 * 1024] == pattern(100 * 1024, 1));
        front.write_durable_at(0, &[]).expect("nothing");
        bench.finish(front);
    }
}

#[test]
fn a_durable_write_whose_flush_is_refused_falls_back() {
    let bench = Bench::new(65536, 512);
    bench.disk.offer("feature-barrier", "1");
    bench.disk.get().knobs.refuse_flush = true;
    let front = bench.connect();
    front.write_durable_at(0, &pattern(512, 1)).expect("it falls back");
    assert_eq!(front.disk().flush, FlushKind::Barrier);
    assert_eq!(bench.disk.get().operations, [OP_WRITE, OP_FLUSH_DISKCACHE, OP_WRITE_BARRIER]);
    bench.finish(front);
}

#[test]
fn a_durable_write_whose_flush_was_lost_is_written_again() {
    let bench = Bench::new(65536, 512);
    let front = bench.connect_with(Config { on_loss: OnLoss::Hold, ..config() });
    // The write is answered; the flush is the second request.
    bench.disk.get().knobs.dies_after = Some(2);
    let data = pattern(512, 4);
    let token = front.submit(Request::WriteDurable { offset: 0, data: data.clone() }).expect("accepted");
    for _ in 0..4 {
        bench.world.run_peers();
        assert_eq!(front.poll(), None);
        let _ = front.check_backend();
    }
    assert_eq!(xen::xenbus::Device::backend_state(&bench.device), Ok(State::Closed));
    // What the lost back end had in its cache only is gone.
    bench.disk.get().content.fill(0);
    front.reconnect().expect("it came back");
    assert_eq!(front.wait(token).map(|done| done.result), Ok(Ok(())));
    assert_eq!(bench.disk.get().durable[..512], data);
    bench.finish(front);
}

#[test]
fn a_disk_that_grows_or_shrinks_in_use_is_seen() {
    let bench = Bench::new(65536, 512);
    let front = bench.connect();
    bench.disk.get().content.resize(131_072, 7);
    let mut buf = [0; 512];
    assert!(matches!(front.read_at(65536, &mut buf), Err(Error::OutOfRange { size: 65536, .. })));
    bench.disk.offer("sectors", "256");
    front.read_at(65536, &mut buf).expect("it has grown");
    assert_eq!((buf, front.disk().size_bytes), ([7; 512], 131_072));
    bench.disk.offer("sectors", "128");
    assert_eq!(front.refresh().map(|disk| disk.size_bytes), Ok(65536));
    assert!(matches!(front.read_at(65536, &mut buf), Err(Error::OutOfRange { size: 65536, .. })));
    bench.disk.offer("sectors", "many");
    assert!(matches!(front.read_at(65536, &mut buf), Err(Error::OutOfRange { .. })));
    assert!(front.refresh().is_err());
    bench.finish(front);
}

#[test]
fn what_was_held_for_a_disk_that_came_back_smaller_fails_and_the_rest_is_done() {
    let bench = Bench::new(131_072, 512);
    bench.disk.get().knobs.hold = true;
    let front = bench.connect_with(Config { on_loss: OnLoss::Hold, backlog: 8, ..config() });
    let write = |offset, len| Request::Write { offset, data: pattern(len, 1) };
    let behind = front.submit(write(131_072 - 512, 512)).expect("accepted");
    let odd = front.submit(write(512, 512)).expect("accepted");
    let good = front.submit(write(4096, 4096)).expect("accepted");
    bench.world.run_peers();
    bench.disk.get().die(State::Closed);
    front.check_backend().expect("held");
    bench.disk.offer("sectors", "128");
    bench.disk.offer("sector-size", "4096");
    bench.disk.get().knobs.hold = false;
    front.reconnect().expect("it came back");
    for (token, is_good) in [(behind, false), (odd, false), (good, true)] {
        let result = front.wait(token).expect("known").result;
        assert_eq!(result.is_ok(), is_good, "{result:?}");
        assert!(is_good || matches!(result, Err(Error::Changed { .. })), "{result:?}");
    }
    front.close().expect("it closes");
}
