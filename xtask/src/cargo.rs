//! Cargo, called by a program that cargo itself has started.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::workspace;

/// The target that guests are built for.
pub const GUEST_TARGET: &str = "x86_64-unknown-none";

/// A cargo command in the workspace's root, free of what the cargo around us has set for this program alone.
pub fn cargo(words: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.args(words).current_dir(workspace::root()).stdin(Stdio::null());
    if std::env::var_os("CARGO_TARGET_DIR").is_some() {
        // It may be relative to where we were started.
        command.env("CARGO_TARGET_DIR", workspace::target());
    }
    clean(&mut command);
    command
}

/// Removes the variables that describe this program's own package and build.
pub fn clean(command: &mut Command) {
    for (key, _) in std::env::vars_os() {
        let name = key.to_string_lossy();
        let of_package = name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_BIN_");
        if of_package
            || matches!(&*name, "CARGO" | "CARGO_MANIFEST_DIR" | "CARGO_MANIFEST_PATH" | "CARGO_CRATE_NAME")
        {
            command.env_remove(&key);
        }
    }
}

/// Every directory of `examples/`: the guests, by name.
pub fn guest_names() -> Result<Vec<String>> {
    let dir = workspace::root().join("examples");
    let entries = std::fs::read_dir(&dir).with_context(|| format!("cannot read {}", dir.display()))?;
    let mut names: Vec<String> = entries
        .flatten()
        .filter(|entry| entry.path().join("src/main.rs").is_file())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    Ok(names)
}

/// Builds all guests and returns the directory of their ELF files.
pub fn build_guests(names: &[String]) -> Result<PathBuf> {
    let mut command = cargo(&["build", "--quiet", "--release", "--target", GUEST_TARGET]);
    for name in names {
        command.args(["--package", name]);
    }
    let status = command.status().context("cannot run cargo")?;
    if !status.success() {
        bail!("the guests do not build (cargo: {status})");
    }
    Ok(elf_dir())
}

/// Where [`build_guests`] puts the ELF files.
pub fn elf_dir() -> PathBuf {
    workspace::target().join(GUEST_TARGET).join("release")
}
