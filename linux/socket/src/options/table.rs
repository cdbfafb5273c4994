//! The options that are a number, by a table: who has them, what they may be and what they are at first.

use linux_base::abi::{net as abi, netlink};

use super::Kind;

/// What a number may be.
#[derive(Clone, Copy)]
pub(super) enum Values {
    /// 0 or not 0; read as 0 or 1.
    Flag,
    /// Any number.
    Any,
    /// From and to, both included.
    Range(i32, i32),
}

/// An option that is a number.
pub(super) struct Known {
    pub level: u32,
    pub name: u32,
    pub first: i32,
    pub values: Values,
    pub on: Kind,
}

const fn flag(level: u32, name: u32, on: Kind) -> Known {
    Known { level, name, first: 0, values: Values::Flag, on }
}

const fn number(level: u32, name: u32, first: i32, on: Kind) -> Known {
    Known { level, name, first, values: Values::Any, on }
}

const fn range(level: u32, name: u32, first: i32, from: i32, to: i32, on: Kind) -> Known {
    Known { level, name, first, values: Values::Range(from, to), on }
}

pub(crate) const SOCKET: u32 = abi::SOL_SOCKET;
pub(crate) const IP: u32 = 0;
pub(crate) const IPV6: u32 = 41;
pub(crate) const TCP: u32 = 6;
pub(crate) const UDP: u32 = 17;
pub(crate) const NETLINK: u32 = abi::SOL_NETLINK;

const ALL: Kind = Kind::all();
const INET: Kind = Kind::TCP.union(Kind::UDP);

/// All of them. Those that change something say so in `Socket::option_changed`; the others are only remembered.
pub(super) static TABLE: &[Known] = &[
    flag(SOCKET, abi::SO_DEBUG, ALL),
    flag(SOCKET, abi::SO_REUSEADDR, ALL),
    flag(SOCKET, abi::SO_REUSEPORT, INET),
    flag(SOCKET, abi::SO_DONTROUTE, ALL),
    flag(SOCKET, abi::SO_BROADCAST, ALL),
    flag(SOCKET, abi::SO_KEEPALIVE, ALL),
    flag(SOCKET, abi::SO_OOBINLINE, ALL),
    flag(SOCKET, abi::SO_NO_CHECK, ALL),
    number(SOCKET, abi::SO_PRIORITY, 0, ALL),
    flag(SOCKET, abi::SO_PASSCRED, ALL),
    flag(SOCKET, abi::SO_PASSSEC, ALL),
    flag(SOCKET, abi::SO_TIMESTAMP_OLD, ALL),
    flag(SOCKET, abi::SO_TIMESTAMPNS_OLD, ALL),
    flag(SOCKET, abi::SO_TIMESTAMP_NEW, ALL),
    flag(SOCKET, abi::SO_TIMESTAMPNS_NEW, ALL),
    number(SOCKET, abi::SO_RCVLOWAT, 1, ALL),
    flag(SOCKET, abi::SO_RXQ_OVFL, ALL),
    number(SOCKET, abi::SO_MARK, 0, ALL),
    number(SOCKET, abi::SO_PEEK_OFF, -1, Kind::UNIX),
    number(SOCKET, abi::SO_BUSY_POLL, 0, ALL),
    number(SOCKET, abi::SO_MAX_PACING_RATE, -1, ALL),
    number(SOCKET, abi::SO_INCOMING_CPU, 0, ALL),
    flag(SOCKET, abi::SO_ZEROCOPY, INET),
    flag(SOCKET, abi::SO_SELECT_ERR_QUEUE, ALL),
    // Family IP; sockets of IPv6 have them too, for what they say in IPv4.
    range(IP, abi::IP_TOS, 0, 0, 255, INET),
    range(IP, abi::IP_TTL, 64, -1, 255, INET),
    flag(IP, abi::IP_RECVERR, INET),
    flag(IP, abi::IP_PKTINFO, INET),
    flag(IP, abi::IP_RECVTOS, INET),
    flag(IP, abi::IP_RECVTTL, INET),
    flag(IP, abi::IP_RECVOPTS, INET),
    flag(IP, abi::IP_RETOPTS, INET),
    flag(IP, abi::IP_FREEBIND, INET),
    flag(IP, abi::IP_RECVORIGDSTADDR, INET),
    flag(IP, abi::IP_BIND_ADDRESS_NO_PORT, INET),
    range(IP, abi::IP_MTU_DISCOVER, 1, 0, 5, INET),
    range(IP, abi::IP_MULTICAST_TTL, 1, -1, 255, Kind::UDP),
    Known { level: IP, name: abi::IP_MULTICAST_LOOP, first: 1, values: Values::Flag, on: Kind::UDP },
    Known { level: IP, name: abi::IP_MULTICAST_ALL, first: 1, values: Values::Flag, on: Kind::UDP },
    range(IP, abi::IP_MINTTL, 0, 0, 255, INET),
    number(IP, abi::IP_LOCAL_PORT_RANGE, 0, INET),
    flag(IPV6, abi::IPV6_V6ONLY, Kind::V6),
    range(IPV6, abi::IPV6_UNICAST_HOPS, -1, -1, 255, Kind::V6),
    range(IPV6, abi::IPV6_MULTICAST_HOPS, -1, -1, 255, Kind::V6),
    Known { level: IPV6, name: abi::IPV6_MULTICAST_LOOP, first: 1, values: Values::Flag, on: Kind::V6 },
    Known { level: IPV6, name: abi::IPV6_MULTICAST_ALL, first: 1, values: Values::Flag, on: Kind::V6 },
    number(IPV6, abi::IPV6_MULTICAST_IF, 0, Kind::V6),
    range(IPV6, abi::IPV6_MTU_DISCOVER, 1, 0, 5, Kind::V6),
    flag(IPV6, abi::IPV6_RECVERR, Kind::V6),
    flag(IPV6, abi::IPV6_RECVPKTINFO, Kind::V6),
    flag(IPV6, abi::IPV6_RECVHOPLIMIT, Kind::V6),
    flag(IPV6, abi::IPV6_RECVTCLASS, Kind::V6),
    flag(IPV6, abi::IPV6_DONTFRAG, Kind::V6),
    flag(IPV6, abi::IPV6_FREEBIND, Kind::V6),
    range(IPV6, abi::IPV6_TCLASS, 0, -1, 255, Kind::V6),
    flag(IPV6, abi::IPV6_AUTOFLOWLABEL, Kind::V6),
    number(IPV6, abi::IPV6_ADDR_PREFERENCES, 0, Kind::V6),
    flag(TCP, abi::TCP_NODELAY, Kind::TCP),
    flag(TCP, abi::TCP_CORK, Kind::TCP),
    range(TCP, abi::TCP_KEEPIDLE, 7200, 1, 32767, Kind::TCP),
    range(TCP, abi::TCP_KEEPINTVL, 75, 1, 32767, Kind::TCP),
    range(TCP, abi::TCP_KEEPCNT, 9, 1, 127, Kind::TCP),
    range(TCP, abi::TCP_SYNCNT, 6, 1, 127, Kind::TCP),
    number(TCP, abi::TCP_LINGER2, 60, Kind::TCP),
    number(TCP, abi::TCP_DEFER_ACCEPT, 0, Kind::TCP),
    number(TCP, abi::TCP_WINDOW_CLAMP, 0, Kind::TCP),
    Known { level: TCP, name: abi::TCP_QUICKACK, first: 1, values: Values::Flag, on: Kind::TCP },
    range(TCP, abi::TCP_USER_TIMEOUT, 0, 0, i32::MAX, Kind::TCP),
    range(TCP, abi::TCP_FASTOPEN, 0, 0, i32::MAX, Kind::TCP),
    flag(TCP, abi::TCP_FASTOPEN_CONNECT, Kind::TCP),
    number(TCP, abi::TCP_NOTSENT_LOWAT, 0, Kind::TCP),
    range(TCP, abi::TCP_MAXSEG, 536, 0, 32767, Kind::TCP),
    flag(TCP, abi::TCP_SAVE_SYN, Kind::TCP),
    flag(TCP, abi::TCP_THIN_LINEAR_TIMEOUTS, Kind::TCP),
    flag(UDP, 1, Kind::UDP),
    flag(UDP, 101, Kind::UDP),
    flag(UDP, 102, Kind::UDP),
    flag(NETLINK, netlink::NETLINK_PKTINFO, Kind::NETLINK),
    flag(NETLINK, netlink::NETLINK_BROADCAST_ERROR, Kind::NETLINK),
    flag(NETLINK, netlink::NETLINK_NO_ENOBUFS, Kind::NETLINK),
    flag(NETLINK, netlink::NETLINK_CAP_ACK, Kind::NETLINK),
    flag(NETLINK, netlink::NETLINK_EXT_ACK, Kind::NETLINK),
    flag(NETLINK, netlink::NETLINK_GET_STRICT_CHK, Kind::NETLINK),
];
