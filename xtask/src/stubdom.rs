//! `cargo xtask run stubdom`: an HVM guest whose device model has a domain of its own, on our kernel or, to compare, on Linux.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use testbed::{Builder, XenVersion};

use crate::report::Report;
use crate::{dom0, hvm};

/// What `cargo xtask run` calls it.
pub const NAME: &str = "stubdom";
/// The program in dom0.
const PROGRAM: &str = "stubdom.py";
/// libxl alone takes twenty seconds for such a guest where everything is translated; network boot takes a minute.
const LIMIT: Duration = Duration::from_secs(600);

/// What is run.
pub struct Settings {
    /// Xen's version.
    pub version: XenVersion,
    /// MiB of the device model's domain, if other than the configuration says.
    pub memory: Option<u32>,
    /// MiB of it where Linux is its kernel.
    pub linux: Option<u32>,
    /// Another kernel than our own.
    pub kernel: Option<PathBuf>,
}

impl Settings {
    /// Lays out the guest; the testbed and the command for it.
    fn stage(&self, order: &str) -> Result<(Builder, Vec<String>)> {
        hvm::stage(self.version, self.kernel.as_deref(), self.linux.is_some())?;
        let config = if self.linux.is_some() { "hvm-linux" } else { "hvm" };
        let memory = self.linux.or(self.memory).map(|mib| mib.to_string());
        let mut words = vec![order, config];
        words.extend(memory.as_deref());
        let testbed = hvm::testbed(self.version, &format!("{order}-{NAME}"));
        Ok((testbed, dom0::command(PROGRAM, &words)))
    }
}

/// Boots the guest from its disk and from the network, and has it do what it can; what came of it.
pub fn check(settings: &Settings) -> Result<Report> {
    let (testbed, command) = settings.stage("check")?;
    dom0::report("stubdom.py ends well", testbed.timeout(LIMIT), &command, None, &mut dom0::no_answer)
}

/// Boots the guest from its disk and shows its serial line and what the device model's domain says, until the guest has gone.
pub fn attend(settings: &Settings) -> Result<u8> {
    let (testbed, command) = settings.stage("attend")?;
    eprintln!("boot Xen {}", settings.version);
    let begins = "xl create of an HVM guest (Ctrl-C ends it)";
    dom0::show(testbed, &command, begins, &mut |line, _| println!("{line}"))
}
