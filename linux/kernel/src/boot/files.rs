//! `/etc/hostname`, `/etc/hosts` and `/etc/resolv.conf`, where the root has none; and the interfaces.

use alloc::format;
use alloc::string::String;
use core::time::Duration;

use linux_base::io::SliceSource;
use linux_base::{Errno, OpenFlags};

use super::mounts::as_root;
use crate::call::system;
use crate::network::STACK_LEN;
use crate::options;

/// How long the configuration of an interface is waited for, to write its name servers down.
const PATIENCE: Duration = Duration::from_secs(60);

/// Writes them, and has the interfaces brought up.
pub fn write_all() {
    let hostname = options::get("hostname").map_or_else(minios_std::env::hostname, String::from);
    system::set_hostname(hostname.as_bytes());
    write_if_absent("/etc/hostname", &format!("{hostname}\n"));
    write_if_absent(
        "/etc/hosts",
        &format!("127.0.0.1\tlocalhost\n127.0.1.1\t{hostname}\n::1\tlocalhost ip6-localhost ip6-loopback\n"),
    );
    let servers: String = options::all("dns")
        .flat_map(|value| value.split(','))
        .map(|server| format!("nameserver {server}\n"))
        .collect();
    let is_known = !servers.is_empty();
    if is_known {
        write_if_absent("/etc/resolv.conf", &servers);
    }
    let vifs = minios_std::net::raw::ids().unwrap_or_default();
    let has_interface = vifs.into_iter().any(|id| !minios_std::net::raw::is_aside(id));
    if has_interface {
        let run = move || bring_up(is_known);
        if let Err(error) = minios::thread::Builder::new("network").stack_len(STACK_LEN).spawn(run) {
            log::warn!("the interfaces come up at the first use: {error}");
        }
    }
}

fn bring_up(is_known: bool) {
    if let Err(error) = minios_std::net::up() {
        log::error!("network: {error}");
        return;
    }
    if is_known {
        return;
    }
    // The servers that DHCP tells.
    if let Ok(status) = minios_std::net::wait_configured(Some(PATIENCE)) {
        let servers: String = status.dns.iter().map(|server| format!("nameserver {server}\n")).collect();
        if !servers.is_empty() {
            write_if_absent("/etc/resolv.conf", &servers);
        }
    }
}

fn write_if_absent(path: &str, text: &str) {
    let flags = OpenFlags::CREAT | OpenFlags::EXCL | OpenFlags::WRONLY;
    let open = as_root(|context| context.open(None, path.as_bytes(), flags, 0o644));
    let written = open.and_then(|open| open.write(None, &mut SliceSource::new(text.as_bytes()), 0));
    match written {
        Ok(_) | Err(Errno::EEXIST) => {}
        Err(errno) => log::debug!("{path} is not written: {errno}"),
    }
}
