//! The part of a TOML file that describes a packed guest: its root file system and the program in it.

use super::app::non_empty_string;
use super::device::strings;
use super::read::{Entry, Located, Place, Reader, Scalar, Table};

/// What `minios pack` makes a guest of.
#[derive(Debug)]
pub struct Packed {
    /// Where `[root]` stands.
    pub place: Place,
    pub origin: Origin,
    pub form: Form,
    /// Whether a tmpfs lies over the root, which is read-only then.
    pub overlay: bool,
    /// Whether documentation, manual pages and the like stay.
    pub docs: bool,
    /// Patterns of what stays whatever the rules say.
    pub keep: Vec<Located<String>>,
    /// Patterns of what goes too.
    pub drop: Vec<Located<String>>,
    /// Packages that are left out although others depend on them.
    pub without: Vec<Located<String>>,
    /// Shared libraries that programs are linked to and never call.
    pub stand_ins: Vec<Located<String>>,
    pub users: Vec<User>,
    pub files: Vec<Addition>,
    /// Program and arguments; never empty.
    pub command: Vec<Located<String>>,
    pub environment: Vec<(String, Located<String>)>,
    pub user: Option<Located<String>>,
    pub cwd: Option<Located<String>>,
    pub tmpfs: Vec<Located<String>>,
}

/// Where the root comes from.
#[derive(Debug)]
pub enum Origin {
    Packages { suite: String, packages: Vec<Located<String>> },
    Directory(Located<String>),
}

/// How the guest gets its root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A read-only disk.
    Ext4,
    /// A ramdisk.
    Initramfs,
    /// The ramdisk of a device model's domain, which libxl starts without a command line and without an xl.cfg.
    Stubdom,
}

/// A line of /etc/passwd and one of /etc/group.
#[derive(Debug)]
pub struct User {
    pub name: String,
    pub uid: u32,
    pub gid: u32,
    pub home: String,
}

/// One of `[[files]]`.
#[derive(Debug)]
pub struct Addition {
    pub path: Located<String>,
    pub content: Content,
    pub mode: Option<u32>,
    /// `USER` or `USER:GROUP`, names or numbers.
    pub owner: Option<Located<String>>,
}

/// What an addition is.
#[derive(Debug)]
pub enum Content {
    Text(String),
    /// A file or directory of the host.
    Source(Located<String>),
    Symlink(String),
    Directory,
    /// So many bytes that are always the same.
    Random(u64),
}

/// The keys of the root table that only a packed guest has.
pub const KEYS: [&str; 7] = ["root", "files", "command", "environment", "user", "cwd", "tmpfs"];
const ROOT_KEYS: [&str; 11] = [
    "suite",
    "packages",
    "directory",
    "type",
    "overlay",
    "docs",
    "keep",
    "drop",
    "without",
    "stand_ins",
    "users",
];
const FILE_KEYS: [&str; 8] = ["path", "content", "source", "symlink", "directory", "random", "mode", "owner"];
/// Debian's releases that are known to work.
pub const SUITES: [&str; 2] = ["bookworm", "trixie"];
/// The largest file of random bytes.
const RANDOM: std::ops::Range<i64> = 0..(1 << 30) + 1;

/// Takes the keys of a packed guest out of the root table; `None` where it is none, or where too much is wrong.
pub fn read(root: &mut Table<'_>, reader: &mut Reader<'_>) -> Option<Packed> {
    let Some(entry) = root.take("root") else {
        for key in KEYS {
            if let Some(entry) = root.take(key) {
                let message = "only a packed guest has this, and there is no [root]".to_owned();
                reader.sink.error(&entry.place, message);
            }
        }
        return None;
    };
    let place = entry.place.clone();
    let table = reader.sub_table(entry)?;
    let files = tables(root, "files", reader);
    let files = files.into_iter().filter_map(|table| addition(table, reader)).collect();
    let command = strings(root, "command", reader);
    if command.is_empty() {
        let line = Place { line: place.line, key: "command".to_owned() };
        reader.sink.error(&line, "a packed guest needs a program to run".to_owned());
    }
    let environment = environment(root, reader);
    let user = root.take("user").and_then(|entry| non_empty_string(entry, reader));
    let cwd = root.take("cwd").and_then(|entry| absolute(entry, reader));
    let tmpfs = strings(root, "tmpfs", reader);
    for entry in &tmpfs {
        if !entry.value.starts_with('/') {
            let message = format!("`{}` is not of the form /PATH or /PATH:size=16m,mode=1777", entry.value);
            reader.sink.error(&entry.place, message);
        }
    }
    if let Some(entry) = root.take("arguments") {
        reader.sink.error(&entry.place, "a packed guest has `command` instead".to_owned());
    }
    let mut packed = of_root(table, place, reader)?;
    (packed.files, packed.command, packed.environment) = (files, command, environment);
    (packed.user, packed.cwd, packed.tmpfs) = (user, cwd, tmpfs);
    Some(packed)
}

/// The table `[root]`.
fn of_root(mut table: Table<'_>, place: Place, reader: &mut Reader<'_>) -> Option<Packed> {
    let directory = table.take("directory").and_then(|entry| non_empty_string(entry, reader));
    let has_packages = table.place_of("packages").is_some() || table.place_of("suite").is_some();
    let origin = match directory {
        Some(directory) if has_packages => {
            let message = "either `directory` or `suite` and `packages`, not both".to_owned();
            reader.sink.error(&directory.place, message);
            None
        }
        Some(directory) => Some(Origin::Directory(directory)),
        None => packages(&mut table, reader),
    };
    let form = match one_of(&mut table, "type", &["ext4", "initramfs", "stubdom"], reader).as_deref() {
        Some("initramfs") => Form::Initramfs,
        Some("stubdom") => Form::Stubdom,
        _ => Form::Ext4,
    };
    let overlay = one_of(&mut table, "overlay", &["tmpfs", "none"], reader).as_deref() != Some("none");
    let docs = table.take("docs").and_then(|entry| reader.boolean(entry)).unwrap_or(false);
    let keep = strings(&mut table, "keep", reader);
    let drop = strings(&mut table, "drop", reader);
    let without = strings(&mut table, "without", reader);
    let stand_ins = strings(&mut table, "stand_ins", reader);
    let users = strings(&mut table, "users", reader);
    let users = users.into_iter().filter_map(|text| user(&text, reader)).collect();
    table.finish(&ROOT_KEYS, reader);
    Some(Packed {
        place,
        origin: origin?,
        form,
        overlay,
        docs,
        keep,
        drop,
        without,
        stand_ins,
        users,
        files: Vec::new(),
        command: Vec::new(),
        environment: Vec::new(),
        user: None,
        cwd: None,
        tmpfs: Vec::new(),
    })
}

fn packages(table: &mut Table<'_>, reader: &mut Reader<'_>) -> Option<Origin> {
    if table.place_of("suite").is_none() && table.place_of("packages").is_none() {
        let message = "it needs `suite` and `packages`, or `directory`".to_owned();
        reader.sink.error(&table.place, message);
        return None;
    }
    let suite = match table.place_of("suite") {
        Some(_) => one_of(table, "suite", &SUITES, reader),
        None => table.require("suite", reader).map(|_| String::new()),
    };
    if table.place_of("packages").is_none() {
        table.require("packages", reader);
    }
    let packages = strings(table, "packages", reader);
    for package in &packages {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.".contains(c);
        let begins = package.value.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
        if !begins || !package.value.chars().all(allowed) || package.value.ends_with('-') {
            reader.sink.error(&package.place, format!("`{}` is not the name of a package", package.value));
        }
    }
    Some(Origin::Packages { suite: suite?, packages })
}

/// `NAME:UID:GID` or `NAME:UID:GID:HOME`.
fn user(text: &Located<String>, reader: &mut Reader<'_>) -> Option<User> {
    let parts: Vec<&str> = text.value.split(':').collect();
    let parsed = match *parts.as_slice() {
        [name, uid, gid] => Some((name, uid, gid, "/")),
        [name, uid, gid, home] if home.starts_with('/') => Some((name, uid, gid, home)),
        _ => None,
    };
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    let user = parsed.and_then(|(name, uid, gid, home)| {
        let name = Some(name).filter(|name| !name.is_empty() && name.chars().all(allowed))?;
        Some(User { name: name.into(), uid: uid.parse().ok()?, gid: gid.parse().ok()?, home: home.into() })
    });
    if user.is_none() {
        let message = format!("`{}` is not of the form NAME:UID:GID or NAME:UID:GID:/HOME", text.value);
        reader.sink.error(&text.place, message);
    }
    user
}

fn addition(mut table: Table<'_>, reader: &mut Reader<'_>) -> Option<Addition> {
    let place = table.place.clone();
    let path = table.require("path", reader).and_then(|entry| absolute(entry, reader));
    let mut contents = Vec::new();
    if let Some(text) = table.take("content").and_then(|entry| reader.string(entry)) {
        contents.push(Content::Text(text.value));
    }
    if let Some(source) = table.take("source").and_then(|entry| non_empty_string(entry, reader)) {
        contents.push(Content::Source(source));
    }
    if let Some(target) = table.take("symlink").and_then(|entry| non_empty_string(entry, reader)) {
        contents.push(Content::Symlink(target.value));
    }
    if let Some(bytes) = table.take("random").and_then(|entry| reader.integer(entry, RANDOM)) {
        contents.push(Content::Random(bytes.value.unsigned_abs()));
    }
    if table.take("directory").and_then(|entry| reader.boolean(entry)) == Some(true) {
        contents.push(Content::Directory);
    }
    let mode = table.take("mode").and_then(|entry| mode(entry, reader));
    let owner = table.take("owner").and_then(|entry| non_empty_string(entry, reader));
    table.finish(&FILE_KEYS, reader);
    let count = contents.len();
    let (Some(content), 1) = (contents.pop(), count) else {
        let message = "it needs one of content, source, symlink, directory and random".to_owned();
        reader.sink.error(&place, message);
        return None;
    };
    Some(Addition { path: path?, content, mode, owner })
}

/// `"0644"`, or TOML's own `0o644`.
fn mode(entry: Entry<'_>, reader: &mut Reader<'_>) -> Option<u32> {
    let value = reader.scalar(entry)?;
    let mode = match &value.value {
        Scalar::Integer(mode) => u32::try_from(*mode).ok(),
        Scalar::String(text) => u32::from_str_radix(text, 8).ok(),
        Scalar::Boolean(_) => None,
    };
    let mode = mode.filter(|mode| *mode <= 0o7777);
    if mode.is_none() {
        reader.sink.error(&value.place, "a mode is like \"0644\" or 0o644".to_owned());
    }
    mode
}

fn environment(root: &mut Table<'_>, reader: &mut Reader<'_>) -> Vec<(String, Located<String>)> {
    let Some(table) = root.take("environment").and_then(|entry| reader.sub_table(entry)) else {
        return Vec::new();
    };
    let mut variables = Vec::new();
    for (key, entry) in table.drain() {
        if key.is_empty() || key.contains('=') {
            reader.sink.error(&entry.place, "a variable's name is not empty and has no =".to_owned());
            continue;
        }
        if let Some(value) = reader.scalar(entry) {
            let text = match value.value {
                Scalar::String(text) => text,
                Scalar::Integer(number) => number.to_string(),
                Scalar::Boolean(value) => value.to_string(),
            };
            variables.push((key, Located { value: text, place: value.place }));
        }
    }
    variables
}

/// A path that starts at the root and leads nowhere else.
pub fn absolute(entry: Entry<'_>, reader: &mut Reader<'_>) -> Option<Located<String>> {
    let path = reader.string(entry)?;
    if !path.value.starts_with('/') || path.value.split('/').any(|part| part == "..") {
        let message = format!("`{}` is not a path that starts with / and has no ..", path.value);
        reader.sink.error(&path.place, message);
        return None;
    }
    Some(path)
}

fn one_of(table: &mut Table<'_>, key: &str, known: &[&str], reader: &mut Reader<'_>) -> Option<String> {
    let value = table.take(key).and_then(|entry| reader.string(entry))?;
    if !known.contains(&value.value.as_str()) {
        let message = format!("unknown value `{}`; known are {}", value.value, known.join(", "));
        reader.sink.error(&value.place, message);
        return None;
    }
    Some(value.value)
}

fn tables<'t>(root: &mut Table<'t>, key: &str, reader: &mut Reader<'_>) -> Vec<Table<'t>> {
    let Some(entry) = root.take(key) else { return Vec::new() };
    reader.items(entry).into_iter().filter_map(|item| reader.sub_table(item)).collect()
}
