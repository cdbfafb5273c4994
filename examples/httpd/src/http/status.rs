//! Status codes that this server sends.

macro_rules! statuses {
    ($($name:ident = $code:literal $reason:literal),* $(,)?) => {
        /// A status code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[expect(missing_docs, reason = "the names are those of RFC 9110")]
        pub enum Status {
            $($name = $code),*
        }

        impl Status {
            /// Code and reason, as in the status line.
            pub(super) fn text(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($code, " ", $reason)),*
                }
            }
        }
    };
}

statuses! {
    Ok = 200 "OK",
    PartialContent = 206 "Partial Content",
    MovedPermanently = 301 "Moved Permanently",
    NotModified = 304 "Not Modified",
    BadRequest = 400 "Bad Request",
    Forbidden = 403 "Forbidden",
    NotFound = 404 "Not Found",
    MethodNotAllowed = 405 "Method Not Allowed",
    RequestTimeout = 408 "Request Timeout",
    LengthRequired = 411 "Length Required",
    PreconditionFailed = 412 "Precondition Failed",
    ContentTooLarge = 413 "Content Too Large",
    UriTooLong = 414 "URI Too Long",
    RangeNotSatisfiable = 416 "Range Not Satisfiable",
    ExpectationFailed = 417 "Expectation Failed",
    HeaderFieldsTooLarge = 431 "Request Header Fields Too Large",
    InternalServerError = 500 "Internal Server Error",
    NotImplemented = 501 "Not Implemented",
    ServiceUnavailable = 503 "Service Unavailable",
    VersionNotSupported = 505 "HTTP Version Not Supported",
}

impl Status {
    /// The number.
    pub fn code(self) -> u16 {
        self as u16
    }
}
