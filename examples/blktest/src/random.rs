//! Random bursts of writes, durable writes, discards and reads, verified against what the random numbers say.
//!
//! What a sector holds follows from its number and from how many times it was written; only that is kept in memory. So a
//! second run that only counts (`replay`) can verify what the first one wrote.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use minios_std::block::{self, Discard, Disk, Request, SubmitError, Token};
use minios_std::println;

use crate::FACTOR;

const SECTOR: usize = 512;
/// Requests of a burst; each has a part of the disk to itself, for their order is the back end's.
const BURST: usize = 24;
const LARGEST: usize = 256 * 1024;
const CHUNK: usize = 128 * 1024;
/// The version of a sector that was discarded: it may hold anything.
const UNKNOWN: u32 = u32::MAX;

struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }
}

/// How many times each sector was written.
struct Model {
    versions: Vec<u32>,
    stamp: u32,
}

impl Model {
    fn fill(&self, first: usize, data: &mut [u8]) {
        for (number, sector) in (first..).zip(data.chunks_mut(SECTOR)) {
            let version = u64::from(self.versions[number]);
            if version == 0 {
                sector.fill(0);
                continue;
            }
            for (at, word) in sector.chunks_exact_mut(8).enumerate() {
                let value = ((number * 64 + at) as u64 ^ version << 40).wrapping_mul(FACTOR) + 1;
                word.copy_from_slice(&value.to_le_bytes());
            }
        }
    }

    fn written(&mut self, first: usize, sectors: usize) -> Vec<u8> {
        self.stamp += 1;
        self.versions[first..first + sectors].fill(self.stamp);
        let mut data = vec![0; sectors * SECTOR];
        self.fill(first, &mut data);
        data
    }

    fn check(&self, first: usize, data: &[u8]) -> Result<(), String> {
        let mut expected = [0; SECTOR];
        for (number, sector) in (first..).zip(data.chunks(SECTOR)) {
            if self.versions[number] == UNKNOWN {
                continue;
            }
            self.fill(number, &mut expected);
            if sector != expected {
                return Err(format!(
                    "sector {number} is not as it was written, version {}",
                    self.versions[number]
                ));
            }
        }
        Ok(())
    }
}

/// Arguments after `random`: rounds, then `replay`, `queues=N`, `order=N`, and `connections=N` for more rounds until the disk has been
/// connected so often.
pub fn run<'a>(name: &str, len: u64, mut arguments: impl Iterator<Item = &'a str>) -> Result<(), String> {
    let rounds =
        arguments.next().and_then(|word| word.parse().ok()).ok_or("random takes a number of rounds")?;
    let mut config = block::config();
    let mut replay = false;
    let mut connections = 0;
    for word in arguments {
        match word.split_once('=') {
            None if word == "replay" => replay = true,
            Some(("queues", number)) => config.queues = number.parse().map_err(|_| format!("{word}?"))?,
            Some(("order", number)) => config.ring_order = number.parse().map_err(|_| format!("{word}?"))?,
            Some(("connections", number)) => {
                connections = number.parse().map_err(|_| format!("{word}?"))?;
            }
            _ => return Err(format!("random has no argument {word}")),
        }
    }
    let disk = block::open_with(name, config).map_err(|error| error.to_string())?;
    println!("blktest: {:?}", disk.disk());
    println!("blktest: {:?}", disk.transport());
    let mut model = Model { versions: vec![0; len as usize / SECTOR], stamp: 0 };
    let mut random = Random(FACTOR);
    let mut round = 0;
    while round < rounds || disk.stats().connections < connections {
        let burst = burst(&mut random, &mut model, round);
        if !replay {
            play(&disk, &model, burst, round)?;
        }
        if round % 16 == 15 {
            println!("blktest: round {round}");
        }
        round += 1;
    }
    disk.flush().map_err(|error| error.to_string())?;
    let mut chunk = vec![0; CHUNK];
    for offset in (0..len).step_by(CHUNK) {
        let part = CHUNK.min((len - offset) as usize);
        disk.read_at(offset, &mut chunk[..part]).map_err(|error| error.to_string())?;
        model.check(offset as usize / SECTOR, &chunk[..part])?;
    }
    let verified = model.versions.iter().filter(|version| **version != UNKNOWN).count();
    println!("blktest: {round} random rounds, {verified} sectors verified at the end");
    Ok(())
}

/// The requests of a round.
fn burst(random: &mut Random, model: &mut Model, round: usize) -> Vec<Request> {
    let zone = model.versions.len() / BURST / 8 * 8;
    let in_a_row = random.below(3) == 0;
    let start = random.below(zone * BURST - BURST * 8) / 8 * 8;
    let mut requests = Vec::new();
    for number in 0..BURST {
        let (kind, size) = (random.below(9), random.below(LARGEST / SECTOR / 8).min(zone / 8 - 1) * 8 + 8);
        let place = number * zone + random.below((zone - size) / 8 + 1) * 8;
        // In a row: small, and each begins where the one before ends.
        let (first, sectors) = if in_a_row { (start + number * 8, 8) } else { (place, size) };
        let offset = (first * SECTOR) as u64;
        requests.push(match kind {
            0..4 => Request::Write { offset, data: model.written(first, sectors) },
            4 => Request::WriteDurable { offset, data: model.written(first, sectors) },
            5 if round % 4 == 3 => {
                model.versions[first..first + sectors].fill(UNKNOWN);
                Request::Discard { offset, len: (sectors * SECTOR) as u64, kind: Discard::Hint }
            }
            _ => Request::Read { offset, len: sectors * SECTOR },
        });
    }
    requests
}

fn play(disk: &Disk, model: &Model, burst: Vec<Request>, round: usize) -> Result<(), String> {
    let can_discard = disk.disk().discard.is_some();
    let mut reads: Vec<(Token, u64)> = Vec::new();
    let plug = round.is_multiple_of(2).then(|| disk.plug());
    for mut request in burst {
        if matches!(request, Request::Discard { .. }) && !can_discard {
            continue;
        }
        let read_at = if let Request::Read { offset, .. } = request { Some(offset) } else { None };
        let token = loop {
            match disk.submit(request) {
                Ok(token) => break token,
                Err(SubmitError::Refused(error)) => return Err(error.to_string()),
                Err(SubmitError::Full(back)) => request = back,
            }
            collect(disk, model, &mut reads)?;
        };
        reads.extend(read_at.map(|offset| (token, offset)));
    }
    drop(plug);
    while collect(disk, model, &mut reads)? {}
    Ok(())
}

/// Takes one answer.
fn collect(disk: &Disk, model: &Model, reads: &mut Vec<(Token, u64)>) -> Result<bool, String> {
    let Some(done) = disk.wait_any(None) else { return Ok(false) };
    done.result.map_err(|error| error.to_string())?;
    if let Some(at) = reads.iter().position(|(token, _)| *token == done.token) {
        let (_, offset) = reads.swap_remove(at);
        model.check(offset as usize / SECTOR, &done.data)?;
    }
    Ok(true)
}
