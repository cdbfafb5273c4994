//! When segments, acknowledgements and probes go, and what follows from loss: RFC 1122, 5681, 6298, 6582, 6675, 8201.

use smoltcp::wire::{TcpControl, TcpRepr};
use std::vec::Vec;

use super::super::{Failure, State};
use super::desk::{Desk, OURS, options, segment, with_blocks};
use crate::config::TcpOptions;

fn starts(sent: &[super::desk::Sent]) -> Vec<u32> {
    sent.iter().filter(|sent| !sent.data.is_empty()).map(|sent| sent.seq / 1000).collect()
}

#[test]
fn ten_segments_go_at_first_and_two_for_each_acknowledged() {
    let mut desk = Desk::new(options(), true);
    desk.write(40_000);
    assert_eq!(starts(&desk.out()), (0..10).collect::<Vec<_>>());
    desk.pass(30);
    desk.ack(2000);
    assert_eq!(starts(&desk.out()), [10, 11, 12, 13]);
}

#[test]
fn a_device_that_divides_gets_one_long_segment() {
    let mut desk = Desk::new(options(), true);
    desk.route.offload = Some(65_535);
    desk.write(9_500);
    let sent = desk.out();
    assert_eq!((sent.len(), sent[0].data.len(), sent[0].divide), (1, 9_500, Some(1000)));
    assert_eq!(sent[0].control, TcpControl::Psh);
    assert!(sent[0].data.iter().enumerate().all(|(at, byte)| *byte == at as u8));
    desk.ack(9_500);
    desk.route.offload = Some(4_100);
    desk.write(9_500);
    let lens: Vec<_> = desk.out().iter().map(|sent| sent.data.len()).collect();
    assert_eq!(lens, [4000, 4000, 1500]);
}

#[test]
fn what_three_segments_have_passed_is_sent_again_at_once_and_nothing_else() {
    let mut desk = Desk::new(options(), true);
    desk.write(30_000);
    desk.out();
    let window = desk.connection.window_of_congestion();
    for n in 2..=3 {
        desk.take(&with_blocks(segment(0, 1000, &[]), [(2000, n * 1000 + 1000)]));
        assert!(!starts(&desk.out()).contains(&1), "too early");
    }
    desk.take(&with_blocks(segment(0, 1000, &[]), [(2000, 5000)]));
    let sent = desk.out();
    assert_eq!(sent[0].seq, 1000);
    assert_eq!(starts(&sent).iter().filter(|at| **at < 10).count(), 1);
    assert!(desk.connection.window_of_congestion() < window * 3 / 4 + 2000);
    // The retransmission fills the gap; the end of recovery.
    desk.ack(5000);
    assert!(!starts(&desk.out()).contains(&1));
    desk.connection.abort(&mut desk.pool);
}

#[test]
fn a_lost_retransmission_is_noticed_by_what_was_sent_after_it() {
    let mut desk = Desk::new(options(), true);
    desk.write(60_000);
    desk.out();
    desk.take(&with_blocks(segment(0, 0, &[]), [(1000, 9000)]));
    let sent = desk.out();
    assert_eq!(sent[0].seq, 0);
    let last = sent.last().unwrap();
    let end = last.seq + last.data.len() as u32;
    assert!(end >= 13_000, "new data goes on: {end}");
    desk.take(&with_blocks(segment(0, 0, &[]), [(1000, end)]));
    assert_eq!(desk.out()[0].seq, 0);
}

#[test]
fn the_tail_is_sent_once_more_and_tells_what_is_missing_before_the_time_is_out() {
    let mut desk = Desk::new(options(), true);
    desk.write(5_000);
    desk.out();
    assert_eq!(desk.wait(), 10);
    assert_eq!(starts(&desk.out()), [4]);
    desk.take(&with_blocks(segment(0, 1000, &[]), [(4000, 5000)]));
    assert_eq!(starts(&desk.out()), [1, 2, 3]);
    desk.ack(5000);
    assert!(desk.out().is_empty() && desk.connection.poll_at().is_none());
    // A lone one waits for an acknowledgement that is held back; and its end goes with it.
    desk.write(10);
    desk.connection.close();
    desk.out();
    assert_eq!(desk.wait(), 60);
    let sent = desk.out();
    assert_eq!(
        (sent.len(), sent[0].control, sent[0].seq, sent[0].data.len()),
        (1, TcpControl::Fin, 5000, 10)
    );
    // Once; then it is the time-out's turn.
    assert!(desk.wait() >= 190);
    assert_eq!(desk.out().len(), 1);
    desk.ack(5011);
    assert_eq!(desk.connection.state(), State::FinWait2);
}

#[test]
fn without_sack_three_duplicates_tell_of_a_loss_and_a_partial_acknowledgement_of_the_next() {
    let mut desk = Desk::new(options(), false);
    desk.write(20_000);
    desk.out();
    for _ in 0..2 {
        desk.ack(0);
        assert!(!starts(&desk.out()).contains(&0));
    }
    desk.ack(0);
    assert_eq!(desk.out()[0].seq, 0);
    desk.ack(4000);
    assert_eq!(desk.out()[0].seq, 4000);
}

#[test]
fn after_a_time_out_all_is_sent_again_slowly_and_the_pauses_grow() {
    let mut desk = Desk::new(options(), false);
    desk.write(8_000);
    desk.out();
    let mut waited = Vec::new();
    for _ in 0..4 {
        waited.push(desk.wait());
        assert_eq!(starts(&desk.out()), [0]);
    }
    assert!(waited.windows(2).all(|pair| (pair[0] * 2).abs_diff(pair[1]) <= 1), "{waited:?}");
    desk.ack(1000);
    assert_eq!(starts(&desk.out()), [1, 2]);
    desk.ack(3000);
    assert_eq!(starts(&desk.out()), [3, 4, 5, 6]);
    desk.ack(8000);
    assert!(desk.out().is_empty() && desk.connection.poll_at().is_none());
}

#[test]
fn a_peer_that_is_silent_for_too_long_is_given_up() {
    let mut desk = Desk::new(TcpOptions { user_timeout_ns: Some(5_000_000_000), ..options() }, true);
    desk.pass(100_000);
    desk.write(10);
    let start = desk.now;
    while desk.connection.state() != State::Closed {
        desk.out();
        if desk.connection.state() != State::Closed {
            desk.wait();
        }
    }
    assert_eq!((desk.connection.failure(), (desk.now - start).secs()), (Some(Failure::TimedOut), 5));
}

#[test]
fn every_second_segment_is_acknowledged_at_once_and_one_alone_after_a_while() {
    let mut desk = Desk::new(options(), true);
    desk.take(&segment(0, 0, &[1; 1000]));
    assert!(desk.out().is_empty());
    assert_eq!(desk.wait(), 40);
    assert_eq!(desk.out()[0].ack, Some(1000));
    desk.take(&segment(1000, 0, &[1; 1000]));
    assert!(desk.out().is_empty());
    desk.take(&segment(2000, 0, &[1; 1000]));
    assert_eq!(desk.out()[0].ack, Some(3000));
    // A gap, and its end, at once.
    desk.take(&segment(4000, 0, &[1; 100]));
    let sent = desk.out();
    assert_eq!((sent[0].ack, &*sent[0].blocks), (Some(3000), &[(4000, 4100)][..]));
    desk.take(&segment(6000, 0, &[1; 100]));
    assert_eq!(desk.out()[0].blocks, [(6000, 6100), (4000, 4100)], "the newest first");
    desk.take(&segment(3000, 0, &[1; 1000]));
    let sent = desk.out();
    assert_eq!((sent[0].ack, &*sent[0].blocks), (Some(4100), &[(6000, 6100)][..]));
    // Data carries the acknowledgement that waits.
    desk.take(&segment(4100, 0, &[1; 1900]));
    desk.out();
    desk.take(&segment(6100, 0, b"x"));
    desk.write(1);
    assert_eq!(desk.out()[0].ack, Some(6101));
    assert_ne!(desk.wait(), 40);
}

#[test]
fn small_pieces_wait_for_the_acknowledgement_if_that_is_wanted() {
    let mut desk = Desk::new(TcpOptions { nodelay: false, ..options() }, true);
    desk.write(10);
    assert_eq!(desk.out().len(), 1);
    desk.write(10);
    assert!(desk.out().is_empty());
    desk.write(1005);
    assert_eq!(desk.out()[0].data.len(), 1000, "a whole segment goes");
    desk.ack(10);
    assert!(desk.out().is_empty());
    desk.ack(1010);
    assert_eq!(desk.out()[0].data.len(), 15);
    desk.write(1);
    desk.connection.close();
    assert_eq!(desk.out()[0].control, TcpControl::Fin, "the end waits for nobody");
}

#[test]
fn a_cork_holds_less_than_a_segment_for_a_while() {
    let mut desk = Desk::new(options(), true);
    desk.connection.set_corked(true);
    desk.write(1500);
    assert_eq!(desk.out()[0].data.len(), 1000);
    desk.ack(1000);
    assert!(desk.out().is_empty());
    assert_eq!(desk.wait(), 200);
    assert_eq!(desk.out().last().unwrap().data.len(), 500);
    desk.ack(1500);
    desk.write(10);
    assert!(desk.out().is_empty());
    desk.connection.set_corked(false);
    assert_eq!(desk.out()[0].data.len(), 10);
}

#[test]
fn a_closed_window_is_probed_until_it_opens() {
    let mut desk = Desk::new(options(), true);
    desk.write(5_000);
    desk.out();
    desk.take(&TcpRepr { window_len: 0, ..segment(0, 5_000, &[]) });
    desk.write(5_000);
    assert!(desk.out().is_empty());
    let mut waited = Vec::new();
    for _ in 0..3 {
        waited.push(desk.wait());
        let sent = desk.out();
        assert_eq!((sent.len(), sent[0].seq, sent[0].data.len()), (1, 4_999, 0));
        desk.take(&TcpRepr { window_len: 0, ..segment(0, 5_000, &[]) });
        assert!(desk.out().is_empty());
    }
    assert!(waited[1] >= waited[0] * 2 && waited[2] >= waited[1] * 3 / 2, "{waited:?}");
    desk.take(&TcpRepr { window_len: 1500, ..segment(0, 5_000, &[]) });
    assert_eq!(desk.out().iter().map(|sent| sent.data.len()).sum::<usize>(), 1000);
}

#[test]
fn a_window_smaller_than_a_segment_is_used_all_the_same() {
    let mut desk = Desk::new(options(), true);
    desk.take(&TcpRepr { window_len: 300, ..segment(0, 0, &[]) });
    desk.connection.peer_window_most = 300;
    desk.write(1000);
    let mut got = 0;
    for _ in 0..4 {
        let sent = desk.out();
        assert_eq!(sent.len(), 1);
        got += sent[0].data.len() as u32;
        desk.take(&TcpRepr { window_len: 300, ..segment(0, got, &[]) });
    }
    assert_eq!(got, 1000);
}

#[test]
fn keep_alive_asks_and_gives_up() {
    let ns = 1_000_000_000;
    let patient = TcpOptions { keepalive_ns: Some(10 * ns), user_timeout_ns: Some(35 * ns), ..options() };
    let mut desk = Desk::new(patient, true);
    for _ in 0..3 {
        assert_eq!(desk.wait(), 10_000);
        assert_eq!(desk.out()[0].seq, u32::MAX);
        desk.ack(0);
    }
    let start = desk.now;
    while desk.connection.state() != State::Closed {
        desk.wait();
        desk.out();
    }
    assert_eq!(desk.connection.failure(), Some(Failure::TimedOut));
    assert_eq!((desk.now - start).secs(), 45, "asked after ten seconds, and then 35");
}

#[test]
fn a_report_of_a_narrow_path_is_believed_for_what_is_on_the_way_and_makes_smaller_pieces() {
    let mut desk = Desk::new(options(), true);
    desk.write(6_000);
    assert_eq!(desk.out().len(), 6);
    let window = desk.connection.window_of_congestion();
    let number = |at: u32| super::super::Seq(OURS.wrapping_add(1).wrapping_add(at));
    desk.connection.too_big(number(6_000), 700);
    desk.connection.too_big(number(u32::MAX), 700);
    desk.connection.too_big(number(0), 5_000);
    assert!(desk.out().is_empty(), "none of these can be true");
    desk.connection.too_big(number(3_000), 700);
    let sent = desk.out();
    assert_eq!(sent[0].seq, 0);
    assert!(sent.iter().all(|sent| sent.data.len() <= 660), "{sent:?}");
    assert_eq!(sent.iter().map(|sent| sent.data.len()).sum::<usize>(), 6_000);
    assert_eq!(desk.connection.window_of_congestion(), window, "it is no congestion");
    desk.connection.too_big(number(0), 20);
    assert_eq!(desk.out()[0].data.len(), 536, "nobody makes us send crumbs");
}

#[test]
fn packets_that_vanish_for_their_length_are_made_shorter_unasked() {
    let mut desk = Desk::calling(options());
    desk.route.mtu = 9_000;
    desk.out();
    desk.take(&TcpRepr { max_seg_size: Some(8_960), sack_permitted: false, ..Desk::answer() });
    desk.write(20_000);
    desk.out();
    let mut lens = Vec::new();
    for _ in 0..4 {
        desk.wait();
        lens.push(desk.out()[0].data.len());
    }
    assert_eq!(lens, [8_960, 8_960, 1_240, 1_240]);
}

#[test]
fn the_room_to_write_grows_with_the_congestion_window_and_the_window_with_the_reader() {
    let mut desk = Desk::new(options(), true);
    assert_eq!(desk.connection.send_capacity(), 64 << 10);
    let mut acked = 0;
    for _ in 0..8 {
        let room = desk.connection.send_room();
        desk.write(room);
        let sent = desk.out();
        acked = sent.last().map_or(acked, |last| last.seq + last.data.len() as u32);
        desk.pass(20);
        desk.ack(acked);
    }
    assert!(desk.connection.send_capacity() > 100 << 10, "{}", desk.connection.send_capacity());

    let mut desk = Desk::calling(options());
    desk.out();
    desk.take(&TcpRepr { window_scale: Some(2), ..Desk::answer() });
    let (mut seq, mut widest) = (0u32, 0);
    for _ in 0..60 {
        for _ in 0..40 {
            desk.take(&segment(seq, 0, &[5; 1000]));
            seq += 1000;
            desk.connection.recv_slice(desk.now, &mut desk.pool, &mut [0; 2000]);
            desk.connection.opens_window();
            widest = desk.out().iter().map(|sent| u32::from(sent.window) << 5).max().unwrap_or(0).max(widest);
        }
        desk.pass(20);
    }
    assert!(widest > 128 << 10, "{widest}");
}
