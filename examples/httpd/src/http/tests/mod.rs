//! Tests of the protocol, through what the crate offers.

mod date;
mod reader;
mod respond;

use super::{Entry, Limits, RequestReader, Responder, Site, SiteError};

/// 1994-11-06 08:49:37, the date of the RFC's examples.
const MTIME: i64 = 784_111_777;
/// 2023-11-14 22:13:20
const NOW: i64 = 1_700_000_000;

/// A site of a few files, whose handles are their names.
struct Files;

impl Site for Files {
    type Handle = &'static str;

    fn lookup(&self, path: &[u8]) -> Result<Entry<&'static str>, SiteError> {
        let file = |len, handle| Ok(Entry::File { len, mtime: MTIME, handle });
        match path {
            b"/index.html" => file(1000, "root"),
            b"/dir/index.html" => file(5, "index"),
            b"/dir/a b\xc3\xa9.TXT" => file(7, "space"),
            b"/empty" => file(0, "empty"),
            b"/large.bin" => file(1 << 40, "large"),
            b"/" | b"/dir" | b"/bare" | b"/d r" => Ok(Entry::Directory),
            b"/secret" => Err(SiteError::Forbidden),
            b"/broken" | b"/broken/index.html" => Err(SiteError::Failed),
            _ => Err(SiteError::NotFound),
        }
    }
}

/// Feeds `input` in pieces of `chunk` bytes and tells all that came of it, a line each, up to the close.
fn serve_in(input: &[u8], chunk: usize, limits: Limits) -> Vec<String> {
    let mut reader = RequestReader::new(limits);
    let mut responder = Responder::new();
    let mut answers = Vec::new();
    let mut rest = input;
    loop {
        let response = match reader.next_request() {
            Ok(Some(request)) => responder.respond(&request, &Files, NOW),
            Ok(None) if rest.is_empty() => return answers,
            Ok(None) => {
                let space = reader.space();
                let len = rest.len().min(space.len()).min(chunk);
                assert!(len > 0, "a reader that wants more has space");
                space[..len].copy_from_slice(&rest[..len]);
                rest = &rest[len..];
                reader.commit(len);
                continue;
            }
            Err(error) => responder.refuse(error.status(), NOW),
        };
        let head = String::from_utf8(responder.head().to_vec()).unwrap();
        answers.push(format!("{head}{:?}", response.body));
        if response.close {
            assert!(head.contains("\r\nConnection: close\r\n"));
            answers.push("close".to_string());
            return answers;
        }
    }
}

/// The same with everything at once.
fn serve(input: &str) -> Vec<String> {
    serve_in(input.as_bytes(), usize::MAX, Limits::default())
}

/// The only answer to a request for `target` with more headers.
fn get(target: &str, headers: &str) -> String {
    let answers = serve(&format!("GET {target} HTTP/1.1\r\nHost: x\r\n{headers}\r\n"));
    answers[0].clone()
}

/// The status codes of all answers, and `close` if it came to that.
fn codes(input: &str) -> String {
    let code = |answer: &String| {
        answer.strip_prefix("HTTP/1.1 ").map_or(answer.clone(), |rest| rest[..3].to_string())
    };
    serve(input).iter().map(code).collect::<Vec<_>>().join(" ")
}
