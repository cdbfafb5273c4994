//! The sockets in `/proc/net`: those that some process has a descriptor of.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt::Write;

use linux_base::abi::net as abi;
use linux_socket::Socket;

use crate::task::table;

pub const AF_INET: u16 = abi::AF_INET as u16;
pub const AF_INET6: u16 = abi::AF_INET6 as u16;
const AF_UNIX: u16 = abi::AF_UNIX as u16;
pub const SOCK_STREAM: u32 = abi::SOCK_STREAM;
pub const SOCK_DGRAM: u32 = abi::SOCK_DGRAM;
/// `__SO_ACCEPTCON`.
const ACCEPTS: u32 = 1 << 16;

/// The sockets of a family, by number, and whose they are.
fn sockets(domain: u16) -> Vec<(Arc<Socket>, u32)> {
    let mut found = BTreeMap::new();
    for process in table::processes() {
        let Some(thread) = process.any_thread() else { continue };
        let Some(files) = thread.files() else { continue };
        let user = thread.credentials().uid.effective;
        for fd in files.numbers() {
            let Some(socket) = files.get(fd).ok().and_then(|open| open.downcast_arc::<Socket>()) else {
                continue;
            };
            if socket.domain() == domain {
                found.entry(socket.number_of()).or_insert((socket, user));
            }
        }
    }
    found.into_values().collect()
}

/// The lines of TCP or UDP sockets below their heading.
pub fn inet(heading: &str, domain: u16, kind: u32) -> Vec<u8> {
    let mut text = String::from(heading);
    let known = sockets(domain).into_iter().filter(|(socket, _)| socket.socket_type() == kind);
    for (line, (socket, user)) in known.enumerate() {
        let Ok(local) = socket.name() else { continue };
        let state = socket.state();
        // What is in no table of Linux's: not bound, and not connected.
        if port(local.as_bytes()) == 0 || (kind == SOCK_STREAM && state == 7) {
            continue;
        }
        let peer = socket.peer_name().ok();
        let none = [0; 28];
        let peer = peer.as_ref().map_or(&none[..], |peer| peer.as_bytes());
        let _ = write!(text, "{line:4}: ");
        for address in [local.as_bytes(), peer] {
            put_address(&mut text, domain, address);
        }
        let _ = write!(
            text,
            "{state:02X} 00000000:{:08X} 00:00000000 00000000 {user:5}        0 {}",
            socket.unread(),
            socket.number_of()
        );
        text.push_str(if kind == SOCK_STREAM {
            " 1 0000000000000000 100 0 0 10 0\n"
        } else {
            " 2 0000000000000000 0\n"
        });
    }
    text.into_bytes()
}

/// The port of a `sockaddr_in` or `sockaddr_in6`.
fn port(address: &[u8]) -> u16 {
    match address.get(2..4) {
        Some(&[high, low]) => u16::from_be_bytes([high, low]),
        _ => 0,
    }
}

/// Words of the address as the processor reads them, and the port.
fn put_address(text: &mut String, domain: u16, address: &[u8]) {
    let (at, words) = if domain == AF_INET { (4, 1) } else { (8, 4) };
    let bytes = address.get(at..).unwrap_or_default();
    let mut chunks = bytes.chunks_exact(4);
    for _ in 0..words {
        let word = chunks.next().and_then(|word| word.try_into().ok()).map_or(0, u32::from_le_bytes);
        let _ = write!(text, "{word:08X}");
    }
    let _ = write!(text, ":{:04X} ", port(address));
}

/// `/proc/net/unix`.
pub fn unix() -> Vec<u8> {
    let mut text = b"Num       RefCount Protocol Flags    Type St Inode Path\n".to_vec();
    for (socket, _) in sockets(AF_UNIX) {
        let flags = if socket.is_listening() { ACCEPTS } else { 0 };
        let (kind, state, number) = (socket.socket_type(), socket.state(), socket.number_of());
        let line = alloc::format!(
            "0000000000000000: 00000002 00000000 {flags:08X} {kind:04X} {state:02X} {number:5}"
        );
        text.extend_from_slice(line.as_bytes());
        let name = socket.name().ok();
        // The end of a path is not told; a name without a file starts with a zero, shown as @.
        let path = name.as_ref().and_then(|name| name.as_bytes().get(2..)).unwrap_or_default();
        if !path.is_empty() {
            text.push(b' ');
            let is_path = path.first() != Some(&0);
            let path = if is_path { path.split(|byte| *byte == 0).next().unwrap_or_default() } else { path };
            text.extend(path.iter().map(|byte| if *byte == 0 { b'@' } else { *byte }));
        }
        text.push(b'\n');
    }
    text
}
