//! The router: it owns the vifs, gives their frames to the [`Router`] of the library part, and says what it has counted.
//!
//! The rules are the program's arguments, a line each, or the file that the only argument names; without arguments it is
//! `/router.rules`. See README.md.
#![no_std]
#![no_main]
#![forbid(unsafe_op_in_unsafe_fn)]

extern crate alloc;

mod devices;
mod report;

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use minios_std::net::raw::{self, EventSeq, Patience, Port};
use minios_std::time::Instant;
use minios_std::{console, env, fs, log, println, shutdown, thread};
use router::engine::rules::{self, Rules};
use router::engine::{OutOfMemory, Router};

use devices::Devices;
use report::report;

minios_std::main!(main);

const RULE_FILE: &str = "/router.rules";
const MOST_RULE_BYTES: usize = 256 << 10;
const SECOND: u64 = 1_000_000_000;
/// Frames of one interface before the others have their turn.
const BATCH: usize = 64;
/// How often to look for a typed byte, or for a back end that has gone, while there are frames all the time.
const LOOK_EVERY: u64 = SECOND / 10;

fn main() -> Result<(), String> {
    shutdown::watch();
    let rules = read_rules()?;
    let every = u64::from(rules.counters) * SECOND;
    let mut devices = Devices::connect(rules.interfaces.len())?;
    let random = core::array::from_fn(|_| raw::random());
    let mut router = Router::new(rules, random)
        .map_err(|OutOfMemory| "there is not enough memory for so many connections".to_string())?;
    devices.tell(&mut router);
    println!("router: {} interfaces, up to {} connections", devices.len(), router.rules().connections);
    route(&mut router, &mut devices, every);
    report(&router, &devices);
    // The back ends have our pages until the domain is gone: nothing is to be taken back now.
    core::mem::forget(devices);
    Ok(())
}

fn read_rules() -> Result<Rules, String> {
    let from_file = |path: &str| {
        let bytes = fs::read(path, MOST_RULE_BYTES).map_err(|error| alloc::format!("no rules: {error}"))?;
        let text = String::from_utf8_lossy(&bytes);
        rules::parse(path, &text).map_err(|error| error.to_string())
    };
    match env::args() {
        [] => from_file(RULE_FILE),
        [path] if path.starts_with('/') => from_file(path),
        lines => rules::parse("argument", &lines.join("\n")).map_err(|error| error.to_string()),
    }
}

/// Goes round until the guest is to end.
fn route(router: &mut Router, devices: &mut Devices, every: u64) {
    let mut events: Vec<(Port, EventSeq)> = Vec::new();
    let mut patience = Patience::default();
    let start = Instant::now().as_nanos();
    let (mut print, mut look) = (if every > 0 { start + every } else { u64::MAX }, start);
    while !shutdown::requested() {
        events.clear();
        devices.events(&mut events);
        let now = Instant::now().as_nanos();
        let received = devices.receive(router, BATCH, now);
        let due = router.poll(now, devices);
        devices.flush();
        if now >= look {
            look = now + LOOK_EVERY;
            devices.attend(router);
            let typed = console::read_some(&mut [0; 64]) > 0;
            if typed || now >= print {
                print = if every > 0 { now + every } else { u64::MAX };
                report(router, devices);
            }
        }
        if received {
            patience.found();
            thread::yield_now();
            continue;
        }
        let found = (0..patience.looks()).any(|_| {
            thread::yield_now();
            devices.has_received(now)
        });
        if found || devices.arm(now) {
            thread::yield_now();
            continue;
        }
        patience.slept();
        raw::wait(&events, Some(due.min(print).min(now + SECOND).min(devices.quiet_until(now))));
    }
    log::debug!("the router ends");
}
