//! `/proc` and `/sys`: what programs read there of processes and of the system.
//!
//! - [`root`]: the directory `/proc`, with a directory for each process;
//! - [`sys`]: the directory `/sys`.

mod fds;
mod mem;
mod mounts;
mod net;
mod process;
mod sockets;
mod status;
pub mod sys;
mod sysctl;
mod system;

use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;

use linux_base::{Errno, Mode, Mutex, Result};
use linux_vfs::pseudo::{Content, Directory, Fixed, Item, Listed};

use crate::host;
use crate::task::{Process, table};

/// `/proc`.
pub fn root() -> impl Directory + 'static {
    let own = |format: fn(u32, u32) -> alloc::string::String| {
        Item::link(move || {
            let thread = host::current().ok_or(Errno::ENOENT)?;
            Ok(format(thread.process().pid(), thread.tid()).into_bytes())
        })
    };
    system::files(Fixed::new())
        .with("self", own(|pid, _| format!("{pid}")))
        .with("thread-self", own(|pid, tid| format!("{pid}/task/{tid}")))
        .link("mounts", "self/mounts")
        .link("net", "self/net")
        .directory("sys", sysctl::root())
        .behind(Processes)
}

/// The directories of all processes.
struct Processes;

impl Directory for Processes {
    fn lookup(&self, name: &[u8]) -> Result<Item> {
        let process = number(name).and_then(table::process).ok_or(Errno::ENOENT)?;
        Ok(process::item(&process))
    }

    fn next(&self, from: u64) -> Option<Listed> {
        let from = u32::try_from(from).ok()?;
        let pid = table::processes().iter().map(|process| process.pid()).find(|pid| *pid >= from)?;
        Some(Listed { cookie: pid.into(), name: format!("{pid}").into_bytes(), kind: Mode::DIRECTORY })
    }
}

/// A decimal number, as the names of processes, threads and descriptors are.
fn number(name: &[u8]) -> Option<u32> {
    let is_number =
        !name.is_empty() && name.iter().all(u8::is_ascii_digit) && (name == b"0" || name[0] != b'0');
    if is_number { core::str::from_utf8(name).ok()?.parse().ok() } else { None }
}

/// User and group that the files of a process belong to.
fn owner(process: &Process) -> (u32, u32) {
    process.any_thread().map_or((0, 0), |thread| {
        let credentials = thread.credentials();
        (credentials.uid.effective, credentials.gid.effective)
    })
}

/// Whether the reader may look into a process. `EACCES`.
fn check_inspect(process: &Process) -> Result<()> {
    match host::current() {
        Some(thread) if !process.may_inspect(&thread) => Err(Errno::EACCES),
        _ => Ok(()),
    }
}

/// A value that can be written and is kept, and means nothing.
struct Kept(Mutex<Vec<u8>>);

impl Kept {
    fn new(text: &str) -> Self {
        Self(Mutex::new(text.as_bytes().to_vec()))
    }
}

impl Content for Kept {
    fn read(&self) -> Result<Vec<u8>> {
        Ok(self.0.lock().clone())
    }

    fn write(&self, bytes: &[u8], _: u64) -> Result<usize> {
        let mut value = bytes.trim_ascii().to_vec();
        value.push(b'\n');
        *self.0.lock() = value;
        Ok(bytes.len())
    }
}

/// A value that is read and written by functions.
struct Value<R, W>(R, W);

impl<R, W> Content for Value<R, W>
where
    R: Fn() -> Result<Vec<u8>> + Send + Sync,
    W: Fn(&[u8]) -> Result<()> + Send + Sync,
{
    fn read(&self) -> Result<Vec<u8>> {
        (self.0)()
    }

    fn write(&self, bytes: &[u8], _: u64) -> Result<usize> {
        (self.1)(bytes.trim_ascii())?;
        Ok(bytes.len())
    }
}

/// A file that its owner, or root, may write.
fn writable(content: impl Content + 'static) -> Item {
    Item::file(content).permissions(0o644)
}

/// Shared so that closures may have it.
type Of = Arc<Process>;
