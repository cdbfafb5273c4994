//! Disks behind a page cache: one cache for each disk, for file systems and writers alike.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use fs::{BlockWrite, CacheOptions, CacheUsage, DiskCache, Page, Work};
use minios::Xen;
use minios::sync::{Mutex, SpinLock, WaitQueue};
use xen::OwnPage;

use super::device::{Device, WRITING};
use super::writes::Writes;
use super::{OpenError, writer};

static CACHED: SpinLock<BTreeMap<String, Arc<DiskCache>>> = SpinLock::new(BTreeMap::new());
/// Connecting waits; the second thread to come waits for the first.
static OPENING: Mutex<()> = Mutex::new(());

/// The cache of a disk, `xvda` or `/dev/xvda`, which is connected if it is not yet. Who uses the [`super::Disk`] itself goes past it.
pub fn cached(name: &str) -> Result<Arc<DiskCache>, OpenError> {
    WRITING.call_once(|| &Writes);
    crate::process::before_end(writer::finish);
    read_cached(name)
}

/// As [`cached`], for who only reads.
pub(crate) fn read_cached(name: &str) -> Result<Arc<DiskCache>, OpenError> {
    let name = name.strip_prefix("/dev/").unwrap_or(name);
    let _opening = OPENING.lock();
    if let Some(cache) = CACHED.lock().get(name) {
        return Ok(cache.clone());
    }
    let device: Arc<dyn BlockWrite> = Arc::new(Device::new(super::open(name)?));
    let cache =
        Arc::new(DiskCache::with(device, CacheOptions::new(budget_bytes()), Arc::new(Guest::default())));
    CACHED.lock().insert(name.to_string(), cache.clone());
    Ok(cache)
}

/// A disk has another back end: what it holds may have changed.
pub(super) fn came_back(name: &str) {
    let cache = CACHED.lock().get(name).cloned();
    if let Some(cache) = cache {
        cache.forget();
    }
}

/// A disk has gone: so does its cache, if nobody has it and nothing is left to write should it come back.
pub(super) fn give_up(name: &str) -> Option<Arc<DiskCache>> {
    let mut caches = CACHED.lock();
    let is_needed =
        caches.get(name).is_some_and(|cache| Arc::strong_count(cache) > 1 || cache.usage().dirty > 0);
    if is_needed { None } else { caches.remove(name) }
}

/// A sixteenth of the free memory, within reason.
fn budget_bytes() -> usize {
    (minios::memory::usage().free * 4096 / 16).clamp(64 << 10, 64 << 20)
}

/// The caches of all disks.
pub(super) fn all() -> Vec<Arc<DiskCache>> {
    CACHED.lock().values().cloned().collect()
}

/// Returns when all that was written to any disk through its cache is on stable storage. Errors are for those who have the disk open.
pub fn sync_all() {
    for cache in all() {
        if let Err(error) = cache.sync() {
            log::error!("writing back: {error}");
        }
    }
}

/// Gives clean pages of so many bytes back, and returns how many bytes it were. Does not wait.
pub fn shrink(bytes: usize) -> usize {
    let Some(caches) = CACHED.try_lock() else { return 0 };
    let mut freed = 0;
    for cache in caches.values() {
        if freed < bytes {
            freed += cache.shrink(bytes - freed);
        }
    }
    if freed < bytes {
        // What is dirty can be had the next time.
        caches.values().for_each(|cache| cache.hurry());
    }
    freed
}

/// What the caches hold.
pub fn cache_usage() -> CacheUsage {
    let Some(caches) = CACHED.try_lock() else { return CacheUsage::default() };
    caches.values().map(|cache| cache.usage()).fold(CacheUsage::default(), |sum, one| CacheUsage {
        held: sum.held + one.held,
        dirty: sum.dirty + one.dirty,
        budget: sum.budget + one.budget,
    })
}

/// Threads and memory of the guest.
#[derive(Default)]
struct Guest(WaitQueue);

impl fs::Host for Guest {
    fn seq(&self) -> u32 {
        self.0.seq()
    }

    fn wait(&self, seen: u32) {
        let _ = self.0.wait(seen, None);
    }

    fn wake(&self) {
        self.0.wake_all();
    }

    fn work(&self, work: Work) {
        if let Some(writing) = WRITING.get() {
            writing.work(work);
        }
    }

    /// A page of its own, which goes back to the page allocator when it is dropped; the heap would keep it.
    fn page(&self) -> Option<Box<dyn Page>> {
        Some(Box::new(Memory(OwnPage::new(&Xen).ok()?)))
    }

    fn may_grow(&self) -> bool {
        let usage = minios::memory::usage();
        usage.free > usage.total / 16
    }
}

struct Memory(OwnPage<Xen>);

impl Page for Memory {
    fn bytes(&self) -> &[u8] {
        self.0.as_slice()
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        self.0.as_mut_slice()
    }
}
