//! HVM guests: what reaches the xl.cfg, and what is refused.

use super::{Settings, generate};

const MINIMAL: &str = "name = \"a\"\ntype = \"hvm\"\nmemory = 64\n";

fn text(rest: &str) -> String {
    let generated = generate("a.toml", &format!("{MINIMAL}{rest}"), &Settings::default());
    let generated = generated.unwrap_or_else(|problems| panic!("{problems}"));
    let lines = generated.text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| format!("{line}\n")).collect()
}

#[track_caller]
fn only_problem(rest: &str, expected: &str) {
    match generate("a.toml", &format!("{MINIMAL}{rest}"), &Settings::default()) {
        Ok(generated) => panic!("no problem found:\n{}", generated.text),
        Err(problems) => assert_eq!(problems.to_string(), expected),
    }
}

const HEAD: &str = "name = \"a\"\ntype = \"hvm\"\nmemory = 64\nvcpus = 1\n";
const TAIL: &str = "vnc = 0\ndevice_model_version = \"qemu-xen\"\n";

#[test]
fn the_smallest_hvm_guest_has_its_device_model_in_dom0() {
    assert_eq!(text(""), format!("{HEAD}{TAIL}"));
}

#[test]
fn a_stub_domain_of_libxls_own_names_needs_one_word() {
    assert_eq!(text("[stubdom]\n"), format!("{HEAD}{TAIL}device_model_stubdomain_override = 1\n"));
}

#[test]
fn every_key_of_an_hvm_guest_reaches_the_configuration() {
    let source = r#"
boot = ["disk", "cdrom", "network"]
serial = ["pty", "pty"]
[stubdom]
kernel = "k.gz"
ramdisk = "r"
memory = 48
[[disks]]
path = "a.img"
vdev = "hda"
[[disks]]
path = "b.iso"
vdev = "hdc"
cdrom = true
[[disks]]
format = "empty"
vdev = "hdd"
cdrom = true
[[vifs]]
bridge = "br0"
model = "e1000"
mac = "00:16:3e:00:00:01"
[xl]
vnc = 1
"#;
    let expected = format!(
        r#"{HEAD}boot = "cdn"
serial = [
    "pty",
    "pty",
]
device_model_version = "qemu-xen"
device_model_stubdomain_override = 1
stubdomain_kernel = "k.gz"
stubdomain_ramdisk = "r"
stubdomain_memory = 48
vif = [
    "type=ioemu,model=e1000,mac=00:16:3e:00:00:01,bridge=br0",
]
disk = [
    "format=raw,vdev=hda,target=a.img",
    "format=raw,vdev=hdc,devtype=cdrom,target=b.iso",
    "format=empty,vdev=hdd,devtype=cdrom",
]
vnc = 1
"#
    );
    assert_eq!(text(source), expected);
}

#[test]
fn paths_are_made_to_start_from_the_base_and_are_looked_for() {
    let settings = Settings { base: Some("/srv/a".into()), check_files: true, ..Settings::default() };
    let source = format!("{MINIMAL}[stubdom]\nkernel = \"k\"\nramdisk = \"r\"\n");
    let problems = generate("a.toml", &source, &settings).expect_err("there are no such files");
    let expected =
        "a.toml:5: stubdom.kernel: no file `/srv/a/k`\na.toml:6: stubdom.ramdisk: no file `/srv/a/r`";
    assert_eq!(problems.to_string(), expected);
}

#[test]
fn what_an_hvm_guest_cannot_have_is_refused() {
    let none = "an HVM guest boots from a disk, a CD-ROM or the network, and has no such key";
    only_problem("kernel = \"k\"\n", &format!("a.toml:4: kernel: {none}"));
    only_problem("arguments = [\"x\"]\n", &format!("a.toml:4: arguments: {none}"));
    only_problem(
        "boot = [\"tape\"]\n",
        "a.toml:4: boot[0]: unknown value `tape`; known are disk, cdrom, network",
    );
    only_problem(
        "serial = [\"null\"]\n[stubdom]\n",
        "a.toml:4: serial[0]: `null`: libxl makes each serial port a pty where there is a [stubdom]",
    );
    only_problem("[stubdom]\nmemory = 8\n", "a.toml:5: stubdom.memory: 8 is not in 24 to 2097151");
    only_problem(
        "[stubdom]\ncolour = 1\n",
        "a.toml:5: stubdom.colour: unknown key; known are kernel, ramdisk, memory",
    );
    only_problem(
        "[[vifs]]\nmodel = \"ne2000\"\n",
        "a.toml:5: vifs[0].model: unknown value `ne2000`; known are e1000, rtl8139",
    );
    only_problem("[[vifs]]\naddress = \"dhcp\"\n", "a.toml:5: vifs[0].address: only a packed guest has this");
    only_problem(
        "[xl]\nboot = \"n\"\n",
        "a.toml:5: xl.boot: generated from other keys of this file, so it cannot be given here",
    );
}

#[test]
fn disks_of_an_hvm_guest_are_whole_and_a_cdrom_is_of_ide() {
    let disk = |rest: &str| format!("[[disks]]\npath = \"a\"\n{rest}");
    only_problem(
        &disk("vdev = \"hda1\"\n"),
        "a.toml:6: disks[0].vdev: `hda1`: an HVM guest has whole disks, as hda or xvda",
    );
    only_problem(
        &disk("vdev = \"xvdc\"\ncdrom = true\n"),
        "a.toml:6: disks[0].vdev: `xvdc`: a CD-ROM is one of hda to hdd",
    );
    only_problem(
        &disk("vdev = \"hdc\"\ncdrom = true\naccess = \"rw\"\n"),
        "a.toml:8: disks[0].access: nobody writes to a CD-ROM",
    );
}

#[test]
fn what_only_an_hvm_guest_has_is_refused_elsewhere() {
    let source = "name = \"a\"\nkernel = \"k\"\nmemory = 4\nboot = [\"disk\"]\n[[vifs]]\nmodel = \"e1000\"\n";
    let problems = generate("a.toml", source, &Settings::default()).expect_err("it is a PV guest");
    let only = "only a guest with `type = \"hvm\"` has this";
    assert_eq!(problems.to_string(), format!("a.toml:4: boot: {only}\na.toml:6: vifs[0].model: {only}"));
    let packed = "name = \"a\"\ntype = \"hvm\"\nmemory = 4\ncommand = [\"x\"]\n[root]\ndirectory = \"t\"\n";
    let problems = generate("a.toml", packed, &Settings::default()).expect_err("it is packed");
    assert_eq!(
        problems.to_string(),
        "a.toml:2: type: a guest with [root] is packed, and packed guests are PV"
    );
}
