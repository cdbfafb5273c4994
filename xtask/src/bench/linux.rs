//! `cargo xtask bench linux`: Debian's programs under our kernel, beside the same root disk under Linux.

use anyhow::{Result, bail};

use super::Args;

pub fn run(_args: &Args) -> Result<u8> {
    bail!("not yet")
}
