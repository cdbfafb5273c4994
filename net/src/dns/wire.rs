//! DNS messages (RFC 1035, RFC 3596): what a stub resolver needs of them.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::frame::be16;

const HEADER: usize = 12;
const CLASS_IN: u16 = 1;
/// Addresses taken of one answer.
const MOST: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RecordKind {
    A = 1,
    Aaaa = 28,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Addresses(Vec<IpAddr>),
    NoSuchName,
    /// The server could not or would not tell.
    Failure,
}

/// The name in labels, or `None` if it is no host name.
pub(crate) fn encode_name(name: &str) -> Option<Vec<u8>> {
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.is_empty() || name.len() > 253 {
        return None;
    }
    let mut labels = Vec::with_capacity(name.len() + 2);
    for label in name.split('.') {
        if label.is_empty() || label.len() > 63 || !label.bytes().all(|b| b.is_ascii_graphic()) {
            return None;
        }
        labels.push(label.len() as u8);
        labels.extend_from_slice(label.as_bytes());
    }
    labels.push(0);
    Some(labels)
}

/// A question, recursion desired.
pub(crate) fn question(ident: u16, labels: &[u8], kind: RecordKind) -> Vec<u8> {
    let mut message = Vec::with_capacity(HEADER + labels.len() + 4);
    message.extend_from_slice(&ident.to_be_bytes());
    message.extend_from_slice(&[1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    message.extend_from_slice(labels);
    message.extend_from_slice(&(kind as u16).to_be_bytes());
    message.extend_from_slice(&CLASS_IN.to_be_bytes());
    message
}

/// Reads the answer to a question; `None` if the message is no answer to it, or broken.
pub(crate) fn read_answer(message: &[u8], ident: u16, labels: &[u8], kind: RecordKind) -> Option<Answer> {
    let flags = be16(message, 2)?;
    let is_response = flags & 0x8000 != 0;
    if be16(message, 0)? != ident || !is_response || be16(message, 4)? != 1 {
        return None;
    }
    let asked = message.get(HEADER..HEADER + labels.len())?;
    let mut at = HEADER + labels.len();
    if !asked.eq_ignore_ascii_case(labels)
        || be16(message, at)? != kind as u16
        || be16(message, at + 2)? != CLASS_IN
    {
        return None;
    }
    at += 4;
    match flags & 15 {
        0 => {}
        3 => return Some(Answer::NoSuchName),
        _ => return Some(Answer::Failure),
    }
    let mut found = Vec::new();
    // Aliases stand in the same section as what they lead to, so every address there is an answer.
    for _ in 0..be16(message, 6)? {
        let Some(record) = read_record(message, at) else {
            // A message cut short still says something; a broken one nothing.
            return (!found.is_empty()).then_some(Answer::Addresses(found));
        };
        at = record.end;
        if record.kind == kind as u16 && record.class == CLASS_IN && found.len() < MOST {
            let addr = match (kind, record.data) {
                (RecordKind::A, data) => <[u8; 4]>::try_from(data).ok().map(|o| Ipv4Addr::from(o).into()),
                (RecordKind::Aaaa, data) => <[u8; 16]>::try_from(data).ok().map(|o| Ipv6Addr::from(o).into()),
            };
            found.extend(addr.filter(|addr: &IpAddr| !addr.is_unspecified() && !addr.is_multicast()));
        }
    }
    let truncated = flags & 0x0200 != 0;
    if truncated && found.is_empty() {
        return Some(Answer::Failure);
    }
    Some(Answer::Addresses(found))
}

struct Record<'a> {
    kind: u16,
    class: u16,
    data: &'a [u8],
    end: usize,
}

fn read_record(message: &[u8], at: usize) -> Option<Record<'_>> {
    let at = skip_name(message, at)?;
    let len = usize::from(be16(message, at + 8)?);
    let end = at + 10 + len;
    Some(Record {
        kind: be16(message, at)?,
        class: be16(message, at + 2)?,
        data: message.get(at + 10..end)?,
        end,
    })
}

/// The place after a name. Pointers are not followed, so none can lead in a circle.
fn skip_name(message: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *message.get(at)? {
            0 => return Some(at + 1),
            len @ 1..=63 => at += 1 + usize::from(len),
            192.. => return (at + 1 < message.len()).then_some(at + 2),
            _ => return None,
        }
    }
}

/// Reads any bytes as an answer to any question.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn read_answer_for_fuzzing(message: &[u8]) {
    let ident = be16(message, 0).unwrap_or(0);
    let end = skip_name(message, HEADER).unwrap_or(HEADER).min(message.len());
    let labels = message.get(HEADER..end).unwrap_or(&[]);
    let _ = read_answer(message, ident, labels, RecordKind::A);
    let _ = read_answer(message, ident, labels, RecordKind::Aaaa);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    fn answer(rcode: u8, records: &[(u16, &[u8])]) -> Vec<u8> {
        let mut message = question(7, &encode_name("a.example").unwrap(), RecordKind::A);
        message[2] = 0x81;
        message[3] = 0x80 | rcode;
        message[7] = records.len() as u8;
        for (kind, data) in records {
            message.extend_from_slice(&[0xc0, 12]);
            message.extend_from_slice(&kind.to_be_bytes());
            message.extend_from_slice(&[0, 1, 0, 0, 0, 60]);
            message.extend_from_slice(&(data.len() as u16).to_be_bytes());
            message.extend_from_slice(data);
        }
        message
    }

    fn read(message: &[u8]) -> Option<Answer> {
        read_answer(message, 7, &encode_name("A.example.").unwrap(), RecordKind::A)
    }

    #[test]
    fn addresses_are_read_past_an_alias() {
        let message = answer(0, &[(5, b"\x01b\xc0\x0c"), (1, &[10, 0, 0, 7])]);
        assert_eq!(read(&message), Some(Answer::Addresses(vec![IpAddr::from([10, 0, 0, 7])])));
        assert_eq!(read(&answer(3, &[])), Some(Answer::NoSuchName));
        assert_eq!(read(&answer(2, &[])), Some(Answer::Failure));
    }

    #[test]
    fn answers_to_other_questions_are_ignored() {
        let message = answer(0, &[(1, &[10, 0, 0, 7])]);
        let labels = encode_name("a.example").unwrap();
        assert_eq!(read_answer(&message, 8, &labels, RecordKind::A), None);
        assert_eq!(read_answer(&message, 7, &labels, RecordKind::Aaaa), None);
        assert_eq!(read_answer(&message, 7, &encode_name("b.example").unwrap(), RecordKind::A), None);
    }

    #[test]
    fn no_cut_or_changed_byte_of_an_answer_panics() {
        let message = answer(0, &[(5, b"\x01b\xc0\x0c"), (1, &[10, 0, 0, 7]), (28, &[1; 16])]);
        let step = if cfg!(miri) { 9 } else { 1 };
        for len in (0..message.len()).step_by(step) {
            read(&message[..len]);
            for byte in [0, 1, 63, 64, 192, 255] {
                let mut changed = message.clone();
                changed[len] = byte;
                read(&changed);
                read_answer_for_fuzzing(&changed);
            }
        }
    }

    #[test]
    fn names_that_are_no_host_names_are_refused() {
        for name in ["", ".", "a..b", "a b", &"x".repeat(64), &"x.".repeat(130)] {
            assert_eq!(encode_name(name), None, "{name}");
        }
    }
}
