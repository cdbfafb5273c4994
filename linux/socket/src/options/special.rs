//! The options that are not just a remembered number.

use alloc::sync::Arc;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use linux_base::abi::net as abi;
use linux_base::{Credentials, Errno, Result};
use net::IfIndex;

use super::table::{IP, IPV6, SOCKET, TCP};
use super::{BUFFER_MOST, Kind};
use crate::caller::Caller;
use crate::numbers::AF_INET6;
use crate::socket::{Inner, Socket};

/// Kinds of congestion control that are taken, all the same one.
const CONGESTION: [&[u8]; 2] = [b"reno", b"cubic"];
const ADD_MEMBERSHIP: u32 = abi::IP_ADD_MEMBERSHIP;
const DROP_MEMBERSHIP: u32 = abi::IP_DROP_MEMBERSHIP;
const JOIN_GROUP: u32 = abi::IPV6_ADD_MEMBERSHIP;
const LEAVE_GROUP: u32 = abi::IPV6_DROP_MEMBERSHIP;

fn array<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N]> {
    bytes.get(at..at + N).and_then(|part| part.try_into().ok()).ok_or(Errno::EINVAL)
}

fn int(bytes: &[u8]) -> Result<i32> {
    array(bytes, 0).map(i32::from_le_bytes)
}

/// A number of the families IP, for which a byte is enough.
fn small_int(bytes: &[u8]) -> Result<i32> {
    match (int(bytes), bytes.first()) {
        (Ok(value), _) => Ok(value),
        (Err(_), Some(byte)) => Ok(i32::from(*byte)),
        (Err(_), None) => Ok(0),
    }
}

/// A `timeval` as nanoseconds; zero is for ever.
fn timeout(bytes: &[u8]) -> Result<Option<u64>> {
    let (seconds, micros) = (i64::from_le_bytes(array(bytes, 0)?), i64::from_le_bytes(array(bytes, 8)?));
    if !(0..1_000_000).contains(&micros) {
        return Err(Errno::EDOM);
    }
    if seconds < 0 {
        return Ok(Some(0));
    }
    let ns = (seconds as u64).saturating_mul(1_000_000_000).saturating_add(micros as u64 * 1000);
    Ok(Some(ns).filter(|ns| *ns > 0))
}

fn timeval(ns: Option<u64>) -> [u8; 16] {
    let ns = ns.unwrap_or(0);
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&(ns / 1_000_000_000).to_le_bytes());
    bytes[8..].copy_from_slice(&(ns % 1_000_000_000 / 1000).to_le_bytes());
    bytes
}

/// Stores what fits and says how much.
fn store(into: &mut [u8], bytes: &[u8]) -> Result<usize> {
    let len = bytes.len().min(into.len());
    into[..len].copy_from_slice(&bytes[..len]);
    Ok(len)
}

fn until_zero(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or(&[])
}

impl Socket {
    /// `setsockopt(2)`; `value` is what the program passes, cut by the caller to a reasonable length.
    pub fn set_option(&self, caller: &dyn Caller, level: u32, name: u32, value: &[u8]) -> Result<()> {
        match level {
            SOCKET => self.set_socket_option(caller, name, value),
            IP if self.is_inet() => self.set_ip_option(name, value),
            IPV6 if self.domain() == AF_INET6 => self.set_ipv6_option(name, value),
            TCP if self.kind().contains(Kind::TCP) => self.set_tcp_option(name, value),
            super::table::NETLINK if self.kind().contains(Kind::NETLINK) => {
                self.set_netlink_option(name, value)
            }
            _ if self.kind().contains(Kind::UNIX) => Err(Errno::EOPNOTSUPP),
            _ => self.set_number(level, name, int(value)?),
        }
    }

    fn set_number(&self, level: u32, name: u32, value: i32) -> Result<()> {
        self.options().set(level, name, value).ok_or(Errno::ENOPROTOOPT)??;
        self.option_changed(level, name, value);
        Ok(())
    }

    fn set_socket_option(&self, caller: &dyn Caller, name: u32, value: &[u8]) -> Result<()> {
        if name == abi::SO_BINDTODEVICE {
            return self.bind_to_device(until_zero(value));
        }
        let number = int(value);
        let mut more = self.options().more.lock();
        match name {
            abi::SO_LINGER => {
                let (on, seconds) =
                    (i32::from_le_bytes(array(value, 0)?), i32::from_le_bytes(array(value, 4)?));
                more.linger = (on != 0).then_some(seconds.max(0) as u32);
                more.linger_seconds = seconds.max(0) as u32;
            }
            abi::SO_RCVTIMEO_OLD | abi::SO_RCVTIMEO_NEW => more.receive_timeout_ns = timeout(value)?,
            abi::SO_SNDTIMEO_OLD | abi::SO_SNDTIMEO_NEW => more.send_timeout_ns = timeout(value)?,
            abi::SO_SNDBUF | abi::SO_SNDBUFFORCE => {
                more.send_buffer = Some(doubled(caller, name == abi::SO_SNDBUFFORCE, number?)?.max(4608));
            }
            abi::SO_RCVBUF | abi::SO_RCVBUFFORCE => {
                more.receive_buffer = Some(doubled(caller, name == abi::SO_RCVBUFFORCE, number?)?.max(2304));
            }
            abi::SO_TYPE | abi::SO_ERROR | abi::SO_PROTOCOL | abi::SO_DOMAIN | abi::SO_ACCEPTCONN => {
                number?;
                return Err(Errno::ENOPROTOOPT);
            }
            abi::SO_REUSEPORT if !self.is_inet() && int(value)? != 0 => return Err(Errno::EOPNOTSUPP),
            abi::SO_RCVLOWAT => {
                let value = number?;
                drop(more);
                let least = if value < 0 { i32::MAX } else { value.max(1) };
                return self.set_number(SOCKET, name, least);
            }
            abi::SO_MARK | abi::SO_DEBUG if !may(caller, 12) => {
                number?;
                // Only an administrator of the network may set these.
                return Err(if name == abi::SO_DEBUG { Errno::EACCES } else { Errno::EPERM });
            }
            _ => {
                drop(more);
                return self.set_number(SOCKET, name, number?);
            }
        }
        Ok(())
    }

    fn bind_to_device(&self, device: &[u8]) -> Result<()> {
        if !self.is_inet() {
            return Err(Errno::ENOPROTOOPT);
        }
        let exists = |net: &mut dyn crate::network::Net| {
            net.interfaces().iter().any(|interface| interface.name.as_bytes() == device)
        };
        if !device.is_empty() && !self.sockets().host().call(exists) {
            return Err(Errno::ENODEV);
        }
        self.options().more.lock().device = device.to_vec();
        Ok(())
    }

    fn set_ip_option(&self, name: u32, value: &[u8]) -> Result<()> {
        match name {
            ADD_MEMBERSHIP | DROP_MEMBERSHIP => {
                let group = Ipv4Addr::from(array::<4>(value, 0)?);
                let address = Ipv4Addr::from(array::<4>(value, 4)?);
                let index = array(value, 8).map_or(0, u32::from_le_bytes);
                self.join(group.into(), Some(address), index, name == ADD_MEMBERSHIP)
            }
            abi::IP_MULTICAST_IF => {
                let address =
                    Ipv4Addr::from(if value.len() >= 8 { array::<4>(value, 4)? } else { array(value, 0)? });
                let index = array(value, 8).map_or(0, u32::from_le_bytes);
                let interface = self.interface(address.into(), Some(address), index)?;
                self.options().more.lock().multicast_interface = interface.get() as u32 + 1;
                Ok(())
            }
            _ => self.set_number(IP, name, small_int(value)?),
        }
    }

    fn set_ipv6_option(&self, name: u32, value: &[u8]) -> Result<()> {
        match name {
            JOIN_GROUP | LEAVE_GROUP => {
                let group = Ipv6Addr::from(array::<16>(value, 0)?);
                self.join(group.into(), None, u32::from_le_bytes(array(value, 16)?), name == JOIN_GROUP)
            }
            // A bound socket has its addresses already.
            abi::IPV6_V6ONLY if self.is_bound() => Err(Errno::EINVAL),
            _ => self.set_number(IPV6, name, int(value)?),
        }
    }

    /// The interface that a program means by an address, an index or neither.
    fn interface(&self, to: IpAddr, address: Option<Ipv4Addr>, index: u32) -> Result<IfIndex> {
        let address = address.filter(|address| !address.is_unspecified());
        self.sockets().host().call(|net| {
            let all = net.interfaces();
            let found = match (index, address) {
                (0, None) => {
                    let from = net.local_addr_for(to).ok();
                    let has = |addr: IpAddr| {
                        all.iter().find(|i| i.addresses.iter().any(|cidr| cidr.addr() == addr))
                    };
                    from.and_then(has).or_else(|| all.get(1)).or_else(|| all.first())
                }
                (0, Some(own)) => {
                    all.iter().find(|i| i.addresses.iter().any(|cidr| cidr.addr() == IpAddr::V4(own)))
                }
                (index, _) => all.iter().find(|interface| interface.index.get() as u32 + 1 == index),
            };
            found.map(|interface| interface.index).ok_or(Errno::ENODEV)
        })
    }

    fn join(&self, group: IpAddr, address: Option<Ipv4Addr>, index: u32, joins: bool) -> Result<()> {
        if !group.is_multicast() {
            return Err(Errno::EINVAL);
        }
        let interface = self.interface(group, address, index)?;
        let Inner::Udp(udp) = self.inner() else { return Ok(()) };
        udp.join(self, interface, group, joins)
    }

    fn set_tcp_option(&self, name: u32, value: &[u8]) -> Result<()> {
        match name {
            abi::TCP_CONGESTION => {
                let wanted = until_zero(value);
                let known = CONGESTION.iter().find(|known| **known == wanted).ok_or(Errno::ENOENT)?;
                self.options().more.lock().congestion = known;
                Ok(())
            }
            // Nothing to layer over TCP, no keys: as in a kernel built without them.
            abi::TCP_ULP => Err(Errno::ENOENT),
            _ => self.set_number(TCP, name, int(value)?),
        }
    }

    fn set_netlink_option(&self, name: u32, value: &[u8]) -> Result<()> {
        use linux_base::abi::netlink;
        match name {
            netlink::NETLINK_ADD_MEMBERSHIP | netlink::NETLINK_DROP_MEMBERSHIP => {
                let group = u32::try_from(int(value)?).ok().filter(|group| (1..=64).contains(group));
                let Inner::Netlink(own) = self.inner() else { return Err(Errno::ENOPROTOOPT) };
                let joins = name == netlink::NETLINK_ADD_MEMBERSHIP;
                own.join(self, group.ok_or(Errno::EINVAL)?, joins)
            }
            _ => self.set_number(super::table::NETLINK, name, int(value)?),
        }
    }

    /// `getsockopt(2)`: stores what fits in `into`, which is as long as the program says (cut by the caller to a
    /// reasonable length), and returns how much.
    pub fn option(&self, caller: &dyn Caller, level: u32, name: u32, into: &mut [u8]) -> Result<usize> {
        match level {
            SOCKET => self.socket_option(caller, name, into),
            TCP if self.kind().contains(Kind::TCP) => self.tcp_option(name, into),
            IP | IPV6 if self.is_inet() => self.ip_option(level, name, into),
            _ if self.kind().contains(Kind::UNIX) => Err(Errno::EOPNOTSUPP),
            _ => self.number(level, name, into),
        }
    }

    fn number(&self, level: u32, name: u32, into: &mut [u8]) -> Result<usize> {
        let value = self.options().get(level, name).ok_or(Errno::ENOPROTOOPT)?;
        store(into, &value.to_le_bytes())
    }

    fn socket_option(&self, caller: &dyn Caller, name: u32, into: &mut [u8]) -> Result<usize> {
        let more = self.options().more.lock().clone();
        let is_tcp = self.kind().contains(Kind::TCP);
        let value = match name {
            abi::SO_LINGER => {
                let mut bytes = [0; 8];
                bytes[..4].copy_from_slice(&u32::from(more.linger.is_some()).to_le_bytes());
                bytes[4..].copy_from_slice(&more.linger_seconds.to_le_bytes());
                return store(into, &bytes);
            }
            abi::SO_RCVTIMEO_OLD | abi::SO_RCVTIMEO_NEW => {
                return store(into, &timeval(more.receive_timeout_ns));
            }
            abi::SO_SNDTIMEO_OLD | abi::SO_SNDTIMEO_NEW => {
                return store(into, &timeval(more.send_timeout_ns));
            }
            abi::SO_SNDBUF => more.send_buffer.unwrap_or(if is_tcp { 16384 } else { BUFFER_MOST }),
            abi::SO_RCVBUF => more.receive_buffer.unwrap_or(if is_tcp { 131_072 } else { BUFFER_MOST }),
            abi::SO_SNDLOWAT => 1,
            abi::SO_TYPE => self.socket_type(),
            abi::SO_PROTOCOL => self.protocol(),
            abi::SO_DOMAIN => u32::from(self.domain()),
            abi::SO_ACCEPTCONN => u32::from(self.is_listening()),
            abi::SO_ERROR => self.take_error().map_or(0, |errno| u32::from(errno.number())),
            abi::SO_BINDTODEVICE => {
                let mut bytes = more.device;
                if bytes.is_empty() {
                    return Ok(0);
                }
                bytes.push(0);
                return store(into, &bytes);
            }
            abi::SO_PEERCRED => return store(into, &self.peer_credentials().to_bytes()),
            abi::SO_PEERGROUPS => return self.peer_groups(into),
            abi::SO_COOKIE if into.len() < 8 => return Err(Errno::EINVAL),
            abi::SO_COOKIE => return store(into, &self.number_of().to_le_bytes()),
            abi::SO_PEERNAME => {
                let address = self.peer_name()?;
                let bytes = address.as_bytes();
                return if into.len() < bytes.len() { Err(Errno::EINVAL) } else { store(into, bytes) };
            }
            abi::SO_INCOMING_NAPI_ID => 0,
            _ => {
                let _ = caller;
                return self.number(SOCKET, name, into);
            }
        };
        store(into, &value.to_le_bytes())
    }

    fn tcp_option(&self, name: u32, into: &mut [u8]) -> Result<usize> {
        match name {
            abi::TCP_CONGESTION => {
                let mut bytes = [0; 16];
                let congestion = self.options().more.lock().congestion;
                bytes[..congestion.len()].copy_from_slice(congestion);
                store(into, &bytes)
            }
            abi::TCP_INFO => match self.inner() {
                Inner::Tcp(tcp) => store(into, &tcp.info(self)),
                _ => Err(Errno::ENOPROTOOPT),
            },
            abi::TCP_MAXSEG => {
                let set = self.options().get(TCP, name).unwrap_or(0);
                let value = if self.is_connected() && set == 536 { 1460 } else { set };
                store(into, &value.to_le_bytes())
            }
            _ => self.number(TCP, name, into),
        }
    }

    fn ip_option(&self, level: u32, name: u32, into: &mut [u8]) -> Result<usize> {
        match (level, name) {
            (IP, abi::IP_MTU) | (IPV6, abi::IPV6_MTU) => {
                let peer = self.peer_ip().ok_or(Errno::ENOTCONN)?;
                let mtu = if peer.is_loopback() { 65535 } else { 1500u32 };
                store(into, &mtu.to_le_bytes())
            }
            (IP, abi::IP_MULTICAST_IF) => store(into, &[0; 4]),
            (IPV6, abi::IPV6_UNICAST_HOPS | abi::IPV6_MULTICAST_HOPS) => {
                let set = self.options().get(level, name).ok_or(Errno::ENOPROTOOPT)?;
                let usual = if name == abi::IPV6_UNICAST_HOPS { 64 } else { 1 };
                store(into, &(if set < 0 { usual } else { set }).to_le_bytes())
            }
            _ => self.number(level, name, into),
        }
    }
}

fn may(caller: &dyn Caller, capability: u32) -> bool {
    caller.credentials().can(capability)
}

/// What a buffer size becomes: no more than the limit unless the caller administers the network, and doubled for
/// book-keeping.
fn doubled(caller: &dyn Caller, is_forced: bool, value: i32) -> Result<u32> {
    if is_forced && !may(caller, 12) {
        return Err(Errno::EPERM);
    }
    let most = if is_forced { i32::MAX as u32 / 2 } else { BUFFER_MOST };
    Ok((if value < 0 { most } else { value as u32 }).min(most).saturating_mul(2))
}

/// Who is at the other end, as `SO_PEERCRED` tells it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Peer {
    pub pid: u32,
    pub uid: u32,
    pub gid: u32,
    pub groups: Arc<[u32]>,
}

impl Peer {
    /// Nobody that is known.
    pub(crate) fn nobody() -> Self {
        Self { pid: 0, uid: u32::MAX, gid: u32::MAX, groups: Arc::from([]) }
    }

    pub(crate) fn of(caller: &dyn Caller) -> Self {
        let Credentials { uid, gid, groups, .. } = caller.credentials();
        Self { pid: caller.pid(), uid: uid.effective, gid: gid.effective, groups }
    }

    pub(crate) fn to_bytes(&self) -> [u8; 12] {
        let mut bytes = [0; 12];
        for (at, word) in [self.pid, self.uid, self.gid].into_iter().enumerate() {
            bytes[at * 4..at * 4 + 4].copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }
}

impl Socket {
    fn peer_groups(&self, into: &mut [u8]) -> Result<usize> {
        if !self.kind().contains(Kind::UNIX) {
            return Err(Errno::ENODATA);
        }
        let peer = self.peer_credentials();
        if into.len() < peer.groups.len() * 4 {
            return Err(Errno::ERANGE);
        }
        for (at, group) in peer.groups.iter().enumerate() {
            into[at * 4..at * 4 + 4].copy_from_slice(&group.to_le_bytes());
        }
        Ok(peer.groups.len() * 4)
    }

    /// `SO_RCVTIMEO` in nanoseconds, for the layer that waits.
    pub fn receive_timeout_ns(&self) -> Option<u64> {
        self.options().more.lock().receive_timeout_ns
    }

    /// `SO_SNDTIMEO` in nanoseconds, for the layer that waits.
    pub fn send_timeout_ns(&self) -> Option<u64> {
        self.options().more.lock().send_timeout_ns
    }
}
