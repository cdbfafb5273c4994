//! `cargo xtask test`: every test, in parts; the last line is the count.

mod guests;
mod host;
mod miri;
mod part;

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::report::Report;
use crate::{figures, setup};

use part::Part;

/// Set up what is missing and run the tests: host, Miri, and guests on real Xen
///
/// Exits with 0 when all that ran passed. Logs are in target/test-logs.
#[derive(clap::Args)]
pub struct Args {
    /// One Xen version, no Miri, no self-test of the testbed
    #[arg(long)]
    quick: bool,
    /// Only the parts whose names contain one of these words
    #[arg(long, value_name = "WORD")]
    only: Vec<String>,
    /// Print the names of the parts and end
    #[arg(long)]
    list: bool,
}

type Work = fn(&mut Part) -> Result<()>;

/// The parts in order: what fails soonest comes first.
const PARTS: &[(&str, When, Work)] = &[
    ("format", When::Always, host::format),
    ("clippy", When::Always, host::clippy),
    ("doc", When::Always, host::doc),
    ("host tests", When::Always, host::tests),
    ("fuzz", When::Always, host::fuzz),
    ("gates", When::Always, guests::gates),
    ("smoke", When::Always, guests::smoke),
    ("guests on Xen 4.17", When::Always, guests::on_4_17),
    ("guests on Xen 4.20", When::Full, guests::on_4_20),
    ("stub domain on Xen 4.17", When::Always, guests::stubdom_on_4_17),
    ("stub domain on Xen 4.20", When::Full, guests::stubdom_on_4_20),
    ("conformance", When::Always, guests::conformance),
    ("run httpd", When::Always, guests::run_httpd),
    ("miri", When::Full, miri::miri),
    ("testbed self-test", When::Full, guests::selftest),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    Always,
    /// Not with --quick.
    Full,
}

pub fn run(args: Args) -> Result<u8> {
    let wanted = |name: &str, when: When| {
        (when == When::Always || !args.quick)
            && (args.only.is_empty() || args.only.iter().any(|word| name.contains(&**word)))
    };
    let parts: Vec<_> = PARTS.iter().filter(|(name, when, _)| wanted(name, *when)).collect();
    if args.list {
        parts.iter().for_each(|(name, ..)| println!("{name}"));
        return Ok(0);
    }
    let started = Instant::now();
    println!("==== set-up");
    setup::everything()?;
    println!("---- set-up: {}", spent(started));
    let mut whole = Report::default();
    for (name, _, work) in parts {
        println!("\n==== {name}");
        let started = Instant::now();
        let report = part::run(name, *work);
        println!("---- {name}: {}, {}", report.summary(), spent(started));
        whole.absorb(&format!("{name}: "), report);
    }
    conclude(&whole, started);
    Ok(whole.exit_code())
}

fn conclude(whole: &Report, started: Instant) {
    println!("\n==== figures\n{}", figures::table(&whole.figures));
    for (test, reason) in &whole.skipped {
        println!("skipped: {test}: {reason}");
    }
    for (test, reason) in &whole.failed {
        println!("FAILED: {test}: {reason}");
    }
    println!("{} in all; logs are in {}", spent(started), part::logs().display());
    println!("minios: {}", whole.summary());
}

fn spent(since: Instant) -> String {
    let seconds = since.elapsed().max(Duration::from_millis(100)).as_secs_f32();
    if seconds < 100.0 { format!("{seconds:.1} s") } else { format!("{:.1} min", seconds / 60.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_have_names_of_their_own() {
        for (index, (name, ..)) in PARTS.iter().enumerate() {
            assert!(PARTS[index + 1..].iter().all(|(other, ..)| other != name), "{name}");
        }
    }
}
