//! A system call as strace prints it.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

use crate::{Call, Kind, flags};

/// Bytes shown of a buffer or string.
const SHOWN: usize = 32;

/// Memory of the program, as far as it is at hand.
pub trait Peek {
    /// The bytes at an address, as many of `len` as can be read without waiting.
    fn peek(&self, address: u64, len: usize) -> Vec<u8>;
}

/// What a call returned.
#[derive(Clone, Copy, Debug)]
pub enum Outcome {
    /// A value.
    Value(i64),
    /// An error: its number, its name and its text.
    Error(&'static str),
    /// It does not return.
    Never,
}

/// `read(3, "\177ELF"..., 832) = 832`.
pub fn print(call: &Call, arguments: [u64; 6], outcome: Outcome, memory: &dyn Peek) -> String {
    let mut text = format!("{}(", call.name);
    for (index, (_, kind)) in call.arguments.iter().enumerate() {
        if index > 0 {
            text += ", ";
        }
        let value = arguments.get(index).copied().unwrap_or(0);
        let next = arguments.get(index + 1).copied().unwrap_or(0);
        argument(&mut text, *kind, value, next, outcome, memory);
    }
    let _ = match outcome {
        Outcome::Value(value) if value > 0xffff_ffff => write!(text, ") = {value:#x}"),
        Outcome::Value(value) => write!(text, ") = {value}"),
        Outcome::Error(name) => write!(text, ") = -1 {name}"),
        Outcome::Never => write!(text, ") = ?"),
    };
    text
}

fn argument(text: &mut String, kind: Kind, value: u64, next: u64, outcome: Outcome, memory: &dyn Peek) {
    if let Some(name) = flags::name(kind, value) {
        *text += &name;
        return;
    }
    let _ = match kind {
        Kind::DirFd if value as i32 == -100 => write!(text, "AT_FDCWD"),
        Kind::Fd | Kind::DirFd | Kind::Int => write!(text, "{}", value as i32),
        Kind::Uint => write!(text, "{}", value as u32),
        Kind::Long => write!(text, "{}", value as i64),
        Kind::Size => write!(text, "{value}"),
        Kind::Mode => write!(text, "0{:o}", value as u32),
        Kind::Hex => write!(text, "{value:#x}"),
        _ if value == 0 => write!(text, "NULL"),
        Kind::Path => string(text, memory, value, 4096),
        Kind::Str => string(text, memory, value, SHOWN),
        Kind::Strings => strings(text, memory, value),
        Kind::In => bytes(text, memory, value, next),
        Kind::Out | Kind::OutStr => match outcome {
            Outcome::Value(len) if len >= 0 => bytes(text, memory, value, len as u64),
            _ => write!(text, "{value:#x}"),
        },
        Kind::Timespec => words(text, memory, value, |[seconds, nanos]| {
            format!("{{tv_sec={}, tv_nsec={}}}", seconds as i64, nanos as i64)
        }),
        Kind::SigSet => words(text, memory, value, |[set]| signals(set)),
        Kind::SockAddr => socket_address(text, memory, value, next),
        _ => write!(text, "{value:#x}"),
    };
}

fn string(text: &mut String, memory: &dyn Peek, address: u64, limit: usize) -> core::fmt::Result {
    let bytes = memory.peek(address, limit);
    match bytes.iter().position(|byte| *byte == 0) {
        Some(end) => quote(text, bytes.get(..end).unwrap_or_default(), false),
        None if bytes.is_empty() => write!(text, "{address:#x}"),
        None => quote(text, &bytes, true),
    }
}

fn strings(text: &mut String, memory: &dyn Peek, address: u64) -> core::fmt::Result {
    text.push('[');
    for index in 0..SHOWN as u64 {
        let Some(pointer) = word(memory, address.wrapping_add(index * 8)).filter(|pointer| *pointer != 0)
        else {
            break;
        };
        if index > 0 {
            *text += ", ";
        }
        string(text, memory, pointer, 4096)?;
    }
    text.push(']');
    Ok(())
}

fn bytes(text: &mut String, memory: &dyn Peek, address: u64, len: u64) -> core::fmt::Result {
    let shown = len.min(SHOWN as u64) as usize;
    let bytes = memory.peek(address, shown);
    if bytes.len() < shown {
        return write!(text, "{address:#x}");
    }
    quote(text, &bytes, len > SHOWN as u64)
}

fn word(memory: &dyn Peek, address: u64) -> Option<u64> {
    Some(u64::from_le_bytes(memory.peek(address, 8).try_into().ok()?))
}

fn words<const N: usize>(
    text: &mut String,
    memory: &dyn Peek,
    address: u64,
    shown: impl Fn([u64; N]) -> String,
) -> core::fmt::Result {
    let mut values = [0; N];
    for (index, value) in values.iter_mut().enumerate() {
        match word(memory, address.wrapping_add(index as u64 * 8)) {
            Some(word) => *value = word,
            None => return write!(text, "{address:#x}"),
        }
    }
    *text += &shown(values);
    Ok(())
}

fn signals(set: u64) -> String {
    let (set, mut text) =
        if set.count_ones() > 32 { (!set, String::from("~[")) } else { (set, String::from("[")) };
    let mut first = true;
    for number in (1..=64).filter(|number| set >> (number - 1) & 1 == 1) {
        if !core::mem::take(&mut first) {
            text.push(' ');
        }
        let name = flags::signal(number);
        text += name.strip_prefix("SIG").unwrap_or(&name);
    }
    text.push(']');
    text
}

fn socket_address(text: &mut String, memory: &dyn Peek, address: u64, len: u64) -> core::fmt::Result {
    let bytes = memory.peek(address, len.min(128) as usize);
    match *bytes.as_slice() {
        [2, 0, high, low, a, b, c, d, ..] => {
            let port = u16::from_be_bytes([high, low]);
            write!(
                text,
                "{{sa_family=AF_INET, sin_port=htons({port}), sin_addr=inet_addr(\"{a}.{b}.{c}.{d}\")}}"
            )
        }
        [1, 0, ref path @ ..] => {
            *text += "{sa_family=AF_UNIX, sun_path=";
            let is_abstract = path.first() == Some(&0);
            let name = if is_abstract { path.get(1..) } else { path.split(|byte| *byte == 0).next() };
            if is_abstract {
                text.push('@');
            }
            quote(text, name.unwrap_or_default(), false)?;
            text.push('}');
            Ok(())
        }
        [10, 0, high, low, ..] if bytes.len() >= 24 => {
            let mut octets = [0; 16];
            octets.copy_from_slice(bytes.get(8..24).unwrap_or(&[0; 16]));
            let (port, ip) = (u16::from_be_bytes([high, low]), core::net::Ipv6Addr::from(octets));
            write!(text, "{{sa_family=AF_INET6, sin6_port=htons({port}), sin6_addr=\"{ip}\"}}")
        }
        _ => write!(text, "{address:#x}"),
    }
}

fn quote(text: &mut String, bytes: &[u8], is_cut: bool) -> core::fmt::Result {
    text.push('"');
    for (index, byte) in bytes.iter().enumerate() {
        match byte {
            b'\n' => *text += "\\n",
            b'\t' => *text += "\\t",
            b'\r' => *text += "\\r",
            b'"' => *text += "\\\"",
            b'\\' => *text += "\\\\",
            0x20..0x7f => text.push(char::from(*byte)),
            _ if bytes.get(index + 1).is_some_and(u8::is_ascii_digit) => write!(text, "\\{byte:03o}")?,
            _ => write!(text, "\\{byte:o}")?,
        }
    }
    *text += if is_cut { "\"..." } else { "\"" };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::find;

    struct At(u64, &'static [u8]);

    impl Peek for At {
        fn peek(&self, address: u64, len: usize) -> Vec<u8> {
            let start = address.wrapping_sub(self.0) as usize;
            let bytes = self.1.get(start..).unwrap_or_default();
            bytes[..len.min(bytes.len())].to_vec()
        }
    }

    fn shown(number: u64, arguments: [u64; 6], outcome: Outcome, memory: At) -> String {
        print(find(number).unwrap(), arguments, outcome, &memory)
    }

    #[test]
    fn calls_look_as_strace_prints_them() {
        let path = At(0x1000, b"/etc/passwd\0");
        assert_eq!(
            shown(257, [-100i64 as u64, 0x1000, 0o2000000, 0, 0, 0], Outcome::Value(3), path),
            "openat(AT_FDCWD, \"/etc/passwd\", O_RDONLY|O_CLOEXEC, 00) = 3"
        );
        assert_eq!(
            shown(0, [3, 0x1000, 832, 0, 0, 0], Outcome::Value(5), At(0x1000, b"\x7fELF\n")),
            "read(3, \"\\177ELF\\n\", 832) = 5"
        );
        assert_eq!(
            shown(1, [1, 0x10, 4, 0, 0, 0], Outcome::Error("EFAULT"), At(0, b"")),
            "write(1, 0x10, 4) = -1 EFAULT"
        );
        assert_eq!(shown(231, [0; 6], Outcome::Never, At(0, b"")), "exit_group(0) = ?");
    }

    #[test]
    fn hostile_pointers_are_printed_as_numbers() {
        for call in crate::CALLS {
            let _ = print(call, [u64::MAX; 6], Outcome::Value(i64::MAX), &At(0, b"abc"));
            let _ = print(call, [1; 6], Outcome::Error("EINVAL"), &At(0, b"abc"));
        }
    }

    #[test]
    fn addresses_of_sockets_are_taken_apart() {
        let memory = At(0x10, &[2, 0, 0, 80, 10, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(
            shown(49, [4, 0x10, 16, 0, 0, 0], Outcome::Value(0), memory),
            "bind(4, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr(\"10.0.0.2\")}, 16) = 0"
        );
    }
}
