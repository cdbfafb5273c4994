use super::*;
use crate::FlushKind;
use xen::xenbus::State;

#[test]
fn what_is_written_is_read_back_and_durable_after_a_flush() {
    let bench = Bench::new(1 << 20, 512);
    let front = bench.connect();
    assert_eq!(bench.device.front_state(), State::Connected);
    let disk = front.disk();
    assert_eq!((disk.name.as_str(), disk.size_bytes, disk.sector_size), ("xvda", 1 << 20, 512));
    assert_eq!(disk.flush, FlushKind::DiskCache);
    let data = pattern(8192, 1);
    front.write_at(512, &data).expect("it is writable");
    let mut back = vec![0; 8192];
    front.read_at(512, &mut back).expect("it is readable");
    assert_eq!(back, data);
    assert!(!bench.is_durable());
    front.flush().expect("it can flush");
    assert_eq!(&bench.disk.get().durable[512..512 + 8192], data);
    let stats = front.stats();
    assert_eq!((stats.requests, stats.responses, stats.bytes_written, stats.bytes_read), (3, 3, 8192, 8192));
    bench.finish(front);
}

#[test]
#[cfg_attr(miri, ignore = "moves too many bytes for an interpreter")]
fn every_offset_and_length_around_the_boundaries_is_read_whole() {
    for sector_size in [512, 4096] {
        let bench = Bench::new(320 * 1024, sector_size);
        bench.disk.get().content = pattern(320 * 1024, 7);
        let content = bench.disk.get().content.clone();
        let front = bench.connect();
        let near = |middle: usize| [middle.saturating_sub(1), middle, middle + 1];
        let edges = [0, 512, 4096, 11 * 4096, 22 * 4096, 128 * 1024];
        for offset in edges.into_iter().flat_map(near) {
            for len in edges.into_iter().flat_map(near) {
                let mut buf = vec![0xee; len];
                front.read_at(offset as u64, &mut buf).expect("within the disk");
                assert!(
                    buf == content[offset..offset + len],
                    "{len} bytes at {offset}, sectors of {sector_size}"
                );
            }
        }
        bench.finish(front);
    }
}

#[test]
fn random_reads_and_writes_agree_with_a_model() {
    let kinds = [(512, 3), (4096, 4), (512, 5), (2048, 6)];
    for (sector_size, seed) in kinds.into_iter().take(if cfg!(miri) { 1 } else { 4 }) {
        let (size, longest) = if cfg!(miri) { (64 * 1024, 6_000) } else { (512 * 1024, 200_000) };
        let bench = Bench::new(size, sector_size);
        bench.disk.get().knobs.shuffle = Some(seed);
        let front = bench.connect_with(Config { pool_pages: 5 + 7 * seed as usize, ..config() });
        let mut model = vec![0; size];
        let mut random = Random(seed);
        for round in 0..if cfg!(miri) { 5 } else { 400 } {
            if random.below(2) == 0 {
                let sectors = (size / sector_size) as u64;
                let first = random.below(sectors);
                let count = random.below((sectors - first).min((longest / sector_size).max(1) as u64)) + 1;
                let (offset, len) = (first as usize * sector_size, count as usize * sector_size);
                let data = pattern(len, round as u8);
                model[offset..offset + len].copy_from_slice(&data);
                front.write_at(offset as u64, &data).expect("whole sectors");
            } else {
                let offset = random.below(size as u64) as usize;
                let len = random.below((size - offset).min(longest) as u64) as usize + 1;
                let mut buf = vec![0; len];
                front.read_at(offset as u64, &mut buf).expect("within the disk");
                assert!(buf == model[offset..offset + len], "{len} bytes at {offset}");
            }
        }
        assert!(bench.disk.get().content == model);
        bench.finish(front);
    }
}
