//! Where things are in this workspace.

use std::path::{Path, PathBuf};

/// The workspace's root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is a directory of the workspace")
}

/// Cargo's target directory.
pub fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => std::path::absolute(&dir).unwrap_or_else(|_| dir.into()),
        None => root().join("target"),
    }
}

/// A log file for one run; logs of earlier runs are kept until there are more than a few dozen.
pub fn log_file(name: &str) -> PathBuf {
    const KEPT: usize = 50;
    let dir = target().join("testbed");
    let mut logs: Vec<_> = std::fs::read_dir(&dir)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    logs.sort();
    for (_, path) in logs.iter().rev().skip(KEPT) {
        _ = std::fs::remove_file(path);
    }
    dir.join(format!("{name}-{}.log", std::process::id()))
}
