//! Writes a disk, flushes, reads it back and verifies it. Arguments: disk (xvda), MiB (64), `verify` to only read, or
//! `random` for random bursts ([`random::run`]), `speed` for rates ([`speed::run`]), `cached` to go through the page cache
//! ([`cached::run`]), or `grow` and MiB to wait for a disk that grows.
//!
//! Each 64-bit word holds its own byte offset times a constant, plus a seed: `testbed` computes the same in dom0.
#![no_std]
#![no_main]

extern crate alloc;

mod cached;
mod random;
mod speed;

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;

use minios_std::block::{self, Disk};
use minios_std::time::Instant;
use minios_std::{env, println, stats};

minios_std::main!(main);

const CHUNK: usize = 256 * 1024;
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

fn main() -> Result<(), String> {
    let mut arguments = env::args().iter().map(String::as_str);
    let name = arguments.next().unwrap_or("xvda");
    let mib = arguments.next().unwrap_or("64");
    let mib: u64 = mib.parse().map_err(|_| format!("argument `{mib}` is not a number of MiB"))?;
    let mode = arguments.next();
    if mode == Some("random") {
        random::run(name, mib << 20, arguments)?;
        return end(name);
    }
    if mode == Some("cached") {
        cached::run(name, mib << 20, arguments.next())?;
        return end(name);
    }
    if mode == Some("speed") {
        speed::run(name, mib << 20)?;
        return end(name);
    }
    if mode == Some("grow") {
        return grow(name, arguments.next().and_then(|mib| mib.parse().ok()).unwrap_or(mib));
    }
    let only_verify = mode == Some("verify");

    let disk = block::open(name).map_err(|error| error.to_string())?;
    println!("blktest: {:?}", disk.disk());
    let len = mib << 20;
    if len > disk.disk().size_bytes {
        return Err(format!("{name} has {} bytes, {len} were asked for", disk.disk().size_bytes));
    }
    if !only_verify {
        write(&disk, len)?;
    }
    verify(&disk, len)?;
    end(name)
}

/// Waits until the disk has so many MiB, and writes the last of them. It is read meanwhile: Linux's back end looks at its device when
/// it has something to do.
fn grow(name: &str, mib: u64) -> Result<(), String> {
    let disk = block::open(name).map_err(|error| error.to_string())?;
    println!("blktest: {name} has {} bytes, waits for {} bytes", disk.disk().size_bytes, mib << 20);
    let mut buf = [0; 512];
    while disk.refresh().map_err(|error| error.to_string())?.size_bytes < mib << 20 {
        disk.read_at(0, &mut buf).map_err(|error| error.to_string())?;
        minios_std::thread::sleep(core::time::Duration::from_millis(50));
    }
    let last = (mib << 20) - 512;
    disk.write_durable_at(last, &[7; 512]).map_err(|error| error.to_string())?;
    disk.read_at(last, &mut buf).map_err(|error| error.to_string())?;
    if buf != [7; 512] {
        return Err("the new end is not as it was written".to_string());
    }
    end(name)
}

fn end(name: &str) -> Result<(), String> {
    let disk = block::open(name).map_err(|error| error.to_string())?;
    println!("blktest: {:?}", disk.stats());
    println!("blktest: {}", stats::now());
    println!("SUCCESS");
    Ok(())
}

fn pattern(offset: u64, chunk: &mut [u8]) {
    for (index, word) in chunk.chunks_exact_mut(8).enumerate() {
        let value = (offset + index as u64 * 8).wrapping_mul(FACTOR).wrapping_add(1);
        word.copy_from_slice(&value.to_le_bytes());
    }
}

fn write(disk: &Disk, len: u64) -> Result<(), String> {
    let start = Instant::now();
    let mut chunk = vec![0; CHUNK];
    for offset in (0..len).step_by(CHUNK) {
        let part = CHUNK.min((len - offset) as usize);
        pattern(offset, &mut chunk[..part]);
        disk.write_at(offset, &chunk[..part]).map_err(|error| error.to_string())?;
    }
    disk.flush().map_err(|error| error.to_string())?;
    report("written and flushed", len, start);
    Ok(())
}

fn verify(disk: &Disk, len: u64) -> Result<(), String> {
    let start = Instant::now();
    let (mut chunk, mut expected) = (vec![0; CHUNK], vec![0; CHUNK]);
    for offset in (0..len).step_by(CHUNK) {
        let part = CHUNK.min((len - offset) as usize);
        disk.read_at(offset, &mut chunk[..part]).map_err(|error| error.to_string())?;
        pattern(offset, &mut expected[..part]);
        if chunk[..part] != expected[..part]
            && let Some(bad) = (0..part).find(|at| chunk[*at] != expected[*at])
        {
            return Err(format!(
                "byte {} is {:#x}, not {:#x}",
                offset + bad as u64,
                chunk[bad],
                expected[bad]
            ));
        }
    }
    report("read and verified", len, start);
    Ok(())
}

fn report(what: &str, len: u64, start: Instant) {
    let micros = start.elapsed().as_micros().max(1) as u64;
    println!(
        "blktest: {} MiB {what} in {} ms, {} MiB/s",
        len >> 20,
        micros / 1000,
        (len >> 20) * 1_000_000 / micros
    );
}
