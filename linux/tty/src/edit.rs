//! Editing of a line while it is typed: erase, kill, reprint, and the characters that end it.

use linux_base::abi::general::*;

use crate::discipline::{Discipline, Effects, Ends};
use crate::output::{is_continuation, is_control};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Erase {
    Character,
    Word,
    Line,
}

impl Discipline {
    /// Handles a byte that means something to a line that is edited. `false`: it does not.
    pub(crate) fn edit_line(&mut self, byte: u8, effects: &mut Effects) -> bool {
        let is_extended = self.termios.has_l(IEXTEN);
        let is = |index| self.termios.is(byte, index);
        if is(VERASE) {
            self.erase(Erase::Character);
        } else if is(VKILL) {
            self.kill();
        } else if is(VWERASE) && is_extended {
            self.erase(Erase::Word);
        } else if is(VLNEXT) && is_extended {
            self.expect_literal();
        } else if is(VREPRINT) && is_extended && self.termios.has_l(ECHO) {
            self.reprint(byte);
        } else if byte == b'\n' {
            if self.termios.has_l(ECHO) || self.termios.has_l(ECHONL) {
                self.echo(b'\n');
            }
            self.end_line(byte, Ends::Line, effects);
        } else if is(VEOF) {
            self.end_line(0, Ends::Eof, effects);
        } else if is(VEOL) || (is(VEOL2) && is_extended) {
            if self.termios.has_l(ECHO) {
                self.note_line_start();
                self.echo_visibly(byte);
            }
            self.end_line(byte, Ends::Line, effects);
        } else {
            return false;
        }
        true
    }

    fn end_line(&mut self, byte: u8, ends: Ends, effects: &mut Effects) {
        self.put(byte, ends);
        effects.has_input = true;
    }

    fn expect_literal(&mut self) {
        self.is_literal = true;
        if self.termios.has_l(ECHO) {
            self.finish_erasing();
            if self.termios.has_l(ECHOCTL) {
                self.echo(b'^');
                self.echo(8);
            }
        }
    }

    fn reprint(&mut self, byte: u8) {
        self.finish_erasing();
        self.echo_visibly(byte);
        self.echo(b'\n');
        for index in self.complete..self.cells.len() {
            if let Some(cell) = self.cells.get(index).copied() {
                self.echo_visibly(cell.byte);
            }
        }
    }

    fn kill(&mut self) {
        if self.cells.len() == self.complete {
            return;
        }
        let has = |bit| self.termios.has_l(bit);
        if !has(ECHO) {
            self.cells.truncate(self.complete);
        } else if has(ECHOK) && has(ECHOKE) && has(ECHOE) {
            self.erase(Erase::Line);
        } else {
            let adds_newline = has(ECHOK);
            self.cells.truncate(self.complete);
            self.finish_erasing();
            self.echo_visibly(self.termios.cc(VKILL));
            if adds_newline {
                self.echo(b'\n');
            }
        }
    }

    fn erase(&mut self, what: Erase) {
        let mut in_word = false;
        while self.cells.len() > self.complete {
            let Some(start) = self.last_character() else { break };
            let first = self.cells.get(start).map_or(0, |cell| cell.byte);
            if what == Erase::Word {
                if is_word(first) {
                    in_word = true;
                } else if in_word {
                    break;
                }
            }
            let removed = self.cells.split_off(start);
            if self.termios.has_l(ECHO) {
                self.echo_erased(what, first, removed.iter().skip(1).map(|cell| cell.byte));
            }
            if what == Erase::Character {
                break;
            }
        }
        if self.cells.len() == self.complete && self.termios.has_l(ECHO) {
            self.finish_erasing();
        }
    }

    /// Where the last character of the line begins; in UTF-8 it may be several bytes.
    fn last_character(&self) -> Option<usize> {
        let is_start = |index: &usize| {
            self.cells.get(*index).is_some_and(|cell| !is_continuation(cell.byte, &self.termios))
        };
        (self.complete..self.cells.len()).rev().find(is_start)
    }

    fn echo_erased(&mut self, what: Erase, first: u8, rest: impl Iterator<Item = u8>) {
        if self.termios.has_l(ECHOPRT) {
            if !self.is_erasing {
                self.echo(b'\\');
                self.is_erasing = true;
            }
            self.echo_visibly(first);
            for byte in rest {
                self.echo(byte);
                self.output.step_back();
            }
        } else if what == Erase::Character && !self.termios.has_l(ECHOE) {
            self.echo_visibly(self.termios.cc(VERASE));
        } else if first == b'\t' {
            self.echo_erased_tab();
        } else {
            let columns = match (is_control(first), self.termios.has_l(ECHOCTL)) {
                (true, true) => 2,
                (true, false) => 0,
                (false, _) => 1,
            };
            for byte in core::iter::repeat_n(*b"\x08 \x08", columns).flatten() {
                self.echo(byte);
            }
        }
    }

    /// Goes back to where the tab was typed: to the end of what is before it, reckoned from the tab before or the start.
    fn echo_erased_tab(&mut self) {
        let shows_control = self.termios.has_l(ECHOCTL);
        let (mut columns, mut after_tab) = (0, false);
        for cell in self.cells.iter().skip(self.complete).rev() {
            match cell.byte {
                b'\t' => {
                    after_tab = true;
                    break;
                }
                byte if is_control(byte) => columns += if shows_control { 2 } else { 0 },
                byte if is_continuation(byte, &self.termios) => {}
                _ => columns += 1,
            }
        }
        if !after_tab {
            columns += self.output.canon_column;
        }
        for _ in 0..8 - columns % 8 {
            self.output.echo_raw(&[8], 0);
            self.output.step_back();
        }
    }
}

/// Whether a byte belongs to a word; bytes of UTF-8 and letters of Latin-1 do.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || (byte >= 0xc0 && !matches!(byte, 0xd7 | 0xf7))
}
