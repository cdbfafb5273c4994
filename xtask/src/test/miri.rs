//! Miri over the crates whose tests can run under it: a command each, two at a time.

use std::process::Command;
use std::sync::Mutex;
use std::thread;

use anyhow::Result;

use super::part::{self, Part};
use crate::report::Report;
use crate::{cargo, workspace};

/// A package, and the tests of its library that are left out.
struct Run {
    package: &'static str,
    left_out: &'static [(&'static str, &'static str)],
}

const SLOW: &str = "takes minutes there";
const LEAKS: &str = "fails by leaking, which Miri reports";

/// The longest first.
const RUNS: &[Run] = &[
    Run {
        package: "netfront",
        left_out: &[
            ("long_segments_are_handed_to_a_back_end_that_divides_them", SLOW),
            ("tcp_and_udp_cross_the_wire_between_two_guests_whatever_their_back_ends_can", SLOW),
            ("a_back_end_that_floods_does_not_hold_the_stack", SLOW),
            ("tests::segments", SLOW),
            ("every_mix_of_offers_and_wishes_is_agreed_on_and_carries_frames", SLOW),
            ("events_that_bring_something_are_never_too_many", SLOW),
            ("the_mtu_changes_while_frames_flow", SLOW),
        ],
    },
    Run {
        package: "xenstore",
        left_out: &[
            ("a_directory_that_changes_while_it_is_listed_is_listed_again", SLOW),
            ("a_directory_of_more_than_4096_bytes_is_listed_in_parts", SLOW),
        ],
    },
    Run {
        package: "linux-mm",
        left_out: &[("the_last_pages_of_files_are_left_to_the_programs_that_run_from_them", SLOW)],
    },
    Run { package: "console", left_out: &[] },
    Run {
        package: "vchan",
        left_out: &[
            ("clients_that_never_let_go_of_their_pages_are_not_served_for_ever", SLOW),
            ("whatever_sizes_are_asked_for_bytes_arrive_both_ways", SLOW),
        ],
    },
    Run {
        package: "blkfront",
        left_out: &[
            ("what_is_written_or_discarded_later_is_what_is_read", SLOW),
            ("while_something_is_written_nothing_is_fetched", SLOW),
        ],
    },
    Run {
        package: "xen",
        left_out: &[
            ("a_leaked_grant_fails_the_test", LEAKS),
            ("a_leaked_port_fails_the_test", LEAKS),
            ("a_wait_that_nothing_can_end_panics", LEAKS),
        ],
    },
];

/// So many run at once; each is a single thread for most of its time.
const WORKERS: usize = 2;
/// Seconds for one package.
const LIMIT: &str = "2400";
/// Tests may look at the clock and read files.
const FLAGS: &str = "-Zmiri-disable-isolation";

pub fn miri(part: &mut Part) -> Result<()> {
    if let Err(reason) = available(part) {
        part.report.skip("Miri", reason);
        return Ok(());
    }
    let left = Mutex::new(RUNS.iter());
    let reports = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                let next = || left.lock().ok().and_then(|mut runs| runs.next());
                while let Some(run) = next() {
                    let report = part::run(&format!("miri {}", run.package), |part| run.test(part));
                    if let Ok(mut reports) = reports.lock() {
                        reports.push(report);
                    }
                }
            });
        }
    });
    let reports: Vec<Report> = reports.into_inner().unwrap_or_default();
    for report in reports {
        part.report.absorb("", report);
    }
    Ok(())
}

impl Run {
    fn test(&self, part: &mut Part) -> Result<()> {
        let mut command = Command::new("timeout");
        command.args([LIMIT, "rustup", "run", "nightly", "cargo", "miri", "test", "--no-fail-fast"]);
        command.args(["--package", self.package, "--lib", "--"]);
        for (test, reason) in self.left_out {
            command.args(["--skip", test]);
            part.report.skip(format!("{} under Miri: {test}", self.package), *reason);
        }
        part.cargo_test(&format!("{} under Miri", self.package), nightly(&mut command))
    }
}

/// Miri comes with nightly toolchains only; where one is installed, the component is added.
fn available(part: &Part) -> Result<(), String> {
    let succeeds = |words: &[&str]| {
        let mut command = Command::new("rustup");
        part.output(nightly(command.args(words)), &mut |_| {}).ok().filter(|(success, _)| *success)
    };
    let works = || succeeds(&["run", "nightly", "cargo", "miri", "--version"]).is_some();
    if works() {
        return Ok(());
    }
    let Some((_, toolchains)) = succeeds(&["toolchain", "list"]) else {
        return Err("there is no rustup".to_owned());
    };
    if !toolchains.lines().any(|line| line.starts_with("nightly")) {
        return Err("no nightly toolchain (rustup toolchain install nightly)".to_owned());
    }
    if succeeds(&["component", "add", "--toolchain", "nightly", "miri", "rust-src"]).is_some() && works() {
        return Ok(());
    }
    Err("rustup cannot install the component miri of the nightly toolchain".to_owned())
}

/// A command for the nightly toolchain in the workspace.
fn nightly(command: &mut Command) -> &mut Command {
    cargo::clean(command);
    command.current_dir(workspace::root()).env_remove("RUSTUP_TOOLCHAIN").env("MIRIFLAGS", FLAGS)
}
