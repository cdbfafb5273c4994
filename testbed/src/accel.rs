//! Whether hardware virtualisation can run Xen here: found out by a boot, never by the mere presence of `/dev/kvm`.

use std::fs;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::cache::Cache;
use crate::run::Testbed;
use crate::{Outcome, Progress, XenVersion, host};

/// How QEMU executes guest instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accel {
    /// By translation: works everywhere.
    Tcg,
    /// By the host's KVM.
    Kvm,
}

/// A machine with usable KVM is up in a few seconds; one without fails at once or never comes up.
const PROBE_LIMIT: Duration = Duration::from_secs(30);

impl Accel {
    pub(crate) fn args(self) -> [&'static str; 4] {
        match self {
            // QEMU before 9.1 lets SMAP fault an `iret` from user mode to user mode, which is what a PV kernel does.
            Accel::Tcg => ["-accel", "tcg,thread=multi", "-cpu", "max,smap=off"],
            Accel::Kvm => ["-accel", "kvm", "-cpu", "host"],
        }
    }

    /// `TESTBED_ACCEL` if set, else what a probe boot has shown; the result is kept until QEMU, kernel or CPU change.
    pub(crate) fn choose(version: XenVersion, progress: Progress) -> Result<Accel> {
        if let Some(forced) = Accel::forced()? {
            return Ok(forced);
        }
        if !kvm_is_accessible() {
            return Ok(Accel::Tcg);
        }
        let entry = Cache::open()?.get_or_build(&format!("accel-{version}"), &machine(), |dir| {
            progress("probe: does Xen boot with hardware acceleration?");
            let probe =
                Testbed::builder().xen(version).accel(Accel::Kvm).timeout(PROBE_LIMIT).output(&["true"]);
            let works = probe.is_ok_and(|output| output.outcome == Outcome::Exited(0));
            progress(if works { "probe: it does" } else { "probe: it does not; QEMU translates instead" });
            Ok(fs::write(dir.join("result"), if works { "kvm" } else { "tcg" })?)
        })?;
        Ok(Accel::recorded(&entry))
    }

    /// As [`Accel::choose`], but without a probe: unknown means TCG.
    pub(crate) fn known(version: XenVersion) -> Result<Accel> {
        if let Some(forced) = Accel::forced()? {
            return Ok(forced);
        }
        if !kvm_is_accessible() {
            return Ok(Accel::Tcg);
        }
        let entry = Cache::open()?.get(&format!("accel-{version}"), &machine());
        Ok(entry.map_or(Accel::Tcg, |entry| Accel::recorded(&entry)))
    }

    fn recorded(entry: &std::path::Path) -> Accel {
        match fs::read_to_string(entry.join("result")) {
            Ok(text) if text == "kvm" => Accel::Kvm,
            _ => Accel::Tcg,
        }
    }

    fn forced() -> Result<Option<Accel>> {
        Ok(match std::env::var("TESTBED_ACCEL").as_deref() {
            Ok("tcg") => Some(Accel::Tcg),
            Ok("kvm") => Some(Accel::Kvm),
            Ok(other) => bail!("TESTBED_ACCEL is `{other}`: use tcg or kvm"),
            Err(_) => None,
        })
    }
}

fn kvm_is_accessible() -> bool {
    fs::OpenOptions::new().read(true).write(true).open("/dev/kvm").is_ok()
}

/// What the probe's result depends on.
fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpu =
        read("/proc/cpuinfo").lines().find(|line| line.starts_with("model name")).unwrap_or("").to_owned();
    let qemu = host::run(host::command("qemu-system-x86_64").arg("--version")).unwrap_or_default();
    let qemu = qemu.lines().next().unwrap_or("").to_owned();
    format!("{}{}{cpu}\n{qemu}\n", read("/proc/sys/kernel/osrelease"), read("/etc/machine-id"))
}
