//! What options do to a connection, and `TCP_INFO`.

use linux_base::abi::net as abi;
use net::TcpOptions;

use super::{Phase, Tcp, info};
use crate::numbers::*;
use crate::options::table::{IP, IPV6, SOCKET, TCP};
use crate::socket::Socket;

/// How long sent data may stay unacknowledged: what 15 retries of Linux take.
const PATIENCE_NS: u64 = 924_000_000_000;
/// How long a connection may take to be made: 6 retries.
const CONNECT_NS: u64 = 127_000_000_000;
const SECOND_NS: u64 = 1_000_000_000;
/// Callers that may be about to confirm, however short the backlog.
const HALF_OPEN: usize = 512;

impl Tcp {
    /// An option of a connection that exists was changed.
    pub(crate) fn option_changed(&self, socket: &Socket, level: u32, name: u32, value: i32) {
        let (Phase::Opening(id) | Phase::Open(id)) = self.0.lock().phase else { return };
        let host = socket.sockets().host();
        match (level, name) {
            (TCP, abi::TCP_CORK) => {
                let _ = host.call(|net| net.tcp_set_corked(id, value != 0));
            }
            (
                TCP,
                abi::TCP_NODELAY
                | abi::TCP_KEEPIDLE
                | abi::TCP_KEEPINTVL
                | abi::TCP_KEEPCNT
                | abi::TCP_USER_TIMEOUT,
            )
            | (SOCKET, abi::SO_KEEPALIVE)
            | (IP, abi::IP_TTL)
            | (IPV6, abi::IPV6_UNICAST_HOPS) => {
                let wanted = tcp_options(socket);
                let _ = host.call(|net| net.tcp_set_options(id, &mut |options| *options = wanted));
            }
            _ => {}
        }
    }

    /// `TCP_INFO`: the state and what the connection knows of itself.
    pub(crate) fn info(&self, socket: &Socket) -> [u8; info::LEN] {
        let state = self.0.lock();
        let now = match state.phase {
            Phase::Opening(id) | Phase::Open(id) => socket
                .sockets()
                .host()
                .call(|net| net.tcp_state(id).and_then(|now| Ok((now, net.tcp_info(id)?))))
                .ok(),
            _ => None,
        };
        // The numbers of Linux's states.
        let number = match (state.phase, &now) {
            (Phase::Opening(_), _) => 2,
            (Phase::Listening(_), _) => 10,
            (Phase::Idle, _) | (_, None) => 7,
            (_, Some((now, _))) if now.failed || now.closed => 7,
            (_, Some((now, _))) if now.peer_done && state.shut_write => 9,
            (_, Some((now, _))) if now.peer_done => 8,
            _ if state.shut_write => 5,
            _ => 1,
        };
        info::encode(number, now.map(|(_, info)| info).as_ref())
    }
}

/// Buffers and timers by the socket's options.
pub(super) fn tcp_options(socket: &Socket) -> TcpOptions {
    let options = socket.options();
    let get = |level, name| options.get(level, name).unwrap_or(0).max(0) as u64;
    let mut wanted = socket.sockets().host().tcp_options();
    let more = options.more.lock();
    // The number asked for; what is read back is doubled.
    let size = |asked: Option<u32>, usual: usize| {
        asked.map_or(usual, |size| (size as usize / 2).clamp(4096, 1 << 20))
    };
    wanted.rx_buffer = size(more.receive_buffer, wanted.rx_buffer);
    wanted.tx_buffer = size(more.send_buffer, wanted.tx_buffer);
    drop(more);
    wanted.nodelay = get(TCP, abi::TCP_NODELAY) != 0;
    wanted.connect_timeout_ns = Some(CONNECT_NS);
    let keeps = get(SOCKET, abi::SO_KEEPALIVE) != 0;
    let (idle, interval) = (get(TCP, abi::TCP_KEEPIDLE), get(TCP, abi::TCP_KEEPINTVL));
    wanted.keepalive_ns = keeps.then_some(idle * SECOND_NS);
    wanted.user_timeout_ns = Some(match get(TCP, abi::TCP_USER_TIMEOUT) {
        0 if keeps => (idle + interval * get(TCP, abi::TCP_KEEPCNT)) * SECOND_NS,
        0 => PATIENCE_NS,
        milliseconds => milliseconds * 1_000_000,
    });
    let hops = if socket.domain() == AF_INET6 {
        options.get(IPV6, abi::IPV6_UNICAST_HOPS)
    } else {
        options.get(IP, abi::IP_TTL)
    };
    wanted.hop_limit = hops.filter(|hops| *hops > 0).unwrap_or(64).min(255) as u8;
    wanted.discard_most = 0;
    wanted.half_open = HALF_OPEN;
    wanted
}
