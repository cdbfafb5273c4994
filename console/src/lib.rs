//! The PV console front end (`io/console.h`).
//!
//! [`Console`] is one console on its ring page and event port: the first one's come from `start_info`, those of
//! `device/console/N` from [`Front`], which grants the page and follows the states of the back end. Output goes to the ring, behind it to a bounded buffer, and
//! when nobody reads it is dropped, counted, and the loss is told once there is room again: the guest never hangs.
//!
//! Output is text: a line feed becomes CR LF, as Linux's terminal layer and Mini-OS do it, because xenconsoled hands the
//! bytes on as they are to a terminal in raw mode. A CR LF stays what it is. Who has a terminal layer of its own, or sends
//! what is no text, writes by [`Console::write_raw`]. Input is raw: Enter arrives as CR.
//!
//! A back end that lies about a ring index ends the console: output is then dropped silently, input is an error.
#![cfg_attr(not(any(test, feature = "fuzzing")), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

#[cfg(any(test, feature = "fuzzing"))]
#[cfg_attr(not(test), expect(dead_code, reason = "the fuzz target does not need all that the tests do"))]
mod fake;
mod front;
#[cfg(test)]
mod front_tests;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
mod output;
#[cfg(test)]
mod tests;

use core::cell::RefCell;
use core::fmt;

use xen::byte_ring::ByteRingLayout;
use xen::{ByteReader, EventPort, EventSeq, PeerMisbehaved, Platform, Port, SharedMemory, Wake};
use xen_sys::io::console as abi;

pub use front::{Front, FrontError, Link};
use output::Output;

const INPUT: ByteReader = ByteReader::new(ByteRingLayout {
    data: abi::IN,
    len: abi::IN_LEN,
    cons: abi::IN_CONS,
    prod: abi::IN_PROD,
});

/// How long [`Console::write`] waits in all for a reader. xenconsoled pauses up to 200 ms with a guest that writes a lot.
pub const PATIENCE_NS: u64 = 500_000_000;
/// How often [`Console::write_now`] looks whether the reader has moved: some tens of milliseconds.
const POLLS: u32 = if cfg!(miri) { 10 } else { 1 << 20 };

/// A console. Threads share it by reference.
pub struct Console<P: Platform, M: SharedMemory> {
    platform: P,
    port: EventPort<P>,
    memory: M,
    output: RefCell<Output>,
}

impl<P: Platform, M: SharedMemory> Console<P, M> {
    /// A console on its ring page.
    pub fn new(platform: &P, memory: M, port: EventPort<P>) -> Self {
        Self { platform: platform.clone(), port, memory, output: RefCell::new(Output::new()) }
    }

    /// Writes text. When ring and buffer are full it waits for the reader, at most [`PATIENCE_NS`], and not at all as
    /// long as the reader has not moved since it was last waited for in vain; what then does not fit is lost.
    pub fn write(&self, text: &[u8]) {
        let mut rest = self.try_write(text);
        let mut deadline_ns = None;
        while !rest.is_empty() {
            let seen = self.port.seq();
            let before = rest.len();
            rest = self.try_write(rest);
            if rest.len() < before {
                continue;
            }
            if self.output.borrow().reader_is_stuck() {
                return self.output.borrow_mut().lose(rest.len());
            }
            let deadline =
                *deadline_ns.get_or_insert_with(|| self.platform.now_ns().saturating_add(PATIENCE_NS));
            if self.platform.now_ns() >= deadline {
                self.output.borrow_mut().set_reader_stuck();
                continue;
            }
            self.port.wait(seen, Some(deadline));
        }
    }

    /// Writes text without ever waiting, for a logger that is called from anywhere; what does not fit is lost.
    pub fn write_no_wait(&self, text: &[u8]) {
        let rest = self.try_write(text);
        self.output.borrow_mut().lose(rest.len());
    }

    /// Writes text from a crash: without allocation, without waiting for events, and though the crash may have come in
    /// the midst of a write. Polls the ring for a bounded time; what then does not fit is lost.
    pub fn write_now(&self, text: &[u8]) {
        let Ok(mut output) = self.output.try_borrow_mut() else {
            // The crash came out of a write: what it left half done stays so.
            let mut fresh = Output::new();
            return self.poll_out(&mut fresh, text);
        };
        self.poll_out(&mut output, text);
    }

    /// Moves buffered output to the ring as far as it fits. To be called on events; all other operations do it, too.
    pub fn pump(&self) {
        self.try_write(b"");
    }

    /// Writes bytes as they are, as far as there is room in the ring, and returns how many: for who keeps the rest itself.
    pub fn write_raw(&self, bytes: &[u8]) -> usize {
        let mut output = self.output.borrow_mut();
        let count = output.write_raw(&self.memory, bytes);
        self.tell(&mut output);
        count
    }

    /// Calls `look`, pumps, and waits for an event that came since before the call: for a thread that reads, and has more to write.
    /// An error says that the console has ended.
    pub fn wait_after(&self, look: impl FnOnce()) -> Result<(), PeerMisbehaved> {
        self.output.borrow().check()?;
        let seen = self.port.seq();
        look();
        self.pump();
        self.port.wait(seen, None);
        Ok(())
    }

    /// Waits for the next event, the reader's or a typist's, and pumps: for a thread that does nothing else. Input stays
    /// in the ring. An error says that the console has ended.
    pub fn wait_drained(&self) -> Result<(), PeerMisbehaved> {
        let seen = self.port.seq();
        self.pump();
        self.output.borrow().check()?;
        self.port.wait(seen, None);
        self.pump();
        self.output.borrow().check()
    }

    /// Waits until the reader has taken all output, or until the deadline.
    pub fn flush(&self, deadline_ns: Option<u64>) -> Wake {
        loop {
            let seen = self.port.seq();
            self.pump();
            if self.all_taken() {
                return Wake::Event;
            }
            if deadline_ns.is_some_and(|deadline| deadline <= self.platform.now_ns()) {
                return Wake::TimedOut;
            }
            self.port.wait(seen, deadline_ns);
        }
    }

    /// Whether the reader has taken all output.
    fn all_taken(&self) -> bool {
        self.output.borrow().all_taken(&self.memory)
    }

    /// Whether the console has ended.
    fn check(&self) -> Result<(), PeerMisbehaved> {
        self.output.borrow().check()
    }

    /// Tells the reader again of what it was told.
    fn nudge(&self) {
        self.port.notify();
    }

    /// What to wait past, for an event.
    fn wait_point(&self) -> (Port, EventSeq) {
        (self.port.port(), self.port.seq())
    }

    /// Bytes of output lost since the console began.
    pub fn lost(&self) -> u64 {
        self.output.borrow().lost_in_all()
    }

    /// Takes input that is there; returns how many bytes.
    pub fn read(&self, into: &mut [u8]) -> Result<usize, PeerMisbehaved> {
        let mut output = self.output.borrow_mut();
        output.check()?;
        let len = INPUT.read(&self.memory, into).inspect_err(|why| output.end(*why))?;
        if len > 0 {
            self.port.notify();
        }
        Ok(len)
    }

    /// Waits until there is input ([`Wake::Event`]) or until the deadline.
    pub fn wait_input(&self, deadline_ns: Option<u64>) -> Result<Wake, PeerMisbehaved> {
        loop {
            let seen = self.port.seq();
            self.pump();
            {
                let mut output = self.output.borrow_mut();
                output.check()?;
                if INPUT.available(&self.memory).inspect_err(|why| output.end(*why))? > 0 {
                    return Ok(Wake::Event);
                }
            }
            if deadline_ns.is_some_and(|deadline| deadline <= self.platform.now_ns()) {
                return Ok(Wake::TimedOut);
            }
            self.port.wait(seen, deadline_ns);
        }
    }

    /// Ring first, buffer second; returns what fits in neither.
    fn try_write<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        let mut output = self.output.borrow_mut();
        let rest = output.write(&self.memory, text);
        self.tell(&mut output);
        rest
    }

    fn poll_out(&self, output: &mut Output, text: &[u8]) {
        let mut rest = output.write_to_ring(&self.memory, text);
        self.tell(output);
        let mut polls = POLLS;
        while !rest.is_empty() && !output.reader_is_stuck() {
            let before = output.left(rest);
            rest = output.write_to_ring(&self.memory, rest);
            self.tell(output);
            polls = if output.left(rest) < before { POLLS } else { polls - 1 };
            if polls == 0 {
                output.set_reader_stuck();
            }
            core::hint::spin_loop();
        }
        output.lose(rest.len());
    }

    fn tell(&self, output: &mut Output) {
        if output.take_moved() {
            self.port.notify();
        }
    }
}

impl<P: Platform, M: SharedMemory> fmt::Write for &Console<P, M> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.write(text.as_bytes());
        Ok(())
    }
}
