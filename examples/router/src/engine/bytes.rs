//! Big-endian numbers in packets, and the internet checksum. Nothing here panics, wherever it is pointed.

/// The 16-bit number at an offset.
pub fn get16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// So many bytes at an offset.
pub fn get<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

/// Writes bytes at an offset; what does not fit is left out whole.
pub fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(place) = bytes.get_mut(at..).and_then(|rest| rest.get_mut(..value.len())) {
        place.copy_from_slice(value);
    }
}

/// Writes a 16-bit number at an offset.
pub fn put16(bytes: &mut [u8], at: usize, value: u16) {
    put(bytes, at, &value.to_be_bytes());
}

/// A sum in ones' complement.
#[derive(Clone, Copy, Default)]
pub struct Sum(u64);

impl Sum {
    /// Adds the 16-bit words of these bytes; an odd one at the end is padded with zero.
    #[must_use]
    pub fn with(self, bytes: &[u8]) -> Self {
        let (words, tail) = bytes.as_chunks::<2>();
        let sum: u64 = words.iter().map(|word| u64::from(u16::from_be_bytes(*word))).sum();
        let last = tail.first().map_or(0, |byte| u64::from(*byte) << 8);
        Self(self.0 + sum + last)
    }

    /// Adds a number.
    #[must_use]
    pub fn with_number(self, number: u32) -> Self {
        Self(self.0 + u64::from(number))
    }

    /// The checksum: the sum folded and inverted.
    pub fn checksum(self) -> u16 {
        let mut sum = self.0;
        while sum > 0xffff {
            sum = (sum >> 16) + (sum & 0xffff);
        }
        !(sum as u16)
    }
}

/// The checksum after some of the bytes that it covers have changed (RFC 1624, equation 3). Both have the same even length.
#[must_use]
pub fn adjusted(checksum: u16, old: &[u8], new: &[u8]) -> u16 {
    let mut sum = Sum::default().with(new).with_number(u32::from(!checksum));
    for word in old.as_chunks::<2>().0 {
        sum = sum.with_number(u32::from(!u16::from_be_bytes(*word)));
    }
    sum.checksum()
}

/// Adjusts the checksum at an offset; in UDP 0 means that there is none, which stays, and is never made.
pub fn adjust_at(bytes: &mut [u8], at: usize, old: &[u8], new: &[u8], is_udp: bool) {
    let Some(before) = get16(bytes, at).filter(|value| !is_udp || *value != 0) else { return };
    let after = adjusted(before, old, new);
    put16(bytes, at, if is_udp && after == 0 { 0xffff } else { after });
}
