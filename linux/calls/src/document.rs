//! `docs/syscalls.md`.

use alloc::format;
use alloc::string::String;
use core::fmt::Write;

use crate::{CALLS, State};

/// The text of `docs/syscalls.md`.
pub fn document() -> String {
    let count = |wanted: fn(&State) -> bool| CALLS.iter().filter(|call| wanted(&call.state)).count();
    let mut text = format!(
        "# System calls\n\n\
         Generated from `linux/calls/src/table.rs` by `cargo test -p linux-calls -- --ignored write`; do not edit.\n\n\
         {} are done, {} in part, {} absent: those return `ENOSYS` and are named once in the log.\n\n\
         | number | call | state |\n|---:|---|---|\n",
        count(|state| *state == State::Done),
        count(|state| matches!(state, State::Partial(_))),
        count(|state| *state == State::Absent),
    );
    for call in CALLS {
        let _ = match call.state {
            State::Done => writeln!(text, "| {} | `{}` | done |", call.number, call.name),
            State::Partial(missing) => {
                writeln!(text, "| {} | `{}` | partial: {missing} |", call.number, call.name)
            }
            State::Absent => writeln!(text, "| {} | `{}` | absent |", call.number, call.name),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/syscalls.md");

    #[test]
    fn the_document_is_current() {
        let there = std::fs::read_to_string(PATH).unwrap_or_default();
        assert!(there == document(), "run `cargo test -p linux-calls -- --ignored write`");
    }

    #[test]
    #[ignore = "writes docs/syscalls.md"]
    fn write() {
        std::fs::create_dir_all(std::path::Path::new(PATH).parent().unwrap()).unwrap();
        std::fs::write(PATH, document()).unwrap();
    }
}
