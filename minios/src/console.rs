//! `print!`, `log`, and the way out that works in a crash.
//!
//! Output goes to a sink: until the console driver sets its own, bytes go straight into the console's ring (or, in the
//! initial domain, to Xen), waiting a bounded time for room.

use core::fmt::{self, Write};
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use xen::byte_ring::{ByteRingLayout, ByteWriter};
use xen::memory::RawPage;
use xen_sys::io::console as abi;
use xen_sys::xen::StartInfo;

use crate::memory::{Mfn, paging};
use crate::{boot, hypercall, time};

const OUT: ByteWriter = ByteWriter::new(ByteRingLayout {
    data: abi::OUT,
    len: abi::OUT_LEN,
    cons: abi::OUT_CONS,
    prod: abi::OUT_PROD,
});

/// How long the emergency way waits for a reader, in all, in nanoseconds.
const PATIENCE_NS: u64 = 1_000_000_000;

static PORT: AtomicU32 = AtomicU32::new(0);
static PAGE: AtomicU64 = AtomicU64::new(0);
static GAVE_UP: AtomicBool = AtomicBool::new(false);
static SINK: AtomicUsize = AtomicUsize::new(0);
static LOG_SINK: AtomicUsize = AtomicUsize::new(0);
static EMERGENCY_SINK: AtomicUsize = AtomicUsize::new(0);
static LEVEL: AtomicU8 = AtomicU8::new(3);

pub(crate) fn init_emergency(info: &StartInfo) {
    if !boot::is_initial_domain() {
        PORT.store(info.console_evtchn, Ordering::Relaxed);
        PAGE.store(paging::page_frame(Mfn(info.console_mfn)).image_address(), Ordering::Relaxed);
    }
}

/// The ring page of the first console; `None` in the initial domain.
pub fn page() -> Option<NonNull<u8>> {
    NonNull::new(PAGE.load(Ordering::Relaxed) as *mut u8)
}

/// Writes from a crash: no allocation, no lock, bounded waiting.
pub fn emergency_write(bytes: &[u8]) {
    match sink(&EMERGENCY_SINK) {
        Some(sink) => sink(bytes),
        None => write_to_ring(bytes),
    }
}

/// Writes without the driver.
fn write_to_ring(bytes: &[u8]) {
    let Some(page) = page() else {
        hypercall::console_write(bytes);
        return;
    };
    // SAFETY: the domain builder's console page stays mapped; only copies and atomics touch it.
    let page = unsafe { RawPage::new(page) };
    let port = PORT.load(Ordering::Relaxed);
    let mut rest = bytes;
    let mut give_up_at = None;
    while !rest.is_empty() {
        let Ok(written) = OUT.write(&page, rest) else { return };
        rest = &rest[written..];
        let _ = hypercall::send(port);
        if written > 0 {
            GAVE_UP.store(false, Ordering::Relaxed);
            continue;
        }
        let now = time::now_ns();
        if GAVE_UP.load(Ordering::Relaxed) || now >= *give_up_at.get_or_insert(now + PATIENCE_NS) {
            GAVE_UP.store(true, Ordering::Relaxed);
            return;
        }
        let _ = hypercall::poll(&[], now + 1_000_000);
    }
}

/// Where output goes from now on.
#[derive(Clone, Copy, Debug)]
pub struct Sinks {
    /// What is printed. May wait for the reader, and so let other threads run.
    pub print: fn(&[u8]),
    /// What is logged. Never waits: drivers log while they are in the midst of something.
    pub log: fn(&[u8]),
    /// What a crash says. May come out of the midst of the other two.
    pub emergency: fn(&[u8]),
}

/// Sets where output goes.
pub fn set_sinks(sinks: Sinks) {
    SINK.store(sinks.print as usize, Ordering::Relaxed);
    LOG_SINK.store(sinks.log as usize, Ordering::Relaxed);
    EMERGENCY_SINK.store(sinks.emergency as usize, Ordering::Relaxed);
}

fn sink(stored: &AtomicUsize) -> Option<fn(&[u8])> {
    match stored.load(Ordering::Relaxed) {
        0 => None,
        // SAFETY: only `set_sinks` stores here, and it stores such functions.
        sink => Some(unsafe { core::mem::transmute::<usize, fn(&[u8])>(sink) }),
    }
}

/// Writes to the console.
pub fn write(bytes: &[u8]) {
    sink(&SINK).unwrap_or(write_to_ring)(bytes);
}

/// Collects what is formatted, so that a line is one write.
struct Line {
    bytes: [u8; 256],
    len: usize,
    sink: fn(&[u8]),
}

impl Line {
    fn flush(&mut self) {
        (self.sink)(&self.bytes[..self.len]);
        self.len = 0;
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for chunk in text.as_bytes().chunks(self.bytes.len()) {
            if chunk.len() > self.bytes.len() - self.len {
                self.flush();
            }
            self.bytes[self.len..self.len + chunk.len()].copy_from_slice(chunk);
            self.len += chunk.len();
        }
        Ok(())
    }
}

/// Writes formatted text; what `print!` calls.
pub fn print(arguments: fmt::Arguments<'_>) {
    print_to(write, arguments);
}

fn print_to(sink: fn(&[u8]), arguments: fmt::Arguments<'_>) {
    let mut line = Line { bytes: [0; 256], len: 0, sink };
    let _ = line.write_fmt(arguments);
    line.flush();
}

/// Prints to the console.
#[macro_export]
macro_rules! print {
    ($($argument:tt)*) => { $crate::console::print(format_args!($($argument)*)) };
}

/// Prints to the console, with a newline.
#[macro_export]
macro_rules! println {
    () => { $crate::print!("\n") };
    ($($argument:tt)*) => { $crate::console::print(format_args!("{}\n", format_args!($($argument)*))) };
}

struct Logger;

impl log::Log for Logger {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() as u8 <= LEVEL.load(Ordering::Relaxed)
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            let now = time::since_boot_ns();
            let (seconds, micros) = (now / 1_000_000_000, now / 1_000 % 1_000_000);
            let (level, target) = (record.level(), record.target());
            let sink = sink(&LOG_SINK).unwrap_or(write_to_ring);
            print_to(sink, format_args!("[{seconds:5}.{micros:06}] {level} {target}: {}\n", record.args()));
        }
    }

    fn flush(&self) {}
}

pub(crate) fn init_log() {
    if log::set_logger(&Logger).is_ok() {
        log::set_max_level(log::LevelFilter::Info);
    }
}

/// Sets what is logged: `error`, `warn`, `info`, `debug`, `trace`, `off`. `false` if there is no such level.
pub fn set_level(name: &str) -> bool {
    let Ok(level) = name.parse::<log::LevelFilter>() else { return false };
    LEVEL.store(level as u8, Ordering::Relaxed);
    log::set_max_level(level);
    true
}
