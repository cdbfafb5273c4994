//! Threads that share a cache, and lines of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::Noise;
use super::fake_disk::{Asked, FakeDisk, cache};
use crate::{BlockRead, Tended};

const WRITERS: usize = 4;
const CELL: usize = 64;
const CELLS: usize = 4000;

/// Each writer has every fourth cell for itself, so they share all lines.
#[test]
fn writers_of_the_same_lines_lose_nothing_of_each_other_and_sync_tells_each_the_truth() {
    let disk = FakeDisk::new(WRITERS * CELL * CELLS);
    let (cache, _) = cache(&disk, 12);
    let is_over = Arc::new(AtomicBool::new(false));
    let others = {
        let (cache, is_over) = (cache.clone(), is_over.clone());
        thread::spawn(move || {
            let mut noise = Noise(5);
            while !is_over.load(Ordering::Relaxed) {
                match noise.below(4) {
                    0 => drop(cache.shrink(1 << 20)),
                    1 => cache.barrier(),
                    2 => drop(cache.tend()),
                    _ => {
                        let at = noise.below(WRITERS * CELL * CELLS - 40_000);
                        cache.read(at as u64, &mut vec![0; noise.below(40_000)]).unwrap();
                    }
                }
                let usage = cache.usage();
                assert!(usage.held <= usage.budget);
                thread::yield_now();
            }
        })
    };
    let writers: Vec<_> = (0..WRITERS)
        .map(|me| {
            let (cache, disk) = (cache.clone(), disk.clone());
            thread::spawn(move || {
                let mut noise = Noise(100 + me as u64);
                let mut mine = vec![0; CELLS];
                let place = |cell: usize| (cell * WRITERS + me) * CELL;
                for round in 0..600u32 {
                    for _ in 0..noise.below(8) {
                        let cell = noise.below(CELLS);
                        mine[cell] = round as u8;
                        cache.write(place(cell) as u64, &[round as u8; CELL]).unwrap();
                    }
                    let cell = noise.below(CELLS);
                    let mut found = [0; CELL];
                    cache.read(place(cell) as u64, &mut found).unwrap();
                    assert_eq!(found, [mine[cell]; CELL]);
                    if noise.below(15) == 0 {
                        cache.sync().unwrap();
                        let stable = disk.stable();
                        for (cell, value) in mine.iter().enumerate() {
                            assert_eq!(
                                stable[place(cell)..][..CELL],
                                [*value; CELL],
                                "cell {cell} of writer {me}"
                            );
                        }
                    }
                }
            })
        })
        .collect();
    for writer in writers {
        writer.join().unwrap();
    }
    is_over.store(true, Ordering::Relaxed);
    others.join().unwrap();
    while cache.tend() == Tended::Dirty {}
}

#[test]
fn those_who_wait_for_a_sync_share_the_next_one() {
    let disk = FakeDisk::new(1 << 20);
    let (cache, host) = cache(&disk, 64);
    let threads = Arc::new(std::sync::Mutex::new(Vec::new()));
    let (weak, theirs) = (Arc::downgrade(&cache), threads.clone());
    let once = AtomicBool::new(false);
    // While the first one flushes, four others write and want a sync, too.
    let hook = move |asked: &Asked| {
        if *asked != Asked::Flush || once.swap(true, Ordering::SeqCst) {
            return;
        }
        for line in 1..5 {
            let cache = weak.upgrade().unwrap();
            theirs.lock().unwrap().push(thread::spawn(move || {
                cache.write(line * 8192, &[line as u8; 4096]).unwrap();
                cache.sync().unwrap();
            }));
        }
        while host.waiting.load(Ordering::SeqCst) < 4 {
            thread::yield_now();
        }
    };
    assert!(disk.hook.set(Box::new(hook)).is_ok());
    cache.write(0, &[9; 4096]).unwrap();
    cache.sync().unwrap();
    for thread in std::mem::take(&mut *threads.lock().unwrap()) {
        thread.join().unwrap();
    }
    assert_eq!(disk.asked().iter().filter(|asked| **asked == Asked::Flush).count(), 2);
    assert_eq!([1, 2, 3, 4].map(|line| disk.stable()[line * 8192]), [1, 2, 3, 4]);
}
