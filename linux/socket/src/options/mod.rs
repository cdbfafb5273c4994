//! `setsockopt` and `getsockopt`: what is remembered here, and what a socket does at a change.

pub(crate) mod special;
pub(crate) mod table;

use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering};

use linux_base::abi::net as abi;
use linux_base::{Errno, Mutex, Result};

use table::{Known, TABLE, Values};

bitflags::bitflags! {
    /// What a socket is, as far as options go.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub(crate) struct Kind: u8 {
        const TCP = 1;
        const UDP = 2;
        /// Of the family IPv6, with one of those.
        const V6 = 4;
        const UNIX = 8;
        const NETLINK = 16;
    }

    /// What every received message has to look at.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub(crate) struct Attached: u32 {
        const CREDENTIALS = 1;
        const TIMEVAL = 2;
        const TIMESPEC = 4;
        const PKTINFO = 8;
        const PKTINFO6 = 16;
        const TTL = 32;
        const TOS = 64;
        const HOPLIMIT = 128;
        const TCLASS = 256;
        const GROUPS = 512;
    }
}

/// The largest buffer that `SO_SNDBUF` and `SO_RCVBUF` ask for, and what there is when nobody asks.
pub(crate) const BUFFER_MOST: u32 = 212_992;

/// The options of a socket.
pub(crate) struct Options {
    kind: Kind,
    /// Those that were changed: place in the table and value.
    changed: Mutex<Vec<(u16, i32)>>,
    attached: AtomicU32,
    pub(crate) more: Mutex<More>,
}

/// Options that are no plain number.
#[derive(Clone)]
pub(crate) struct More {
    /// Doubled, as they are read; `None` before they are set.
    pub send_buffer: Option<u32>,
    pub receive_buffer: Option<u32>,
    /// Seconds, if `SO_LINGER` is on.
    pub linger: Option<u32>,
    pub linger_seconds: u32,
    pub receive_timeout_ns: Option<u64>,
    pub send_timeout_ns: Option<u64>,
    pub device: Vec<u8>,
    pub congestion: &'static [u8],
    pub multicast_interface: u32,
}

impl Options {
    pub(crate) fn new(kind: Kind) -> Self {
        Self {
            kind,
            changed: Mutex::new(Vec::new()),
            attached: AtomicU32::new(0),
            more: Mutex::new(More {
                send_buffer: None,
                receive_buffer: None,
                linger: None,
                linger_seconds: 0,
                receive_timeout_ns: None,
                send_timeout_ns: None,
                device: Vec::new(),
                congestion: b"reno",
                multicast_interface: 0,
            }),
        }
    }

    /// What an accepted socket has from its listener.
    pub(crate) fn inherit(&self) -> Self {
        Self {
            kind: self.kind,
            changed: Mutex::new(self.changed.lock().clone()),
            attached: AtomicU32::new(self.attached.load(Ordering::Relaxed)),
            more: Mutex::new(self.more.lock().clone()),
        }
    }

    fn find(&self, level: u32, name: u32) -> Option<(u16, &'static Known)> {
        let matches =
            |known: &Known| known.level == level && known.name == name && known.on.intersects(self.kind);
        TABLE.iter().position(matches).map(|at| (at as u16, &TABLE[at]))
    }

    /// The value of an option that is a number.
    pub(crate) fn get(&self, level: u32, name: u32) -> Option<i32> {
        let (at, known) = self.find(level, name)?;
        let changed = self.changed.lock();
        Some(changed.iter().find(|(place, _)| *place == at).map_or(known.first, |(_, value)| *value))
    }

    /// Whether a flag is set.
    pub(crate) fn is_set(&self, level: u32, name: u32) -> bool {
        self.get(level, name).is_some_and(|value| value != 0)
    }

    /// Sets an option that is a number; `None` if it is not one of the table.
    pub(crate) fn set(&self, level: u32, name: u32, value: i32) -> Option<Result<()>> {
        let (at, known) = self.find(level, name)?;
        let value = match known.values {
            Values::Flag => i32::from(value != 0),
            Values::Any => value,
            Values::Range(from, to) if (from..=to).contains(&value) => value,
            Values::Range(..) => return Some(Err(Errno::EINVAL)),
        };
        // The time to live that stands for the usual one.
        let value = if (level, name) == (table::IP, abi::IP_TTL) && value == -1 { 64 } else { value };
        if (level, name) == (table::IP, abi::IP_TTL) && value == 0 {
            return Some(Err(Errno::EINVAL));
        }
        let mut changed = self.changed.lock();
        if changed.try_reserve(1).is_err() {
            return Some(Err(Errno::ENOMEM));
        }
        match changed.iter_mut().find(|(place, _)| *place == at) {
            Some((_, old)) => *old = value,
            None => changed.push((at, value)),
        }
        drop(changed);
        self.note_attached(level, name, value != 0);
        Some(Ok(()))
    }

    fn note_attached(&self, level: u32, name: u32, is_on: bool) {
        let (bit, others) = match (level, name) {
            (table::SOCKET, abi::SO_PASSCRED) => (Attached::CREDENTIALS, Attached::empty()),
            (table::SOCKET, abi::SO_TIMESTAMP_OLD | abi::SO_TIMESTAMP_NEW) => {
                (Attached::TIMEVAL, Attached::TIMESPEC)
            }
            (table::SOCKET, abi::SO_TIMESTAMPNS_OLD | abi::SO_TIMESTAMPNS_NEW) => {
                (Attached::TIMESPEC, Attached::TIMEVAL)
            }
            (table::IP, abi::IP_PKTINFO) => (Attached::PKTINFO, Attached::empty()),
            (table::IP, abi::IP_RECVTTL) => (Attached::TTL, Attached::empty()),
            (table::IP, abi::IP_RECVTOS) => (Attached::TOS, Attached::empty()),
            (table::IPV6, abi::IPV6_RECVPKTINFO) => (Attached::PKTINFO6, Attached::empty()),
            (table::IPV6, abi::IPV6_RECVHOPLIMIT) => (Attached::HOPLIMIT, Attached::empty()),
            (table::IPV6, abi::IPV6_RECVTCLASS) => (Attached::TCLASS, Attached::empty()),
            (table::NETLINK, linux_base::abi::netlink::NETLINK_PKTINFO) => {
                (Attached::GROUPS, Attached::empty())
            }
            _ => return,
        };
        let mut now = self.attached();
        now.set(bit, is_on);
        if is_on {
            now.remove(others);
        }
        self.attached.store(now.bits(), Ordering::Relaxed);
    }

    /// What is to be attached to received messages.
    pub(crate) fn attached(&self) -> Attached {
        Attached::from_bits_retain(self.attached.load(Ordering::Relaxed))
    }

    /// Bytes that may wait to be sent, for sockets whose limit this is.
    pub(crate) fn send_limit(&self) -> usize {
        self.more.lock().send_buffer.unwrap_or(BUFFER_MOST) as usize
    }
}
