//! The sample web site: the committed tree and generated files, as a directory to compare with and as ext4 disks.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::stamp::Inputs;
use crate::workspace;

/// Exactly the file that the requests per second are measured with.
pub const SMALL: (&str, &[u8]) = ("small.txt", b"Thirty bytes, no more, no less");
const LARGE: (&str, u64) = ("1M.bin", 1 << 20);
const HUGE: (&str, u64) = ("100M.bin", 100 << 20);

/// Makes `site/` and `site.img` in `dir`.
pub fn stage(dir: &Path) -> Result<()> {
    let source = workspace::root().join("examples/httpd/site");
    let mut inputs = Inputs::new();
    for file in files(&source)? {
        let content =
            fs::read(source.join(&file)).with_context(|| format!("cannot read {}", file.display()))?;
        inputs = inputs.add(file.as_os_str().as_encoded_bytes()).add(&content);
    }
    let (tree, image) = (dir.join("site"), dir.join("site.img"));
    inputs.make(&image, || {
        _ = fs::remove_dir_all(&tree);
        copy_tree(&source, &tree)?;
        fs::write(tree.join(SMALL.0), SMALL.1)?;
        pseudo_random(&tree.join(LARGE.0), LARGE.1)?;
        ext4(&tree, &image, 16)
    })
}

/// Makes `bigsite/` and `bigsite.img`, with a file of 100 MiB, in `dir`.
pub fn stage_big(dir: &Path) -> Result<()> {
    let (tree, image) = (dir.join("bigsite"), dir.join("bigsite.img"));
    Inputs::new().make(&image, || {
        _ = fs::remove_dir_all(&tree);
        fs::create_dir_all(&tree)?;
        fs::write(
            tree.join("index.html"),
            "<!DOCTYPE html><title>Large</title><a href=\"/100M.bin\">100 MiB</a>\n",
        )?;
        fs::write(tree.join(SMALL.0), SMALL.1)?;
        pseudo_random(&tree.join(HUGE.0), HUGE.1)?;
        ext4(&tree, &image, 128)
    })
}

/// The files below `dir`, relative to it, in order.
pub fn files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut left = vec![PathBuf::new()];
    while let Some(path) = left.pop() {
        let whole = dir.join(&path);
        let entries = fs::read_dir(&whole).with_context(|| format!("cannot read {}", whole.display()))?;
        for entry in entries {
            let entry = entry?;
            let path = path.join(entry.file_name());
            if entry.file_type()?.is_dir() { left.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    Ok(found)
}

/// The path of a file as part of a URL.
pub fn url_path(file: &Path) -> String {
    let mut url = String::from("/");
    for &byte in file.as_os_str().as_encoded_bytes() {
        if byte.is_ascii_alphanumeric() || b"/._-~".contains(&byte) {
            url.push(byte as char);
        } else {
            url += &format!("%{byte:02X}");
        }
    }
    url
}

/// Copies the files below a directory.
pub fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    for file in files(from)? {
        let target = to.join(&file);
        fs::create_dir_all(target.parent().expect("it is below `to`"))?;
        fs::copy(from.join(&file), &target).with_context(|| format!("cannot copy {}", file.display()))?;
    }
    Ok(())
}

/// Always the same bytes (xorshift64*), which no disk or network path can confuse with zeros or repeat unseen.
fn pseudo_random(path: &Path, len: u64) -> Result<()> {
    let mut file = BufWriter::with_capacity(1 << 16, File::create(path)?);
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    for _ in 0..len / 8 {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        file.write_all(&state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes())?;
    }
    file.flush().with_context(|| format!("cannot write {}", path.display()))
}

fn ext4(tree: &Path, image: &Path, mib: u32) -> Result<()> {
    _ = fs::remove_file(image);
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    let output = Command::new("mke2fs")
        .env("PATH", path)
        .args(["-q", "-F", "-t", "ext4", "-E", "root_owner=0:0", "-L", "site", "-d"])
        .arg(tree)
        .arg(image)
        .arg(format!("{mib}M"))
        .output()
        .context("cannot run mke2fs")?;
    if !output.status.success() {
        bail!("mke2fs: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    ensure!(image.is_file(), "mke2fs made no {}", image.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_small_file_has_thirty_bytes() {
        assert_eq!(SMALL.1.len(), 30);
    }

    #[test]
    fn a_url_escapes_what_is_not_plain() {
        assert_eq!(url_path(Path::new("docs/a b%.html")), "/docs/a%20b%25.html");
    }

    #[test]
    fn the_site_has_an_index_a_directory_and_a_name_with_a_space() {
        let site = files(&workspace::root().join("examples/httpd/site")).unwrap();
        for file in ["index.html", "docs/index.html", "with space.txt"] {
            assert!(site.iter().any(|found| found == Path::new(file)), "{file}");
        }
    }
}
