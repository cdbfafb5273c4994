//! Programs on the host: finding them and running them.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// `PATH` with the system directories that an ordinary user's lacks.
pub fn path() -> String {
    let own = std::env::var("PATH").unwrap_or_default();
    format!("{own}:/usr/local/sbin:/usr/sbin:/sbin")
}

/// Where `program` is, if anywhere on [`path`].
pub fn find(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&path()).map(|dir| dir.join(program)).find(|file| file.is_file())
}

/// A command that finds system programs for an ordinary user too, and speaks English.
pub fn command(program: &str) -> Command {
    let mut command = Command::new(find(program).unwrap_or_else(|| program.into()));
    command.env("PATH", path()).env("LC_ALL", "C").stdin(Stdio::null());
    command
}

/// A command that may set owners of files: as root itself, else under fakeroot.
pub fn as_owner(program: &str) -> Command {
    if is_root() {
        return command(program);
    }
    let mut fakeroot = command("fakeroot");
    fakeroot.arg("--").arg(find(program).unwrap_or_else(|| program.into()));
    fakeroot
}

/// Runs `command` quietly; on failure the error shows the end of what it said.
pub fn run(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("cannot run {name}"))?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        bail!("{name}: {}\n{}", output.status, tail(&String::from_utf8_lossy(&said), 20));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether we may install packages.
pub fn is_root() -> bool {
    run(command("id").arg("-u")).is_ok_and(|uid| uid.trim() == "0")
}

/// The last `count` lines of `text`.
pub fn tail(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_of_a_text_is_its_last_lines() {
        assert_eq!(tail("a\nb\nc\n", 2), "b\nc");
        assert_eq!(tail("a", 5), "a");
        assert_eq!(tail("", 5), "");
    }

    #[test]
    fn a_failed_program_is_named_with_what_it_said() {
        let error = run(command("sh").args(["-c", "echo broken >&2; exit 3"])).unwrap_err().to_string();
        assert!(error.contains("sh") && error.contains("broken") && error.contains('3'), "{error}");
    }
}
