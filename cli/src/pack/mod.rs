//! `minios pack`: from a TOML file that names Debian packages to a folder that `xl create` starts.
//!
//! The flow: `unpack` reads what mmdebstrap has unpacked (or a directory) into a `tree`, `trim` leaves out what no guest reads,
//! `base` adds users and files, `ext4` or `cpio` writes the root, `words` makes the command line, and [`mod@crate::cfg`] the
//! xl.cfg. Nothing of it needs root, and the same input gives the same bytes.

mod base;
mod cpio;
mod ext4;
mod kernel;
mod libraries;
mod progress;
mod python;
mod stand_in;
mod tree;
mod trim;
mod unpack;
mod words;

#[cfg(test)]
mod tests;

use std::fs;
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use debian::cache::Cache;
use debian::packages;

use crate::cfg::app::{App, Extra};
use crate::cfg::device::Disk;
use crate::cfg::packed::{Form, Origin, Packed};
use crate::cfg::read::{Located, Place, Reader, Scalar, Sink};
use crate::cfg::{self, Problem, Problems, xl};
pub use progress::Progress;
use tree::{Data, Kind, Node, Tree};

/// The names of the files beside NAME.cfg.
const KERNEL: &str = "linux.gz";
const ROOT_IMAGE: &str = "root.img";
const ROOT_ARCHIVE: &str = "root.cpio";
/// What a device model's domain is started from.
const STUBDOM_KERNEL: &str = "stubdom-kernel.gz";
const STUBDOM_ROOT: &str = "stubdom-rootfs";
/// Debian's QEMU as a device model, for those who have no file of their own.
pub const STUBDOM: &str = include_str!("../../../xl-configs/stubdom/qemu.toml");
/// Where programs are looked for without a PATH in `[environment]`.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The time of everything that has none of its own, where nothing in the root has: 2023-11-14.
const TIME: u64 = 1_700_000_000;

/// How to pack.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The folder to make; without it the domain's name, in the current folder.
    pub output: Option<PathBuf>,
    /// The folder that the paths in the xl.cfg start from; without it they are relative.
    pub base: Option<PathBuf>,
    /// The kernel, instead of the one that the file names.
    pub kernel: Option<PathBuf>,
    /// The Debian suite, instead of the one that the file names.
    pub suite: Option<String>,
}

/// What was made.
#[derive(Clone, Debug)]
pub struct Made {
    /// The domain's name.
    pub name: String,
    /// The folder.
    pub folder: PathBuf,
    /// The kernel in it.
    pub kernel: PathBuf,
    /// The xl.cfg in it; a device model's domain has none.
    pub config: Option<PathBuf>,
    /// The root file system in it.
    pub root: PathBuf,
    /// Its memory in MiB.
    pub memory_mib: i64,
    /// The bytes of the kernel, compressed.
    pub kernel_len: u64,
    /// The bytes of the root file system.
    pub root_len: u64,
    /// The bytes of files that were left out.
    pub left_out: u64,
    /// The packages of which nothing is left.
    pub packages_left_out: Vec<String>,
    /// What does not stop the guest from being packed, but may stop it from running.
    pub warnings: Vec<Problem>,
}

/// Packs the guest that the TOML file `file` describes; what is wrong in it is a [`Problems`] among the causes of the error.
pub fn pack(file: &Path, settings: &Settings, progress: Progress<'_>) -> Result<Made> {
    let source = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    pack_text(file, &source, settings, progress)
}

/// As [`pack`], with the text `source` in the place of the file's.
pub fn pack_text(file: &Path, source: &str, settings: &Settings, progress: Progress<'_>) -> Result<Made> {
    let name = file.to_string_lossy();
    let (mut app, mut packed, mut sink) = read(&name, source)?;
    if let Some(suite) = &settings.suite {
        choose_suite(&mut packed, suite)?;
    }
    let named = app.kernel.take();
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));

    let mut tree = origin(&packed, folder, &mut sink, progress)?;
    stand_in(&mut tree, &packed, &mut sink)?;
    let trimmed = trim(&mut tree, &packed);
    base::complete(&mut tree, &packed.users);
    base::add(&mut tree, &packed.files, folder, &mut sink)?;
    check(&tree, &packed, &mut sink);
    let words = words::of(&app, &packed, &mut sink);
    if let Some(content) = words.file {
        let node = Node::new(Kind::File(Data::Bytes(content.into_bytes())), 0o644);
        tree.insert(words::OPTIONS, node);
    }
    let text = match packed.form {
        Form::Stubdom => None,
        _ => Some(configuration(&mut app, &packed, &name, &words.line, settings, &mut sink)),
    };
    fail(&mut sink)?;

    let kernel = match (&settings.kernel, named) {
        (Some(kernel), _) => kernel.clone(),
        (None, Some(kernel)) => folder.join(kernel.value),
        (None, None) => kernel::find()?,
    };
    let output = settings.output.clone().unwrap_or_else(|| PathBuf::from(&app.name.value));
    fs::create_dir_all(&output).with_context(|| format!("cannot create {}", output.display()))?;
    if tree.resolve("usr/bin/python3").is_some() && !matches!(packed.origin, Origin::Directory(_)) {
        let spinner = progress.wait("compile Python's modules");
        with_scratch(&output, |scratch| python::compile(&mut tree, scratch))?;
        spinner.finish_and_clear();
    }
    let spinner = progress.wait("compress the kernel");
    let image = output.join(if packed.form == Form::Stubdom { STUBDOM_KERNEL } else { KERNEL });
    kernel::stage(&kernel, &image)?;
    spinner.finish_and_clear();
    let root = write_root(&mut tree, packed.form, &output, progress)?;
    let config = text.map(|text| {
        let config = output.join(format!("{}.cfg", app.name.value));
        fs::write(&config, text).with_context(|| format!("cannot write {}", config.display()))?;
        anyhow::Ok(config)
    });
    let config = config.transpose()?;
    let len = |path: &Path| fs::metadata(path).map_or(0, |meta| meta.len());
    Ok(Made {
        name: app.name.value,
        memory_mib: app.memory_mib,
        kernel_len: len(&image),
        kernel: image,
        root_len: len(&root),
        folder: output,
        config,
        root,
        left_out: trimmed.bytes,
        packages_left_out: trimmed.packages.into_iter().collect(),
        warnings: sink.warnings,
    })
}

/// Whether the TOML text describes a guest that is to be packed, as far as it can be read.
pub fn is_packed(source: &str) -> bool {
    let mut reader = Reader::new("", source);
    reader.root().is_some_and(|root| root.place_of("root").is_some())
}

/// The files and directories of the host that the TOML file `file` takes into the root.
pub fn sources(file: &Path) -> Result<Vec<PathBuf>> {
    let source = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let (_, packed, _) = read(&file.to_string_lossy(), &source)?;
    let folder = file.parent().unwrap_or(Path::new("."));
    let of_files = packed.files.iter().filter_map(|addition| match &addition.content {
        cfg::packed::Content::Source(source) => Some(&source.value),
        _ => None,
    });
    let directory = match &packed.origin {
        Origin::Directory(directory) => Some(&directory.value),
        Origin::Packages { .. } => None,
    };
    Ok(of_files.chain(directory).map(|path| folder.join(path)).collect())
}

/// The command line of the guest that the TOML text describes, and what of it would be a file of the root: all that can be
/// told without looking at any other file.
pub fn command_line(file: &str, source: &str) -> Result<(String, Option<String>)> {
    let (app, packed, mut sink) = read(file, source)?;
    let words = words::of(&app, &packed, &mut sink);
    fail(&mut sink)?;
    Ok((words.line, words.file))
}

/// The application, what is packed, and where problems go.
fn read(name: &str, source: &str) -> Result<(App, Packed, Sink)> {
    let mut reader = Reader::new(name, source);
    let app = App::read(&mut reader);
    let mut sink = reader.into_sink();
    if let Some(App { packed: None, kernel: Some(kernel), .. }) = &app {
        let message = "this guest is not packed, for there is no [root]: `minios cfg` is for it".to_owned();
        sink.error(&kernel.place, message);
    }
    fail(&mut sink)?;
    let mut app = app.context("the file cannot be read")?;
    if let Some(ramdisk) = &app.ramdisk {
        sink.error(
            &ramdisk.place,
            "a packed guest's ramdisk is its root, with root.type = \"initramfs\"".to_owned(),
        );
    }
    let packed = app
        .packed
        .take()
        .context("this guest is not packed, for there is no [root]: `minios cfg` is for it")?;
    let is_root = |disk: &&Disk| disk.vdev == words::ROOT_DISK && packed.form == Form::Ext4;
    if let Some(disk) = app.disks.iter().find(is_root) {
        let place = disk.path.as_ref().map_or_else(Place::default, |path| path.place.clone());
        sink.error(&place, format!("{} is the root's disk: take another vdev", words::ROOT_DISK));
    }
    if packed.form == Form::Stubdom
        && !(app.vifs.is_empty() && app.disks.is_empty() && app.channels.is_empty())
    {
        let message = "a device model's domain gets its guest's disks and interfaces from libxl".to_owned();
        sink.error(&packed.place, message);
    }
    fail(&mut sink)?;
    Ok((app, packed, sink))
}

/// An error with all that the sink has, if it has any.
fn fail(sink: &mut Sink) -> Result<()> {
    if sink.errors.is_empty() { Ok(()) } else { Err(Problems(std::mem::take(&mut sink.errors)).into()) }
}

/// The tree as its packages or its directory have it.
fn origin(packed: &Packed, folder: &Path, sink: &mut Sink, progress: Progress<'_>) -> Result<Tree> {
    match &packed.origin {
        Origin::Directory(directory) => {
            let host = folder.join(&directory.value);
            if !host.is_dir() {
                sink.error(&directory.place, format!("no directory `{}`", host.display()));
                fail(sink)?;
            }
            let mut tree = Tree::default();
            unpack::directory(&mut tree, &host, "")?;
            Ok(tree)
        }
        Origin::Packages { packages, .. } if packages.is_empty() => Ok(Tree::default()),
        Origin::Packages { suite, packages } => {
            let archive = match fetch(suite, packages, progress) {
                Ok(archive) => archive,
                Err(error) => {
                    name_missing(&error, packages, sink);
                    fail(sink)?;
                    return Err(error);
                }
            };
            let file =
                fs::File::open(&archive).with_context(|| format!("cannot read {}", archive.display()))?;
            let bar = progress.bytes("unpack", file.metadata()?.len());
            let tree = unpack::archive(BufReader::with_capacity(1 << 20, bar.wrap_read(file)));
            bar.finish_and_clear();
            tree.with_context(|| format!("cannot read {}", archive.display()))
        }
    }
}

/// The archive with the packages, out of the cache or fetched now.
fn fetch(suite: &str, packages: &[Located<String>], progress: Progress<'_>) -> Result<PathBuf> {
    let mut names: Vec<&str> = packages.iter().map(|package| package.value.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    // Several sets of one suite live side by side.
    let recipe = format!("suite {suite}\npackages {}\nwith {}\n", names.join(" "), packages::LISTING);
    let entry = Cache::open()?.get_or_build(&format!("packages-{suite}"), &recipe, |dir| {
        let spinner = progress.wait(&format!("fetch and unpack {} of Debian {suite}", names.join(", ")));
        let result = packages::extract_listed(suite, &names, &dir.join("packages.tar"));
        spinner.finish_and_clear();
        result
    })?;
    Ok(entry.join("packages.tar"))
}

/// Complains of each package that the archive does not have, where it is asked for.
fn name_missing(error: &anyhow::Error, packages: &[Located<String>], sink: &mut Sink) {
    let Some(missing) = error.chain().find_map(|cause| cause.downcast_ref::<packages::Missing>()) else {
        return;
    };
    for package in packages.iter().filter(|package| missing.packages.contains(&package.value)) {
        let message = format!("Debian {} has no package `{}`", missing.suite, package.value);
        sink.error(&package.place, message);
    }
}

/// Another suite for the same packages.
fn choose_suite(packed: &mut Packed, wanted: &str) -> Result<()> {
    if !cfg::packed::SUITES.contains(&wanted) {
        bail!("unknown suite `{wanted}`; known are {}", cfg::packed::SUITES.join(", "));
    }
    match &mut packed.origin {
        Origin::Packages { suite, .. } => wanted.clone_into(suite),
        Origin::Directory(directory) => bail!("the root is `{}`, which has no suite", directory.value),
    }
    Ok(())
}

/// Puts stand-ins in the place of libraries that are never called.
fn stand_in(tree: &mut Tree, packed: &Packed, sink: &mut Sink) -> Result<()> {
    for name in &packed.stand_ins {
        let path = libraries::DIRECTORIES.iter().find_map(|directory| {
            let path = tree::join(directory, &name.value);
            Some((tree.resolve(&path)?, path))
        });
        let Some((real, path)) = path else {
            sink.error(&name.place, format!("no library `{}` in the root", name.value));
            continue;
        };
        let Some(Node { kind: Kind::File(data), package, mtime, .. }) = tree.get(&real).cloned() else {
            continue;
        };
        match stand_in::of(&name.value, &data.read()?) {
            Ok(bytes) => {
                tree.remove(&real);
                let node = Node::new(Kind::File(Data::Bytes(bytes)), 0o644);
                tree.insert(&path, Node { package, mtime, ..node });
            }
            Err(error) => sink.error(&name.place, format!("no stand-in for `{}`: {error}", name.value)),
        }
    }
    Ok(())
}

fn trim(tree: &mut Tree, packed: &Packed) -> trim::Trimmed {
    fn texts(list: &[Located<String>]) -> Vec<&str> {
        list.iter().map(|entry| entry.value.as_str()).collect()
    }
    let asked = match &packed.origin {
        Origin::Packages { packages, .. } => texts(packages),
        Origin::Directory(_) => Vec::new(),
    };
    let (keep, drop, without) = (texts(&packed.keep), texts(&packed.drop), texts(&packed.without));
    trim::trim(tree, &trim::Wishes { docs: packed.docs, keep, drop, asked, without })
}

/// Looks for what the guest would fail by at its start.
fn check(tree: &Tree, packed: &Packed, sink: &mut Sink) {
    let search = packed.environment.iter().find(|(name, _)| name == "PATH");
    let search = search.map_or(PATH, |(_, value)| &value.value);
    if let Some(program) = packed.command.first()
        && base::program(tree, &program.value, search).is_none()
    {
        let place = if program.value.contains('/') { String::new() } else { format!(" on {search}") };
        sink.error(&program.place, format!("no program `{}` in the root{place}", program.value));
    }
    if let Some(user) = &packed.user {
        let (name, group) = match user.value.split_once(':') {
            Some((name, group)) => (name, Some(group)),
            None => (user.value.as_str(), None),
        };
        if let Err(message) = base::ids(tree, name, group) {
            sink.error(&user.place, message);
        }
    }
    if let Some(cwd) = &packed.cwd {
        let path = tree.resolve(&cwd.value);
        if !path.is_some_and(|path| path.is_empty() || tree.get(&path).is_some_and(Node::is_directory)) {
            sink.error(&cwd.place, format!("no directory `{}` in the root", cwd.value));
        }
    }
}

/// The xl.cfg, after the files that are made here were put among the application's.
fn configuration(
    app: &mut App,
    packed: &Packed,
    source: &str,
    line: &str,
    settings: &Settings,
    sink: &mut Sink,
) -> String {
    let named = |name: &str| Located { value: name.to_owned(), place: packed.place.clone() };
    app.kernel = Some(named(KERNEL));
    match packed.form {
        Form::Initramfs | Form::Stubdom => app.ramdisk = Some(named(ROOT_ARCHIVE)),
        Form::Ext4 => app.disks.insert(
            0,
            Disk {
                path: Some(named(ROOT_IMAGE)),
                format: "raw".to_owned(),
                vdev: words::ROOT_DISK.to_owned(),
                access: Some(if packed.overlay { "ro" } else { "rw" }.to_owned()),
                script: None,
                flags: Vec::new(),
                mount: None,
            },
        ),
    }
    // Programs read the time stamp counter often, and each read that Xen emulates costs them microseconds.
    if !app.extra.iter().any(|(key, _)| key == "tsc_mode") {
        let value = Located { value: Scalar::String("native".to_owned()), place: packed.place.clone() };
        app.extra.push(("tsc_mode".to_owned(), Extra::One(value)));
    }
    let rebased = |path: &str| match &settings.base {
        Some(base) => base.join(path).to_string_lossy().into_owned(),
        None => path.to_owned(),
    };
    xl::render(app, true, source, &rebased, Some(line), sink)
}

/// Writes the root to the folder and returns its path.
fn write_root(tree: &mut Tree, form: Form, folder: &Path, progress: Progress<'_>) -> Result<PathBuf> {
    let time = settle_times(tree);
    let bar = progress.wait("write the root file system");
    let path = folder.join(match form {
        Form::Ext4 => ROOT_IMAGE,
        Form::Initramfs => ROOT_ARCHIVE,
        Form::Stubdom => STUBDOM_ROOT,
    });
    match form {
        Form::Initramfs | Form::Stubdom => {
            let file =
                fs::File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
            let mut out = BufWriter::with_capacity(1 << 20, file);
            cpio::write(tree, time, &mut out)
                .and_then(|()| out.flush())
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        Form::Ext4 => {
            let result = with_scratch(folder, |scratch| ext4::write(tree, &path, time, scratch));
            result.with_context(|| format!("cannot make {}", path.display()))?;
        }
    }
    bar.finish_and_clear();
    Ok(path)
}

/// Calls `work` with an empty directory in `folder`, which goes afterwards.
fn with_scratch(folder: &Path, work: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let scratch = folder.join(".scratch");
    _ = fs::remove_dir_all(&scratch);
    fs::create_dir(&scratch).with_context(|| format!("cannot create {}", scratch.display()))?;
    let result = work(&scratch);
    _ = fs::remove_dir_all(&scratch);
    result
}

/// Cuts all times at SOURCE_DATE_EPOCH, if it is set; returns the time for what has none, the newest that there is.
fn settle_times(tree: &mut Tree) -> u64 {
    let limit = std::env::var("SOURCE_DATE_EPOCH").ok().and_then(|text| text.parse().ok());
    let mut newest = None;
    tree.for_each(|_, node| {
        node.mtime = node.mtime.map(|time| limit.map_or(time, |limit| time.min(limit)));
        newest = newest.max(node.mtime);
    });
    limit.or(newest).unwrap_or(TIME)
}
