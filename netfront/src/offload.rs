//! For who passes frames on between a device and something else, as a tap: what a frame says of its checksum, and how to finish it.

use crate::checksum::{self, Payload, Transport, Version};

/// Where a TCP segment or UDP datagram lies in an Ethernet frame. All offsets are within the frame it was found in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segment {
    /// Over IPv6, not IPv4.
    pub is_ipv6: bool,
    /// TCP, not UDP.
    pub is_tcp: bool,
    /// Where the TCP or UDP header begins.
    pub header: usize,
    /// Where the checksum stands, two bytes.
    pub checksum: usize,
    /// Where the segment ends; padding may follow.
    pub end: usize,
}

fn whole(frame: &[u8]) -> Option<Transport> {
    match checksum::locate(frame) {
        Payload::Transport(transport) => Some(transport),
        Payload::Fragment | Payload::Other => None,
    }
}

/// Finds a whole TCP segment or UDP datagram. `None` for what is none: another protocol, a fragment, nonsense.
pub fn find(frame: &[u8]) -> Option<Segment> {
    let transport = whole(frame)?;
    Some(Segment {
        is_ipv6: transport.version == Version::V6,
        is_tcp: transport.is_tcp(),
        header: transport.segment.start,
        checksum: transport.field(),
        end: transport.segment.end,
    })
}

/// Fills in the whole TCP or UDP checksum, where there is one; behind a VLAN tag too.
pub fn complete(frame: &mut [u8]) {
    const VLAN: [u8; 2] = [0x81, 0];
    let is_tagged = frame.get(12..14) == Some(&VLAN);
    // From behind the first four bytes on, a frame with a tag looks like one without.
    let frame = if is_tagged { frame.get_mut(4..).unwrap_or_default() } else { frame };
    if let Some(transport) = whole(frame) {
        transport.fill(frame);
    }
}

/// Leaves the checksum to somebody who adds the sum of the segment to what stands in its place: the sum of the pseudo-header.
pub fn prepare(frame: &mut [u8]) {
    if let Some(transport) = whole(frame) {
        transport.fill_partial(frame);
    }
}

/// The ones' complement sum of big-endian words, an odd last byte padded with zero; folded, not inverted.
pub fn sum(bytes: &[u8]) -> u16 {
    checksum::sum(bytes)
}
