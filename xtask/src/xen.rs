//! `cargo xtask xen`: a command, or a shell, in the testbed's dom0.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use testbed::{Forward, Testbed, XenVersion};

use crate::{setup, workspace};

/// Run a command as root in a dom0 on real Xen, in QEMU
///
/// Exits with the command's exit code; or 120 when dom0 crashed, 121 when Xen crashed, 122 when it hangs, 123 when the
/// time was up, 125 when the testbed itself failed.
#[derive(clap::Args)]
pub struct Args {
    /// Xen's version: 4.17 or 4.20
    #[arg(long, default_value_t)]
    xen: XenVersion,
    /// CPUs of the machine; dom0 has one vCPU
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=255))]
    cpus: u32,
    /// Memory of the machine in MiB; dom0 gets half, at most 1024
    #[arg(long, default_value_t = 2048, value_parser = clap::value_parser!(u32).range(768..))]
    mem: u32,
    /// Directory that is /host in dom0, read-write
    #[arg(long, value_name = "DIR")]
    share: Option<PathBuf>,
    /// Raw disk image, written through: /dev/vdb, then /dev/vdc...
    #[arg(long = "disk", value_name = "FILE")]
    disks: Vec<PathBuf>,
    /// Port of the host's loopback that reaches a guest's; HOST 0 takes any free one
    #[arg(long = "forward", value_name = "HOST:GUESTIP:PORT")]
    forwards: Vec<Forward>,
    /// Limit for the whole run in seconds [default: 600 with a COMMAND, none for a shell]
    #[arg(long, value_name = "S")]
    timeout: Option<u64>,
    /// Where the console of Xen and dom0 is logged [default: in target/testbed]
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// Command and arguments, not seen by any shell; without it, an interactive shell
    #[arg(last = true)]
    command: Vec<String>,
}

pub fn run(args: Args) -> Result<u8> {
    setup::tools()?;
    let log = args.log.unwrap_or_else(|| workspace::log_file(&format!("xen-{}", args.xen)));
    let mut testbed = Testbed::builder().xen(args.xen).cpus(args.cpus).mem_mib(args.mem).log(log);
    if let Some(dir) = args.share {
        testbed = testbed.share(dir);
    }
    for disk in args.disks {
        testbed = testbed.disk(disk);
    }
    for forward in args.forwards {
        testbed = testbed.forward(forward);
    }
    let limit = args.timeout.or_else(|| (!args.command.is_empty()).then_some(600));
    if let Some(seconds) = limit {
        testbed = testbed.timeout(Duration::from_secs(seconds));
    }
    let outcome = if args.command.is_empty() { testbed.shell()? } else { testbed.run(&args.command)? };
    Ok(outcome.exit_code())
}
