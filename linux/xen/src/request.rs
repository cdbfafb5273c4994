//! Structures of programs: fields at offsets, in memory that may not be there.

use alloc::vec::Vec;

use linux_base::file::UserMemory;
use linux_base::{Errno, Result};

/// The number of an ioctl without a direction, as all of these devices' are (`_IOC(_IOC_NONE, ...)`).
pub const fn ioctl(kind: u8, number: u8, len: u32) -> u32 {
    len << 16 | (kind as u32) << 8 | number as u32
}

/// A structure of the program.
pub struct Fields<const LEN: usize>(pub [u8; LEN]);

impl<const LEN: usize> Fields<LEN> {
    /// Copies it in.
    pub fn read(memory: &dyn UserMemory, address: u64) -> Result<Self> {
        let mut bytes = [0; LEN];
        memory.read(address, &mut bytes)?;
        Ok(Self(bytes))
    }

    pub fn u16(&self, at: usize) -> u16 {
        u16::from_le_bytes(array(&self.0, at))
    }

    pub fn u32(&self, at: usize) -> u32 {
        u32::from_le_bytes(array(&self.0, at))
    }

    pub fn u64(&self, at: usize) -> u64 {
        u64::from_le_bytes(array(&self.0, at))
    }
}

/// The `N` bytes at an offset; zeroes where there are none.
pub fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    for (byte, found) in array.iter_mut().zip(bytes.get(at..).unwrap_or_default()) {
        *byte = *found;
    }
    array
}

/// The address of an element of an array of the program.
pub fn element(array: u64, index: usize, len: u64) -> Result<u64> {
    let offset = (index as u64).checked_mul(len).ok_or(Errno::EFAULT)?;
    array.checked_add(offset).ok_or(Errno::EFAULT)
}

/// A buffer of zeroes whose length a program has a say in.
pub fn buffer<T: Clone + Default>(len: usize) -> Result<Vec<T>> {
    let mut buffer = Vec::new();
    buffer.try_reserve_exact(len)?;
    buffer.resize(len, T::default());
    Ok(buffer)
}

/// Numbers of 64 bits out of an array of the program, from its element `first`.
pub fn read_words(memory: &dyn UserMemory, array: u64, first: usize, into: &mut [u64]) -> Result<()> {
    const STEP: usize = 64;
    let mut bytes = [0; 8 * STEP];
    for (index, words) in into.chunks_mut(STEP).enumerate() {
        let bytes = bytes.get_mut(..words.len() * 8).unwrap_or_default();
        memory.read(element(array, first + index * STEP, 8)?, bytes)?;
        for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(8)) {
            *word = u64::from_le_bytes(self::array(bytes, 0));
        }
    }
    Ok(())
}
