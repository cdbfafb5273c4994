//! The parts that look at guests: their images, smoke boots, and the tests inside dom0.

use std::cell::RefCell;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use minios_cli::{gates as rules, image};
use testbed::smoke::{End, Options};
use testbed::{Builder, XenVersion};

use super::part::Part;
use crate::figures::{self, Figure};
use crate::{cargo, check, conformance, dom0, hvm, images, packed, setup, site, workspace};

/// What must hold of every image, and the sizes.
pub fn gates(part: &mut Part) -> Result<()> {
    let guests = images::stage()?;
    let kernel = packed::kernel()?;
    let elves = guests.iter().map(|guest| (&*guest.name, cargo::elf_dir().join(&guest.name)));
    for (name, path) in elves.chain([(packed::KERNEL, kernel.clone())]) {
        let elf = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let findings = rules::check(&elf, &rules::Exceptions::user_mode())?;
        findings.iter().for_each(|finding| part.write(&format!("{name}: {finding}")));
        let result = match findings.first() {
            None => Ok(()),
            Some(first) => Err(format!("{} findings, first {first}", findings.len())),
        };
        part.report.test(format!("{name} keeps the rules for guests"), result);
    }
    for guest in &guests {
        let size = images::size_figure(guest)?;
        for (name, result) in figures::gates(std::slice::from_ref(&size)) {
            part.report.test(name, result);
        }
        part.report.figures.push(size);
    }
    let image = image::build(&fs::read(&kernel)?)?.gz;
    part.report.figures.push(Figure::new("linux-image", (image.len() as f64 / 1024.0).ceil(), "KB"));
    Ok(())
}

/// Faults of examples/crash, and what its console must say of each.
const FAULTS: &[(&str, &str)] = &[
    ("panic", "PANIC: on purpose"),
    ("index", "PANIC: index out of bounds"),
    ("oom", "PANIC: "),
    ("null", "CRASH: "),
    ("unmapped", "CRASH: "),
    ("non-canonical", "CRASH: "),
    ("write-code", "CRASH: "),
    ("write-constant", "CRASH: "),
    ("execute-data", "CRASH: "),
    ("divide", "CRASH: "),
    ("opcode", "CRASH: "),
    ("privileged", "CRASH: "),
    ("breakpoint", "CRASH: "),
    ("selector", "CRASH: "),
    // No stack is left to report on: Xen itself ends the domain.
    ("stack", "domain_crash_sync"),
    ("thread", "PANIC: in a thread"),
];

/// Faults that take another domain; guest-tests has them.
#[cfg(test)]
const NOT_ALONE: &[&str] = &["failsafe"];

/// Guests booted as dom0: the smoke test, the tests of user mode and of address spaces on each Xen, and every fault.
pub fn smoke(part: &mut Part) -> Result<()> {
    images::stage()?;
    let dir = workspace::target().join("smoke");
    fs::create_dir_all(&dir)?;
    // With symbols, as the crash test's backtraces want them.
    for name in ["smoke", "usermode", "memory", "crash"] {
        let linked = fs::read(cargo::elf_dir().join(name))?;
        fs::write(dir.join(name), image::build(&linked)?.elf)?;
    }
    for version in XenVersion::ALL {
        boot(part, &dir.join("smoke"), version, "", End::PoweredOff, "SUCCESS")?;
        boot(part, &dir.join("usermode"), version, "", End::PoweredOff, "SUCCESS")?;
        boot(part, &dir.join("memory"), version, "", End::PoweredOff, "SUCCESS")?;
    }
    for (kind, text) in FAULTS {
        boot(part, &dir.join("crash"), XenVersion::default(), &format!("-- {kind}"), End::Crashed, text)?;
    }
    Ok(())
}

fn boot(part: &mut Part, elf: &Path, version: XenVersion, cmdline: &str, end: End, text: &str) -> Result<()> {
    let options =
        Options { version, cmdline: cmdline.into(), timeout: Duration::from_secs(90), ..Options::default() };
    let smoke = testbed::smoke::smoke(elf, &options, &mut |_| {}, &setup::progress)?;
    let name = elf.file_name().unwrap_or_default().to_string_lossy();
    let test = format!("{name} on Xen {version} {cmdline}");
    part.write(&format!("==== {test}\n{}", smoke.console));
    let result = if smoke.end != end {
        Err(format!("it ended with {:?} and not {end:?}", smoke.end))
    } else if !smoke.console.contains(text) {
        Err(format!("its console does not say `{text}`"))
    } else {
        Ok(())
    };
    if result.is_err() {
        part.show_tail(&smoke.console);
    }
    part.report.test(test.trim_end(), result);
    Ok(())
}

/// What the guest itself makes of wrong values and much data, whatever Xen's version.
const ONCE: &str = "bad_input_tests,tcp_tests,router_tests,a_hundred_megabytes,a_hundred_attachments,wrong_keys,\
    sixty_four_megabytes,xen_tests";

pub fn on_4_17(part: &mut Part) -> Result<()> {
    on(part, XenVersion::V4_17, "")
}

pub fn on_4_20(part: &mut Part) -> Result<()> {
    on(part, XenVersion::V4_20, ONCE)
}

/// What stub domains do alike whatever Xen's version, and what takes minutes.
const ONCE_OF_STUBDOM: &str = "another_network_card,two_network_cards,grub_loads,a_paused_guest,\
    destroyed_under,twenty_guests";

pub fn stubdom_on_4_17(part: &mut Part) -> Result<()> {
    stubdom(part, XenVersion::V4_17, "")
}

pub fn stubdom_on_4_20(part: &mut Part) -> Result<()> {
    stubdom(part, XenVersion::V4_20, ONCE_OF_STUBDOM)
}

/// HVM guests with device models in domains of their own: guest-tests/stubdom_tests.py but for the tests named in `without`, on a
/// machine of the kind that they want.
fn stubdom(part: &mut Part, version: XenVersion, without: &str) -> Result<()> {
    const LIMIT: Duration = Duration::from_secs(30 * 60);
    hvm::stage(version, None, false)?;
    stage_tests()?;
    let script = format!(
        "quick-hotplug on; exec python3 -B {}/guest-tests/run.py --xen {version} --only stubdom_tests --without '{without}'",
        images::DOM0_DIR
    );
    let testbed = hvm::testbed(version, &format!("stubdom-{version}")).timeout(LIMIT);
    run_tests(part, version, testbed, script)
}

/// guest-tests/, where dom0 finds it.
fn stage_tests() -> Result<()> {
    let target = images::dir().join("guest-tests");
    _ = fs::remove_dir_all(&target);
    site::copy_tree(&workspace::root().join("guest-tests"), &target)
}

/// `guest-tests/run.py` in dom0 but for the tests named in `without`, and every configuration through `xl create -n`.
fn on(part: &mut Part, version: XenVersion, without: &str) -> Result<()> {
    const LIMIT: Duration = Duration::from_secs(40 * 60);
    images::stage()?;
    packed::stage(&packed::names()?, None)?;
    packed::stage_initramfs("nginx", None)?;
    site::stage_big(&images::dir())?;
    dom0::stage()?;
    stage_tests()?;
    let script = format!(
        "for cfg in {0}/*.cfg; do \
           if xl create -n $cfg >/tmp/out 2>&1; then echo \"test xl create -n ${{cfg##*/}} ... ok\"; \
           else echo \"test xl create -n ${{cfg##*/}} ... FAILED: $(tail -n 1 /tmp/out)\"; fi; \
         done; exec python3 -B {0}/guest-tests/run.py --xen {version} --without '{without}'",
        images::DOM0_DIR
    );
    let testbed = dom0::testbed(version, &format!("guests-{version}")).timeout(LIMIT);
    run_tests(part, version, testbed, script)
}

/// Runs `guest-tests/run.py` as the script says, and holds its figures to their gates.
fn run_tests(part: &mut Part, version: XenVersion, testbed: Builder, script: String) -> Result<()> {
    let command = ["sh".to_owned(), "-c".into(), script];
    let mut report = dom0::report(
        "guest-tests/run.py ends well",
        testbed,
        &command,
        Some(part.log()),
        &mut dom0::no_answer,
    )?;
    for (name, result) in figures::gates(&report.figures) {
        report.test(name, result);
    }
    report.figures.iter_mut().for_each(|figure| figure.on(version));
    part.report.absorb("", report);
    Ok(())
}

/// What the same programs print under our kernel and under Linux; on one Xen, of which they see nothing.
pub fn conformance(part: &mut Part) -> Result<()> {
    let report = conformance::compare(XenVersion::default(), &[], None, Some(part.log()))?;
    part.report.absorb("", report);
    Ok(())
}

/// The README's first command.
pub fn run_httpd(part: &mut Part) -> Result<()> {
    let guests = images::stage()?;
    dom0::stage()?;
    let mut report = check::httpd(XenVersion::default(), 0, &guests, Some(part.log()))?;
    // The sizes are the gates' figures already.
    report.figures.retain(|figure| !figure.name.ends_with("-image"));
    part.report.absorb("", report);
    Ok(())
}

/// Whether the testbed keeps its promises.
pub fn selftest(part: &mut Part) -> Result<()> {
    for version in XenVersion::ALL {
        let passed = RefCell::new(Vec::new());
        let result = testbed::selftest::selftest(version, &|line| {
            setup::progress(line);
            if line.contains(": ok, ") {
                passed.borrow_mut().push(line.to_owned());
            }
        });
        part.report.passed += passed.borrow().len();
        if let Err(error) = result {
            part.report.test(format!("Xen {version}"), Err(format!("{error:#}")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_of_the_example_is_tried() {
        let source = fs::read_to_string(workspace::root().join("examples/crash/src/main.rs")).unwrap();
        let (_, kinds) = source.split_once("const KINDS").unwrap();
        let (kinds, _) = kinds.split_once("];").unwrap();
        let names: Vec<&str> =
            kinds.split("\n    (\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        let tried: Vec<&str> = FAULTS.iter().map(|(kind, _)| *kind).collect();
        let alone: Vec<&str> = names.into_iter().filter(|name| !NOT_ALONE.contains(name)).collect();
        assert_eq!(tried, alone);
    }

    #[test]
    fn a_figure_knows_where_it_was_measured() {
        let mut figure = Figure::new("hello-memory", 4.0, "MiB");
        figure.on(XenVersion::V4_20);
        assert!(figures::table(&[figure]).contains("Xen 4.20"));
    }
}
