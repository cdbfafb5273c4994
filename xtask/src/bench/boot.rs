//! `cargo xtask bench boot`: how soon guests are there.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use super::goal::Goal;
use super::samples::{Role, Samples, Side};
use super::{Args, chosen, measure, stage_program};
use crate::{images, packed, setup};

const PROGRAM: &str = include_str!("../../../benches/boot.py");
const PROGRAM_NAME: &str = "bench_boot.py";
const SIDES: [Side; 4] = [
    Side { name: "native", title: "Minios, httpd", role: Role::Ours },
    Side { name: "minios", title: "Minios, Debian's nginx", role: Role::Ours },
    Side { name: "linux", title: "Linux PV, nginx", role: Role::Linux },
    Side { name: "mini-os", title: "C Mini-OS", role: Role::Other },
];
const LOADS: [&str; 2] = ["one", "many"];
const ORDER: [&str; 7] = ["main", "first-packet", "first-200", "own", "xl-create", "entry-to", "inside"];
const SERVER: &str = "nginx";
const LINUX_MEMORY: u32 = 256;
const MINIOS: &str = "mini-os";

pub fn run(args: &Args) -> Result<u8> {
    let loads = chosen(args, &LOADS)?;
    setup::tools()?;
    let mut sides = vec!["native", "minios"];
    images::stage_only(vec!["httpd".to_owned()])?;
    packed::stage(&[SERVER.to_owned()], args.kernel.as_deref())?;
    if !args.alone {
        packed::stage_linux(&packed::Linux::of(SERVER), args.xen, LINUX_MEMORY)?;
        sides.push("linux");
    }
    if let Some(image) = &args.minios {
        stage_minios(image)?;
        sides.push(MINIOS);
    }
    stage_program(PROGRAM_NAME, PROGRAM)?;
    let (rounds, seconds) = (args.rounds.to_string(), args.seconds().to_string());
    let limit = Duration::from_secs(u64::from(900 + args.rounds * 240));
    let words = [&*rounds, &*seconds, &*sides.join(","), &*loads.join(",")];
    let mut samples = Samples::new(&SIDES, goal);
    samples.order(&ORDER);
    measure(args, PROGRAM_NAME, &words, limit, samples)
}

/// The user's image with a vif.
fn stage_minios(image: &Path) -> Result<()> {
    let dir = images::dir();
    fs::copy(image, dir.join("mini-os.gz")).with_context(|| format!("cannot read {}", image.display()))?;
    let text = format!(
        "name = \"{MINIOS}\"\ntype = \"pv\"\nkernel = \"{}/mini-os.gz\"\nmemory = 64\nvcpus = 1\n\
         vif = [ \"mac=00:16:3e:00:00:74,bridge=xenbr0\" ]\n",
        images::DOM0_DIR
    );
    fs::write(dir.join(format!("{MINIOS}.cfg")), text).context("cannot write the configuration of Mini-OS")
}

fn goal(name: &str) -> Option<Goal> {
    match name {
        "own-time" | "first-200-time" | "many-first-200-time" => Some(Goal::RatioAtMost(0.05)),
        "entry-to-main" => Some(Goal::AtMost(1.0)),
        name if name.ends_with("-guest-cpu") => Some(Goal::RatioAtMost(0.5)),
        _ => None,
    }
}
