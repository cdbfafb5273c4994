//! Errors of writing back: each reader hears of each once.

use core::sync::atomic::{AtomicU64, Ordering};

use crate::BlockError;

/// How far somebody has heard of the errors of a cache. Each open file has one.
#[derive(Debug, Default)]
pub struct Watermark(AtomicU64);

#[derive(Default)]
pub(super) struct Errors {
    /// How many there were.
    count: u64,
    /// How many somebody was told of.
    told: u64,
    last: Option<BlockError>,
}

impl Errors {
    pub fn record(&mut self, error: BlockError) {
        self.count += 1;
        self.last = Some(error);
    }

    /// Who comes now hears of what nobody was told yet.
    pub fn watermark(&self) -> Watermark {
        Watermark(AtomicU64::new(self.told))
    }

    /// The last error, if it is news to the reader.
    pub fn tell(&mut self, reader: &Watermark) -> Result<(), BlockError> {
        if reader.0.swap(self.count, Ordering::AcqRel) == self.count {
            return Ok(());
        }
        self.told = self.count;
        self.last.map_or(Ok(()), Err)
    }
}
