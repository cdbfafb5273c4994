//! `Range`: which part of a file is wanted.

/// What a `Range` header asks of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of it: another unit, not a range at all, or several ranges, which a server may ignore.
    Whole,
    /// `len` bytes, at least one, from `start`.
    Part {
        /// The first byte.
        start: u64,
        /// How many.
        len: u64,
    },
    /// Nothing that the file has.
    Nothing,
}

/// Reads a `Range` header for a file of `file_len` bytes.
pub(super) fn parse(value: &[u8], file_len: u64) -> Wanted {
    let unit = value.get(..6).unwrap_or_default();
    if !unit.eq_ignore_ascii_case(b"bytes=") {
        return Wanted::Whole;
    }
    let range = value[6..].trim_ascii();
    let Some(dash) = range.iter().position(|byte| *byte == b'-') else { return Wanted::Whole };
    let (Some(first), Some(last)) = (number(&range[..dash]), number(&range[dash + 1..])) else {
        return Wanted::Whole;
    };
    match (first, last) {
        (None, None) => Wanted::Whole,
        (Some(first), Some(last)) if last < first => Wanted::Whole,
        (Some(first), _) if first >= file_len => Wanted::Nothing,
        (Some(first), None) => Wanted::Part { start: first, len: file_len - first },
        (Some(first), Some(last)) => Wanted::Part { start: first, len: last.min(file_len - 1) - first + 1 },
        (None, Some(suffix)) => match suffix.min(file_len) {
            0 => Wanted::Nothing,
            len => Wanted::Part { start: file_len - len, len },
        },
    }
}

/// A number, or `Some(None)` where there is none; `None` for anything else (a comma too).
fn number(digits: &[u8]) -> Option<Option<u64>> {
    if digits.is_empty() {
        return Some(None);
    }
    digits
        .iter()
        .try_fold(0u64, |value, digit| {
            let digit = (*digit as char).to_digit(10)?;
            Some(value.saturating_mul(10).saturating_add(u64::from(digit)))
        })
        .map(Some)
}
