//! Tests of packing: what is read, what is left out, and what the written roots hold when others read them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::tree::{Data, Kind, Node, Tree};
use super::{Made, Progress, Settings, TIME, base, cpio, ext4, pack, trim, unpack};
use crate::cfg::{self, Problems};

/// A directory that ends with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let path = std::env::temp_dir().join(format!("minios-pack-{name}-{}", std::process::id()));
        _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("a temporary directory");
        Scratch(path)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().expect("it is below the directory")).expect("a directory");
        std::fs::write(&path, text).expect("a file");
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(&self.0);
    }
}

fn file(bytes: &[u8]) -> Node {
    Node::new(Kind::File(Data::Bytes(bytes.to_vec())), 0o644)
}

fn directory() -> Node {
    Node::new(Kind::Directory, 0o755)
}

fn link(target: &str) -> Node {
    Node::new(Kind::Symlink(target.to_owned()), 0o777)
}

fn of(package: &str, mut node: Node) -> Node {
    node.package = Some(package.to_owned());
    node
}

fn paths(tree: &Tree) -> Vec<&str> {
    tree.iter().map(|(path, _)| path).collect()
}

#[test]
fn what_lies_behind_a_link_is_put_where_the_link_leads() {
    let mut tree = Tree::default();
    tree.insert("usr/lib", directory());
    tree.insert("lib", link("usr/lib"));
    tree.insert("lib/x/libc.so", file(b"c"));
    tree.insert("a", link("/lib/../lib/x"));
    assert_eq!(paths(&tree), ["a", "lib", "usr", "usr/lib", "usr/lib/x", "usr/lib/x/libc.so"]);
    assert_eq!(tree.resolve("/a/libc.so").as_deref(), Some("usr/lib/x/libc.so"));
    assert_eq!(tree.resolve("a/nothing"), None);
}

#[test]
fn links_in_circles_lead_nowhere() {
    let mut tree = Tree::default();
    tree.insert("a", link("b"));
    tree.insert("b", link("a"));
    tree.insert("c", link("c/d"));
    assert_eq!(tree.resolve("a"), None);
    assert_eq!(tree.resolve("a/x"), None);
    assert_eq!(tree.resolve("c/x"), None);
}

#[test]
fn removing_takes_what_is_below_and_not_what_is_called_alike() {
    let mut tree = Tree::default();
    for path in ["a/b/c", "a/b.d", "a/b0", "a/b/d/e"] {
        tree.insert(path, file(b""));
    }
    tree.remove("a/b");
    assert_eq!(paths(&tree), ["a", "a/b.d", "a/b0"]);
}

fn wishes<'a>() -> trim::Wishes<'a> {
    trim::Wishes { docs: false, keep: Vec::new(), drop: Vec::new(), asked: vec!["web"], without: Vec::new() }
}

fn system() -> Tree {
    let mut tree = Tree::default();
    for (path, package) in [
        ("usr/sbin/web", "web"),
        ("usr/share/doc/web/copyright", "web"),
        ("usr/share/man/man8/web.8.gz", "web"),
        ("usr/share/webdata/x", "web"),
        ("etc/init.d/web", "web"),
        ("var/lib/dpkg/status", "dpkg"),
        ("usr/bin/perl", "perl-base"),
        ("usr/lib/x86_64-linux-gnu/libidle.so.1.0", "libidle1"),
        ("usr/lib/x86_64-linux-gnu/idle/module.so", "libidle1"),
        ("usr/lib/x86_64-linux-gnu/libc.so.6", "libc6"),
    ] {
        tree.insert(path, of(package, file(b"12345678")));
    }
    tree.insert("usr/lib/x86_64-linux-gnu/libidle.so.1", of("libidle1", link("libidle.so.1.0")));
    tree.insert("var/lib/web", directory());
    tree
}

#[test]
fn what_no_guest_reads_is_left_out() {
    let mut tree = system();
    let trimmed = trim::trim(&mut tree, &wishes());
    let files: Vec<&str> = tree.files().map(|(path, _)| path).collect();
    assert_eq!(files, ["usr/lib/x86_64-linux-gnu/libc.so.6", "usr/sbin/web", "usr/share/webdata/x"]);
    let packages: BTreeSet<String> = ["dpkg", "libidle1", "perl-base"].map(str::to_owned).into();
    assert_eq!(trimmed, trim::Trimmed { bytes: 7 * 8, packages });
    // Directories that this has emptied go; one that was empty is there for its program.
    assert!(tree.get("usr/share/doc").is_none() && tree.get("etc").is_none());
    assert!(tree.get("var/lib/web").is_some());
}

#[test]
fn what_is_told_otherwise_stays_or_goes() {
    let mut tree = system();
    let mut wishes = wishes();
    wishes.docs = true;
    wishes.keep = vec!["/usr/lib/*/libidle.so*", "/etc/init.d"];
    wishes.drop = vec!["/usr/share/webdata"];
    wishes.asked = vec!["web", "perl-base"];
    wishes.without = vec!["libc6"];
    trim::trim(&mut tree, &wishes);
    for path in ["usr/share/doc/web/copyright", "etc/init.d/web", "usr/bin/perl"] {
        assert!(tree.get(path).is_some(), "{path}");
    }
    assert!(tree.resolve("usr/lib/x86_64-linux-gnu/libidle.so.1").is_some());
    assert!(
        tree.get("usr/share/webdata").is_none() && tree.get("usr/lib/x86_64-linux-gnu/libc.so.6").is_none()
    );
}

#[test]
fn a_library_stays_for_whoever_names_it() {
    // Some program of this machine that has libraries, none of which is a real one here.
    let program = debian::host::find("mke2fs").expect("mke2fs, which packing needs anyway");
    let program = std::fs::read(program).expect("it can be read");
    let names = super::libraries::names(&program);
    assert!(names.iter().any(|name| name.starts_with("libext2fs.so")), "{names:?}");
    let mut tree = system();
    tree.insert("usr/sbin/web", of("web", file(&program)));
    for name in &names {
        tree.insert(&format!("usr/lib/x86_64-linux-gnu/{name}"), of("libs", file(b"")));
    }
    tree.insert("usr/lib/x86_64-linux-gnu/libs/module.so", of("libs", file(b"")));
    trim::trim(&mut tree, &wishes());
    for name in names {
        assert!(tree.get(&format!("usr/lib/x86_64-linux-gnu/{name}")).is_some(), "{name}");
    }
    // With one library of a package its modules stay; of a package without, nothing does.
    assert!(tree.get("usr/lib/x86_64-linux-gnu/libs/module.so").is_some());
    assert!(tree.get("usr/lib/x86_64-linux-gnu/libidle.so.1.0").is_none());
}

fn sample() -> Tree {
    let mut tree = Tree::default();
    base::complete(&mut tree, &[]);
    let mut owned = file(&[7; 10_000]);
    (owned.uid, owned.gid, owned.mode, owned.mtime) = (33, 70_000, 0o4755, Some(1_600_000_000));
    tree.insert("srv/owned \"quoted\"", owned);
    tree.insert("srv/empty", file(b""));
    tree.insert("srv/zeros", file(&[0; 20_000]));
    tree.insert("srv/page", file(&(0..=255).cycle().take(4096).collect::<Vec<u8>>()));
    tree.insert("srv/link", link(&"long/".repeat(30)));
    for number in 0..300 {
        tree.insert(&format!("srv/many/file-{number}"), file(format!("{number}").as_bytes()));
    }
    tree
}

/// Compares a tree with what the guest's own reader makes of its written form.
fn compare(tree: &Tree, vfs: &fs::Vfs) {
    for (path, node) in tree.iter() {
        let found =
            vfs.symlink_metadata(format!("/{path}")).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_eq!((u32::from(found.mode), found.uid, found.gid), (node.mode, node.uid, node.gid), "{path}");
        let mtime = node.mtime.unwrap_or(TIME);
        // The directories' times change with what is put into them.
        assert!(node.is_directory() || found.mtime == mtime as i64, "{path}: {}", found.mtime);
        match &node.kind {
            Kind::Directory => assert_eq!(found.kind, fs::Kind::Directory, "{path}"),
            Kind::Symlink(target) => {
                assert_eq!(vfs.read_link(format!("/{path}")).unwrap(), target.as_bytes())
            }
            Kind::File(data) => {
                let bytes = vfs.open(format!("/{path}")).unwrap().read_all(usize::MAX).unwrap();
                assert!(bytes == *data.read().unwrap(), "{path} differs");
            }
        }
    }
}

#[test]
fn the_same_tree_gives_the_same_file_system_and_fsck_finds_nothing() {
    let scratch = Scratch::new("ext4");
    let tree = sample();
    let images = ["a.img", "b.img"].map(|name| scratch.0.join(name));
    for image in &images {
        ext4::write(&tree, image, TIME, &scratch.0).expect("an image");
    }
    assert!(std::fs::read(&images[0]).unwrap() == std::fs::read(&images[1]).unwrap());
    let mut fsck = debian::host::command("e2fsck");
    let output = fsck.args(["-fn"]).arg(&images[0]).output().expect("e2fsck");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let image = std::fs::read(&images[0]).unwrap();
    let mut vfs = fs::Vfs::new();
    vfs.mount("/", Arc::new(fs::Ext4::mount(image, 1 << 20).expect("a file system"))).unwrap();
    compare(&tree, &vfs);
}

#[test]
fn an_initramfs_holds_the_tree_with_large_files_on_page_boundaries() {
    let tree = sample();
    let mut archive = Vec::new();
    cpio::write(&tree, TIME, &mut archive).expect("an archive");
    let archive: &'static [u8] = archive.leak();
    let mut vfs = fs::Vfs::new();
    vfs.mount("/", Arc::new(fs::Archive::open(archive).expect("an archive"))).unwrap();
    compare(&tree, &vfs);
    let mut aligned = 0;
    for (path, data) in tree.files() {
        let file = vfs.open(format!("/{path}")).unwrap();
        let bytes = file.bytes().expect("the bytes lie in the archive");
        if data.len() >= 4096 {
            let offset = bytes.as_ptr() as usize - archive.as_ptr() as usize;
            assert_eq!(offset % 4096, 0, "{path}");
            aligned += 1;
        }
    }
    assert_eq!(aligned, 3);
}

const KERNEL: &[u8] = &[0x1f, 0x8b, 8, 0];

/// Packs a TOML file beside a directory with a program; the messages where that fails.
fn packed(name: &str, toml: &str) -> Result<(Made, Scratch), Vec<String>> {
    let scratch = Scratch::new(name);
    let program = scratch.write("tree/usr/bin/serve", "#!/bin/true\n");
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::write(scratch.0.join("kernel.gz"), KERNEL).unwrap();
    let file = scratch.write("a.toml", toml);
    let output = Some(scratch.0.join("out"));
    let kernel = Some(scratch.0.join("kernel.gz"));
    match pack(&file, &Settings { output, kernel, ..Settings::default() }, Progress::Lines(&|_| {})) {
        Ok(made) => Ok((made, scratch)),
        Err(error) => match error.downcast_ref() {
            Some(Problems(problems)) => {
                let folder = format!("{}/", scratch.0.display());
                Err(problems.iter().map(|problem| problem.to_string().replace(&folder, "")).collect())
            }
            None => panic!("{error:#}"),
        },
    }
}

const HEAD: &str = "name = \"a\"\nmemory = 16\n";

#[track_caller]
fn problems(name: &str, rest: &str, expected: &[&str]) {
    match packed(name, &format!("{HEAD}{rest}")) {
        Ok(_) => panic!("nothing was found wrong"),
        Err(found) => assert_eq!(found, expected),
    }
}

#[test]
fn a_directory_becomes_a_folder_that_xl_can_start() {
    let toml = format!(
        "{HEAD}command = [\"serve\", \"a b\"]\nuser = \"www-data\"\ncwd = \"/srv\"\ntmpfs = [\"/run:size=1m\"]\n\
         [environment]\nLEVEL = 3\n[root]\ndirectory = \"tree\"\n[options]\nstrace = 1\n\
         [[vifs]]\naddress = \"10.0.0.9/24\"\n[[vifs]]\naddress = \"dhcp\"\n\
         [[disks]]\npath = \"data.img\"\nvdev = \"xvdb\"\nmount = \"/data\"\naccess = \"ro\"\n\
         [[files]]\npath = \"/srv/x\"\ncontent = \"y\"\nmode = \"0600\"\nowner = \"www-data\"\n"
    );
    let (made, _scratch) = packed("folder", &toml).unwrap_or_else(|found| panic!("{found:?}"));
    let text = std::fs::read_to_string(made.config.unwrap()).unwrap();
    let expected = r#"cmdline = "root=xvda:ext4 strace=1 hostname=a ip=10.0.0.9/24 ip1=dhcp mount=xvdb:/data:ext4:ro tmpfs=/run:size=1m env=LEVEL=3 user=www-data cwd=/srv -- serve \"a b\"""#;
    assert!(text.contains(expected), "{text}");
    assert!(text.contains("format=raw,vdev=xvda,access=ro,target=root.img"), "{text}");
    assert!(text.contains("kernel = \"linux.gz\"") && text.contains("tsc_mode = \"native\""), "{text}");
    assert_eq!(std::fs::read(made.folder.join("linux.gz")).unwrap(), KERNEL);
    let image = std::fs::read(&made.root).unwrap();
    let mut vfs = fs::Vfs::new();
    vfs.mount("/", Arc::new(fs::Ext4::mount(image, 1 << 20).expect("a file system"))).unwrap();
    let found = vfs.metadata("/srv/x").unwrap();
    assert_eq!((found.mode, found.uid, found.gid), (0o600, 33, 33));
    assert_eq!(vfs.read_link("/bin").unwrap(), b"usr/bin");
    assert_eq!(vfs.metadata("/bin/serve").unwrap().mode, 0o755);
}

#[test]
fn a_long_command_line_goes_into_the_root() {
    let long = "x".repeat(1100);
    let toml = format!(
        "{HEAD}command = [\"serve\", \"{long}\"]\n[root]\ndirectory = \"tree\"\ntype = \"initramfs\"\n"
    );
    let (made, _scratch) = packed("long", &toml).unwrap_or_else(|found| panic!("{found:?}"));
    let text = std::fs::read_to_string(made.config.unwrap()).unwrap();
    assert!(
        text.contains("cmdline = \"root=initrd:cpio hostname=a options=/etc/minios/options\"\n"),
        "{text}"
    );
    assert!(text.contains("ramdisk = \"root.cpio\"") && !text.contains("disk = ["), "{text}");
    let archive: &'static [u8] = std::fs::read(&made.root).unwrap().leak();
    let mut vfs = fs::Vfs::new();
    vfs.mount("/", Arc::new(fs::Archive::open(archive).unwrap())).unwrap();
    let options = vfs.open("/etc/minios/options").unwrap().read_all(usize::MAX).unwrap();
    assert_eq!(String::from_utf8(options).unwrap(), format!("--\nserve\n{long}\n"));
}

#[test]
fn a_device_models_domain_has_its_words_in_the_root_and_no_configuration() {
    let toml = format!(
        "{HEAD}command = [\"/usr/bin/serve\", \"a b\"]\n[root]\ndirectory = \"tree\"\ntype = \"stubdom\"\n\
         [options]\nstubdom = 1\n"
    );
    let (made, _scratch) = packed("stubdom", &toml).unwrap_or_else(|found| panic!("{found:?}"));
    assert_eq!((made.config, made.memory_mib), (None, 16));
    assert!(made.kernel.ends_with("stubdom-kernel.gz") && made.root.ends_with("stubdom-rootfs"));
    assert_eq!(std::fs::read(made.kernel).unwrap(), KERNEL);
    let archive: &'static [u8] = std::fs::read(&made.root).unwrap().leak();
    let mut vfs = fs::Vfs::new();
    vfs.mount("/", Arc::new(fs::Archive::open(archive).unwrap())).unwrap();
    let options = vfs.open("/etc/minios/options").unwrap().read_all(usize::MAX).unwrap();
    let expected = "stubdom=1\nhostname=a\n--\n/usr/bin/serve\n\"a b\"\n";
    assert_eq!(String::from_utf8(options).unwrap(), expected);
}

#[test]
fn a_device_models_domain_has_no_devices_of_its_own() {
    problems(
        "stubdom-devices",
        "command = [\"serve\"]\n[[vifs]]\n[root]\ntype = \"stubdom\"\ndirectory = \"tree\"\n",
        &["a.toml:5: root: a device model's domain gets its guest's disks and interfaces from libxl"],
    );
}

#[test]
fn another_suite_is_one_of_the_known_and_for_packages_alone() {
    let (_, mut packed, _) = super::read("qemu.toml", super::STUBDOM).unwrap();
    super::choose_suite(&mut packed, "trixie").unwrap();
    assert!(
        matches!(&packed.origin, crate::cfg::packed::Origin::Packages { suite, .. } if suite == "trixie")
    );
    let error = super::choose_suite(&mut packed, "sid").unwrap_err();
    assert_eq!(error.to_string(), "unknown suite `sid`; known are bookworm, trixie");
    let directory = format!("{HEAD}command = [\"serve\"]\n[root]\ndirectory = \"tree\"\n");
    let (_, mut packed, _) = super::read("a.toml", &directory).unwrap();
    let error = super::choose_suite(&mut packed, "trixie").unwrap_err();
    assert_eq!(error.to_string(), "the root is `tree`, which has no suite");
}

#[test]
fn the_built_in_device_model_is_described_without_a_fault() {
    let (app, packed, sink) = super::read("qemu.toml", super::STUBDOM).unwrap();
    assert!(sink.warnings.is_empty(), "{:?}", sink.warnings);
    assert_eq!((&*app.name.value, packed.form), ("stubdom", crate::cfg::packed::Form::Stubdom));
}

#[test]
fn a_stand_in_is_made_of_a_library_of_the_root_alone() {
    problems(
        "stand-in",
        "command = [\"serve\"]\n[root]\nstand_ins = [\"libx.so.1\"]\ndirectory = \"tree\"\n",
        &["a.toml:5: root.stand_ins[0]: no library `libx.so.1` in the root"],
    );
}

#[test]
fn every_error_names_file_line_and_key() {
    problems(
        "no-root",
        "kernel = \"k\"\n",
        &["a.toml:3: kernel: this guest is not packed, for there is no [root]: `minios cfg` is for it"],
    );
    problems(
        "no-command",
        "[root]\ndirectory = \"tree\"\n",
        &["a.toml:3: command: a packed guest needs a program to run"],
    );
    let root = "command = [\"serve\"]\n[root]\n";
    problems("no-origin", root, &["a.toml:4: root: it needs `suite` and `packages`, or `directory`"]);
    problems("no-suite", &format!("{root}packages = []\n"), &["a.toml:4: root.suite: this key is missing"]);
    problems(
        "suite",
        &format!("{root}suite = \"sarge\"\npackages = []\n"),
        &["a.toml:5: root.suite: unknown value `sarge`; known are bookworm, trixie"],
    );
    problems(
        "package",
        &format!("{root}suite = \"trixie\"\npackages = [\n\"--x\"]\n"),
        &["a.toml:7: root.packages[0]: `--x` is not the name of a package"],
    );
    problems(
        "no-directory",
        &format!("{root}directory = \"nowhere\"\n"),
        &["a.toml:5: root.directory: no directory `nowhere`"],
    );
    let whole = format!("{root}directory = \"tree\"\n");
    problems(
        "root-key",
        &format!("{whole}sweet = 1\n"),
        &[
            "a.toml:6: root.sweet: unknown key; known are suite, packages, directory, type, overlay, docs, keep, drop, \
         without, stand_ins, users",
        ],
    );
    problems(
        "no-program",
        "command = [\"sreve\"]\n[root]\ndirectory = \"tree\"\n",
        &[
            "a.toml:3: command[0]: no program `sreve` in the root on /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        ],
    );
    problems(
        "no-user",
        &format!("user = \"joe\"\ncwd = \"/x\"\n{whole}"),
        &[
            "a.toml:3: user: no user `joe` in the root's /etc/passwd; root.users adds one",
            "a.toml:4: cwd: no directory `/x` in the root",
        ],
    );
    problems(
        "users",
        &format!("{whole}users = [\"joe\"]\n"),
        &["a.toml:6: root.users[0]: `joe` is not of the form NAME:UID:GID or NAME:UID:GID:/HOME"],
    );
    problems(
        "file",
        &format!("{whole}[[files]]\npath = \"x\"\ncontent = \"\"\nmode = \"9\"\n[[files]]\npath = \"/x\"\n"),
        &[
            "a.toml:7: files[0].path: `x` is not a path that starts with / and has no ..",
            "a.toml:9: files[0].mode: a mode is like \"0644\" or 0o644",
            "a.toml:10: files[1]: it needs one of content, source, symlink, directory and random",
        ],
    );
    problems(
        "source",
        &format!("{whole}[[files]]\npath = \"/x\"\nsource = \"nothing\"\n"),
        &["a.toml:8: files[0].source: no file `nothing`"],
    );
    problems(
        "disk",
        &format!("{whole}[[disks]]\npath = \"x\"\nvdev = \"xvda\"\n"),
        &["a.toml:7: disks[0].path: xvda is the root's disk: take another vdev"],
    );
    problems(
        "option",
        &format!("{whole}[options]\nenv = \"A=B\"\n"),
        &["a.toml:7: options.env: generated from other keys of this file, so it cannot be given here"],
    );
    problems(
        "arguments",
        &format!("arguments = [\"x\"]\n{whole}"),
        &["a.toml:3: arguments: a packed guest has `command` instead"],
    );
}

#[test]
fn what_only_a_packed_guest_has_is_refused_elsewhere() {
    let native = "name = \"a\"\nkernel = \"k\"\nmemory = 4\n";
    let errors = |rest: &str| {
        let result = cfg::generate("a.toml", &format!("{native}{rest}"), &cfg::Settings::default());
        result.map(|_| ()).unwrap_err().to_string()
    };
    assert_eq!(
        errors("command = []\n"),
        "a.toml:4: command: only a packed guest has this, and there is no [root]"
    );
    assert_eq!(
        errors("vifs = [{ address = \"dhcp\" }]\n"),
        "a.toml:4: vifs[0].address: only a packed guest has this; others have [options]"
    );
    let packed = "[root]\ndirectory = \"x\"\n";
    assert_eq!(
        errors(&format!("command = [\"x\"]\n{packed}")),
        "a.toml:5: root: this guest is packed: `minios pack a.toml` makes its files and its xl.cfg"
    );
}

#[test]
fn every_committed_guest_that_is_packed_is_read_without_a_word() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../xl-configs");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let source = std::fs::read_to_string(&path).unwrap();
        if super::is_packed(&source) {
            let (app, _, sink) =
                super::read(&path.to_string_lossy(), &source).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(sink.warnings, []);
            assert_eq!(Some(app.name.value.as_str()), path.file_stem().and_then(|stem| stem.to_str()));
            seen += 1;
        }
    }
    assert!(seen >= 6, "only {seen} packed guests found");
}

#[test]
fn an_archive_of_packages_becomes_a_tree() {
    let mut builder = tar::Builder::new(Vec::new());
    let mut add = |path: &str, kind: tar::EntryType, target: &str, content: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(if kind == tar::EntryType::Directory { 0o755 } else { 0o644 });
        header.set_uid(0);
        header.set_gid(42);
        header.set_mtime(5);
        header.set_size(content.len() as u64);
        if target.is_empty() {
            builder.append_data(&mut header, path, content).unwrap();
        } else {
            builder.append_link(&mut header, path, target).unwrap();
        }
    };
    add("./usr/lib/", tar::EntryType::Directory, "", b"");
    add("./lib", tar::EntryType::Symlink, "usr/lib", b"");
    add("./usr/lib/a", tar::EntryType::Regular, "", b"text");
    add("./usr/lib/b", tar::EntryType::Link, "./usr/lib/a", b"");
    add("./etc/resolv.conf", tar::EntryType::Regular, "", b"of this machine");
    add("./minios-packages", tar::EntryType::Regular, "", b"one ./lib/\none ./lib/a\ntwo ./usr/lib/b\n");
    let tree = unpack::archive(builder.into_inner().unwrap().as_slice()).expect("a tree");
    assert_eq!(paths(&tree), ["etc", "lib", "usr", "usr/lib", "usr/lib/a", "usr/lib/b"]);
    assert_eq!(tree.get("usr/lib/a").and_then(|node| node.package.as_deref()), Some("one"));
    assert_eq!(tree.get("usr/lib/a").map(|node| (node.gid, node.mtime)), Some((42, Some(5))));
    assert_eq!(tree.get("lib").and_then(|node| node.package.as_deref()), None);
    assert_eq!(tree.resolve("lib/b").as_deref(), Some("usr/lib/a"));
}
