//! Random use of a cache, with cuts of the power at any moment: what was acknowledged is there, and barriers hold.
//!
//! The disk is an array of cells, each of which holds the number of the write that it got last. So a disk that was cut says
//! of each cell which write it has.

use std::sync::{Arc, Mutex};

use super::Noise;
use super::fake_disk::{FakeDisk, cache};
use crate::{BlockRead, DiskCache};

const CELL: usize = 8;
const LINES: usize = 40;
/// Not of whole lines.
const LEN: usize = LINES * 4096 + 1536;

#[derive(Clone, Default)]
struct Cell {
    /// The writes it got, and how many barriers stood before each.
    writes: Vec<(u64, u64)>,
    /// The last one that must not be lost.
    safe: u64,
    /// It was discarded, and holds anything.
    is_unknown: bool,
}

struct Model {
    cells: Vec<Cell>,
    written: u64,
    barriers: u64,
    noise: Noise,
    cuts: u64,
}

impl Model {
    /// Notes a write, and gives its bytes.
    fn write(&mut self, first: usize, count: usize) -> Vec<u8> {
        self.written += 1;
        for cell in &mut self.cells[first..first + count] {
            cell.writes.push((self.written, self.barriers));
            cell.is_unknown = false;
        }
        self.written.to_le_bytes().repeat(count)
    }

    fn last(&self) -> Vec<u64> {
        self.cells.iter().map(|cell| cell.writes.last().map_or(0, |write| write.0)).collect()
    }

    /// All that was written until then is safe.
    fn acknowledge(&mut self, last: &[u64]) {
        for (cell, last) in self.cells.iter_mut().zip(last) {
            cell.safe = cell.safe.max(*last);
        }
    }

    fn discard(&mut self, first: usize, count: usize) {
        for cell in &mut self.cells[first..first + count] {
            *cell = Cell { is_unknown: true, ..Cell::default() };
        }
    }

    fn check_read(&self, first: usize, bytes: &[u8]) {
        for (index, bytes) in bytes.chunks(CELL).enumerate() {
            let (cell, found) = (&self.cells[first + index], number(bytes));
            let expected = cell.writes.last().map_or(0, |write| write.0);
            assert!(cell.is_unknown || found == expected, "cell {}: {found}, not {expected}", first + index);
        }
    }

    fn check_cut(&mut self, image: &[u8]) {
        self.cuts += 1;
        let found: Vec<u64> = image.chunks(CELL).map(number).collect();
        let place =
            |cell: &Cell, write: u64| cell.writes.iter().find(|known| known.0 == write).map(|known| known.1);
        // The furthest barrier that anything of behind it is there.
        let mut reached = 0;
        for (index, (cell, write)) in self.cells.iter().zip(&found).enumerate() {
            if cell.is_unknown || *write == 0 {
                continue;
            }
            match place(cell, *write) {
                Some(barriers) => reached = reached.max(barriers),
                // What was there before a discard.
                None if cell.writes.first().is_some_and(|first| first.0 > *write) => {}
                None => panic!("cell {index} holds {write}, which was never written there"),
            }
        }
        for (index, (cell, write)) in self.cells.iter().zip(&found).enumerate() {
            if cell.is_unknown {
                continue;
            }
            assert!(*write >= cell.safe, "cell {index} holds {write}, and {} was safe", cell.safe);
            let needed = cell.writes.iter().rev().find(|known| known.1 < reached).map_or(0, |known| known.0);
            assert!(
                *write >= needed,
                "cell {index} holds {write}, and {needed} stood in front of barrier {reached}, behind which something is there"
            );
        }
    }
}

fn number(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().unwrap())
}

/// Cuts at some of the moments at which the disk is asked something, and in between.
fn cutting(disk: &Arc<FakeDisk>, model: &Arc<Mutex<Model>>) {
    let (weak, model) = (Arc::downgrade(disk), model.clone());
    let hook = move |_: &super::fake_disk::Asked| {
        let (Some(disk), mut model) = (weak.upgrade(), model.lock().unwrap()) else { return };
        if model.noise.below(4) == 0 {
            cut(&disk, &mut model);
        }
    };
    assert!(disk.hook.set(Box::new(hook)).is_ok());
}

fn cut(disk: &FakeDisk, model: &mut Model) {
    let image = disk.inner.lock().unwrap().cut(&mut model.noise);
    model.check_cut(&image);
}

fn range(noise: &mut Noise, unit: usize, longest: usize) -> (usize, usize) {
    let first = noise.below(LEN / unit);
    let count = 1 + noise.below(longest.min(LEN / unit - first));
    (first * unit, count * unit)
}

fn step(cache: &DiskCache, model: &Mutex<Model>, noise: &mut Noise) {
    match noise.below(20) {
        0..8 => {
            let longest = if noise.below(3) == 0 { 3000 } else { 20 };
            let (at, len) = range(noise, CELL, longest);
            let bytes = model.lock().unwrap().write(at / CELL, len / CELL);
            cache.write(at as u64, &bytes).unwrap();
        }
        8..12 => {
            let (at, len) = range(noise, CELL, 4000);
            let mut bytes = vec![0; len];
            match noise.below(3) {
                0 => cache.read_direct(at as u64, &mut bytes).unwrap(),
                _ => cache.read(at as u64, &mut bytes).unwrap(),
            }
            model.lock().unwrap().check_read(at / CELL, &bytes);
        }
        12 | 13 => {
            let last = model.lock().unwrap().last();
            cache.sync().unwrap();
            model.lock().unwrap().acknowledge(&last);
        }
        14 => {
            let (at, len) = range(noise, CELL, 1000);
            let last = model.lock().unwrap().last();
            cache.sync_range(at as u64, len as u64).unwrap();
            let mut model = model.lock().unwrap();
            for (cell, last) in model.cells.iter_mut().zip(&last).skip(at / CELL).take(len / CELL) {
                cell.safe = cell.safe.max(*last);
            }
        }
        15 => {
            cache.barrier();
            model.lock().unwrap().barriers += 1;
        }
        16 => {
            let (at, len) = range(noise, 512, 30);
            let bytes = model.lock().unwrap().write(at / CELL, len / CELL);
            let is_durable = noise.below(3) == 0;
            cache.write_direct(at as u64, &bytes, is_durable).unwrap();
            if is_durable {
                let mut model = model.lock().unwrap();
                let written = model.written;
                model.cells[at / CELL..(at + len) / CELL].iter_mut().for_each(|cell| cell.safe = written);
            }
        }
        17 => {
            let (at, len) = range(noise, 512, 30);
            model.lock().unwrap().discard(at / CELL, len / CELL);
            cache.discard(at as u64, len as u64).unwrap();
        }
        18 => drop(cache.shrink(noise.below(64 << 10))),
        _ if noise.below(2) == 0 => drop(cache.tend()),
        _ => cache.write_out().unwrap(),
    }
}

fn run(seed: u64, lines: usize, steps: usize) -> u64 {
    let disk = FakeDisk::new(LEN);
    let model = Model {
        cells: vec![Cell::default(); LEN / CELL],
        written: 0,
        barriers: 0,
        noise: Noise(seed),
        cuts: 0,
    };
    let model = Arc::new(Mutex::new(model));
    cutting(&disk, &model);
    let (cache, _) = cache(&disk, lines);
    let mut noise = Noise(seed * 77 + 1);
    for _ in 0..steps {
        step(&cache, &model, &mut noise);
        cut(&disk, &mut model.lock().unwrap());
        let usage = cache.usage();
        assert!(usage.held <= lines * 4096 && usage.dirty <= lines * 4096 / 2 + 4096, "{usage:?}");
    }
    cache.sync().unwrap();
    let mut all = vec![0; LEN];
    disk.read(0, &mut all).unwrap();
    let mut model = model.lock().unwrap();
    model.check_read(0, &all);
    model.check_cut(&disk.stable());
    model.cuts
}

#[test]
fn after_a_cut_at_any_moment_what_was_acknowledged_is_there_and_nothing_of_behind_a_barrier_without_what_is_in_front()
 {
    let mut cuts = 0;
    for seed in 1..=3 {
        for lines in [8, 24, 64] {
            cuts += run(seed, lines, 150);
        }
    }
    assert!(cuts > 1500, "{cuts}");
}
