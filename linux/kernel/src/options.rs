//! The words of the kernel command line, and of the file that `options=` names.

use alloc::string::String;
use alloc::vec::Vec;

use minios::cmdline::{CommandLine, Setting};
use spin::Once;

static LINE: Once<CommandLine> = Once::new();

/// The options of the file in the root; those of the line come after it, so that they win.
static FILE: Once<CommandLine> = Once::new();

fn line() -> &'static CommandLine {
    LINE.call_once(|| CommandLine::parse(&minios::boot::command_line()))
}

/// Whether the command line says nothing.
pub fn line_is_empty() -> bool {
    line().settings.is_empty() && line().arguments.is_empty()
}

/// Adds the words of a file.
pub fn add_file(text: &str) {
    FILE.call_once(|| CommandLine::parse(text));
}

fn settings() -> impl DoubleEndedIterator<Item = &'static Setting> {
    FILE.get().into_iter().flat_map(|file| &file.settings).chain(&line().settings)
}

/// The last value of an option.
pub fn get(key: &str) -> Option<&'static str> {
    settings().rev().find(|setting| setting.key == key).map(|setting| setting.value.as_str())
}

/// All values of an option.
pub fn all(key: &'static str) -> impl Iterator<Item = &'static str> {
    settings().filter(move |setting| setting.key == key).map(|setting| setting.value.as_str())
}

/// Whether system calls are printed.
pub fn strace() -> bool {
    static STRACE: Once<bool> = Once::new();
    *STRACE.call_once(|| get("strace").is_some_and(|value| value != "0"))
}

/// The program and its arguments: those of the line, else of the file.
pub fn arguments() -> Vec<String> {
    let line = &line().arguments;
    match FILE.get() {
        Some(file) if line.is_empty() => file.arguments.clone(),
        _ => line.clone(),
    }
}
