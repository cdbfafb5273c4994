//! `cargo xtask run NAME`: a guest on real Xen, from sources to its console.

use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use anyhow::{Result, bail};
use testbed::{Forward, XenVersion};

use crate::report::Report;
use crate::{check, dom0, figures, hvm, images, packed, setup, stubdom};

/// Build a guest, boot Xen, `xl create` the guest and show its console until Ctrl-C
///
/// Exits with 0 when the guest has powered off, or when --check finds nothing wrong.
#[derive(clap::Args)]
pub struct Args {
    /// A guest of xl-configs/, or `stubdom`: an HVM guest whose device model runs on our kernel
    name: String,
    /// Check and measure the guest instead, and exit with the verdict
    #[arg(long)]
    check: bool,
    /// Xen's version: 4.17 or 4.20
    #[arg(long, default_value_t)]
    xen: XenVersion,
    /// Port of the host's loopback that reaches the guest; 0 takes any free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// The guest's memory in MiB, if other than its configuration says; of `stubdom`, that of the device model's domain
    #[arg(long, value_name = "MIB")]
    memory: Option<u32>,
    #[arg(long, value_name = "MIB", help = linux_help())]
    linux: Option<Option<u32>>,
    /// Another kernel for a packed guest, or the device model's domain, than our own
    #[arg(long, value_name = "FILE")]
    kernel: Option<PathBuf>,
    /// Arguments for the guest, instead of its configuration's
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// The TCP port that a guest serves.
const SERVICES: &[(&str, u16)] = &[
    ("httpd", 80),
    ("echo", 7),
    ("nginx", 80),
    ("redis", 6379),
    ("memcached", 11211),
    ("haproxy", 80),
    ("python3", 80),
];

pub fn run(args: Args) -> Result<u8> {
    setup::tools()?;
    dom0::stage()?;
    if args.name == stubdom::NAME {
        if args.port != 0 || !args.arguments.is_empty() {
            bail!("stubdom is an HVM guest: it takes neither --port nor arguments");
        }
        setup::all_tools()?;
        let settings = stubdom::Settings {
            version: args.xen,
            memory: args.memory,
            linux: args.linux_mib(),
            kernel: args.kernel.clone(),
        };
        return if args.check {
            Ok(conclude(&args.name, &stubdom::check(&settings)?))
        } else {
            stubdom::attend(&settings)
        };
    }
    let packed = packed::names()?;
    let is_packed = packed.contains(&args.name);
    let mut guests = Vec::new();
    if is_packed {
        packed::stage(std::slice::from_ref(&args.name), args.kernel.as_deref())?;
        if let Some(memory) = args.linux_mib() {
            packed::stage_linux(&packed::Linux::of(&args.name), args.xen, memory)?;
        }
    } else {
        guests = images::stage()?;
    }
    let name = args.domain();
    let config = images::dir().join(format!("{name}.cfg"));
    let Ok(config) = fs::read_to_string(&config) else {
        let mut names: Vec<&str> =
            guests.iter().map(|guest| &guest.name).chain(&packed).map(String::as_str).collect();
        names.push(stubdom::NAME);
        bail!("no configuration xl-configs/{}.toml; the guests are {}", args.name, names.join(", "));
    };
    let mut settings: Vec<String> = args.memory.iter().map(|mib| format!("memory={mib}")).collect();
    if !args.arguments.is_empty() {
        settings.push(with_arguments(&config, &args.arguments)?);
    }
    if args.check {
        let report = match &*args.name {
            _ if is_packed => packed::check(&name, &args.name, args.xen, &settings)?,
            "httpd" => check::httpd(args.xen, args.port, &guests, None)?,
            other => check::verdict(other, args.xen, &settings)?,
        };
        return Ok(conclude(&name, &report));
    }
    attend(&args, &config, &settings)
}

fn linux_help() -> String {
    format!(
        "Have Linux run the root of a packed guest, or the device model, with so much memory ({} where no number follows)",
        hvm::LINUX_MIB
    )
}

impl Args {
    /// The memory of a Linux in our kernel's place, if there is to be one.
    fn linux_mib(&self) -> Option<u32> {
        self.linux.map(|mib| mib.unwrap_or(hvm::LINUX_MIB))
    }

    /// The name of the domain and its configuration.
    fn domain(&self) -> String {
        if self.linux.is_some() { packed::linux_name(&self.name) } else { self.name.clone() }
    }
}

/// Prints figures and verdict; the exit code.
fn conclude(name: &str, report: &Report) -> u8 {
    if !report.figures.is_empty() {
        println!("\nfigures:\n{}", figures::table(&report.figures));
    }
    for (test, reason) in &report.failed {
        println!("FAILED: {test}: {reason}");
    }
    let verdict = if report.exit_code() == 0 { "SUCCESS" } else { "FAILURE" };
    println!("{name}: {verdict}: {}", report.summary());
    report.exit_code()
}

/// Runs the guest and shows its console until it has gone.
fn attend(args: &Args, config: &str, settings: &[String]) -> Result<u8> {
    let mut testbed = dom0::testbed(args.xen, &format!("run-{}", args.name));
    if let Some(forward) = forward(args, config) {
        testbed = testbed.forward(forward);
    }
    let name = args.domain();
    let mut words = vec![&*name];
    words.extend(settings.iter().map(String::as_str));
    eprintln!("boot Xen {}", args.xen);
    let begins = format!("xl create {name}.cfg");
    dom0::show(testbed, &dom0::command("run.py", &words), &begins, &mut |line, session| {
        match line.strip_prefix("== ") {
            None => println!("{line}"),
            Some(news) => eprintln!("{news}"),
        }
        if line == "== the guest runs" {
            announce(session.forwards());
        }
    })
}

fn announce(forwards: &[Forward]) {
    for forward in forwards {
        match forward.port {
            80 => println!("http://127.0.0.1:{}/", forward.host),
            port => println!("127.0.0.1:{} is the guest's TCP port {port}", forward.host),
        }
    }
    println!("(Ctrl-C ends it)");
}

/// The forward to a guest that has a fixed address and a known service.
fn forward(args: &Args, config: &str) -> Option<Forward> {
    let (_, port) = SERVICES.iter().find(|(name, _)| *name == args.name)?;
    Some(Forward { host: args.port, guest: address(config)?, port: *port })
}

/// The IPv4 address in the `ip=` option of a configuration.
fn address(config: &str) -> Option<Ipv4Addr> {
    let ip = command_line(config).split(' ').find_map(|word| word.strip_prefix("ip="))?;
    ip.split(['/', ',']).next()?.parse().ok()
}

/// The kernel command line of a configuration.
fn command_line(config: &str) -> &str {
    config
        .lines()
        .find_map(|line| line.strip_prefix("cmdline = "))
        .map_or("", |value| value.trim().trim_matches('"'))
}

/// The command line of a configuration with other arguments, as a setting for `xl create`.
fn with_arguments(config: &str, arguments: &[String]) -> Result<String> {
    let line = command_line(config);
    let options = if line.starts_with("-- ") { "" } else { line.split(" -- ").next().unwrap_or("") };
    if let Some(bad) = arguments.iter().find(|word| word.contains(['"', '\'', '\\', ' '])) {
        bail!("argument `{bad}` needs quoting: put it into the configuration");
    }
    let words = format!("{options} -- {}", arguments.join(" "));
    Ok(format!("cmdline=\"{}\"", words.trim_start()))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn a_linux_without_a_number_has_the_memory_that_it_needs() {
        let linux = |words: &[&str]| {
            Line::try_parse_from([&["run", "stubdom"], words].concat()).unwrap().args.linux_mib()
        };
        assert_eq!((linux(&[]), linux(&["--linux"])), (None, Some(hvm::LINUX_MIB)));
        assert_eq!(
            (linux(&["--linux", "256"]), linux(&["--linux", "--check"])),
            (Some(256), linux(&["--linux"]))
        );
    }

    #[test]
    fn the_address_is_the_one_of_the_option() {
        assert_eq!(
            address("cmdline = \"ip=10.0.0.2/24 gateway=10.0.0.1\""),
            Some(Ipv4Addr::new(10, 0, 0, 2))
        );
        assert_eq!(address("cmdline = \"ip=10.0.0.3/24,slaac\""), Some(Ipv4Addr::new(10, 0, 0, 3)));
        assert_eq!(address("cmdline = \"ip=dhcp,slaac\""), None);
        assert_eq!(address("name = \"hello\""), None);
    }

    #[test]
    fn arguments_take_the_place_of_the_configurations() {
        let words = ["null".to_owned()];
        let setting = |config: &str| with_arguments(config, &words).unwrap();
        assert_eq!(setting("cmdline = \"a=b -- panic x\"\n"), "cmdline=\"a=b -- null\"");
        assert_eq!(setting("cmdline = \"-- panic\"\n"), "cmdline=\"-- null\"");
        assert_eq!(setting("name = \"x\"\n"), "cmdline=\"-- null\"");
        assert!(with_arguments("", &["a b".to_owned()]).is_err());
    }
}
