//! What becomes of written bytes and of echoes on their way out (`c_oflag`), and where the cursor is.

use alloc::collections::VecDeque;

use linux_base::Result;
use linux_base::abi::general::*;

use crate::termios::Termios;

/// Bytes on their way out.
#[derive(Default)]
pub struct Output {
    /// What is to be sent.
    pub ready: VecDeque<u8>,
    /// Echoes that came while the output was stopped.
    held: VecDeque<u8>,
    /// Where the cursor is.
    pub column: usize,
    /// Where it was when the line began that is being typed.
    pub canon_column: usize,
    /// Stopped by `^S` or `TCOOFF`.
    pub stopped: Option<Stopped>,
}

/// By whom the output is stopped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stopped {
    /// By the stop character.
    Typed,
    /// By `TCOOFF`: only `TCOON` ends it.
    Called,
}

/// What one byte becomes at most: a tab, spaces.
const LONGEST: usize = 8;
/// Output up to which echoes are added; what is typed then is not shown.
const MAX_ECHO: usize = 32 * 1024;

impl Output {
    /// How many more bytes a program may write, if the buffer is to hold `limit`.
    pub fn room(&self, limit: usize) -> usize {
        if self.stopped.is_some() { 0 } else { limit.saturating_sub(self.ready.len()) }
    }

    /// Sends a byte of a program.
    pub fn write(&mut self, termios: &Termios, byte: u8) {
        Self::post(&mut self.column, &mut self.canon_column, termios, byte, &mut self.ready);
    }

    /// Sends bytes of a program that need no processing.
    pub fn write_raw(&mut self, bytes: &[u8]) {
        self.ready.extend(bytes);
    }

    /// Makes room for what `len` bytes of a program may become.
    pub fn reserve(&mut self, len: usize) -> Result<()> {
        Ok(self.ready.try_reserve(len * LONGEST)?)
    }

    /// Sends a byte of an echo.
    pub fn echo(&mut self, termios: &Termios, byte: u8) {
        if byte == 0xff {
            // Linux marks in its buffer of echoes by this byte, and so shows it unprocessed.
            self.echo_raw(&[byte], 1);
        } else if let Some(to) = Self::echo_room(self.stopped, &mut self.held, &mut self.ready) {
            Self::post(&mut self.column, &mut self.canon_column, termios, byte, to);
        }
    }

    /// Sends bytes of an echo that need no processing, after which the cursor is so many columns on.
    pub fn echo_raw(&mut self, bytes: &[u8], columns: usize) {
        if let Some(to) = Self::echo_room(self.stopped, &mut self.held, &mut self.ready) {
            to.extend(bytes);
            self.column += columns;
        }
    }

    fn echo_room<'a>(
        stopped: Option<Stopped>,
        held: &'a mut VecDeque<u8>,
        ready: &'a mut VecDeque<u8>,
    ) -> Option<&'a mut VecDeque<u8>> {
        let to = if stopped.is_some() { held } else { ready };
        let has_room = to.len() < MAX_ECHO && to.try_reserve(LONGEST).is_ok();
        has_room.then_some(to)
    }

    /// Goes one column back without sending anything.
    pub fn step_back(&mut self) {
        self.column = self.column.saturating_sub(1);
    }

    /// Lets the output go on.
    pub fn start(&mut self) {
        self.stopped = None;
        self.ready.append(&mut self.held);
    }

    /// Throws away what was not sent.
    pub fn flush(&mut self) {
        self.ready.clear();
        self.held.clear();
    }

    fn post(column: &mut usize, canon: &mut usize, termios: &Termios, byte: u8, to: &mut VecDeque<u8>) {
        if !termios.has_o(OPOST) {
            to.push_back(byte);
            return;
        }
        let mut byte = byte;
        match byte {
            b'\n' => {
                if termios.has_o(ONLRET) {
                    *column = 0;
                }
                if termios.has_o(ONLCR) {
                    to.push_back(b'\r');
                    *column = 0;
                }
                *canon = *column;
            }
            b'\r' if termios.has_o(ONOCR) && *column == 0 => return,
            b'\r' => {
                if termios.has_o(OCRNL) {
                    byte = b'\n';
                }
                if !termios.has_o(OCRNL) || termios.has_o(ONLRET) {
                    (*column, *canon) = (0, 0);
                }
            }
            b'\t' => {
                let spaces = 8 - *column % 8;
                *column += spaces;
                if termios.oflag & TABDLY == XTABS {
                    to.extend(core::iter::repeat_n(b' ', spaces));
                    return;
                }
            }
            8 => *column = column.saturating_sub(1),
            _ if is_control(byte) => {}
            _ => {
                if termios.has_o(OLCUC) {
                    byte = upper_case(byte);
                }
                if !is_continuation(byte, termios) {
                    *column += 1;
                }
            }
        }
        to.push_back(byte);
    }
}

/// As a capital letter, of Latin-1.
pub fn upper_case(byte: u8) -> u8 {
    match byte {
        b'a'..=b'z' | 0xdf..=0xf6 | 0xf8..=0xff => byte - 0x20,
        _ => byte,
    }
}

/// As a small letter, of Latin-1.
pub fn lower_case(byte: u8) -> u8 {
    match byte {
        b'A'..=b'Z' | 0xc0..=0xd6 | 0xd8..=0xde => byte + 0x20,
        _ => byte,
    }
}

/// Whether a byte is a control character.
pub fn is_control(byte: u8) -> bool {
    byte.is_ascii_control()
}

/// Whether a byte is the second or a later one of a UTF-8 character.
pub fn is_continuation(byte: u8, termios: &Termios) -> bool {
    termios.has_i(IUTF8) && byte & 0xc0 == 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(oflag: u32, bytes: &[u8]) -> (Vec<u8>, usize) {
        let termios = Termios { oflag, iflag: IUTF8, ..Termios::default() };
        let mut output = Output::default();
        bytes.iter().for_each(|byte| output.write(&termios, *byte));
        (output.ready.into(), output.column)
    }

    #[test]
    fn output_is_processed_as_the_flags_say() {
        assert_eq!(sent(OPOST | ONLCR, b"a\nb"), (b"a\r\nb".to_vec(), 1));
        assert_eq!(sent(ONLCR, b"a\nb"), (b"a\nb".to_vec(), 0));
        assert_eq!(sent(OPOST, b"a\nb"), (b"a\nb".to_vec(), 2));
        assert_eq!(sent(OPOST | ONLRET, b"a\nb"), (b"a\nb".to_vec(), 1));
        assert_eq!(sent(OPOST | OCRNL, b"a\r"), (b"a\n".to_vec(), 1));
        assert_eq!(sent(OPOST | ONOCR, b"\ra\r\r"), (b"a\r".to_vec(), 0));
        assert_eq!(sent(OPOST | XTABS, b"abc\tx"), (b"abc     x".to_vec(), 9));
        assert_eq!(sent(OPOST, b"abc\tx\x08"), (b"abc\tx\x08".to_vec(), 8));
        assert_eq!(sent(OPOST | OLCUC, b"a\x1b"), (b"A\x1b".to_vec(), 1));
        assert_eq!(sent(OPOST, "grün".as_bytes()).1, 4);
    }

    #[test]
    fn echoes_wait_while_the_output_is_stopped() {
        let (termios, mut output) = (Termios::default(), Output::default());
        output.stopped = Some(Stopped::Typed);
        output.echo(&termios, b'x');
        assert!(output.ready.is_empty() && output.room(100) == 0);
        output.start();
        assert_eq!(output.ready, b"x");
    }
}
