//! What reaches the disk, when, and in which order.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Noise;
use super::fake_disk::{Asked, FakeDisk, cache};
use crate::{BlockError, BlockRead, Tended};

#[test]
fn what_is_written_is_read_at_once_and_reaches_the_disk_with_sync_in_one_ascending_piece_and_a_flush() {
    let disk = FakeDisk::new(1 << 20);
    let (cache, _) = cache(&disk, 64);
    for line in [3, 1, 2, 9] {
        cache.write(line * 4096, &[line as u8; 4096]).unwrap();
    }
    assert_eq!(disk.asked(), [], "nothing is written yet");
    let mut bytes = [0; 3];
    cache.read(2 * 4096 - 1, &mut bytes).unwrap();
    assert_eq!(bytes, [1, 2, 2]);
    cache.sync().unwrap();
    // The disk of this test takes the last of a batch first.
    assert_eq!(disk.asked(), [Asked::Write(9 * 4096, 4096), Asked::Write(4096, 3 * 4096), Asked::Flush]);
    assert_eq!(disk.stable()[3 * 4096], 3);
    assert_eq!(cache.usage().dirty, 0);
    cache.sync().unwrap();
    assert_eq!(disk.asked(), [Asked::Flush], "others may have written around the cache");
}

#[test]
fn large_amounts_go_out_in_large_requests() {
    let disk = FakeDisk::new(4 << 20);
    let (cache, _) = cache(&disk, 2048);
    for at in (0..2 << 20).step_by(10_000) {
        cache.write(at, &[7; 10_000]).unwrap();
    }
    cache.sync().unwrap();
    let writes = disk.asked().len() - 1;
    assert!(writes <= 9, "{writes} requests for 2 MiB");
}

#[test]
fn only_a_part_of_a_line_that_is_not_here_is_read_before_it_is_written() {
    let disk = FakeDisk::of(vec![5; 3 * 4096 + 512]);
    let (cache, _) = cache(&disk, 16);
    cache.write(0, &[1; 4096]).unwrap();
    cache.write(3 * 4096, &[2; 512]).unwrap();
    assert_eq!(cache.stats().device_reads, 0, "whole lines, the short one at the end too");
    cache.write(4096 + 10, &[3; 10]).unwrap();
    cache.write(4096 + 20, &[4; 10]).unwrap();
    assert_eq!(cache.stats().device_reads, 1);
    cache.sync().unwrap();
    let stable = disk.stable();
    assert_eq!((stable[0], stable[3 * 4096], stable[4096 + 9]), (1, 2, 5));
    assert_eq!((stable[4096 + 10], stable[4096 + 29], stable[4096 + 30]), (3, 4, 5));
}

#[test]
fn a_line_that_is_changed_while_a_copy_of_it_is_on_its_way_goes_out_again() {
    let disk = FakeDisk::new(1 << 20);
    let (cache, _) = cache(&disk, 64);
    let weak = Arc::downgrade(&cache);
    let once = std::sync::atomic::AtomicBool::new(false);
    let hook = move |asked: &Asked| {
        if matches!(asked, Asked::Write(0, _)) && !once.swap(true, Ordering::SeqCst) {
            weak.upgrade().unwrap().write(100, &[2; 10]).unwrap();
        }
    };
    assert!(disk.hook.set(Box::new(hook)).is_ok());
    cache.write(0, &[1; 4096]).unwrap();
    cache.sync().unwrap();
    assert_eq!(disk.stable()[100], 1, "the sync had begun before");
    assert_eq!(cache.usage().dirty, 4096);
    cache.sync().unwrap();
    assert_eq!(disk.stable()[99..111], [1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1]);
}

#[test]
fn behind_a_barrier_nothing_is_sent_before_a_flush_of_what_is_in_front() {
    let disk = FakeDisk::new(1 << 20);
    let (cache, _) = cache(&disk, 64);
    cache.write(9 * 4096, &[1; 4096]).unwrap();
    cache.barrier();
    cache.write(0, &[2; 4096]).unwrap();
    cache.barrier();
    cache.barrier();
    cache.write(4096, &[3; 4096]).unwrap();
    assert_eq!(disk.asked(), [], "a barrier does not write");
    cache.sync().unwrap();
    let write = |line: u64| Asked::Write(line * 4096, 4096);
    assert_eq!(disk.asked(), [write(9), Asked::Flush, write(0), Asked::Flush, write(1), Asked::Flush]);
    // A line in front of a barrier goes out before it is changed behind it.
    cache.write(0, &[4; 4096]).unwrap();
    cache.barrier();
    cache.write(10, &[5; 10]).unwrap();
    assert_eq!(disk.asked(), [write(0), Asked::Flush]);
    assert_eq!(disk.stable()[10], 4);
    cache.barrier();
    cache.write_direct(512, &[6; 512], false).unwrap();
    assert_eq!(disk.asked(), [write(0), Asked::Flush, Asked::Write(512, 512)]);
}

#[test]
fn a_budget_is_never_exceeded_and_what_is_dirty_never_dropped() {
    let disk = FakeDisk::new(4 << 20);
    let (cache, host) = cache(&disk, 16);
    let mut noise = Noise(3);
    let mut model = vec![0; 4 << 20];
    for round in 0..3000u32 {
        let at = noise.below(model.len() - 9000);
        let len = 1 + noise.below(9000);
        model[at..at + len].fill(round as u8);
        cache.write(at as u64, &vec![round as u8; len]).unwrap();
        let usage = cache.usage();
        assert!(usage.held <= 16 * 4096 && usage.dirty <= 8 * 4096, "{usage:?}");
        if round % 3 == 0 {
            cache.shrink(usize::MAX);
            assert!(cache.usage().held <= cache.usage().dirty.max(8 * 4096), "what is clean was given back");
        }
        host.is_scarce.store(round % 7 == 0, Ordering::Relaxed);
        let at = noise.below(model.len() - 20_000);
        let mut found = vec![0; noise.below(20_000)];
        cache.read(at as u64, &mut found).unwrap();
        assert!(found == model[at..at + found.len()], "round {round}");
    }
    assert!(cache.stats().throttled > 100);
    cache.sync().unwrap();
    assert!(disk.stable() == model);
}

#[test]
fn the_background_is_told_once_writes_what_is_old_and_says_when_all_is_clean() {
    let disk = FakeDisk::new(4 << 20);
    let (cache, host) = cache(&disk, 256);
    let told = || (host.soon.load(Ordering::SeqCst), host.now.load(Ordering::SeqCst));
    cache.write(0, &[1; 100]).unwrap();
    cache.write(8192, &[1; 100]).unwrap();
    assert_eq!(told(), (1, 0));
    assert_eq!(cache.tend(), Tended::Dirty, "it is too young");
    assert_eq!(disk.asked(), []);
    assert_eq!(cache.tend(), Tended::Clean);
    assert_eq!(disk.asked().len(), 2, "no flush");
    cache.write(0, &[2; 100]).unwrap();
    assert_eq!(told(), (2, 0));
    for line in 0..40 {
        cache.write(line * 4096, &[3; 4096]).unwrap();
    }
    assert_eq!(told(), (2, 1), "an eighth is dirty");
    assert_eq!(cache.tend(), Tended::Dirty);
    assert_eq!(cache.usage().dirty, 16 * 4096);
}

#[test]
fn sync_of_a_range_writes_that_range() {
    let disk = FakeDisk::new(1 << 20);
    let (cache, _) = cache(&disk, 64);
    cache.write(0, &[1; 4096 * 4]).unwrap();
    cache.sync_range(4096 + 1, 4096).unwrap();
    assert_eq!(disk.asked(), [Asked::Write(4096, 8192), Asked::Flush]);
    assert_eq!(cache.usage().dirty, 8192);
}

#[test]
fn direct_reads_and_writes_agree_with_what_is_in_lines() {
    let disk = FakeDisk::of(vec![9; 1 << 20]);
    let (cache, _) = cache(&disk, 64);
    cache.write(4096, &[1; 10]).unwrap();
    let mut bytes = [0; 512];
    cache.read_direct(4096, &mut bytes).unwrap();
    assert_eq!((bytes[9], bytes[10]), (1, 9));
    cache.write_direct(4096 + 512, &[2; 512], false).unwrap();
    let mut bytes = [0; 1100];
    cache.read(4096, &mut bytes).unwrap();
    assert_eq!((bytes[9], bytes[511], bytes[512], bytes[1023], bytes[1024]), (1, 9, 2, 2, 9));
    cache.sync().unwrap();
    assert_eq!(disk.stable()[4096..][..1100], bytes);
    let refused = BlockError::Unaligned { offset: 100, len: 512, unit: 512 };
    assert_eq!(cache.write_direct(100, &[0; 512], false), Err(refused));
    cache.write_direct(0, &[3; 512], true).unwrap();
    assert_eq!(disk.stable()[0], 3);
    cache.write(8192, &[4; 4096]).unwrap();
    cache.discard(8192, 4096).unwrap();
    cache.sync().unwrap();
    assert_eq!(disk.stable()[8192], 0, "what was written to it before is not kept");
}

#[test]
fn a_read_that_was_under_way_does_not_bring_back_what_was_before() {
    // The device answers a read late: meanwhile the line is written, goes to the disk and is given back.
    struct Late(Arc<FakeDisk>, std::sync::OnceLock<Box<dyn Fn() + Send + Sync>>);
    impl BlockRead for Late {
        fn read(&self, offset: u64, buf: &mut [u8]) -> Result<(), BlockError> {
            self.0.read(offset, buf)?;
            if let Some(meanwhile) = self.1.get() {
                meanwhile();
            }
            Ok(())
        }
        fn size_bytes(&self) -> u64 {
            self.0.size_bytes()
        }
    }
    impl crate::BlockWrite for Late {
        fn write(&self, offset: u64, data: &[u8]) -> Result<(), BlockError> {
            self.0.write(offset, data)
        }
        fn flush(&self) -> Result<(), BlockError> {
            self.0.flush()
        }
    }
    let late = Arc::new(Late(FakeDisk::new(1 << 20), std::sync::OnceLock::new()));
    let cache = Arc::new(crate::Cache::new(late.clone(), 1 << 20));
    let theirs = Arc::downgrade(&cache);
    let meanwhile = move || {
        let cache = theirs.upgrade().unwrap();
        if cache.stats().device_writes == 0 {
            cache.write(0, &[1; 4096]).unwrap();
            cache.sync().unwrap();
            // Others take its place.
            (1..100).for_each(|line| cache.read(line * 8192, &mut [0; 10]).unwrap());
            cache.shrink(usize::MAX);
        }
    };
    assert!(late.1.set(Box::new(meanwhile)).is_ok());
    cache.read(0, &mut [0; 10]).unwrap();
    let mut bytes = [0; 10];
    cache.read(0, &mut bytes).unwrap();
    assert_eq!(bytes, [1; 10]);
}

#[test]
fn a_disk_that_grows_or_shrinks_is_used_as_it_is() {
    let disk = FakeDisk::new(10_240);
    let (cache, _) = cache(&disk, 16);
    cache.write(9000, &[1; 1240]).unwrap();
    assert!(cache.write(10_000, &[1; 1000]).is_err());
    disk.resize(20_480);
    assert_eq!(cache.refresh_size(), Ok(20_480));
    cache.write(10_000, &[2; 8000]).unwrap();
    cache.sync().unwrap();
    let stable = disk.stable();
    assert_eq!((stable[9999], stable[10_000], stable[17_999], stable[18_000]), (1, 2, 2, 0));
    cache.write(0, &[3; 20_480]).unwrap();
    let heard = cache.watermark();
    disk.resize(10_240);
    assert_eq!(cache.refresh_size(), Ok(10_240));
    cache.sync().unwrap();
    assert_eq!(disk.stable(), [3; 10_240]);
    assert!(matches!(cache.error_since(&heard), Err(BlockError::Shrunk { size: 10_240, .. })));
    assert!(cache.read(10_000, &mut [0; 1000]).is_err());
}

#[test]
fn a_read_only_disk_refuses_writes() {
    let disk = FakeDisk::new(8192);
    disk.is_read_only.store(true, Ordering::Relaxed);
    let (cache, _) = cache(&disk, 16);
    assert_eq!(cache.write(0, &[1]), Err(BlockError::ReadOnly));
    assert_eq!(cache.write_direct(0, &[1; 512], false), Err(BlockError::ReadOnly));
    assert_eq!(cache.discard(0, 512), Err(BlockError::ReadOnly));
    assert_eq!(cache.sync(), Ok(()));
    assert_eq!(disk.asked(), []);
}
