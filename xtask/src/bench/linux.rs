//! `cargo xtask bench linux`: Debian's programs under our kernel, beside the same root disk under Linux.

use std::time::Duration;

use anyhow::Result;
use testbed::peer;

use super::goal::Goal;
use super::samples::{Role, Samples, Side};
use super::{Args, build_c, chosen, measure, stage_program};
use crate::{packed, setup, workspace};

const PROGRAM: &str = include_str!("../../../benches/linux.py");
const PROGRAM_NAME: &str = "bench_linux.py";
const SIDES: [Side; 2] = [
    Side { name: "minios", title: "Minios", role: Role::Ours },
    Side { name: "linux", title: "Linux PV", role: Role::Linux },
];
/// What is measured; the last two are no configurations of xl-configs/.
const PROGRAMS: [&str; 4] = [NGINX, "redis", INITRAMFS, MICRO];
const NGINX: &str = "nginx";
const MICRO: &str = "micro";
/// nginx as either side starts it soonest without work beforehand: its root in memory with ours, and Linux with the kernel file that
/// Debian ships.
const INITRAMFS: &str = "nginx-initramfs";
/// What the Linux guests get, in MiB, but where the smallest memory is looked for.
const LINUX_MEMORY: u32 = 256;

pub fn run(args: &Args) -> Result<u8> {
    let programs = chosen(args, &PROGRAMS)?;
    setup::tools()?;
    stage(args, &programs)?;
    let (rounds, seconds) = (args.rounds.to_string(), args.seconds().to_string());
    let sides: Vec<&str> = SIDES.iter().take(if args.alone { 1 } else { 2 }).map(|side| side.name).collect();
    let limit = Duration::from_secs(u64::from(900 + args.rounds * (300 + 16 * args.seconds())));
    let words = [&*rounds, &*seconds, &*sides.join(","), &*programs.join(",")];
    measure(args, PROGRAM_NAME, &words, limit, Samples::new(&SIDES, goal))
}

/// Puts both guests of each program, and the program that measures, where dom0 finds them.
fn stage(args: &Args, programs: &[&str]) -> Result<()> {
    for name in programs {
        let kernel = args.kernel.as_deref();
        let linux = match *name {
            MICRO => {
                let built = ("../target/bench/micro".to_owned(), build_c(MICRO)?.display().to_string());
                packed::stage_edited(name, &workspace::root().join("benches/micro.toml"), &[built], kernel)?;
                packed::Linux::of(name)
            }
            INITRAMFS => {
                packed::stage(&[NGINX.to_owned()], kernel)?;
                packed::stage_initramfs(NGINX, kernel)?;
                packed::Linux { root_of: NGINX, kernel: peer::DEBIAN_KERNEL, ..packed::Linux::of(name) }
            }
            _ => {
                packed::stage(&[(*name).to_owned()], kernel)?;
                packed::Linux::of(name)
            }
        };
        if !args.alone {
            packed::stage_linux(&linux, args.xen, LINUX_MEMORY)?;
        }
    }
    stage_program(PROGRAM_NAME, PROGRAM)
}

fn goal(name: &str) -> Option<Goal> {
    match name {
        name if name.ends_with("-first-reply") => Some(Goal::RatioAtMost(0.1)),
        name if name.ends_with("-guest-cpu") => Some(Goal::RatioAtMost(0.7)),
        name if name.ends_with("-rate") => Some(Goal::RatioAtLeast(1.0)),
        name if name.ends_with("-memory") => Some(Goal::RatioAtMost(0.25)),
        name if name.ends_with("-timeouts") => Some(Goal::AtMost(0.0)),
        _ => None,
    }
}
