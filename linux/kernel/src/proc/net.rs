//! `/proc/net`.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;
use core::net::IpAddr;

use linux_base::Result;
use linux_vfs::pseudo::Fixed;

use super::sockets::{self, AF_INET, AF_INET6, SOCK_DGRAM, SOCK_STREAM};
use crate::network::interfaces;

/// The directory; each process has it.
pub fn root() -> Fixed {
    const TCP: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode                                                     \n";
    const TCP6: &str = "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
    const UDP: &str = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops             \n";
    const UDP6: &str = "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n";
    let made = |make: fn() -> String| move || -> Result<Vec<u8>> { Ok(make().into_bytes()) };
    Fixed::new()
        .passing()
        .file("dev", made(dev))
        .file("if_inet6", made(if_inet6))
        .file("route", made(route))
        .file("tcp", || Ok(sockets::inet(TCP, AF_INET, SOCK_STREAM)))
        .file("tcp6", || Ok(sockets::inet(TCP6, AF_INET6, SOCK_STREAM)))
        .file("udp", || Ok(sockets::inet(UDP, AF_INET, SOCK_DGRAM)))
        .file("udp6", || Ok(sockets::inet(UDP6, AF_INET6, SOCK_DGRAM)))
        .file("unix", || Ok(sockets::unix()))
        .text("raw", UDP)
        .text("raw6", UDP6)
        .text("packet", "sk       RefCnt Type Proto  Iface R Rmem   User   Inode\n")
        .text("netlink", "sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n")
        .text("arp", "IP address       HW type     Flags       HW address            Mask     Device\n")
        .text("ipv6_route", "")
        .text("sockstat", "sockets: used 0\nTCP: inuse 0 orphan 0 tw 0 alloc 0 mem 0\nUDP: inuse 0 mem 0\nUDPLITE: inuse 0\nRAW: inuse 0\nFRAG: inuse 0 memory 0\n")
        .text("snmp", "")
        .text("netstat", "")
        .text("protocols", "")
}

fn dev() -> String {
    let mut text = String::from(
        "Inter-|   Receive                                                |  Transmit\n \
         face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n",
    );
    for interface in interfaces() {
        let (rx, tx) = (interface.counters.rx, interface.counters.tx);
        let rx_errors = rx.errors + rx.runts + rx.oversized + rx.bad_checksums + rx.bad_extras;
        let tx_errors = tx.errors + tx.bad_lengths + tx.bad_segments;
        let _ = writeln!(
            text,
            "{:>6}: {:7} {:7} {rx_errors:4} {:4}    0 {:5}          0         0 {:8} {:7} {tx_errors:4} {:4}    0     0       0          0",
            interface.name,
            rx.bytes,
            rx.packets,
            rx.no_memory,
            rx.runts + rx.oversized,
            tx.bytes,
            tx.packets,
            tx.dropped
        );
    }
    text
}

fn if_inet6() -> String {
    let mut text = String::new();
    for interface in interfaces() {
        for cidr in &interface.addresses {
            let IpAddr::V6(address) = cidr.addr() else { continue };
            let scope = if address.is_loopback() {
                0x10
            } else if address.is_unicast_link_local() {
                0x20
            } else {
                0
            };
            let _ = writeln!(
                text,
                "{:032x} {:02x} {:02x} {scope:02x} 80 {:>8}",
                u128::from(address),
                interface.number,
                cidr.prefix_len(),
                interface.name
            );
        }
    }
    text
}

fn route() -> String {
    let mut text = format!(
        "{:<127}\n",
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT"
    );
    for interface in interfaces() {
        for cidr in &interface.addresses {
            let IpAddr::V4(address) = cidr.addr() else { continue };
            if address.is_loopback() {
                continue;
            }
            let mask = u32::MAX.checked_shl(32 - u32::from(cidr.prefix_len())).unwrap_or(0);
            let network = u32::from(address) & mask;
            let _ = writeln!(
                text,
                "{}\t{:08X}\t00000000\t0001\t0\t0\t0\t{:08X}\t0\t0\t0",
                interface.name,
                network.swap_bytes(),
                mask.swap_bytes()
            );
        }
    }
    text
}
