//! The line discipline `N_TTY`: from typed bytes to lines, echoes and signals.
//!
//! Knows neither locks nor who waits: [`crate::Tty`] drives it. Editing is in [`crate::edit`], reading in [`crate::read`].

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use linux_base::abi::general::*;

use crate::output::{Output, Stopped, is_control, lower_case};
use crate::termios::Termios;

/// Bytes that can be typed before they are read.
pub(crate) const BUFFER: usize = 4096;

/// A typed byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Cell {
    pub byte: u8,
    pub ends: Ends,
}

/// Whether a byte ends a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ends {
    No,
    /// It does, and is read with it.
    Line,
    /// It is an end-of-file character, which nobody reads.
    Eof,
}

/// What typed bytes have caused beyond the discipline.
#[derive(Default, PartialEq, Eq, Debug)]
pub(crate) struct Effects {
    /// Signals for the foreground.
    pub signals: Vec<Signal>,
    /// There is more to read.
    pub has_input: bool,
    /// `TIOCPKT_*` bits for a master in packet mode.
    pub packet: u8,
}

/// A signal that is typed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Signal {
    Interrupt = SIGINT as isize,
    Quit = SIGQUIT as isize,
    Suspend = SIGTSTP as isize,
}

/// A terminal's settings and buffers.
#[derive(Default)]
pub(crate) struct Discipline {
    pub termios: Termios,
    pub output: Output,
    pub cells: VecDeque<Cell>,
    /// How many cells belong to lines that are complete.
    pub complete: usize,
    /// The next byte has no meaning but itself.
    pub is_literal: bool,
    /// Between the `\` and `/` of `ECHOPRT`.
    pub is_erasing: bool,
}

impl Discipline {
    /// Whether a byte can be taken now. A line that is too long loses its last bytes, so there is always room to end it.
    pub fn has_room(&self) -> bool {
        self.cells.len() < BUFFER - 1 || (self.termios.is_canonical() && self.complete == 0)
    }

    /// Has memory for a whole buffer, once something is typed. Without it nothing is taken.
    fn has_memory(&mut self) -> bool {
        // A byte may be doubled (`PARMRK`).
        let wanted = BUFFER + 2;
        self.cells.capacity() >= wanted
            || self.cells.try_reserve_exact(wanted.saturating_sub(self.cells.len())).is_ok()
    }

    /// Takes typed bytes, as many as there is room for, and returns how many.
    pub fn receive(&mut self, bytes: &[u8], effects: &mut Effects) -> usize {
        if !self.has_memory() {
            return 0;
        }
        if self.termios.is_transparent() && !self.is_literal && self.output.stopped.is_none() {
            let room = (BUFFER - 1).saturating_sub(self.cells.len());
            let len = bytes.len().min(room);
            let taken = bytes.get(..len).unwrap_or_default();
            self.cells.extend(taken.iter().map(|byte| Cell { byte: *byte, ends: Ends::No }));
            effects.has_input |= len > 0;
            return len;
        }
        for (count, byte) in bytes.iter().enumerate() {
            if !self.has_room() {
                return count;
            }
            if self.cells.len() >= BUFFER {
                self.cells.pop_back();
            }
            self.receive_byte(*byte, effects);
        }
        bytes.len()
    }

    fn receive_byte(&mut self, byte: u8, effects: &mut Effects) {
        let mut byte = byte;
        if self.termios.has_i(ISTRIP) {
            byte &= 0x7f;
        }
        if self.termios.has_i(IUCLC) && self.termios.has_l(IEXTEN) {
            byte = lower_case(byte);
        }
        if core::mem::take(&mut self.is_literal) {
            self.start_by_any(effects);
            self.take_plain(byte, effects);
            return;
        }
        if self.flow_control(byte, effects) || self.typed_signal(byte, effects) {
            return;
        }
        self.start_by_any(effects);
        let typed = byte;
        match byte {
            b'\r' if self.termios.has_i(IGNCR) => return,
            b'\r' if self.termios.has_i(ICRNL) => byte = b'\n',
            b'\n' if self.termios.has_i(INLCR) => byte = b'\r',
            _ => {}
        }
        if self.termios.is_canonical() && self.edit_line(byte, effects) {
            return;
        }
        if byte == b'\n' && typed == b'\r' && self.termios.has_l(ECHO) {
            // Shown as a newline, while a newline that was typed is shown as a control character.
            self.finish_erasing();
            self.echo(byte);
            self.keep(byte, effects);
        } else {
            self.take_plain(byte, effects);
        }
    }

    /// `^S` and `^Q`.
    fn flow_control(&mut self, byte: u8, effects: &mut Effects) -> bool {
        if !self.termios.has_i(IXON) {
            return false;
        }
        if self.termios.is(byte, VSTART) {
            self.start(effects);
            true
        } else if self.termios.is(byte, VSTOP) {
            self.stop(Stopped::Typed, effects);
            true
        } else {
            false
        }
    }

    /// Stops the output.
    pub fn stop(&mut self, by: Stopped, effects: &mut Effects) {
        if self.output.stopped.is_none() {
            effects.packet |= TIOCPKT_STOP as u8;
        }
        if self.output.stopped != Some(Stopped::Called) {
            self.output.stopped = Some(by);
        }
    }

    /// Lets the output go on, unless `TCOOFF` stopped it.
    pub fn start(&mut self, effects: &mut Effects) {
        if self.output.stopped == Some(Stopped::Typed) {
            self.output.start();
            effects.packet |= TIOCPKT_START as u8;
        }
    }

    fn start_by_any(&mut self, effects: &mut Effects) {
        if self.termios.has_i(IXON) && self.termios.has_i(IXANY) {
            self.start(effects);
        }
    }

    /// `^C`, `^\` and `^Z`.
    fn typed_signal(&mut self, byte: u8, effects: &mut Effects) -> bool {
        if !self.termios.has_l(ISIG) {
            return false;
        }
        let signals = [(VINTR, Signal::Interrupt), (VQUIT, Signal::Quit), (VSUSP, Signal::Suspend)];
        let Some((_, signal)) = signals.iter().find(|(index, _)| self.termios.is(byte, *index)) else {
            return false;
        };
        effects.signals.push(*signal);
        if !self.termios.has_l(NOFLSH) {
            self.flush_input();
            self.output.flush();
            effects.packet |= (TIOCPKT_FLUSHREAD | TIOCPKT_FLUSHWRITE) as u8;
        }
        if self.termios.has_i(IXON) {
            self.start(effects);
        }
        if self.termios.has_l(ECHO) {
            self.echo_visibly(byte);
        }
        true
    }

    /// A byte that means only itself.
    fn take_plain(&mut self, byte: u8, effects: &mut Effects) {
        if self.termios.has_l(ECHO) {
            self.finish_erasing();
            self.note_line_start();
            self.echo_visibly(byte);
        }
        self.keep(byte, effects);
    }

    fn keep(&mut self, byte: u8, effects: &mut Effects) {
        if byte == 0xff && self.termios.has_i(PARMRK) {
            self.put(byte, Ends::No);
        }
        self.put(byte, Ends::No);
        effects.has_input |= !self.termios.is_canonical();
    }

    /// Adds a byte to what can be read, or will be when its line is complete.
    pub fn put(&mut self, byte: u8, ends: Ends) {
        self.cells.push_back(Cell { byte, ends });
        if ends != Ends::No {
            self.complete = self.cells.len();
        }
    }

    /// Makes all that was typed a line, whatever its last byte; which, if it is 0, Linux takes for an end of file.
    fn push_out(&mut self) {
        self.cells.iter_mut().for_each(|cell| cell.ends = Ends::No);
        if let Some(last) = self.cells.back_mut() {
            last.ends = if last.byte == 0 { Ends::Eof } else { Ends::Line };
        }
        self.complete = self.cells.len();
    }

    /// Throws away what was typed and not read.
    pub fn flush_input(&mut self) {
        self.cells.clear();
        (self.complete, self.is_literal, self.is_erasing) = (0, false, false);
    }

    /// Notes where the cursor is when a line begins, for erasing tabs.
    pub fn note_line_start(&mut self) {
        if self.complete == self.cells.len() {
            self.output.canon_column = self.output.column;
        }
    }

    pub fn echo(&mut self, byte: u8) {
        self.output.echo(&self.termios, byte);
    }

    /// Echoes a byte, a control character as `^C`.
    pub fn echo_visibly(&mut self, byte: u8) {
        if self.termios.has_l(ECHOCTL) && is_control(byte) && byte != b'\t' {
            self.output.echo_raw(&[b'^', byte ^ 0o100], 2);
        } else {
            self.echo(byte);
        }
    }

    pub fn finish_erasing(&mut self) {
        if core::mem::take(&mut self.is_erasing) {
            self.echo(b'/');
        }
    }

    /// New settings: what was typed stays, and turns into a line or out of lines.
    pub fn set_termios(&mut self, new: Termios, effects: &mut Effects) {
        let old = core::mem::replace(&mut self.termios, new);
        if (old.lflag ^ new.lflag) & ICANON != 0 {
            (self.is_literal, self.is_erasing) = (false, false);
            self.complete = 0;
            if new.is_canonical() {
                self.push_out();
            }
            effects.has_input = true;
        }
        if old.has_i(IXON) && !new.has_i(IXON) {
            self.start(effects);
        }
        let shows_flow = |termios: &Termios| {
            termios.has_i(IXON) && termios.cc(VSTOP) == 0x13 && termios.cc(VSTART) == 0x11
        };
        match (shows_flow(&old), shows_flow(&new)) {
            (true, false) => effects.packet |= TIOCPKT_NOSTOP as u8,
            (false, true) => effects.packet |= TIOCPKT_DOSTOP as u8,
            _ => {}
        }
    }
}
