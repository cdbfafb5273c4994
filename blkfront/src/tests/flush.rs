use super::*;
use crate::{FlushKind, Request};
use xen_sys::io::blkif::{OP_FLUSH_DISKCACHE, OP_WRITE, OP_WRITE_BARRIER, RSP_EOPNOTSUPP, RSP_ERROR};

#[test]
#[cfg_attr(miri, ignore = "moves too many bytes for an interpreter")]
fn a_flush_goes_out_after_the_answers_to_all_earlier_writes() {
    let bench = Bench::new(1 << 20, 512);
    bench.disk.get().knobs.shuffle = Some(8);
    bench.disk.get().knobs.batch = 8;
    let front = bench.connect_with(Config { pool_pages: 200, ..config() });
    for at in 0..8u64 {
        let data = pattern(512 * (1 + at as usize), at as u8);
        front.submit(Request::Write { offset: at * 65536, data }).expect("there is room");
    }
    let flush = front.submit(Request::Flush).expect("there is room");
    let later = front.submit(Request::Write { offset: 0x90000, data: pattern(512, 0) });
    // The flush waits for the writes: what comes after it would only swell the queue.
    assert!(later.is_err());
    bench.world.run_peers();
    assert_eq!(bench.disk.get().operations, [OP_WRITE; 8], "not before the writes are answered");
    assert_eq!(front.wait(flush).map(|done| done.result), Ok(Ok(())));
    assert_eq!(bench.disk.get().operations[8..], [OP_FLUSH_DISKCACHE]);
    assert!(bench.is_durable());
    while front.poll().is_some() {}
    bench.finish(front);
}

#[test]
fn without_flush_an_empty_barrier_serves_and_without_that_draining() {
    for (barrier, kind, operations) in [
        ("1", FlushKind::Barrier, vec![OP_WRITE, OP_WRITE_BARRIER]),
        ("0", FlushKind::DrainOnly, vec![OP_WRITE]),
    ] {
        let bench = Bench::new(65536, 512);
        bench.device.set_back("feature-flush-cache", "0");
        bench.device.set_back("feature-barrier", barrier);
        let front = bench.connect();
        assert_eq!(front.disk().flush, kind);
        front.submit(Request::Write { offset: 0, data: pattern(512, 1) }).expect("there is room");
        front.flush().expect("it does what it can");
        assert_eq!(front.poll().map(|done| done.result), Some(Ok(())), "the write came before the flush");
        assert_eq!(bench.disk.get().operations, operations);
        assert_eq!(bench.is_durable(), kind == FlushKind::Barrier);
        bench.finish(front);
    }
}

#[test]
fn a_flush_that_is_refused_falls_back_and_is_not_tried_again() {
    // What the back end refuses, what a flush is afterwards, what goes over the ring in two flushes.
    for (barrier_key, refuse_barrier, kind, operations) in [
        ("0", None, FlushKind::DrainOnly, vec![OP_FLUSH_DISKCACHE]),
        ("1", None, FlushKind::Barrier, vec![OP_FLUSH_DISKCACHE, OP_WRITE_BARRIER, OP_WRITE_BARRIER]),
        ("1", Some(RSP_EOPNOTSUPP), FlushKind::DrainOnly, vec![OP_FLUSH_DISKCACHE, OP_WRITE_BARRIER]),
        ("1", Some(RSP_ERROR), FlushKind::DrainOnly, vec![OP_FLUSH_DISKCACHE, OP_WRITE_BARRIER]),
    ] {
        let bench = Bench::new(65536, 512);
        bench.device.set_back("feature-barrier", barrier_key);
        bench.disk.get().knobs.refuse_flush = true;
        bench.disk.get().knobs.refuse_barrier = refuse_barrier;
        let front = bench.connect();
        assert_eq!(front.disk().flush, FlushKind::DiskCache);
        front.flush().expect("it falls back");
        assert_eq!(front.disk().flush, kind);
        front.flush().expect("it has fallen back");
        assert_eq!(bench.disk.get().operations, operations);
        bench.finish(front);
    }
}
