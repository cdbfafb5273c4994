//! `cargo xtask conformance`: the same programs under our kernel and under Linux, and whether they say the same.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use testbed::XenVersion;

use crate::report::Report;
use crate::{dom0, images, packed, setup, workspace};

/// Run the conformance suite in a guest of ours and in a Linux guest with the same root, and compare
///
/// Exits with 0 when no program differs but those of linux/conformance/differs.txt.
#[derive(clap::Args)]
pub struct Args {
    /// Xen's version: 4.17 or 4.20
    #[arg(long, default_value_t)]
    xen: XenVersion,
    /// A linked kernel, instead of the one that is built now
    #[arg(long)]
    kernel: Option<PathBuf>,
    /// Programs, or families as `files.`; all of them without a name
    names: Vec<String>,
}

/// The guest's name.
const NAME: &str = "conformance";
/// What the Linux guest gets, in MiB.
const LINUX_MEMORY: u32 = 256;
/// The programs of the suite that dom0 runs.
const PROGRAMS: [&str; 3] = ["guests.py", "compare.py", "differs.txt"];
/// The programs that only our guest runs, each with the seconds that it may take; beside it is what they have to print.
const ALONE: &str = "alone/programs.txt";

pub fn run(args: Args) -> Result<u8> {
    setup::tools()?;
    let report = compare(args.xen, &args.names, args.kernel.as_deref(), None)?;
    println!("conformance: {}", report.summary());
    Ok(report.exit_code())
}

/// Builds, packs, runs both guests, and returns a test for each program.
pub fn compare(
    version: XenVersion,
    names: &[String],
    kernel: Option<&Path>,
    log: Option<&Path>,
) -> Result<Report> {
    stage(version, kernel)?;
    let words: Vec<&str> = names.iter().map(String::as_str).collect();
    let testbed =
        dom0::testbed(version, &format!("conformance-{version}")).timeout(Duration::from_secs(40 * 60));
    let command = dom0::command("guests.py", &words);
    dom0::report("guests.py ends well", testbed, &command, log, &mut dom0::no_answer)
}

fn stage(version: XenVersion, kernel: Option<&Path>) -> Result<()> {
    let source = workspace::root().join("linux/conformance");
    let dir = workspace::target().join("conformance");
    let (suite, programs, hostile) = (dir.join("suite"), dir.join("programs"), dir.join("hostile"));
    build(&source.join("build.sh"), &programs)?;
    build(&source.join("hostile/build.sh"), &hostile)?;
    let alone = fs::read_to_string(source.join(ALONE)).with_context(|| format!("cannot read {ALONE}"))?;
    let alone = limits(&alone)?;
    // The programs that mean harm come last. What has not changed is left alone: the root disk is made by the files' times.
    let mut list = String::new();
    for from in [&programs, &hostile] {
        let names = fs::read_to_string(from.join("LIST")).context("no list of programs")?;
        for name in names.lines() {
            update(&from.join("bin").join(name), &suite.join("bin").join(name))?;
            if alone.iter().all(|(other, _)| *other != name) {
                list += &format!("{name}\n");
            }
        }
    }
    let alone: String = alone.iter().map(|(name, seconds)| format!("{name}={seconds}\n")).collect();
    for (name, text) in [("LIST", list), ("ALONE", alone)] {
        fs::write(dir.join(name), text).with_context(|| format!("cannot write {name}"))?;
        update(&dir.join(name), &suite.join(name))?;
    }
    update(&programs.join("run.sh"), &suite.join("run.sh"))?;
    let built = ("../../target/conformance/suite".to_owned(), suite.display().to_string());
    packed::stage_edited(NAME, &source.join("guest.toml"), &[built], kernel)?;
    packed::stage_linux(&packed::Linux::of(NAME), version, LINUX_MEMORY)?;
    dom0::stage()?;
    let target = images::dir().join("dom0");
    for program in PROGRAMS {
        update(&source.join(program), &target.join(program))?;
    }
    for file in fs::read_dir(source.join("alone")).context("no programs to run alone")? {
        let file = file?.path();
        if let Some(name) = file.file_name() {
            update(&file, &target.join("alone").join(name))?;
        }
    }
    Ok(())
}

/// Name and seconds of each program in a list with reasons.
fn limits(list: &str) -> Result<Vec<(&str, u32)>> {
    let rows = list.lines().filter(|line| !line.starts_with('#'));
    rows.map(|line| {
        let mut words = line.split_whitespace();
        let (name, seconds) = (words.next(), words.next().and_then(|word| word.parse().ok()));
        let row = name.zip(seconds).filter(|_| words.next().is_some());
        row.with_context(|| format!("{ALONE}: `{line}` is not a name, seconds and a reason"))
    })
    .collect()
}

/// Copies a file where it differs.
fn update(from: &Path, to: &Path) -> Result<()> {
    let content = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
    if fs::read(to).is_ok_and(|old| old == content) {
        return Ok(());
    }
    to.parent().map_or(Ok(()), fs::create_dir_all)?;
    fs::copy(from, to).map(drop).with_context(|| format!("cannot write {}", to.display()))
}

fn build(script: &Path, into: &Path) -> Result<()> {
    fs::create_dir_all(into).with_context(|| format!("cannot create {}", into.display()))?;
    let status = Command::new("sh").arg(script).arg(into).status().context("cannot run sh")?;
    ensure!(status.success(), "{} fails: the programs cannot be built", script.display());
    Ok(())
}
