//! What was agreed with the back end about the way of the requests.

/// The connection of a disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Transport {
    /// Rings.
    pub queues: usize,
    /// Pages of each ring.
    pub ring_pages: usize,
    /// Requests that all rings hold.
    pub slots: u32,
    /// Pages of data in the largest request; more than 11 with indirect segments.
    pub max_segments: usize,
    /// The back end may keep the bounce pages mapped, and does.
    pub persistent: bool,
}
