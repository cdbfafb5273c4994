//! What the owner of a device chooses: [`Config`].

/// How a device is set up. Each wish holds as far as the back end goes along; [`crate::Info`] tells what was agreed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Config {
    /// Pages for receiving, shared out to the queues, up to 256 for each. With fewer, bursts are lost earlier.
    pub rx_buffers: usize,
    /// Pages for sending, for all queues, up to 256. TCP segments to be divided take up to a quarter of them: of 64 KiB with 64
    /// pages.
    pub tx_buffers: usize,
    /// Pairs of rings, up to 8: as many as there are processors that poll or that run the back end.
    pub queues: usize,
    /// Whether sent and received frames have an event channel each, so that an event says what it is about.
    pub split_events: bool,
    /// Whether TCP segments longer than the MTU are handed to the back end, which divides them, if it can.
    pub tx_segmentation: bool,
    /// Whether the back end may hand over TCP segments longer than the MTU, of up to 64 KiB. Not done with fewer than 36 pages
    /// for receiving a queue: two such segments.
    pub rx_segments: bool,
    /// Whether the back end is to hold back frames for groups that [`crate::NetFront::join`] has not named.
    pub multicast_control: bool,
    /// Whether frames may be longer by a VLAN tag: those of others, that are passed on.
    pub vlan_tags: bool,
    /// How long the back end may take for a step of connecting or closing.
    pub timeout_ns: u64,
    /// Where the ring indices start. Only tests have a reason to choose.
    pub first_index: u32,
}

impl Default for Config {
    /// For a small guest with one processor: half a megabyte of buffers.
    fn default() -> Self {
        Self {
            rx_buffers: 64,
            tx_buffers: 64,
            queues: 1,
            split_events: true,
            tx_segmentation: true,
            rx_segments: true,
            multicast_control: false,
            vlan_tags: false,
            timeout_ns: 10_000_000_000,
            first_index: 0,
        }
    }
}
