//! Discard: only whole extents, only what was asked for, and only where the back end can.

use super::*;
use crate::{Discard, DiscardLimits, Operation, Request};
use xen_sys::io::blkif::{OP_DISCARD, RSP_EOPNOTSUPP, RSP_ERROR};

fn with_discard(granularity: &str, alignment: &str, secure: &str) -> Bench {
    let bench = Bench::new(256 << 10, 512);
    bench.disk.offer("feature-discard", "1");
    bench.disk.offer("discard-granularity", granularity);
    bench.disk.offer("discard-alignment", alignment);
    bench.disk.offer("discard-secure", secure);
    bench
}

#[test]
#[cfg_attr(miri, ignore = "moves too many bytes for an interpreter")]
fn of_any_range_the_whole_extents_go_and_nothing_beside() {
    for (granularity, alignment) in [(512, 0), (4096, 0), (4096, 1024), (12_288, 8192)] {
        let bench = with_discard(&granularity.to_string(), &alignment.to_string(), "0");
        let front = bench.connect();
        let limits = DiscardLimits { granularity, alignment, secure: false };
        assert_eq!(front.disk().discard, Some(limits));
        let mut random = Random(u64::from(granularity + alignment));
        for _ in 0..50 {
            bench.disk.get().content.fill(1);
            let first = random.below(512);
            let count = random.below(513 - first);
            let (start, len) = (first * 512, count * 512);
            front.discard_at(start, len, Discard::Hint).expect("whole sectors of the disk");
            // Byte by byte: it went if all of its extent was asked for.
            for (at, byte) in bench.disk.get().content.iter().enumerate() {
                let (at, unit, skew) = (at as u64, u64::from(granularity), u64::from(alignment));
                let extent = at.checked_sub(skew).map(|at| at / unit * unit + skew);
                let whole = extent.is_some_and(|extent| extent >= start && extent + unit <= start + len);
                assert_eq!(*byte == 0xdd, whole, "byte {at}, {len} bytes at {start}, extents of {unit}");
            }
        }
        assert!(bench.disk.get().discarded.iter().all(|(_, secure)| !secure));
        bench.finish(front);
    }
}

#[test]
fn a_secure_discard_is_exact_or_refused() {
    let bench = with_discard("4096", "512", "1");
    let front = bench.connect();
    front.discard_at(512, 8192, Discard::Secure).expect("two extents");
    assert_eq!(bench.disk.get().discarded, [(512..8704, true)]);
    for (offset, len) in [(0, 4096), (512, 512), (1024, 4096), (512, 4608)] {
        let error = front.discard_at(offset, len, Discard::Secure).expect_err("parts of extents");
        assert_eq!(
            error.to_string(),
            format!(
                "xvda (vbd/51712): a secure discard of {len} bytes at {offset} is not of whole sectors of 4096"
            )
        );
    }
    front.discard_at(512, 0, Discard::Secure).expect("nothing");
    bench.finish(front);
}

#[test]
fn without_the_offer_or_with_a_senseless_one_there_is_no_discard() {
    for (key, value, secure_too) in [
        ("feature-discard", "0", true),
        ("discard-granularity", "700", true),
        ("discard-granularity", "1099511627776", true),
        ("discard-alignment", "100", true),
        ("discard-secure", "0", false),
    ] {
        let bench = with_discard("4096", "0", "1");
        bench.disk.offer(key, value);
        let front = bench.connect();
        let hint = front.discard_at(0, 8192, Discard::Hint);
        let secure = front.discard_at(0, 8192, Discard::Secure);
        let unsupported = |operation| Err(Error::Unsupported { disk: "xvda (vbd/51712)".into(), operation });
        assert_eq!(hint, if secure_too { unsupported(Operation::Discard) } else { Ok(()) });
        assert_eq!(secure, unsupported(Operation::SecureDiscard));
        assert_eq!(front.disk().discard.is_none(), secure_too);
        bench.finish(front);
    }
}

#[test]
fn a_back_end_that_refuses_one_is_not_asked_again_and_one_that_fails_is() {
    let bench = with_discard("512", "0", "1");
    let front = bench.connect();
    bench.disk.get().knobs.refuse_discard = Some(RSP_ERROR);
    let failed = front.discard_at(512, 1024, Discard::Hint).expect_err("it fails");
    assert_eq!(failed.to_string(), "xvda (vbd/51712): discard of 1024 bytes at 512 failed with an I/O error");
    assert!(front.disk().discard.is_some());
    bench.disk.get().knobs.refuse_discard = Some(RSP_EOPNOTSUPP);
    let refused = front.discard_at(0, 512, Discard::Secure).expect_err("it refuses");
    assert_eq!(refused.to_string(), "xvda (vbd/51712): the back end does not support secure discard");
    assert_eq!(front.disk().discard.map(|limits| limits.secure), Some(false));
    front.discard_at(0, 512, Discard::Hint).expect_err("that as well");
    assert_eq!(front.disk().discard, None);
    let asked = front.stats().requests;
    front.discard_at(0, 512, Discard::Hint).expect_err("known");
    assert_eq!(front.stats().requests, asked);
    bench.finish(front);
}

#[test]
fn a_flush_waits_for_discards_and_a_read_only_disk_has_none() {
    let bench = with_discard("512", "0", "0");
    let front = bench.connect_with(Config { backlog: 8, ..config() });
    bench.disk.get().knobs.hold = true;
    let request = Request::Discard { offset: 0, len: 4096, kind: Discard::Hint };
    let token = front.submit(request).expect("accepted");
    let flush = front.submit(Request::Flush).expect("accepted");
    bench.world.run_peers();
    assert_eq!(front.in_flight(), 1);
    bench.disk.get().knobs.hold = false;
    assert_eq!(front.wait(flush).map(|done| done.result), Ok(Ok(())));
    assert_eq!(front.wait(token).map(|done| done.result), Ok(Ok(())));
    assert_eq!(bench.disk.get().operations[0], OP_DISCARD);
    assert_eq!((front.stats().discards, front.stats().bytes_discarded), (1, 4096));
    bench.finish(front);
    let bench = with_discard("512", "0", "0");
    bench.disk.offer("mode", "r");
    let front = bench.connect();
    assert!(matches!(front.discard_at(0, 512, Discard::Hint), Err(Error::ReadOnly { .. })));
    bench.finish(front);
}
