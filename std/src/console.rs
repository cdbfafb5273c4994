//! The first console: the driver behind `print!`, and a thread that drains what did not fit at once. What reads it too, as a
//! terminal does, uses [`write_raw`], [`read_some`] and [`serve`].

use alloc::boxed::Box;

use console::Console;
use minios::Xen;
use minios::console::Sinks;
use minios::sync::CpuLocal;
use minios::thread::Builder;
use spin::Once;
use xen::memory::RawPage;
use xen::{Clock, EventPort};

pub use crate::further::{Further, further};

type First = CpuLocal<Console<Xen, RawPage>>;

static FIRST: Once<Option<Box<First>>> = Once::new();

/// How long the end of the guest waits for a reader.
const LAST_WORDS_NS: u64 = 2_000_000_000;

pub(crate) fn first() -> Option<&'static First> {
    FIRST.get()?.as_deref()
}

pub(crate) fn start() {
    let console = FIRST.call_once(|| {
        let (port, page) = Xen.console()?;
        Some(Box::new(CpuLocal::new(Console::new(&Xen, page, EventPort::from_existing(&Xen, port)))))
    });
    if console.is_some() {
        minios::console::set_sinks(Sinks { print: write, log: write_no_wait, emergency: write_now });
        let drain = Builder::new("console").stack_len(8 * 1024).spawn(drain);
        if let Err(error) = drain {
            log::warn!("output is only drained when there is more of it: {error}");
        }
    }
}

fn write(bytes: &[u8]) {
    if let Some(console) = first() {
        console.write(bytes);
    }
}

fn write_no_wait(bytes: &[u8]) {
    if let Some(console) = first() {
        console.write_no_wait(bytes);
    }
}

fn write_now(bytes: &[u8]) {
    if let Some(console) = first() {
        console.write_now(bytes);
    }
}

fn drain() {
    let Some(console) = first() else { return };
    while console.wait_drained().is_ok() {}
}

/// Writes bytes as they are, as far as there is room, and returns how many. Without a console, in the smoke boot, all goes to Xen's.
pub fn write_raw(bytes: &[u8]) -> usize {
    match first() {
        Some(console) => console.write_raw(bytes),
        None => {
            minios::console::write(bytes);
            bytes.len()
        }
    }
}

/// Takes input that is there, and returns how many bytes. An error of the console's other end is like no input.
pub fn read_some(into: &mut [u8]) -> usize {
    first().map_or(0, |console| console.read(into).unwrap_or(0))
}

/// Calls `look` now and whenever there may be input, or room for output; returns when the console has ended, or if there is none.
pub fn serve(mut look: impl FnMut()) {
    look();
    let Some(console) = first() else { return };
    while console.wait_after(&mut look).is_ok() {}
}

/// Waits for the last words to be read.
pub(crate) fn finish() {
    if let Some(console) = first() {
        console.flush(Some(Xen.now_ns() + LAST_WORDS_NS));
    }
}
