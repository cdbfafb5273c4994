//! `cargo xtask bench net`: the network of guests, ours beside Linux.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

use super::goal::Goal;
use super::samples::{Role, Samples, Side};
use super::{Args, build_c, chosen, measure, stage_program};
use crate::{images, packed, setup, workspace};

const PROGRAM: &str = include_str!("../../../benches/net.py");
const PROGRAM_NAME: &str = "bench_net.py";
const SIDES: [Side; 3] = [
    Side { name: "minios", title: "Minios, Debian's programs", role: Role::Ours },
    Side { name: "native", title: "Minios, native", role: Role::Ours },
    Side { name: "linux", title: "Linux PV", role: Role::Linux },
];
const LOADS: [&str; 13] = [
    "tcp-in-1",
    "tcp-in-8",
    "tcp-out-1",
    "tcp-out-8",
    "rr-1",
    "rr-16",
    "connect",
    "udp-in",
    "udp-out",
    "idle",
    "guest-to-guest",
    "web-16",
    "web-256",
];
/// The program at both ends, in C.
const PEER: &str = "netbench";
/// The packed guest.
const GUEST: &str = "net";
const LINUX_MEMORY: u32 = 256;

pub fn run(args: &Args) -> Result<u8> {
    let loads = chosen(args, &LOADS)?;
    setup::tools()?;
    stage(args, &loads)?;
    let (rounds, seconds) = (args.rounds.to_string(), args.seconds().to_string());
    let sides: Vec<_> =
        SIDES.iter().filter(|side| !args.alone || side.role == Role::Ours).map(|side| side.name).collect();
    let each = (args.seconds() + 15) * 3 * loads.len() as u32;
    let limit = Duration::from_secs(u64::from(300 + args.rounds * (60 + each)));
    let words = [&*rounds, &*seconds, &*sides.join(","), &*loads.join(",")];
    let mut samples = Samples::new(&SIDES, goal);
    samples.order(&LOADS);
    measure(args, PROGRAM_NAME, &words, limit, samples)
}

/// Puts the guests, and the programs of dom0, where dom0 finds them.
fn stage(args: &Args, loads: &[&str]) -> Result<()> {
    let kernel = args.kernel.as_deref();
    images::stage_only(vec!["httpd".to_owned(), "echo".to_owned()])?;
    if loads.iter().any(|load| load.starts_with("web")) {
        packed::stage(&["nginx".to_owned()], kernel)?;
        if !args.alone {
            packed::stage_linux(&packed::Linux::of("nginx"), args.xen, LINUX_MEMORY)?;
        }
    }
    let peer = build_c(PEER)?;
    let edit = ("../target/bench/netbench".to_owned(), peer.display().to_string());
    packed::stage_edited(GUEST, &workspace::root().join("benches/net.toml"), &[edit], kernel)?;
    if !args.alone {
        packed::stage_linux(&packed::Linux::of(GUEST), args.xen, LINUX_MEMORY)?;
    }
    fs::copy(&peer, images::dir().join(PEER)).context("cannot stage netbench")?;
    stage_program(PROGRAM_NAME, PROGRAM)
}

fn goal(name: &str) -> Option<Goal> {
    match name {
        name if name.ends_with("-rate") => Some(Goal::RatioAtLeastUnlessDom0IsFull(1.0)),
        name if name.ends_with("-guest-cpu") => Some(Goal::RatioAtMost(0.5)),
        name if name.ends_with("-timeouts") => Some(Goal::AtMost(0.0)),
        _ => None,
    }
}
