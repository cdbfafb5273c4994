//! Framing: pieces, pipelining, bodies, limits, and what must be refused.

use super::{codes, serve, serve_in};
use crate::http::{Limits, RequestReader, fuzz};

const H: &str = "Host: x\r\n";

#[test]
fn the_size_of_the_pieces_makes_no_difference() {
    let long = format!("GET / HTTP/1.1\r\nHost: x\r\nA: {}\r\n\r\n", "a".repeat(300));
    let streams = [
        "GET / HTTP/1.1\r\nHost: x\r\n\r\nHEAD /dir/ HTTP/1.1\r\nHost: y\r\n\r\nGET /no HTTP/1.0\r\n\r\nignored".into(),
        "\r\n\r\nPOST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n123\r\n\r\n89GET /empty HTTP/1.1\nHost: x\n\n".into(),
        "GET / HTTP/1.1\r\nHost: x\r\n\r\nGARBAGE\r\n\r\n".into(),
        "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /half".into(),
        format!("GET / HTTP/1.1\r\nHost: x\r\n\r\n{long}"),
        format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(300)),
        format!("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 700\r\n\r\n{}GET / HTTP/1.1\r\n\r\n", "x".repeat(700)),
    ];
    let limits = Limits { head_bytes: 256, body_bytes: 1000 };
    for stream in streams {
        let whole = serve_in(stream.as_bytes(), usize::MAX, limits);
        assert!(!whole.is_empty());
        for chunk in 1..=stream.len() {
            assert_eq!(serve_in(stream.as_bytes(), chunk, limits), whole, "{chunk} of {stream}");
        }
    }
}

#[test]
fn pipelined_requests_are_answered_in_turn() {
    let one = format!("GET / HTTP/1.1\r\n{H}\r\n");
    assert_eq!(codes(&one.repeat(100)), ["200"; 100].join(" "));
}

#[test]
fn a_connection_lives_as_long_as_its_version_and_options_say() {
    for (version, option, lives) in [
        ("1.1", "", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.1", "Connection: Upgrade, CLOSE\r\n", false),
        ("1.1", "Connection: keep-alive\r\nConnection: close\r\n", false),
        ("1.0", "", false),
        ("1.0", "Connection: Keep-Alive\r\n", true),
        ("1.0", "Connection: keep-alive, close\r\n", false),
    ] {
        let answers = serve(&format!("GET / HTTP/{version}\r\n{H}{option}\r\n"));
        assert_eq!(answers.len() == 1, lives, "{version} {option}");
        assert_eq!(answers[0].contains("Connection: keep-alive"), lives && version == "1.0");
    }
}

#[test]
fn a_request_that_two_servers_could_read_differently_is_refused() {
    for headers in [
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5, 5",
        "Content-Length: +5",
        "Content-Length: 0x5",
        "Content-Length: -1",
        "Content-Length:",
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding : chunked",
        "A: b\r\n folded: c",
        "A\0: b",
        "A: b\rc",
        "Host: y",
        ": x",
    ] {
        assert_eq!(
            codes(&format!("GET / HTTP/1.1\r\n{H}{headers}\r\n\r\nGET / HTTP/1.1\r\n")),
            "400 close",
            "{headers}"
        );
    }
    assert_eq!(codes(&format!("GET / HTTP/1.0\r\n{H}Transfer-Encoding: chunked\r\n\r\n")), "400 close");
}

#[test]
fn each_fault_has_its_status() {
    for (request, status) in [
        ("GET / HTTP/1.1\r\n\r\n", "400 close"),
        ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "400 close"),
        ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "400 close"),
        ("GET / HTTP/1.1\r\nHost:\r\n\r\n", "200"),
        ("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "200"),
        ("GET /\r\n\r\n", "400 close"),
        ("GET  / HTTP/1.1\r\nHost: x\r\n\r\n", "400 close"),
        ("GET / HTTP/2.0\r\nHost: x\r\n\r\n", "505 close"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505 close"),
        ("GET / HTTP/1.2\r\nHost: x\r\n\r\n", "505 close"),
        ("GET / HTTQ/1.1\r\nHost: x\r\n\r\n", "400 close"),
        ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", "411 close"),
        ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "501 close"),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\n", "413 close"),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n", "413 close"),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", "405"),
        ("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n", "405 close"),
        ("POST / HTTP/1.1\r\nHost: x\r\nExpect: more\r\n\r\n", "417 close"),
        ("BREW / HTTP/1.1\r\nHost: x\r\n\r\n", "501"),
        ("get / HTTP/1.1\r\nHost: x\r\n\r\n", "501"),
        ("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "405"),
    ] {
        assert_eq!(codes(request), status, "{request}");
    }
    let many = "A: b\r\n".repeat(65);
    assert_eq!(codes(&format!("GET / HTTP/1.1\r\n{many}\r\n")), "431 close");
    assert_eq!(codes(&format!("GET / HTTP/1.1\r\nA: {}\r\n\r\n", "a".repeat(8192))), "431 close");
    assert_eq!(codes(&format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(8192))), "414 close");
    let fits = "a".repeat(8192 - "GET / HTTP/1.1\r\nHost: x\r\nA: \r\n\r\n".len());
    assert_eq!(codes(&format!("GET / HTTP/1.1\r\nHost: x\r\nA: {fits}\r\n\r\n")), "200");
}

#[test]
fn an_error_stays_and_a_reset_ends_it() {
    let mut reader = RequestReader::new(Limits::default());
    let feed = |reader: &mut RequestReader, text: &[u8]| {
        reader.space()[..text.len()].copy_from_slice(text);
        reader.commit(text.len());
    };
    feed(&mut reader, b"bad\r\n\r\nGET / HTTP/1.0\r\n\r\n");
    assert!(reader.next_request().is_err() && reader.next_request().is_err());
    reader.reset();
    assert!(!reader.is_mid_request());
    feed(&mut reader, b"GET / HTTP/1.0\r\n");
    assert_eq!(reader.next_request(), Ok(None));
    assert!(reader.is_mid_request());
    feed(&mut reader, b"\r\n");
    assert_eq!(reader.next_request().unwrap().unwrap().target, "/");
    assert!(!reader.is_mid_request());
}

/// Noise that looks like HTTP often enough.
fn noise(seed: u64) -> Vec<u8> {
    const WORDS: &[&str] = &[
        "GET ",
        "HEAD ",
        "/",
        "/dir",
        "%2e",
        "%00",
        "..",
        "?q",
        " HTTP/1.1\r\n",
        " HTTP/1.0\r\n",
        "Host: x\r\n",
        "\r\n",
        "\r\n\r\n",
        "Range: bytes=",
        "5-",
        "-9",
        "0-0",
        "Content-Length: ",
        "3\r\n",
        "Connection: close\r\n",
        "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
        "If-None-Match: *\r\n",
        "\0",
        "é",
        ":",
        " ",
        "http://h",
    ];
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = |limit: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % limit as u64) as usize
    };
    let mut out = vec![next(256) as u8];
    for _ in 0..next(60) {
        match next(8) {
            0 => out.push(next(256) as u8),
            1 => out.extend_from_slice(b"GET / HTTP/1.1\r\nHost: x\r\n"),
            _ => out.extend_from_slice(WORDS[next(WORDS.len())].as_bytes()),
        }
    }
    out
}

#[test]
fn noise_never_panics() {
    for seed in 1..30_000 {
        fuzz(&noise(seed));
    }
}

#[test]
fn noise_reads_the_same_in_pieces_of_any_size() {
    let limits = Limits { head_bytes: 128, body_bytes: 4 };
    for seed in 1..1500 {
        let data = noise(seed);
        let whole = serve_in(&data, usize::MAX, limits);
        for chunk in [1, 2, 3, 7, 50] {
            assert_eq!(serve_in(&data, chunk, limits), whole);
        }
    }
}
