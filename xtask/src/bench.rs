//! `cargo xtask bench`: guests of ours beside their like on Linux, in one testbed run, taking turns.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use testbed::XenVersion;

use crate::{dom0, images, setup};

const PROGRAM: &str = include_str!("../../benches/httpd.py");
const OURS: &str = "httpd";
const LINUX: &str = "peer";

/// Measure a guest beside the same service on Linux, in turns within one run
///
/// Exits with 0 when both could be measured, whatever the figures.
#[derive(clap::Args)]
pub struct Args {
    /// What to measure: httpd, beside Debian's nginx in a Linux PV guest
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
}

pub fn run(args: Args) -> Result<u8> {
    if args.name != OURS {
        bail!("`{}` has no measurement: there is httpd", args.name);
    }
    setup::tools()?;
    images::stage()?;
    stage_peer(args.xen)?;
    let (rounds, seconds) = (args.rounds.to_string(), args.seconds.to_string());
    let mut words = vec![&*rounds, &*seconds, OURS];
    words.extend((!args.alone).then_some(LINUX));
    let command = dom0::command("bench_httpd.py", &words);
    let limit = Duration::from_secs(u64::from(120 + args.rounds * (120 + 8 * args.seconds)));
    let testbed = dom0::testbed(args.xen, "bench-httpd").timeout(limit);
    let load_before = load();
    let mut samples = Samples::default();
    let report = dom0::report("bench_httpd.py ends well", testbed, &command, None, &mut |line, _, _| {
        samples.line(line);
        Ok(())
    })?;
    println!(
        "\nXen {}, medians of {} rounds of {} s a load; this machine's load {load_before} before, {} after",
        args.xen,
        args.rounds,
        args.seconds,
        load()
    );
    print!("{}", samples.table());
    for (name, reason) in &report.failed {
        println!("FAILED {name}: {reason}");
    }
    Ok(u8::from(!report.failed.is_empty()))
}

/// Puts the Linux guest's files and the program where dom0 finds them.
fn stage_peer(version: XenVersion) -> Result<()> {
    let peer = testbed::peer::nginx(version, &setup::progress)?;
    let dir = images::dir().join("peer");
    let programs = images::dir().join("dom0");
    fs::create_dir_all(&dir)
        .and_then(|()| fs::create_dir_all(&programs))
        .context("cannot stage the Linux guest")?;
    for (from, name) in [(&peer.initramfs, "initramfs"), (&peer.root, "root.img")] {
        fs::copy(from, dir.join(name)).with_context(|| format!("cannot copy {}", from.display()))?;
    }
    fs::write(programs.join("bench_httpd.py"), PROGRAM).context("cannot write bench_httpd.py")
}

/// The one-minute load average, which says what the figures are worth.
fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or("?").to_owned()
}

/// What the rounds have measured: by name, in the order of first appearance.
#[derive(Default)]
struct Samples {
    names: Vec<(String, String)>,
    values: BTreeMap<(String, String), Vec<f64>>,
}

impl Samples {
    /// Takes `sample GUEST NAME VALUE UNIT`; other lines are none of ours.
    fn line(&mut self, line: &str) {
        let mut words = line.splitn(5, ' ');
        if words.next() != Some("sample") {
            return;
        }
        let (Some(guest), Some(name), Some(Ok(value))) =
            (words.next(), words.next(), words.next().map(str::parse))
        else {
            return;
        };
        if !self.names.iter().any(|(known, _)| known == name) {
            self.names.push((name.into(), words.next().unwrap_or("").into()));
        }
        self.values.entry((guest.into(), name.into())).or_default().push(value);
    }

    fn median(&self, guest: &str, name: &str) -> Option<f64> {
        self.values.get(&(guest.to_owned(), name.to_owned())).map(|values| median(values))
    }

    /// One line per figure: ours, Linux's, ours as a part of Linux's, and what it should be.
    fn table(&self) -> String {
        let mut text = format!("  {:20} {:>11} {:>11} {:>8}\n", "", "httpd", "Linux nginx", "ratio");
        for (name, unit) in &self.names {
            let (ours, linux) = (self.median(OURS, name), self.median(LINUX, name));
            let ratio = ours.zip(linux).filter(|(_, linux)| *linux != 0.0).map(|(ours, linux)| ours / linux);
            let shown = |value: Option<f64>, digits: usize| {
                value.map_or("-".into(), |value| format!("{value:.digits$}"))
            };
            let verdict = goal(name).map_or(String::new(), |goal| goal.verdict(ours, ratio));
            let line = format!(
                "  {name:20} {:>11} {:>11} {:>8}  {unit:10} {verdict}",
                shown(ours, 1),
                shown(linux, 1),
                shown(ratio, 2)
            );
            text += line.trim_end();
            text.push('\n');
        }
        text
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 }
}

/// What a figure is to reach.
#[derive(Clone, Copy)]
enum Goal {
    /// At least as much as Linux does; machines differ too much for a number.
    RatioAtLeast(f64),
    RatioAtMost(f64),
    AtMost(f64),
}

fn goal(name: &str) -> Option<Goal> {
    match name {
        "unpause-to-200" => Some(Goal::AtMost(300.0)),
        "c16-rate" => Some(Goal::RatioAtLeast(1.0)),
        "c16-guest-cpu" => Some(Goal::RatioAtMost(0.5)),
        "memory" => Some(Goal::AtMost(8.0)),
        "c16-timeouts" | "c200-timeouts" | "1M-timeouts" => Some(Goal::AtMost(0.0)),
        _ => None,
    }
}

impl Goal {
    fn verdict(self, ours: Option<f64>, ratio: Option<f64>) -> String {
        let (met, text) = match self {
            Goal::RatioAtLeast(limit) => {
                (ratio.map(|ratio| ratio >= limit), format!("ratio at least {limit}"))
            }
            Goal::RatioAtMost(limit) => (ratio.map(|ratio| ratio <= limit), format!("ratio at most {limit}")),
            Goal::AtMost(limit) => (ours.map(|ours| ours <= limit), format!("at most {limit}")),
        };
        let word = match met {
            Some(true) => "reached",
            Some(false) => "missed",
            None => "not measured",
        };
        format!("{text}: {word}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(lines: &str) -> Samples {
        let mut samples = Samples::default();
        lines.lines().for_each(|line| samples.line(line));
        samples
    }

    #[test]
    fn the_median_of_an_even_number_is_between_the_middle_two() {
        assert_eq!(median(&[9.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[9.0, 1.0, 2.0, 3.0]), 2.5);
    }

    #[test]
    fn the_table_compares_the_medians_with_the_goals() {
        let samples = samples(
            "sample httpd c16-rate 500 /s\nsample peer c16-rate 400 /s\nsample httpd c16-rate 700 /s\n\
             sample httpd c16-rate 600 /s\nsample httpd c16-guest-cpu 300 us/request\n\
             sample peer c16-guest-cpu 500 us/request\nround 2 of 3: httpd\nsample httpd c16-rate x /s",
        );
        let table = samples.table();
        let lines: Vec<Vec<&str>> =
            table.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(
            lines[0],
            "c16-rate 600.0 400.0 1.50 /s ratio at least 1: reached".split(' ').collect::<Vec<_>>()
        );
        assert_eq!(lines[1][3], "0.60");
        assert_eq!(lines[1].last(), Some(&"missed"));
        assert_eq!(lines.len(), 2);
    }

    #[test]
    fn without_linux_a_ratio_is_not_judged() {
        let table = samples("sample httpd c16-rate 500 /s\nsample httpd memory 8 MiB").table();
        assert!(
            table.contains("ratio at least 1: not measured") && table.contains("at most 8: reached"),
            "{table}"
        );
    }
}
