//! `cargo xtask bench memory`: how little memory guests need.

use std::time::Duration;

use anyhow::Result;

use super::goal::Goal;
use super::samples::{Role, Samples, Side};
use super::{Args, build_c, chosen, measure, stage_program};
use crate::{images, packed, setup, workspace};

const PROGRAM: &str = include_str!("../../../benches/memory.py");
const PROGRAM_NAME: &str = "bench_memory.py";
const SIDES: [Side; 3] = [
    Side { name: "native", title: "Minios, native", role: Role::Ours },
    Side { name: "minios", title: "Minios, Debian's programs", role: Role::Ours },
    Side { name: "linux", title: "Linux PV", role: Role::Linux },
];
const LOADS: [&str; 5] = ["hello", "echo", "httpd", "idle", "fit"];
/// Debian's web server, and the echo server in C.
const PACKED: [&str; 2] = ["nginx", "net"];
const LINUX_MEMORY: u32 = 256;

pub fn run(args: &Args) -> Result<u8> {
    let loads = chosen(args, &LOADS)?;
    setup::tools()?;
    stage(args)?;
    let (rounds, seconds) = (args.rounds.to_string(), args.seconds().to_string());
    let sides: Vec<_> =
        SIDES.iter().filter(|side| !args.alone || side.role == Role::Ours).map(|side| side.name).collect();
    let words = [&*rounds, &*seconds, &*sides.join(","), &*loads.join(",")];
    let mut samples = Samples::new(&SIDES, goal);
    samples.order(&LOADS);
    measure(args, PROGRAM_NAME, &words, Duration::from_secs(1800), samples)
}

fn stage(args: &Args) -> Result<()> {
    images::stage_only(["hello", "echo", "httpd"].map(str::to_owned).to_vec())?;
    let kernel = args.kernel.as_deref();
    packed::stage(&[PACKED[0].to_owned()], kernel)?;
    let edit = ("../target/bench/netbench".to_owned(), build_c("netbench")?.display().to_string());
    packed::stage_edited(PACKED[1], &workspace::root().join("benches/net.toml"), &[edit], kernel)?;
    if !args.alone {
        for name in PACKED {
            packed::stage_linux(&packed::Linux::of(name), args.xen, LINUX_MEMORY)?;
        }
    }
    stage_program(PROGRAM_NAME, PROGRAM)
}

fn goal(name: &str) -> Option<Goal> {
    (name == "fit-in-512-MB").then_some(Goal::AtLeast(100.0))
}
