//! A disk with real programs for an HVM guest: Debian's GRUB in its first sectors, which loads Debian's memtest86+ from behind itself.
//! Both talk over the first serial port. There is no file system: the program is a list of sectors to GRUB.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use debian::cache::Cache;
use debian::{host, packages};

const SUITE: &str = "bookworm";
const PACKAGES: [&str; 3] = ["grub-common", "grub-pc-bin", "memtest86+"];
/// What is unpacked of them: GRUB's tool runs with its own libraries, whatever the host has.
const WANTED: [&str; 5] = [
    "./usr/bin/grub-mkimage",
    "./usr/lib/grub/i386-pc",
    "./usr/lib/x86_64-linux-gnu",
    "./usr/lib64",
    "./boot/memtest86+x64.bin",
];
const MODULES: [&str; 6] = ["biosdisk", "boot", "echo", "linux16", "serial", "terminal"];
const SECTOR: usize = 512;
/// Where the program begins. GRUB takes less than half of it.
const PROGRAM: usize = 1024;
/// Lines of GRUB's, with SECTORS and START for the program.
const CONFIG: &str = "\
serial --unit=0 --speed=115200
terminal_input serial
terminal_output serial
echo GRUB: runs
linux16 (hd0)START+SECTORS console=ttyS0,115200 nobench nosm nosmp nopause
echo GRUB: starts memtest86+
boot
";

/// Puts the disk there, made now if the cache has none.
pub fn disk(path: &Path) -> Result<()> {
    let recipe = format!("1\n{SUITE} {PACKAGES:?}\n{WANTED:?}\n{MODULES:?}\n{PROGRAM}\n{CONFIG}");
    let entry = Cache::open()?.get_or_build("grub", &recipe, |dir| {
        build(dir).context("cannot make the disk of GRUB and memtest86+")
    })?;
    fs::copy(entry.join("grub.img"), path).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(())
}

fn build(dir: &Path) -> Result<()> {
    let (tar, root) = (dir.join("packages.tar"), dir.join("root"));
    packages::extract(SUITE, &PACKAGES, &tar)?;
    fs::create_dir(&root)?;
    host::run(host::command("tar").arg("-x").arg("-C").arg(&root).arg("-f").arg(&tar).args(WANTED))?;
    fs::remove_file(&tar)?;

    let program = fs::read(root.join("boot/memtest86+x64.bin"))?;
    let config = dir.join("grub.cfg");
    let sectors = program.len().div_ceil(SECTOR).to_string();
    fs::write(&config, CONFIG.replace("START", &PROGRAM.to_string()).replace("SECTORS", &sectors))?;
    let core = dir.join("core.img");
    let grub = root.join("usr/lib/grub/i386-pc");
    let mut command = host::command(&root.join("usr/lib64/ld-linux-x86-64.so.2").to_string_lossy());
    command
        .arg("--library-path")
        .arg(root.join("usr/lib/x86_64-linux-gnu"))
        .arg(root.join("usr/bin/grub-mkimage"));
    command.args(["-O", "i386-pc", "-p", "(hd0)", "-d"]).arg(&grub).arg("-c").arg(&config);
    host::run(command.arg("-o").arg(&core).args(MODULES))?;

    let disk = lay_out(&fs::read(grub.join("boot.img"))?, &fs::read(&core)?, &program)?;
    fs::write(dir.join("grub.img"), disk)?;
    fs::remove_dir_all(&root)?;
    Ok(fs::remove_file(&core)?)
}

/// The first sector loads what follows it, as both are made; the program is where the configuration says.
fn lay_out(first: &[u8], core: &[u8], program: &[u8]) -> Result<Vec<u8>> {
    anyhow::ensure!(first.len() == SECTOR, "GRUB's boot sector has {} bytes", first.len());
    anyhow::ensure!(core.len() <= (PROGRAM - 1) * SECTOR, "GRUB takes {} bytes", core.len());
    let mut disk = [first, core].concat();
    disk.resize(PROGRAM * SECTOR, 0);
    disk.extend(program);
    // A whole MiB, as a disk has.
    disk.resize(disk.len().next_multiple_of(1 << 20), 0);
    Ok(disk)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loader_is_first_and_the_program_where_the_configuration_says() {
        let disk = lay_out(&[1; SECTOR], &[2; 700], &[3; 600]).unwrap();
        assert_eq!(disk.len(), 1 << 20);
        assert_eq!((disk[511], disk[512], disk[1211], disk[1212]), (1, 2, 2, 0));
        assert_eq!(disk[PROGRAM * SECTOR..][..601], [[3; 600].as_slice(), &[0]].concat());
    }

    #[test]
    fn a_loader_that_would_reach_into_the_program_is_refused() {
        let error = lay_out(&[1; SECTOR], &vec![2; PROGRAM * SECTOR], &[]).unwrap_err();
        assert_eq!(error.to_string(), "GRUB takes 524288 bytes");
        assert!(lay_out(&[1; 100], &[], &[]).is_err());
    }
}
