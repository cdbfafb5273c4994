//! Answers: files, parts, conditions, directories, paths.

use super::{codes, get, serve};

fn status(answer: &str) -> &str {
    &answer[9..12]
}

/// The value of a header of an answer.
fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    answer.split("\r\n").find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

#[test]
fn a_file_comes_with_all_that_a_client_wants_to_know() {
    assert_eq!(
        get("/", ""),
        "HTTP/1.1 200 OK\r\nServer: minios\r\nDate: Tue, 14 Nov 2023 22:13:20 GMT\r\n\
         Content-Type: text/html; charset=utf-8\r\nContent-Length: 1000\r\n\
         Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\nETag: \"2ebc98a1-3e8\"\r\nAccept-Ranges: bytes\r\n\r\n\
         File { handle: \"root\", start: 0, len: 1000 }"
    );
}

#[test]
fn head_gives_the_head_of_get_and_nothing_else() {
    for target in ["/", "/no", "/dir", "/bare/", "/empty", "/%zz"] {
        let got = get(target, "");
        let head = serve(&format!("HEAD {target} HTTP/1.1\r\nHost: x\r\n\r\n")).remove(0);
        let (got_head, _) = got.split_once("\r\n\r\n").unwrap();
        assert_eq!(head, format!("{got_head}\r\n\r\nNone"));
    }
}

#[test]
fn the_length_of_an_error_is_that_of_its_text() {
    let answer = get("/no", "");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let body = body.strip_suffix("None").unwrap();
    assert_eq!(body, "404 Not Found\n");
    assert_eq!(header(head, "Content-Length"), Some("14"));
}

#[test]
fn a_range_gives_that_part() {
    for (range, content_range, part) in [
        ("bytes=0-0", "bytes 0-0/1000", (0, 1)),
        ("bytes=0-", "bytes 0-999/1000", (0, 1000)),
        ("bytes=10-19", "bytes 10-19/1000", (10, 10)),
        ("Bytes= 10-19 ", "bytes 10-19/1000", (10, 10)),
        ("bytes=990-5000", "bytes 990-999/1000", (990, 10)),
        ("bytes=999-", "bytes 999-999/1000", (999, 1)),
        ("bytes=-1", "bytes 999-999/1000", (999, 1)),
        ("bytes=-5000", "bytes 0-999/1000", (0, 1000)),
        ("bytes=5-99999999999999999999999999", "bytes 5-999/1000", (5, 995)),
    ] {
        let answer = get("/", &format!("Range: {range}\r\n"));
        assert_eq!(
            (status(&answer), header(&answer, "Content-Range")),
            ("206", Some(content_range)),
            "{range}"
        );
        assert_eq!(header(&answer, "Content-Length"), Some(part.1.to_string().as_str()));
        assert!(answer.ends_with(&format!("start: {}, len: {} }}", part.0, part.1)), "{answer}");
    }
    let far = get("/large.bin", "Range: bytes=1099511627775-\r\n");
    assert_eq!(header(&far, "Content-Range"), Some("bytes 1099511627775-1099511627775/1099511627776"));
}

#[test]
fn a_range_that_the_file_has_not_is_416_and_one_that_is_none_is_ignored() {
    for range in ["bytes=1000-", "bytes=1000-1001", "bytes=-0", "bytes=99999999999999999999999-"] {
        let answer = get("/", &format!("Range: {range}\r\n"));
        assert_eq!(
            (status(&answer), header(&answer, "Content-Range")),
            ("416", Some("bytes */1000")),
            "{range}"
        );
    }
    for range in
        ["bytes=5-4", "bytes=-", "bytes=", "bytes=a-b", "lines=1-2", "bytes=1-2,5-6", "bytes=1", "", "é"]
    {
        assert_eq!(status(&get("/", &format!("Range: {range}\r\n"))), "200", "{range}");
    }
    assert_eq!(status(&get("/empty", "Range: bytes=-5\r\n")), "416");
    assert_eq!(status(&get("/empty", "Range: bytes=0-\r\n")), "416");
    assert_eq!(codes("HEAD / HTTP/1.1\r\nHost: x\r\nRange: bytes=0-1\r\n\r\n"), "200");
}

#[test]
fn a_range_counts_only_if_the_file_is_still_the_same() {
    for (condition, expected) in [
        ("\"2ebc98a1-3e8\"", "206"),
        ("Sun, 06 Nov 1994 08:49:37 GMT", "206"),
        ("Sun, 06 Nov 1994 08:49:38 GMT", "200"),
        ("W/\"2ebc98a1-3e8\"", "200"),
        ("\"other\"", "200"),
    ] {
        let answer = get("/", &format!("Range: bytes=0-1\r\nIf-Range: {condition}\r\n"));
        assert_eq!(status(&answer), expected, "{condition}");
    }
}

#[test]
fn what_the_client_has_already_is_not_sent_again() {
    for (condition, expected) in [
        ("If-None-Match: \"2ebc98a1-3e8\"", "304"),
        ("If-None-Match: \"a\", W/\"2ebc98a1-3e8\"", "304"),
        ("If-None-Match: *", "304"),
        ("If-None-Match: \"a\"", "200"),
        ("If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT", "304"),
        ("If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT", "304"),
        ("If-Modified-Since: Sun Nov  6 08:49:37 1994", "304"),
        ("If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT", "200"),
        ("If-Modified-Since: yesterday", "200"),
        ("If-None-Match: \"a\"\r\nIf-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT", "200"),
    ] {
        let answer = get("/", &format!("{condition}\r\n"));
        assert_eq!(status(&answer), expected, "{condition}");
        if expected == "304" {
            assert!(answer.ends_with("\r\n\r\nNone") && header(&answer, "Content-Length").is_none());
            assert!(header(&answer, "ETag").is_some());
        }
    }
    let answer = get("/no", "If-None-Match: *\r\n");
    assert_eq!(status(&answer), "404");
}

#[test]
fn a_directory_is_its_index_behind_a_slash() {
    assert_eq!(header(&get("/dir?a=b", ""), "Location"), Some("/dir/?a=b"));
    assert_eq!(header(&get("/d%20r", ""), "Location"), Some("/d%20r/"));
    assert_eq!(header(&get("http://other//dir", ""), "Location"), Some("/dir/"), "stays on this site");
    assert_eq!(status(&get("/dir", "")), "301");
    assert!(get("/dir/", "").ends_with("handle: \"index\", start: 0, len: 5 }"));
    for (target, expected) in [
        ("/bare/", "403"),
        ("/none/", "404"),
        ("/empty/", "404"),
        ("/broken/", "500"),
        ("/broken", "500"),
        ("/secret", "403"),
    ] {
        assert_eq!(status(&get(target, "")), expected, "{target}");
    }
}

#[test]
fn a_path_is_decoded_once_and_never_leads_out() {
    let answer = get("/dir/a%20b%C3%a9.TXT?query=%zz/../", "");
    assert_eq!(header(&answer, "Content-Type"), Some("text/plain; charset=utf-8"));
    assert!(answer.contains("handle: \"space\""));
    assert_eq!(status(&get("http://host/dir/", "")), "200");
    assert_eq!(status(&get("HTTP://host", "")), "200");
    assert_eq!(status(&get("/dir/%252e%252e/", "")), "404");
    for target in [
        "/..",
        "/../etc/passwd",
        "/dir/../../x",
        "/dir/..",
        "/%2e%2e/x",
        "/.%2E/x",
        "/./",
        "/dir/.",
        "/dir%2fx",
        "/dir%2Findex.html",
        "/a\\b",
        "/a%5cb",
        "/a%00b",
        "/a%0ab",
        "/a%7f",
        "/%",
        "/%4",
        "/%zz",
        "/a#b",
        "dir/",
        "*",
        "ftp://host/",
        "host:80",
        "http://host?x",
    ] {
        assert_eq!(status(&get(target, "")), "400", "{target}");
    }
}

#[test]
fn other_methods_learn_which_are_allowed() {
    let answer = serve("DELETE / HTTP/1.1\r\nHost: x\r\n\r\n").remove(0);
    assert_eq!((status(&answer), header(&answer, "Allow")), ("405", Some("GET, HEAD")));
}

#[test]
fn an_empty_file_has_no_body_to_send() {
    let answer = get("/empty", "");
    assert_eq!((status(&answer), header(&answer, "Content-Length")), ("200", Some("0")));
    assert!(answer.ends_with("\r\n\r\nNone"));
}

#[test]
fn a_file_that_is_not_the_one_wanted_is_not_sent() {
    for (condition, expected) in [
        ("If-Match: \"2ebc98a1-3e8\"", "200"),
        ("If-Match: \"a\", \"2ebc98a1-3e8\"", "200"),
        ("If-Match: *", "200"),
        ("If-Match: \"a\"", "412"),
        ("If-Match: W/\"2ebc98a1-3e8\"", "412"),
        ("If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT", "200"),
        ("If-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT", "412"),
        ("If-Unmodified-Since: yesterday", "200"),
        ("If-Match: *\r\nIf-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT", "200"),
    ] {
        assert_eq!(status(&get("/", &format!("{condition}\r\n"))), expected, "{condition}");
    }
}
