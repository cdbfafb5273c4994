//! Rates: reads and writes of 4 and 128 KiB, in sequence and at random, alone and 32 at once; flushes.
//!
//! What is written follows from where it is written, so all of it can be verified at the end.

use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use minios_std::block::{self, Disk, Request, SubmitError};
use minios_std::time::Instant;
use minios_std::{println, stats};

/// Bytes that each row moves at most, and requests.
const MOST_BYTES: u64 = 32 << 20;
const MOST_REQUESTS: u64 = 2_048;
const FLUSHES: u64 = 64;

#[derive(Clone, Copy)]
struct Row {
    writes: bool,
    random: bool,
    size: usize,
    depth: usize,
}

/// Runs all rows over the first `len` bytes of a disk.
pub fn run(name: &str, len: u64) -> Result<(), String> {
    let disk = block::open(name).map_err(|error| error.to_string())?;
    println!("blktest: {:?}", disk.transport());
    crate::write(&disk, len)?;
    for writes in [false, true] {
        for random in [false, true] {
            for size in [4 << 10, 128 << 10] {
                for depth in [1, 2, 32] {
                    row(&disk, len, Row { writes, random, size, depth })?;
                }
            }
        }
    }
    let (start, before) = (Instant::now(), stats::now());
    for number in 0..FLUSHES {
        let mut data = vec![0; 4096];
        crate::pattern(number * 4096, &mut data);
        disk.write_durable_at(number * 4096, &data).map_err(|error| error.to_string())?;
    }
    report("durable write 4096 x1", FLUSHES, 4096, start, &before);
    crate::verify(&disk, len)
}

fn row(disk: &Disk, len: u64, row: Row) -> Result<(), String> {
    let Row { writes, random, size, depth } = row;
    let places = len / size as u64;
    let count = (MOST_BYTES / size as u64).min(MOST_REQUESTS).min(places);
    let mut noise = crate::FACTOR;
    let mut buffers: Vec<Vec<u8>> = vec![vec![0; size]; depth];
    let (start, before) = (Instant::now(), stats::now());
    let (mut sent, mut ended) = (0, 0);
    while ended < count {
        while sent < count
            && let Some(mut data) = buffers.pop()
        {
            noise ^= noise << 13;
            noise ^= noise >> 7;
            noise ^= noise << 17;
            let offset = size as u64 * if random { noise % places } else { sent };
            let request = if writes {
                crate::pattern(offset, &mut data);
                Request::Write { offset, data }
            } else {
                Request::ReadInto { offset, data }
            };
            match disk.submit(request) {
                Ok(_) => sent += 1,
                Err(SubmitError::Refused(error)) => return Err(error.to_string()),
                Err(SubmitError::Full(Request::Write { data, .. } | Request::ReadInto { data, .. })) => {
                    buffers.push(data);
                    break;
                }
                Err(error) => return Err(alloc::format!("{error:?}")),
            }
        }
        // All that have ended, so that the next go out together.
        let mut next = disk.wait_any(None);
        while let Some(done) = next {
            done.result.map_err(|error| error.to_string())?;
            buffers.push(done.data);
            ended += 1;
            next = disk.poll();
        }
    }
    let words = [["read", "write"][usize::from(writes)], ["in sequence", "at random"][usize::from(random)]];
    report(&alloc::format!("{} {} {size} x{depth}", words[0], words[1]), count, size, start, &before);
    Ok(())
}

fn report(what: &str, count: u64, size: usize, start: Instant, before: &stats::Stats) {
    let micros = start.elapsed().as_micros().max(1) as u64;
    let now = stats::now();
    let per = |now: u64, before: u64| (now - before) * 100 / count;
    let [cpu, calls, events] = [
        per(now.cpu_ns / 1000, before.cpu_ns / 1000),
        per(now.hypercalls, before.hypercalls),
        per(now.events, before.events),
    ];
    println!(
        "blktest: speed {what}: {} requests/s, {} KiB/s; each {}.{:02} us of cpu, {}.{:02} hypercalls, {}.{:02} events",
        count * 1_000_000 / micros,
        count * size as u64 * 1_000_000 / 1024 / micros,
        cpu / 100,
        cpu % 100,
        calls / 100,
        calls % 100,
        events / 100,
        events % 100,
    );
}
