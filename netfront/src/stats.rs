//! Counters of a network device; they go on over a reconnect.

/// What was received, and what was not and why.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RxStats {
    /// Frames handed to the stack.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Of them, TCP segments longer than the MTU.
    pub segmented: u64,
    /// Slots of the rings taken.
    pub slots: u64,
    /// Frames that the back end marked as failed.
    pub errors: u64,
    /// Frames shorter than an Ethernet header.
    pub runts: u64,
    /// Frames too long to be assembled.
    pub oversized: u64,
    /// Frames with a wrong TCP or UDP checksum.
    pub bad_checksums: u64,
    /// Frames with an extra info that was not asked for or does not fit them.
    pub bad_extras: u64,
    /// Frames for which the assembly buffer could not grow.
    pub no_memory: u64,
}

/// What was sent, and what was not and why.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TxStats {
    /// Frames put into a ring.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Of them, TCP segments that the back end is to divide.
    pub segmented: u64,
    /// Responses taken.
    pub responses: u64,
    /// Requests that the back end answered with an error.
    pub errors: u64,
    /// Requests that the back end answered as dropped.
    pub dropped: u64,
    /// Frames refused here because they are too short or too long.
    pub bad_lengths: u64,
    /// Frames refused here because they can not be divided as they were to be.
    pub bad_segments: u64,
    /// Multicast groups that the back end has no more room for.
    pub groups_refused: u64,
    /// Times that there was no room for another frame.
    pub ring_full: u64,
}

/// All counters.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// Of the receiving side.
    pub rx: RxStats,
    /// Of the sending side.
    pub tx: TxStats,
    /// Events sent to the back end, a hypercall each; there are no others.
    pub notifications: u64,
    /// Events that came.
    pub events: u64,
    /// Times that the device was muted because too many of them brought nothing.
    pub storms: u64,
    /// Times the device was connected.
    pub connects: u64,
}
