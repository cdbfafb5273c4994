//! The parts that need no Xen: format, lints, documentation, tests on the host, brief fuzzing.

use anyhow::Result;

use super::part::Part;
use crate::cargo::{GUEST_TARGET, cargo, guest_names};
use crate::workspace;

/// Crates that are whole in a guest only, beside the examples.
const GUEST_ONLY: [&str; 3] = ["minios", "minios-std", "linux"];
/// Examples with a library part that is tested here.
const TESTED_EXAMPLES: [&str; 2] = ["httpd", "router"];

pub fn format(part: &mut Part) -> Result<()> {
    part.check("rustfmt finds nothing to change", &mut cargo(&["fmt", "--all", "--check"]))?;
    if let Some(manifest) = fuzz_manifest() {
        let mut command = cargo(&["fmt", "--manifest-path", &manifest, "--check"]);
        part.check("rustfmt finds nothing to change in fuzz", &mut command)?;
    }
    Ok(())
}

pub fn clippy(part: &mut Part) -> Result<()> {
    let mut host = cargo(&["clippy", "--quiet", "--all-targets", "--", "-D", "warnings"]);
    part.check("clippy finds nothing for the host", &mut host)?;
    for name in TESTED_EXAMPLES {
        let mut tests =
            cargo(&["clippy", "--quiet", "--package", name, "--lib", "--tests", "--", "-D", "warnings"]);
        part.check(&format!("clippy finds nothing for {name}'s tests"), &mut tests)?;
    }
    let mut guests = cargo(&["clippy", "--quiet", "--target", GUEST_TARGET]);
    for name in guest_names()? {
        guests.args(["--package", &name]);
    }
    for name in GUEST_ONLY {
        guests.args(["--package", name]);
    }
    guests.args(["--", "-D", "warnings"]);
    part.check("clippy finds nothing for guests", &mut guests)?;
    Ok(())
}

pub fn doc(part: &mut Part) -> Result<()> {
    const FLAGS: (&str, &str) = ("RUSTDOCFLAGS", "-D warnings");
    let mut host = cargo(&["doc", "--quiet", "--no-deps", "--workspace"]);
    // The runtime's documentation names what exists in guests only.
    for name in guest_names()?.iter().map(String::as_str).chain(GUEST_ONLY) {
        host.args(["--exclude", name]);
    }
    part.check("the documentation of the host's crates has no warning", host.env(FLAGS.0, FLAGS.1))?;
    let mut guests = cargo(&["doc", "--quiet", "--no-deps", "--target", GUEST_TARGET]);
    for name in GUEST_ONLY {
        guests.args(["--package", name]);
    }
    part.check("the documentation of the guests' crates has no warning", guests.env(FLAGS.0, FLAGS.1))?;
    Ok(())
}

pub fn tests(part: &mut Part) -> Result<()> {
    part.cargo_test("default members", &mut cargo(&["test", "--no-fail-fast"]))?;
    for name in TESTED_EXAMPLES {
        part.cargo_test(name, &mut cargo(&["test", "--no-fail-fast", "--package", name, "--lib"]))?;
    }
    Ok(())
}

/// Every fuzz target with its corpus and some mutations of it, on stable Rust.
pub fn fuzz(part: &mut Part) -> Result<()> {
    let Some(manifest) = fuzz_manifest() else {
        part.report.skip("fuzz targets", "there is no fuzz/Cargo.toml");
        return Ok(());
    };
    let mut command = cargo(&["test", "--no-fail-fast", "--manifest-path", &manifest]);
    part.cargo_test("fuzz", command.env("CARGO_TARGET_DIR", workspace::target().join("fuzz")))
}

/// The fuzz targets are a workspace of their own.
fn fuzz_manifest() -> Option<String> {
    let manifest = workspace::root().join("fuzz/Cargo.toml");
    manifest.is_file().then(|| manifest.to_string_lossy().into_owned())
}
