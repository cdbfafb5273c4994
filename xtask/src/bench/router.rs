//! `cargo xtask bench router`: the router between two machines, beside Linux that forwards in its place.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use testbed::peer;

use super::goal::Goal;
use super::samples::{Role, Samples, Side};
use super::{Args, measure, stage_program};
use crate::{cargo, images, setup};

const PROGRAM: &str = include_str!("../../../benches/router.py");
const PROGRAM_NAME: &str = "bench_router.py";
const NETWORKS: &str = include_str!("../../../guest-tests/two_networks.py");
const SIDES: [Side; 2] = [
    Side { name: "minios", title: "Minios", role: Role::Ours },
    Side { name: "linux", title: "Linux PV", role: Role::Linux },
];
const GUEST: &str = "router";

pub fn run(args: &Args) -> Result<u8> {
    setup::tools()?;
    stage(args)?;
    let (rounds, seconds) = (args.rounds.to_string(), args.seconds().to_string());
    let sides: Vec<&str> = SIDES.iter().take(if args.alone { 1 } else { 2 }).map(|side| side.name).collect();
    let limit = Duration::from_secs(u64::from(300 + args.rounds * (180 + 10 * args.seconds())));
    let words = [&*rounds, &*seconds, &*sides.join(",")];
    measure(args, PROGRAM_NAME, &words, limit, Samples::new(&SIDES, goal))
}

/// Puts both guests, and the programs that measure, where dom0 finds them.
fn stage(args: &Args) -> Result<()> {
    let dir = images::dir();
    fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let elfs = cargo::build_guests(&[GUEST.to_owned()])?;
    images::make_image(&elfs.join(GUEST), &dir.join("router.gz"))?;
    if !args.alone {
        let initramfs = peer::router(args.xen, &setup::progress)?;
        fs::copy(&initramfs, dir.join("router-linux")).context("cannot copy the Linux guest's initramfs")?;
    }
    stage_program("two_networks.py", NETWORKS)?;
    stage_program(PROGRAM_NAME, PROGRAM)
}

fn goal(name: &str) -> Option<Goal> {
    match name {
        name if name.ends_with("-rate") => Some(Goal::RatioAtLeastUnlessDom0IsFull(1.0)),
        name if name.ends_with("-guest-cpu") => Some(Goal::RatioAtMost(0.5)),
        _ => None,
    }
}
