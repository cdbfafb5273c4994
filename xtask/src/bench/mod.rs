//! `cargo xtask bench`: guests of ours beside their like on Linux, in one testbed run, taking turns.

mod httpd;
mod linux;
mod samples;

use std::fs;
use std::path::PathBuf;

use anyhow::{Result, bail};
use testbed::XenVersion;

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
