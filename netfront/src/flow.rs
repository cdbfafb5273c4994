//! Which queue a frame goes through: the same for all frames of a flow, so that they stay in order.

use crate::checksum::{Payload, Transport};

/// The queue, of `count`, for a frame with this payload. What is of no TCP or UDP flow goes through the first.
pub(crate) fn queue(frame: &[u8], payload: &Payload, count: usize) -> usize {
    match payload {
        Payload::Transport(transport) if count > 1 => {
            // The upper half of a product spreads the hash over any number of queues.
            ((u64::from(hash(frame, transport)) * count as u64) >> 32) as usize
        }
        _ => 0,
    }
}

fn hash(frame: &[u8], transport: &Transport) -> u32 {
    // Both addresses, then both ports.
    let ports = transport.segment.start..transport.segment.start + 4;
    let bytes = frame[transport.addresses.clone()].iter().chain(&frame[ports]);
    // FNV-1a, whose low bits are better than its high ones: hence the multiplication at the end.
    let hash = bytes.fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    (hash ^ hash >> 16).wrapping_mul(0x9e37_79b1)
}
