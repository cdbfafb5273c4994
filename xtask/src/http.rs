//! Just enough of an HTTP client to check a server with: one request, one connection, the whole answer.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

const PATIENCE: Duration = Duration::from_secs(30);

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Status line and fields.
    pub head: String,
    /// The body, as long as the server sent.
    pub body: Vec<u8>,
}

impl Answer {
    /// A field of the head.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// Asks 127.0.0.1:`port`; `fields` are further lines of the request, each with its end.
pub fn request(port: u16, method: &str, path: &str, fields: &str) -> Result<Answer> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).context("cannot connect")?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: minios.test\r\nConnection: close\r\n{fields}\r\n")?;
    let mut bytes = Vec::new();
    stream
        .read_to_end(&mut bytes)
        .with_context(|| format!("answer broken off after {} bytes", bytes.len()))?;
    parse(&bytes, method)
}

fn parse(bytes: &[u8], method: &str) -> Result<Answer> {
    let end = bytes.windows(4).position(|bytes| bytes == b"\r\n\r\n");
    let Some(end) = end else { bail!("{} bytes came, but no head", bytes.len()) };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    let Some(status) = status else { bail!("`{}` is no status line", head.lines().next().unwrap_or("")) };
    let answer = Answer { status, head, body: bytes[end + 4..].to_vec() };
    if method != "HEAD"
        && let Some(len) = answer.field("content-length")
    {
        ensure!(
            len.parse() == Ok(answer.body.len()),
            "{} bytes came, {len} were announced",
            answer.body.len()
        );
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_status_fields_and_body() {
        let answer = parse(b"HTTP/1.1 200 OK\r\nContent-LENGTH:  3\r\n\r\nabc", "GET").unwrap();
        assert_eq!((answer.status, &*answer.body), (200, &b"abc"[..]));
        assert_eq!(answer.field("content-length"), Some("3"));
    }

    #[test]
    fn a_body_cut_short_is_an_error_and_the_missing_one_of_head_is_not() {
        let cut = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab";
        assert!(parse(cut, "GET").is_err());
        assert!(parse(&cut[..cut.len() - 2], "HEAD").is_ok());
        assert!(parse(b"HTTP/1.1 200", "GET").is_err());
        assert!(parse(b"nonsense\r\n\r\n", "GET").is_err());
    }
}
