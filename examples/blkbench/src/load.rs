//! The loads: so many requests at once, each answer followed by the next request.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use minios_std::block::{Disk, Request, SubmitError, Token};
use minios_std::time::Instant;

const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
/// Latencies that are kept; later ones take the place of the first.
const LATENCIES: usize = 1 << 16;
const FLUSHED: usize = 4096;
const MOST_DEPTH: usize = 256;
const LARGEST: usize = 1 << 20;

#[derive(Clone, Copy)]
pub enum Order {
    Sequential,
    Random,
}

#[derive(Clone, Copy)]
pub enum Direction {
    Read,
    Write,
}

/// What a load came to.
pub struct Outcome {
    requests: usize,
    elapsed: Duration,
    latencies: Latencies,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sorted = self.latencies.0.clone();
        sorted.sort_unstable();
        let at = |hundredths: usize| sorted.get(sorted.len() * hundredths / 100).copied().unwrap_or(0);
        write!(f, "{} {} {} {}", self.requests, self.elapsed.as_micros(), at(50), at(99))
    }
}

/// In microseconds.
struct Latencies(Vec<u32>);

impl Latencies {
    fn push(&mut self, number: usize, latency: Duration) {
        let micros = latency.as_micros() as u32;
        if self.0.len() < LATENCIES {
            self.0.push(micros);
        } else if let Some(slot) = self.0.get_mut(number % LATENCIES) {
            *slot = micros;
        }
    }
}

/// Which block is next.
struct Blocks {
    order: Order,
    blocks: u64,
    next: u64,
    state: u64,
}

impl Blocks {
    fn new(order: Order, blocks: u64) -> Self {
        Self { order, blocks: blocks.max(1), next: 0, state: FACTOR }
    }

    fn take(&mut self) -> u64 {
        if let Order::Sequential = self.order {
            self.next = (self.next + 1) % self.blocks;
            return self.next;
        }
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state % self.blocks
    }
}

struct Flight {
    token: Token,
    offset: u64,
    since: Instant,
}

/// Keeps requests in flight until `next` has no more; `done` gets each that has ended. The number of requests.
fn drive(
    disk: &Disk,
    depth: usize,
    mut next: impl FnMut(Vec<u8>) -> Option<(u64, Request)>,
    mut done: impl FnMut(&Flight, &[u8]) -> Result<(), String>,
    length: usize,
) -> Result<usize, String> {
    let mut flights: Vec<Flight> = Vec::new();
    let (mut free, mut finished, mut ended) = (vec![vec![0; length]; depth], 0, false);
    loop {
        while !ended && let Some(buffer) = free.pop() {
            match next(buffer) {
                None => ended = true,
                Some((offset, request)) => match disk.submit(request) {
                    Ok(token) => flights.push(Flight { token, offset, since: Instant::now() }),
                    Err(SubmitError::Refused(error)) => return Err(error.to_string()),
                    Err(SubmitError::Full(_)) => return Err(format!("no room for {depth} requests at once")),
                },
            }
        }
        let Some(answer) = disk.wait_any(None) else { return Ok(finished) };
        answer.result.map_err(|error| error.to_string())?;
        if let Some(at) = flights.iter().position(|flight| flight.token == answer.token) {
            let flight = flights.swap_remove(at);
            finished += 1;
            done(&flight, &answer.data)?;
            free.push(answer.data);
        }
    }
}

fn blocks_of(disk: &Disk, bytes: usize, depth: usize) -> Result<u64, String> {
    if !bytes.is_multiple_of(512) || bytes > LARGEST || depth > MOST_DEPTH {
        return Err(format!("no load of {depth} requests of {bytes} bytes"));
    }
    Ok(disk.disk().size_bytes / bytes as u64)
}

/// Requests of so many bytes for so long.
pub fn run(
    disk: &Disk,
    order: Order,
    direction: Direction,
    bytes: usize,
    depth: usize,
    milliseconds: usize,
) -> Result<Outcome, String> {
    let mut blocks = Blocks::new(order, blocks_of(disk, bytes, depth)?);
    let (start, limit) = (Instant::now(), Duration::from_millis(milliseconds as u64));
    let (mut latencies, mut number) = (Latencies(Vec::new()), 0);
    let next = |data: Vec<u8>| {
        let offset = blocks.take() * bytes as u64;
        (start.elapsed() < limit).then_some(match direction {
            Direction::Read => (offset, Request::ReadInto { offset, data }),
            Direction::Write => (offset, Request::Write { offset, data }),
        })
    };
    let done = |flight: &Flight, _: &[u8]| {
        latencies.push(number, flight.since.elapsed());
        number += 1;
        Ok(())
    };
    let requests = drive(disk, depth, next, done, bytes)?;
    Ok(Outcome { requests, elapsed: start.elapsed(), latencies })
}

/// Writes and flushes in turns; the flushes alone are timed.
pub fn flushes(disk: &Disk, count: usize) -> Result<Outcome, String> {
    let blocks = blocks_of(disk, FLUSHED, 1)?.max(1);
    let (mut latencies, mut elapsed, data) = (Latencies(Vec::new()), Duration::ZERO, [1; FLUSHED]);
    for number in 0..count {
        disk.write_at(number as u64 % blocks * FLUSHED as u64, &data).map_err(|error| error.to_string())?;
        let start = Instant::now();
        disk.flush().map_err(|error| error.to_string())?;
        latencies.push(number, start.elapsed());
        elapsed += start.elapsed();
    }
    Ok(Outcome { requests: count, elapsed, latencies })
}

/// What each 8 bytes of the disk shall be: they follow from where they are.
fn pattern(offset: u64, data: &mut [u8]) {
    for (number, word) in data.chunks_exact_mut(8).enumerate() {
        word.copy_from_slice(
            &(offset + number as u64 * 8).wrapping_mul(FACTOR).wrapping_add(1).to_le_bytes(),
        );
    }
}

/// Writes all blocks in one order, reads them in another and compares; the bytes that are right, which are all.
pub fn verify(disk: &Disk, bytes: usize, depth: usize) -> Result<u64, String> {
    let blocks = blocks_of(disk, bytes, depth)?;
    // A step that has no divisor in common with the number of blocks comes to each once.
    let step = (blocks / 3..).find(|step| common_divisor(*step, blocks) == 1).unwrap_or(1);
    let mut numbers = 0..blocks;
    let write = |mut data: Vec<u8>| {
        let offset = numbers.next()? * step % blocks * bytes as u64;
        pattern(offset, &mut data);
        Some((offset, Request::Write { offset, data }))
    };
    drive(disk, depth, write, |_, _| Ok(()), bytes)?;
    disk.flush().map_err(|error| error.to_string())?;
    let (mut numbers, mut expected, mut right) = (0..blocks, vec![0; bytes], 0);
    let read = |mut data: Vec<u8>| {
        let offset = (blocks - 1 - numbers.next()? * step % blocks) * bytes as u64;
        data.fill(0);
        Some((offset, Request::ReadInto { offset, data }))
    };
    let compare = |flight: &Flight, data: &[u8]| {
        pattern(flight.offset, &mut expected);
        if data != expected {
            return Err(format!("the {bytes} bytes at {} are not what was written", flight.offset));
        }
        right += bytes as u64;
        Ok(())
    };
    drive(disk, depth, read, compare, bytes)?;
    Ok(right)
}

fn common_divisor(one: u64, other: u64) -> u64 {
    if other == 0 { one } else { common_divisor(other, one % other) }
}
