//! A Python program in dom0 with the staged guests around it; its lines become a report.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use testbed::{Builder, Event, Forward, Outcome, Session, Testbed, XenVersion};

use crate::report::{Lines, Report};
use crate::{images, workspace};

const PROGRAMS: &[(&str, &str)] = &[
    ("guest.py", include_str!("../dom0/guest.py")),
    ("run.py", include_str!("../dom0/run.py")),
    ("check_guest.py", include_str!("../dom0/check_guest.py")),
    ("linux_clients.py", include_str!("../../guest-tests/linux_clients.py")),
    ("check_packed.py", include_str!("../dom0/check_packed.py")),
    ("check_httpd.py", include_str!("../dom0/check_httpd.py")),
    ("harness.py", include_str!("../../guest-tests/harness.py")),
    ("hvm.py", include_str!("../../guest-tests/hvm.py")),
    ("stubdom.py", include_str!("../dom0/stubdom.py")),
];

/// Lines of the Xen log that are shown when dom0 fails.
const LOG_LINES: usize = 60;

/// Puts the programs where dom0 finds them: `/host/dom0`.
pub fn stage() -> Result<()> {
    let dir = images::dir().join("dom0");
    fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    for (name, text) in PROGRAMS {
        fs::write(dir.join(name), text).with_context(|| format!("cannot write {name}"))?;
    }
    Ok(())
}

/// The testbed with the staged guests as `/host`.
pub fn testbed(version: XenVersion, log_name: &str) -> Builder {
    Testbed::builder().xen(version).share(images::dir()).log(workspace::log_file(log_name))
}

/// The command line of one of our programs.
pub fn command(program: &str, arguments: &[&str]) -> Vec<String> {
    let mut words = vec!["python3".to_owned(), "-B".into(), format!("{}/dom0/{program}", images::DOM0_DIR)];
    words.extend(arguments.iter().map(|word| word.to_string()));
    words
}

/// What a line of the program makes the host do.
pub type OnLine<'a> = &'a mut dyn FnMut(&str, &mut Session, &mut Report) -> Result<()>;

/// Runs a command in dom0, prints its lines, and returns what they report. The exit code is part of it: one that
/// disagrees with the lines is a failure of its own, named `name`.
pub fn report(
    name: &str,
    testbed: Builder,
    command: &[String],
    log: Option<&Path>,
    on_line: OnLine,
) -> Result<Report> {
    let mut session = testbed.start(command)?;
    let mut report = Report::default();
    let (mut out, mut err) = (Lines::default(), Lines::default());
    let mut file = log.map(fs::File::create).transpose().context("cannot write the log")?;
    let mut show = |line: &str| {
        println!("{line}");
        if let Some(file) = &mut file {
            _ = writeln!(file, "{line}");
        }
    };
    let outcome = loop {
        let mut lines = Vec::new();
        match session.next(Duration::from_secs(3600))? {
            Event::Stdout(bytes) => out.push(&bytes, |line| lines.push(line.to_owned())),
            Event::Stderr(bytes) => err.push(&bytes, |line| show(line)),
            Event::Ready | Event::Idle => {}
            Event::Ended(outcome) => break outcome,
        }
        for line in lines {
            show(&line);
            report.line(&line);
            on_line(&line, &mut session, &mut report)?;
        }
    };
    out.finish(|line| _ = report.line(line));
    match outcome {
        Outcome::Exited(0) => {}
        Outcome::Exited(_) if !report.failed.is_empty() => {}
        outcome => {
            if !matches!(outcome, Outcome::Exited(_)) {
                println!("---- end of the Xen log\n{}", session.log_tail(LOG_LINES));
            }
            let reason = outcome.to_string();
            println!("test {name} ... FAILED: {reason}");
            report.fail(name, reason);
        }
    }
    Ok(report)
}

/// Runs a command in dom0 and shows its lines until it ends, `begins` when it does; the exit code. `on_line` gets each line of its
/// output.
pub fn show(
    testbed: Builder,
    command: &[String],
    begins: &str,
    on_line: &mut dyn FnMut(&str, &Session),
) -> Result<u8> {
    let mut session = testbed.start(command)?;
    let (mut out, mut err) = (Lines::default(), Lines::default());
    loop {
        match session.next(Duration::from_secs(3600))? {
            Event::Ready => eprintln!("{begins}"),
            Event::Stdout(bytes) => {
                out.push(&bytes, |line| on_line(line, &session));
                _ = std::io::stdout().flush();
            }
            Event::Stderr(bytes) => err.push(&bytes, |line| eprintln!("{line}")),
            Event::Idle => {}
            Event::Ended(outcome) => {
                if !matches!(outcome, Outcome::Exited(_)) {
                    eprintln!("---- end of the Xen log\n{}\n---- {outcome}", session.log_tail(LOG_LINES));
                }
                return Ok(outcome.exit_code());
            }
        }
    }
}

/// For programs whose lines need no answer.
pub fn no_answer(_: &str, _: &mut Session, _: &mut Report) -> Result<()> {
    Ok(())
}

/// Any free port of the host for a port of a guest.
pub fn forward(host: u16, guest: [u8; 4], port: u16) -> Forward {
    Forward { host, guest: guest.into(), port }
}
