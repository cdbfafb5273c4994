//! Network interfaces and disks: xl-network-configuration(5) and xl-disk-configuration(5).

use std::collections::BTreeMap;

use super::app::{Kind, non_empty_string};
use super::read::{Entry, Located, Place, Reader, Table};
use super::{command_line, packed};

/// A network interface.
#[derive(Debug)]
pub struct Vif {
    /// Key and value as xl has them.
    pub keys: Vec<(&'static str, String)>,
    /// The addresses of a packed guest: options of its command line, without the interface's number.
    pub addresses: Vec<(&'static str, Located<String>)>,
}

/// A disk.
#[derive(Debug)]
pub struct Disk {
    /// Absent for `format = "empty"` alone.
    pub path: Option<Located<String>>,
    pub format: String,
    pub vdev: String,
    pub access: Option<String>,
    pub script: Option<Located<String>>,
    /// Further parameters, each as xl has it.
    pub flags: Vec<String>,
    /// Where a packed guest mounts it, and the type of its file system.
    pub mount: Option<Mount>,
}

/// A mount point of a packed guest.
#[derive(Debug)]
pub struct Mount {
    pub path: Located<String>,
    pub filesystem: Option<String>,
}

const VIF_STRINGS: [&str; 7] = ["bridge", "script", "ip", "backend", "vifname", "rate", "gatewaydev"];
/// The key of a packed guest's interface, and the option that it becomes.
const ADDRESSES: [(&str, &str); 3] = [("address", "ip"), ("gateway", "gateway"), ("dns", "dns")];
const VIF_KEYS: [&str; 13] = [
    "mac",
    "model",
    "bridge",
    "script",
    "ip",
    "backend",
    "vifname",
    "rate",
    "gatewaydev",
    "mtu",
    "address",
    "gateway",
    "dns",
];
/// The network cards of which a device model's domain has the ROMs.
const MODELS: [&str; 2] = ["e1000", "rtl8139"];
const DISK_KEYS: [&str; 13] = [
    "path",
    "cdrom",
    "format",
    "vdev",
    "access",
    "backendtype",
    "backend",
    "script",
    "discard",
    "direct_io_safe",
    "trusted",
    "mount",
    "filesystem",
];
const FORMATS: [&str; 6] = ["raw", "qcow", "qcow2", "qed", "vhd", "empty"];
const FILESYSTEMS: [&str; 1] = ["ext4"];
const ACCESSES: [&str; 4] = ["ro", "r", "rw", "w"];
const BACKEND_TYPES: [&str; 4] = ["phy", "qdisk", "tap", "standalone"];

/// Takes `vifs` out of the root table.
pub fn read_vifs(root: &mut Table<'_>, kind: Kind, reader: &mut Reader<'_>) -> Vec<Vif> {
    let mut macs = Seen::new("MAC address");
    let entries = tables(root, "vifs", reader);
    entries.into_iter().map(|table| read_vif(table, &mut macs, kind, reader)).collect()
}

fn read_vif(mut table: Table<'_>, macs: &mut Seen, kind: Kind, reader: &mut Reader<'_>) -> Vif {
    let mut keys = Vec::new();
    if kind == Kind::Hvm {
        // Without a word libxl makes a second, paravirtual interface of the same address beside the emulated one.
        keys.push(("type", "ioemu".to_owned()));
    }
    let model = take_hvm(&mut table, "model", kind, reader).and_then(|entry| one_of(entry, &MODELS, reader));
    keys.extend(model.map(|model| ("model", model.value)));
    if let Some(mac) = table.take("mac").and_then(|entry| reader.string(entry)) {
        match parse_mac(&mac.value) {
            Ok(octets) => macs.check(u64::from_be_bytes(octets), &mac, reader),
            Err(message) => reader.sink.error(&mac.place, message),
        }
        keys.push(("mac", mac.value));
    }
    for key in VIF_STRINGS {
        if let Some(value) = table.take(key).and_then(|entry| without_comma(entry, reader)) {
            keys.push((key, value.value));
        }
    }
    if let Some(mtu) = table.take("mtu").and_then(|entry| reader.integer(entry, 68..65536)) {
        keys.push(("mtu", mtu.value.to_string()));
    }
    let mut addresses = Vec::new();
    for (key, option) in ADDRESSES {
        let value = take_packed(&mut table, key, kind, reader);
        addresses.extend(value.and_then(|entry| reader.string(entry)).map(|value| (option, value)));
    }
    for (option, value) in &addresses {
        command_line::check_address(option, value, &mut reader.sink);
    }
    table.finish(&VIF_KEYS, reader);
    Vif { keys, addresses }
}

/// Takes `disks` out of the root table.
pub fn read_disks(root: &mut Table<'_>, kind: Kind, reader: &mut Reader<'_>) -> Vec<Disk> {
    let mut vdevs = Seen::new("virtual device");
    let entries = tables(root, "disks", reader);
    entries.into_iter().filter_map(|table| read_disk(table, &mut vdevs, kind, reader)).collect()
}

fn read_disk(mut table: Table<'_>, vdevs: &mut Seen, kind: Kind, reader: &mut Reader<'_>) -> Option<Disk> {
    let format = table.take("format").and_then(|entry| one_of(entry, &FORMATS, reader));
    let format = format.map_or_else(|| "raw".to_owned(), |format| format.value);
    let path = match (format.as_str(), table.take("path")) {
        ("empty", Some(entry)) => {
            reader.sink.error(&entry.place, "a disk of format `empty` has no path".to_owned());
            None
        }
        ("empty", None) => None,
        (_, Some(entry)) => non_empty_string(entry, reader),
        (_, None) => {
            table.require("path", reader);
            None
        }
    };
    let vdev = table.require("vdev", reader).and_then(|entry| reader.string(entry));
    if let Some(vdev) = &vdev {
        match parse_vdev(&vdev.value) {
            Some(number) => vdevs.check(u64::from(number), vdev, reader),
            None => {
                let message =
                    format!("`{}` is not a virtual device like xvda, xvdb1, sda, hda or d0p1", vdev.value);
                reader.sink.error(&vdev.place, message);
            }
        }
    }
    let mut access = table.take("access").and_then(|entry| one_of(entry, &ACCESSES, reader));
    let mut flags = Vec::new();
    let cdrom =
        take_hvm(&mut table, "cdrom", kind, reader).map(|entry| (entry.place.clone(), reader.boolean(entry)));
    let is_cdrom = matches!(cdrom, Some((_, Some(true))));
    if let (Kind::Hvm, Some(vdev)) = (kind, &vdev) {
        check_hvm(vdev, is_cdrom, reader);
    }
    if is_cdrom
        && let Some(access) = access.take()
        && matches!(&*access.value, "rw" | "w")
    {
        reader.sink.error(&access.place, "nobody writes to a CD-ROM".to_owned());
    }
    if is_cdrom {
        flags.push("devtype=cdrom".to_owned());
    }
    if let Some(value) = table.take("backendtype").and_then(|entry| one_of(entry, &BACKEND_TYPES, reader)) {
        flags.push(format!("backendtype={}", value.value));
    }
    if let Some(value) = table.take("backend").and_then(|entry| without_comma(entry, reader)) {
        flags.push(format!("backend={}", value.value));
    }
    let script = table.take("script").and_then(|entry| without_comma(entry, reader));
    let booleans = [
        ("discard", "discard", Some("no-discard")),
        ("direct_io_safe", "direct-io-safe", None),
        ("trusted", "trusted", Some("untrusted")),
    ];
    for (key, yes, no) in booleans {
        match table.take(key).and_then(|entry| reader.boolean(entry)) {
            Some(true) => flags.push(yes.to_owned()),
            Some(false) => flags.extend(no.map(str::to_owned)),
            None => {}
        }
    }
    let mount = take_packed(&mut table, "mount", kind, reader);
    let mount = mount.and_then(|entry| packed::absolute(entry, reader));
    let filesystem = take_packed(&mut table, "filesystem", kind, reader);
    let filesystem = filesystem.and_then(|entry| one_of(entry, &FILESYSTEMS, reader));
    table.finish(&DISK_KEYS, reader);
    Some(Disk {
        path,
        format,
        vdev: vdev?.value,
        access: access.map(|access| access.value),
        script,
        flags,
        mount: mount.map(|path| Mount { path, filesystem: filesystem.map(|kind| kind.value) }),
    })
}

/// What QEMU emulates is a whole disk, and four of IDE are all that it has; it is no CD-ROM's place but there.
fn check_hvm(vdev: &Located<String>, is_cdrom: bool, reader: &mut Reader<'_>) {
    if vdev.value.ends_with(|c: char| c.is_ascii_digit()) {
        let message = format!("`{}`: an HVM guest has whole disks, as hda or xvda", vdev.value);
        reader.sink.error(&vdev.place, message);
    } else if is_cdrom && !vdev.value.starts_with("hd") {
        reader.sink.error(&vdev.place, format!("`{}`: a CD-ROM is one of hda to hdd", vdev.value));
    }
}

/// Takes a key that only a packed guest may have.
fn take_packed<'t>(
    table: &mut Table<'t>,
    key: &str,
    kind: Kind,
    reader: &mut Reader<'_>,
) -> Option<Entry<'t>> {
    let entry = table.take(key)?;
    if kind != Kind::Packed {
        let message = match kind {
            Kind::Hvm => "only a packed guest has this".to_owned(),
            _ => "only a packed guest has this; others have [options]".to_owned(),
        };
        reader.sink.error(&entry.place, message);
        return None;
    }
    Some(entry)
}

/// Takes a key that only an HVM guest may have.
fn take_hvm<'t>(table: &mut Table<'t>, key: &str, kind: Kind, reader: &mut Reader<'_>) -> Option<Entry<'t>> {
    let entry = table.take(key)?;
    if kind != Kind::Hvm {
        let message = "only a guest with `type = \"hvm\"` has this".to_owned();
        reader.sink.error(&entry.place, message);
        return None;
    }
    Some(entry)
}

/// Takes an array of tables.
pub fn tables<'t>(root: &mut Table<'t>, key: &str, reader: &mut Reader<'_>) -> Vec<Table<'t>> {
    let Some(entry) = root.take(key) else {
        return Vec::new();
    };
    reader.items(entry).into_iter().filter_map(|item| reader.sub_table(item)).collect()
}

/// Takes an array of strings.
pub fn strings(table: &mut Table<'_>, key: &str, reader: &mut Reader<'_>) -> Vec<Located<String>> {
    let Some(entry) = table.take(key) else { return Vec::new() };
    reader.items(entry).into_iter().filter_map(|item| reader.string(item)).collect()
}

/// One of the strings that are known.
pub fn one_of(entry: Entry<'_>, known: &[&str], reader: &mut Reader<'_>) -> Option<Located<String>> {
    let value = reader.string(entry)?;
    if !known.contains(&value.value.as_str()) {
        let message = format!("unknown value `{}`; known are {}", value.value, known.join(", "));
        reader.sink.error(&value.place, message);
        return None;
    }
    Some(value)
}

/// A string for a list that xl splits at commas, which cannot be quoted there.
pub fn without_comma(entry: Entry<'_>, reader: &mut Reader<'_>) -> Option<Located<String>> {
    let value = non_empty_string(entry, reader)?;
    if value.value.contains(',') {
        let message = format!("`{}` has a comma, which xl takes for the end of the value", value.value);
        reader.sink.error(&value.place, message);
        return None;
    }
    Some(value)
}

/// Finds what was given twice.
struct Seen {
    what: &'static str,
    places: BTreeMap<u64, Place>,
}

impl Seen {
    fn new(what: &'static str) -> Seen {
        Seen { what, places: BTreeMap::new() }
    }

    fn check(&mut self, number: u64, value: &Located<String>, reader: &mut Reader<'_>) {
        let Some(first) = self.places.get(&number) else {
            self.places.insert(number, value.place.clone());
            return;
        };
        let line = first.line.unwrap_or_default();
        let message =
            format!("{} `{}` is already that of {} (line {line})", self.what, value.value, first.key);
        reader.sink.error(&value.place, message);
    }
}

/// The octets of a unicast MAC address, after two zero octets.
pub fn parse_mac(text: &str) -> Result<[u8; 8], String> {
    let mut octets = [0; 8];
    let groups: Vec<&str> = text.split(':').collect();
    let pair = |group: &&str| group.len() == 2 && group.bytes().all(|byte| byte.is_ascii_hexdigit());
    if groups.len() != 6 || !groups.iter().all(pair) {
        return Err(format!("`{text}` is not a MAC address of six two-digit groups"));
    }
    for (octet, group) in octets[2..].iter_mut().zip(&groups) {
        *octet = u8::from_str_radix(group, 16).map_err(|_| format!("`{text}` is not a MAC address"))?;
    }
    if octets[2] & 1 != 0 {
        return Err(format!("MAC address `{text}` is a multicast address"));
    }
    if octets == [0; 8] {
        return Err(format!("MAC address `{text}` is all zero"));
    }
    Ok(octets)
}

/// The number that Xen gives to a virtual device (xen-vbd-interface(7)), or `None` for what is not one.
pub fn parse_vdev(text: &str) -> Option<u32> {
    let lettered = |prefix: &str| -> Option<(u32, u32)> {
        let rest = text.strip_prefix(prefix)?;
        let letters = rest.bytes().take_while(u8::is_ascii_lowercase).count();
        let (letters, partition) = rest.split_at(letters);
        let mut disk = 0u32;
        for letter in letters.bytes() {
            disk = disk.checked_mul(26)?.checked_add(u32::from(letter - b'a') + 1)?;
        }
        let partition =
            if partition.is_empty() { 0 } else { decimal(partition).filter(|number| *number > 0)? };
        Some((disk.checked_sub(1)?, partition))
    };
    if let Some((disk, partition)) = lettered("xvd") {
        return virtual_disk(disk, partition);
    }
    if let Some((disk, partition)) = lettered("sd") {
        return (disk < 16 && partition < 16).then_some(8 << 8 | disk << 4 | partition);
    }
    if let Some((disk, partition)) = lettered("hd") {
        let major = if disk < 2 { 3 } else { 22 };
        return (disk < 4 && partition < 64).then_some(major << 8 | (disk & 1) << 6 | partition);
    }
    if let Some(rest) = text.strip_prefix('d') {
        let (disk, partition) = rest.split_once('p').unwrap_or((rest, "0"));
        return virtual_disk(decimal(disk)?, decimal(partition)?);
    }
    decimal(text).filter(|number| *number < 1 << 29)
}

fn virtual_disk(disk: u32, partition: u32) -> Option<u32> {
    if disk < 16 && partition < 16 {
        Some(202 << 8 | disk << 4 | partition)
    } else {
        (disk < 1 << 20 && partition < 256).then_some(1 << 28 | disk << 8 | partition)
    }
}

fn decimal(text: &str) -> Option<u32> {
    let canonical = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if canonical { text.parse().ok() } else { None }
}
