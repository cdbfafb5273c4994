//! Byte code for Python's modules, which Debian's maintainer scripts would have made: without it every start of an interpreter
//! compiles all that it imports, since what it writes is lost with the guest.
//!
//! The root's own interpreter makes it, started through the root's own dynamic linker, so that versions always fit.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use debian::host;

use super::tree::{Kind, Tree};
use super::unpack;

const LINKER: &str = "usr/lib64/ld-linux-x86-64.so.2";
const LIBRARIES: &str = "usr/lib/x86_64-linux-gnu";

/// Adds `__pycache__` for what is below /usr/lib/python3 and /usr/lib/python3.N, if the root has an interpreter.
pub fn compile(tree: &mut Tree, scratch: &Path) -> Result<()> {
    let (Some(linker), Some(interpreter)) = (tree.resolve(LINKER), tree.resolve("usr/bin/python3")) else {
        return Ok(());
    };
    let is_wanted = |path: &str| {
        path == linker
            || path == interpreter
            || path.starts_with("usr/lib/python3")
            || path.starts_with(LIBRARIES)
    };
    for (path, node) in tree.iter().filter(|(path, _)| is_wanted(path)) {
        let host = scratch.join(path);
        fs::create_dir_all(host.parent().unwrap_or(scratch))?;
        match &node.kind {
            Kind::Directory => fs::create_dir_all(&host)?,
            Kind::Symlink(target) if !target.starts_with('/') => std::os::unix::fs::symlink(target, &host)?,
            Kind::Symlink(_) => {}
            Kind::File(data) => {
                fs::write(&host, data.read()?)?;
                fs::set_permissions(&host, fs::Permissions::from_mode(0o755))?;
            }
        }
    }
    let scratch = scratch.canonicalize()?;
    let mut command = host::command(&scratch.join(&linker).to_string_lossy());
    command.arg("--library-path").arg(scratch.join(LIBRARIES)).arg(scratch.join(&interpreter));
    command
        .env("PYTHONHOME", scratch.join("usr"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PYTHONHASHSEED", "0");
    // With a hash that is not checked nobody asks for the time of a source, and the same source gives the same bytes.
    command.args(["-s", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", "-s"]);
    command.arg(&scratch).args(["-p", "/"]);
    let modules: Vec<String> = module_directories(tree);
    command.args(modules.iter().map(|path| scratch.join(path)));
    // Files with errors, which are there to be tested with, do not stop the others.
    let output = command.output().context("cannot run the root's Python")?;
    anyhow::ensure!(
        matches!(output.status.code(), Some(0 | 1)),
        "the root's Python does not compile its modules: {}\n{}",
        output.status,
        host::tail(&String::from_utf8_lossy(&output.stderr), 10)
    );
    for path in modules {
        add_caches(tree, &scratch, &path)?;
    }
    Ok(())
}

fn module_directories(tree: &Tree) -> Vec<String> {
    let is_modules =
        |path: &str| path.strip_prefix("usr/lib/python3").is_some_and(|rest| !rest.contains('/'));
    tree.iter()
        .filter(|(path, node)| is_modules(path) && node.is_directory())
        .map(|(path, _)| path.to_owned())
        .collect()
}

/// Takes the caches below `path` into the tree.
fn add_caches(tree: &mut Tree, scratch: &Path, path: &str) -> Result<()> {
    for entry in fs::read_dir(scratch.join(path))? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|_| entry.file_type().is_ok_and(|kind| kind.is_dir())) else {
            continue;
        };
        let below = format!("{path}/{name}");
        if name != "__pycache__" {
            add_caches(tree, scratch, &below)?;
            continue;
        }
        for file in fs::read_dir(entry.path())? {
            let file = file?.path();
            let Some(mut node) = unpack::host_node(&file)? else { continue };
            let Some(name) = file.file_name().and_then(|name| name.to_str()) else { continue };
            (node.mode, node.mtime) = (0o644, None);
            // The scratch directory does not last as long as the tree.
            node.kind = Kind::File(super::tree::Data::Bytes(fs::read(&file)?));
            tree.insert(&format!("{below}/{name}"), node);
        }
    }
    Ok(())
}
