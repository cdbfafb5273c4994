//! `cargo xtask selftest`: the testbed tests itself.

use anyhow::Result;
use testbed::XenVersion;
use testbed::selftest::selftest;

use crate::setup;

/// Check on real Xen what the testbed promises: exit codes, share, disk, network, time limits
#[derive(clap::Args)]
pub struct Args {
    /// Only this Xen version
    #[arg(long)]
    xen: Option<XenVersion>,
}

pub fn run(args: Args) -> Result<u8> {
    setup::tools()?;
    for version in args.xen.map_or(XenVersion::ALL.to_vec(), |version| vec![version]) {
        selftest(version, &setup::progress)?;
    }
    Ok(0)
}
