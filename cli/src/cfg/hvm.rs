//! The part of a TOML file that describes an HVM guest: what it boots from, its serial ports, and the domain of its device model.
//!
//! Such a guest has no kernel of ours. Ours is in the domain that libxl starts beside it, with QEMU as its program, where `[stubdom]` is.

use super::app::{Kind, non_empty_string};
use super::device::{one_of, strings};
use super::read::{Located, Reader, Table};

/// What only an HVM guest has.
#[derive(Debug)]
pub struct Hvm {
    /// The letters of xl's `boot`.
    pub boot: Option<String>,
    /// Where each serial port goes.
    pub serial: Vec<Located<String>>,
    /// The domain of its device model; without it QEMU runs in dom0.
    pub stubdom: Option<Stubdom>,
}

/// The domain of a device model.
#[derive(Debug)]
pub struct Stubdom {
    /// The kernel and the ramdisk; libxl has names of its own for both.
    pub kernel: Option<Located<String>>,
    pub ramdisk: Option<Located<String>>,
    /// In MiB, the graphics card's memory not counted.
    pub memory_mib: Option<i64>,
}

/// The keys of the root table that only an HVM guest has.
pub const KEYS: [&str; 3] = ["boot", "serial", "stubdom"];
/// Keys that an HVM guest cannot have.
const KEYS_OF_OTHERS: [&str; 5] = ["kernel", "ramdisk", "options", "arguments", "channels"];
const STUBDOM_KEYS: [&str; 3] = ["kernel", "ramdisk", "memory"];
const BOOT: [(&str, char); 3] = [("disk", 'c'), ("cdrom", 'd'), ("network", 'n')];
/// What a ramdisk with QEMU takes already, and libxl's own limit of 2^31 KiB.
const STUBDOM_MIB: std::ops::Range<i64> = 24..(2 << 20);

/// Takes `type` out of the root table; what has a root is packed.
pub fn read_kind(root: &mut Table<'_>, reader: &mut Reader<'_>) -> Kind {
    let is_packed = root.place_of("root").is_some();
    let kind = root.take("type").and_then(|entry| one_of(entry, &["pv", "hvm"], reader));
    match kind {
        Some(kind) if kind.value == "hvm" && is_packed => {
            reader
                .sink
                .error(&kind.place, "a guest with [root] is packed, and packed guests are PV".to_owned());
            Kind::Packed
        }
        Some(kind) if kind.value == "hvm" => Kind::Hvm,
        _ if is_packed => Kind::Packed,
        _ => Kind::Image,
    }
}

/// Takes the keys of an HVM guest out of the root table; `None` where it is none.
pub fn read(root: &mut Table<'_>, kind: Kind, reader: &mut Reader<'_>) -> Option<Hvm> {
    if kind != Kind::Hvm {
        for key in KEYS {
            if let Some(entry) = root.take(key) {
                reader.sink.error(&entry.place, "only a guest with `type = \"hvm\"` has this".to_owned());
            }
        }
        return None;
    }
    for key in KEYS_OF_OTHERS {
        if let Some(entry) = root.take(key) {
            let message = "an HVM guest boots from a disk, a CD-ROM or the network, and has no such key";
            reader.sink.error(&entry.place, message.to_owned());
        }
    }
    let boot: Vec<char> =
        strings(root, "boot", reader).into_iter().filter_map(|from| letter(&from, reader)).collect();
    let serial = strings(root, "serial", reader);
    let stubdom = root
        .take("stubdom")
        .and_then(|entry| reader.sub_table(entry))
        .map(|table| read_stubdom(table, reader));
    if stubdom.is_some() {
        for port in serial.iter().filter(|port| port.value != "pty") {
            let message =
                format!("`{}`: libxl makes each serial port a pty where there is a [stubdom]", port.value);
            reader.sink.error(&port.place, message);
        }
    }
    Some(Hvm { boot: (!boot.is_empty()).then(|| boot.into_iter().collect()), serial, stubdom })
}

fn letter(from: &Located<String>, reader: &mut Reader<'_>) -> Option<char> {
    let letter = BOOT.iter().find(|(name, _)| *name == from.value).map(|(_, letter)| *letter);
    if letter.is_none() {
        let known = BOOT.map(|(name, _)| name).join(", ");
        reader.sink.error(&from.place, format!("unknown value `{}`; known are {known}", from.value));
    }
    letter
}

fn read_stubdom(mut table: Table<'_>, reader: &mut Reader<'_>) -> Stubdom {
    let mut path =
        |key, reader: &mut Reader<'_>| table.take(key).and_then(|entry| non_empty_string(entry, reader));
    let (kernel, ramdisk) = (path("kernel", reader), path("ramdisk", reader));
    let memory_mib = table.take("memory").and_then(|entry| reader.integer(entry, STUBDOM_MIB));
    table.finish(&STUBDOM_KEYS, reader);
    Stubdom { kernel, ramdisk, memory_mib: memory_mib.map(|memory| memory.value) }
}
