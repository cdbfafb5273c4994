//! What a user may choose about a disk.

/// What becomes of requests when the back end goes away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OnLoss {
    /// They fail.
    Fail,
    /// They wait for [`crate::BlkFront::reconnect`], and what was not answered goes out once more. A write that was answered but
    /// not flushed before the loss is not repeated.
    Hold,
    /// As `Hold`, and a thread that waits connects again by itself, as soon as there is a back end: `xl block-detach` and
    /// `xl block-attach` while the disk is in use.
    Reconnect,
}

/// How a disk is driven. What the back end does not offer is done without.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Config {
    /// Most bounce pages; they are made when needed and then kept.
    pub pool_pages: usize,
    /// Most pages of data in one request; more than 11 take indirect segments.
    pub max_segments: usize,
    /// Pages of each ring at most, as a power of two: a page holds 32 requests, and each costs the back end memory and time
    /// when it connects, used or not.
    pub ring_order: u32,
    /// Rings at most, one for each virtual processor that is to use the disk.
    pub queues: usize,
    /// Asynchronous requests that are accepted though the ring or the pool is full. They go out with the next answers, and
    /// those that touch are made one.
    pub backlog: usize,
    /// How long the back end may take to connect.
    pub connect_timeout_ns: u64,
    /// How long the back end may take to finish what is outstanding, and then to close.
    pub close_timeout_ns: u64,
    /// How often a thread that waits for an answer looks whether the back end is still there.
    pub patrol_ns: u64,
    /// How long the back end may leave all requests unanswered before the disk is given up; `None` waits for ever.
    pub answer_timeout_ns: Option<u64>,
    /// Let a back end that the toolstack trusts keep the bounce pages mapped (`feature-persistent`, `trusted`).
    pub persistent: bool,
    /// What becomes of requests when the back end goes away.
    pub on_loss: OnLoss,
}

const SECOND_NS: u64 = 1_000_000_000;
/// Linux's back end keeps so many grants of a disk mapped: 32 requests of 32 pages, and a page for the segments of each.
const POOL_MOST: usize = 32 * 33;
/// A guest of any size can have one request without indirect segments.
const POOL_LEAST: usize = 11;
/// 256 KiB; Linux's back end takes no more than 256 pages.
const SEGMENTS_MOST: usize = 64;

impl Config {
    /// A share of the memory: a sixteenth of the free pages at most, and as much as helps.
    pub fn for_memory(free_pages: usize) -> Self {
        let pool_pages = (free_pages / 16).clamp(POOL_LEAST, POOL_MOST);
        // Four of the largest at once, at least.
        let max_segments = (pool_pages / 4).clamp(POOL_LEAST, SEGMENTS_MOST);
        Self { pool_pages, max_segments, ..Self::default() }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            pool_pages: 4 * xen_sys::io::blkif::MAX_SEGMENTS_PER_REQUEST,
            max_segments: 32,
            ring_order: 0,
            queues: 1,
            backlog: 64,
            connect_timeout_ns: 10 * SECOND_NS,
            close_timeout_ns: 10 * SECOND_NS,
            patrol_ns: SECOND_NS / 2,
            answer_timeout_ns: None,
            persistent: true,
            on_loss: OnLoss::Fail,
        }
    }
}
