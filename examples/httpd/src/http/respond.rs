//! From a request to a response.

use super::{
    date, mime,
    range::{self, Wanted},
    request::{Method, Request, Version, list},
    status::Status,
    target,
};
use alloc::vec::Vec;

const INDEX: &[u8] = b"index.html";

/// What a site has at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry<H> {
    /// A file.
    File {
        /// Its length in bytes.
        len: u64,
        /// When it changed last, in seconds since 1970.
        mtime: i64,
        /// What the server needs in order to read it.
        handle: H,
    },
    /// A directory.
    Directory,
}

/// Why a site gives nothing for a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SiteError {
    /// There is no such thing, or something on the way is no directory.
    NotFound,
    /// There is, but not for the client.
    Forbidden,
    /// The disk failed, or the file system is broken.
    Failed,
}

/// The files to serve.
pub trait Site {
    /// What the server needs in order to read a file.
    type Handle;

    /// Looks up a decoded path, which begins with a slash and has no `.`, `..` or empty names in it; it ends
    /// with a slash only if it is the root.
    fn lookup(&self, path: &[u8]) -> Result<Entry<Self::Handle>, SiteError>;
}

/// What is to be sent after [`Responder::head`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body<H> {
    /// Nothing more.
    None,
    /// A part of a file, not empty.
    File {
        /// The site's handle.
        handle: H,
        /// The first byte.
        start: u64,
        /// How many bytes.
        len: u64,
    },
}

/// A response, apart from its head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response<H> {
    /// Its status.
    pub status: Status,
    /// What follows the head.
    pub body: Body<H>,
    /// Close the connection afterwards.
    pub close: bool,
}

/// Answers requests. Its buffers are used again for each.
#[derive(Debug, Default)]
pub struct Responder {
    head: Vec<u8>,
    path: Vec<u8>,
    /// The last date written, and its text.
    date: Option<(i64, [u8; 29])>,
}

/// What the head of an answer depends on.
#[derive(Clone, Copy)]
struct Terms {
    now: i64,
    version: Version,
    keep_alive: bool,
    is_head: bool,
}

impl Responder {
    /// A responder with empty buffers.
    pub fn new() -> Self {
        Self::default()
    }

    /// The head of the last response, with the whole body if [`Body::None`] came with it.
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// Answers `request` from `site`; `now` is the time in seconds since 1970.
    pub fn respond<S: Site + ?Sized>(
        &mut self,
        request: &Request<'_>,
        site: &S,
        now: i64,
    ) -> Response<S::Handle> {
        let terms = Terms {
            now,
            version: request.version,
            // A client that waits for leave to send its body may or may not send it after this answer.
            keep_alive: request.keep_alive && !(request.expects_continue && request.body_bytes > 0),
            is_head: request.method == Method::Head,
        };
        match request.method {
            Method::Get | Method::Head => {}
            Method::Other => return self.message(Status::MethodNotAllowed, terms, b"Allow: GET, HEAD\r\n"),
            Method::Unknown => return self.message(Status::NotImplemented, terms, b""),
        }
        let Ok((path, query)) = target::split(request.target) else {
            return self.message(Status::BadRequest, terms, b"");
        };
        if target::decode(path, &mut self.path).is_err() {
            return self.message(Status::BadRequest, terms, b"");
        }
        let is_directory = self.path.ends_with(b"/");
        if is_directory {
            self.path.extend_from_slice(INDEX);
        }
        match site.lookup(&self.path) {
            Ok(Entry::File { len, mtime, handle }) => self.file(request, terms, len, mtime, handle),
            Ok(Entry::Directory) if !is_directory => self.redirect(terms, query),
            Err(SiteError::Failed) => self.message(Status::InternalServerError, terms, b""),
            Err(SiteError::Forbidden) => self.message(Status::Forbidden, terms, b""),
            Err(SiteError::NotFound) if !is_directory => self.message(Status::NotFound, terms, b""),
            Ok(Entry::Directory) | Err(SiteError::NotFound) => {
                // A directory without an index is there, but is not shown.
                self.path.truncate((self.path.len() - INDEX.len() - 1).max(1));
                let status = match site.lookup(&self.path) {
                    Ok(Entry::Directory) | Err(SiteError::Forbidden) => Status::Forbidden,
                    Ok(Entry::File { .. }) | Err(SiteError::NotFound) => Status::NotFound,
                    Err(SiteError::Failed) => Status::InternalServerError,
                };
                self.message(status, terms, b"")
            }
        }
    }

    /// The answer to a request that could not be read, or that came too late or at a bad time. It ends the
    /// connection.
    pub fn refuse<H>(&mut self, status: Status, now: i64) -> Response<H> {
        let terms = Terms { now, version: Version::Http11, keep_alive: false, is_head: false };
        self.message(status, terms, b"")
    }

    fn file<H>(
        &mut self,
        request: &Request<'_>,
        terms: Terms,
        len: u64,
        mtime: i64,
        handle: H,
    ) -> Response<H> {
        let tag = Tag::new(len, mtime);
        if is_other(request, &tag, mtime) {
            return self.message(Status::PreconditionFailed, terms, b"");
        }
        if is_unchanged(request, &tag, mtime) {
            self.start(Status::NotModified, terms);
            self.validators(&tag, mtime);
            return self.finish(Status::NotModified, terms, Body::None);
        }
        let mut wanted = Wanted::Whole;
        if let Some(range) = request.range
            && request.method == Method::Get
            && request.if_range.is_none_or(|condition| is_same(condition, &tag, mtime))
        {
            wanted = range::parse(range, len);
        }
        let (status, start, part_len) = match wanted {
            Wanted::Whole => (Status::Ok, 0, len),
            Wanted::Part { start, len } => (Status::PartialContent, start, len),
            Wanted::Nothing => {
                let mut range = Vec::from(b"Content-Range: bytes */");
                push_decimal(&mut range, len);
                range.extend_from_slice(b"\r\n");
                return self.message(Status::RangeNotSatisfiable, terms, &range);
            }
        };
        self.start(status, terms);
        self.field(b"Content-Type: ", mime::of(&self.path).as_bytes());
        self.length(part_len);
        self.validators(&tag, mtime);
        self.head.extend_from_slice(b"Accept-Ranges: bytes\r\n");
        if status == Status::PartialContent {
            self.head.extend_from_slice(b"Content-Range: bytes ");
            push_decimal(&mut self.head, start);
            self.head.push(b'-');
            push_decimal(&mut self.head, start + part_len - 1);
            self.head.push(b'/');
            push_decimal(&mut self.head, len);
            self.head.extend_from_slice(b"\r\n");
        }
        let body = if terms.is_head || part_len == 0 {
            Body::None
        } else {
            Body::File { handle, start, len: part_len }
        };
        self.finish(status, terms, body)
    }

    /// To the same path with a slash behind it, made of the decoded path so that it stays on this site.
    fn redirect<H>(&mut self, terms: Terms, query: &str) -> Response<H> {
        let mut location = Vec::from(b"Location: ");
        target::encode(&self.path, &mut location);
        location.push(b'/');
        location.extend_from_slice(query.as_bytes());
        location.extend_from_slice(b"\r\n");
        self.message(Status::MovedPermanently, terms, &location)
    }

    /// A response whose body is its own status. `fields` are lines for the head.
    fn message<H>(&mut self, status: Status, terms: Terms, fields: &[u8]) -> Response<H> {
        let text = status.text().as_bytes();
        self.start(status, terms);
        self.head.extend_from_slice(b"Content-Type: text/plain; charset=utf-8\r\n");
        self.length(text.len() as u64 + 1);
        self.head.extend_from_slice(fields);
        let response = self.finish(status, terms, Body::None);
        if !terms.is_head {
            self.head.extend_from_slice(text);
            self.head.push(b'\n');
        }
        response
    }

    fn start(&mut self, status: Status, terms: Terms) {
        let date = match self.date {
            Some((now, date)) if now == terms.now => date,
            _ => self.date.insert((terms.now, date::format(terms.now))).1,
        };
        self.head.clear();
        self.field(b"HTTP/1.1 ", status.text().as_bytes());
        self.head.extend_from_slice(b"Server: minios\r\n");
        self.field(b"Date: ", &date);
    }

    fn field(&mut self, name: &[u8], value: &[u8]) {
        self.head.extend_from_slice(name);
        self.head.extend_from_slice(value);
        self.head.extend_from_slice(b"\r\n");
    }

    fn length(&mut self, len: u64) {
        self.head.extend_from_slice(b"Content-Length: ");
        push_decimal(&mut self.head, len);
        self.head.extend_from_slice(b"\r\n");
    }

    fn validators(&mut self, tag: &Tag, mtime: i64) {
        self.field(b"Last-Modified: ", &date::format(mtime));
        self.field(b"ETag: ", tag.text());
    }

    fn finish<H>(&mut self, status: Status, terms: Terms, body: Body<H>) -> Response<H> {
        match (terms.keep_alive, terms.version) {
            (false, _) => self.head.extend_from_slice(b"Connection: close\r\n"),
            (true, Version::Http10) => self.head.extend_from_slice(b"Connection: keep-alive\r\n"),
            (true, Version::Http11) => {}
        }
        self.head.extend_from_slice(b"\r\n");
        Response { status, body, close: !terms.keep_alive }
    }
}

/// An entity tag of time and length: strong, as the files of a site do not change while it is served.
struct Tag {
    text: [u8; 35],
    len: usize,
}

impl Tag {
    fn new(len: u64, mtime: i64) -> Self {
        let mut tag = Self { text: [0; 35], len: 0 };
        tag.push(b'"');
        tag.push_hex(mtime as u64);
        tag.push(b'-');
        tag.push_hex(len);
        tag.push(b'"');
        tag
    }

    fn push(&mut self, byte: u8) {
        self.text[self.len] = byte;
        self.len += 1;
    }

    fn push_hex(&mut self, value: u64) {
        let digits = (64 - value.leading_zeros()).div_ceil(4).max(1);
        for digit in (0..digits).rev() {
            self.push(b"0123456789abcdef"[(value >> (4 * digit)) as usize & 15]);
        }
    }

    fn text(&self) -> &[u8] {
        &self.text[..self.len]
    }
}

/// Whether the client wants only a file that this one is not. An entity tag, if there is one, decides alone.
fn is_other(request: &Request<'_>, tag: &Tag, mtime: i64) -> bool {
    match (request.if_match, request.if_unmodified_since) {
        (Some(tags), _) => !list(tags).any(|known| known == b"*" || known == tag.text()),
        (None, Some(since)) => date::parse(since).is_some_and(|since| mtime > since),
        (None, None) => false,
    }
}

/// Whether the client's copy is still good. An entity tag, if there is one, decides alone.
fn is_unchanged(request: &Request<'_>, tag: &Tag, mtime: i64) -> bool {
    match (request.if_none_match, request.if_modified_since) {
        (Some(tags), _) => {
            list(tags).any(|known| known == b"*" || known.strip_prefix(b"W/").unwrap_or(known) == tag.text())
        }
        (None, Some(since)) => date::parse(since).is_some_and(|since| mtime <= since),
        (None, None) => false,
    }
}

/// Whether `If-Range` names just the file as it is: by a strong tag or by its date.
fn is_same(condition: &[u8], tag: &Tag, mtime: i64) -> bool {
    condition == tag.text() || date::parse(condition) == Some(mtime)
}

fn push_decimal(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}
