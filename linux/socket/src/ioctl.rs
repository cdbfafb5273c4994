//! `SIOCGIF*`: the interfaces, as `ifconfig` and old `getifaddrs` ask for them.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};

use linux_base::abi::ioctl;
use linux_base::file::UserMemory;
use linux_base::{Errno, Result};
use net::IfStatus;

use crate::socket::Socket;

/// The length of a name in `struct ifreq`, and of that.
const NAME: usize = 16;
const REQUEST: usize = 40;
/// `struct ifreq`s that `SIOCGIFCONF` stores at most.
const MOST: usize = 256;

/// The flags of an interface (`IFF_*`).
pub(crate) fn flags(interface: &IfStatus) -> u32 {
    const UP: u32 = 1;
    const BROADCAST: u32 = 2;
    const LOOPBACK: u32 = 8;
    const RUNNING: u32 = 0x40;
    const MULTICAST: u32 = 0x1000;
    const LOWER_UP: u32 = 0x1_0000;
    let kind = if interface.mac.is_none() { LOOPBACK } else { BROADCAST | MULTICAST };
    let state = if interface.up { RUNNING | LOWER_UP } else { 0 };
    UP | kind | state
}

/// The first IPv4 address and its prefix.
fn v4(interface: &IfStatus) -> Option<(Ipv4Addr, u8)> {
    interface.addresses.iter().find_map(|cidr| match cidr.addr() {
        IpAddr::V4(ip) => Some((ip, cidr.prefix_len())),
        IpAddr::V6(_) => None,
    })
}

pub(crate) fn netmask(prefix_len: u8) -> Ipv4Addr {
    Ipv4Addr::from(u32::MAX.checked_shl(32 - u32::from(prefix_len.min(32))).unwrap_or(0))
}

pub(crate) fn broadcast(ip: Ipv4Addr, prefix_len: u8) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(ip) | !u32::from(netmask(prefix_len)))
}

fn sockaddr(ip: Ipv4Addr) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[0] = 2;
    bytes[4..8].copy_from_slice(&ip.octets());
    bytes
}

/// The requests about interfaces; `ENOTTY` for what is none.
pub(crate) fn interfaces(
    socket: &Socket,
    command: u32,
    argument: u64,
    memory: &dyn UserMemory,
) -> Result<i64> {
    const SET: [u32; 9] = [
        ioctl::SIOCSIFFLAGS,
        ioctl::SIOCSIFADDR,
        ioctl::SIOCSIFDSTADDR,
        ioctl::SIOCSIFBRDADDR,
        ioctl::SIOCSIFNETMASK,
        ioctl::SIOCSIFMTU,
        ioctl::SIOCSIFHWADDR,
        ioctl::SIOCADDRT,
        ioctl::SIOCDELRT,
    ];
    if SET.contains(&command) {
        return Err(Errno::EPERM);
    }
    let is_known = (ioctl::SIOCGIFNAME..=ioctl::SIOCGIFHWADDR).contains(&command)
        || matches!(command, ioctl::SIOCGIFINDEX | ioctl::SIOCGIFTXQLEN | ioctl::SIOCGIFMAP);
    if !is_known {
        return Err(Errno::ENOTTY);
    }
    // `if_nametoindex` asks over a socket of AF_UNIX, which needs no stack otherwise.
    socket.sockets().host().ready()?;
    let all = socket.sockets().host().call(|net| net.interfaces());
    if command == ioctl::SIOCGIFCONF {
        return list(&all, argument, memory);
    }
    let mut request = [0; REQUEST];
    memory.read(argument, &mut request)?;
    let (name, value) = request.split_at_mut(NAME);
    if command == ioctl::SIOCGIFNAME {
        let index = i32::from_le_bytes([value[0], value[1], value[2], value[3]]);
        let is_it = |interface: &&IfStatus| i64::from(index) == interface.index.get() as i64 + 1;
        let found = all.iter().find(is_it).ok_or(Errno::ENODEV)?;
        put_name(name, found);
        memory.write(argument, &request)?;
        return Ok(0);
    }
    // An alias, `eth0:1`, is its interface.
    let wanted = name.split(|byte| matches!(byte, 0 | b':')).next().unwrap_or(&[]);
    let interface = all.iter().find(|interface| interface.name.as_bytes() == wanted).ok_or(Errno::ENODEV)?;
    let address = || v4(interface).ok_or(Errno::EADDRNOTAVAIL);
    let answer: &[u8] = match command {
        ioctl::SIOCGIFFLAGS => &(flags(interface) as u16).to_le_bytes(),
        ioctl::SIOCGIFADDR | ioctl::SIOCGIFDSTADDR => &sockaddr(address()?.0),
        ioctl::SIOCGIFNETMASK => &sockaddr(netmask(address()?.1)),
        ioctl::SIOCGIFBRDADDR if interface.mac.is_none() => &sockaddr(Ipv4Addr::UNSPECIFIED),
        ioctl::SIOCGIFBRDADDR => {
            let (ip, prefix_len) = address()?;
            &sockaddr(broadcast(ip, prefix_len))
        }
        ioctl::SIOCGIFMTU => &(interface.mtu as u32).to_le_bytes(),
        ioctl::SIOCGIFMETRIC => &[0; 4],
        ioctl::SIOCGIFINDEX => &(interface.index.get() as u32 + 1).to_le_bytes(),
        ioctl::SIOCGIFTXQLEN => &1000u32.to_le_bytes(),
        ioctl::SIOCGIFHWADDR => {
            let mut bytes = [0; 16];
            bytes[..2].copy_from_slice(&hardware_type(interface).to_le_bytes());
            bytes[2..8].copy_from_slice(&interface.mac.unwrap_or([0; 6]));
            &bytes.clone()
        }
        ioctl::SIOCGIFMAP => &[0; 24],
        _ => return Err(Errno::EINVAL),
    };
    value[..answer.len()].copy_from_slice(answer);
    memory.write(argument, &request)?;
    Ok(0)
}

/// `ARPHRD_*`.
pub(crate) fn hardware_type(interface: &IfStatus) -> u16 {
    if interface.mac.is_none() { 772 } else { 1 }
}

fn put_name(into: &mut [u8], interface: &IfStatus) {
    into.fill(0);
    let len = interface.name.len().min(NAME - 1);
    into[..len].copy_from_slice(&interface.name.as_bytes()[..len]);
}

/// `SIOCGIFCONF`: those with an IPv4 address, as many as there is room for; without a buffer, how much room they need.
fn list(all: &[IfStatus], argument: u64, memory: &dyn UserMemory) -> Result<i64> {
    let (len, buffer) = (memory.read_u32(argument)? as i32, memory.read_u64(argument + 8)?);
    let mut bytes: Vec<u8> = Vec::new();
    for (interface, (ip, _)) in
        all.iter().filter_map(|interface| Some((interface, v4(interface)?))).take(MOST)
    {
        let mut request = [0; REQUEST];
        put_name(&mut request[..NAME], interface);
        request[NAME..NAME + 16].copy_from_slice(&sockaddr(ip));
        bytes.extend_from_slice(&request);
    }
    if buffer != 0 {
        let room = usize::try_from(len).map_err(|_| Errno::EINVAL)? / REQUEST * REQUEST;
        bytes.truncate(room);
        memory.write(buffer, &bytes)?;
    }
    memory.write_u32(argument, bytes.len() as u32)?;
    Ok(0)
}
