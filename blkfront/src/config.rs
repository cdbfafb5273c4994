//! What a user may choose about a disk.

/// What becomes of requests when the back end goes away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OnLoss {
    /// They fail.
    Fail,
    /// They wait for [`crate::BlkFront::reconnect`] and are done again from their beginning. A write that was answered but not
    /// flushed before the loss is not repeated.
    Hold,
}

/// How a disk is driven.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Config {
    /// Most bounce pages; they are made when needed and then kept. 352 fill the ring with the largest requests.
    pub pool_pages: usize,
    /// How long the back end may take to connect.
    pub connect_timeout_ns: u64,
    /// How long the back end may take to finish what is outstanding, and then to close.
    pub close_timeout_ns: u64,
    /// How often a thread that waits for an answer looks whether the back end is still there.
    pub patrol_ns: u64,
    /// How long the back end may leave all requests unanswered before the disk is given up; `None` waits for ever.
    pub answer_timeout_ns: Option<u64>,
    /// Let the back end keep the bounce pages mapped (`feature-persistent`).
    pub persistent: bool,
    /// What becomes of requests when the back end goes away.
    pub on_loss: OnLoss,
}

const SECOND_NS: u64 = 1_000_000_000;

impl Default for Config {
    fn default() -> Self {
        Self {
            pool_pages: 4 * xen_sys::io::blkif::MAX_SEGMENTS_PER_REQUEST,
            connect_timeout_ns: 10 * SECOND_NS,
            close_timeout_ns: 10 * SECOND_NS,
            patrol_ns: SECOND_NS / 2,
            answer_timeout_ns: None,
            persistent: true,
            on_loss: OnLoss::Fail,
        }
    }
}
