//! Little-endian numbers in byte arrays whose length the caller knows.

/// The `N` bytes at `at`; zeroes where the slice ends.
pub fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    if let Some(found) = bytes.get(at..) {
        let len = found.len().min(N);
        array[..len].copy_from_slice(&found[..len]);
    }
    array
}

pub fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(array(bytes, at))
}

pub fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array(bytes, at))
}

pub fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array(bytes, at))
}

/// Stores bytes at `at`, as far as there is room.
pub fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(place) = bytes.get_mut(at..) {
        let len = place.len().min(value.len());
        place[..len].copy_from_slice(&value[..len]);
    }
}
