//! Tests that are longer than what they test.

use alloc::sync::Arc;

use linux_base::file::IoFlags;
use linux_base::io::{SliceSink, SliceSource};
use linux_base::{File, OpenFile, OpenFlags, PollEvents, Result, Watcher};
use std::sync::atomic::{AtomicUsize, Ordering};

mod epoll;
mod pipe;
mod poll;
mod recorded;
mod splice;
mod timer;

/// A generator of numbers that look random and are the same in each run.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % limit
    }
}

/// Counts how often it is told.
#[derive(Default)]
pub struct Count(AtomicUsize);

impl Watcher for Count {
    fn notify(&self, _: PollEvents) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Count {
    /// How often it was told since the last call.
    pub fn take(&self) -> usize {
        self.0.swap(0, Ordering::Relaxed)
    }
}

pub fn open(file: Arc<dyn File>, flags: OpenFlags) -> Arc<OpenFile> {
    OpenFile::new(file, flags, Vec::new())
}

const FLAGS: IoFlags = IoFlags { status: OpenFlags::RDWR, rwf: 0 };

pub fn read(file: &dyn File, len: usize) -> Result<Vec<u8>> {
    let mut bytes = vec![0; len];
    let len = file.read(0, &mut SliceSink::new(&mut bytes), FLAGS)?;
    bytes.truncate(len);
    Ok(bytes)
}

pub fn write(file: &dyn File, bytes: &[u8]) -> Result<usize> {
    file.write(0, &mut SliceSource::new(bytes), FLAGS)
}
