//! Segments that overtake each other.

use std::vec::Vec;

use super::desk::{Desk, options, segment, with_blocks};

/// Has seven segments on the way or more, of which the fourth does not come; what it sends then.
fn with_a_gap(desk: &mut Desk, from: u32) -> Vec<u32> {
    desk.write(10_000);
    assert!(desk.out().len() >= 7);
    desk.pass(5);
    desk.take(&with_blocks(segment(0, from + 3000, &[]), [(from + 4000, from + 7000)]));
    desk.out().iter().filter(|sent| !sent.data.is_empty()).map(|sent| sent.seq).collect()
}

fn window(desk: &Desk) -> u32 {
    desk.connection.info(desk.now, 1500).window
}

#[test]
fn what_comes_twice_is_told_once() {
    let mut desk = Desk::new(options(), true);
    desk.take(&segment(0, 0, &[1; 1000]));
    desk.take(&segment(1000, 0, &[1; 1000]));
    assert_eq!(desk.out().iter().map(|sent| sent.blocks.len()).sum::<usize>(), 0);
    desk.take(&segment(0, 0, &[1; 1000]));
    let sent = desk.out();
    assert_eq!((sent[0].ack, sent[0].blocks.clone()), (Some(2000), Vec::from([(0, 1000)])));
    // In part, and with a gap behind.
    desk.take(&segment(5000, 0, &[1; 1000]));
    desk.take(&segment(1500, 0, &[1; 1000]));
    let blocks: Vec<_> = desk.out().iter().map(|sent| sent.blocks.clone()).collect();
    assert!(blocks.contains(&Vec::from([(1500, 2000), (5000, 6000)])), "{blocks:?}");
    desk.take(&segment(2500, 0, &[1; 1000]));
    desk.pass(100);
    assert!(desk.out().iter().all(|sent| sent.blocks == [(5000, 6000)]));
}

#[test]
fn a_needless_reduction_is_undone() {
    let mut desk = Desk::new(options(), true);
    let before = window(&desk);
    assert_eq!(with_a_gap(&mut desk, 0)[0], 3000);
    assert!(window(&desk) < before);
    desk.take(&with_blocks(segment(0, 10_000, &[]), [(3000, 4000)]));
    assert!(window(&desk) >= before);
    assert_eq!(desk.connection.info(desk.now, 1500).counts.resent, 1);
}

#[test]
fn after_that_a_gap_may_last_a_while() {
    let mut desk = Desk::new(options(), true);
    with_a_gap(&mut desk, 0);
    desk.take(&with_blocks(segment(0, 10_000, &[]), [(3000, 4000)]));
    // It is filled in time.
    assert!(!with_a_gap(&mut desk, 10_000).contains(&13_000));
    desk.take(&segment(0, 20_000, &[]));
    assert!(desk.out().is_empty());
    assert_eq!(desk.connection.info(desk.now, 1500).counts.resent, 1);
    // It is not.
    assert!(!with_a_gap(&mut desk, 20_000).contains(&23_000));
    let waited = desk.wait();
    assert!(waited <= 5, "{waited} ms");
    assert_eq!(desk.out()[0].seq, 23_000);
}

#[test]
fn a_loss_is_none_the_less_sent_again_at_once_where_nothing_was_reordered() {
    let mut desk = Desk::new(options(), true);
    assert_eq!(with_a_gap(&mut desk, 0)[0], 3000);
    desk.take(&segment(0, 10_000, &[]));
    assert_eq!(with_a_gap(&mut desk, 10_000)[0], 13_000);
}

#[test]
fn false_tales_of_duplicates_change_nothing() {
    let mut desk = Desk::new(options(), true);
    let before = window(&desk);
    desk.write(10_000);
    desk.out();
    for _ in 0..100 {
        desk.take(&with_blocks(segment(0, 3000, &[]), [(0, 3000)]));
    }
    assert!(window(&desk) <= 2 * before);
    desk.take(&with_blocks(segment(0, 3000, &[]), [(4000, 7000)]));
    assert_eq!(desk.out()[0].seq, 3000);
}
