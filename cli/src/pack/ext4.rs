//! A root as an ext4 file system: an empty one by mke2fs, filled by debugfs, so that owners need no privilege and the same tree
//! gives the same bytes whatever machine, user and directory order.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use debian::host;

use super::tree::{Data, Kind, Node, Tree};

const BLOCK: u64 = 4096;
const INODE: u64 = 256;
/// Listed whole, since what mke2fs adds by itself differs by version. The guest's reader knows these, and Linux does.
const FEATURES: &str = "none,extent,filetype,flex_bg,sparse_super,large_file,huge_file,dir_nlink,extra_isize,64bit,metadata_csum";
/// No two file systems of one guest are told apart by it, so it can be the same for all.
const UUID: &str = "6d696e69-6f73-4000-8000-726f6f746673";

/// Writes `tree` to `image`; all times that no node tells are `time`.
pub fn write(tree: &Tree, image: &Path, time: u64, scratch: &Path) -> Result<()> {
    let script = script(tree, scratch)?;
    let commands = scratch.join("commands");
    fs::write(&commands, script)?;
    let mut blocks = blocks(tree);
    for attempt in 0.. {
        format(tree, image, blocks, time)?;
        match fill(image, &commands, time) {
            Ok(()) => break,
            // What a directory or a tree of extents takes is an estimate.
            Err(_) if attempt < 2 => blocks += blocks / 4,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// How many blocks the tree takes, about.
fn blocks(tree: &Tree) -> u64 {
    let of_node = |node: &Node| match &node.kind {
        Kind::Directory => 1,
        Kind::File(data) => data.len().div_ceil(BLOCK) + data.len() / (BLOCK * 8192),
        Kind::Symlink(target) => u64::from(target.len() >= 60),
    };
    let content: u64 = tree.iter().map(|(_, node)| of_node(node)).sum();
    let names: u64 = tree.iter().map(|(path, _)| path.len() as u64 / 2 + 12).sum::<u64>() / BLOCK;
    let inodes = inodes(tree) * INODE / BLOCK;
    content + names + inodes + content / 64 + 96
}

fn inodes(tree: &Tree) -> u64 {
    tree.iter().count() as u64 + 32
}

fn format(tree: &Tree, image: &Path, blocks: u64, time: u64) -> Result<()> {
    _ = fs::remove_file(image);
    let mut command = host::command("mke2fs");
    command.env("E2FSPROGS_FAKE_TIME", time.to_string()).env("SOURCE_DATE_EPOCH", time.to_string());
    command
        .args(["-q", "-F", "-t", "ext4", "-b", "4096", "-I", "256", "-m", "0", "-U", UUID, "-O", FEATURES]);
    command.arg("-N").arg(inodes(tree).to_string());
    command.args(["-E", &format!("hash_seed={UUID},root_owner=0:0,lazy_itable_init=0,nodiscard")]);
    command.arg(image).arg(blocks.to_string());
    host::run(&mut command)?;
    Ok(())
}

fn fill(image: &Path, commands: &Path, time: u64) -> Result<()> {
    let mut command = host::command("debugfs");
    command.env("E2FSPROGS_FAKE_TIME", time.to_string());
    command.arg("-w").arg("-f").arg(commands).arg(image);
    let output = command.output().context("cannot run debugfs")?;
    let said = String::from_utf8_lossy(&output.stderr);
    let complaints: Vec<&str> = said.lines().filter(|line| !line.starts_with("debugfs ")).collect();
    ensure!(output.status.success(), "debugfs: {}\n{}", output.status, host::tail(&said, 10));
    if let Some(first) = complaints.first() {
        bail!("debugfs: {first} ({} complaints)", complaints.len());
    }
    Ok(())
}

/// debugfs' commands that make the tree.
fn script(tree: &Tree, scratch: &Path) -> Result<String> {
    let mut script = String::from("cd /\n");
    let mut here = "";
    for (number, (path, node)) in tree.iter().enumerate() {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        if parent != here {
            script += &format!("cd {}\n", quoted(&format!("/{parent}"))?);
            here = parent;
        }
        let name = quoted(name)?;
        let kind = match &node.kind {
            Kind::Directory => {
                script += &format!("mkdir {name}\n");
                0o040_000
            }
            Kind::Symlink(target) => {
                script += &format!("symlink {name} {}\n", quoted(target)?);
                0o120_000
            }
            Kind::File(data) => {
                let source = match data {
                    Data::Bytes(bytes) => {
                        let file = scratch.join(number.to_string());
                        fs::write(&file, bytes)
                            .with_context(|| format!("cannot write {}", file.display()))?;
                        file
                    }
                    Data::Host(path, _) => path.clone(),
                };
                let source = std::path::absolute(source)?;
                let source = source.to_str().with_context(|| format!("{} is not UTF-8", source.display()))?;
                script += &format!("write {} {name}\n", quoted(source)?);
                0o100_000
            }
        };
        script += &format!("sif {name} mode 0{:o}\n", kind | node.mode);
        for (field, id) in [("uid", node.uid), ("gid", node.gid)] {
            if id != 0 || !matches!(node.kind, Kind::Directory) {
                script += &format!("sif {name} {field} {id}\n");
            }
        }
        if let Some(mtime) = node.mtime {
            script += &format!("sif {name} mtime @{mtime}\n");
        }
    }
    Ok(script)
}

/// A word of a debugfs command.
fn quoted(word: &str) -> Result<String> {
    ensure!(!word.contains(['\n', '\r']), "the name {word:?} has a line break");
    Ok(format!("\"{}\"", word.replace('"', "\"\"")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_as_debugfs_reads_them() {
        assert_eq!(quoted("a b").unwrap(), "\"a b\"");
        assert_eq!(quoted("a\"b").unwrap(), "\"a\"\"b\"");
        assert!(quoted("a\nb").is_err());
    }
}
