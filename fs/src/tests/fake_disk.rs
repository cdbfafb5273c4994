//! A disk with a volatile cache, which a cut of its power empties: anything not flushed is lost, torn or reordered.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock};

use super::Noise;
use crate::{BlockError, BlockRead, BlockWrite, CacheOptions, DiskCache, Extent, Host, Work};

pub(super) const SECTOR: usize = 512;

/// What a disk is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Write(u64, usize),
    Flush,
    Discard(u64, u64),
}

pub(super) struct Inner {
    /// What a cut leaves for certain.
    stable: Vec<u8>,
    /// What readers see.
    current: Vec<u8>,
    /// Written and not flushed: sector and content.
    volatile: Vec<(usize, Vec<u8>)>,
    pub asked: Vec<Asked>,
    /// So many of the next writes or flushes fail.
    pub failing_writes: u32,
    pub failing_flushes: u32,
    /// Writes to this sector fail.
    pub bad_sector: Option<usize>,
}

impl Inner {
    /// What a cut leaves, by chance.
    pub fn cut(&self, noise: &mut Noise) -> Vec<u8> {
        let mut image = self.stable.clone();
        let mut left: Vec<_> = self.volatile.iter().collect();
        let share = noise.below(4);
        while !left.is_empty() {
            let (sector, data) = left.swap_remove(noise.below(left.len()));
            if noise.below(3) < share {
                image[sector * SECTOR..][..data.len()].copy_from_slice(data);
            }
        }
        image
    }

    fn put(&mut self, offset: u64, data: &[u8]) {
        self.current[offset as usize..][..data.len()].copy_from_slice(data);
        for (index, data) in data.chunks(SECTOR).enumerate() {
            self.volatile.push((offset as usize / SECTOR + index, data.to_vec()));
        }
    }
}

type Hook = Box<dyn Fn(&Asked) + Send + Sync>;

pub(super) struct FakeDisk {
    pub inner: Mutex<Inner>,
    pub is_read_only: AtomicBool,
    pub generation: AtomicU64,
    /// Called before each thing that is asked, with no lock held.
    pub hook: OnceLock<Hook>,
}

impl FakeDisk {
    pub fn new(len: usize) -> Arc<Self> {
        Self::of(vec![0; len])
    }

    pub fn of(content: Vec<u8>) -> Arc<Self> {
        let inner = Inner {
            stable: content.clone(),
            current: content,
            volatile: Vec::new(),
            asked: Vec::new(),
            failing_writes: 0,
            failing_flushes: 0,
            bad_sector: None,
        };
        Arc::new(Self {
            inner: Mutex::new(inner),
            is_read_only: AtomicBool::new(false),
            generation: AtomicU64::new(0),
            hook: OnceLock::new(),
        })
    }

    pub fn stable(&self) -> Vec<u8> {
        self.inner.lock().unwrap().stable.clone()
    }

    pub fn current(&self) -> Vec<u8> {
        self.inner.lock().unwrap().current.clone()
    }

    /// What it was asked since the last time.
    pub fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.inner.lock().unwrap().asked)
    }

    pub fn fail(&self, writes: u32, flushes: u32) {
        let mut inner = self.inner.lock().unwrap();
        (inner.failing_writes, inner.failing_flushes) = (writes, flushes);
    }

    pub fn resize(&self, len: usize) {
        let mut inner = self.inner.lock().unwrap();
        inner.volatile.retain(|(sector, data)| sector * SECTOR + data.len() <= len);
        inner.stable.resize(len, 0);
        inner.current.resize(len, 0);
    }

    /// The back end goes, with what was not flushed, and another comes.
    pub fn come_back(&self) {
        let mut inner = self.inner.lock().unwrap();
        inner.volatile.clear();
        inner.current = inner.stable.clone();
        self.generation.fetch_add(1, Ordering::SeqCst);
    }

    fn ask(&self, asked: Asked) -> std::sync::MutexGuard<'_, Inner> {
        if let Some(hook) = self.hook.get() {
            hook(&asked);
        }
        let mut inner = self.inner.lock().unwrap();
        inner.asked.push(asked);
        inner
    }
}

impl BlockRead for FakeDisk {
    fn read(&self, offset_bytes: u64, buf: &mut [u8]) -> Result<(), BlockError> {
        let inner = self.inner.lock().unwrap();
        inner.current.read(offset_bytes, buf)
    }

    fn size_bytes(&self) -> u64 {
        self.inner.lock().unwrap().current.len() as u64
    }
}

impl BlockWrite for FakeDisk {
    fn write(&self, offset: u64, data: &[u8]) -> Result<(), BlockError> {
        assert!((offset as usize | data.len()).is_multiple_of(SECTOR), "{} bytes at {offset}", data.len());
        let mut inner = self.ask(Asked::Write(offset, data.len()));
        let size = inner.current.len() as u64;
        let end = offset + data.len() as u64;
        if end > size {
            return Err(BlockError::OutOfRange { offset, len: data.len() as u64, size });
        }
        if self.is_read_only() {
            return Err(BlockError::ReadOnly);
        }
        let sectors = offset as usize / SECTOR..end as usize / SECTOR;
        let is_bad = inner.bad_sector.is_some_and(|bad| sectors.contains(&bad));
        if is_bad || inner.failing_writes > 0 {
            inner.failing_writes = inner.failing_writes.saturating_sub(1);
            return Err(BlockError::WriteFailed { offset, len: data.len() as u64, reason: "told to" });
        }
        inner.put(offset, data);
        Ok(())
    }

    fn write_batch(&self, batch: &mut [Extent]) {
        // The last first: the order within a batch is nobody's.
        for extent in batch.iter_mut().rev() {
            extent.result = self.write(extent.offset, &std::mem::take(&mut extent.data));
        }
    }

    fn flush(&self) -> Result<(), BlockError> {
        let mut inner = self.ask(Asked::Flush);
        if self.is_read_only() {
            return Err(BlockError::FlushFailed { reason: "it is read-only" });
        }
        if inner.failing_flushes > 0 {
            inner.failing_flushes -= 1;
            return Err(BlockError::FlushFailed { reason: "told to" });
        }
        inner.volatile.clear();
        inner.stable = inner.current.clone();
        Ok(())
    }

    fn discard(&self, offset: u64, len: u64) -> Result<(), BlockError> {
        let mut inner = self.ask(Asked::Discard(offset, len));
        inner.put(offset, &vec![0; len as usize]);
        Ok(())
    }

    fn is_read_only(&self) -> bool {
        self.is_read_only.load(Ordering::Relaxed)
    }

    fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }
}

/// Threads of the developer's machine, and a memory that can become scarce.
#[derive(Default)]
pub(super) struct Threads {
    count: Mutex<u32>,
    moved: Condvar,
    pub is_scarce: AtomicBool,
    pub waiting: AtomicU32,
    pub soon: AtomicU32,
    pub now: AtomicU32,
}

impl Host for Threads {
    fn seq(&self) -> u32 {
        *self.count.lock().unwrap()
    }

    fn wait(&self, seen: u32) {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        drop(self.moved.wait_while(self.count.lock().unwrap(), |count| *count == seen).unwrap());
        self.waiting.fetch_sub(1, Ordering::SeqCst);
    }

    fn wake(&self) {
        *self.count.lock().unwrap() += 1;
        self.moved.notify_all();
    }

    fn work(&self, work: Work) {
        let count = if work == Work::Now { &self.now } else { &self.soon };
        count.fetch_add(1, Ordering::SeqCst);
    }

    fn may_grow(&self) -> bool {
        !self.is_scarce.load(Ordering::Relaxed)
    }
}

/// A cache of so many lines.
pub(super) fn cache(disk: &Arc<FakeDisk>, lines: usize) -> (Arc<DiskCache>, Arc<Threads>) {
    let host = Arc::new(Threads::default());
    let device: Arc<dyn BlockWrite> = disk.clone();
    (Arc::new(DiskCache::with(device, CacheOptions::new(lines * 4096), host.clone())), host)
}
