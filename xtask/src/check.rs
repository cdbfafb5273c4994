//! `cargo xtask run NAME --check`: what a guest must do, looked at from dom0 and from the host.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use testbed::XenVersion;

use crate::figures;
use crate::http::request;
use crate::images::{self, Guest};
use crate::report::Report;
use crate::{dom0, site};

/// The web server: content from both sides, figures and their hard limits.
pub fn httpd(version: XenVersion, port: u16, guests: &[Guest], log: Option<&Path>) -> Result<Report> {
    let testbed = dom0::testbed(version, "check-httpd")
        .forward(dom0::forward(port, [10, 0, 0, 2], 80))
        .timeout(Duration::from_secs(600));
    let command = dom0::command("check_httpd.py", &[]);
    let mut report = Report::default();
    for guest in guests.iter().filter(|guest| matches!(&*guest.name, "hello" | "httpd")) {
        report.figures.push(images::size_figure(guest)?);
    }
    let part =
        dom0::report("check_httpd.py ends well", testbed, &command, log, &mut |line, session, report| {
            if line.starts_with("host-turn ") {
                let port = session.forwards()[0].host;
                from_the_host(port, report);
                session.send_input(b"done\n").context("dom0 does not listen any more")?;
            }
            Ok(())
        })?;
    report.absorb("", part);
    for (name, result) in figures::gates(&report.figures) {
        report.test(name, result);
    }
    Ok(report)
}

/// A guest that ends by itself and says how it went.
pub fn verdict(name: &str, version: XenVersion, settings: &[String]) -> Result<Report> {
    let mut words = vec![name];
    words.extend(settings.iter().map(String::as_str));
    let testbed = dom0::testbed(version, &format!("check-{name}")).timeout(Duration::from_secs(300));
    dom0::report(name, testbed, &dom0::command("check_guest.py", &words), None, &mut dom0::no_answer)
}

fn from_the_host(port: u16, report: &mut Report) {
    type Check = fn(u16) -> Result<(), String>;
    let checks: [(&str, Check); 3] = [
        ("every page is intact, from the host", all_pages),
        ("HEAD, ranges and conditions work, from the host", spot_checks),
        ("errors are answered as such, from the host", errors),
    ];
    for (name, check) in checks {
        report.test(name, check(port));
    }
}

fn all_pages(port: u16) -> Result<(), String> {
    let dir = images::dir().join("site");
    let mut pages: Vec<(String, PathBuf)> = Vec::new();
    for file in site::files(&dir).map_err(said)? {
        let url = site::url_path(&file);
        if let Some(directory) = url.strip_suffix("index.html") {
            pages.push((directory.to_owned(), file.clone()));
        }
        pages.push((url, file));
    }
    for (url, file) in pages {
        let answer = request(port, "GET", &url, "").map_err(|error| format!("{url}: {error:#}"))?;
        let expected = fs::read(dir.join(&file)).map_err(|error| error.to_string())?;
        equal(&format!("status of {url}"), answer.status, 200)?;
        if answer.body != expected {
            return Err(format!("{url}: {} bytes are not the file's {}", answer.body.len(), expected.len()));
        }
    }
    Ok(())
}

fn spot_checks(port: u16) -> Result<(), String> {
    let head = request(port, "HEAD", "/index.html", "").map_err(said)?;
    let index = fs::read(images::dir().join("site/index.html")).map_err(|error| error.to_string())?;
    equal("status of HEAD", head.status, 200)?;
    equal("bytes after HEAD", head.body.len(), 0)?;
    equal("length that HEAD tells", head.field("content-length"), Some(&*index.len().to_string()))?;
    equal("content type", head.field("content-type"), Some("text/html; charset=utf-8"))?;
    let part = request(port, "GET", &format!("/{}", site::SMALL.0), "Range: bytes=7-11\r\n").map_err(said)?;
    equal("status of a range", part.status, 206)?;
    equal("the range", &*part.body, &site::SMALL.1[7..12])
}

fn errors(port: u16) -> Result<(), String> {
    for (method, path, status) in [("GET", "/no/such/page", 404), ("DELETE", "/", 405), ("GET", "/docs", 301)]
    {
        let answer = request(port, method, path, "").map_err(said)?;
        equal(&format!("status of {method} {path}"), answer.status, status)?;
    }
    Ok(())
}

fn equal<T: PartialEq<U> + std::fmt::Debug, U: std::fmt::Debug>(
    what: &str,
    seen: T,
    expected: U,
) -> Result<(), String> {
    if seen == expected { Ok(()) } else { Err(format!("{what} is {seen:?} and not {expected:?}")) }
}

fn said(error: anyhow::Error) -> String {
    format!("{error:#}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_named_with_both_values() {
        assert_eq!(equal("it", 1, 1), Ok(()));
        assert_eq!(equal("it", 1, 2), Err("it is 1 and not 2".to_owned()));
    }
}
