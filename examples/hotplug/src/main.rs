//! Answers questions about its devices, a line for each, over TCP (port 7): for tests that attach and detach them.
//!
//! | question | answer |
//! |---|---|
//! | `counts` | grants, event channels and free pages |
//! | `interfaces` | the interfaces with their addresses |
//! | `disks` | the disks |
//! | `open xvdb` | its size; it stays open |
//! | `close xvdb` | |
//! | `check xvdb` | writes to an open disk, flushes, reads back |
//! | `load xvdb`, `unload xvdb` | does so all the time; how often it was done |
//! | anything else | the same |
#![no_std]
#![no_main]

extern crate alloc;

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use minios_std::block::{self, Disk};
use minios_std::net::{self, TcpListener, TcpStream};
use minios_std::process::ExitCode;
use minios_std::sync::Mutex;
use minios_std::thread::{Builder, JoinHandle, sleep};
use minios_std::time::Duration;
use minios_std::{log, println, shutdown, stats};

minios_std::main!(main);

static DISKS: Mutex<BTreeMap<String, Disk>> = Mutex::new(BTreeMap::new());
static LOADS: Mutex<BTreeMap<String, Load>> = Mutex::new(BTreeMap::new());

/// A thread that writes and reads.
struct Load {
    shared: Arc<Shared>,
    thread: JoinHandle<Result<(), String>>,
}

#[derive(Default)]
struct Shared {
    rounds: AtomicU64,
    is_over: AtomicBool,
}

fn main() -> Result<ExitCode, net::Error> {
    let listener = TcpListener::bind(7)?;
    match net::wait_configured(Some(Duration::from_secs(10))) {
        Ok(interface) => println!("hotplug: {} port 7, {:?}", interface.name, interface.addresses),
        Err(error) => log::warn!("no address yet: {error}"),
    }
    spawn("accept", move || accept(&listener));
    shutdown::wait();
    println!("hotplug: {}", stats::now());
    Ok(ExitCode::SUCCESS)
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) {
    if let Err(error) = Builder::new(name).spawn(work) {
        log::error!("{error}");
    }
}

fn accept(listener: &TcpListener) {
    loop {
        match listener.accept() {
            Ok((stream, _)) => spawn("connection", move || serve(&stream)),
            Err(error) => log::warn!("accept: {error}"),
        }
    }
}

/// Bytes of a question; who sends more is not answered.
const QUESTION_MOST: usize = 4096;

/// Answers the lines of a connection until its end.
fn serve(stream: &TcpStream) {
    let (mut buffer, mut line) = ([0; 4096], Vec::new());
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        for byte in buffer.iter().take(count) {
            if line.len() > QUESTION_MOST {
                return;
            }
            if *byte != b'\n' {
                line.push(*byte);
                continue;
            }
            let question = String::from_utf8_lossy(&line).into_owned();
            line.clear();
            let answer = answer(&question).unwrap_or_else(|error| format!("error: {error}"));
            if stream.write_all(format!("{answer}\n").as_bytes()).is_err() {
                return;
            }
        }
    }
}

fn answer(question: &str) -> Result<String, String> {
    let (word, name) = question.split_once(' ').unwrap_or((question, ""));
    match word {
        "counts" => {
            let now = stats::now();
            let (grants, lost) = (now.grants, now.quarantined);
            Ok(format!(
                "grants={grants} quarantined={lost} ports={} free_pages={}",
                now.ports, now.free_pages
            ))
        }
        "interfaces" => {
            let all = net::interfaces().map_err(|error| error.to_string())?;
            let texts = all.iter().map(|interface| {
                let addresses: Vec<String> = interface
                    .addresses
                    .iter()
                    .map(|cidr| format!("{}/{}", cidr.addr(), cidr.prefix_len()))
                    .collect();
                format!("{} {}", interface.name, addresses.join(","))
            });
            Ok(texts.collect::<Vec<_>>().join("; "))
        }
        "disks" => block::names().map(|names| names.join(" ")).map_err(|error| error.to_string()),
        "open" => {
            let disk = block::open(name).map_err(|error| error.to_string())?;
            let size = disk.disk().size_bytes;
            DISKS.lock().insert(name.into(), disk);
            Ok(format!("{size}"))
        }
        "close" => Ok(DISKS.lock().remove(name).map_or("it was not open", |_| "closed").into()),
        "check" => check(&opened(name)?, 0).map(|()| "good".into()),
        "load" => load(name),
        "unload" => unload(name),
        _ => Ok(question.into()),
    }
}

fn opened(name: &str) -> Result<Disk, String> {
    DISKS.lock().get(name).cloned().ok_or_else(|| format!("{name} is not open"))
}

const CHUNK: usize = 32 * 1024;

/// Writes a chunk that no other round has, flushes and compares.
fn check(disk: &Disk, round: u64) -> Result<(), String> {
    let places = (disk.disk().size_bytes / CHUNK as u64).max(1);
    let at = round % places * CHUNK as u64;
    let pattern = |place: usize| (place as u64).wrapping_mul(0x9e37_79b9).wrapping_add(round * 77) as u8;
    let data: Vec<u8> = (0..CHUNK).map(pattern).collect();
    disk.write_at(at, &data).map_err(|error| error.to_string())?;
    disk.flush().map_err(|error| error.to_string())?;
    let mut back = alloc::vec![0; CHUNK];
    disk.read_at(at, &mut back).map_err(|error| error.to_string())?;
    match data.iter().zip(&back).position(|(one, other)| one != other) {
        Some(place) => Err(format!("byte {} of round {round} is wrong", at + place as u64)),
        None => Ok(()),
    }
}

fn load(name: &str) -> Result<String, String> {
    let disk = opened(name)?;
    if LOADS.lock().contains_key(name) {
        return Err(format!("{name} has its load"));
    }
    let shared = Arc::new(Shared::default());
    let theirs = shared.clone();
    let work = move || {
        while !theirs.is_over.load(Ordering::Relaxed) {
            check(&disk, theirs.rounds.fetch_add(1, Ordering::Relaxed))?;
            // Who attaches and detaches has to run, too.
            sleep(Duration::from_millis(5));
        }
        Ok(())
    };
    let thread = Builder::new("load").spawn(work).map_err(|error| error.to_string())?;
    LOADS.lock().insert(name.into(), Load { shared, thread });
    Ok("loaded".into())
}

fn unload(name: &str) -> Result<String, String> {
    let load = LOADS.lock().remove(name).ok_or_else(|| format!("there is no load on {name}"))?;
    load.shared.is_over.store(true, Ordering::Relaxed);
    load.thread.join()?;
    Ok(format!("{} rounds", load.shared.rounds.load(Ordering::Relaxed)))
}
