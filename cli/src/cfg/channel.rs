//! Further consoles, which xl calls channels: xen-pv-channel(7).

use std::collections::BTreeMap;

use super::app::non_empty_string;
use super::device::{one_of, tables, without_comma};
use super::read::{Located, Place, Reader, Table};

/// A further console.
#[derive(Debug)]
pub struct Channel {
    /// By which the guest finds it.
    pub name: String,
    /// What the back end connects it to.
    pub connection: String,
    /// Of a socket.
    pub path: Option<Located<String>>,
    pub backend: Option<Located<String>>,
}

const KEYS: [&str; 4] = ["name", "connection", "path", "backend"];
const CONNECTIONS: [&str; 2] = ["pty", "socket"];
/// Xen 4.17's xl gives its first channel the number of the first console, which takes its place: this one is first, and nobody's.
pub const UNUSED: &str = "minios.unused";

/// Takes `channels` out of the root table.
pub fn read(root: &mut Table<'_>, reader: &mut Reader<'_>) -> Vec<Channel> {
    let mut names = BTreeMap::new();
    let entries = tables(root, "channels", reader);
    entries.into_iter().filter_map(|table| read_channel(table, &mut names, reader)).collect()
}

fn read_channel(
    mut table: Table<'_>,
    names: &mut BTreeMap<String, Place>,
    reader: &mut Reader<'_>,
) -> Option<Channel> {
    let name = table.require("name", reader).and_then(|entry| non_empty_string(entry, reader));
    if let Some(name) = &name {
        check_name(name, names, reader);
    }
    let connection =
        table.require("connection", reader).and_then(|entry| one_of(entry, &CONNECTIONS, reader));
    let is_socket = connection.as_ref().is_some_and(|connection| connection.value == "socket");
    let path = match table.take("path") {
        Some(entry) if !is_socket => {
            reader
                .sink
                .error(&entry.place, "only a channel with the connection `socket` has a path".to_owned());
            None
        }
        Some(entry) => without_comma(entry, reader).filter(|path| is_absolute(path, reader)),
        None => {
            if is_socket {
                table.require("path", reader);
            }
            None
        }
    };
    let backend = table.take("backend").and_then(|entry| without_comma(entry, reader));
    table.finish(&KEYS, reader);
    Some(Channel { name: name?.value, connection: connection?.value, path, backend })
}

/// The name becomes one of a file, in the guest's `/dev/xen-channel`.
fn check_name(name: &Located<String>, names: &mut BTreeMap<String, Place>, reader: &mut Reader<'_>) {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._+-".contains(c);
    let message = if !name.value.chars().all(allowed) || name.value.starts_with('.') {
        format!("`{}` is not of letters, digits and . _ + -, or starts with a dot", name.value)
    } else if name.value == UNUSED {
        format!("`{UNUSED}` is the name of a channel that every xl.cfg with channels has")
    } else if let Some(first) = names.get(&name.value) {
        let line = first.line.unwrap_or_default();
        format!("channel `{}` is already that of {} (line {line})", name.value, first.key)
    } else {
        names.insert(name.value.clone(), name.place.clone());
        return;
    };
    reader.sink.error(&name.place, message);
}

/// QEMU makes the socket, and runs in a folder of its own.
fn is_absolute(path: &Located<String>, reader: &mut Reader<'_>) -> bool {
    if !path.value.starts_with('/') {
        reader.sink.error(&path.place, format!("`{}` is not an absolute path", path.value));
    }
    path.value.starts_with('/')
}

/// As xl has them: nothing, or one more than there are.
pub fn specs(channels: &[Channel]) -> Vec<(String, Place)> {
    if channels.is_empty() {
        return Vec::new();
    }
    let mut specs = vec![(format!("name={UNUSED},connection=pty"), Place::default())];
    for channel in channels {
        let mut words = vec![format!("name={}", channel.name), format!("connection={}", channel.connection)];
        let (path, backend) = (channel.path.as_ref(), channel.backend.as_ref());
        words.extend(path.map(|path| format!("path={}", path.value)));
        words.extend(backend.map(|backend| format!("backend={}", backend.value)));
        let place = path.or(backend).map(|value| value.place.clone());
        specs.push((words.join(","), place.unwrap_or_default()));
    }
    specs
}
