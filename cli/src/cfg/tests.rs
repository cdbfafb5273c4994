use std::path::Path;

use super::command_line::word;
use super::device::{parse_mac, parse_vdev};
use super::{Generated, Settings, generate};

const MINIMAL: &str = "name = \"a\"\nkernel = \"a.gz\"\nmemory = 4\n";

fn good(source: &str) -> Generated {
    generate("a.toml", source, &Settings::default()).unwrap_or_else(|problems| panic!("{problems}"))
}

/// The problems of `MINIMAL` followed by `rest`; so the first line of `rest` is line 4.
fn problems(rest: &str) -> Vec<String> {
    match generate("a.toml", &format!("{MINIMAL}{rest}"), &Settings::default()) {
        Ok(generated) => panic!("no problem found:\n{}", generated.text),
        Err(problems) => problems.0.iter().map(ToString::to_string).collect(),
    }
}

#[track_caller]
fn only_problem(rest: &str, expected: &str) {
    assert_eq!(problems(rest), [expected]);
}

/// The settings of the text, without comments and blank lines.
fn settings(generated: &Generated) -> String {
    let lines = generated.text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn the_smallest_file_gives_the_smallest_configuration() {
    let text = "name = \"a\"\ntype = \"pv\"\nkernel = \"a.gz\"\nmemory = 4\nvcpus = 1\n";
    assert_eq!(settings(&good(MINIMAL)), text);
}

#[test]
fn every_key_reaches_the_configuration() {
    let source = r#"
name = "web"
kernel = "web.gz"
ramdisk = "web.cpio"
memory = 16
vcpus = 2
on_crash = "preserve"
arguments = ["serve", "a b", 'say "hi"\n', ""]
vifs = [{ bridge = "br0", mac = "00:16:3e:00:00:01", ip = "10.0.0.2", mtu = 9000 }, {}]
[options]
mount = ["/dev/xvda:/", "/dev/xvdb:/data:ext4"]
loglevel = "debug"
[[disks]]
path = "a,b.img"
vdev = "xvda"
access = "ro"
discard = false
[[disks]]
path = "b.qcow2"
format = "qcow2"
vdev = "xvdb"
backendtype = "qdisk"
trusted = true
[[channels]]
name = "org.example.agent"
connection = "socket"
path = "/run/agent"
[[channels]]
name = "log"
connection = "pty"
backend = "driver"
[xl]
maxmem = 32
nomigrate = true
cpus = ["0", 1]
seclabel = 'a\b"c'
"#;
    let expected = r#"name = "web"
type = "pv"
kernel = "web.gz"
ramdisk = "web.cpio"
memory = 16
vcpus = 2
cmdline = "mount=/dev/xvda:/ mount=/dev/xvdb:/data:ext4 loglevel=debug -- serve \"a b\" \"say \\\"hi\\\"\\\\n\" \"\""
vif = [
    "mac=00:16:3e:00:00:01,bridge=br0,ip=10.0.0.2,mtu=9000",
    "",
]
disk = [
    "format=raw,vdev=xvda,access=ro,no-discard,target=a,b.img",
    "format=qcow2,vdev=xvdb,backendtype=qdisk,trusted,target=b.qcow2",
]
channel = [
    "name=minios.unused,connection=pty",
    "name=org.example.agent,connection=socket,path=/run/agent",
    "name=log,connection=pty,backend=driver",
]
on_crash = "preserve"
maxmem = 32
nomigrate = "1"
cpus = [ "0", "1" ]
seclabel = "a\\b\"c"
"#;
    assert_eq!(settings(&good(source)), expected);
}

#[test]
fn the_header_names_the_source_and_cannot_be_ended_by_its_name() {
    let generated = generate("odd\nname = 1.toml", MINIMAL, &Settings::default()).expect("a good file");
    assert!(generated.text.lines().next().is_some_and(|line| line.starts_with("# ")));
    assert!(generated.text.contains("from odd?name = 1.toml."));
}

#[test]
fn a_base_folder_is_put_before_relative_paths_only() {
    let source = format!("{MINIMAL}disks = [{{ path = \"/dev/vg/a\", vdev = \"xvda\" }}]\n");
    let settings = Settings { base: Some("/srv/guests".into()), ..Settings::default() };
    let generated = generate("a.toml", &source, &settings).expect("a good file");
    assert!(generated.text.contains("kernel = \"/srv/guests/a.gz\"\n"));
    assert!(generated.text.contains("target=/dev/vg/a\""));
    assert!(!generated.text.contains("Relative paths"));
}

#[test]
fn a_missing_file_is_a_warning_and_an_error_on_demand() {
    let warnings: Vec<String> = good(MINIMAL).warnings.iter().map(ToString::to_string).collect();
    assert_eq!(warnings, ["a.toml:2: kernel: no file `a.gz`"]);
    let settings = Settings { check_files: true, ..Settings::default() };
    let error = generate("a.toml", MINIMAL, &settings).expect_err("there is no such file");
    assert_eq!(error.to_string(), "a.toml:2: kernel: no file `a.gz`");
}

#[test]
fn an_existing_file_is_not_warned_of() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let source = "name = \"a\"\nkernel = \"Cargo.toml\"\nmemory = 4\n";
    let settings = Settings { output_folder: folder.into(), check_files: true, ..Settings::default() };
    assert_eq!(generate("a.toml", source, &settings).expect("the file exists").warnings, []);
}

#[test]
fn every_committed_configuration_generates_without_a_word() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../xl-configs");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).expect("xl-configs is a folder") {
        let path = entry.expect("a readable folder").path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            seen += 1;
            let source = std::fs::read_to_string(&path).expect("a readable file");
            if crate::pack::is_packed(&source) {
                continue;
            }
            let generated = generate(&path.to_string_lossy(), &source, &Settings::default())
                .unwrap_or_else(|problems| panic!("{problems}"));
            let other = generated.warnings.iter().find(|warning| !warning.message.starts_with("no file"));
            assert_eq!(other, None);
            assert_eq!(Some(generated.name.as_str()), path.file_stem().and_then(|stem| stem.to_str()));
        }
    }
    assert!(seen >= 6, "only {seen} configurations found");
}

#[test]
fn text_that_is_not_toml_is_an_error_with_its_line() {
    assert!(problems("vcpus = = 2\n")[0].starts_with("a.toml:4: "));
}

#[test]
fn missing_keys_are_all_named() {
    let error = generate("a.toml", "vcpus = 1\n", &Settings::default()).expect_err("nearly empty");
    let expected = "a.toml: name: this key is missing\na.toml: kernel: this key is missing\n\
                    a.toml: memory: this key is missing";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn missing_keys_of_a_disk_have_the_line_of_the_disk() {
    only_problem("\n[[disks]]\npath = \"a\"\n", "a.toml:5: disks[0].vdev: this key is missing");
    only_problem("disks = [\n  { vdev = \"xvda\" },\n]\n", "a.toml:5: disks[0].path: this key is missing");
}

#[test]
fn unknown_keys_are_errors_at_every_level() {
    assert!(
        problems("memroy = 3\n")[0].starts_with("a.toml:4: memroy: unknown key; known are name, kernel,")
    );
    assert!(
        problems("vifs = [{}, { brigde = \"b\" }]\n")[0]
            .starts_with("a.toml:4: vifs[1].brigde: unknown key;")
    );
    let disk = "[[disks]]\npath = \"a\"\nvdev = \"xvda\"\nmode = \"w\"\n";
    assert!(problems(disk)[0].starts_with("a.toml:7: disks[0].mode: unknown key;"));
}

#[test]
fn an_option_that_the_runtime_does_not_know_is_a_warning() {
    let generated = good(&format!("{MINIMAL}[options]\ncolour = true\n"));
    assert!(settings(&generated).contains("cmdline = \"colour=true\"\n"));
    assert!(
        generated.warnings[0]
            .to_string()
            .starts_with("a.toml:5: options.colour: not an option of the runtime;")
    );
}

#[test]
fn wrong_types_are_named() {
    only_problem("vcpus = \"two\"\n", "a.toml:4: vcpus: expected an integer, found a string");
    only_problem("ramdisk = 3\n", "a.toml:4: ramdisk: expected a string, found an integer");
    only_problem("vifs = { bridge = \"b\" }\n", "a.toml:4: vifs: expected an array, found a table");
    only_problem("disks = [\n\"a\"]\n", "a.toml:5: disks[0]: expected a table, found a string");
    only_problem("arguments = [\"a\",\n1.5]\n", "a.toml:5: arguments[1]: expected a string, found a float");
    only_problem(
        "options.ip = { a = 1 }\n",
        "a.toml:4: options.ip: expected a string, an integer, true or false, found a table",
    );
}

#[test]
fn numbers_out_of_range_are_refused() {
    only_problem("vcpus = 0\n", "a.toml:4: vcpus: 0 is not in 1 to 32");
    only_problem("vcpus = 33\n", "a.toml:4: vcpus: 33 is not in 1 to 32");
    for memory in ["0", "-4", "16777217", "99999999999999999999"] {
        let source = format!("name = \"a\"\nkernel = \"a\"\nmemory = {memory}\n");
        let error = generate("a.toml", &source, &Settings::default()).expect_err("no such memory");
        assert_eq!(error.to_string(), format!("a.toml:3: memory: {memory} is not in 1 to 16777216"));
    }
}

#[test]
fn bad_names_are_refused() {
    for name in ["12", "a b", "a/b", ""] {
        let source = format!("name = \"{name}\"\nkernel = \"a\"\nmemory = 4\n");
        let error = generate("a.toml", &source, &Settings::default()).expect_err("no such name");
        assert!(error.to_string().starts_with("a.toml:1: name: "), "{error}");
    }
}

#[test]
fn an_address_or_device_given_twice_names_the_first() {
    let vifs = "vifs = [{ mac = \"00:16:3e:00:00:0a\" },\n{ mac = \"00:16:3E:00:00:0A\" }]\n";
    let expected =
        "a.toml:5: vifs[1].mac: MAC address `00:16:3E:00:00:0A` is already that of vifs[0].mac (line 4)";
    only_problem(vifs, expected);
    let disks = "[[disks]]\npath = \"a\"\nvdev = \"xvda\"\n[[disks]]\npath = \"b\"\nvdev = \"d0p0\"\n";
    let expected = "a.toml:9: disks[1].vdev: virtual device `d0p0` is already that of disks[0].vdev (line 6)";
    only_problem(disks, expected);
}

#[test]
fn mac_addresses_are_six_unicast_groups() {
    assert_eq!(parse_mac("00:16:3e:ff:00:01"), Ok([0, 0, 0, 0x16, 0x3e, 0xff, 0, 1]));
    for bad in [
        "",
        "00:16:3e:00:00",
        "00:16:3e:00:00:001",
        "00-16-3e-00-00-01",
        "0g:16:3e:00:00:01",
        "+0:16:3e:00:00:01",
        "01:16:3e:00:00:01",
        "ff:ff:ff:ff:ff:ff",
        "00:00:00:00:00:00",
    ] {
        assert!(parse_mac(bad).is_err(), "{bad}");
    }
}

#[test]
fn virtual_devices_have_the_numbers_of_xen_vbd_interface() {
    let known = [
        ("xvda", 51712),
        ("xvda1", 51713),
        ("xvdb", 51728),
        ("xvdp15", 51967),
        ("xvdq", 1 << 28 | 16 << 8),
        ("xvdaa", 1 << 28 | 26 << 8),
        ("xvda16", 1 << 28 | 16),
        ("sda", 2048),
        ("sdb2", 2066),
        ("hda", 768),
        ("hdb", 832),
        ("hdc", 5632),
        ("hdd1", 5697),
        ("d0p0", 51712),
        ("d3", 51760),
        ("51712", 51712),
    ];
    for (text, number) in known {
        assert_eq!(parse_vdev(text), Some(number), "{text}");
    }
    for bad in [
        "",
        "xvd",
        "xvda0",
        "xvda01",
        "xvdA",
        "sdq",
        "sda16",
        "hde",
        "nvme0n1",
        "/dev/xvda",
        "d",
        "d1p",
        "dp1",
        "-1",
        "xvda256",
        "xvdzzzzzzzz",
        "99999999999",
        "xvda,",
    ] {
        assert_eq!(parse_vdev(bad), None, "{bad}");
    }
}

#[test]
fn a_disk_says_what_is_wrong_with_it() {
    let with = |line: &str| format!("[[disks]]\npath = \"a\"\nvdev = \"xvda\"\n{line}\n");
    assert!(
        problems(&with("format = \"iso\""))[0].starts_with("a.toml:7: disks[0].format: unknown value `iso`;")
    );
    assert!(
        problems(&with("access = \"x\""))[0].starts_with("a.toml:7: disks[0].access: unknown value `x`;")
    );
    only_problem(
        &with("format = \"empty\""),
        "a.toml:5: disks[0].path: a disk of format `empty` has no path",
    );
    let comma = "a.toml:7: disks[0].script: `a,b` has a comma, which xl takes for the end of the value";
    only_problem(&with("script = \"a,b\""), comma);
    let bad = "[[disks]]\npath = \"a\"\nvdev = \"c:\"\n";
    assert!(problems(bad)[0].starts_with("a.toml:6: disks[0].vdev: `c:` is not a virtual device"));
}

#[test]
fn characters_that_xl_cannot_read_are_refused() {
    let source = "name = \"a\"\nkernel = \"a\\nb\"\nmemory = 4\n";
    let error = generate("a.toml", source, &Settings::default()).expect_err("a line break");
    assert_eq!(error.to_string(), "a.toml:2: kernel: the character '\\n' cannot stand in an xl.cfg string");
    let expected = "a.toml:4: arguments[1]: the character '\\u{7f}' cannot stand in an xl.cfg string";
    only_problem("arguments = [\"a\", \"b\\u007f\"]\n", expected);
}

#[test]
fn options_are_checked_before_a_guest_is_started_with_them() {
    let with = |line: &str| format!("[options]\n{line}\n");
    for bad in [
        "loglevel = \"loud\"",
        "ip = \"10.0.0.2\"",
        "ip = \"10.0.0.2/33\"",
        "ip = \"dhcp,10.0.0.2/24\"",
        "ip = \"dhcp,slaac,slaac\"",
        "gateway = \"10.0.0\"",
        "dns = \"a.example\"",
        "hostname = \"-a\"",
        "hostname = \"a..b\"",
        "mount = \"xvda\"",
        "mount = \"/dev/xvda:data\"",
        "mount = \":/\"",
        "\"a b\" = 1",
        "-x = 1",
    ] {
        assert!(problems(&with(bad))[0].starts_with("a.toml:5: options."), "{bad}");
    }
    for fine in [
        "loglevel = \"off\"",
        "ip = \"dhcp\"",
        "ip = \"10.0.0.2/24,slaac\"",
        "ip = \"dhcp,fd00::2/64\"",
        "gateway = \"10.0.0.1,fe80::1\"",
        "dns = \"10.0.0.1\"",
        "hostname = \"a-b.example\"",
        "mount = \"initramfs:/\"",
    ] {
        assert_eq!(good(&format!("{MINIMAL}{}", with(fine))).warnings.len(), 1, "{fine}");
    }
}

#[test]
fn mounting_a_disk_that_is_not_there_is_a_warning() {
    for device in ["/dev/xvdb", "xvdb"] {
        let generated = good(&format!("{MINIMAL}[options]\nmount = [\"{device}:/data\"]\n"));
        let expected = format!(
            "a.toml:5: options.mount[0]: no disk of this file is {device}, which is to be mounted on /data"
        );
        assert_eq!(generated.warnings[0].to_string(), expected);
    }
    let disk = "options.mount = \"xvdb:/data\"\ndisks = [{ path = \"/dev/null\", vdev = \"xvdb\" }]\n";
    assert_eq!(good(&format!("{MINIMAL}{disk}")).warnings.len(), 1, "the missing kernel alone");
}

#[test]
fn a_command_line_that_start_info_cannot_hold_is_refused() {
    let fits = format!("{MINIMAL}arguments = [\"{}\"]\n", "x".repeat(1020));
    assert!(good(&fits).text.contains("cmdline"));
    let expected = "a.toml:4: arguments: the command line of 1024 bytes is longer than the 1023 that fit";
    only_problem(&format!("arguments = [\"{}\"]\n", "x".repeat(1021)), expected);
}

#[test]
fn the_pass_through_table_cannot_replace_what_is_generated() {
    let expected = "a.toml:5: xl.kernel: generated from other keys of this file, so it cannot be given here";
    only_problem("[xl]\nkernel = \"b\"\n", expected);
    assert!(problems("[xl]\nMaxMem = 3\n")[0].starts_with("a.toml:5: xl.MaxMem: xl.cfg keys are"));
    assert!(
        problems("[xl]\na = [\n[1]]\n")[0].starts_with("a.toml:6: xl.a[0]: expected a string, an integer,")
    );
}

#[test]
fn an_action_must_be_one_of_xl() {
    assert!(
        problems("on_crash = \"explode\"\n")[0].starts_with("a.toml:4: on_crash: unknown action `explode`;")
    );
}

/// The rules of the runtime's parser, written anew, so that quoting is not tested against itself.
fn split_words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = line.chars().peekable();
    while rest.next_if_eq(&' ').is_some() || rest.peek().is_some() {
        let mut word = String::new();
        let mut quoted = false;
        while let Some(c) = rest.next_if(|c| quoted || *c != ' ') {
            match c {
                '"' => quoted = !quoted,
                '\\' if quoted => word.extend(rest.next()),
                _ => word.push(c),
            }
        }
        words.push(word);
    }
    words
}

#[test]
fn quoted_words_are_read_back_as_they_were() {
    let words = ["a", "", "a b", "\"", "\\", "\\\"", "a\\ b\"", "  ", "--", "k=v w", "é ü"];
    let line: Vec<String> = words.iter().map(|text| word(text)).collect();
    assert_eq!(split_words(&line.join(" ")), words);
}

#[test]
fn a_channel_is_named_once_and_a_socket_has_an_absolute_path() {
    let source = format!(
        "{MINIMAL}[[channels]]\nname = \"a\"\nconnection = \"socket\"\n\
         [[channels]]\nname = \"a\"\nconnection = \"pty\"\npath = \"/x\"\n\
         [[channels]]\nname = \"b/c\"\nconnection = \"tcp\"\n\
         [[channels]]\nname = \"d\"\nconnection = \"socket\"\npath = \"x\"\n\
         [[channels]]\nconnection = \"pty\"\n"
    );
    let error = generate("a.toml", &source, &Settings::default()).expect_err("nothing is right in it");
    let lines: Vec<String> = error.to_string().lines().map(str::to_owned).collect();
    for (at, text) in [
        ("channels[0]", "path"),
        ("channels[1].name", "channel `a` is already that of channels[0].name"),
        ("channels[1].path", "only a channel with the connection `socket` has a path"),
        ("channels[2].name", "`b/c` is not of letters"),
        ("channels[2].connection", "unknown value `tcp`; known are pty, socket"),
        ("channels[3].path", "`x` is not an absolute path"),
        ("channels[4]", "name"),
    ] {
        assert!(lines.iter().any(|line| line.contains(at) && line.contains(text)), "{at} {text}: {lines:#?}");
    }
    assert_eq!(lines.len(), 7, "{lines:#?}");
}
