//! `/sys`, as far as programs look.

use alloc::format;
use alloc::vec::Vec;

use linux_base::{Errno, Mode, Result};
use linux_vfs::devtmpfs;
use linux_vfs::pseudo::{Directory, Fixed, Item, Listed};
use minios::hypercall;
use xen_sys::version::{XENVER_EXTRAVERSION, XENVER_VERSION};

use crate::network::interfaces;

/// The directory.
pub fn root() -> Fixed {
    let cpu = Fixed::new()
        .text("online", "0\n")
        .text("possible", "0\n")
        .text("present", "0\n")
        .text("offline", "\n")
        .text("kernel_max", "0\n")
        .directory("cpu0", Fixed::new().directory("topology", topology()));
    let node = Fixed::new().text("online", "0\n").text("possible", "0\n");
    let huge = Fixed::new()
        .text("enabled", "always madvise [never]\n")
        .text("defrag", "always defer defer+madvise madvise [never]\n");
    let system = Fixed::new().directory("cpu", cpu).directory("node", node);
    Fixed::new()
        .directory("devices", Fixed::new().directory("system", system))
        .directory(
            "class",
            Fixed::new()
                .directory("net", Interfaces)
                .directory("tty", Fixed::new())
                .directory("block", Fixed::new()),
        )
        .directory("block", Fixed::new())
        .directory("dev", Fixed::new().directory("block", Disks).directory("char", Fixed::new()))
        .directory("bus", Fixed::new())
        .directory("fs", Fixed::new().directory("cgroup", Fixed::new()))
        .directory("module", Fixed::new())
        .directory(
            "kernel",
            Fixed::new()
                .directory(
                    "mm",
                    Fixed::new().directory("transparent_hugepage", huge).directory("hugepages", Fixed::new()),
                )
                .text("uevent_seqnum", "0\n")
                .directory("debug", Fixed::new())
                .directory("security", Fixed::new()),
        )
        .directory(
            "hypervisor",
            Fixed::new().text("type", "xen\n").text("guest_type", "PV\n").directory("version", xen_version()),
        )
}

/// `/sys/hypervisor/version`, by which Debian's tools for Xen find those of the right version.
fn xen_version() -> Fixed {
    let version = || hypercall::version_info(XENVER_VERSION, &mut []).unwrap_or_default();
    let extra = || {
        let mut bytes = [0; 16];
        let _ = hypercall::version_info(XENVER_EXTRAVERSION, &mut bytes);
        let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
        Ok([text, b"\n"].concat())
    };
    let line = |number: u64| Ok(format!("{number}\n").into_bytes());
    Fixed::new()
        .file("major", move || line(version() >> 16))
        .file("minor", move || line(version() & 0xffff))
        .file("extra", extra)
}

fn topology() -> Fixed {
    Fixed::new()
        .text("core_id", "0\n")
        .text("physical_package_id", "0\n")
        .text("core_siblings_list", "0\n")
        .text("thread_siblings_list", "0\n")
}

/// `/sys/dev/block`: what a device model asks of its disks, by their numbers.
struct Disks;

/// The minor numbers of the disks, in order.
fn disks() -> Vec<u32> {
    let names = minios_std::block::names().unwrap_or_default();
    let mut minors: Vec<u32> = names.iter().filter_map(|name| linux_vfs::block::minor(name)).collect();
    minors.sort_unstable();
    minors
}

impl Directory for Disks {
    fn lookup(&self, name: &[u8]) -> Result<Item> {
        let is_it = |minor: &u32| format!("{}:{minor}", devtmpfs::XVD).as_bytes() == name;
        disks().into_iter().find(is_it).ok_or(Errno::ENOENT)?;
        let queue = Fixed::new()
            .text("max_segments", "128\n")
            .text("max_sectors_kb", "1280\n")
            .text("rotational", "0\n")
            .text("zoned", "none\n");
        Ok(Item::directory(Fixed::new().directory("queue", queue)))
    }

    fn next(&self, from: u64) -> Option<Listed> {
        let minor = disks().into_iter().find(|minor| u64::from(*minor) >= from)?;
        let name = format!("{}:{minor}", devtmpfs::XVD).into_bytes();
        Some(Listed { cookie: minor.into(), name, kind: Mode::DIRECTORY })
    }
}

/// `/sys/class/net`.
struct Interfaces;

impl Directory for Interfaces {
    fn lookup(&self, name: &[u8]) -> Result<Item> {
        let interface = interfaces()
            .into_iter()
            .find(|interface| interface.name.as_bytes() == name)
            .ok_or(Errno::ENOENT)?;
        let is_loopback = interface.number == 1;
        let mac = interface.mac;
        let address = format!(
            "{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}\n",
            mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]
        );
        let line = |text: alloc::string::String| move || Ok(text.clone().into_bytes());
        let state = match interface.is_up {
            _ if is_loopback => "unknown\n",
            true => "up\n",
            false => "down\n",
        };
        let statistics = [
            "rx_bytes",
            "rx_packets",
            "rx_errors",
            "rx_dropped",
            "tx_bytes",
            "tx_packets",
            "tx_errors",
            "tx_dropped",
        ];
        let statistics = statistics.iter().fold(Fixed::new(), |directory, name| directory.text(name, "0\n"));
        Ok(Item::directory(
            Fixed::new()
                .file("address", line(address))
                .file("ifindex", line(format!("{}\n", interface.number)))
                .file("mtu", line(format!("{}\n", interface.mtu)))
                .text("operstate", state)
                .text("carrier", if interface.is_up { "1\n" } else { "0\n" })
                .text("flags", if is_loopback { "0x9\n" } else { "0x1003\n" })
                .text("type", if is_loopback { "772\n" } else { "1\n" })
                .text("tx_queue_len", "1000\n")
                .directory("statistics", statistics),
        ))
    }

    fn next(&self, from: u64) -> Option<Listed> {
        let interface = interfaces().into_iter().find(|interface| u64::from(interface.number) >= from)?;
        Some(Listed {
            cookie: interface.number.into(),
            name: interface.name.into_bytes(),
            kind: Mode::DIRECTORY,
        })
    }
}
