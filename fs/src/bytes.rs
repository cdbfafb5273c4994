//! Little-endian integers out of byte slices that may be too short.
//!
//! A field outside the slice reads as zero; callers check lengths first, so this only replaces a panic.

fn array<const N: usize>(data: &[u8], at: usize) -> [u8; N] {
    at.checked_add(N)
        .and_then(|end| data.get(at..end))
        .and_then(|field| field.try_into().ok())
        .unwrap_or([0; N])
}

pub(crate) fn le16(data: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(array(data, at))
}

pub(crate) fn le32(data: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array(data, at))
}

pub(crate) fn be32(data: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(array(data, at))
}

/// A number stored as a low and a high half.
pub(crate) fn join(high: u32, low: u32) -> u64 {
    (u64::from(high) << 32) | u64::from(low)
}
