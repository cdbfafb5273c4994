//! The way from libxl to QEMU: clients of a vchan, one after the other, each joined to a connection of its own to QEMU's
//! monitor.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;

use linux_base::io::{SliceSink, SliceSource};
use linux_base::wait::Sleeper;
use linux_base::{Errno, OpenFile};
use minios::Xen;
use minios_std::process::{self, ExitCode};
use minios_std::store;
use vchan::Sizes;
use xen::memory::RawPage;
use xen::{Clock, DomId, Events, Wake};

use super::LIBXL_MONITOR;

/// How long to leave alone what fails at once.
const PAUSE: core::time::Duration = core::time::Duration::from_secs(1);

type Server = vchan::Server<Xen, RawPage>;

/// How long a client may take to read QEMU's last words.
const LAST_WORDS_NS: u64 = 2_000_000_000;

/// Starts the thread.
pub fn start(target: u16) {
    let run = move || {
        let path = format!("device-model/{target}/qmp-vchan");
        let Err(reason) = serve(&path);
        // Without this the guest could not even be unpaused.
        log::error!("{path}: {reason}");
        process::exit(ExitCode::FAILURE);
    };
    if let Err(error) = minios::thread::Builder::new("libxl").stack_len(40 * 1024).spawn(run) {
        log::error!("libxl can not be heard: {error}");
    }
}

fn serve(path: &str) -> Result<core::convert::Infallible, String> {
    let store = store::store().ok_or("there is no XenStore")?;
    let server = Server::new(&Xen, store, DomId::DOM0, path, Sizes::default());
    let server = server.map_err(|error| error.to_string())?;
    loop {
        match server.accept(None) {
            Ok(true) => {}
            Ok(false) => continue,
            Err(error @ vchan::Error::Hoarded(_)) => return Err(error.to_string()),
            // xenstored was too slow, perhaps.
            Err(error) => {
                log::warn!("{path}: {error}");
                minios::thread::sleep(PAUSE);
                continue;
            }
        }
        match super::connect(LIBXL_MONITOR) {
            Ok(monitor) => {
                if let Err(error) = join(&server, &monitor) {
                    log::warn!("libxl's connection: {error}");
                }
            }
            Err(errno) => log::warn!("QEMU's monitor: {errno}"),
        }
        server.drain(Some(Xen.now_ns().saturating_add(LAST_WORDS_NS)));
        server.hang_up();
    }
}

/// Bytes on their way.
struct Way {
    buffer: [u8; 2048],
    start: usize,
    end: usize,
}

impl Way {
    const NEW: Self = Self { buffer: [0; 2048], start: 0, end: 0 };

    /// What waits to go out.
    fn waiting(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Lets bytes in if none wait; says how many came. 0 is nothing, now.
    fn fill<E>(&mut self, read: impl FnOnce(&mut [u8]) -> Result<usize, E>) -> Result<usize, E> {
        if !self.waiting().is_empty() {
            return Ok(0);
        }
        (self.start, self.end) = (0, 0);
        self.end = read(&mut self.buffer)?;
        Ok(self.end)
    }

    /// Lets bytes out; says how many went.
    fn empty<E>(&mut self, write: impl FnOnce(&[u8]) -> Result<usize, E>) -> Result<usize, E> {
        if self.waiting().is_empty() {
            return Ok(0);
        }
        let count = write(self.waiting())?;
        self.start = self.start.saturating_add(count);
        Ok(count)
    }
}

/// Why a connection is over.
enum Over {
    /// One end went.
    Gone,
    /// Something else.
    Failed(String),
}

/// Moves bytes until one end goes; what the one said before it went still reaches the other.
fn join(server: &Server, monitor: &Arc<OpenFile>) -> Result<(), String> {
    let queue = monitor.file().queue().ok_or("a socket without a queue")?;
    let _watch = queue.watch(Sleeper::current());
    let (mut to_qemu, mut to_libxl) = (Way::NEW, Way::NEW);
    loop {
        let Some(point) = server.wait_point() else { return Ok(()) };
        match step(server, monitor, &mut to_qemu, &mut to_libxl) {
            Ok(0) => {
                // While QEMU does not read, nothing else shows that the client has gone.
                let patience = Xen.now_ns().saturating_add(LAST_WORDS_NS);
                let deadline = (!server.is_connected()).then_some(patience);
                // A change of the socket ends it, too.
                if Xen.wait(&[point], deadline) == Wake::TimedOut {
                    return Ok(());
                }
            }
            Ok(_) => {}
            Err(Over::Gone) => return Ok(()),
            Err(Over::Failed(reason)) => return Err(reason),
        }
    }
}

/// Moves what can be moved; says how many bytes.
fn step(server: &Server, monitor: &OpenFile, to_qemu: &mut Way, to_libxl: &mut Way) -> Result<usize, Over> {
    let mut moved = 0;
    moved += to_qemu.fill(|into| server.read(into)).map_err(channel)?;
    moved += to_qemu.empty(|bytes| now(monitor.write(None, &mut SliceSource::new(bytes), 0)))?;
    moved += to_libxl.fill(|into| match monitor.read(None, &mut SliceSink::new(into), 0) {
        Ok(0) => Err(Over::Gone),
        result => now(result),
    })?;
    moved += to_libxl.empty(|bytes| server.write(bytes)).map_err(channel)?;
    Ok(moved)
}

fn channel(error: vchan::Error) -> Over {
    match error {
        vchan::Error::Closed => Over::Gone,
        error => Over::Failed(error.to_string()),
    }
}

fn now(result: Result<usize, Errno>) -> Result<usize, Over> {
    match result {
        Ok(count) => Ok(count),
        Err(Errno::EAGAIN) => Ok(0),
        Err(Errno::EPIPE | Errno::ECONNRESET) => Err(Over::Gone),
        Err(errno) => Err(Over::Failed(format!("QEMU's monitor: {errno}"))),
    }
}
