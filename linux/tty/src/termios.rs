//! `struct termios`: how a terminal behaves, and its layout in a program's memory.

use linux_base::abi::general::*;

/// A terminal's settings (`termios(3)`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Termios {
    /// Of input.
    pub iflag: u32,
    /// Of output.
    pub oflag: u32,
    /// Of the line.
    pub cflag: u32,
    /// Of editing and signals.
    pub lflag: u32,
    /// The line discipline; only `N_TTY` (0) is there.
    pub line: u8,
    /// Characters with a meaning, by `VINTR` and so on.
    pub cc: [u8; NCCS as usize],
    /// Bits per second of input.
    pub ispeed: u32,
    /// Bits per second of output.
    pub ospeed: u32,
}

impl Default for Termios {
    /// What a new terminal has (`stty sane`).
    fn default() -> Self {
        let mut cc = [0; NCCS as usize];
        for (index, value) in [
            (VINTR, 3),
            (VQUIT, 28),
            (VERASE, 127),
            (VKILL, 21),
            (VEOF, 4),
            (VMIN, 1),
            (VSTART, 17),
            (VSTOP, 19),
            (VSUSP, 26),
            (VREPRINT, 18),
            (VDISCARD, 15),
            (VWERASE, 23),
            (VLNEXT, 22),
        ] {
            if let Some(place) = cc.get_mut(index as usize) {
                *place = value;
            }
        }
        Self {
            iflag: ICRNL | IXON,
            oflag: OPOST | ONLCR,
            cflag: B38400 | CS8 | CREAD | HUPCL,
            lflag: ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN,
            line: 0,
            cc,
            ispeed: 38_400,
            ospeed: 38_400,
        }
    }
}

impl Termios {
    /// As `cfmakeraw` leaves a new terminal: bytes as they come, either way.
    pub fn raw() -> Self {
        Self { iflag: 0, oflag: 0, lflag: 0, ..Self::default() }
    }

    /// Bytes of the kernel's `struct termios` (`TCGETS`).
    pub const SIZE: usize = 36;
    /// Bytes of `struct termios2` (`TCGETS2`).
    pub const SIZE_2: usize = 44;

    /// Whether a bit of `lflag` is set.
    pub fn has_l(&self, bit: u32) -> bool {
        self.lflag & bit != 0
    }

    /// Whether a bit of `iflag` is set.
    pub fn has_i(&self, bit: u32) -> bool {
        self.iflag & bit != 0
    }

    /// Whether a bit of `oflag` is set.
    pub fn has_o(&self, bit: u32) -> bool {
        self.oflag & bit != 0
    }

    /// Whether lines are edited before they are read.
    pub fn is_canonical(&self) -> bool {
        self.has_l(ICANON)
    }

    /// A character with a meaning; 0 is none.
    pub fn cc(&self, index: u32) -> u8 {
        self.cc.get(index as usize).copied().unwrap_or(0)
    }

    /// Whether a byte is a character with this meaning.
    pub fn is(&self, byte: u8, index: u32) -> bool {
        byte != 0 && byte == self.cc(index)
    }

    /// Whether input goes to the reader just as it comes.
    pub fn is_transparent(&self) -> bool {
        let changes = PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IUCLC | IXON;
        self.lflag & (ISIG | ICANON | ECHO | ECHONL) == 0 && self.iflag & changes == 0
    }

    /// As `TCGETS2` stores it; `TCGETS` stores the first [`Termios::SIZE`] bytes.
    pub fn to_bytes(&self) -> [u8; Self::SIZE_2] {
        let mut bytes = [0; Self::SIZE_2];
        let words = [self.iflag, self.oflag, self.cflag, self.lflag];
        for (place, word) in bytes.chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        bytes[16] = self.line;
        bytes[17..36].copy_from_slice(&self.cc);
        bytes[36..40].copy_from_slice(&self.ispeed.to_le_bytes());
        bytes[40..44].copy_from_slice(&self.ospeed.to_le_bytes());
        bytes
    }

    /// These settings changed as `TCSETS` tells, or `TCSETS2` if there are speeds.
    pub fn changed_by(&self, bytes: &[u8; Self::SIZE], speeds: Option<[u32; 2]>) -> Self {
        let word = |at: usize| {
            let mut word = [0; 4];
            word.copy_from_slice(&bytes[at * 4..at * 4 + 4]);
            u32::from_le_bytes(word)
        };
        let mut new = Self { iflag: word(0), oflag: word(1), cflag: word(2), lflag: word(3), ..*self };
        new.cc.copy_from_slice(&bytes[17..36]);
        [new.ispeed, new.ospeed] = match (speed_of(new.cflag), speeds) {
            (Some(speed), _) => [speed; 2],
            (None, Some(speeds)) => speeds,
            (None, None) => [self.ispeed, self.ospeed],
        };
        new
    }
}

/// Bits per second by `CBAUD`; `None` for `BOTHER`, which means those of `termios2`.
fn speed_of(cflag: u32) -> Option<u32> {
    const SLOW: [u32; 16] =
        [0, 50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 9600, 19_200, 38_400];
    const FAST: [u32; 16] = [
        0, 57_600, 115_200, 230_400, 460_800, 500_000, 576_000, 921_600, 1_000_000, 1_152_000, 1_500_000,
        2_000_000, 2_500_000, 3_000_000, 3_500_000, 4_000_000,
    ];
    let index = (cflag & 0xf) as usize;
    match cflag & CBAUD {
        BOTHER => None,
        code if code & CBAUDEX != 0 => FAST.get(index).copied(),
        _ => SLOW.get(index).copied(),
    }
}

/// `struct winsize`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct WindowSize {
    /// Lines.
    pub rows: u16,
    /// Characters of a line.
    pub columns: u16,
    /// Width in pixels.
    pub x_pixels: u16,
    /// Height in pixels.
    pub y_pixels: u16,
}

impl WindowSize {
    /// From a program's memory.
    pub fn from_bytes(bytes: [u8; 8]) -> Self {
        let [a, b, c, d, e, f, g, h] = bytes;
        let [rows, columns, x_pixels, y_pixels] = [[a, b], [c, d], [e, f], [g, h]].map(u16::from_le_bytes);
        Self { rows, columns, x_pixels, y_pixels }
    }

    /// For a program's memory.
    pub fn to_bytes(self) -> [u8; 8] {
        let mut bytes = [0; 8];
        let words = [self.rows, self.columns, self.x_pixels, self.y_pixels];
        for (place, word) in bytes.chunks_exact_mut(2).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_go_to_and_from_a_programs_memory() {
        let sane = Termios::default();
        let mut bytes = [0; Termios::SIZE];
        bytes.copy_from_slice(&sane.to_bytes()[..Termios::SIZE]);
        assert_eq!(sane.changed_by(&bytes, None), sane);
        assert_eq!(&bytes[..8], [0, 5, 0, 0, 5, 0, 0, 0]);
        bytes[8..12].copy_from_slice(&(B115200 | CS8).to_le_bytes());
        assert_eq!(sane.changed_by(&bytes, Some([1, 2])).ospeed, 115_200);
        bytes[8..12].copy_from_slice(&(BOTHER | CS8).to_le_bytes());
        assert_eq!(sane.changed_by(&bytes, Some([1, 2])).ospeed, 2);
    }

    #[test]
    fn a_disabled_character_is_none() {
        let sane = Termios::default();
        assert!(sane.is(4, VEOF) && !sane.is(0, VEOL));
    }
}
