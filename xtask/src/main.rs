//! The project's recipes. Each subcommand is a file with its `Args` and a `run` that returns the exit code; this one only
//! chooses among them.

#![forbid(unsafe_code)]

mod bench;
mod cargo;
mod check;
mod conformance;
mod dom0;
mod figures;
mod grub;
mod http;
mod hvm;
mod images;
mod packed;
mod report;
mod run;
mod selftest;
mod setup;
mod site;
mod smoke;
mod stamp;
mod stubdom;
mod test;
mod workspace;
mod xen;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use testbed::Outcome;

/// The project's recipes.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    recipe: Recipe,
}

#[derive(Subcommand)]
enum Recipe {
    Run(run::Args),
    Test(test::Args),
    Images(images::Args),
    Bench(bench::Args),
    Conformance(conformance::Args),
    Setup(setup::Args),
    Xen(xen::Args),
    Smoke(smoke::Args),
    Selftest(selftest::Args),
}

fn main() -> ExitCode {
    let result = match Cli::parse().recipe {
        Recipe::Run(args) => run::run(args),
        Recipe::Test(args) => test::run(args),
        Recipe::Images(args) => images::run(args),
        Recipe::Bench(args) => bench::run(args),
        Recipe::Conformance(args) => conformance::run(args),
        Recipe::Setup(args) => setup::run(args),
        Recipe::Xen(args) => xen::run(args),
        Recipe::Smoke(args) => smoke::run(args),
        Recipe::Selftest(args) => selftest::run(args),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(Outcome::TESTBED_FAILED)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
