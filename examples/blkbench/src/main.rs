//! Drives a disk as it is told, and says how fast it was: `cargo xtask bench blk` puts it beside fio on Linux.
//!
//! Argument: the disk (xvda). A connection to TCP port 5000 sends one of these lines and gets one back; all that was on the disk is
//! lost:
//!
//! - `run seq|rand read|write BYTES DEPTH MILLISECONDS`: requests, microseconds, and the 50th and 99th percentile of the latency in
//!   microseconds;
//! - `flush COUNT`: the same for so many pairs of a write of 4 KiB and a flush, of which only the flush is timed;
//! - `verify BYTES DEPTH`: writes all of the disk in random order, reads it in another, and compares: how many bytes are right.
#![no_std]
#![no_main]

extern crate alloc;

mod load;

use alloc::format;
use alloc::string::{String, ToString};

use minios_std::net::{TcpListener, TcpStream};
use minios_std::{block, env, log, println};

use load::{Direction, Order};

minios_std::main!(main);

const PORT: u16 = 5000;
const LONGEST_LINE: usize = 200;

fn main() -> Result<(), String> {
    let name = env::args().first().map_or("xvda", String::as_str);
    let disk = block::open(name).map_err(|error| error.to_string())?;
    println!("blkbench: {:?}, {:?}", disk.disk(), disk.transport());
    let listener = TcpListener::bind(PORT).map_err(|error| error.to_string())?;
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                let reply = answer(&disk, &line(&stream)).unwrap_or_else(|reason| format!("error {reason}"));
                if let Err(error) = stream.write_all(format!("{reply}\n").as_bytes()) {
                    log::warn!("{error}");
                }
            }
            Err(error) => log::warn!("accept: {error}"),
        }
    }
}

/// What comes before the end of the line, the stream or what a line may be long.
fn line(stream: &TcpStream) -> String {
    let mut line = String::new();
    let mut byte = [0];
    while line.len() < LONGEST_LINE && matches!(stream.read(&mut byte), Ok(1)) && byte[0] != b'\n' {
        line.push(char::from(byte[0]));
    }
    line
}

fn answer(disk: &block::Disk, line: &str) -> Result<String, String> {
    let words: alloc::vec::Vec<&str> = line.split_whitespace().collect();
    match words[..] {
        ["run", order, direction, bytes, depth, milliseconds] => {
            let order = match order {
                "seq" => Order::Sequential,
                "rand" => Order::Random,
                _ => return Err(format!("`{order}` is neither seq nor rand")),
            };
            let direction = match direction {
                "read" => Direction::Read,
                "write" => Direction::Write,
                _ => return Err(format!("`{direction}` is neither read nor write")),
            };
            let outcome =
                load::run(disk, order, direction, number(bytes)?, number(depth)?, number(milliseconds)?)?;
            Ok(outcome.to_string())
        }
        ["flush", count] => Ok(load::flushes(disk, number(count)?)?.to_string()),
        ["verify", bytes, depth] => Ok(format!("{}", load::verify(disk, number(bytes)?, number(depth)?)?)),
        _ => Err(format!("`{line}` is none of run, flush and verify with what they need")),
    }
}

fn number(word: &str) -> Result<usize, String> {
    word.parse()
        .ok()
        .filter(|number| *number > 0)
        .ok_or_else(|| format!("`{word}` is not a number from 1 on"))
}
