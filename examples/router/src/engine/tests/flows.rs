use alloc::collections::BTreeMap;

use super::super::flows::{Direction, Flows, Refused, State};
use super::super::packet::Tuple;
use super::*;

fn tuple(number: u32) -> Tuple {
    let src = Addr::v4([10, 0, (number >> 8) as u8, number as u8]);
    Tuple { protocol: 17, src, dst: addr("10.2.0.2"), src_port: number as u16, dst_port: 53 }
}

fn random(seed: &mut u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed
}

#[test]
fn a_full_table_gives_up_what_has_no_answer_first() {
    let mut flows = Flows::new(16, 1).unwrap();
    for number in 0..16 {
        let id = flows.insert(tuple(number), tuple(number).reversed(), 1).unwrap();
        if number != 7 {
            flows.advance(id, Direction::Reply, 0, 1);
        }
    }
    flows.insert(tuple(100), tuple(100).reversed(), 1).expect("number 7 makes room");
    assert!(flows.find(&tuple(7), 1).is_none() && flows.find(&tuple(8), 1).is_some());
    let (id, _) = flows.find(&tuple(100), 1).unwrap();
    flows.advance(id, Direction::Reply, 0, 1);
    assert_eq!(flows.insert(tuple(101), tuple(101).reversed(), 1), Err(Refused::Full));
    assert_eq!(flows.len(), 16);
    // When they have expired there is room for all again.
    let later = 400 * SECOND;
    for number in 200..216 {
        flows.insert(tuple(number), tuple(number).reversed(), later).expect("room");
    }
}

#[test]
fn one_that_looks_like_another_is_refused() {
    let mut flows = Flows::new(16, 1).unwrap();
    flows.insert(tuple(1), tuple(1).reversed(), 1).unwrap();
    let mut other = tuple(2);
    assert_eq!(flows.insert(other, tuple(1).reversed(), 1), Err(Refused::Taken));
    other.src_port = 99;
    assert!(flows.insert(other, other.reversed(), 1).is_ok());
}

#[test]
fn the_table_does_what_a_plain_map_does() {
    for key in 0..if cfg!(miri) { 1 } else { 8 } {
        let mut flows = Flows::new(64, key).unwrap();
        let mut plain: BTreeMap<u32, u64> = BTreeMap::new();
        let (mut seed, mut now) = (key + 99, 1);
        for _ in 0..if cfg!(miri) { 300 } else { 20_000 } {
            now += random(&mut seed) % SECOND;
            let number = (random(&mut seed) % 90) as u32;
            plain.retain(|_, expires| *expires > now);
            let found = flows.find(&tuple(number), now);
            assert_eq!(found.is_some(), plain.contains_key(&number), "number {number}");
            let mut translated = tuple(number);
            translated.src = addr("10.2.0.1");
            assert_eq!(flows.find(&translated.reversed(), now).map(|(id, _)| id), found.map(|(id, _)| id));
            match found {
                Some((id, direction)) => {
                    assert_eq!(direction, Direction::Original);
                    assert_eq!(flows.outgoing(id, Direction::Original), Some(translated));
                    flows.advance(id, Direction::Reply, 0, now);
                    plain.insert(number, now + 300 * SECOND);
                }
                // Never so many that one without an answer has to go.
                None if plain.len() < 40 => {
                    flows.insert(tuple(number), translated.reversed(), now).expect("there is room");
                    plain.insert(number, now + 30 * SECOND);
                }
                None => {}
            }
            if random(&mut seed).is_multiple_of(4) {
                flows.sweep(now, 64);
                assert_eq!(flows.len(), plain.len());
                assert_eq!(flows.translated(), plain.len());
            }
        }
    }
}

#[test]
fn a_tcp_connection_goes_through_its_states() {
    let (syn, ack, fin, rst) = (2, 16, 1 | 16, 4);
    let mut segment = tuple(1);
    segment.protocol = 6;
    let mut flows = Flows::new(16, 1).unwrap();
    let id = flows.insert(segment, segment.reversed(), 1).unwrap();
    let mut step = |direction, flags| {
        flows.advance(id, direction, flags, 1);
        flows.state(id).unwrap()
    };
    use Direction::{Original, Reply};
    assert_eq!(step(Original, syn), State::New);
    assert_eq!(step(Reply, syn | ack), State::Established);
    assert_eq!(step(Original, fin), State::HalfClosed(Original));
    assert_eq!(step(Original, fin), State::HalfClosed(Original), "once more");
    assert_eq!(step(Reply, fin), State::Closed);
    assert_eq!(step(Original, syn), State::New, "the same ports anew");
    assert_eq!(step(Reply, syn | ack), State::Established);
    assert_eq!(step(Reply, rst), State::Reset);
    assert_eq!(step(Original, ack), State::Established, "nobody believed it");
}
