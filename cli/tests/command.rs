//! The command as a user runs it: exit codes, messages and files.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const GOOD: &str = "name = \"a\"\nkernel = \"a.gz\"\nmemory = 4\n";

/// A fresh folder for the test `name`.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder for tests");
    folder
}

fn minios(folder: &Path, arguments: &[&str]) -> Output {
    let command = Command::new(env!("CARGO_BIN_EXE_minios")).current_dir(folder).args(arguments).output();
    command.expect("the command runs")
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn cfg_writes_the_file_named_by_the_domain_or_by_the_user() {
    let folder = folder("cfg_writes");
    std::fs::write(folder.join("source.toml"), GOOD).expect("a writable folder");
    let output = minios(&folder, &["cfg", "source.toml"]);
    assert!(output.status.success(), "{}", errors(&output));
    assert_eq!(errors(&output), "warning: source.toml:2: kernel: no file `a.gz`\n");
    assert!(minios(&folder, &["cfg", "source.toml", "-o", "b.cfg"]).status.success());
    let by_domain = std::fs::read(folder.join("a.cfg")).expect("the default name");
    assert_eq!(by_domain, std::fs::read(folder.join("b.cfg")).expect("the given name"));
    assert_eq!(by_domain, minios(&folder, &["cfg", "source.toml", "-o", "-"]).stdout);
}

#[test]
fn cfg_reports_every_problem_and_writes_nothing() {
    let folder = folder("cfg_reports");
    std::fs::write(folder.join("bad.toml"), "name = \"a\"\nkernel = 3\nmemory = 0\n")
        .expect("a writable folder");
    let output = minios(&folder, &["cfg", "bad.toml"]);
    assert_eq!(output.status.code(), Some(1));
    let expected = "error: bad.toml:2: kernel: expected a string, found an integer\n\
                    error: bad.toml:3: memory: 0 is not in 1 to 16777216\n";
    assert_eq!(errors(&output), expected);
    assert!(!folder.join("a.cfg").exists());
}

#[test]
fn files_are_looked_for_beside_the_output() {
    let folder = folder("files");
    std::fs::create_dir(folder.join("out")).expect("a writable folder");
    std::fs::write(folder.join("a.toml"), GOOD).expect("a writable folder");
    std::fs::write(folder.join("a.gz"), "").expect("a writable folder");
    let output = minios(&folder, &["cfg", "a.toml", "--check-files", "-o", "out/a.cfg"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(errors(&output), "error: a.toml:2: kernel: no file `a.gz`\n");
    let base = folder.to_str().expect("a path of text");
    let output = minios(&folder, &["cfg", "a.toml", "--check-files", "-o", "out/a.cfg", "--base", base]);
    assert!(output.status.success(), "{}", errors(&output));
}

#[test]
fn what_cannot_be_read_is_named() {
    let folder = folder("unreadable");
    for arguments in [&["cfg", "no.toml"][..], &["image", "no.toml", "out"], &["check", "no.toml"]] {
        let output = minios(&folder, arguments);
        assert_eq!(output.status.code(), Some(1));
        assert!(errors(&output).starts_with("error: cannot read no.toml: "), "{}", errors(&output));
    }
    std::fs::write(folder.join("a.toml"), GOOD).expect("a writable folder");
    for arguments in [&["image", "a.toml", "out"][..], &["check", "a.toml"]] {
        let output = minios(&folder, arguments);
        assert_eq!(output.status.code(), Some(1));
        assert!(errors(&output).starts_with("error: a.toml: not a readable ELF file"), "{}", errors(&output));
    }
    assert!(!folder.join("out").exists());
}
