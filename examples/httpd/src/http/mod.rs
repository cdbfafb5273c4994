//! The server's side of HTTP/1.1 (RFC 9110, 9112) without any input or output.
//!
//! - [`RequestReader`] takes bytes as they come and yields [`Request`]s, pipelined ones in turn.
//! - [`Responder`] answers a request from a [`Site`]: it writes the head (and the body of short answers) into
//!   a buffer of its own and says in [`Response`] which part of which file follows.
//!
//! One connection has one reader; a responder may serve many. A server's loop is: while
//! [`RequestReader::next_request`] gives a request, respond, send, and close if the response says so; else
//! read into [`RequestReader::space`]. An [`HttpError`] is answered with [`Responder::refuse`] and ends the
//! connection, as it leaves no certainty about where the next request begins. To let the peer read that
//! answer, shut the sending half first and drain for a while before closing.

pub mod date;
mod mime;
mod range;
mod reader;
mod request;
mod respond;
mod status;
mod target;

#[cfg(test)]
mod tests;

pub use reader::{Limits, RequestReader};
pub use request::{HttpError, Method, Request, Version};
pub use respond::{Body, Entry, Responder, Response, Site, SiteError};
pub use status::Status;

/// Entry point for a fuzz target: any bytes in any pieces, no panic, and answers that hold together.
#[cfg(any(test, feature = "fuzzing"))]
pub fn fuzz(data: &[u8]) {
    struct Any;
    impl Site for Any {
        type Handle = ();
        fn lookup(&self, path: &[u8]) -> Result<Entry<()>, SiteError> {
            assert_eq!(path.first(), Some(&b'/'));
            assert!(path.split(|byte| *byte == b'/').all(|name| name != b"." && name != b".."));
            assert!(!path.iter().any(|byte| matches!(byte, 0 | b'\\')));
            match path.len() % 4 {
                0 => Err(SiteError::NotFound),
                1 => Ok(Entry::Directory),
                _ => Ok(Entry::File { len: path.len() as u64 * 100, mtime: 784_111_777, handle: () }),
            }
        }
    }
    let Some((first, mut rest)) = data.split_first() else { return };
    let mut reader = RequestReader::new(Limits { head_bytes: 512, ..Limits::default() });
    let mut responder = Responder::new();
    loop {
        match reader.next_request() {
            Ok(Some(request)) => {
                let response = responder.respond(&request, &Any, 1_700_000_000);
                assert!(responder.head().starts_with(b"HTTP/1.1 "));
                if let Body::File { start, len, .. } = response.body {
                    assert!(len > 0 && start + len <= 100 * 512 * 2, "{start} {len}");
                }
                if response.close {
                    return;
                }
            }
            Ok(None) if rest.is_empty() => return,
            Ok(None) => {
                let space = reader.space();
                let len = rest.len().min(space.len()).min(1 + usize::from(*first));
                assert!(len > 0);
                space[..len].copy_from_slice(&rest[..len]);
                rest = &rest[len..];
                reader.commit(len);
            }
            Err(error) => {
                let response = responder.refuse::<()>(error.status(), 1_700_000_000);
                assert!(response.close);
                return;
            }
        }
    }
}
