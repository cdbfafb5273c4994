//! Sequence numbers: 32 bits that wrap (RFC 9293 section 3.4).

use core::ops::{Add, Sub};

/// A sequence number. Its order is only meaningful between numbers less than 2^31 apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Seq(pub(crate) u32);

impl Seq {
    /// Whether this number comes before `other`.
    pub(crate) fn lt(self, other: Self) -> bool {
        (self.0.wrapping_sub(other.0) as i32) < 0
    }

    /// Whether this number is `other` or comes before it.
    pub(crate) fn le(self, other: Self) -> bool {
        !other.lt(self)
    }

    /// The later of two.
    pub(crate) fn max(self, other: Self) -> Self {
        if self.lt(other) { other } else { self }
    }

    /// The earlier of two.
    pub(crate) fn min(self, other: Self) -> Self {
        if other.lt(self) { other } else { self }
    }

    /// How far this number is beyond `earlier`; 0 if it is not.
    pub(crate) fn beyond(self, earlier: Self) -> u32 {
        if earlier.lt(self) { self - earlier } else { 0 }
    }
}

impl Add<u32> for Seq {
    type Output = Self;
    fn add(self, count: u32) -> Self {
        Self(self.0.wrapping_add(count))
    }
}

impl Sub<u32> for Seq {
    type Output = Self;
    fn sub(self, count: u32) -> Self {
        Self(self.0.wrapping_sub(count))
    }
}

impl Sub for Seq {
    type Output = u32;
    fn sub(self, earlier: Self) -> u32 {
        self.0.wrapping_sub(earlier.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Seq;

    #[test]
    fn order_and_distance_hold_across_the_wrap() {
        let (a, b) = (Seq(u32::MAX - 1), Seq(3));
        assert!(a.lt(b) && a.le(b) && a.le(a) && !b.lt(a));
        assert_eq!((b - a, a + 5, b - 5), (5, b, a));
        assert_eq!((b.beyond(a), a.beyond(b)), (5, 0));
        assert_eq!((a.max(b), a.min(b)), (b, a));
    }
}
