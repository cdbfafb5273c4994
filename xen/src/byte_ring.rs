//! One-directional byte rings inside a shared page, as console and XenStore use them.
//!
//! Indices run freely and wrap at 2^32; the ring's length is a power of two. Neither end ever trusts the other's index
//! further than to compare it.

use core::sync::atomic::{Ordering, fence};

use crate::{PeerMisbehaved, SharedMemory};

/// Where in the page a ring is.
#[derive(Clone, Copy, Debug)]
pub struct ByteRingLayout {
    /// Offset of the bytes.
    pub data: usize,
    /// Bytes, a power of two.
    pub len: usize,
    /// Offset of the consumer index.
    pub cons: usize,
    /// Offset of the producer index.
    pub prod: usize,
}

/// Bytes in the ring, or the lie that prevents to say.
fn filled<M: SharedMemory>(memory: &M, layout: &ByteRingLayout) -> Result<(u32, u32, usize), PeerMisbehaved> {
    let prod = memory.load_u32(layout.prod);
    let cons = memory.load_u32(layout.cons);
    let filled = prod.wrapping_sub(cons) as usize;
    if filled > layout.len {
        return Err(PeerMisbehaved {
            what: "byte ring holds more than its length, bytes",
            value: filled as u64,
        });
    }
    Ok((prod, cons, filled))
}

/// The producing end of a byte ring.
#[derive(Clone, Copy, Debug)]
pub struct ByteWriter(ByteRingLayout);

/// The consuming end of a byte ring.
#[derive(Clone, Copy, Debug)]
pub struct ByteReader(ByteRingLayout);

impl ByteWriter {
    /// # Panics
    /// If the length is no power of two.
    pub const fn new(layout: ByteRingLayout) -> Self {
        assert!(layout.len.is_power_of_two());
        Self(layout)
    }

    /// Bytes that fit now.
    pub fn free<M: SharedMemory>(&self, memory: &M) -> Result<usize, PeerMisbehaved> {
        Ok(self.0.len - filled(memory, &self.0)?.2)
    }

    /// Writes as many bytes as fit; returns how many. Notify the peer if it is not 0.
    pub fn write<M: SharedMemory>(&self, memory: &M, bytes: &[u8]) -> Result<usize, PeerMisbehaved> {
        let (prod, _, filled) = filled(memory, &self.0)?;
        let count = bytes.len().min(self.0.len - filled);
        let start = prod as usize & (self.0.len - 1);
        let first = count.min(self.0.len - start);
        fence(Ordering::SeqCst);
        memory.copy_in(self.0.data + start, &bytes[..first]);
        memory.copy_in(self.0.data, &bytes[first..count]);
        memory.store_u32(self.0.prod, prod.wrapping_add(count as u32));
        fence(Ordering::SeqCst);
        Ok(count)
    }
}

impl ByteReader {
    /// # Panics
    /// If the length is no power of two.
    pub const fn new(layout: ByteRingLayout) -> Self {
        assert!(layout.len.is_power_of_two());
        Self(layout)
    }

    /// Bytes that wait to be read.
    pub fn available<M: SharedMemory>(&self, memory: &M) -> Result<usize, PeerMisbehaved> {
        Ok(filled(memory, &self.0)?.2)
    }

    /// Reads what is there, up to the buffer; returns how much. Notify the peer if it is not 0.
    pub fn read<M: SharedMemory>(&self, memory: &M, into: &mut [u8]) -> Result<usize, PeerMisbehaved> {
        let (_, cons, filled) = filled(memory, &self.0)?;
        let count = into.len().min(filled);
        let start = cons as usize & (self.0.len - 1);
        let first = count.min(self.0.len - start);
        memory.copy_out(self.0.data + start, &mut into[..first]);
        memory.copy_out(self.0.data, &mut into[first..count]);
        fence(Ordering::SeqCst);
        memory.store_u32(self.0.cons, cons.wrapping_add(count as u32));
        fence(Ordering::SeqCst);
        Ok(count)
    }
}

#[cfg(test)]
mod tests;
