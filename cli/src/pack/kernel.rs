//! The kernel that a packed guest runs on: the project's `linux` image.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::image;

/// Where the kernel is looked for beside the `minios` program, which cargo puts into target/PROFILE.
const BESIDE: [&str; 3] =
    ["linux.gz", "../x86_64-unknown-none/release/linux", "../x86_64-unknown-none/guest-dev/linux"];

/// The kernel where nobody has named one.
pub fn find() -> Result<PathBuf> {
    let program = std::env::current_exe().context("cannot tell where this program is")?;
    let folder = program.parent().unwrap_or(Path::new("."));
    let places = BESIDE.map(|place| folder.join(place));
    match places.iter().find(|place| place.is_file()) {
        Some(place) => Ok(place.clone()),
        None => bail!(
            "no kernel: name one by --kernel or by the key `kernel`, or build it: \
             cargo build --release --target x86_64-unknown-none -p linux (looked for {})",
            places[1].display()
        ),
    }
}

/// Puts the kernel at `source`, a linked guest or an image, compressed to `target`.
pub fn stage(source: &Path, target: &Path) -> Result<()> {
    let bytes = fs::read(source).with_context(|| format!("cannot read {}", source.display()))?;
    let is_compressed = bytes.starts_with(&[0x1f, 0x8b]);
    let gz = if is_compressed {
        bytes
    } else {
        image::build(&bytes).with_context(|| source.display().to_string())?.gz
    };
    fs::write(target, gz).with_context(|| format!("cannot write {}", target.display()))
}
