//! Control messages: `struct cmsghdr` and what follows it.

use alloc::vec::Vec;

use linux_base::host;
use linux_base::{Errno, Result};

use crate::options::Attached;
use crate::options::table::SOCKET;

pub(crate) const SCM_RIGHTS: u32 = 1;
pub(crate) const SCM_CREDENTIALS: u32 = 2;
const SO_TIMESTAMP: u32 = 29;
const SO_TIMESTAMPNS: u32 = 35;
const HEADER: usize = 16;

/// A control message that a program sends.
pub(crate) struct Message<'a> {
    pub level: u32,
    pub kind: u32,
    pub data: &'a [u8],
}

/// Takes control messages apart.
pub(crate) fn messages(mut rest: &[u8]) -> impl Iterator<Item = Result<Message<'_>>> {
    core::iter::from_fn(move || {
        let header: [u8; HEADER] = rest.get(..HEADER)?.try_into().ok()?;
        let word =
            |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let len = u64::from(word(0)) | u64::from(word(4)) << 32;
        let len = usize::try_from(len).ok().filter(|len| (HEADER..=rest.len()).contains(len));
        let Some(len) = len else {
            rest = &[];
            return Some(Err(Errno::EINVAL));
        };
        let data = &rest[HEADER..len];
        rest = rest.get(len.next_multiple_of(8)..).unwrap_or(&[]);
        Some(Ok(Message { level: word(8), kind: word(12), data }))
    })
}

/// Control messages for a program, as many as it has room for.
pub(crate) struct Writer {
    pub bytes: Vec<u8>,
    room: usize,
    /// Something did not fit.
    pub is_cut: bool,
}

impl Writer {
    pub(crate) fn new(room: usize) -> Self {
        Self { bytes: Vec::new(), room, is_cut: false }
    }

    /// Bytes of data for which there is room.
    pub(crate) fn room(&self) -> usize {
        self.room.saturating_sub(self.bytes.len() + HEADER)
    }

    /// Adds a message, cut if need be.
    pub(crate) fn put(&mut self, level: u32, kind: u32, data: &[u8]) {
        let space = self.room.saturating_sub(self.bytes.len());
        if space < HEADER || self.bytes.try_reserve(HEADER + data.len() + 7).is_err() {
            self.is_cut = true;
            return;
        }
        let len = data.len().min(space - HEADER);
        self.is_cut |= len < data.len();
        self.bytes.extend_from_slice(&((HEADER + len) as u64).to_le_bytes());
        self.bytes.extend_from_slice(&level.to_le_bytes());
        self.bytes.extend_from_slice(&kind.to_le_bytes());
        self.bytes.extend_from_slice(&data[..len]);
        let end = self.bytes.len().next_multiple_of(8).min(self.room);
        self.bytes.resize(end, 0);
    }

    /// Adds the time, if asked for.
    pub(crate) fn put_time(&mut self, attached: Attached) {
        if !attached.intersects(Attached::TIMEVAL | Attached::TIMESPEC) {
            return;
        }
        let now = host::host().wall_ns();
        let (kind, fraction) = if attached.contains(Attached::TIMEVAL) {
            (SO_TIMESTAMP, now % 1_000_000_000 / 1000)
        } else {
            (SO_TIMESTAMPNS, now % 1_000_000_000)
        };
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&(now / 1_000_000_000).to_le_bytes());
        bytes[8..].copy_from_slice(&fraction.to_le_bytes());
        self.put(SOCKET, kind, &bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_go_there_and_back() {
        let mut writer = Writer::new(100);
        writer.put(1, 2, &[7; 12]);
        writer.put(41, 50, &[8; 20]);
        assert!(!writer.is_cut);
        let all: Vec<_> = messages(&writer.bytes).map(|message| message.unwrap()).collect();
        assert_eq!((all[0].level, all[0].kind, all[0].data), (1, 2, &[7; 12][..]));
        assert_eq!((all[1].level, all[1].kind, all[1].data), (41, 50, &[8; 20][..]));
        assert_eq!(all.len(), 2);
    }

    #[test]
    fn what_does_not_fit_is_cut() {
        let mut writer = Writer::new(20);
        writer.put(1, 2, &[7; 12]);
        assert_eq!((writer.bytes.len(), writer.is_cut), (20, true));
        let mut writer = Writer::new(15);
        writer.put(1, 2, &[7; 12]);
        assert_eq!((writer.bytes.len(), writer.is_cut), (0, true));
    }

    #[test]
    fn lengths_that_are_lies_are_refused() {
        for len in [0u64, 15, 25, u64::MAX] {
            let mut bytes = [0; 24];
            bytes[..8].copy_from_slice(&len.to_le_bytes());
            assert!(messages(&bytes).next().unwrap().is_err(), "{len}");
        }
        assert!(messages(&[0; 15]).next().is_none());
    }
}
