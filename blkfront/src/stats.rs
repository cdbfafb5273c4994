//! Counters of a disk.

/// What a disk has done since it was first connected.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// Times that it was connected.
    pub connections: u64,
    /// Requests put on the ring.
    pub requests: u64,
    /// Pages of data in them.
    pub segments: u64,
    /// Requests of users that went over the ring with another's.
    pub merged: u64,
    /// Reads that were fetched before.
    pub read_ahead_hits: u64,
    /// Flushes and barriers put on the ring.
    pub flushes: u64,
    /// Discards put on the ring.
    pub discards: u64,
    /// Responses taken from it.
    pub responses: u64,
    /// Bytes read from the disk.
    pub bytes_read: u64,
    /// Bytes written to the disk.
    pub bytes_written: u64,
    /// Bytes discarded.
    pub bytes_discarded: u64,
    /// Responses that were not OKAY.
    pub errors: u64,
    /// Times that a request had to wait for a slot of the ring.
    pub ring_full_waits: u64,
    /// Times that a request had to wait for bounce pages.
    pub pool_waits: u64,
    /// Events that ended a wait.
    pub events: u64,
    /// Events sent to the back end, a hypercall each.
    pub notifications: u64,
    /// Events that brought no response.
    pub spurious_events: u64,
    /// Times that a waiting thread looked after the back end because no event came.
    pub patrols: u64,
    /// Most requests that were on the ring at once.
    pub most_in_flight: u32,
}
