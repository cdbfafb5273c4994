//! The cache against the plain device.

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
