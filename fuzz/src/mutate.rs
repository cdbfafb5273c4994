//! Mutations of inputs: seeded, so that a run can be repeated.

/// xorshift64.
pub struct Random(u64);

impl Random {
    /// From any seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `limit`; 0 if that is 0.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % limit.max(1)
    }
}

const INTERESTING: [u8; 8] = [0, 1, 0x7f, 0x80, 0xff, b'/', b'\n', b'='];

/// Changes `data` in one to eight places; `other` is another input to take pieces of.
pub fn mutate(data: &mut Vec<u8>, other: &[u8], random: &mut Random, max_len: usize) {
    for _ in 0..1 + random.below(8) {
        let at = random.below(data.len());
        match random.below(9) {
            0 => flip(data, at, 1 << random.below(8)),
            1 => flip(data, at, 1 + random.below(255) as u8),
            2 => set(data, at, &[INTERESTING[random.below(INTERESTING.len())]]),
            // A whole number, in either order of bytes.
            3 => {
                let number = [0, 1, u32::MAX, 1 << 31, 4096, random.below(1 << 32) as u32][random.below(6)];
                let bytes = if random.below(2) == 0 { number.to_le_bytes() } else { number.to_be_bytes() };
                set(data, at, &bytes[..[1, 2, 4][random.below(3)]]);
            }
            // Rarely: what is cut off is not tried.
            4 if random.below(8) == 0 => data.truncate(at),
            5 => {
                let len = random.below(16.min(data.len() - at + 1));
                data.drain(at..at + len);
            }
            6 => insert(data, at, &vec![random.below(256) as u8; random.below(32)]),
            7 => {
                let from = random.below(other.len());
                let piece = &other[from..from + random.below(other.len() - from + 1).min(64)];
                insert(data, at, piece);
            }
            _ => {
                let from = random.below(data.len());
                let piece = data[from..from + random.below(data.len() - from + 1).min(64)].to_vec();
                insert(data, at, &piece);
            }
        }
    }
    data.truncate(max_len);
}

fn flip(data: &mut [u8], at: usize, mask: u8) {
    if let Some(byte) = data.get_mut(at) {
        *byte ^= mask;
    }
}

fn set(data: &mut [u8], at: usize, bytes: &[u8]) {
    for (byte, new) in data.iter_mut().skip(at).zip(bytes) {
        *byte = *new;
    }
}

fn insert(data: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    data.splice(at..at, bytes.iter().copied());
}
