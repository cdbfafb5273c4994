//! `cargo xtask bench httpd`: our web server beside nginx on Linux.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use testbed::XenVersion;

use super::goal::Goal;
use super::samples::{Role, Samples, Side};
use super::{Args, measure, stage_program};
use crate::{images, setup};

const PROGRAM: &str = include_str!("../../../benches/httpd.py");
const PROGRAM_NAME: &str = "bench_httpd.py";
const SIDES: [Side; 2] = [
    Side { name: "httpd", title: "httpd", role: Role::Ours },
    Side { name: "peer", title: "Linux nginx", role: Role::Linux },
];

pub fn run(args: &Args) -> Result<u8> {
    setup::tools()?;
    images::stage()?;
    stage_peer(args.xen)?;
    let (rounds, seconds) = (args.rounds.to_string(), args.seconds().to_string());
    let mut words = vec![&*rounds, &*seconds];
    words.extend(SIDES.iter().take(if args.alone { 1 } else { 2 }).map(|side| side.name));
    let limit = Duration::from_secs(u64::from(120 + args.rounds * (120 + 8 * args.seconds())));
    measure(args, PROGRAM_NAME, &words, limit, Samples::new(&SIDES, goal))
}

/// Puts the Linux guest's files and the program where dom0 finds them.
fn stage_peer(version: XenVersion) -> Result<()> {
    let peer = testbed::peer::nginx(version, &setup::progress)?;
    let dir = images::dir().join("peer");
    fs::create_dir_all(&dir).context("cannot stage the Linux guest")?;
    for (from, name) in [(&peer.initramfs, "initramfs"), (&peer.root, "root.img")] {
        fs::copy(from, dir.join(name)).with_context(|| format!("cannot copy {}", from.display()))?;
    }
    stage_program(PROGRAM_NAME, PROGRAM)
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
