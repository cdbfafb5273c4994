//! The root and what is mounted in it.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use linux_base::{Credentials, Errno, OpenFlags, Sink};
use linux_vfs::block;
use linux_vfs::devtmpfs::{self, DeviceNode};
use linux_vfs::pseudo::{PROC_MAGIC, PseudoFileSystem, SYSFS_MAGIC};
use linux_vfs::tree::{Lower, Options, Tree};
use linux_vfs::{Context, DeviceKind, FileSystem, Follow, Location, MountFlags, Vfs};

use crate::file::{set_vfs, vfs};
use crate::{console, options, proc};

type Outcome<T> = Result<T, String>;

const DEVPTS_MAGIC: u64 = 0x1cd1;

/// Mounts everything.
pub fn mount_all() -> Outcome<()> {
    root()?;
    read_options();
    let forbids = MountFlags::NO_SUID | MountFlags::NO_DEV | MountFlags::NO_EXEC;
    let tmpfs = || Tree::tmpfs().map_err(|errno| errno.to_string());
    let run = Tree::new(Options { mode: 0o755, ..Options::default() }).map_err(|errno| errno.to_string())?;
    mount("/dev", devices()?, b"udev", MountFlags::NO_SUID | MountFlags::NO_EXEC)?;
    mount("/dev/pts", devpts(), b"devpts", MountFlags::NO_SUID | MountFlags::NO_EXEC)?;
    mount("/dev/shm", tmpfs()?, b"tmpfs", MountFlags::NO_SUID | MountFlags::NO_DEV)?;
    mount("/proc", proc(), b"proc", forbids)?;
    mount("/sys", sysfs(), b"sysfs", forbids)?;
    mount("/run", run, b"tmpfs", MountFlags::NO_SUID | MountFlags::NO_DEV)?;
    for spec in options::all("tmpfs") {
        more_tmpfs(spec).map_err(|reason| format!("tmpfs={spec}: {reason}"))?;
    }
    for spec in options::all("mount") {
        disk(spec).map_err(|reason| format!("mount={spec}: {reason}"))?;
    }
    Ok(())
}

/// The content of `/proc`.
pub fn proc() -> Arc<dyn FileSystem> {
    PseudoFileSystem::new("proc", PROC_MAGIC, proc::root())
}

/// The content of `/sys`.
pub fn sysfs() -> Arc<dyn FileSystem> {
    PseudoFileSystem::new("sysfs", SYSFS_MAGIC, proc::sys::root())
}

/// The content of `/dev/pts`.
pub fn devpts() -> Arc<dyn FileSystem> {
    PseudoFileSystem::new("devpts", DEVPTS_MAGIC, super::pts::Entries)
}

fn root() -> Outcome<()> {
    let spec = options::get("root").map_or_else(default_root, |spec| Ok(String::from(spec)))?;
    let (device, kind) = spec.split_once(':').unwrap_or((&spec, "auto"));
    let (lower, source) = lower(device, kind).map_err(|reason| format!("root={spec}: {reason}"))?;
    let is_overlaid = match options::get("overlay") {
        None | Some("tmpfs") => true,
        Some("none") => false,
        Some(other) => return Err(format!("overlay={other}: there are tmpfs and none")),
    };
    let options = Options {
        kind: if is_overlaid { "overlay" } else { "ext4" },
        magic: if is_overlaid { OVERLAY_MAGIC } else { EXT4_MAGIC },
        mode: 0o755,
        is_read_only: !is_overlaid,
        lower: Some(lower),
        ..Options::default()
    };
    let root = Tree::new(options).map_err(|errno| format!("root={spec}: {errno}"))?;
    let flags = if is_overlaid { MountFlags::empty() } else { MountFlags::READ_ONLY };
    let memory = Tree::tmpfs().map_err(|errno| format!("memory files: {errno}"))?;
    set_vfs(Vfs::new(root, source.as_bytes(), flags, memory));
    Ok(())
}

const OVERLAY_MAGIC: u64 = 0x794c_7630;
const EXT4_MAGIC: u64 = 0xef53;

fn default_root() -> Outcome<String> {
    // The disks are those of a guest whose device model this is.
    if options::line_is_empty() && minios::boot::ramdisk().is_some() {
        return Ok("initrd".into());
    }
    let disks = minios_std::block::names().map_err(|error| error.to_string())?;
    if disks.iter().any(|name| name == "xvda") {
        return Ok("xvda".into());
    }
    match minios::boot::ramdisk() {
        Some(_) => Ok("initrd".into()),
        None => Err("there is no root: neither a disk xvda nor a ramdisk".into()),
    }
}

/// A read-only file system, and how `/proc/mounts` names its device.
fn lower(device: &str, kind: &str) -> Outcome<(Lower, String)> {
    if device == "initrd" {
        let system = minios_std::fs::open_ramdisk(kind)?;
        return Ok((Lower::new(system, super::ramdisk::in_place()), "initrd".into()));
    }
    let system: Arc<dyn fs::FileSystem> = minios_std::fs::open_disk(device, kind)?;
    Ok((Lower::new(system, None), format!("/dev/{device}")))
}

/// Where the options are when there is no command line: libxl gives a device model's domain none.
const DEFAULT_OPTIONS: &str = "/etc/minios/options";

/// The words of the file that `options=` names; the line itself wins.
fn read_options() {
    let default = options::line_is_empty().then_some(DEFAULT_OPTIONS);
    let Some(path) = options::get("options").or(default) else { return };
    match read_file(path.as_bytes(), 64 << 10) {
        Ok(bytes) => options::add_file(&String::from_utf8_lossy(&bytes)),
        Err(Errno::ENOENT) => log::debug!("options={path}: there is no such file"),
        Err(errno) => log::warn!("options={path}: {errno}"),
    }
}

/// Does something as root, with paths from the root.
pub fn as_root<T>(run: impl FnOnce(&Context<'_>) -> T) -> T {
    let credentials = Credentials::root();
    let vfs = vfs();
    run(&Context {
        vfs,
        root: vfs.root(),
        cwd: vfs.root(),
        credentials: &credentials,
        umask: 0o22,
        file_size_limit: u64::MAX,
    })
}

/// Reads a whole file.
pub fn read_file(path: &[u8], limit: usize) -> Result<Vec<u8>, Errno> {
    let open = as_root(|context| context.open(None, path, OpenFlags::empty(), 0))?;
    let mut bytes = Vec::new();
    let mut sink = linux_base::io::VecSink::new(&mut bytes, limit);
    while sink.room() > 0 && open.read(None, &mut sink, 0)? > 0 {}
    Ok(bytes)
}

/// The directory at a path, made with its parents if it is not there.
fn directory(path: &[u8]) -> Result<Location, Errno> {
    as_root(|context| {
        let mut end = 0;
        while end < path.len() {
            end = path
                .iter()
                .enumerate()
                .skip(end + 1)
                .find(|(_, byte)| **byte == b'/')
                .map_or(path.len(), |(at, _)| at);
            match context.mkdir(None, path.get(..end).unwrap_or(path), 0o755) {
                Ok(()) | Err(Errno::EEXIST) => {}
                // Where nothing can be made, what is there has to do.
                Err(Errno::EROFS) => {}
                Err(errno) => return Err(errno),
            }
        }
        context.walk(None, path, Follow::Yes)
    })
}

fn mount(path: &str, system: Arc<dyn FileSystem>, source: &[u8], flags: MountFlags) -> Outcome<()> {
    let place = directory(path.as_bytes()).map_err(|errno| format!("{path}: {errno}"))?;
    vfs().mount(&place, system, source, flags).map(drop).map_err(|errno| format!("{path}: {errno}"))
}

fn devices() -> Outcome<Arc<Tree>> {
    let registry = vfs().devices();
    devtmpfs::register(
        registry,
        Arc::new(|line: &[u8]| {
            log::info!("{}", String::from_utf8_lossy(line.trim_ascii_end()));
        }),
    );
    console::register(registry);
    registry.set_fifo(Arc::new(crate::call::pipe::open_fifo));
    registry.set_reopen(Arc::new(crate::call::pipe::reopen));
    let terminal = |name, minor| DeviceNode {
        name,
        kind: DeviceKind::Character,
        major: console::HVC,
        minor,
        permissions: 0o620,
        gid: 5,
    };
    let mut names: Vec<String> = minios_std::block::names().unwrap_or_default();
    names = names.iter().filter_map(|name| block::node_name(name)).collect();
    // `hda` and `xvda` are the same to programs.
    names.sort_unstable();
    names.dedup();
    let consoles: Vec<(u32, String)> =
        minios_std::console::further().into_iter().map(|id| (id, format!("hvc{id}"))).collect();
    crate::tun::register(registry);
    let tun = DeviceNode {
        name: "net/tun",
        kind: DeviceKind::Character,
        major: crate::tun::MISC,
        minor: crate::tun::TUN,
        permissions: 0o666,
        gid: 0,
    };
    let mut nodes = alloc::vec![terminal("hvc0", 0), tun];
    nodes.extend(crate::xen::register(registry));
    nodes.extend(consoles.iter().map(|(id, name)| terminal(name, *id)));
    nodes.extend(names.iter().filter_map(|name| super::disks::node(name)));
    block::register(registry, Arc::new(open_disk));
    // As xen-pv-channel(7) has it.
    let links: Vec<(String, String)> = console::channels()
        .into_iter()
        .map(|(name, id)| (format!("xen-channel/{name}"), format!("../hvc{id}")))
        .collect();
    let links: Vec<(&str, &str)> = links.iter().map(|(name, target)| (&**name, &**target)).collect();
    devtmpfs::new(&nodes, &links).map_err(|errno| format!("/dev: {errno}"))
}

/// The cache of a disk, which is connected at the first use: by a thread of its own, for that takes more stack than a program's has.
fn open_disk(minor: u32) -> Result<Arc<fs::DiskCache>, Errno> {
    let names = minios_std::block::names().map_err(|_| Errno::ENXIO)?;
    let name = names.into_iter().find(|name| block::minor(name) == Some(minor)).ok_or(Errno::ENXIO)?;
    let open = move || minios_std::block::cached(&name);
    let opened =
        minios::thread::Builder::new("disk").stack_len(40 * 1024).spawn(open).map_err(|_| Errno::ENOMEM)?;
    opened.join().map_err(|error| {
        log::warn!("{error}");
        Errno::ENXIO
    })
}

/// `/path[:size=16m,mode=1777]`
fn more_tmpfs(spec: &str) -> Outcome<()> {
    let (path, settings) = spec.split_once(':').unwrap_or((spec, ""));
    if !path.starts_with('/') {
        return Err("the path is not absolute".into());
    }
    let mut options = Options::default();
    tmpfs_settings(&mut options, settings)?;
    let tree = Tree::new(options).map_err(|errno| errno.to_string())?;
    // As `mount -t tmpfs` makes one: it is the user's, and has what the user makes in it.
    mount(path, tree, b"tmpfs", MountFlags::empty())
}

/// `size=16m,mode=1777`
pub fn tmpfs_settings(options: &mut Options, settings: &str) -> Outcome<()> {
    // As on Linux: who asks how much room there is, is told a number.
    options.pages = minios::memory::usage().total as u64 / 2;
    for setting in settings.split(',').filter(|setting| !setting.is_empty()) {
        let (key, value) = setting.split_once('=').unwrap_or((setting, ""));
        match key {
            "size" => {
                options.pages = size(value).ok_or_else(|| format!("size {value} is no size"))?.div_ceil(4096)
            }
            "mode" => {
                options.mode =
                    u32::from_str_radix(value, 8).map_err(|_| format!("mode {value} is not octal"))?
            }
            "uid" => options.uid = value.parse().map_err(|_| format!("uid {value} is no number"))?,
            "gid" => options.gid = value.parse().map_err(|_| format!("gid {value} is no number"))?,
            "nr_inodes" => {
                options.inodes = size(value).ok_or_else(|| format!("nr_inodes {value} is no number"))?
            }
            _ => return Err(format!("there is no setting {key}")),
        }
    }
    Ok(())
}

/// A number of bytes, with k, m, g, or a share of the memory in percent.
fn size(text: &str) -> Option<u64> {
    if let Some(percent) = text.strip_suffix('%') {
        return Some(
            minios::memory::usage().total as u64 * 4096 / 100 * percent.parse::<u64>().ok()?.min(100),
        );
    }
    let (digits, shift) = match text.as_bytes().last()?.to_ascii_lowercase() {
        b'k' => (text.get(..text.len() - 1)?, 10),
        b'm' => (text.get(..text.len() - 1)?, 20),
        b'g' => (text.get(..text.len() - 1)?, 30),
        _ => (text, 0),
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// `xvdb:/data[:ext4][:ro]`: read-only, or with a tmpfs over it.
fn disk(spec: &str) -> Outcome<()> {
    let mut words = spec.split(':');
    let (device, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (mut kind, mut is_read_only) = ("auto", false);
    for word in words {
        match word {
            "ro" => is_read_only = true,
            "rw" => is_read_only = false,
            other => kind = other,
        }
    }
    if !path.starts_with('/') {
        return Err("it is not of the form DEVICE:/PATH[:TYPE][:ro]".into());
    }
    let (lower, source) = lower(device, kind)?;
    let options = Options {
        kind: if is_read_only { "ext4" } else { "overlay" },
        magic: if is_read_only { EXT4_MAGIC } else { OVERLAY_MAGIC },
        is_read_only,
        lower: Some(lower),
        ..Options::default()
    };
    let tree = Tree::new(options).map_err(|errno| errno.to_string())?;
    let flags = if is_read_only { MountFlags::READ_ONLY } else { MountFlags::empty() };
    mount(path, tree, source.as_bytes(), flags)
}
