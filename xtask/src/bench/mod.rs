//! `cargo xtask bench`: guests of ours beside their like on Linux, in one testbed run, taking turns.

mod blk;
mod boot;
mod chart;
mod goal;
mod httpd;
mod linux;
mod memory;
mod net;
mod record;
mod router;
mod samples;
mod stubdom;
mod table;

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use testbed::XenVersion;

use crate::{dom0, images, workspace};
use samples::Samples;

/// Measure a guest beside the same service on Linux, in turns within one run
///
/// Exits with 0 when both could be measured, whatever the figures.
#[derive(clap::Args)]
pub struct Args {
    /// What to measure: net, the network; blk, disks; boot, how soon guests are there; memory, how little they need; router, beside Linux that forwards; stubdom, the device model of an HVM guest; httpd, beside Debian's nginx in a Linux PV guest; or linux, Debian's programs under our
    /// kernel beside the same root disk under Linux
    name: String,
    /// Xen's version: 4.17 or 4.20
    #[arg(long, default_value_t)]
    xen: XenVersion,
    /// How often each of the two has its turn; the median is shown
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Seconds of each load; 3 for net, 2 for blk, 10 (of idleness) for stubdom and 8 for others where it is not said
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: Option<u32>,
    /// Only ours, not Linux
    #[arg(long)]
    alone: bool,
    /// For guests with Debian's programs: a linked kernel, instead of the one that is built now
    #[arg(long)]
    kernel: Option<PathBuf>,
    /// For all but httpd: only these rows or programs
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// For boot: a C Mini-OS image, to be measured too
    #[arg(long, value_name = "IMAGE")]
    minios: Option<PathBuf>,
    /// Write the table into docs/performance.md too
    #[arg(long)]
    write: bool,
}

impl Args {
    fn seconds(&self) -> u32 {
        self.seconds.unwrap_or(match &*self.name {
            "net" | "router" => 3,
            "blk" => 2,
            "stubdom" => 10,
            _ => 8,
        })
    }
}

/// What the programs of benches/ share.
const SHARED: [(&str, &str); 3] = [
    ("measure.py", include_str!("../../../benches/measure.py")),
    ("guests.py", include_str!("../../../benches/guests.py")),
    ("xentrace.py", include_str!("../../../benches/xentrace.py")),
];

pub fn run(args: Args) -> Result<u8> {
    if args.minios.is_none() && ["net", "blk", "boot", "memory"].contains(&&*args.name) {
        println!("skipped: C Mini-OS, no image is named (--minios IMAGE)");
    } else if args.minios.is_some() && args.name != "boot" {
        println!("skipped: C Mini-OS, whose image serves nothing that {} measures", args.name);
    }
    match &*args.name {
        "httpd" => httpd::run(&args),
        "linux" => linux::run(&args),
        "net" => net::run(&args),
        "blk" => blk::run(&args),
        "boot" => boot::run(&args),
        "memory" => memory::run(&args),
        "router" => router::run(&args),
        "stubdom" => stubdom::run(&args),
        name => {
            bail!(
                "`{name}` has no measurement: there are net, blk, boot, memory, router, stubdom, httpd and linux"
            )
        }
    }
}

/// The one-minute load average, which says what the figures are worth.
fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or("?").to_owned()
}

/// What the figures were taken on, in a line.
fn circumstances(args: &Args, commit: &str, load_before: &str) -> String {
    let rounds = match &*args.name {
        "memory" => "one round".to_owned(),
        "boot" => format!("medians of {} rounds, of many guests one", args.rounds),
        "stubdom" => format!("medians of {} rounds, of network and memory one", args.rounds),
        _ => format!("medians of {} rounds of {} s a load", args.rounds, args.seconds()),
    };
    let load = load();
    format!(
        "commit {commit}, Xen {}, {rounds}; this machine's load {load_before} before, {load} after",
        args.xen
    )
}

/// Runs a program of benches/ in dom0 and prints what its samples come to; the exit code.
fn measure(args: &Args, program: &str, words: &[&str], limit: Duration, mut samples: Samples) -> Result<u8> {
    let command = dom0::command(program, words);
    let log = program.trim_end_matches(".py").replace('_', "-");
    let testbed = dom0::testbed(args.xen, &log).timeout(limit);
    let (commit, load_before) = (record::commit(), load());
    let report =
        dom0::report(&format!("{program} ends well"), testbed, &command, None, &mut |line, _, _| {
            samples.line(line);
            Ok(())
        })?;
    let circumstances = circumstances(args, &commit, &load_before);
    println!("\n{circumstances}");
    print!("{}", table::text(&samples));
    println!("{}", table::summary(&samples));
    record::write(args, &circumstances, &samples)?;
    for (name, reason) in &report.failed {
        println!("FAILED {name}: {reason}");
    }
    Ok(u8::from(!report.failed.is_empty()))
}

/// Puts a program of benches/, and what they share, where dom0 finds them.
fn stage_program(name: &str, text: &str) -> Result<()> {
    let dir = images::dir().join("dom0");
    fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    for (name, text) in SHARED {
        fs::write(dir.join(name), text).with_context(|| format!("cannot write {name}"))?;
    }
    fs::write(dir.join(name), text).with_context(|| format!("cannot write {name}"))
}

/// Builds a C program of benches/ for guests and dom0; the file.
fn build_c(name: &str) -> Result<PathBuf> {
    let dir = workspace::target().join("bench");
    fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let mut gcc = Command::new("gcc");
    let built = dir.join(name);
    gcc.args(["-O2", "-Wall", "-pthread", "-o"]).arg(&built);
    // Without symbol versions that are newer than the guest's library, whatever this machine has.
    gcc.arg("-static").arg(workspace::root().join(format!("benches/{name}.c")));
    let status = gcc.status().context("cannot run gcc")?;
    ensure!(status.success(), "gcc cannot build benches/{name}.c");
    Ok(built)
}

/// Those of `all` that are asked for.
fn chosen<'a>(args: &'a Args, all: &[&'a str]) -> Result<Vec<&'a str>> {
    if args.only.is_empty() {
        return Ok(all.to_vec());
    }
    let only: Vec<&str> = args.only.iter().map(String::as_str).collect();
    match only.iter().find(|name| !all.contains(name)) {
        Some(unknown) => bail!("`{unknown}` is not measured: there are {}", all.join(", ")),
        None => Ok(only),
    }
}
