//! Opening, ending, and what may not break a connection: RFC 9293, RFC 5961, RFC 7323.

use smoltcp::time::Duration;
use smoltcp::wire::{TcpControl, TcpRepr, TcpSeqNumber};

use super::super::pool::CHUNK;
use super::super::{Connection, Failure, Pool, Seq, State};
use super::desk::{Desk, OURS, THEIRS, options, segment, stamped};
use crate::config::TcpOptions;

fn control(control: TcpControl, segment: TcpRepr<'_>) -> TcpRepr<'_> {
    TcpRepr { control, ..segment }
}

#[test]
fn a_call_is_repeated_with_growing_pauses_until_its_time_is_over() {
    let mut desk = Desk::calling(TcpOptions { connect_timeout_ns: Some(10_000_000_000), ..options() });
    let mut at = std::vec::Vec::new();
    let start = desk.now;
    while desk.connection.state() == State::SynSent {
        for sent in desk.out() {
            assert_eq!((sent.control, sent.ack), (TcpControl::Syn, None));
            assert_eq!((sent.repr.max_seg_size, sent.repr.window_scale), (Some(1000), Some(5)));
            assert!(sent.repr.sack_permitted && sent.repr.timestamp.is_some());
            at.push((desk.now - start).secs());
        }
        if desk.connection.poll_at().is_some() {
            desk.wait();
        }
    }
    assert_eq!(at, [0, 1, 3, 7]);
    assert_eq!(desk.connection.failure(), Some(Failure::TimedOut));
}

#[test]
fn a_call_is_refused_by_a_reset_that_knows_its_number_alone() {
    let mut desk = Desk::calling(options());
    desk.out();
    desk.take(&control(TcpControl::Rst, segment(0, 5, &[])));
    desk.take(&TcpRepr { ack_number: None, ..control(TcpControl::Rst, segment(0, 0, &[])) });
    assert_eq!(desk.connection.state(), State::SynSent);
    assert!(desk.out().is_empty());
    // An answer to another call is told that it is one.
    desk.take(&TcpRepr { ack_number: Some(TcpSeqNumber(77)), ..Desk::answer() });
    let sent = desk.out();
    assert_eq!((sent[0].control, sent[0].repr.seq_number), (TcpControl::Rst, TcpSeqNumber(77)));
    assert_eq!(desk.connection.state(), State::SynSent);
    desk.take(&control(TcpControl::Rst, segment(0, 0, &[])));
    assert_eq!(desk.connection.failure(), Some(Failure::Refused));
    assert!(desk.out().is_empty());
}

#[test]
fn two_that_call_each_other_at_once_are_connected() {
    for first_sent in [true, false] {
        let mut desk = Desk::calling(options());
        if first_sent {
            desk.out();
        }
        desk.take(&TcpRepr { ack_number: None, ..Desk::answer() });
        let sent = desk.out();
        assert_eq!((sent.len(), sent[0].control, sent[0].ack), (1, TcpControl::Syn, Some(0)));
        desk.take(&Desk::answer());
        assert_eq!(desk.connection.state(), State::Established);
        desk.write(10);
        let sent = desk.out();
        assert_eq!((sent[0].seq, sent[0].ack, sent[0].data.len()), (0, Some(0), 10));
    }
}

#[test]
fn a_reset_ends_a_connection_only_with_the_very_next_number() {
    let mut desk = Desk::new(options(), true);
    for (seq, answered) in [(10, true), (300_000, false), (u32::MAX, false)] {
        desk.pass(1000);
        desk.take(&control(TcpControl::Rst, segment(seq, 0, &[])));
        assert_eq!(desk.connection.state(), State::Established);
        let sent = desk.out();
        assert_eq!(sent.len(), usize::from(answered), "{seq}");
        assert!(sent.iter().all(|sent| sent.ack == Some(0) && sent.control == TcpControl::None));
    }
    desk.take(&control(TcpControl::Rst, segment(0, 0, &[])));
    assert_eq!(desk.connection.failure(), Some(Failure::Reset));
    assert!(desk.out().is_empty() && desk.connection.poll_at().is_none());
}

#[test]
fn a_call_within_a_connection_is_questioned_and_not_believed() {
    let mut desk = Desk::new(options(), true);
    desk.take(&TcpRepr { ack_number: None, ..control(TcpControl::Syn, segment(5, 0, &[])) });
    assert_eq!(desk.connection.state(), State::Established);
    assert_eq!(desk.out().len(), 1);
    // Not each time: two that misunderstand each other stay quiet.
    desk.take(&control(TcpControl::Syn, segment(5, 0, &[])));
    assert!(desk.out().is_empty());
}

#[test]
fn an_acknowledgement_of_what_was_never_sent_is_answered_and_its_data_dropped() {
    let mut desk = Desk::new(options(), true);
    desk.write(100);
    desk.out();
    desk.take(&segment(0, 101, b"evil"));
    assert_eq!((desk.connection.recv_queue(), desk.connection.send_queue()), (0, 100));
    assert_eq!(desk.out().len(), 1);
    // And one from long before the window.
    desk.take(&segment(0, 0u32.wrapping_sub(70_000), b"evil"));
    assert_eq!((desk.connection.recv_queue(), desk.out().len()), (0, 1));
    // A little old is good.
    desk.ack(100);
    desk.take(&segment(0, 50, b"good"));
    assert_eq!((desk.connection.recv_queue(), desk.connection.send_queue()), (4, 0));
}

#[test]
fn what_lies_outside_the_window_is_cut_off() {
    let mut desk = Desk::new(TcpOptions { rx_buffer: 1000, ..options() }, true);
    desk.take(&segment(0, 0, &[1; 600]));
    desk.take(&segment(500, 0, &[2; 600]));
    assert_eq!(desk.connection.recv_queue(), 1000);
    let mut out = [0; 1000];
    assert_eq!(desk.connection.peek_slice(&mut out), 1000);
    assert!(out[..600] == [1; 600] && out[600..] == [2; 400]);
    let sent = desk.out();
    assert_eq!((sent[0].ack, sent[0].window), (Some(1000), 0));
    // At the closed window an acknowledgement still counts, and data is answered.
    desk.write(10);
    desk.out();
    desk.take(&segment(1000, 10, b"x"));
    assert_eq!(desk.connection.send_queue(), 0);
    assert_eq!(desk.out()[0].ack, Some(1000));
    desk.connection.recv_slice(desk.now, &mut desk.pool, &mut [0; 300]);
    assert!(!desk.connection.opens_window(), "a small step is no news");
    desk.connection.recv_slice(desk.now, &mut desk.pool, &mut [0; 300]);
    assert!(desk.connection.opens_window());
    assert_eq!(desk.out()[0].window, 600);
}

#[test]
fn an_offered_window_is_never_taken_back() {
    let mut desk = Desk::new(TcpOptions { rx_buffer: 10_000, ..options() }, true);
    let mut edge = 10_000;
    for n in 0..9 {
        desk.take(&segment(n * 1000, 0, &[0; 1000]));
        desk.route.tight = n > 3;
        for sent in desk.out() {
            let new = sent.ack.unwrap() + u32::from(sent.window);
            assert!(new >= edge, "{new} after {edge}");
            edge = new;
        }
    }
    assert_eq!(edge, 10_000);
}

#[test]
fn the_end_waits_for_what_comes_before_it() {
    let mut desk = Desk::new(options(), true);
    desk.take(&control(TcpControl::Fin, segment(5, 0, b"world")));
    assert_eq!(desk.connection.state(), State::Established);
    assert_eq!(desk.out()[0].blocks, [(5, 10)]);
    // Nothing comes after the end.
    desk.take(&segment(8, 0, b"ldXXXX"));
    desk.take(&segment(0, 0, b"hello"));
    assert_eq!(desk.connection.state(), State::CloseWait);
    assert_eq!((desk.connection.recv_queue(), desk.out()[0].ack), (10, Some(11)));
    // Our side is still open.
    desk.write(3);
    assert_eq!(desk.out()[0].data.len(), 3);
    desk.connection.close();
    assert_eq!(desk.out()[0].control, TcpControl::Fin);
    desk.take(&segment(11, 4, &[]));
    assert_eq!((desk.connection.state(), desk.connection.failure()), (State::Closed, None));
}

#[test]
fn both_may_end_at_once() {
    let mut desk = Desk::new(options(), true);
    desk.write(10);
    desk.connection.close();
    let sent = desk.out();
    assert_eq!((sent.len(), sent[0].control, sent[0].data.len()), (1, TcpControl::Fin, 10));
    desk.take(&control(TcpControl::Fin, segment(0, 0, &[])));
    assert_eq!(desk.connection.state(), State::Closing);
    assert_eq!(desk.out()[0].ack, Some(1));
    desk.take(&segment(1, 11, &[]));
    assert_eq!(desk.connection.state(), State::TimeWait);
    // The end again is acknowledged again, and holds the place anew.
    desk.pass(8000);
    desk.take(&control(TcpControl::Fin, segment(0, 11, &[])));
    assert_eq!(desk.out()[0].ack, Some(1));
    assert_eq!(desk.wait(), 10_000);
    assert!(desk.out().is_empty());
    assert_eq!(desk.connection.state(), State::Closed);
}

#[test]
fn an_old_stamp_is_dropped_and_a_missing_one_forgiven() {
    let mut desk = Desk::calling(options());
    desk.out();
    desk.take(&stamped(Desk::answer(), 1_000_000, 0));
    let stamps = desk.out()[0].repr.timestamp.unwrap();
    assert_eq!(stamps.tsecr, 1_000_000);
    desk.take(&stamped(segment(0, 0, b"old"), 999_999, 0));
    assert_eq!((desk.connection.recv_queue(), desk.out().len()), (0, 1));
    desk.take(&stamped(segment(0, 0, b"new"), 1_000_001, 0));
    desk.take(&segment(3, 0, b"bare"));
    assert_eq!(desk.connection.recv_queue(), 7);
    // After weeks the peer's clock may have come round.
    desk.now += Duration::from_secs(25 * 86400);
    desk.take(&stamped(segment(7, 0, b"late"), 5, 0));
    assert_eq!(desk.connection.recv_queue(), 11);
}

#[test]
fn a_confirmed_cookie_makes_a_connection_with_what_came_with_it() {
    let mut pool = Pool::new(usize::MAX);
    let now = smoltcp::time::Instant::from_secs(5);
    let first = segment(0, 0, b"GET /");
    let mut connection = Connection::confirm(&first, 1220, false, &options(), now);
    connection.receive(&first, now, &mut pool);
    assert_eq!((connection.state(), connection.recv_queue()), (State::Established, 5));
    let route = super::super::Route { mtu: 1500, offload: None, tight: false };
    connection.send_slice(&[0; 5000], now, &mut pool);
    let sent = connection.next_segment(now, &route).unwrap();
    assert_eq!((sent.len, sent.repr(1, 2).timestamp, sent.repr(1, 2).sack_permitted), (1220, None, false));
    assert_eq!(sent.repr(1, 2).seq_number.0 as u32, OURS.wrapping_add(1));
    let _ = THEIRS;
}

#[test]
fn without_memory_data_is_left_to_come_again() {
    let mut desk = Desk::new(options(), true);
    desk.pool.set_limit(CHUNK);
    desk.take(&segment(0, 0, &[1; 3000]));
    desk.take(&segment(3000, 0, &[2; 3000]));
    assert_eq!(desk.connection.recv_queue(), CHUNK);
    assert_eq!(desk.out()[0].ack, Some(CHUNK as u32));
    desk.take(&segment(CHUNK as u32, 0, &[2; 1904]));
    assert_eq!(desk.connection.recv_queue(), CHUNK);
    desk.connection.recv_slice(desk.now, &mut desk.pool, &mut [0; 5000]);
    desk.take(&segment(CHUNK as u32, 0, &[2; 1904]));
    assert_eq!(desk.connection.recv_queue(), 1904);
    desk.connection.release(&mut desk.pool);
    assert_eq!(desk.pool.used(), 0);
}

#[test]
fn an_abort_resets_the_peer_and_gives_the_memory_back() {
    let mut desk = Desk::new(options(), true);
    desk.write(5000);
    desk.take(&segment(0, 0, b"unread"));
    desk.connection.abort(&mut desk.pool);
    assert_eq!(desk.pool.used(), 0);
    let sent = desk.out();
    assert_eq!((sent.len(), sent[0].control, sent[0].seq, sent[0].ack), (1, TcpControl::Rst, 0, Some(6)));
    assert!(!desk.connection.has_reset() && desk.connection.poll_at().is_none());
    let _ = Seq(0);
}

/// Whatever comes, in any order: no panic, no growth without bound, no sending without end.
#[test]
fn hostile_segments_break_nothing() {
    let (seeds, turns) = if cfg!(miri) { (2, 100) } else { (60, 2_000) };
    for seed in 0..seeds {
        let mut rng = crate::rng::Rng::new(seed);
        let mut roll = |n: u64| rng.next_u64() % n.max(1);
        let small = TcpOptions { rx_buffer: 20_000, tx_buffer: 30_000, ..options() };
        let mut desk = if seed % 3 == 0 { Desk::calling(small) } else { Desk::new(small, seed % 2 == 0) };
        desk.pool.set_limit(80_000);
        let data = [7; 3000];
        for _ in 0..turns {
            let near = |desk: &Desk, number: Seq, roll: &mut dyn FnMut(u64) -> u64| {
                let _ = desk;
                let number = number.0;
                TcpSeqNumber(match roll(6) {
                    0..3 => number,
                    3 => number.wrapping_add(roll(40_000) as u32).wrapping_sub(roll(40_000) as u32),
                    4 => number.wrapping_add(1 << 31).wrapping_sub(roll(3) as u32),
                    _ => roll(u64::MAX) as u32,
                } as i32)
            };
            let (una, nxt, expected) = (desk.connection.una, desk.connection.nxt, desk.connection.expected());
            let kinds = if roll(20) == 0 { 6 } else { 3 };
            let kind = roll(kinds);
            let base = if roll(2) == 0 { una } else { nxt };
            let mut repr = TcpRepr {
                seq_number: near(&desk, expected, &mut roll),
                ack_number: (roll(8) > 0).then(|| near(&desk, base, &mut roll)),
                window_len: [0, 1, 1000, 65535][roll(4) as usize],
                control: [
                    TcpControl::None,
                    TcpControl::None,
                    TcpControl::Psh,
                    TcpControl::Fin,
                    TcpControl::Syn,
                    TcpControl::Rst,
                ][kind as usize],
                max_seg_size: (roll(3) == 0).then(|| roll(65536) as u16),
                window_scale: (roll(3) == 0).then(|| roll(256) as u8),
                sack_permitted: roll(2) == 0,
                ..segment(0, 0, &data[..roll(3000) as usize])
            };
            for range in &mut repr.sack_ranges {
                let (a, b) = (near(&desk, una, &mut roll), near(&desk, nxt, &mut roll));
                *range = (roll(2) == 0).then_some((a.0 as u32, b.0 as u32));
            }
            if roll(3) == 0 {
                repr = stamped(repr, roll(u64::MAX) as u32, roll(u64::MAX) as u32);
            }
            desk.take(&repr);
            match roll(12) {
                0 => desk.connection.close(),
                1..4 => {
                    desk.connection.recv_slice(desk.now, &mut desk.pool, &mut [0; 4000]);
                    desk.connection.opens_window();
                }
                4..7 if desk.connection.may_send() => {
                    desk.connection.send_slice(&data, desk.now, &mut desk.pool);
                }
                7 => desk.connection.too_big(Seq(near(&desk, una, &mut roll).0 as u32), roll(2000) as usize),
                8 => desk.pass(roll(3_000)),
                _ => {}
            }
            desk.route.offload = (roll(2) == 0).then_some(65535);
            desk.route.tight = desk.pool.is_tight();
            for sent in desk.out() {
                assert!(sent.data.len() <= 30_000);
                let whole = sent.divide.map_or(sent.data.len(), usize::from);
                assert!(whole + sent.repr.header_len() + 20 <= 1040);
            }
            assert!(desk.connection.recv_queue() <= 20_000 + 3_000 && desk.pool.used() <= 80_000);
            if desk.connection.state() == State::Closed {
                desk.connection.release(&mut desk.pool);
                assert_eq!(desk.pool.used(), 0, "seed {seed}");
                desk = Desk::new(small, roll(2) == 0);
                desk.pool.set_limit(80_000);
            }
        }
        desk.connection.abort(&mut desk.pool);
        assert_eq!(desk.pool.used(), 0);
    }
}
