//! `cargo xtask bench blk`: the disks of guests, examples/blkbench beside Debian's fio on Linux.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

use super::goal::Goal;
use super::samples::{Role, Samples, Side};
use super::{Args, build_c, chosen, measure, stage_program};
use crate::{images, packed, setup, workspace};

const PROGRAM: &str = include_str!("../../../benches/blk.py");
const PROGRAM_NAME: &str = "bench_blk.py";
const SIDES: [Side; 2] = [
    Side { name: "minios", title: "Minios, blkbench", role: Role::Ours },
    Side { name: "linux", title: "Linux PV, fio", role: Role::Linux },
];
const LOADS: [&str; 17] = [
    "seq-read-4k-1",
    "seq-read-4k-32",
    "seq-read-128k-1",
    "seq-read-128k-32",
    "seq-write-4k-1",
    "seq-write-4k-32",
    "seq-write-128k-1",
    "seq-write-128k-32",
    "rand-read-4k-1",
    "rand-read-4k-32",
    "rand-read-128k-1",
    "rand-read-128k-32",
    "rand-write-4k-1",
    "rand-write-4k-32",
    "rand-write-128k-1",
    "rand-write-128k-32",
    "flush",
];
/// The native guest, and the packed one beside it.
const OURS: &str = "blkbench";
const LINUX: &str = "blk";
const LINUX_MEMORY: u32 = 256;
const IMAGE_BYTES: u64 = 64 << 20;

pub fn run(args: &Args) -> Result<u8> {
    let loads = chosen(args, &LOADS)?;
    setup::tools()?;
    stage(args)?;
    let (rounds, seconds) = (args.rounds.to_string(), args.seconds().to_string());
    let sides: Vec<&str> = SIDES.iter().take(if args.alone { 1 } else { 2 }).map(|side| side.name).collect();
    let each = (args.seconds() + 15) * 2 * loads.len() as u32;
    let limit = Duration::from_secs(u64::from(400 + args.rounds * (60 + each)));
    let words = [&*rounds, &*seconds, &*sides.join(","), &*loads.join(",")];
    let mut samples = Samples::new(&SIDES, goal);
    samples.order(&LOADS);
    measure(args, PROGRAM_NAME, &words, limit, samples)
}

/// Puts the guests, and the programs of dom0, where dom0 finds them.
fn stage(args: &Args) -> Result<()> {
    images::stage_only(vec![OURS.to_owned()])?;
    let image = images::dir().join("blkbench.img");
    let file = fs::File::create(&image).with_context(|| format!("cannot create {}", image.display()))?;
    file.set_len(IMAGE_BYTES).with_context(|| format!("cannot write {}", image.display()))?;
    if !args.alone {
        let edit = ("../target/bench/netbench".to_owned(), build_c("netbench")?.display().to_string());
        let source = workspace::root().join("benches/blk.toml");
        packed::stage_edited(LINUX, &source, &[edit], args.kernel.as_deref())?;
        packed::stage_linux(&packed::Linux::of(LINUX), args.xen, LINUX_MEMORY)?;
    }
    stage_program(PROGRAM_NAME, PROGRAM)
}

fn goal(name: &str) -> Option<Goal> {
    match name {
        name if name.ends_with("-rate") => Some(Goal::RatioAtLeastUnlessDom0IsFull(1.0)),
        name if name.ends_with("-guest-cpu") => Some(Goal::RatioAtMost(0.5)),
        _ => None,
    }
}
