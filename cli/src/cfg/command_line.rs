//! The kernel command line: options as `key=value` words, then ` -- ` and the program's arguments.
//!
//! A word with blanks, quotes or backslashes stands in double quotes, in which `\"` and `\\` are escapes; so the runtime's
//! parser gets back the very words of the TOML file.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::app::App;
use super::device::{Disk, parse_vdev};
use super::read::{Located, Place, Reader, Scalar, Sink, Table};
use super::xl;

/// The command line's place in start_info is 1024 bytes with the final zero; the domain builder cuts what is longer.
pub const MAX_LEN: usize = 1023;

/// Takes `options` out of the root table.
pub fn read_options(
    root: &mut Table<'_>,
    disks: &[Disk],
    is_packed: bool,
    reader: &mut Reader<'_>,
) -> Vec<(String, Located<Scalar>)> {
    let Some(table) = root.take("options").and_then(|entry| reader.sub_table(entry)) else {
        return Vec::new();
    };
    let mut options = Vec::new();
    for (key, entry) in table.drain() {
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if key.is_empty() || !key.bytes().all(is_word) || key.starts_with('-') {
            let message = "option names are of letters, digits and . _ - and do not start with -".to_owned();
            reader.sink.error(&entry.place, message);
            continue;
        }
        let place = entry.place.clone();
        if is_packed && OF_PACKED.contains(&key.as_str()) {
            let message = "generated from other keys of this file, so it cannot be given here".to_owned();
            reader.sink.error(&place, message);
            continue;
        }
        let values = if entry.is_array() { reader.items(entry) } else { vec![entry] };
        for value in values {
            if let Some(value) = reader.scalar(value) {
                check(&key, &value, disks, &mut reader.sink);
                options.push((key.clone(), value));
            }
        }
        let known: &[&str] = if is_packed { &KNOWN_PACKED } else { &KNOWN };
        if !known.contains(&without_number(&key)) {
            let message = format!("not an option of the runtime; those are {}", known.join(", "));
            reader.sink.warn(&place, message);
        }
    }
    options
}

/// The whole command line, or `None` where there is nothing to say.
pub fn render(app: &App, sink: &mut Sink) -> Option<String> {
    let mut words: Vec<String> = Vec::new();
    for (key, value) in &app.options {
        words.push(word(&format!("{key}={}", text(&value.value))));
    }
    if !app.arguments.is_empty() {
        words.push("--".to_owned());
        words.extend(app.arguments.iter().map(|argument| word(&argument.value)));
    }
    let errors = sink.errors.len();
    for (_, option) in &app.options {
        refuse_control(&text(&option.value), &option.place, sink);
    }
    for argument in &app.arguments {
        refuse_control(&argument.value, &argument.place, sink);
    }
    if sink.errors.len() > errors {
        return None;
    }
    let line = words.join(" ");
    if line.len() > MAX_LEN {
        let message =
            format!("the command line of {} bytes is longer than the {MAX_LEN} that fit", line.len());
        sink.error(&app.command_line, message);
    }
    (!line.is_empty()).then_some(line)
}

pub fn refuse_control(text: &str, place: &Place, sink: &mut Sink) {
    if let Some(bad) = text.chars().find(|c| c.is_control()) {
        sink.error(place, xl::no_such_character(bad));
    }
}

/// `text` as one word of the command line.
pub fn word(text: &str) -> String {
    let plain = |c: char| !c.is_whitespace() && c != '"' && c != '\\';
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

pub fn text(value: &Scalar) -> String {
    match value {
        Scalar::String(string) => string.clone(),
        Scalar::Integer(number) => number.to_string(),
        Scalar::Boolean(value) => value.to_string(),
    }
}

const KNOWN: [&str; 7] = ["loglevel", "ip", "gateway", "dns", "queues", "hostname", "mount"];
const KNOWN_PACKED: [&str; 10] =
    ["loglevel", "ip", "gateway", "dns", "queues", "hostname", "strace", "stubdom", "xen", "taps"];
/// What a packed guest's other keys become.
const OF_PACKED: [&str; 8] = ["root", "overlay", "env", "user", "cwd", "tmpfs", "mount", "options"];
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Checks the value of an option that the runtime knows, so that it is refused here and not by a guest that cannot be seen.
fn check(key: &str, value: &Located<Scalar>, disks: &[Disk], sink: &mut Sink) {
    let text = text(&value.value);
    let wrong = match without_number(key) {
        "loglevel" if !LEVELS.contains(&text.as_str()) => {
            Some(format!("unknown level `{text}`; known are {}", LEVELS.join(", ")))
        }
        "ip" => check_ip(&text),
        "gateway" | "dns" => text
            .split(',')
            .find(|address| address.parse::<IpAddr>().is_err())
            .map(|address| format!("`{address}` is not an IP address")),
        "hostname" if !is_host_name(&text) => Some(format!("`{text}` is not a host name")),
        "mount" => check_mount(&text, value, disks, sink),
        _ => None,
    };
    if let Some(message) = wrong {
        sink.error(&value.place, message);
    }
}

/// `ip1` and the like are those of the second interface.
fn without_number(key: &str) -> &str {
    let base = key.trim_end_matches(|c: char| c.is_ascii_digit());
    if ["ip", "gateway", "dns"].contains(&base) { base } else { key }
}

/// Checks an address of a packed guest's interface as if it were the option.
pub fn check_address(option: &str, value: &Located<String>, sink: &mut Sink) {
    let scalar = Located { value: Scalar::String(value.value.clone()), place: value.place.clone() };
    check(option, &scalar, &[], sink);
}

/// `dhcp` or ADDRESS/LENGTH, and after a comma `slaac` or an IPv6 ADDRESS/LENGTH.
fn check_ip(text: &str) -> Option<String> {
    let (first, second) = match text.split_once(',') {
        Some((first, second)) => (first, Some(second)),
        None => (text, None),
    };
    let with_length = |text: &str, max: u8, parses: &dyn Fn(&str) -> bool| {
        let (address, length) = text.split_once('/')?;
        (parses(address) && length.parse::<u8>().is_ok_and(|length| length <= max)).then_some(())
    };
    let is_v4 = with_length(first, 32, &|text| text.parse::<Ipv4Addr>().is_ok()).is_some();
    if first != "dhcp" && !is_v4 {
        return Some(format!(
            "`{first}` is neither `dhcp` nor an IPv4 address with a prefix length like 10.0.0.2/24"
        ));
    }
    let second = second?;
    let is_v6 = with_length(second, 128, &|text| text.parse::<Ipv6Addr>().is_ok()).is_some();
    (second != "slaac" && !is_v6).then(|| {
        format!("`{second}` is neither `slaac` nor an IPv6 address with a prefix length like fd00::2/64")
    })
}

fn is_host_name(text: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() < 64
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() < 254 && text.split('.').all(label)
}

/// DEVICE:PATH[:TYPE]; a device that no disk of this file has is a warning, since it can be attached by other means.
fn check_mount(text: &str, value: &Located<Scalar>, disks: &[Disk], sink: &mut Sink) -> Option<String> {
    let parts: Vec<&str> = text.split(':').collect();
    let (device, path) = match parts.as_slice() {
        [device, path] | [device, path, _] if !device.is_empty() && path.starts_with('/') => (*device, *path),
        _ => return Some(format!("`{text}` is not of the form DEVICE:/PATH or DEVICE:/PATH:TYPE")),
    };
    let number = parse_vdev(device.strip_prefix("/dev/").unwrap_or(device));
    if number.is_some() && !disks.iter().any(|disk| parse_vdev(&disk.vdev) == number) {
        sink.warn(
            &value.place,
            format!("no disk of this file is {device}, which is to be mounted on {path}"),
        );
    }
    None
}
