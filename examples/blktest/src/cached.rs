//! Writes the pattern through the page cache, in pieces that are no sectors, from two threads, and verifies it both ways. The last MiB
//! is left to the end of the guest. With `connections=N` it stops in the middle, with something dirty, until the disk has been connected
//! so many times.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use core::time::Duration;

use minios_std::block::{self, File};
use minios_std::time::Instant;
use minios_std::{println, thread};

/// Bytes of a piece, a multiple of a word of the pattern.
const PIECE: usize = 10_008;
/// Pieces between one thread's calls of sync.
const SYNCED: u64 = 200;

/// Writes the first `len` bytes of a disk.
pub fn run(name: &str, len: u64, option: Option<&str>) -> Result<(), String> {
    let connections =
        option.and_then(|option| option.strip_prefix("connections=")?.parse().ok()).unwrap_or(1);
    let start = Instant::now();
    let kept = len.saturating_sub(1 << 20);
    let theirs = name.to_string();
    let other =
        thread::spawn(move || pieces(&theirs, kept, 1, connections)).map_err(|error| error.to_string())?;
    pieces(name, kept, 0, connections)?;
    other.join()?;
    let file = File::open(name).map_err(|error| error.to_string())?;
    file.sync().map_err(|error| error.to_string())?;
    crate::report("written through the cache and synced", kept, start);
    // Past the cache: what is on the disk.
    let disk = block::open(name).map_err(|error| error.to_string())?;
    crate::verify(&disk, kept)?;
    let mut chunk = vec![0; crate::CHUNK];
    for offset in (kept..len).step_by(crate::CHUNK) {
        crate::pattern(offset, &mut chunk);
        file.write_at(offset, &chunk).map_err(|error| error.to_string())?;
    }
    let cache = block::cached(name).map_err(|error| error.to_string())?;
    println!("blktest: {:?}", cache.stats());
    println!("blktest: {:?}", cache.usage());
    Ok(())
}

/// Every second piece, and looks at one that was written before.
fn pieces(name: &str, len: u64, first: u64, connections: u64) -> Result<(), String> {
    let disk = block::open(name).map_err(|error| error.to_string())?;
    let file = File::open(name).map_err(|error| error.to_string())?;
    let (mut piece, mut found) = (vec![0; PIECE], vec![0; PIECE]);
    let place = |number: u64| number * PIECE as u64;
    let size = |number: u64| PIECE.min(len.saturating_sub(place(number)) as usize);
    for number in (first..len.div_ceil(PIECE as u64)).step_by(2) {
        crate::pattern(place(number), &mut piece);
        file.write_at(place(number), &piece[..size(number)]).map_err(|error| error.to_string())?;
        let before = number.wrapping_mul(crate::FACTOR) % (number / 2 + 1) * 2 + first;
        if before < number {
            file.read_at(place(before), &mut found).map_err(|error| error.to_string())?;
            crate::pattern(place(before), &mut piece);
            if found != piece {
                return Err(format!("piece {before} is not as it was written"));
            }
        }
        if number / 2 == len / PIECE as u64 / 4 {
            println!("blktest: thread {first} has written half of its pieces");
            while disk.stats().connections < connections {
                thread::sleep(Duration::from_millis(10));
            }
        }
        match number % SYNCED {
            0 | 1 => file.sync().map_err(|error| error.to_string())?,
            100 | 101 => file.barrier(),
            _ => {}
        }
    }
    Ok(())
}
