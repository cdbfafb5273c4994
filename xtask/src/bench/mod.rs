//! `cargo xtask bench`: guests of ours beside their like on Linux, in one testbed run, taking turns.

mod httpd;
mod linux;
mod samples;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use testbed::XenVersion;

use crate::{dom0, images};
use samples::Samples;

/// Measure a guest beside the same service on Linux, in turns within one run
///
/// Exits with 0 when both could be measured, whatever the figures.
#[derive(clap::Args)]
pub struct Args {
    /// What to measure: httpd, beside Debian's nginx in a Linux PV guest; or linux, Debian's programs under our kernel beside
    /// the same root disk under Linux
    name: String,
    /// Xen's version: 4.17 or 4.20
    #[arg(long, default_value_t)]
    xen: XenVersion,
    /// How often each of the two has its turn; the median is shown
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Seconds of each load
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: u32,
    /// Only ours, not Linux
    #[arg(long)]
    alone: bool,
    /// For linux: a linked kernel, instead of the one that is built now
    #[arg(long)]
    kernel: Option<PathBuf>,
    /// For linux: only these programs
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
}

const MEASURE: &str = include_str!("../../../benches/measure.py");

pub fn run(args: Args) -> Result<u8> {
    match &*args.name {
        "httpd" => httpd::run(&args),
        "linux" => linux::run(&args),
        name => bail!("`{name}` has no measurement: there are httpd and linux"),
    }
}

/// The one-minute load average, which says what the figures are worth.
fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or("?").to_owned()
}

/// What the figures were taken on, in a line.
fn circumstances(args: &Args, load_before: &str) -> String {
    format!(
        "Xen {}, medians of {} rounds of {} s a load; this machine's load {load_before} before, {} after",
        args.xen,
        args.rounds,
        args.seconds,
        load()
    )
}

/// Runs a program of benches/ in dom0 and prints what its samples come to; the exit code.
fn measure(args: &Args, program: &str, words: &[&str], limit: Duration, mut samples: Samples) -> Result<u8> {
    let command = dom0::command(program, words);
    let log = program.trim_end_matches(".py").replace('_', "-");
    let testbed = dom0::testbed(args.xen, &log).timeout(limit);
    let load_before = load();
    let report =
        dom0::report(&format!("{program} ends well"), testbed, &command, None, &mut |line, _, _| {
            samples.line(line);
            Ok(())
        })?;
    println!("\n{}", circumstances(args, &load_before));
    print!("{}", samples.table());
    for (name, reason) in &report.failed {
        println!("FAILED {name}: {reason}");
    }
    Ok(u8::from(!report.failed.is_empty()))
}

/// Puts a program of benches/, and what they share, where dom0 finds them.
fn stage_program(name: &str, text: &str) -> Result<()> {
    let dir = images::dir().join("dom0");
    fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    fs::write(dir.join("measure.py"), MEASURE).context("cannot write measure.py")?;
    fs::write(dir.join(name), text).with_context(|| format!("cannot write {name}"))
}
