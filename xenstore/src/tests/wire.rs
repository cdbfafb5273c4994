use std::vec::Vec;

use super::Random;
use crate::Errno;
use crate::wire::*;
use xen_sys::io::xs_wire as abi;

fn messages() -> (Vec<Message>, Vec<u8>) {
    let mut random = Random(7);
    let mut messages = Vec::new();
    let mut bytes = Vec::new();
    let long = if cfg!(miri) { [200, 255, 256] } else { [1024, 4095, 4096] };
    for len in [0, 1, 2, 15, 16, 17, 100, 0].into_iter().chain(long).chain([3]) {
        let payload: Vec<u8> = (0..len).map(|_| random.next() as u8).collect();
        let message = Message {
            kind: random.below(23) as u32,
            req_id: random.next() as u32,
            tx_id: len as u32,
            payload,
        };
        bytes
            .extend(encode(message.kind, message.req_id, message.tx_id, &[&message.payload]).expect("short"));
        messages.push(message);
    }
    (messages, bytes)
}

#[test]
fn messages_are_put_together_from_chunks_of_every_size() {
    let (messages, bytes) = messages();
    let sizes = (1..if cfg!(miri) { 20 } else { 1100 }).chain([4095, 4096, 4112, bytes.len()]);
    for size in sizes {
        let mut decoder = Decoder::default();
        let mut seen = Vec::new();
        for mut chunk in bytes.chunks(size) {
            while !chunk.is_empty() {
                seen.extend(decoder.feed(&mut chunk).expect("well-formed"));
            }
        }
        assert!(seen == messages, "in chunks of {size}");
    }
}

#[test]
fn the_header_is_that_of_xen() {
    let bytes = encode(abi::XS_READ, 0x0102_0304, 9, &[b"a", b"\0"]).expect("short");
    assert_eq!(bytes, [2, 0, 0, 0, 4, 3, 2, 1, 9, 0, 0, 0, 2, 0, 0, 0, b'a', 0]);
}

#[test]
fn a_payload_of_4096_bytes_is_encoded_and_one_more_is_refused() {
    assert_eq!(encode(0, 0, 0, &[&[0; 4000], &[0; 96]]).map(|bytes| bytes.len()), Ok(4112));
    assert_eq!(encode(0, 0, 0, &[&[0; 4000], &[0; 97]]), Err(4097));
}

#[test]
fn a_length_or_a_type_beyond_the_limits_is_a_lie() {
    for (kind, len) in [(0, 4097u32), (0, u32::MAX), (0, 1 << 31), (23, 0), (u32::MAX, 0)] {
        let mut bytes = Vec::new();
        for word in [kind, 1, 0, len] {
            bytes.extend_from_slice(&u32::to_le_bytes(word));
        }
        assert!(Decoder::default().feed(&mut &bytes[..]).is_err(), "{kind} {len}");
    }
}

#[test]
fn strings_end_at_their_nul_and_the_last_one_may_lack_it() {
    let split = |payload: &'static [u8]| strings(payload).collect::<Vec<_>>();
    assert_eq!(split(b""), [b""; 0]);
    assert_eq!(split(b"a\0bc\0"), [&b"a"[..], b"bc"]);
    assert_eq!(split(b"a\0bc"), [&b"a"[..], b"bc"]);
    assert_eq!(split(b"a\0\0b\0"), [&b"a"[..], b"", b"b"]);
}

#[test]
fn errors_have_names_and_unknown_ones_keep_theirs() {
    assert_eq!(Errno::from_payload(b"ENOENT\0"), Errno::Noent);
    assert_eq!(Errno::from_payload(b"E2BIG"), Errno::TooBig);
    assert_eq!(Errno::from_payload(b"EODD\0"), Errno::Other("EODD".into()));
    assert_eq!(Errno::from_payload(&[b'x'; 4096]).name().len(), 40);
    assert_eq!(Errno::Quota.to_string(), "EQUOTA");
}
