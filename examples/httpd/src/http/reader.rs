//! From bytes in pieces to requests.
//!
//! The buffer is as large as the largest head allowed and never grows. A head is parsed only once its end is
//! there, so that what comes out does not depend on how the bytes came in, and single bytes cost no more than
//! large pieces. Bodies are skipped without being kept.

use super::request::{self, HttpError, Request};
use alloc::{boxed::Box, vec};

/// Bounds on what a request may have.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Request line and headers together, and so the size of the buffer.
    pub head_bytes: usize,
    /// The longest body that is read and thrown away.
    pub body_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { head_bytes: 8192, body_bytes: 64 * 1024 }
    }
}

/// Takes a connection's bytes and yields its requests.
#[derive(Debug)]
pub struct RequestReader {
    buf: Box<[u8]>,
    /// What is not yet used up is `buf[start..end]`; up to `scanned` there is no end of a head.
    start: usize,
    end: usize,
    scanned: usize,
    /// The bytes of the last request's body still to come.
    skip: u64,
    limits: Limits,
    failed: Option<HttpError>,
}

impl RequestReader {
    /// A reader of a fresh connection.
    pub fn new(limits: Limits) -> Self {
        let limits = Limits { head_bytes: limits.head_bytes.max(64), ..limits };
        let buf = vec![0; limits.head_bytes].into_boxed_slice();
        Self { buf, start: 0, end: 0, scanned: 0, skip: 0, limits, failed: None }
    }

    /// Makes the reader fit for another connection.
    pub fn reset(&mut self) {
        (self.start, self.end, self.scanned, self.skip, self.failed) = (0, 0, 0, 0, None);
    }

    /// Where to put the next bytes. Never empty after `next_request` gave `Ok(None)`.
    pub fn space(&mut self) -> &mut [u8] {
        if self.start > 0 {
            self.buf.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.scanned -= self.start;
            self.start = 0;
        }
        &mut self.buf[self.end..]
    }

    /// Says that `len` bytes were put at the start of `space`.
    pub fn commit(&mut self, len: usize) {
        self.end = self.buf.len().min(self.end + len);
    }

    /// Whether a request has begun and not ended: running out of time now is a 408, else a plain close.
    pub fn is_mid_request(&self) -> bool {
        self.skip > 0 || self.start < self.end
    }

    /// The next request; `None` when more bytes are needed.
    ///
    /// An error is final: it comes again however often this is called.
    pub fn next_request(&mut self) -> Result<Option<Request<'_>>, HttpError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        self.skip_body();
        let Some(head_len) = self.find_end() else {
            if self.end - self.start < self.limits.head_bytes {
                return Ok(None);
            }
            let has_line = self.buf[self.start..self.end].contains(&b'\n');
            let error = if has_line { HttpError::HeadTooLong } else { HttpError::TargetTooLong };
            self.failed = Some(error);
            return Err(error);
        };
        let head = self.start..self.start + head_len;
        match request::parse(&self.buf[head.clone()]) {
            Err(error) => {
                self.failed = Some(error);
                Err(error)
            }
            Ok(request) if request.body_bytes > self.limits.body_bytes => {
                let error = HttpError::BodyTooLong { len: request.body_bytes, limit: self.limits.body_bytes };
                self.failed = Some(error);
                Err(error)
            }
            Ok(request) => {
                self.skip = request.body_bytes;
                self.start = head.end;
                self.scanned = head.end;
                Ok(Some(request))
            }
        }
    }

    fn skip_body(&mut self) {
        let here = (self.end - self.start) as u64;
        let len = self.skip.min(here);
        self.skip -= len;
        self.start += len as usize;
        // Empty lines in front of a request are allowed and mean nothing.
        while self.skip == 0 && self.start < self.end && matches!(self.buf[self.start], b'\r' | b'\n') {
            self.start += 1;
        }
        self.scanned = self.scanned.max(self.start);
    }

    /// The length of the head at `start`, if its end is there.
    fn find_end(&mut self) -> Option<usize> {
        while self.scanned < self.end {
            let at = self.scanned;
            self.scanned += 1;
            if self.buf[at] != b'\n' {
                continue;
            }
            let before = &self.buf[self.start..at];
            if before.ends_with(b"\n") || before.ends_with(b"\n\r") {
                return Some(at + 1 - self.start);
            }
        }
        None
    }
}
