//! Guests that `minios pack` makes, laid out for dom0: `NAME/` with kernel and root, and `NAME.cfg` beside the other guests'.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use minios_cli::pack;
use testbed::{XenVersion, peer};

use crate::images::{self, DOM0_DIR};
use crate::report::Report;
use crate::stamp::Inputs;
use crate::{cargo, dom0, setup, workspace};

/// The package of the kernel that packed guests run on.
pub const KERNEL: &str = "linux";
/// The initramfs of Linux guests, in the staged directory.
const INITRAMFS: &str = "packed-initramfs";

/// The names of the packed guests of xl-configs/.
pub fn names() -> Result<Vec<String>> {
    let mut names = Vec::new();
    let dir = workspace::root().join("xl-configs");
    for entry in fs::read_dir(&dir).with_context(|| format!("cannot read {}", dir.display()))? {
        let path = entry?.path();
        let is_toml = path.extension().is_some_and(|extension| extension == "toml");
        if is_toml && pack::is_packed(&fs::read_to_string(&path)?) {
            names.extend(path.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned));
        }
    }
    names.sort();
    Ok(names)
}

/// Builds our kernel; the linked file.
pub fn kernel() -> Result<PathBuf> {
    Ok(cargo::build_guests(&[KERNEL.to_owned()])?.join(KERNEL))
}

/// Packs the guests of these names with `kernel`, or with our own, which is built then; quick when nothing has changed.
pub fn stage(names: &[String], kernel: Option<&Path>) -> Result<()> {
    for name in names {
        stage_from(name, &workspace::root().join(format!("xl-configs/{name}.toml")), kernel)?;
    }
    Ok(())
}

/// Packs the guest of a TOML file under this name.
fn stage_from(name: &str, source: &Path, kernel: Option<&Path>) -> Result<()> {
    let kernel = match kernel {
        Some(kernel) => kernel.to_owned(),
        None => own_kernel()?,
    };
    let image = fs::read(&kernel).with_context(|| format!("cannot read {}", kernel.display()))?;
    let text = fs::read(source).with_context(|| format!("cannot read {}", source.display()))?;
    let config = images::dir().join(format!("{name}.cfg"));
    let mut inputs = Inputs::new().add(&text).add(&image);
    for path in pack::sources(source)? {
        inputs = add_source(inputs, &path);
    }
    inputs.make(&config, || {
        let settings = pack::Settings {
            output: Some(images::dir().join(name)),
            base: Some(Path::new(DOM0_DIR).join(name)),
            kernel: Some(kernel.clone()),
            suite: None,
        };
        let made = pack::pack(source, &settings, pack::Progress::Lines(&setup::progress))?;
        made.warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
        setup::progress(&format!("{name}: root of {:.1} MiB", made.root_len as f64 / f64::from(1 << 20)));
        let written = made.config.context("a packed guest has an xl.cfg")?;
        fs::copy(&written, &config).with_context(|| format!("cannot write {}", config.display()))?;
        Ok(())
    })
}

/// Packs the guest `name` with its root as an initramfs and not as a disk: the guest `NAME-initramfs`.
pub fn stage_initramfs(name: &str, kernel: Option<&Path>) -> Result<()> {
    let source = workspace::root().join(format!("xl-configs/{name}.toml"));
    let new = format!("{name}-initramfs");
    let edits = [
        (format!("name = \"{name}\"\n"), format!("name = \"{new}\"\n")),
        ("[root]\n".to_owned(), "[root]\ntype = \"initramfs\"\n".to_owned()),
    ];
    stage_edited(&new, &source, &edits, kernel)
}

/// Packs the guest of a TOML file in which each of these texts is replaced by the one beside it. Paths in it must be absolute then.
pub fn stage_edited(
    name: &str,
    source: &Path,
    edits: &[(String, String)],
    kernel: Option<&Path>,
) -> Result<()> {
    let mut text = fs::read_to_string(source).with_context(|| format!("cannot read {}", source.display()))?;
    for (old, new) in edits {
        ensure!(text.contains(old), "{} does not contain {old:?}", source.display());
        text = text.replacen(old, new, 1);
    }
    let dir = images::dir();
    fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let path = dir.join(format!("{name}.toml"));
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    stage_from(name, &path, kernel)
}

/// Our kernel, built and checked, as an image.
pub fn own_kernel() -> Result<PathBuf> {
    let gz = images::dir().join(format!("{KERNEL}.gz"));
    fs::create_dir_all(images::dir())
        .with_context(|| format!("cannot create {}", images::dir().display()))?;
    images::make_image(&cargo::build_guests(&[KERNEL.to_owned()])?.join(KERNEL), &gz)?;
    Ok(gz)
}

/// A file, or all below a directory, by what tells that it has changed. What cannot be read is for packing to complain of.
fn add_source(inputs: Inputs, path: &Path) -> Inputs {
    let Ok(meta) = fs::metadata(path) else { return inputs };
    let mut inputs = inputs.add(path.as_os_str().as_encoded_bytes());
    if meta.is_dir() {
        let mut below: Vec<PathBuf> =
            fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        below.sort();
        return below.iter().fold(inputs, |inputs, path| add_source(inputs, path));
    }
    inputs = inputs.add(&meta.len().to_le_bytes());
    let modified = meta.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    inputs.add(&modified.unwrap_or_default().as_nanos().to_le_bytes())
}

/// How Linux runs a packed guest.
#[derive(Clone, Copy)]
pub struct Linux<'a> {
    /// The guest that it stands beside.
    pub beside: &'a str,
    /// The packed guest whose root disk and configuration it has.
    pub root_of: &'a str,
    /// Its kernel in dom0.
    pub kernel: &'a str,
}

impl<'a> Linux<'a> {
    /// Linux with the root of `name`, soonest started: with an unpacked kernel.
    pub fn of(name: &'a str) -> Self {
        Self { beside: name, root_of: name, kernel: peer::KERNEL }
    }
}

/// Lays out the same guest for Linux: dom0's kernel runs the same root with the same command line. Its
/// configuration and its domain are called [`linux_name`].
pub fn stage_linux(guest: &Linux<'_>, version: XenVersion, memory: u32) -> Result<()> {
    let initramfs = peer::packed(version, &setup::progress)?;
    let dir = images::dir();
    fs::copy(&initramfs, dir.join(INITRAMFS)).context("cannot stage the Linux guest")?;
    let name = guest.root_of;
    let config = fs::read_to_string(dir.join(format!("{name}.cfg")))?;
    ensure!(config.contains("root=xvda"), "the root of {name} is no disk: the Linux guest takes no other");
    let linux = linux_name(guest.beside);
    let initramfs = format!("{DOM0_DIR}/{INITRAMFS}");
    let text = peer::packed_config(&config, &linux, memory, guest.kernel, &initramfs);
    fs::write(dir.join(format!("{linux}.cfg")), text)?;
    Ok(())
}

/// What the guest `name` is called when Linux runs it.
pub fn linux_name(name: &str) -> String {
    format!("{name}-linux")
}

/// Has dom0's clients look at a packed guest: `domain` is it, or Linux in its place.
pub fn check(domain: &str, name: &str, version: XenVersion, settings: &[String]) -> Result<Report> {
    let mut words = vec![domain, name];
    words.extend(settings.iter().map(String::as_str));
    let testbed = dom0::testbed(version, &format!("check-{domain}")).timeout(Duration::from_secs(300));
    let command = dom0::command("check_packed.py", &words);
    dom0::report("check_packed.py ends well", testbed, &command, None, &mut dom0::no_answer)
}
