//! Miri over the crates whose tests can run under it, one command each.

use std::process::Command;

use anyhow::Result;

use super::part::Part;
use crate::{cargo, workspace};

/// Package, and further words for `cargo miri test`.
const RUNS: &[(&str, &[&str])] = &[
    ("xen-sys", &["--lib"]),
    ("xen", &["--lib"]),
    ("xenstore", &["--lib"]),
    ("console", &["--lib"]),
    ("netfront", &["--lib"]),
    ("blkfront", &["--lib"]),
];

/// Tests may look at the clock and read files.
const FLAGS: &str = "-Zmiri-disable-isolation";

pub fn miri(part: &mut Part) -> Result<()> {
    if let Err(reason) = available(part) {
        part.report.skip("Miri", reason);
        return Ok(());
    }
    for (package, words) in RUNS {
        let mut command = nightly(&["cargo", "miri", "test", "--no-fail-fast", "--package", package]);
        command.args(*words);
        part.cargo_test(package, &mut command)?;
    }
    Ok(())
}

/// Miri comes with nightly toolchains only; where one is installed, the component is added.
fn available(part: &Part) -> Result<(), String> {
    let works = |part: &Part| {
        let version = part.output(&mut nightly(&["cargo", "miri", "--version"]), &mut |_| {});
        version.is_ok_and(|(success, _)| success)
    };
    if works(part) {
        return Ok(());
    }
    let mut list = Command::new("rustup");
    let toolchains = part.output(list.args(["toolchain", "list"]), &mut |_| {});
    let Ok((true, toolchains)) = toolchains else { return Err("there is no rustup".to_owned()) };
    if !toolchains.lines().any(|line| line.starts_with("nightly")) {
        return Err("no nightly toolchain (rustup toolchain install nightly)".to_owned());
    }
    let mut add = Command::new("rustup");
    add.args(["component", "add", "--toolchain", "nightly", "miri", "rust-src"]);
    let added = part.output(&mut add, &mut |_| {});
    if added.is_ok_and(|(success, _)| success) && works(part) {
        return Ok(());
    }
    Err("rustup cannot install the component miri of the nightly toolchain".to_owned())
}

/// A command of the nightly toolchain.
fn nightly(words: &[&str]) -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", "nightly"]).args(words).current_dir(workspace::root());
    cargo::clean(&mut command);
    command.env_remove("RUSTUP_TOOLCHAIN").env("MIRIFLAGS", FLAGS);
    command
}
