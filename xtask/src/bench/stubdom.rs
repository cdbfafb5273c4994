//! `cargo xtask bench stubdom`: an HVM guest whose device model's domain runs on our kernel, beside the same with Debian's Linux.

use std::time::Duration;

use anyhow::Result;

use super::goal::Goal;
use super::samples::{Role, Samples, Side};
use super::{Args, chosen, measure, stage_program};
use crate::{dom0, hvm, setup};

const PROGRAM: &str = include_str!("../../../benches/stubdom.py");
const PROGRAM_NAME: &str = "bench_stubdom.py";
const SIDES: [Side; 2] = [
    Side { name: "minios", title: "QEMU on Minios", role: Role::Ours },
    Side { name: "linux", title: "QEMU on Linux PV", role: Role::Linux },
];
const LOADS: [&str; 6] = ["boot", "disk", "idle", "e1000", "rtl8139", "memory"];
/// Figures of these stand beside each other.
const ORDER: [&str; 12] = [
    "xl-create",
    "running",
    "first-output",
    "create-to-output",
    "start",
    "memory",
    "pio-read",
    "dma-read",
    "dma-write",
    "e1000",
    "rtl8139",
    "idle",
];

pub fn run(args: &Args) -> Result<u8> {
    let loads = chosen(args, &LOADS)?;
    setup::all_tools()?;
    dom0::stage()?;
    hvm::stage(args.xen, args.kernel.as_deref(), !args.alone)?;
    stage_program(PROGRAM_NAME, PROGRAM)?;
    let (rounds, seconds) = (args.rounds.to_string(), args.seconds().to_string());
    let sides: Vec<&str> = SIDES.iter().take(if args.alone { 1 } else { 2 }).map(|side| side.name).collect();
    let limit = Duration::from_secs(u64::from(1800 + args.rounds * (240 + 4 * args.seconds())));
    let words = [&*rounds, &*seconds, &*sides.join(","), &*loads.join(",")];
    let mut samples = Samples::new(&SIDES, goal);
    samples.order(&ORDER);
    measure(args, PROGRAM_NAME, &words, limit, samples)
}

/// No slower than Linux in any row; up in half of its time; and at most half of the memory that libxl would give it.
fn goal(name: &str) -> Option<Goal> {
    match name {
        "running-time" => Some(Goal::RatioAtMost(0.5)),
        "memory-in-all" => Some(Goal::AtMost(64.0)),
        name if name.ends_with("-rate") => Some(Goal::RatioAtLeast(1.0)),
        name if name.ends_with("-time") || name.ends_with("-stubdom-cpu") || name.starts_with("idle") => {
            Some(Goal::RatioAtMost(1.0))
        }
        _ => None,
    }
}
