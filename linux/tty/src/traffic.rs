//! Bytes on their way through a terminal: typed, read, written, sent.
//!
//! No lock is held while signals are sent, queues woken or a backend written.

use linux_base::abi::general::{OPOST, VTIME};
use linux_base::{Errno, PollEvents, Result, Sink, Source, host};

use crate::discipline::Effects;
use crate::read::Content;
use crate::tty::{State, Tty};

/// Bytes of output that wait to be sent.
const OUTPUT: usize = 16 * 1024;
/// Bytes of input that the discipline has no room for yet.
pub(crate) const PENDING: usize = 32 * 1024;

impl Tty {
    /// Bytes were typed. Returns how many there was room for.
    pub fn received(&self, bytes: &[u8]) -> usize {
        let mut effects = Effects::default();
        let taken = {
            let mut state = self.state.lock();
            if state.line.termios.cc(VTIME) > 0 {
                state.last_byte_ns = host::host().now_ns();
            }
            let now = if state.pending.is_empty() { state.line.receive(bytes, &mut effects) } else { 0 };
            let rest = bytes.get(now..).unwrap_or_default();
            let room = PENDING.saturating_sub(state.pending.len());
            let later = if state.pending.try_reserve(rest.len().min(room)).is_ok() {
                rest.len().min(room)
            } else {
                0
            };
            state.pending.extend(rest.iter().take(later));
            now + later
        };
        self.apply(effects);
        taken
    }

    /// Does what typed bytes have caused.
    pub(crate) fn apply(&self, effects: Effects) {
        let group = {
            let mut state = self.state.lock();
            if state.pty.in_packet_mode {
                state.pty.note(effects.packet);
            }
            state.owners.group
        };
        for signal in effects.signals {
            if let Some(group) = group {
                self.jobs().signal_group(group, signal as u32);
            }
        }
        if effects.has_input {
            self.queue.wake(PollEvents::READABLE);
        }
        if effects.packet != 0 {
            self.master_queue.wake(PollEvents::READABLE | PollEvents::PRI);
            self.queue.wake(PollEvents::WRITABLE);
        }
        self.send();
    }

    /// There is room in the backend again.
    pub fn output_possible(&self) {
        self.send();
    }

    /// Sends what waits: to the backend, or tells the master.
    pub(crate) fn send(&self) {
        let Some(backend) = &self.backend else {
            if !self.state.lock().line.output.ready.is_empty() {
                self.master_queue.wake(PollEvents::READABLE);
            }
            return;
        };
        let mut chunk = [0; 512];
        loop {
            let mut state = self.state.lock();
            if state.is_sending || state.line.output.stopped.is_some() {
                return;
            }
            let was_full = state.line.output.room(OUTPUT) == 0;
            let ready = &mut state.line.output.ready;
            let len = ready.len().min(chunk.len());
            for (place, byte) in chunk.iter_mut().zip(ready.drain(..len)) {
                *place = byte;
            }
            if len == 0 {
                return;
            }
            state.is_sending = true;
            drop(state);
            let sent = backend.output(chunk.get(..len).unwrap_or_default()).min(len);
            let mut state = self.state.lock();
            state.is_sending = false;
            for byte in chunk.get(sent..len).unwrap_or_default().iter().rev() {
                state.line.output.ready.push_front(*byte);
            }
            drop(state);
            if was_full && sent > 0 {
                self.queue.wake(PollEvents::WRITABLE);
            }
            if sent < len {
                return;
            }
        }
    }

    /// A program writes. `EAGAIN` when the output is full or stopped, `EIO` when the master is gone.
    pub(crate) fn write(&self, from: &mut dyn Source) -> Result<usize> {
        let mut done = 0;
        let mut chunk = [0; 512];
        while from.left() > 0 {
            {
                let mut state = self.state.lock();
                if self.is_pty() && !state.pty.has_master {
                    return Err(Errno::EIO);
                }
                let room = state.line.output.room(OUTPUT).min(chunk.len());
                let Some(place) = chunk.get_mut(..room).filter(|place| !place.is_empty()) else { break };
                match state.line.output.reserve(room) {
                    Err(errno) if done == 0 => return Err(errno),
                    Err(_) => break,
                    Ok(()) => {}
                }
                let len = match from.pull(place) {
                    Ok(0) => break,
                    Ok(len) => len,
                    Err(errno) if done == 0 => return Err(errno),
                    Err(_) => break,
                };
                let bytes = place.get(..len).unwrap_or_default();
                let termios = state.line.termios;
                if termios.has_o(OPOST) {
                    bytes.iter().for_each(|byte| state.line.output.write(&termios, *byte));
                } else {
                    state.line.output.write_raw(bytes);
                }
                done += len;
            }
            if !self.is_pty() {
                self.send();
            }
        }
        if self.is_pty() && done > 0 {
            self.send();
        }
        if done == 0 { Err(Errno::EAGAIN) } else { Ok(done) }
    }

    /// A program reads.
    pub(crate) fn read(&self, into: &mut dyn Sink, content: Content) -> Result<usize> {
        if into.room() == 0 {
            return Ok(0);
        }
        let (result, has_room_again, effects) = {
            let mut state = self.state.lock();
            let result = state.line.read(into, content);
            let mut effects = Effects::default();
            let had_pending = state.pending.len();
            if had_pending > 0 {
                state.receive_pending(&mut effects);
            }
            (result, state.pending.len() < had_pending, effects)
        };
        if has_room_again {
            self.apply(effects);
            self.master_queue.wake(PollEvents::WRITABLE);
            self.ask_for_input();
        }
        match result? {
            Some(len) => Ok(len),
            None if self.is_pty() && !self.state.lock().pty.has_master => Err(Errno::EIO),
            None => Err(Errno::EAGAIN),
        }
    }

    pub(crate) fn read_deadline(&self, started_ns: u64) -> Option<u64> {
        let state = self.state.lock();
        state.line.read_deadline(started_ns, state.last_byte_ns)
    }

    pub(crate) fn poll(&self) -> PollEvents {
        let state = self.state.lock();
        let mut events = PollEvents::empty();
        events.set(PollEvents::READABLE, state.line.is_readable());
        events.set(PollEvents::WRITABLE, state.line.output.room(OUTPUT) > 0);
        events.set(PollEvents::HUP, self.is_pty() && !state.pty.has_master);
        events
    }

    /// Room for the master to write.
    pub(crate) fn has_room_for_input(&self) -> bool {
        self.state.lock().pending.len() < PENDING
    }

    /// Takes output away for the master; tells writers when there is room again.
    pub(crate) fn take_output(&self, take: impl FnOnce(&mut State) -> Result<usize>) -> Result<usize> {
        let (result, has_room_again) = {
            let mut state = self.state.lock();
            let was_full = state.line.output.room(OUTPUT) == 0;
            let result = take(&mut state);
            (result, was_full && state.line.output.room(OUTPUT) > 0)
        };
        if has_room_again {
            self.queue.wake(PollEvents::WRITABLE);
        }
        result
    }
}

impl State {
    pub fn receive_pending(&mut self, effects: &mut Effects) {
        while !self.pending.is_empty() {
            let (bytes, _) = self.pending.as_slices();
            let taken = self.line.receive(bytes, effects);
            if taken == 0 {
                break;
            }
            self.pending.drain(..taken);
        }
    }

    pub fn flush_input(&mut self) {
        self.pending.clear();
        self.line.flush_input();
    }
}
