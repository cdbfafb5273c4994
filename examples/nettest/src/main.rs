//! The other end of tests of the network. A TCP port for each duty:
//!
//! | port | what it does |
//! |---|---|
//! | 7 | sends back what it gets |
//! | 9 | compares what it gets with the stream, until the peer ends its side or a byte is wrong; then says which in a line |
//! | 13 | says in a line what is used, and closes |
//! | 19 | reads a number and a newline, and sends so many bytes of the stream |
//!
//! The stream repeats a block of [`WORDS`] words, each its number times [`FACTOR`], little endian; their count is a prime, so what is
//! lost, doubled or in the wrong order by whole segments does not look right. `guest-tests/stream.py` has the same in dom0.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use minios_std::net::{self, DeviceStats, TcpListener, TcpStream};
use minios_std::{log, println, shutdown, stats, thread};

minios_std::main!(main);

const WORDS: u64 = 125_003;
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
const BUFFER: usize = 128 * 1024;

/// A block of the stream.
type Block = &'static [u8];

fn main() -> Result<(), String> {
    let block: Block =
        Vec::leak((0..WORDS).flat_map(|word| word.wrapping_mul(FACTOR).to_le_bytes()).collect());
    serve("echo", 7, |stream| _ = echo(stream))?;
    serve("check", 9, move |stream| {
        let verdict = check(stream, block);
        println!("nettest: {verdict}");
        _ = stream.write_all(format!("{verdict}\n").as_bytes());
    })?;
    serve("source", 19, move |stream| {
        if let Err(error) = source(stream, block) {
            log::warn!("source: {error}");
        }
    })?;
    let listener = TcpListener::bind(13).map_err(|error| error.to_string())?;
    spawn("state", move || {
        while let Ok((stream, _)) = listener.accept() {
            _ = stream.write_all(state().as_bytes());
        }
    });
    let interface = net::wait_configured(None).map_err(|error| error.to_string())?;
    println!("nettest: {} {:?}", interface.name, interface.addresses);
    shutdown::wait();
    println!("nettest: {}", state().trim_end());
    Ok(())
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) {
    if let Err(error) = thread::Builder::new(name).spawn(work) {
        log::error!("{error}");
    }
}

/// Has a thread of its own for each connection to `port`.
fn serve(
    name: &'static str,
    port: u16,
    duty: impl Fn(&TcpStream) + Copy + Send + 'static,
) -> Result<(), String> {
    let listener = TcpListener::bind(port).map_err(|error| format!("port {port}: {error}"))?;
    spawn(name, move || {
        loop {
            match listener.accept() {
                Ok((stream, _)) => spawn(name, move || duty(&stream)),
                Err(error) => log::warn!("{name}: {error}"),
            }
        }
    });
    Ok(())
}

fn echo(stream: &TcpStream) -> net::Result<()> {
    let mut buffer = [0; 4096];
    while let count @ 1.. = stream.read(&mut buffer)? {
        stream.write_all(&buffer[..count])?;
    }
    Ok(())
}

/// Compares all that comes with the stream.
fn check(stream: &TcpStream, block: Block) -> String {
    let mut buffer = alloc::vec![0; BUFFER];
    let mut total = 0;
    loop {
        let mut part = match stream.read(&mut buffer) {
            Ok(0) => return format!("{total} bytes are right"),
            Ok(count) => &buffer[..count],
            Err(error) => return format!("{error} after {total} bytes"),
        };
        while !part.is_empty() {
            let wanted = &block[total % block.len()..];
            let (first, rest) = part.split_at(part.len().min(wanted.len()));
            if let Some(place) = difference(first, wanted) {
                return format!("byte {} is wrong", total + place);
            }
            (part, total) = (rest, total + first.len());
        }
    }
}

/// Where `found` is not the beginning of `wanted`.
fn difference(found: &[u8], wanted: &[u8]) -> Option<usize> {
    if wanted.starts_with(found) {
        return None;
    }
    found.iter().zip(wanted).position(|(found, wanted)| found != wanted)
}

fn source(stream: &TcpStream, block: Block) -> net::Result<()> {
    let mut line = Vec::new();
    let mut byte = [0];
    while line.len() < 20 && stream.read(&mut byte)? == 1 && byte != *b"\n" {
        line.extend(byte);
    }
    let asked = str::from_utf8(&line).ok().and_then(|line| line.parse::<u64>().ok());
    let mut left = asked.unwrap_or(0);
    while left > 0 {
        let part = &block[..block.len().min(usize::try_from(left).unwrap_or(usize::MAX))];
        stream.write_all(part)?;
        left -= part.len() as u64;
    }
    stream.shutdown_write()?;
    // The peer's end, so that what it still has to say is not answered with a reset.
    while stream.read(&mut byte)? > 0 {}
    Ok(())
}

/// What is used now, in a line.
fn state() -> String {
    let (tcp_bytes, (connections, time_wait)) =
        net::with(|stack| (stack.tcp_memory(), stack.tcp_counts())).unwrap_or_default();
    let devices = net::device_stats().unwrap_or_default();
    let sum = |count: fn(&DeviceStats) -> u64| devices.iter().map(count).sum::<u64>();
    format!(
        "{} tcp_bytes={tcp_bytes} connections={connections} time_wait={time_wait} bad_checksums={} segmented_in={} segmented_out={}\n",
        stats::now(),
        sum(|device| device.rx.bad_checksums),
        sum(|device| device.rx.segmented),
        sum(|device| device.tx.segmented),
    )
}
