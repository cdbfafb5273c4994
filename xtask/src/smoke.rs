//! `cargo xtask smoke`: a guest ELF booted as dom0.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use testbed::XenVersion;
use testbed::smoke::{End, Options, smoke};

use crate::{setup, workspace};

/// Boot a guest ELF as dom0: the one-second test, without toolstack or backends
///
/// Exits with 0 when the guest powered off, 119 when it rebooted, 120 when it crashed, 121 when Xen did, 123 when the
/// time was up, 125 when the testbed itself failed.
#[derive(clap::Args)]
pub struct Args {
    /// The guest
    elf: PathBuf,
    /// Xen's version: 4.17 or 4.20
    #[arg(long, default_value_t)]
    xen: XenVersion,
    /// The guest's memory in MiB
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    mem: u32,
    /// Limit in seconds
    #[arg(long, default_value_t = 30, value_name = "S")]
    timeout: u64,
    /// Show Xen's own lines too
    #[arg(long, short)]
    verbose: bool,
    /// The guest's command line
    #[arg(last = true)]
    cmdline: Vec<String>,
}

pub fn run(args: Args) -> Result<u8> {
    setup::tools()?;
    let log = workspace::log_file(&format!("smoke-{}", args.xen));
    let options = Options {
        version: args.xen,
        cmdline: args.cmdline.join(" "),
        mem_mib: args.mem,
        timeout: Duration::from_secs(args.timeout),
        log: Some(log.clone()),
    };
    let verbose = args.verbose;
    let mut output = |bytes: &[u8]| {
        if !verbose {
            let mut stdout = std::io::stdout();
            _ = stdout.write_all(bytes).and_then(|()| stdout.flush());
        }
    };
    let smoke = smoke(&args.elf, &options, &mut output, &setup::progress)?;
    if verbose {
        println!("{}", smoke.console.trim_end());
    } else if smoke.end != End::PoweredOff {
        eprintln!("---- end of the Xen log ({}) ----\n{}", log.display(), smoke.tail(40));
    }
    if smoke.end != End::PoweredOff {
        eprintln!("---- smoke: {:?} (exit code {})", smoke.end, smoke.end.exit_code());
    }
    Ok(smoke.end.exit_code())
}
