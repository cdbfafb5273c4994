//! One part of the tests: its log, its commands, its report.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;

use anyhow::{Context, Result};

use crate::report::Report;
use crate::workspace;

/// Lines of the log that are shown after a failure.
const TAIL: usize = 60;

/// Where the logs of all parts are.
pub fn logs() -> PathBuf {
    workspace::target().join("test-logs")
}

/// A part that runs.
pub struct Part {
    /// What it has found so far.
    pub report: Report,
    name: String,
    log: PathBuf,
}

/// Runs a part. That it cannot run at all is a failure like any other.
pub fn run(name: &str, work: impl FnOnce(&mut Part) -> Result<()>) -> Report {
    let log = logs().join(format!("{}.log", name.replace(' ', "-")));
    let mut part = Part { report: Report::default(), name: name.to_owned(), log };
    let prepared = fs::create_dir_all(logs()).and_then(|()| File::create(&part.log));
    let result = prepared.context("cannot write logs").and_then(|_| work(&mut part));
    if let Err(error) = result {
        part.report.test("it can run", Err(format!("{error:#}")));
    }
    part.report
}

impl Part {
    /// The part's log file.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Adds text to the log.
    pub fn write(&self, text: &str) {
        let file = fs::OpenOptions::new().append(true).create(true).open(&self.log);
        // A log that cannot be written must not fail the tests.
        _ = file.and_then(|mut file| writeln!(file, "{text}"));
    }

    /// Runs a command as one test: its exit code is the verdict, its output goes to the log.
    pub fn check(&mut self, name: &str, command: &mut Command) -> Result<bool> {
        let (success, output) = self.output(command, &mut |_| {})?;
        let result = if success { Ok(()) } else { Err("see above".to_owned()) };
        if !success {
            self.show_tail(&output);
        }
        self.report.test(name, result);
        Ok(success)
    }

    /// Runs `cargo test` or its like, and counts what it reports.
    pub fn cargo_test(&mut self, name: &str, command: &mut Command) -> Result<()> {
        let mut counts = Counts::default();
        let (success, output) = self.output(command, &mut |line| counts.line(line))?;
        self.report.passed += counts.passed;
        println!(
            "{name}: {} passed, {} failed, {} ignored",
            counts.passed,
            counts.failed.len(),
            counts.ignored
        );
        if counts.ignored > 0 {
            self.report.skip(format!("{name}: {} ignored tests", counts.ignored), "marked as ignored");
        }
        if !success {
            self.show_tail(&output);
            if counts.failed.is_empty() {
                counts.failed.push("it builds and runs".to_owned());
            }
        } else if counts.passed == 0 {
            counts.failed.push("there are tests".to_owned());
        }
        for test in counts.failed {
            self.report.test(format!("{name}: {test}"), Err(format!("see {}", self.log.display())));
        }
        Ok(())
    }

    /// Runs a command with its output in the log; whether it succeeded, and all that it said.
    pub fn output(&self, command: &mut Command, each: &mut dyn FnMut(&str)) -> Result<(bool, String)> {
        let shown = describe(command);
        println!("{}: {shown}", self.name);
        self.write(&format!("$ {shown}"));
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {shown}"))?;
        let (sender, lines) = channel();
        let pipes: [Option<Box<dyn std::io::Read + Send>>; 2] = [
            child.stdout.take().map(|pipe| Box::new(pipe) as _),
            child.stderr.take().map(|pipe| Box::new(pipe) as _),
        ];
        for pipe in pipes.into_iter().flatten() {
            let sender = sender.clone();
            thread::spawn(move || {
                for line in BufReader::new(pipe).split(b'\n').map_while(std::io::Result::ok) {
                    if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let mut text = String::new();
        for line in lines {
            self.write(&line);
            each(&line);
            text += &line;
            text.push('\n');
        }
        Ok((child.wait()?.success(), text))
    }

    /// Prints the end of what a command said.
    pub fn show_tail(&self, output: &str) {
        let lines: Vec<&str> = output.lines().collect();
        println!("---- the end of {}", self.log.display());
        for line in &lines[lines.len().saturating_sub(TAIL)..] {
            println!("{line}");
        }
        println!("----");
    }
}

/// A command as one would type it, with what is set in its environment.
fn describe(command: &Command) -> String {
    let set = command
        .get_envs()
        .filter_map(|(key, value)| Some(format!("{}='{}'", key.to_string_lossy(), value?.to_string_lossy())));
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words = words.map(|word| word.to_string_lossy().into_owned());
    set.chain(words).collect::<Vec<_>>().join(" ")
}

/// What the lines of Rust's test harness add up to.
#[derive(Default)]
struct Counts {
    passed: usize,
    ignored: usize,
    failed: Vec<String>,
}

impl Counts {
    fn line(&mut self, line: &str) {
        if let Some(name) = line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED")) {
            self.failed.push(name.to_owned());
        }
        let Some((_, counts)) = line.split_once("test result: ") else { return };
        let number = |what: &str| {
            let words: Vec<&str> = counts.split([' ', ';', '.']).filter(|word| !word.is_empty()).collect();
            words
                .windows(2)
                .find(|pair| pair[1] == what)
                .and_then(|pair| pair[0].parse::<usize>().ok())
                .unwrap_or(0)
        };
        self.passed += number("passed");
        self.ignored += number("ignored");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_harness_is_counted() {
        let mut counts = Counts::default();
        for line in [
            "running 4 tests",
            "test a::b ... ok",
            "test a::c ... FAILED",
            "test result: FAILED. 12 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            "test result: ok. 30 passed; 0 failed; 0 ignored; 0 measured; 3 filtered out; finished in 0.01s",
        ] {
            counts.line(line);
        }
        assert_eq!((counts.passed, counts.ignored), (42, 2));
        assert_eq!(counts.failed, ["a::c"]);
    }

    #[test]
    fn a_command_is_shown_as_one_would_type_it() {
        let mut command = Command::new("cargo");
        command.args(["doc", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings").env_remove("CARGO");
        assert_eq!(describe(&command), "RUSTDOCFLAGS='-D warnings' cargo doc --no-deps");
    }
}
