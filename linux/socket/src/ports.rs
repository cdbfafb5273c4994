//! Which ports are bound, and who may share one.
//!
//! The stack knows who listens; a socket holds its port from `bind` on, before it does. A claim ends when it is dropped.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;

use linux_base::{Errno, Mutex, Result, host};
use net::Scope;

/// Ports that are given to who asks for any.
const EPHEMERAL: core::ops::RangeInclusive<u16> = 32768..=60999;

/// What a port is of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Protocol {
    Tcp,
    Udp,
}

/// What a socket asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Wish {
    pub protocol: Protocol,
    /// Address; `None` is all of the scope.
    pub addr: Option<IpAddr>,
    pub scope: Scope,
    /// `SO_REUSEADDR`.
    pub reuse_addr: bool,
    /// `SO_REUSEPORT`.
    pub reuse_port: bool,
    /// Only one user's sockets share by `SO_REUSEPORT`.
    pub uid: u32,
}

struct Entry {
    key: u64,
    wish: Wish,
    is_listening: bool,
}

#[derive(Default)]
struct Table {
    next_key: u64,
    ports: BTreeMap<(Protocol, u16), Vec<Entry>>,
}

/// All claims.
#[derive(Clone, Default)]
pub(crate) struct Ports(Arc<Mutex<Table>>);

/// A port that a socket holds.
pub(crate) struct Claim {
    ports: Ports,
    key: u64,
    protocol: Protocol,
    port: u16,
}

impl Ports {
    /// Claims a port, or any free one for 0.
    pub(crate) fn claim(&self, port: u16, wish: Wish) -> Result<Claim> {
        let mut table = self.0.lock();
        let port = if port == 0 { table.free_port(wish)? } else { port };
        let is_listening = false;
        let holders = table.ports.get(&(wish.protocol, port)).map_or(&[][..], Vec::as_slice);
        if holders.iter().any(|holder| clashes(holder, &wish)) {
            return Err(Errno::EADDRINUSE);
        }
        let key = table.next_key;
        table.next_key += 1;
        let holders = table.ports.entry((wish.protocol, port)).or_default();
        holders.try_reserve(1)?;
        holders.push(Entry { key, wish, is_listening });
        Ok(Claim { ports: self.clone(), key, protocol: wish.protocol, port })
    }
}

impl Table {
    fn free_port(&self, wish: Wish) -> Result<u16> {
        let mut random = [0; 2];
        host::host().random(&mut random);
        let (first, count) = (*EPHEMERAL.start(), EPHEMERAL.end() - EPHEMERAL.start() + 1);
        let start = u16::from_le_bytes(random) % count;
        let candidates =
            (0..count).map(|step| first + ((u32::from(start) + u32::from(step)) % u32::from(count)) as u16);
        let is_free = |port: &u16| !self.ports.contains_key(&(wish.protocol, *port));
        candidates.clone().find(is_free).ok_or(Errno::EADDRINUSE)
    }
}

fn clashes(holder: &Entry, wish: &Wish) -> bool {
    let other = &holder.wish;
    let scopes_meet = |a: Scope, b: Scope| a == b || a == Scope::Both || b == Scope::Both;
    let scope_of = |wish: &Wish| match wish.addr {
        Some(IpAddr::V4(_)) => Scope::V4,
        Some(IpAddr::V6(_)) => Scope::V6,
        None => wish.scope,
    };
    let meets = match (other.addr, wish.addr) {
        (Some(one), Some(two)) => one == two,
        _ => scopes_meet(scope_of(other), scope_of(wish)),
    };
    let by_port = other.reuse_port && wish.reuse_port && other.uid == wish.uid;
    let by_addr = other.reuse_addr && wish.reuse_addr && !holder.is_listening;
    meets && !by_port && !by_addr
}

impl Claim {
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The socket listens now: `SO_REUSEADDR` shares its port no more.
    pub(crate) fn set_listening(&self) {
        let mut table = self.ports.0.lock();
        let holders = table.ports.get_mut(&(self.protocol, self.port));
        if let Some(entry) = holders.and_then(|all| all.iter_mut().find(|entry| entry.key == self.key)) {
            entry.is_listening = true;
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut table = self.ports.0.lock();
        if let Some(holders) = table.ports.get_mut(&(self.protocol, self.port)) {
            holders.retain(|entry| entry.key != self.key);
            if holders.is_empty() {
                table.ports.remove(&(self.protocol, self.port));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::{Ipv4Addr, Ipv6Addr};

    const ANY: Wish = Wish {
        protocol: Protocol::Tcp,
        addr: None,
        scope: Scope::V4,
        reuse_addr: false,
        reuse_port: false,
        uid: 0,
    };

    #[test]
    fn a_port_is_shared_only_by_those_who_both_say_so() {
        let ports = Ports::default();
        let reuse = Wish { reuse_addr: true, ..ANY };
        let first = ports.claim(80, reuse).unwrap();
        assert_eq!(ports.claim(80, ANY).err(), Some(Errno::EADDRINUSE));
        let second = ports.claim(80, reuse).unwrap();
        first.set_listening();
        assert_eq!(ports.claim(80, reuse).err(), Some(Errno::EADDRINUSE));
        drop((first, second));
        let share = Wish { reuse_port: true, ..ANY };
        let one = ports.claim(80, share).unwrap();
        one.set_listening();
        assert!(ports.claim(80, share).is_ok());
        assert_eq!(ports.claim(80, Wish { uid: 7, ..share }).err(), Some(Errno::EADDRINUSE));
    }

    #[test]
    fn families_and_addresses_apart_do_not_clash() {
        let ports = Ports::default();
        let local = Wish { addr: Some(Ipv4Addr::LOCALHOST.into()), ..ANY };
        let _local = ports.claim(80, local).unwrap();
        assert_eq!(ports.claim(80, ANY).err(), Some(Errno::EADDRINUSE));
        let _other = ports.claim(80, Wish { addr: Some(Ipv4Addr::new(127, 0, 0, 2).into()), ..ANY }).unwrap();
        let _v6 = ports.claim(80, Wish { scope: Scope::V6, ..ANY }).unwrap();
        assert_eq!(ports.claim(80, Wish { scope: Scope::Both, ..ANY }).err(), Some(Errno::EADDRINUSE));
        let v6 = Wish { addr: Some(Ipv6Addr::LOCALHOST.into()), scope: Scope::V6, ..ANY };
        assert_eq!(ports.claim(80, v6).err(), Some(Errno::EADDRINUSE));
        let _udp = ports.claim(80, Wish { protocol: Protocol::Udp, ..ANY }).unwrap();
    }

    #[test]
    fn port_zero_is_any_free_one() {
        let ports = Ports::default();
        let claims: Vec<_> = (0..100).map(|_| ports.claim(0, ANY).unwrap()).collect();
        let numbers: std::collections::BTreeSet<_> = claims.iter().map(Claim::port).collect();
        assert_eq!(numbers.len(), 100);
        assert!(numbers.iter().all(|port| EPHEMERAL.contains(port)));
    }
}
