//! HVM guests whose device model's domain runs on our kernel, laid out for dom0: the disk and the network program of stubdom-tests/
//! and one with GRUB and memtest86+ in `hvm/`, kernel and ramdisk of each Xen's QEMU in `stubdom-VERSION/`, and a configuration for each: `hvm-VERSION.cfg`,
//! `hvm-hostile-VERSION.cfg` with a device model that was taken over, and `hvm-linux-VERSION.cfg` with Linux in our kernel's place.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use debian::host;
use minios_cli::{cfg, pack};
use testbed::{Builder, XenVersion, peer};

use crate::images::{self, DOM0_DIR};
use crate::stamp::Inputs;
use crate::{dom0, grub, packed, setup, workspace};

const SOURCES: &str = "stubdom-tests";
/// The programs, by their source's name, and the files that they become.
const PROGRAMS: [(&str, &str); 2] = [("boot.s", "boot.img"), ("pxe.s", "nbp.0")];
/// A program for dom0: whether its registers stay while an HVM guest runs.
const REGISTERS: &str = "registers.c";
/// Room for what the guest writes, behind its program.
const DISK_BYTES: u64 = 4 << 20;
/// Where a BIOS loads a boot sector, and a ROM a network program.
const BASE: &str = "0x7c00";
/// A root with that program alone.
const HOSTILE: &str = r#"
name = "hostile"
memory = 32
command = ["/hostile"]
[options]
stubdom = 1
[root]
type = "stubdom"
directory = "root"
"#;
/// Enough for dom0, the guest, and the device model's domain of a Linux.
const MACHINE_MIB: u32 = 2048;
/// With two of them and other work on the host, QEMU takes milliseconds for each of the guest's many device accesses.
const CPUS: u32 = 1;
/// MiB of the Linux stub domain: its kernel alone takes 76.
pub const LINUX_MIB: u32 = 192;

/// Lays out everything for a version of Xen, with `kernel` or with our own, which is built then; with Linux's too if asked. Quick when nothing has changed.
pub fn stage(version: XenVersion, kernel: Option<&Path>, with_linux: bool) -> Result<()> {
    let dir = images::dir();
    fs::create_dir_all(dir.join("hvm")).with_context(|| format!("cannot create {}", dir.display()))?;
    for (source, product) in PROGRAMS {
        assemble(source, &dir.join("hvm").join(product))?;
    }
    grub::disk(&dir.join("hvm/grub.img"))?;
    let registers = workspace::root().join(SOURCES).join(REGISTERS);
    let source = fs::read(&registers).with_context(|| format!("cannot read {}", registers.display()))?;
    let program = dir.join("hvm/registers");
    Inputs::new().add(&source).make(&program, || compile(&registers, &program))?;
    let folder = format!("stubdom-{version}");
    stage_domain(version, kernel, &dir.join(&folder))?;
    let config = configuration()?.replace("\"/host/stubdom/", &format!("\"{DOM0_DIR}/{folder}/"));
    write(&dir.join(format!("hvm-{version}.cfg")), &config)?;
    let hostile = format!("{folder}/hostile");
    stage_hostile(kernel, &dir.join(&hostile))?;
    let config_of_hostile = config.replace(&format!("/{folder}/"), &format!("/{hostile}/"));
    write(&dir.join(format!("hvm-hostile-{version}.cfg")), &config_of_hostile)?;
    if with_linux {
        let ramdisk = format!("{folder}/linux-ramdisk");
        stage_linux(version, &dir.join(&folder), &dir.join(&ramdisk))?;
        let config = for_linux(&config, &format!("{DOM0_DIR}/{ramdisk}"));
        write(&dir.join(format!("hvm-linux-{version}.cfg")), &config)?;
    }
    Ok(())
}

/// The testbed for such guests, with what is staged as `/host`.
pub fn testbed(version: XenVersion, log_name: &str) -> Builder {
    dom0::testbed(version, log_name).mem_mib(MACHINE_MIB).cpus(CPUS)
}

/// GNU's assembler and linker, of Debian's binutils.
fn assemble(source: &str, product: &Path) -> Result<()> {
    let dir = workspace::root().join(SOURCES);
    let mut sources: Vec<_> = fs::read_dir(&dir)
        .with_context(|| format!("cannot read {}", dir.display()))?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "s"))
        .collect();
    sources.sort();
    let mut inputs = Inputs::new().add(source.as_bytes());
    for path in &sources {
        inputs = inputs.add(&fs::read(path)?);
    }
    inputs.make(product, || {
        let object = product.with_extension("o");
        let mut command = host::command("as");
        host::run(
            command
                .args(["--32", "--fatal-warnings", "-I"])
                .arg(&dir)
                .arg("-o")
                .arg(&object)
                .arg(dir.join(source)),
        )?;
        let mut command = host::command("ld");
        command.args(["-m", "elf_i386", "-Ttext", BASE, "--oformat", "binary", "-o"]);
        host::run(command.arg(product).arg(&object))?;
        _ = fs::remove_file(object);
        if product.extension().is_some_and(|extension| extension == "img") {
            fs::File::options().write(true).open(product)?.set_len(DISK_BYTES)?;
        }
        Ok(())
    })
}

/// Our kernel and the ramdisk with the QEMU of the suite that the Xen is of.
fn stage_domain(version: XenVersion, kernel: Option<&Path>, folder: &Path) -> Result<()> {
    let kernel = kernel_or_own(kernel)?;
    let image = fs::read(&kernel).with_context(|| format!("cannot read {}", kernel.display()))?;
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let inputs = Inputs::new().add(pack::STUBDOM.as_bytes()).add(&image);
    inputs.make(&folder.join("stubdom-rootfs"), || {
        let settings = pack::Settings {
            output: Some(folder.to_owned()),
            kernel: Some(kernel.clone()),
            suite: Some(version.suite().to_owned()),
            ..pack::Settings::default()
        };
        let source = Path::new("xl-configs/stubdom/qemu.toml");
        let made =
            pack::pack_text(source, pack::STUBDOM, &settings, pack::Progress::Lines(&setup::progress))?;
        let mib = made.root_len as f64 / f64::from(1 << 20);
        setup::progress(&format!("device model's domain for Xen {version}: ramdisk of {mib:.1} MiB"));
        Ok(())
    })
}

/// The domain of a device model that was taken over: a program in QEMU's place.
fn stage_hostile(kernel: Option<&Path>, folder: &Path) -> Result<()> {
    let source = workspace::root().join(SOURCES).join("hostile.c");
    let program = fs::read(&source).with_context(|| format!("cannot read {}", source.display()))?;
    let kernel = kernel_or_own(kernel)?;
    fs::create_dir_all(folder.join("root")).with_context(|| format!("cannot create {}", folder.display()))?;
    let inputs = Inputs::new().add(HOSTILE.as_bytes()).add(&program).add(&fs::read(&kernel)?);
    inputs.make(&folder.join("stubdom-rootfs"), || {
        compile(&source, &folder.join("root/hostile"))?;
        let settings = pack::Settings {
            output: Some(folder.to_owned()),
            kernel: Some(kernel),
            ..pack::Settings::default()
        };
        let file = folder.join("hostile.toml");
        pack::pack_text(&file, HOSTILE, &settings, pack::Progress::Lines(&setup::progress))?;
        Ok(())
    })
}

/// A C program that needs nothing where it runs.
fn compile(source: &Path, product: &Path) -> Result<()> {
    let mut compiler = host::command("gcc");
    compiler.args(["-O1", "-static", "-Wall", "-Wextra", "-Werror", "-o"]).arg(product);
    host::run(compiler.arg(source))?;
    Ok(())
}

fn kernel_or_own(kernel: Option<&Path>) -> Result<PathBuf> {
    match kernel {
        Some(kernel) => Ok(kernel.to_owned()),
        None => packed::own_kernel(),
    }
}

/// Linux's ramdisk is ours with modules, a script and a few programs behind it.
fn stage_linux(version: XenVersion, folder: &Path, ramdisk: &Path) -> Result<()> {
    let mut bytes = fs::read(folder.join("stubdom-rootfs"))?;
    let more = peer::stubdom(version, &setup::progress)?;
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes.extend(fs::read(&more).with_context(|| format!("cannot read {}", more.display()))?);
    fs::write(ramdisk, bytes).with_context(|| format!("cannot write {}", ramdisk.display()))
}

/// The xl.cfg of xl-configs/stubdom/hvm.toml.
fn configuration() -> Result<String> {
    let file = "xl-configs/stubdom/hvm.toml";
    let path = workspace::root().join(file);
    let source = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let settings = cfg::Settings { base: Some(DOM0_DIR.into()), ..cfg::Settings::default() };
    Ok(cfg::generate(file, &source, &settings)?.text)
}

/// The same guest with dom0's kernel in the place of ours.
fn for_linux(config: &str, ramdisk: &str) -> String {
    let mut text = String::new();
    for line in config.lines() {
        let line = match line.split(' ').next() {
            Some("stubdomain_kernel") => format!("stubdomain_kernel = \"{}\"", peer::KERNEL),
            Some("stubdomain_ramdisk") => format!("stubdomain_ramdisk = \"{ramdisk}\""),
            Some("stubdomain_memory") => {
                format!(
                    "stubdomain_memory = {LINUX_MIB}\nstubdomain_cmdline = \"console=hvc0 quiet panic=1\""
                )
            }
            _ => line.to_owned(),
        };
        text += &format!("{line}\n");
    }
    text
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linux_has_another_kernel_ramdisk_and_memory_and_the_same_guest() {
        let config = configuration().unwrap();
        let linux = for_linux(&config, "/r");
        let other = |config: &str, linux: &str| -> Vec<String> {
            linux.lines().filter(|line| !config.contains(line)).map(str::to_owned).collect()
        };
        let expected = [
            "stubdomain_kernel = \"/boot/vmlinux\"",
            "stubdomain_ramdisk = \"/r\"",
            &format!("stubdomain_memory = {LINUX_MIB}"),
            "stubdomain_cmdline = \"console=hvc0 quiet panic=1\"",
        ];
        assert_eq!(other(&config, &linux), expected);
        assert_eq!(other(&linux, &config).len(), 3);
    }

    #[test]
    fn the_programs_are_assembled_and_a_boot_sector_ends_as_the_bios_wants() {
        let dir = std::env::temp_dir().join(format!("xtask-hvm-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        for (source, product) in PROGRAMS {
            assemble(source, &dir.join(product)).unwrap();
        }
        let disk = fs::read(dir.join("boot.img")).unwrap();
        assert_eq!((disk.len() as u64, &disk[510..512]), (DISK_BYTES, &[0x55, 0xaa][..]));
        // Its own sector of commands, 32, is empty until a test writes it.
        assert!(disk[25 * 512..].iter().all(|byte| *byte == 0));
        assert!(fs::read(dir.join("nbp.0")).unwrap().len() < 32 << 10);
        fs::remove_dir_all(dir).unwrap();
    }
}
