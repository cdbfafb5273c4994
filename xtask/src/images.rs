//! `cargo xtask images`: all guests as `xl create` wants them, with their configurations and disks, in `target/guests`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use minios_cli::{cfg, gates, image, pack};

use crate::figures::Figure;
use crate::stamp::Inputs;
use crate::{cargo, setup, site, workspace};

/// Build all guests, check them, and lay them out with their configurations and disks in target/guests
#[derive(clap::Args)]
pub struct Args {
    /// The disk with a file of 100 MiB too
    #[arg(long)]
    big: bool,
}

/// Where the staged guests are seen in dom0.
pub const DOM0_DIR: &str = "/host";

const BLKTEST_IMAGE_BYTES: u64 = 64 << 20;

pub fn run(args: Args) -> Result<u8> {
    setup::tools()?;
    let guests = stage()?;
    if args.big {
        site::stage_big(&dir())?;
    }
    for guest in &guests {
        println!("{:12} {:>8} bytes  {}", guest.name, guest.gz_len()?, guest.gz.display());
    }
    Ok(0)
}

/// A guest that is ready for `xl create`.
pub struct Guest {
    /// Its name, and its domain's.
    pub name: String,
    /// The image.
    pub gz: PathBuf,
}

impl Guest {
    /// The length of the compressed image.
    pub fn gz_len(&self) -> Result<u64> {
        Ok(fs::metadata(&self.gz).with_context(|| format!("no image {}", self.gz.display()))?.len())
    }
}

/// The size of a guest's image.
pub fn size_figure(guest: &Guest) -> Result<Figure> {
    let tenths = (guest.gz_len()? as f64 / 102.4).ceil();
    Ok(Figure::new(&format!("{}-image", guest.name), tenths / 10.0, "KB"))
}

/// The directory that is dom0's `/host`.
pub fn dir() -> PathBuf {
    workspace::target().join("guests")
}

/// Builds and lays out everything but the big site; quick when nothing has changed.
pub fn stage() -> Result<Vec<Guest>> {
    stage_only(cargo::guest_names()?)
}

/// As [`stage`], but with these guests alone.
pub fn stage_only(names: Vec<String>) -> Result<Vec<Guest>> {
    testbed::setup::rust_target(cargo::GUEST_TARGET, &setup::progress)?;
    let elfs = cargo::build_guests(&names)?;
    let dir = dir();
    fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let mut guests = Vec::new();
    for name in names {
        let gz = dir.join(format!("{name}.gz"));
        make_image(&elfs.join(&name), &gz)?;
        guests.push(Guest { name, gz });
    }
    site::stage(&dir)?;
    blank_disk(&dir.join("blktest.img"))?;
    configurations(&dir)?;
    Ok(guests)
}

/// Checks a linked guest and makes its compressed image.
pub fn make_image(elf: &Path, gz: &Path) -> Result<()> {
    let linked = fs::read(elf).with_context(|| format!("cannot read {}", elf.display()))?;
    Inputs::new().add(&linked).make(gz, || {
        let findings = gates::check(&linked, &gates::Exceptions::user_mode())
            .with_context(|| format!("cannot check {}", elf.display()))?;
        if !findings.is_empty() {
            let lines: Vec<String> = findings.iter().take(20).map(|finding| finding.to_string()).collect();
            bail!("{} breaks the rules for guests:\n  {}", elf.display(), lines.join("\n  "));
        }
        let image = image::build(&linked).with_context(|| elf.display().to_string())?;
        fs::write(gz, image.gz).with_context(|| format!("cannot write {}", gz.display()))
    })
}

/// Every run of the disk test starts with zeros, which take no space.
fn blank_disk(path: &Path) -> Result<()> {
    _ = fs::remove_file(path);
    let file = fs::File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
    Ok(file.set_len(BLKTEST_IMAGE_BYTES)?)
}

/// Writes NAME.cfg for each xl-configs/NAME.toml.
fn configurations(dir: &Path) -> Result<()> {
    let configs = workspace::root().join("xl-configs");
    let entries = fs::read_dir(&configs).with_context(|| format!("cannot read {}", configs.display()))?;
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let source = fs::read_to_string(&path)?;
        // Those are made by `packed`, when somebody wants them.
        if pack::is_packed(&source) {
            continue;
        }
        let file = path.strip_prefix(workspace::root()).unwrap_or(&path).to_string_lossy();
        let settings = cfg::Settings { base: Some(DOM0_DIR.into()), ..cfg::Settings::default() };
        let generated = cfg::generate(&file, &source, &settings)?;
        // The files that it names are looked for here, not in dom0, where they will be.
        for warning in generated.warnings.iter().filter(|warning| !warning.message.starts_with("no file")) {
            eprintln!("warning: {warning}");
        }
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        fs::write(dir.join(format!("{name}.cfg")), generated.text)?;
    }
    Ok(())
}
