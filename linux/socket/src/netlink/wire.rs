//! Messages of netlink: a header, a fixed part, attributes; all lengths rounded up to four.

use alloc::vec::Vec;

/// Answers are cut into datagrams no longer than this: the C library reads them with a page.
const DATAGRAM: usize = 3840;
const HEADER: usize = 16;

pub(super) const NLMSG_ERROR: u16 = 2;
pub(super) const NLMSG_DONE: u16 = 3;
pub(super) const NLM_F_REQUEST: u16 = 1;
pub(super) const NLM_F_MULTI: u16 = 2;
pub(super) const NLM_F_ACK: u16 = 4;
pub(super) const NLM_F_DUMP: u16 = 0x300;
const NLM_F_CAPPED: u16 = 0x100;

/// A request, taken apart.
#[derive(Clone, Copy)]
pub(super) struct Request<'a> {
    pub kind: u16,
    pub flags: u16,
    pub sequence: u32,
    /// What follows the header.
    pub body: &'a [u8],
    /// All of it.
    pub whole: &'a [u8],
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// The requests of a datagram; what is broken ends it.
pub(super) fn requests(mut rest: &[u8]) -> impl Iterator<Item = Request<'_>> {
    core::iter::from_fn(move || {
        let len = u32_at(rest, 0)? as usize;
        let whole = rest.get(..len).filter(|whole| whole.len() >= HEADER)?;
        rest = rest.get(len.next_multiple_of(4)..).unwrap_or(&[]);
        Some(Request {
            kind: u16_at(whole, 4)?,
            flags: u16_at(whole, 6)?,
            sequence: u32_at(whole, 8)?,
            body: &whole[HEADER..],
            whole,
        })
    })
}

/// The attribute of a kind, in what follows a message's fixed part.
pub(super) fn attribute(mut rest: &[u8], wanted: u16) -> Option<&[u8]> {
    loop {
        let (len, kind) = (usize::from(u16_at(rest, 0)?), u16_at(rest, 2)? & 0x3fff);
        let data = rest.get(4..len)?;
        if kind == wanted {
            return Some(data);
        }
        rest = rest.get(len.next_multiple_of(4)..)?;
    }
}

/// Datagrams with answers to one request.
pub(super) struct Answers {
    datagrams: Vec<Vec<u8>>,
    port: u32,
    sequence: u32,
    flags: u16,
}

impl Answers {
    pub(super) fn new(port: u32, request: &Request<'_>) -> Self {
        let flags = if request.flags & NLM_F_DUMP == NLM_F_DUMP { NLM_F_MULTI } else { 0 };
        Self { datagrams: Vec::new(), port, sequence: request.sequence, flags }
    }

    /// News that nobody has asked for.
    pub(super) fn unasked() -> Self {
        Self { datagrams: Vec::new(), port: 0, sequence: 0, flags: 0 }
    }

    /// Adds a message: a fixed part and attributes that `fill` adds.
    pub(super) fn add(&mut self, kind: u16, fixed: &[u8], fill: impl FnOnce(&mut Attributes)) {
        let mut body = Attributes(fixed.to_vec());
        body.pad();
        fill(&mut body);
        self.put(kind, self.flags, &body.0);
    }

    fn put(&mut self, kind: u16, flags: u16, body: &[u8]) {
        let len = HEADER + body.len();
        if self.datagrams.last().is_none_or(|last| last.len() + len > DATAGRAM) {
            self.datagrams.push(Vec::with_capacity(len.max(256)));
        }
        let Some(datagram) = self.datagrams.last_mut() else { return };
        datagram.extend_from_slice(&(len as u32).to_le_bytes());
        datagram.extend_from_slice(&kind.to_le_bytes());
        datagram.extend_from_slice(&flags.to_le_bytes());
        datagram.extend_from_slice(&self.sequence.to_le_bytes());
        datagram.extend_from_slice(&self.port.to_le_bytes());
        datagram.extend_from_slice(body);
        datagram.resize(datagram.len().next_multiple_of(4), 0);
    }

    /// Ends a dump.
    pub(super) fn done(&mut self) {
        self.put(NLMSG_DONE, NLM_F_MULTI, &[0; 4]);
    }

    /// Says that a request has failed, or for 0 that it was done; `whole` says whether the request is quoted in full.
    pub(super) fn status(&mut self, errno: u16, request: &Request<'_>, whole: bool) {
        let whole = whole && errno != 0;
        let quoted = if whole { request.whole } else { &request.whole[..HEADER] };
        let mut body = (-i32::from(errno)).to_le_bytes().to_vec();
        body.extend_from_slice(quoted);
        self.put(NLMSG_ERROR, if whole { 0 } else { NLM_F_CAPPED }, &body);
    }

    pub(super) fn into_datagrams(self) -> Vec<Vec<u8>> {
        self.datagrams
    }
}

/// The part of a message that grows.
pub(super) struct Attributes(Vec<u8>);

impl Attributes {
    fn pad(&mut self) {
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }

    pub(super) fn put(&mut self, kind: u16, data: &[u8]) {
        self.0.extend_from_slice(&((4 + data.len()) as u16).to_le_bytes());
        self.0.extend_from_slice(&kind.to_le_bytes());
        self.0.extend_from_slice(data);
        self.pad();
    }

    pub(super) fn put_u32(&mut self, kind: u16, value: u32) {
        self.put(kind, &value.to_le_bytes());
    }

    /// A text with its terminating zero.
    pub(super) fn put_text(&mut self, kind: u16, text: &str) {
        let mut bytes = text.as_bytes().to_vec();
        bytes.push(0);
        self.put(kind, &bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_requests_and_attributes_end_the_reading() {
        let good = [20u32.to_le_bytes(), [18, 0, 1, 3], 7u32.to_le_bytes(), [0; 4], [1, 2, 3, 4]].concat();
        let request = requests(&good).next().unwrap();
        assert_eq!(
            (request.kind, request.flags, request.sequence, request.body),
            (18, 0x301, 7, &[1, 2, 3, 4][..])
        );
        for len in [0u32, 15, 21, u32::MAX] {
            let mut bad = good.clone();
            bad[..4].copy_from_slice(&len.to_le_bytes());
            assert!(requests(&bad).next().is_none(), "{len}");
        }
        assert_eq!(attribute(&[5, 0, 3, 0, b'x', 0, 0, 0, 4, 0, 9, 0], 9), Some(&[][..]));
        assert_eq!(attribute(&[0, 0, 3, 0], 3), None);
        assert_eq!(attribute(&[9, 0, 3, 0, 1], 3), None);
    }

    #[test]
    fn long_answers_are_cut_into_datagrams_of_a_page() {
        let whole = [0; 16];
        let request = Request { kind: 18, flags: 0x301, sequence: 1, body: &[], whole: &whole };
        let mut answers = Answers::new(5, &request);
        for _ in 0..100 {
            answers.add(16, &[0; 16], |attributes| attributes.put_text(3, "interface"));
        }
        answers.done();
        let datagrams = answers.into_datagrams();
        assert!(datagrams.len() > 1 && datagrams.iter().all(|datagram| datagram.len() <= 4096));
        let kinds: Vec<_> =
            datagrams.iter().flat_map(|datagram| requests(datagram)).map(|m| m.kind).collect();
        assert_eq!((kinds.len(), kinds.last()), (101, Some(&NLMSG_DONE)));
    }
}
