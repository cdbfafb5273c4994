//! What a TOML file says of an application.

use super::channel::{self, Channel};
use super::command_line;
use super::device::{self, Disk, Vif};
use super::hvm::{self, Hvm};
use super::packed::{self, Packed};
use super::read::{Entry, Located, Place, Reader, Scalar, Table};
use super::xl;

/// What sort of guest it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An image of its own.
    Image,
    /// A root on the project's kernel.
    Packed,
    /// Whatever boots on an emulated PC.
    Hvm,
}

/// An application as its TOML file describes it, checked as far as that can be done without looking at other files.
#[derive(Debug)]
pub struct App {
    pub name: Located<String>,
    /// Absent for a packed guest and an HVM guest.
    pub kernel: Option<Located<String>>,
    pub ramdisk: Option<Located<String>>,
    pub memory_mib: i64,
    pub vcpus: i64,
    /// What xl does when the domain ends: key and action.
    pub lifecycle: Vec<(&'static str, String)>,
    pub vifs: Vec<Vif>,
    pub disks: Vec<Disk>,
    pub channels: Vec<Channel>,
    /// Key and value, in the order of the text; arrays are flattened.
    pub options: Vec<(String, Located<Scalar>)>,
    pub arguments: Vec<Located<String>>,
    /// What is packed, where the guest is not an image of its own.
    pub packed: Option<Packed>,
    /// What an HVM guest has, where it is one.
    pub hvm: Option<Hvm>,
    /// Where the command line is to be complained of.
    pub command_line: Place,
    /// Keys that go into the xl.cfg as they are.
    pub extra: Vec<(String, Extra)>,
}

/// A value of the pass-through table.
#[derive(Debug)]
pub enum Extra {
    One(Located<Scalar>),
    List(Vec<Located<Scalar>>),
}

const KEYS: [&str; 27] = [
    "name",
    "kernel",
    "type",
    "ramdisk",
    "boot",
    "serial",
    "stubdom",
    "memory",
    "vcpus",
    "vifs",
    "disks",
    "channels",
    "options",
    "arguments",
    "on_poweroff",
    "on_reboot",
    "on_crash",
    "on_watchdog",
    "on_soft_reset",
    "xl",
    "root",
    "files",
    "command",
    "environment",
    "user",
    "cwd",
    "tmpfs",
];
const LIFECYCLE: [&str; 5] = ["on_poweroff", "on_reboot", "on_crash", "on_watchdog", "on_soft_reset"];
const ACTIONS: [&str; 7] = [
    "destroy",
    "restart",
    "rename-restart",
    "preserve",
    "coredump-destroy",
    "coredump-restart",
    "soft-reset",
];
/// What xl would make of `memory = 0` is no guest; the upper end is 16 TiB, Xen's own.
const MEMORY_MIB: std::ops::Range<i64> = 1..(16 << 20) + 1;
/// Xen's limit for a PV guest is 8192, that of the shared info page without vcpu_info placement 32.
const VCPUS: std::ops::Range<i64> = 1..33;

impl App {
    /// Reads the whole file; what is wrong goes to the reader's sink, and `None` comes back where a key that everything
    /// else needs is absent.
    pub fn read(reader: &mut Reader<'_>) -> Option<App> {
        let mut root = reader.root()?;
        let name = required_string(&mut root, "name", reader).filter(|name| check_name(name, reader));
        let kind = hvm::read_kind(&mut root, reader);
        let is_packed = kind == Kind::Packed;
        let hvm = hvm::read(&mut root, kind, reader);
        let packed = packed::read(&mut root, reader);
        let kernel = match root.take("kernel") {
            Some(entry) => non_empty_string(entry, reader),
            None if kind != Kind::Image => None,
            None => required_string(&mut root, "kernel", reader),
        };
        let ramdisk = root.take("ramdisk").and_then(|entry| non_empty_string(entry, reader));
        let memory = root.require("memory", reader).and_then(|entry| reader.integer(entry, MEMORY_MIB));
        let vcpus = match root.take("vcpus") {
            Some(entry) => reader.integer(entry, VCPUS).map(|vcpus| vcpus.value),
            None => Some(1),
        };
        let lifecycle = LIFECYCLE
            .into_iter()
            .filter_map(|key| {
                root.take(key).and_then(|entry| action(entry, reader)).map(|action| (key, action))
            })
            .collect();
        let vifs = device::read_vifs(&mut root, kind, reader);
        let disks = device::read_disks(&mut root, kind, reader);
        let channels = channel::read(&mut root, reader);
        let command_line = root
            .place_of("options")
            .or_else(|| root.place_of("arguments"))
            .unwrap_or(Place { line: None, key: "options".to_owned() });
        let options = command_line::read_options(&mut root, &disks, is_packed, reader);
        let arguments = match root.take("arguments") {
            Some(entry) => reader.items(entry).into_iter().filter_map(|item| reader.string(item)).collect(),
            None => Vec::new(),
        };
        let extra = read_extra(&mut root, reader);
        root.finish(&KEYS, reader);
        if is_packed && packed.is_none() {
            return None;
        }
        Some(App {
            name: name?,
            kernel,
            ramdisk,
            memory_mib: memory?.value,
            vcpus: vcpus?,
            lifecycle,
            vifs,
            disks,
            channels,
            options,
            arguments,
            packed,
            hvm,
            command_line,
            extra,
        })
    }
}

fn required_string(root: &mut Table<'_>, key: &str, reader: &mut Reader<'_>) -> Option<Located<String>> {
    match root.require(key, reader) {
        Some(entry) => non_empty_string(entry, reader),
        None => None,
    }
}

/// A string that is not empty.
pub fn non_empty_string(entry: Entry<'_>, reader: &mut Reader<'_>) -> Option<Located<String>> {
    let string = reader.string(entry)?;
    if string.value.is_empty() {
        reader.sink.error(&string.place, "must not be empty".to_owned());
        return None;
    }
    Some(string)
}

/// xl takes a name of digits for a domain number, and names become parts of paths in XenStore and /var/log/xen.
fn check_name(name: &Located<String>, reader: &mut Reader<'_>) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._+-".contains(c);
    let message = if name.value.bytes().all(|byte| byte.is_ascii_digit()) {
        format!("`{}` would be taken for a domain number", name.value)
    } else if !name.value.chars().all(allowed) {
        format!("`{}` has other characters than letters, digits and . _ + -", name.value)
    } else {
        return true;
    };
    reader.sink.error(&name.place, message);
    false
}

fn action(entry: Entry<'_>, reader: &mut Reader<'_>) -> Option<String> {
    let action = reader.string(entry)?;
    if !ACTIONS.contains(&action.value.as_str()) {
        let message = format!("unknown action `{}`; known are {}", action.value, ACTIONS.join(", "));
        reader.sink.error(&action.place, message);
        return None;
    }
    Some(action.value)
}

fn read_extra(root: &mut Table<'_>, reader: &mut Reader<'_>) -> Vec<(String, Extra)> {
    let Some(table) = root.take("xl").and_then(|entry| reader.sub_table(entry)) else {
        return Vec::new();
    };
    let mut extra = Vec::new();
    for (key, entry) in table.drain() {
        if !xl::is_identifier(&key) {
            reader
                .sink
                .error(&entry.place, "xl.cfg keys are of a-z, 0-9 and _ and start with a letter".to_owned());
        } else if xl::GENERATED.contains(&key.as_str()) {
            let message = "generated from other keys of this file, so it cannot be given here".to_owned();
            reader.sink.error(&entry.place, message);
        } else if entry.is_array() {
            let items = reader.items(entry);
            let items = items.into_iter().filter_map(|item| reader.scalar(item)).collect();
            extra.push((key, Extra::List(items)));
        } else if let Some(scalar) = reader.scalar(entry) {
            extra.push((key, Extra::One(scalar)));
        }
    }
    extra
}
