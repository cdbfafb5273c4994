//! `cargo xtask setup`: installs and builds beforehand what the other recipes would on first use.

use anyhow::Result;
use testbed::XenVersion;
use testbed::setup::{TOOLS, Tool};

/// Install what is missing and build the testbed's images
#[derive(clap::Args)]
pub struct Args {
    /// Only this Xen version
    #[arg(long)]
    xen: Option<XenVersion>,
}

/// What the project needs beyond the testbed.
const PROJECT_TOOLS: &[Tool] = &[
    Tool { file: "objdump", package: "binutils" },
    Tool { file: "/usr/include/xen/xen.h", package: "libxen-dev" },
    // For the programs of linux/conformance, benches and stubdom-tests.
    Tool { file: "as", package: "binutils" },
    Tool { file: "ld", package: "binutils" },
    Tool { file: "gcc", package: "gcc" },
    Tool { file: "/usr/include/stdio.h", package: "libc6-dev" },
];

pub fn run(args: Args) -> Result<u8> {
    let versions = args.xen.map_or(XenVersion::ALL.to_vec(), |version| vec![version]);
    let tools: Vec<Tool> = TOOLS.iter().chain(PROJECT_TOOLS).copied().collect();
    testbed::setup::setup(&tools, &versions, &progress)?;
    progress("set-up is complete");
    Ok(0)
}

/// All that the tests need: tools, the Rust target and the images of each Xen.
pub fn everything() -> Result<()> {
    run(Args { xen: None }).map(drop)
}

/// As [`tools`], with what assembles and compiles.
pub fn all_tools() -> Result<()> {
    let tools: Vec<Tool> = TOOLS.iter().chain(PROJECT_TOOLS).copied().collect();
    testbed::setup::install(&tools, &progress)
}

/// Quick when nothing is missing; other recipes call it first.
pub fn tools() -> Result<()> {
    testbed::setup::install(TOOLS, &progress)
}

pub fn progress(line: &str) {
    eprintln!("testbed: {line}");
}
