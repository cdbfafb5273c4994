//! The `minios` command.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use minios_cli::{cfg, gates, image, pack};

/// Tools for Minios guests.
#[derive(Parser)]
#[command(name = "minios", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write the xl.cfg of an application from its TOML file.
    Cfg {
        /// The application's file.
        file: PathBuf,
        /// Where to write; `-` is standard output. Without it the domain's name with .cfg, in the current folder.
        #[arg(short, long)]
        output: Option<PathBuf>,
        /// The folder that relative paths are made to start from.
        #[arg(long)]
        base: Option<PathBuf>,
        /// Fail where the kernel, the ramdisk or a disk is missing, instead of warning.
        #[arg(long)]
        check_files: bool,
    },
    /// Make a folder with kernel, root file system and xl.cfg out of a TOML file that names Debian packages.
    Pack {
        /// The application's file.
        #[arg(required_unless_present = "stubdom")]
        file: Option<PathBuf>,
        /// Debian's QEMU as the device model of HVM guests, in a domain of its own, instead of a file's application
        #[arg(long, conflicts_with = "file")]
        stubdom: bool,
        /// Debian's release, bookworm or trixie, instead of the file's
        #[arg(long)]
        suite: Option<String>,
        /// The folder to make; without it the domain's name, in the current folder.
        #[arg(short, long)]
        output: Option<PathBuf>,
        /// The folder that the paths in the xl.cfg start from, for guests that are to be restarted.
        #[arg(long)]
        base: Option<PathBuf>,
        /// The kernel, linked or as an image, instead of the file's.
        #[arg(long)]
        kernel: Option<PathBuf>,
    },
    /// Make a bootable image of a linked guest: add its symbol table, drop what Xen does not load.
    Image {
        /// The linked guest.
        input: PathBuf,
        /// The image; compressed when the name ends in .gz.
        output: PathBuf,
    },
    /// Hold a linked guest against the rules for guests; fails where one is broken.
    Check {
        /// The linked guest, or an image that is not compressed.
        input: PathBuf,
        /// The mnemonic of an instruction that may touch FPU and vector state, as in `fxsave64`.
        #[arg(long = "allow", value_name = "MNEMONIC")]
        instructions: Vec<String>,
    },
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Cfg { file, output, base, check_files } => write_cfg(&file, output, base, check_files),
        Command::Pack { file, stubdom: _, suite, output, base, kernel } => {
            write_pack(file.as_deref(), &pack::Settings { output, base, kernel, suite })
        }
        Command::Image { input, output } => write_image(&input, &output),
        Command::Check { input, instructions } => check(&input, gates::Exceptions { instructions }),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn write_cfg(
    file: &Path,
    output: Option<PathBuf>,
    base: Option<PathBuf>,
    check_files: bool,
) -> anyhow::Result<ExitCode> {
    let source = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let output_folder = match output.as_deref().and_then(Path::parent) {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    let settings = cfg::Settings { base, output_folder, check_files };
    let generated = match cfg::generate(&file.to_string_lossy(), &source, &settings) {
        Ok(generated) => generated,
        Err(cfg::Problems(problems)) => {
            for problem in problems {
                eprintln!("error: {problem}");
            }
            return Ok(ExitCode::FAILURE);
        }
    };
    for warning in &generated.warnings {
        eprintln!("warning: {warning}");
    }
    let output = output.unwrap_or_else(|| PathBuf::from(format!("{}.cfg", generated.name)));
    if output.as_os_str() == "-" {
        print!("{}", generated.text);
    } else {
        std::fs::write(&output, generated.text)
            .with_context(|| format!("cannot write {}", output.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Packs the application of a file; without one, the device model.
fn write_pack(file: Option<&Path>, settings: &pack::Settings) -> anyhow::Result<ExitCode> {
    let made = match file {
        Some(file) => pack::pack(file, settings, pack::Progress::Bars),
        None => pack::pack_text(Path::new("stubdom"), pack::STUBDOM, settings, pack::Progress::Bars),
    };
    let made = match made {
        Ok(made) => made,
        Err(error) => {
            let Some(cfg::Problems(problems)) = error.downcast_ref() else { return Err(error) };
            for problem in problems {
                eprintln!("error: {problem}");
            }
            return Ok(ExitCode::FAILURE);
        }
    };
    for warning in &made.warnings {
        eprintln!("warning: {warning}");
    }
    let mib = |bytes: u64| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20));
    println!("{}: kernel {}, root {}", made.folder.display(), mib(made.kernel_len), mib(made.root_len));
    println!("left out: {} of files; packages {}", mib(made.left_out), made.packages_left_out.join(" "));
    match made.config {
        Some(_) => println!("start it: cd {} && xl create {}.cfg", made.folder.display(), made.name),
        None => println!(
            "for an HVM guest's xl.cfg: stubdomain_kernel={:?}, stubdomain_ramdisk={:?}, stubdomain_memory={}",
            made.kernel, made.root, made.memory_mib
        ),
    }
    Ok(ExitCode::SUCCESS)
}

fn write_image(input: &Path, output: &Path) -> anyhow::Result<ExitCode> {
    let linked = std::fs::read(input).with_context(|| format!("cannot read {}", input.display()))?;
    let image = image::build(&linked).with_context(|| input.display().to_string())?;
    let compressed = output.extension().is_some_and(|extension| extension == "gz");
    let bytes = if compressed { &image.gz } else { &image.elf };
    std::fs::write(output, bytes).with_context(|| format!("cannot write {}", output.display()))?;
    println!(
        "{}: {} bytes, compressed {}, of which {} functions in a symbol table of {}",
        output.display(),
        image.elf.len(),
        image.gz.len(),
        image.symbols,
        image.table_len
    );
    Ok(ExitCode::SUCCESS)
}

fn check(input: &Path, exceptions: gates::Exceptions) -> anyhow::Result<ExitCode> {
    let elf = std::fs::read(input).with_context(|| format!("cannot read {}", input.display()))?;
    let findings = gates::check(&elf, &exceptions).with_context(|| input.display().to_string())?;
    for finding in &findings {
        eprintln!("error: {}: {finding}", input.display());
    }
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
