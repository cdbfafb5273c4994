//! From a complete head to a request: syntax by `httparse`, the rules about framing here.
//!
//! Anything on which two servers in a row could disagree about where a request ends is refused: two lengths,
//! a length beside a transfer coding, a coding in HTTP/1.0.

use super::status::Status;
use core::fmt;
use httparse::Header;

/// The most headers in a request.
const HEADERS_MAX: usize = 64;

/// What the client wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Send the file.
    Get,
    /// Send what would come with the file.
    Head,
    /// A method of HTTP that is not for files.
    Other,
    /// A word that is no method known here.
    Unknown,
}

/// The version of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    Http11,
}

/// A request, its parts being slices of the reader's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// What to do.
    pub method: Method,
    /// The target as it was sent.
    pub target: &'a str,
    /// The version that the client speaks.
    pub version: Version,
    /// Whether the client wants the connection to live on.
    pub keep_alive: bool,
    /// The client waits for leave to send its body.
    pub expects_continue: bool,
    /// How long a body follows.
    pub body_bytes: u64,
    /// `Host`
    pub host: Option<&'a [u8]>,
    /// `Range`
    pub range: Option<&'a [u8]>,
    /// `If-Range`
    pub if_range: Option<&'a [u8]>,
    /// `If-Match`
    pub if_match: Option<&'a [u8]>,
    /// `If-Unmodified-Since`
    pub if_unmodified_since: Option<&'a [u8]>,
    /// `If-None-Match`
    pub if_none_match: Option<&'a [u8]>,
    /// `If-Modified-Since`
    pub if_modified_since: Option<&'a [u8]>,
}

/// Why a request cannot be served, nor any after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpError {
    /// The head is not HTTP.
    Syntax(&'static str),
    /// A version other than 1.0 and 1.1.
    Version,
    /// No or several `Host`, or one that cannot be a host.
    Host,
    /// The length of the body is unclear.
    Framing(&'static str),
    /// A body in a transfer coding; only bodies of a given length are read.
    Chunked,
    /// A transfer coding that is not known.
    TransferCoding,
    /// An expectation other than `100-continue`.
    Expectation,
    /// A body longer than allowed.
    BodyTooLong {
        /// Its length.
        len: u64,
        /// The limit.
        limit: u64,
    },
    /// A request line longer than the buffer.
    TargetTooLong,
    /// A head longer than the buffer, or with too many headers.
    HeadTooLong,
}

impl HttpError {
    /// The status to answer with.
    pub fn status(self) -> Status {
        match self {
            Self::Syntax(_) | Self::Host | Self::Framing(_) => Status::BadRequest,
            Self::Version => Status::VersionNotSupported,
            Self::Chunked => Status::LengthRequired,
            Self::TransferCoding => Status::NotImplemented,
            Self::Expectation => Status::ExpectationFailed,
            Self::BodyTooLong { .. } => Status::ContentTooLarge,
            Self::TargetTooLong => Status::UriTooLong,
            Self::HeadTooLong => Status::HeaderFieldsTooLarge,
        }
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(what) => write!(f, "malformed request: {what}"),
            Self::Version => f.write_str("neither HTTP/1.0 nor HTTP/1.1"),
            Self::Host => f.write_str("not one valid Host header"),
            Self::Framing(what) => write!(f, "unclear length of body: {what}"),
            Self::Chunked => f.write_str("body in chunks"),
            Self::TransferCoding => f.write_str("unknown transfer coding"),
            Self::Expectation => f.write_str("unknown expectation"),
            Self::BodyTooLong { len, limit } => write!(f, "body of {len} bytes; the limit is {limit}"),
            Self::TargetTooLong => f.write_str("request line too long"),
            Self::HeadTooLong => f.write_str("head too long"),
        }
    }
}

impl core::error::Error for HttpError {}

/// Parses a head, which must be complete.
pub(super) fn parse(head: &[u8]) -> Result<Request<'_>, HttpError> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut parsed = httparse::Request::new(&mut headers);
    match parsed.parse(head) {
        Ok(httparse::Status::Complete(len)) if len == head.len() => {}
        Ok(_) => return Err(HttpError::Syntax("end of head")),
        Err(error) => return Err(classify(error, head)),
    }
    let (Some(method), Some(target), Some(version)) = (parsed.method, parsed.path, parsed.version) else {
        return Err(HttpError::Syntax("request line"));
    };
    let mut request = Request {
        method: method_of(method),
        target,
        version: if version == 0 { Version::Http10 } else { Version::Http11 },
        keep_alive: version != 0,
        expects_continue: false,
        body_bytes: 0,
        host: None,
        range: None,
        if_range: None,
        if_match: None,
        if_unmodified_since: None,
        if_none_match: None,
        if_modified_since: None,
    };
    request.take_headers(parsed.headers)?;
    Ok(request)
}

fn classify(error: httparse::Error, head: &[u8]) -> HttpError {
    use httparse::Error;
    match error {
        Error::TooManyHeaders => HttpError::HeadTooLong,
        Error::Version => {
            let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii_end();
            let version = line.rsplit(|byte| *byte == b' ').next().unwrap_or_default();
            match version {
                [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
                    if major.is_ascii_digit() && minor.is_ascii_digit() =>
                {
                    HttpError::Version
                }
                _ => HttpError::Syntax("version"),
            }
        }
        Error::HeaderName => HttpError::Syntax("header name"),
        Error::HeaderValue => HttpError::Syntax("header value"),
        Error::NewLine => HttpError::Syntax("line end"),
        Error::Status | Error::Token => HttpError::Syntax("request line"),
    }
}

fn method_of(word: &str) -> Method {
    match word {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" | "PUT" | "DELETE" | "OPTIONS" | "PATCH" | "TRACE" | "CONNECT" => Method::Other,
        _ => Method::Unknown,
    }
}

impl<'a> Request<'a> {
    fn take_headers(&mut self, headers: &[Header<'a>]) -> Result<(), HttpError> {
        let (mut length, mut coding) = (None, None);
        let (mut close, mut keep_alive) = (false, false);
        for Header { name, value } in headers {
            let is = |known: &str| name.eq_ignore_ascii_case(known);
            if is("host") {
                if self.host.replace(value).is_some() {
                    return Err(HttpError::Host);
                }
            } else if is("connection") {
                for option in list(value) {
                    close |= option.eq_ignore_ascii_case(b"close");
                    keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                }
            } else if is("content-length") {
                if length.replace(decimal(value)?).is_some() {
                    return Err(HttpError::Framing("several Content-Length"));
                }
            } else if is("transfer-encoding") {
                if coding.replace(*value).is_some() {
                    return Err(HttpError::Framing("several Transfer-Encoding"));
                }
            } else if is("expect") {
                if !value.eq_ignore_ascii_case(b"100-continue") {
                    return Err(HttpError::Expectation);
                }
                self.expects_continue = true;
            } else if is("range") {
                self.range = Some(value);
            } else if is("if-range") {
                self.if_range = Some(value);
            } else if is("if-match") {
                self.if_match = Some(value);
            } else if is("if-unmodified-since") {
                self.if_unmodified_since = Some(value);
            } else if is("if-none-match") {
                self.if_none_match = Some(value);
            } else if is("if-modified-since") {
                self.if_modified_since = Some(value);
            }
        }
        match coding {
            Some(_) if length.is_some() => {
                return Err(HttpError::Framing("Content-Length beside Transfer-Encoding"));
            }
            Some(_) if self.version == Version::Http10 => {
                return Err(HttpError::Framing("Transfer-Encoding in HTTP/1.0"));
            }
            Some(coding) if coding.eq_ignore_ascii_case(b"chunked") => return Err(HttpError::Chunked),
            Some(_) => return Err(HttpError::TransferCoding),
            None => self.body_bytes = length.unwrap_or(0),
        }
        match self.host {
            Some(host) if is_host(host) => {}
            None if self.version == Version::Http10 => {}
            _ => return Err(HttpError::Host),
        }
        self.keep_alive = !close && (keep_alive || self.version == Version::Http11);
        Ok(())
    }
}

/// The members of a comma-separated list.
pub(super) fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|member| !member.is_empty())
}

/// A length: digits alone. One too large for any type is still one, and too large.
fn decimal(value: &[u8]) -> Result<u64, HttpError> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(HttpError::Framing("Content-Length is no number"));
    }
    Ok(value
        .iter()
        .fold(0, |number: u64, digit| number.saturating_mul(10).saturating_add(u64::from(digit - b'0'))))
}

/// Whether the bytes are those of a host and port; an empty one is allowed.
fn is_host(host: &[u8]) -> bool {
    host.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._~:[]%!$&'()*+,;=".contains(byte))
}
