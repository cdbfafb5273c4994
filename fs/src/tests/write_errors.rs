//! Disks that fail: nobody is told that all is well who must not be, and what can be saved is.

use super::Noise;
use super::fake_disk::{Asked, FakeDisk, cache};
use crate::{BlockError, BlockFile};

#[test]
fn every_open_file_hears_of_an_error_once_and_what_failed_is_tried_again() {
    let disk = FakeDisk::new(1 << 20);
    let (cache, _) = cache(&disk, 64);
    let (first, second) = (BlockFile::open(cache.clone()), BlockFile::open(cache.clone()));
    first.write_at(0, &[1; 4096]).unwrap();
    disk.fail(1, 0);
    assert!(matches!(first.sync(), Err(BlockError::WriteFailed { offset: 0, len: 4096, .. })));
    assert_eq!(first.sync(), Ok(()), "the second try has written it");
    assert_eq!(disk.stable()[0], 1);
    assert!(second.sync().is_err(), "it is news to this one");
    assert_eq!(second.sync(), Ok(()));
    assert_eq!(BlockFile::open(cache.clone()).sync(), Ok(()), "who comes later has nothing to do with it");
    // In the background: nobody was told, so the next one who comes is.
    first.write_at(0, &[2; 4096]).unwrap();
    disk.fail(1, 0);
    assert!(cache.write_out().is_err());
    let third = BlockFile::open(cache);
    assert!(third.sync().is_err());
    assert_eq!(third.sync(), Ok(()));
    assert!(first.error().is_err());
}

#[test]
fn a_line_that_can_not_be_written_is_given_up_in_the_end_and_the_others_are_stored() {
    let disk = FakeDisk::new(1 << 20);
    let (cache, _) = cache(&disk, 64);
    disk.inner.lock().unwrap().bad_sector = Some(8);
    cache.write(0, &[1; 4096]).unwrap();
    cache.write(4096, &[2; 4096]).unwrap();
    cache.barrier();
    cache.write(20 * 4096, &[3; 4096]).unwrap();
    for _ in 0..4 {
        assert!(cache.sync().is_err());
        assert_eq!(disk.stable()[20 * 4096], 0, "it stands behind the barrier");
    }
    assert_eq!(cache.sync(), Ok(()));
    assert_eq!(cache.stats().lost_bytes, 8192, "neighbours go out together, and fail together");
    assert_eq!(disk.stable()[20 * 4096], 3);
    let mut byte = [9];
    crate::BlockRead::read(&*cache, 4096, &mut byte).unwrap();
    assert_eq!(byte, [0], "what is read is what the disk has");
}

#[test]
fn what_was_written_before_a_flush_that_failed_is_written_again() {
    let disk = FakeDisk::new(1 << 20);
    let (cache, _) = cache(&disk, 64);
    cache.write(0, &[1; 8192]).unwrap();
    disk.fail(0, 1);
    assert!(matches!(cache.sync(), Err(BlockError::FlushFailed { .. })));
    assert_eq!(cache.usage().dirty, 8192);
    disk.come_back();
    disk.asked();
    assert_eq!(cache.sync(), Ok(()));
    assert_eq!(disk.asked(), [Asked::Write(0, 8192), Asked::Flush]);
    assert_eq!(disk.stable()[..8192], [1; 8192]);
}

#[test]
fn what_a_back_end_took_along_is_written_to_the_next_before_sync_returns() {
    let disk = FakeDisk::new(1 << 20);
    let (cache, _) = cache(&disk, 64);
    cache.write(0, &[1; 4096]).unwrap();
    cache.write_out().unwrap();
    disk.come_back();
    assert_eq!(disk.current()[0], 0);
    cache.write(8192, &[2; 4096]).unwrap();
    assert_eq!(cache.sync(), Ok(()));
    assert_eq!((disk.stable()[0], disk.stable()[8192]), (1, 2));
    // In the middle of a sync: after its writes and before its flush.
    let weak = std::sync::Arc::downgrade(&disk);
    let once = std::sync::Mutex::new(true);
    let hook = move |asked: &Asked| {
        if *asked == Asked::Flush && std::mem::take(&mut *once.lock().unwrap()) {
            weak.upgrade().unwrap().come_back();
        }
    };
    assert!(disk.hook.set(Box::new(hook)).is_ok());
    cache.write(0, &[3; 4096]).unwrap();
    cache.barrier();
    cache.write(8192, &[4; 4096]).unwrap();
    assert_eq!(cache.sync(), Ok(()));
    assert_eq!((disk.stable()[0], disk.stable()[8192]), (3, 4));
}

#[test]
fn what_another_back_end_has_is_read_from_it() {
    let disk = FakeDisk::new(1 << 20);
    let (cache, _) = cache(&disk, 64);
    let read = |at: u64| {
        let mut byte = [9];
        crate::BlockRead::read(&*cache, at, &mut byte).unwrap();
        byte[0]
    };
    assert_eq!(read(0), 0);
    cache.write(8192, &[2; 4096]).unwrap();
    cache.sync().unwrap();
    disk.come_back();
    // By itself, and not through this cache.
    crate::BlockWrite::write(&*disk, 0, &[5; 512]).unwrap();
    assert_eq!(read(0), 0, "it is not known yet");
    cache.sync().unwrap();
    assert_eq!((read(0), read(8192)), (5, 2));
    crate::BlockWrite::write(&*disk, 0, &[6; 512]).unwrap();
    cache.forget();
    assert_eq!(read(0), 6);
}

#[test]
fn a_disk_that_fails_for_good_fails_writers_and_keeps_to_the_budget() {
    let disk = FakeDisk::new(4 << 20);
    let (cache, _) = cache(&disk, 16);
    disk.fail(u32::MAX, u32::MAX);
    let file = BlockFile::open(cache.clone());
    for at in (0..4 << 20).step_by(4096) {
        let _ = file.write_at(at, &[1; 4096]);
        assert!(cache.usage().held <= 16 * 4096);
    }
    assert!(file.sync().is_err());
    assert!(cache.stats().lost_bytes > 0);
}

#[test]
fn after_any_errors_a_sync_that_succeeds_tells_the_truth() {
    for seed in 1..40 {
        let mut noise = Noise(seed);
        let disk = FakeDisk::new(1 << 20);
        let (cache, _) = cache(&disk, 24);
        let mut model = vec![0; 1 << 20];
        for round in 1..200u32 {
            let at = noise.below(model.len() - 9000);
            let len = 1 + noise.below(9000);
            model[at..at + len].fill(round as u8);
            cache.write(at as u64, &vec![round as u8; len]).unwrap();
            match noise.below(12) {
                0 => disk.fail(1, 0),
                1 => disk.fail(0, 1),
                2 => disk.come_back(),
                3 if noise.below(2) == 0 => cache.barrier(),
                _ => {}
            }
            // Lines that went to the disk and were evicted are lost with a back end, so it is flushed before it may go.
            let synced = cache.sync();
            assert!(synced.is_err() || disk.stable() == model, "seed {seed}, round {round}");
        }
        assert_eq!(cache.stats().lost_bytes, 0);
    }
}

#[test]
fn a_disk_that_comes_back_read_only_is_an_error_and_holds_nobody() {
    let disk = FakeDisk::new(1 << 20);
    let (cache, _) = cache(&disk, 64);
    cache.write(0, &[1; 4096]).unwrap();
    cache.write_out().unwrap();
    cache.barrier();
    cache.write(20 * 4096, &[2; 4096]).unwrap();
    disk.come_back();
    disk.is_read_only.store(true, std::sync::atomic::Ordering::Relaxed);
    for _ in 0..6 {
        assert!(cache.sync().is_err());
    }
    assert_eq!(cache.write(0, &[3; 4096]), Err(BlockError::ReadOnly));
}
