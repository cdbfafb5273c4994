//! QEMU's argument vector.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// What libxl writes where the descriptor of the saved state belongs, when a domain is restored.
const INCOMING: &[u8] = b"$STUBDOM_RESTORE_INCOMING_ARG";

/// The console that QEMU's state is saved to, and the set of descriptors by whose name libxl has it saved.
pub const SAVE_CONSOLE: u32 = 1;
/// See [`SAVE_CONSOLE`].
pub const SAVE_SET: u32 = 1;
/// The console that a saved state is read from.
pub const RESTORE_CONSOLE: u32 = 2;

/// Descriptors that QEMU is started with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Descriptors {
    /// A listening socket: the monitor that libxl reaches.
    pub monitor: i32,
    /// A listening socket: the monitor that stays connected, by which QEMU is handed descriptors. A set of them vanishes
    /// when the last monitor is closed.
    pub own_monitor: i32,
    /// [`RESTORE_CONSOLE`], for reading, if [`restores`] says so.
    pub restore: Option<i32>,
}

/// The path of a console.
pub fn console(number: u32) -> String {
    format!("/dev/hvc{number}")
}

/// Whether these arguments want a saved state.
pub fn restores(arguments: &[Vec<u8>]) -> bool {
    arguments.iter().any(|argument| argument == INCOMING)
}

/// The program and its own words first, then the monitors, then libxl's arguments as they are but for the descriptor of
/// the saved state. `None` if there is no memory for it.
pub fn vector(
    program: Vec<Vec<u8>>,
    arguments: Vec<Vec<u8>>,
    descriptors: &Descriptors,
) -> Option<Vec<Vec<u8>>> {
    let mut vector = program;
    vector.try_reserve(arguments.len().checked_add(8)?).ok()?;
    let monitors = [("minios-libxl", descriptors.monitor), ("minios-own", descriptors.own_monitor)];
    for (name, fd) in monitors {
        let words = [
            "-chardev".into(),
            format!("socket,id={name},fd={fd},server=on,wait=off"),
            "-mon".into(),
            format!("chardev={name},mode=control"),
        ];
        vector.extend(words.map(String::into_bytes));
    }
    for argument in arguments {
        vector.push(match descriptors.restore {
            Some(fd) if argument == INCOMING => format!("fd:{fd}").into_bytes(),
            _ => argument,
        });
    }
    Some(vector)
}
