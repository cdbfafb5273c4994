//! The cache against the plain device.

use std::sync::{Arc, Mutex};

use super::Noise;
use crate::{BlockError, BlockRead, Cache};

#[test]
fn any_read_gives_the_bytes_of_the_device() {
    for size in [0, 1, 4095, 4096, 300_001, 1 << 20] {
        let device = Noise(5).bytes(size);
        let cache = Cache::new(device.clone(), 64 * 1024);
        let mut noise = Noise(9);
        for _ in 0..2000 {
            let at = noise.below(size + 1);
            let longest = if noise.below(4) == 0 { 100_000 } else { 3000 };
            let len = noise.below((size - at).min(longest) + 1);
            let mut buf = vec![0; len];
            cache.read(at as u64, &mut buf).unwrap();
            assert!(buf == device[at..at + len], "{len} bytes at {at} of {size}");
        }
    }
}

#[test]
fn a_range_outside_the_device_is_refused() {
    let cache = Cache::new(vec![0; 5000], 0);
    for (offset, len) in [(0, 5001), (5000, 1), (u64::MAX, 1), (u64::MAX, 0)] {
        let found = cache.read(offset, &mut vec![0; len]);
        assert_eq!(found, Err(BlockError::OutOfRange { offset, len: len as u64, size: 5000 }));
    }
    assert_eq!(cache.read(5000, &mut []), Ok(()));
}

#[test]
fn reading_again_asks_the_device_no_more() {
    let cache = Cache::new(vec![1; 1 << 20], 64 * 1024);
    let mut buf = [0; 100];
    cache.read(5000, &mut buf).unwrap();
    let before = cache.stats().device_reads;
    for _ in 0..10 {
        cache.read(5050, &mut buf).unwrap();
    }
    assert_eq!(cache.stats().device_reads, before);
}

#[test]
fn small_reads_in_a_row_become_large_requests() {
    let cache = Cache::new(vec![1; 4 << 20], 256 * 1024);
    let mut buf = [0; 512];
    for at in (0..4 << 20).step_by(512) {
        cache.read(at, &mut buf).unwrap();
    }
    let stats = cache.stats();
    assert_eq!(stats.device_bytes, 4 << 20);
    assert!(stats.device_reads <= 32 + 6, "{stats:?}");
}

#[test]
fn random_small_reads_fetch_little() {
    let cache = Cache::new(vec![1; 4 << 20], 64 * 1024);
    let mut noise = Noise(1);
    for _ in 0..100 {
        cache.read(noise.below(4 << 20) as u64 & !4095, &mut [0; 64]).unwrap();
    }
    assert!(cache.stats().device_bytes <= 110 * 4096);
}

/// A device that remembers what it was told to fetch.
struct Told(Vec<u8>, Mutex<Vec<(u64, usize)>>);

impl BlockRead for Told {
    fn read(&self, offset_bytes: u64, buf: &mut [u8]) -> Result<(), BlockError> {
        self.0.read(offset_bytes, buf)
    }

    fn size_bytes(&self) -> u64 {
        self.0.size_bytes()
    }

    fn read_ahead(&self, offset_bytes: u64, len: usize) {
        self.1.lock().unwrap().push((offset_bytes, len));
    }
}

#[test]
fn the_device_is_told_what_follows_reads_in_a_row_and_nothing_else() {
    let told = Arc::new(Told(vec![1; 1 << 20], Mutex::new(Vec::new())));
    let cache = Cache::new(told.clone(), 1 << 20);
    let taken = || core::mem::take(&mut *told.1.lock().unwrap());
    let direct = |offset: u64, len: usize| cache.read(offset, &mut vec![0; len]).unwrap();
    direct(0, 65_536);
    direct(262_144, 65_536);
    assert_eq!(taken(), [], "not in a row");
    direct(327_680, 65_536);
    assert_eq!(taken(), [(393_216, 65_536)]);
    direct(393_216, 524_288);
    assert_eq!(taken(), [(917_504, 131_072)], "no more than one request");
    direct(917_504, 131_072);
    assert_eq!(taken(), [], "nothing behind the end");
    for at in (0..1 << 20).step_by(512) {
        cache.read(at, &mut [0; 512]).unwrap();
    }
    let small = taken();
    assert!(small.len() > 3 && small.iter().all(|(_, len)| *len <= 131_072), "{small:?}");
    assert!(small.windows(2).all(|pair| pair[0].0 + pair[0].1 as u64 == pair[1].0), "{small:?}");
}
